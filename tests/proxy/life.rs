//! Ends and reloads with requests in flight.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;

use crate::harness::{record, until};
use crate::rig::{GET, NOBODY, OK, READER, Rig, WRITER};

fn draining(rig: &Rig) {
    until("the drain", || rig.log().contains("\"draining\""));
}

#[test]
fn a_request_in_flight_ends_before_the_process_does() {
    let mut rig = Rig::new("timeouts.drain = \"10s\"\n");
    let (mut client, mut peer) = rig.asked();
    let mut idle = rig.sent(format!("GET /app HTTP/1.1\r\n{NOBODY}\r\n"));
    assert_eq!(idle.answer().status(), 401);
    let mut silent = rig.client();
    rig.gate.running.send("TERM");
    // Connections without a request are closed at once.
    idle.closed();
    silent.closed();
    draining(&rig);
    peer.send(OK);
    let answer = client.answer();
    assert_eq!((answer.status(), answer.body.as_slice()), (200, &b"ok"[..]));
    client.closed();
    assert_eq!(rig.gate.running.end(), Some(0));
}

#[test]
fn a_body_in_flight_is_whole_before_the_process_ends() {
    let mut rig = Rig::new("timeouts.drain = \"10s\"\n");
    let (mut client, mut peer) = rig.asked();
    peer.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n");
    client.through(b"hello");
    rig.gate.running.send("TERM");
    draining(&rig);
    peer.send("5\r\nworld\r\n0\r\n\r\n");
    assert!(client.through(b"0\r\n\r\n").ends_with(b"world\r\n0\r\n\r\n"));
    client.closed();
    assert_eq!(rig.gate.running.end(), Some(0));
}

/// What had come when the end was told is answered: nobody reset it, so nobody may lose it.
#[test]
fn requests_that_came_before_the_end_are_answered() {
    let rig = Rig::new("timeouts.drain = \"5s\"\n");
    rig.gate.running.send("STOP");
    let mut clients: Vec<_> =
        (0..50).map(|_| rig.sent(format!("GET /app HTTP/1.1\r\n{NOBODY}\r\n"))).collect();
    rig.gate.running.send("TERM");
    rig.gate.running.send("CONT");
    let seen: Vec<_> = clients.iter_mut().map(|client| client.message(false)).collect();
    let lost = seen.iter().filter(|answer| answer.is_err()).count();
    assert_eq!(lost, 0, "of {}", seen.len());
}

#[test]
fn a_second_signal_ends_it_at_once() {
    for second in ["TERM", "INT"] {
        let mut rig = Rig::new("timeouts.drain = \"60s\"\n");
        let (mut client, _peer) = rig.asked();
        rig.gate.running.send("TERM");
        draining(&rig);
        rig.gate.running.send(second);
        assert!(rig.gate.running.end().is_some(), "had to be killed");
        assert!(client.message(false).is_err());
    }
}

#[test]
fn the_drain_has_a_deadline() {
    let mut rig = Rig::new("timeouts.drain = \"300ms\"\n");
    let (mut client, _peer) = rig.asked();
    rig.gate.running.send("TERM");
    assert_eq!(rig.gate.running.end(), Some(0));
    assert!(client.message(false).is_err());
    assert!(rig.log().contains("drain deadline passed"), "{}", rig.log());
}

#[test]
fn a_request_in_flight_keeps_its_generation() {
    let mut rig = Rig::new("");
    let (mut client, mut peer) = rig.asked();
    let policy = rig.folder.path().join("policy.toml");
    let text = std::fs::read_to_string(&policy).unwrap();
    let closed =
        text.replace("[account.banned]", "[account.writer]\nsuspended = true\n[account.banned]");
    std::fs::write(&policy, closed).unwrap();
    until("the reload", || rig.gate.metric("sidegate_policy_generation", "") >= 2.0);
    peer.send("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nfirst");
    assert_eq!(client.answer().body, b"first");
    client.send(GET);
    assert_eq!(client.answer().status(), 403);
    until("the events", || rig.events().len() == 2);
    let events = rig.events();
    assert_eq!(events[0]["policy_generation"], 1);
    assert!(events[1]["policy_generation"].as_u64() >= Some(2), "{events:?}");
    assert_eq!(events[1]["reason"], "account_suspended");
}

#[test]
fn a_revoked_key_is_refused_on_the_same_connection() {
    let mut rig = Rig::new("");
    let (mut client, mut peer) = rig.asked();
    peer.send(OK);
    assert_eq!(client.answer().status(), 200);
    let revoked = Command::new(env!("CARGO_BIN_EXE_sidegate"))
        .args(["key", "revoke", "-c", "sidegate.toml", "k_writer"])
        .current_dir(rig.folder.path())
        .output()
        .unwrap();
    assert!(revoked.status.success(), "{revoked:?}");
    until("the reload", || rig.gate.metric("sidegate_policy_generation", "") >= 2.0);
    client.send(GET);
    assert_eq!(client.answer().status(), 401);
    until("the events", || rig.events().len() == 2);
    assert_eq!(rig.events()[1]["reason"], "key_revoked");
    assert_eq!(rig.upstream.waiting(), 0);
}

#[test]
fn hup_reloads_and_connections_stay() {
    let rig = Rig::new("");
    let mut client = rig.sent(format!("GET /app HTTP/1.1\r\n{NOBODY}\r\n"));
    assert_eq!(client.answer().status(), 401);
    rig.gate.running.send("HUP");
    until("the reload", || {
        rig.gate
            .page("/metrics")
            .lines()
            .any(|line| line.starts_with("sidegate_policy_reloads_total") && !line.ends_with(" 0"))
    });
    client.send(format!("GET /nowhere HTTP/1.1\r\n{WRITER}\r\n"));
    assert_eq!(client.answer().status(), 404);
}

#[test]
fn which_keys_were_used_is_kept_over_a_reload_and_the_end() {
    let mut rig = Rig::new("last_used = \"last-used.jsonl\"\n");
    rig.upstream.answer_all(OK);
    let status = |head: &str| rig.sent(format!("{head}\r\n")).answer().status();
    assert_eq!(status(&format!("GET /app HTTP/1.1\r\n{WRITER}")), 200);
    assert_eq!(status(&format!("POST /app HTTP/1.1\r\n{READER}Content-Length: 0\r\n")), 403);
    let policy = rig.folder.path().join("policy.toml");
    let text = fs::read_to_string(&policy).unwrap();
    fs::write(&policy, format!("{text}# another generation\n")).unwrap();
    until("the reload", || rig.gate.metric("sidegate_policy_generation", "") >= 2.0);
    let file = rig.folder.path().join("last-used.jsonl");
    let used = |id: &str| fs::read_to_string(&file).is_ok_and(|text| text.contains(id));
    assert!(!used("k_reader"), "a request that was refused is no use");
    assert_eq!(status(&format!("GET /app HTTP/1.1\r\n{READER}")), 200);
    // A key that comes by itself is not compiled with the others.
    let keys = rig.folder.path().join("keys.jsonl");
    let text = fs::read_to_string(&keys).unwrap();
    let before = rig.gate.metric("sidegate_policy_keys", "");
    fs::write(&keys, format!("{text}{}\n", record("late", "writer"))).unwrap();
    let keys = || rig.gate.metric("sidegate_policy_keys", "");
    until("the key", || keys() > before);
    let late = WRITER.replace("key-writer", "key-late");
    assert_eq!(status(&format!("GET /app HTTP/1.1\r\n{late}")), 200);
    rig.gate.running.send("TERM");
    assert_eq!(rig.gate.running.end(), Some(0));
    assert!(used("{\"id\":\"k_writer\",\"used\":\"") && used("{\"id\":\"k_reader\",\"used\":\""));
    assert!(used("{\"id\":\"k_late\",\"used\":\""));
    assert_eq!(fs::read_to_string(&file).unwrap().lines().count(), 4);
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
}
