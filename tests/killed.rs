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

#[test]
fn whoever_is_killed_leaves_the_old_file_or_the_new_one() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let settings = "policy = \"policy.toml\"\nkeys = \"keys.jsonl\"\n\
                    [upstream.app]\nurls = [\"http://127.0.0.1:9\"]\n";
    fs::write(folder.join("sidegate.toml"), settings).unwrap();
    fs::write(folder.join("policy.toml"), POLICY).unwrap();
    let keys = folder.join("keys.jsonl");
    let text: String = (0..KEYS).map(|number| format!("{}\n", record(number))).collect();
    fs::write(&keys, &text).unwrap();
    fs::set_permissions(&keys, fs::Permissions::from_mode(0o600)).unwrap();

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

/// Waiting is what is tested here: for the moment of the kill.
fn until_passed(delay: Duration) {
    let began = clock::instant();
    while began.elapsed() < delay {
        std::hint::spin_loop();
    }
}
