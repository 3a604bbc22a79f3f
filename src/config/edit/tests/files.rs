//! Where it is written, and what happens meanwhile.

use super::*;

#[test]
fn a_file_that_changed_meanwhile_is_not_written() {
    let (folder, config) = place(POLICY);
    let path = folder.path().join("policy.toml");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
    let amendment =
        Amendment::prepare(&config, &wish("one", set_role("dan", "admin"), None)).unwrap();
    let other = format!("{POLICY}# somebody else\n");
    fs::write(&path, &other).unwrap();
    let told = amendment.write().unwrap_err();
    assert!(
        matches!(&told, Obstacle::Broke(lines) if lines.contains("changed meanwhile")),
        "{told:?}"
    );
    assert_eq!(fs::read_to_string(&path).unwrap(), other);
    let again = Amendment::prepare(&config, &wish("one", set_role("dan", "admin"), None)).unwrap();
    again.write().unwrap();
    let expected = other.replace("dan = \"member\"", "dan = \"admin\"");
    assert_eq!(fs::read_to_string(&path).unwrap(), expected);
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o644);
}

/// Every one of those who write at once reads what the one before has written.
#[test]
fn edits_at_once_lose_nothing() {
    let (folder, config) = place(&POLICY.replace("seats = 6\n", ""));
    let names: Vec<_> = (0..8).map(|number| format!("new{number}")).collect();
    std::thread::scope(|scope| {
        for name in &names {
            let write = || {
                let wish = wish("one", invite(name, "member"), None);
                Amendment::prepare(&config, &wish).unwrap().write().unwrap();
            };
            scope.spawn(write);
        }
    });
    let text = fs::read_to_string(folder.path().join("policy.toml")).unwrap();
    for name in names {
        assert!(text.contains(&format!("{name} = {{ role")), "{name}: {text}");
    }
}

#[test]
fn a_directory_is_edited_in_the_file_where_the_workspace_stands() {
    let (folder, _) = place(POLICY);
    let policies = folder.path().join("policies");
    fs::create_dir(&policies).unwrap();
    let (rest, two) = POLICY.split_once("# --- two ---\n").unwrap();
    fs::write(policies.join("a.toml"), rest).unwrap();
    fs::write(policies.join("b.toml"), format!("version = 1\n{two}")).unwrap();
    let settings = folder.path().join("sidegate.toml");
    let text = fs::read_to_string(&settings).unwrap().replace("policy.toml", "policies");
    fs::write(&settings, text).unwrap();
    let config = config::read(&settings).unwrap();
    let amendment = Amendment::prepare(&config, &wish("two", accept("eve"), None)).unwrap();
    assert_eq!(amendment.file(), policies.join("b.toml"));
    amendment.write().unwrap();
    assert_eq!(fs::read_to_string(policies.join("a.toml")).unwrap(), rest);
    let text = fs::read_to_string(policies.join("b.toml")).unwrap();
    assert!(text.contains("cid = \"admin\", eve = \"member\" }\npending = {}\n"), "{text}");
}

#[test]
fn a_policy_that_is_named_through_a_link_stays_one() {
    let (folder, config) = place(POLICY);
    let (path, real) = (folder.path().join("policy.toml"), folder.path().join("real.toml"));
    fs::rename(&path, &real).unwrap();
    std::os::unix::fs::symlink(&real, &path).unwrap();
    Amendment::prepare(&config, &wish("one", remove("dan"), None)).unwrap().write().unwrap();
    assert!(fs::symlink_metadata(Path::new(&path)).unwrap().is_symlink());
    assert!(!fs::read_to_string(&real).unwrap().contains("dan ="));
}
