//! What is written beside the files, and by whom.

use super::*;

#[test]
fn other_files_of_the_folder_are_nobodys_business() {
    let folder = tempfile::tempdir().unwrap();
    several(folder.path());
    fs::write(folder.path().join("keys"), "k1").unwrap();
    let policy = folder.path().join("policy.toml");
    let keys = folder.path().join("keys");
    let sources = Sources { policy: policy.clone(), keys, others: Vec::new() };
    let before = sources.look();
    let more = policy.canonicalize().unwrap().join("more.toml");
    assert!(before.names().has(&more) && !before.has_name(&more), "one that is yet to come");
    let others = [
        folder.path().join("keys.lock"),
        folder.path().join(".keys.swp"),
        policy.join("a.toml~"),
        policy.join(".a.toml"),
        policy.join("4913"),
    ];
    for other in others {
        fs::write(&other, "x").unwrap();
        let after = sources.look();
        assert_eq!(after.fingerprint, before.fingerprint, "{}", other.display());
        assert!(!after.has_name(&other.canonicalize().unwrap()), "{}", other.display());
        assert!(!after.names().has(&other.canonicalize().unwrap()), "{}", other.display());
    }
}

#[test]
fn what_the_keystore_writes_is_told_once() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().canonicalize().unwrap();
    let store = Store::new(root.join("keys"), Permissions::Private);
    store.add(new_record()).unwrap();
    let mailbox = Arc::new(Mailbox::default());
    let mut folders = Folders::new(Arc::clone(&mailbox));
    let (policy, keys) = (root.join("policy.toml"), root.join("keys"));
    let sources = Sources { policy, keys, others: vec![root.join("end")] };
    assert!(folders.follow(&sources.look()));
    assert!(!folders.follow(&sources.look()));
    // A log beside the files is busy, and nobody is woken for it.
    fs::write(root.join("log"), "x").unwrap();
    store.add(new_record()).unwrap();
    fs::write(root.join("end"), "").unwrap();
    let (mut told, due) = (Vec::new(), clock::instant() + LONG);
    while !told.contains(&(root.join("end"), Sign::Completed)) {
        assert!(clock::instant() < due, "{told:?}");
        told.extend(mailbox.wait(clock::instant(), due).signs);
    }
    let end = root.join("end");
    told.retain(|(name, sign)| *name != end || *sign == Sign::Completed);
    assert_eq!(told, [(root.join("keys"), Sign::Completed), (end, Sign::Completed)]);
}

fn new_record() -> NewRecord {
    let text = |text| Text::parse(text).unwrap();
    NewRecord {
        hash: ApiKey::generate("production").unwrap().digest(None),
        workspace: text("acme"),
        account: text("ann"),
        environment: text("production"),
        label: None,
        owner: None,
        created: Timestamp::new(UnixSeconds(0)).unwrap(),
        not_before: None,
        expires: None,
        ceiling: None,
    }
}
