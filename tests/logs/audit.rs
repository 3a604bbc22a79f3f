//! The audit log of a gate that runs, whatever becomes of its file, and of commands beside it.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use serde_json::Value;

use crate::harness::{Gate, until};
use crate::house::{asked, gate, gate_in, refused};
use crate::stalls::Small;

const BASE: &str = "workers = 2\ntimeouts.linger = \"100ms\"\n";
const DROPPED: &str = "sidegate_audit_events_dropped_total";
const WRITTEN: &str = "sidegate_audit_events_total";

const READ: &str =
    "GET /app/a-path?a=query HTTP/1.1\r\nHost: localhost\r\nX-API-Key: key-writer\r\n\r\n";
const WRITE: &str = "POST /app/a-path HTTP/1.1\r\nHost: localhost\r\nX-API-Key: key-writer\r\n\
                     Content-Length: 0\r\n\r\n";
const TOO_MUCH: &str = "POST /app/a-path HTTP/1.1\r\nHost: localhost\r\nX-API-Key: key-reader\r\n\
                        Content-Length: 0\r\n\r\n";

/// The entries of files, each whole; and that of each run none is missing.
fn entries(texts: &[&str]) -> Vec<Value> {
    let mut runs = BTreeMap::<String, u64>::new();
    let lines = texts.iter().flat_map(|text| text.lines());
    lines
        .map(|line| {
            let entry: Value = serde_json::from_str(line).unwrap_or_else(|_| panic!("{line:?}"));
            assert_eq!(entry["schema"], 1, "{line}");
            let last = runs.entry(entry["run"].as_str().unwrap().to_owned()).or_default();
            *last += 1;
            assert_eq!(entry["seq"], *last, "{line}");
            entry
        })
        .collect()
}

fn count(entries: &[Value], event: &str) -> usize {
    entries.iter().filter(|entry| entry["event"] == event).count()
}

fn sidegate(folder: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sidegate"));
    command.args(arguments).args(["-c", "sidegate.toml"]).current_dir(folder);
    command.output().unwrap()
}

#[test]
fn it_has_what_was_refused_what_was_written_and_what_was_changed() {
    let lines = format!("{BASE}audit = {{ file = \"audit.jsonl\", writes = true }}\n");
    let (mut gate, folder) = gate(Stdio::null(), &lines);
    let path = folder.path().join("audit.jsonl");
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    refused(&gate, 3);
    asked(&gate, 2, TOO_MUCH, "403");
    asked(&gate, 4, WRITE, "502");
    asked(&gate, 5, READ, "502");

    let created =
        sidegate(folder.path(), &["key", "create", "--workspace", "main", "--account", "reader"]);
    assert!(created.status.success(), "{created:?}");
    let key = String::from_utf8(created.stdout).unwrap();
    let invited =
        sidegate(folder.path(), &["member", "invite", "new", "member", "--workspace", "main"]);
    assert!(invited.status.success(), "{invited:?}");
    let overreach =
        ["member", "set-role", "writer", "owner", "--workspace", "main", "--as", "reader"];
    assert_eq!(sidegate(folder.path(), &overreach).status.code(), Some(4));
    let policy = folder.path().join("policy.toml");
    let good = fs::read_to_string(&policy).unwrap();
    fs::write(&policy, format!("{good}\n[[route]]\n")).unwrap();
    until("a refusal", || gate.metric("sidegate_policy_last_reload_successful", "") == 0.0);
    fs::write(&policy, good).unwrap();
    until("a reload", || gate.metric("sidegate_policy_last_reload_successful", "") == 1.0);
    gate.running.signal("TERM");

    let text = fs::read_to_string(&path).unwrap();
    for secret in ["a-path", "query", "key-writer", "key-reader", key.trim()] {
        assert!(!text.contains(secret), "{secret}");
    }
    let entries = entries(&[&text]);
    let told = |name: &str, value: &str| {
        let requests = entries.iter().filter(|entry| entry["event"] == "request");
        requests.filter(|entry| entry[name] == value).count()
    };
    assert_eq!(told("reason", "key_missing"), 3);
    assert_eq!(told("reason", "view_only"), 2);
    assert_eq!((told("decision", "allow"), told("decision", "deny")), (4, 5), "no read: {text}");
    let write = entries.iter().find(|entry| entry["decision"] == "allow").unwrap();
    for (name, value) in [
        ("account", "writer"),
        ("key_id", "k_writer"),
        ("workspace", "main"),
        ("product", "app"),
        ("route", "app"),
        ("path_template", "/app"),
        ("needed", "full"),
        ("level", "full"),
        ("environment", "production"),
        ("method", "POST"),
        ("peer", "127.0.0.1"),
    ] {
        assert_eq!(write[name], value, "{write}");
    }
    assert_eq!((&write["status"], &write["policy_generation"]), (&502.into(), &1.into()));
    let states: Vec<_> = entries.iter().filter_map(|entry| entry["state"].as_str()).collect();
    assert_eq!(states, ["started", "stopped"]);
    let stages: Vec<_> = entries
        .iter()
        .filter(|entry| entry["event"] == "command")
        .map(|entry| (entry["command"].as_str().unwrap(), entry["stage"].as_str().unwrap()))
        .collect();
    assert_eq!(
        stages,
        [
            ("key create", "begun"),
            ("key create", "done"),
            ("member invite", "begun"),
            ("member invite", "done"),
            ("member set-role", "refused"),
        ]
    );
    let done = entries.iter().find(|entry| entry["stage"] == "done").unwrap();
    assert!(done["key_ids"][0].as_str().unwrap().starts_with("k_"), "{done}");
    let reloads: Vec<_> = entries.iter().filter(|entry| entry["event"] == "reload").collect();
    let came = reloads.iter().find(|entry| entry["access"][0]["change"].is_string()).unwrap();
    assert_eq!(came["result"], "success");
    let failed = reloads.iter().find(|entry| entry["result"] == "failure").unwrap();
    assert!(failed["problems"][0].as_str().unwrap().starts_with("policy.toml"), "{failed}");
}

#[test]
fn nothing_is_lost_when_it_is_renamed() {
    let lines = format!("{BASE}audit.file = \"audit.jsonl\"\n");
    let (mut gate, folder) = gate(Stdio::null(), &lines);
    let at = |number: usize| match number {
        0 => folder.path().join("audit.jsonl"),
        _ => folder.path().join(format!("audit.jsonl.{number}")),
    };
    for number in 1..=4 {
        refused(&gate, 50);
        // What is renamed before anything came to be written goes on in the next file.
        until("an entry", || fs::metadata(at(0)).unwrap().len() > 0);
        fs::rename(at(0), at(number)).unwrap();
        // With a signal or without.
        if number % 2 == 0 {
            gate.running.send("USR1");
        }
        until("the next file", || at(0).exists());
        refused(&gate, 50);
    }
    gate.running.signal("TERM");
    let texts: Vec<_> =
        [1, 2, 3, 4, 0].iter().map(|it| fs::read_to_string(at(*it)).unwrap()).collect();
    let entries = entries(&texts.iter().map(String::as_str).collect::<Vec<_>>());
    assert_eq!(count(&entries, "request"), 400);
    assert!(texts.iter().all(|text| !text.is_empty()));
}

#[test]
fn a_signal_to_open_what_is_not_there_ends_nothing() {
    let (mut gate, _folder) = gate(Stdio::null(), BASE);
    gate.running.send("USR1");
    refused(&gate, 1);
    gate.running.send("TERM");
    assert_eq!(gate.running.end(), Some(0));
}

#[test]
fn a_file_that_cannot_be_opened_is_said_at_the_start() {
    let (gate, folder) = gate(Stdio::null(), BASE);
    let settings = fs::read_to_string(folder.path().join("sidegate.toml")).unwrap();
    drop(gate);
    let with = format!("audit.file = \"none/audit.jsonl\"\n{settings}");
    fs::write(folder.path().join("sidegate.toml"), with).unwrap();
    let ended = sidegate(folder.path(), &["serve"]);
    assert_eq!(ended.status.code(), Some(1));
    let told = String::from_utf8(ended.stderr).unwrap();
    assert!(told.starts_with("none/audit.jsonl: the audit log cannot be written: "), "{told}");
}

#[test]
fn what_is_said_to_be_recorded_is_refused_where_it_cannot_be() {
    let audit = |on_failure| {
        format!(
            "{BASE}audit = {{ file = \"/dev/full\", writes = true, on_failure = \"{on_failure}\" }}\n"
        )
    };
    for (on_failure, status) in [("continue", "502"), ("deny", "503")] {
        let (mut gate, _folder) = gate(Stdio::null(), &audit(on_failure));
        until("a failure", || gate.metric("sidegate_audit_failing", "") == 1.0);
        asked(&gate, 3, WRITE, status);
        asked(&gate, 3, READ, "502");
        asked(&gate, 3, TOO_MUCH, "403");
        assert!(gate.metric("sidegate_audit_write_errors_total", "") >= 1.0);
        gate.running.send("TERM");
        assert_eq!(gate.running.end(), Some(0), "{on_failure}: it ends, in time");
    }
}

#[test]
fn a_command_that_gives_needs_the_record_and_one_that_takes_does_not() {
    let lines = format!("{BASE}audit.file = \"/dev/full\"\n");
    let (_gate, folder) = gate(Stdio::null(), &lines);
    let keys = folder.path().join("keys.jsonl");
    let before = fs::read_to_string(&keys).unwrap();
    let created =
        sidegate(folder.path(), &["key", "create", "--workspace", "main", "--account", "reader"]);
    assert_eq!((created.status.code(), created.stdout.len()), (Some(1), 0));
    let told = String::from_utf8(created.stderr).unwrap();
    assert!(told.contains("/dev/full: the audit log cannot be written: "), "{told}");
    assert_eq!(fs::read_to_string(&keys).unwrap(), before);
    let invited =
        sidegate(folder.path(), &["member", "invite", "new", "member", "--workspace", "main"]);
    assert_eq!(invited.status.code(), Some(1), "{invited:?}");
    assert!(!fs::read_to_string(folder.path().join("policy.toml")).unwrap().contains("pending"));

    let revoked = sidegate(folder.path(), &["key", "revoke", "k_reader"]);
    assert_eq!(revoked.status.code(), Some(1));
    let told = String::from_utf8(revoked.stderr).unwrap();
    assert!(told.contains("it is done, but /dev/full does not say so: "), "{told}");
    assert!(fs::read_to_string(&keys).unwrap().contains("\"revoked\":\"20"));
}

#[test]
#[ignore = "mounts a file system, which only root may"]
fn on_a_full_disk_entries_are_counted_or_written_and_none_is_torn() {
    let (folder, disk) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let _small = Small::mount(disk.path());
    let (path, ballast) = (disk.path().join("audit.jsonl"), disk.path().join("ballast"));
    fs::write(&ballast, vec![0; 48 * 1024]).unwrap();
    let lines = format!(
        "{BASE}audit = {{ file = {path:?}, buffer = 64, writes = true, on_failure = \"deny\" }}\n"
    );
    let log = File::create(folder.path().join("log")).unwrap();
    let mut gate = gate_in(folder.path(), log, &lines);
    let dropped = |gate: &Gate| gate.metric(DROPPED, "");
    refused(&gate, 2000);
    until("entries to be dropped", || dropped(&gate) > 0.0);
    asked(&gate, 3, WRITE, "503");
    asked(&gate, 3, READ, "502");

    // Another command writes what it can, in the midst of it.
    fs::remove_file(&ballast).unwrap();
    until("it to go on", || gate.metric("sidegate_audit_failing", "") == 0.0);
    asked(&gate, 1, WRITE, "502");
    until("all of it to be written or dropped", || {
        let told = gate.metric(WRITTEN, "") + dropped(&gate);
        // The start, what was lost, three refused writes and one that was not.
        told >= 2006.0
    });
    let lost = dropped(&gate) as u64;
    gate.running.send("TERM");
    assert_eq!(gate.running.end(), Some(0));
    let text = fs::read_to_string(&path).unwrap();
    let torn: Vec<_> =
        text.lines().filter(|it| serde_json::from_str::<Value>(it).is_err()).collect();
    assert!(torn.len() <= 1, "{torn:?}");
    let whole = text.lines().filter(|line| !torn.contains(line)).collect::<Vec<_>>().join("\n");
    let entries = entries(&[&whole]);
    let told = entries.iter().filter(|entry| entry["event"] == "lost");
    let told: u64 = told.map(|entry| entry["events"].as_u64().unwrap()).sum();
    assert_eq!(told, lost);
    assert_eq!(count(&entries, "request") as u64 + lost, 2004, "{}", entries.len());
    let log = fs::read_to_string(folder.path().join("log")).unwrap();
    assert!(log.contains("the audit log cannot be written"), "{log:.2000}");
    assert!(log.contains("the audit log is written again"));
}
