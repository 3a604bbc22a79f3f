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
    folders.follow(&[root.clone()].into());
    store.add(new_record()).unwrap();
    fs::write(root.join("end"), "").unwrap();
    let (mut told, due) = (Vec::new(), clock::instant() + LONG);
    while !told.contains(&(root.join("end"), Sign::Completed)) {
        assert!(clock::instant() < due, "{told:?}");
        told.extend(mailbox.wait(clock::instant(), due).signs);
    }
    told.retain(|(name, _)| *name == root.join("keys"));
    assert_eq!(told, [(root.join("keys"), Sign::Completed)]);
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
