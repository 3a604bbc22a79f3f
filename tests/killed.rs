//! Whoever changes the key file and is killed at any moment leaves the old file or the new one.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test that cannot go on should stop"
)]

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use serde_json::{Value, json};
use sidegate::clock;
use sidegate::policy::key::KeyDigest;

const KILLS: usize = 200;
/// So many that writing them takes a good part of the time.
const KEYS: usize = 4000;
const POLICY: &str = r#"
version = 1
[role.owner]
bypass = true
[workspace.acme]
environment = "production"
[workspace.acme.members]
alice = "owner"
bob = "owner"
[[route]]
prefix = "/"
public = true
upstream = "app"
"#;

fn record(number: usize) -> Value {
    json!({
        "id": format!("k_{number}"), "hash": KeyDigest::blake3(&number.to_string()).to_string(),
        "workspace": "acme", "account": "alice", "environment": "production", "label": null,
        "created": "2026-01-01T00:00:00Z", "not_before": null, "expires": null, "revoked": null,
        "ceiling": null,
    })
}

fn command(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sidegate"));
    let command_line = ["key", arguments[0], "-c", "sidegate.toml", "--no-wait"];
    command.args(command_line).args(&arguments[1..]).current_dir(folder);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command
}

/// Whether `after` is `before` with one more record at its end.
fn is_one_more(before: &str, after: &str) -> bool {
    let added = after.strip_prefix(before).and_then(|line| line.strip_suffix('\n'));
    let record: Option<Value> = added.and_then(|line| serde_json::from_str(line).ok());
    record.is_some_and(|record| record["account"] == "alice" && record["revoked"].is_null())
}

/// Whether `after` is `before` but that the key of that number is revoked.
fn is_revoked(before: &str, after: &str, number: usize) -> bool {
    let (old, new): (Vec<_>, Vec<_>) = (before.lines().collect(), after.lines().collect());
    let others = old.iter().zip(&new).enumerate().filter(|(at, _)| *at != number);
    let line: Option<Value> = new.get(number).and_then(|line| serde_json::from_str(line).ok());
    let revoked = line.is_some_and(|mut line| {
        let since = line["revoked"].take();
        since.is_string() && line == serde_json::from_str::<Value>(old[number]).unwrap()
    });
    old.len() == new.len()
        && after.ends_with('\n')
        && revoked
        && others.into_iter().all(|(_, (old, new))| old == new)
}

/// Settings, the policy and the keys.
fn write_files(folder: &Path) {
    let settings = "policy = \"policy.toml\"\nkeys = \"keys.jsonl\"\n\
                    [upstream.app]\nurls = [\"http://127.0.0.1:9\"]\n";
    fs::write(folder.join("sidegate.toml"), settings).unwrap();
    fs::write(folder.join("policy.toml"), POLICY).unwrap();
    let keys = folder.join("keys.jsonl");
    let text: String = (0..KEYS).map(|number| format!("{}\n", record(number))).collect();
    fs::write(&keys, &text).unwrap();
    fs::set_permissions(&keys, fs::Permissions::from_mode(0o600)).unwrap();
}

#[test]
fn whoever_is_killed_leaves_the_old_file_or_the_new_one() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let keys = folder.join("keys.jsonl");
    write_files(folder);

    let create = ["create", "--workspace", "acme", "--account", "alice"];
    let began = clock::instant();
    assert!(command(folder, &create).status().unwrap().success());
    let whole = began.elapsed();
    let read = || fs::read_to_string(&keys).unwrap();
    let (mut killed, mut old, mut new) = (0, 0, 0);
    for round in 0..KILLS {
        let before = read();
        let id = format!("k_{round}");
        let arguments = if round % 2 == 0 { &create[..] } else { &["revoke", &id] };
        let mut child = command(folder, arguments).spawn().unwrap();
        // Between its start and a little after its end.
        let delay = whole.mul_f64(1.2 * fastrand::f64());
        until_passed(delay);
        child.kill().unwrap();
        let status = child.wait().unwrap();
        killed += usize::from(status.signal() == Some(9));
        let after = read();
        let is_new = match round % 2 {
            0 => is_one_more(&before, &after),
            _ => is_revoked(&before, &after, round),
        };
        assert!(is_new || after == before, "round {round}, killed after {delay:?}");
        assert_eq!(fs::metadata(&keys).unwrap().permissions().mode() & 0o777, 0o600);
        (old, new) = if is_new { (old, new + 1) } else { (old + 1, new) };
        // What it has left is in nobody's way.
        if round % 20 == 19 {
            assert!(command(folder, &create).status().unwrap().success());
            assert!(is_one_more(&after, &read()));
        }
    }
    println!("{KILLS} kills, {killed} before the end: {old} times the old file, {new} the new one");
    assert!(killed > 0 && old > 0);
    let mut left: Vec<_> = fs::read_dir(folder).unwrap().map(|e| e.unwrap().file_name()).collect();
    left.sort();
    assert!(left.len() <= 4, "{left:?}");
}

/// What changes many records at once changes all of them or none.
#[test]
fn whoever_is_killed_while_changing_many_has_changed_all_or_none() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let keys = folder.join("keys.jsonl");
    let rows: String = (0..KEYS).map(|number| format!("tk_{number},acme,bob\n")).collect();
    fs::write(folder.join("rows.csv"), format!("key,workspace,account\n{rows}")).unwrap();
    type Held = fn(&Value) -> bool;
    // What is done, how many records there are then, and how many of them are such.
    let cases: [(&[&str], usize, Held, usize); 4] = [
        (&["import", "rows.csv"], 2 * KEYS, |it| it["account"] == "bob", KEYS),
        (&["revoke", "--workspace", "acme"], KEYS, |it| it["revoked"].is_string(), KEYS),
        (&["prune", "--older-than", "0h"], KEYS / 2, |it| it["revoked"].is_null(), KEYS / 2),
        (&["rotate", "k_1"], KEYS + 1, |it| it["expires"].is_string(), 1),
    ];
    for (arguments, count, held, many) in cases {
        let write = || {
            write_files(folder);
            if arguments[0] == "prune" {
                let text = fs::read_to_string(&keys).unwrap();
                let lines = text.lines().enumerate().map(|(number, line)| {
                    let since = r#""revoked":"2026-01-01T00:00:00Z""#;
                    let line = match number % 2 {
                        0 => line.replace(r#""revoked":null"#, since),
                        _ => line.to_owned(),
                    };
                    line + "\n"
                });
                fs::write(&keys, lines.collect::<String>()).unwrap();
            }
        };
        write();
        let before = fs::read_to_string(&keys).unwrap();
        let is_done = |text: &str| {
            let records: Vec<Value> =
                text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
            records.len() == count && records.iter().filter(|it| held(it)).count() == many
        };
        let began = clock::instant();
        assert!(command(folder, arguments).status().unwrap().success());
        let whole = began.elapsed();
        assert!(is_done(&fs::read_to_string(&keys).unwrap()), "{arguments:?}");
        let (mut old, mut new) = (0, 0);
        for round in 0..KILLS / 8 {
            write();
            let mut child = command(folder, arguments).spawn().unwrap();
            until_passed(whole.mul_f64(1.2 * fastrand::f64()));
            child.kill().unwrap();
            child.wait().unwrap();
            let after = fs::read_to_string(&keys).unwrap();
            match after == before {
                true => old += 1,
                false => new += 1,
            }
            assert!(after == before || is_done(&after), "{arguments:?}, round {round}");
        }
        println!("{arguments:?}: {old} times the old file, {new} the new one");
        assert!(old > 0);
    }
}

/// Waiting is what is tested here: for the moment of the kill.
fn until_passed(delay: Duration) {
    let began = clock::instant();
    while began.elapsed() < delay {
        std::hint::spin_loop();
    }
}
