//! Commands among other programs: in pipes that close, on disks that are full, several at once.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on should stop")]

use std::fs::{self, File};
use std::path::Path;
use std::process::{Command, Output, Stdio};

use tempfile::TempDir;

/// Commands that print without being asked twice.
const PRINTING: [&str; 14] = [
    "--help",
    "key --help",
    "version",
    "schema policy",
    "completions bash",
    "check --explain list",
    "check --output json",
    "key list",
    "key list --output json",
    "member list",
    "grant list",
    "review",
    "review --output csv",
    "explain GET http://h/vault",
];

fn sidegate(folder: &Path, line: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sidegate"));
    command.args(line.split(' ')).current_dir(folder).stdin(Stdio::null()).stderr(Stdio::piped());
    command
}

fn told(command: &mut Command) -> (Option<i32>, String) {
    let Output { status, stderr, .. } = command.output().unwrap();
    (status.code(), String::from_utf8(stderr).unwrap())
}

fn made() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let (code, _) = told(sidegate(folder.path(), "init config").stdout(Stdio::null()));
    assert_eq!(code, Some(0));
    folder
}

/// As before `| head -1`: whoever reads has gone.
#[test]
fn a_reader_that_has_gone_is_no_news() {
    let folder = made();
    for line in PRINTING {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let (code, said) = told(sidegate(folder.path(), line).stdout(writer));
        assert_eq!((code, &*said), (Some(1), ""), "{line}");
    }
}

#[test]
fn a_full_disk_is_said() {
    let folder = made();
    let full = || File::options().write(true).open("/dev/full").unwrap();
    for line in PRINTING.iter().filter(|line| !line.ends_with("--help")) {
        let (code, said) = told(sidegate(folder.path(), line).stdout(full()));
        assert_eq!(code, Some(1), "{line}: {said}");
        assert!(said.contains("cannot print: No space left"), "{line}: {said}");
    }
}

/// What is shown once is lost where it cannot be shown, whoever has gone.
#[test]
fn a_key_that_could_not_be_printed_is_told_of() {
    let folder = made();
    let create = "key create --no-wait --workspace acme --account svc-nightly";
    for line in [create, "init other"] {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let (code, said) = told(sidegate(folder.path(), line).stdout(writer));
        assert_eq!(code, Some(1), "{line}: {said}");
        assert!(said.contains("cannot print the key: Broken pipe"), "{line}: {said}");
        assert!(said.contains("it is lost"), "{line}: {said}");
    }
}

#[test]
fn commands_at_once_lose_nothing() {
    let folder = made();
    let invite = |number| format!("member invite --no-wait --workspace acme m{number} member");
    let create = |number| {
        format!("key create --no-wait --workspace acme --account svc-nightly --label l{number}")
    };
    let lines = (0..8).flat_map(|number| [invite(number), create(number)]);
    let started = lines.map(|line| {
        let mut command = sidegate(folder.path(), &line);
        (line, command.stdout(Stdio::null()).spawn().unwrap())
    });
    for (line, child) in started.collect::<Vec<_>>() {
        let Output { status, stderr, .. } = child.wait_with_output().unwrap();
        assert!(status.success(), "{line}: {}", String::from_utf8_lossy(&stderr));
    }
    let read = |name: &str| fs::read_to_string(folder.path().join("config").join(name)).unwrap();
    let (policy, keys) = (read("policy.toml"), read("keys.jsonl"));
    for number in 0..8 {
        assert!(policy.contains(&format!("\nm{number} = {{ role = \"member\"")), "{policy}");
        assert!(keys.contains(&format!("\"label\":\"l{number}\"")), "{keys}");
    }
}
