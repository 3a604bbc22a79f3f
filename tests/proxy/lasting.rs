//! What lasts longer than a moment, over HTTP/1.1: judged again, and cut when it lost its right.

use std::fs;

use serde_json::Value;
use sidegate::clock;

use crate::harness::{record, until};
use crate::rig::{GET, NOBODY, OK, READER, Rig, WRITER};
use crate::wire::Wire;

const EVENTS: &str = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\
    Transfer-Encoding: chunked\r\n\r\n";

fn streams(rig: &Rig) -> f64 {
    rig.gate.metric("sidegate_streams_active", "")
}

fn lasts(rig: &Rig, count: f64) {
    until("it to last", || streams(rig) == count);
}

fn terminated(rig: &Rig, reason: &str) -> f64 {
    let label = format!("reason=\"{reason}\"");
    let page = rig.gate.page("/metrics");
    let lines = page.lines().filter(|line| line.starts_with("sidegate_streams_terminated_total"));
    let mut of_reason = lines.filter(|line| line.contains(&label));
    of_reason.next().map_or(0.0, |line| line.rsplit(' ').next().unwrap().parse().unwrap())
}

/// Changes one place of the policy, and waits until it is in force.
fn edit(rig: &Rig, from: &str, to: &str) {
    edits(rig, &[(from, to)]);
}

/// The same of several places at once.
fn edits(rig: &Rig, changes: &[(&str, &str)]) {
    let path = rig.folder.path().join("policy.toml");
    let mut text = fs::read_to_string(&path).unwrap();
    for (from, to) in changes {
        assert_eq!(text.matches(from).count(), 1, "{from}");
        text = text.replace(from, to);
    }
    let generation = || rig.gate.metric("sidegate_policy_generation", "");
    let before = generation();
    fs::write(&path, text).unwrap();
    until("the reload", || generation() > before);
}

const SUSPENDED: (&str, &str) =
    ("[account.banned]", "[account.writer]\nsuspended = true\n[account.banned]");
/// Of one that is judged together with others: where it is cut, they have been judged.
const WITNESS: (&str, &str) =
    ("[account.banned]", "[account.reader]\nsuspended = true\n[account.banned]");

/// A stream of events that has begun.
fn listening(rig: &mut Rig, path: &str, who: &str) -> (Wire, Wire) {
    let mut client = rig.sent(format!("GET {path} HTTP/1.1\r\n{who}\r\n"));
    let mut peer = rig.upstream.next();
    peer.message(false).unwrap();
    peer.send(format!("{EVENTS}5\r\nhello\r\n"));
    client.through(b"hello\r\n");
    (client, peer)
}

fn carries_on((client, peer): &mut (Wire, Wire)) {
    peer.send("4\r\nmore\r\n");
    assert_eq!(client.bytes(9), b"4\r\nmore\r\n");
}

fn last_event(rig: &Rig, count: usize) -> Value {
    until("the event", || rig.events().len() == count);
    rig.events().pop().unwrap()
}

#[test]
fn a_stream_of_events_is_cut_and_no_other() {
    let mut rig = Rig::new("");
    let (mut cut, mut cut_peer) = listening(&mut rig, "/app", WRITER);
    let mut kept = listening(&mut rig, "/app", READER);
    let mut open = listening(&mut rig, "/open", NOBODY);
    lasts(&rig, 3.0);
    edit(&rig, SUSPENDED.0, SUSPENDED.1);
    let (rest, _) = cut.rest();
    assert_eq!(rest, b"", "no last chunk");
    cut_peer.rest();
    carries_on(&mut kept);
    carries_on(&mut open);
    let event = last_event(&rig, 1);
    assert_eq!((event["status"].as_u64(), event["decision"].as_str()), (Some(200), Some("deny")));
    assert_eq!(
        (event["reason"].as_str(), event["terminated"].as_bool()),
        (Some("account_suspended"), Some(true))
    );
    assert_eq!(
        (event["account"].as_str(), event["upstream_status"].as_u64()),
        (Some("writer"), Some(200))
    );
    assert_eq!((terminated(&rig, "account_suspended"), streams(&rig)), (1.0, 2.0));
    drop((kept, open));
    lasts(&rig, 0.0);
}

/// Where a route bounds what it takes, what was cut had a place there, and was not too late.
#[test]
fn what_is_cut_gives_its_place_back() {
    let mut rig = Rig::new("");
    rig.amend("app", "limits = { requests = 1, timeout = \"60s\" }");
    let in_flight = |rig: &Rig| rig.gate.metric("sidegate_route_requests_in_flight", "");
    let (mut cut, mut cut_peer) = listening(&mut rig, "/app", WRITER);
    lasts(&rig, 1.0);
    let full = format!("GET /app HTTP/1.1\r\n{READER}\r\n");
    assert_eq!((in_flight(&rig), rig.sent(&full).answer().status()), (1.0, 503));
    edit(&rig, SUSPENDED.0, SUSPENDED.1);
    assert_eq!(cut.rest().0, b"", "no last chunk");
    cut_peer.rest();
    until("its place", || in_flight(&rig) == 0.0);
    assert_eq!((terminated(&rig, "account_suspended"), streams(&rig)), (1.0, 0.0));
    assert!(!rig.gate.page("/metrics").contains("limit=\"route_timeout\""));
    let event = last_event(&rig, 2);
    assert_eq!((event["route"].as_str(), event["terminated"].as_bool()), (Some("app"), Some(true)));
    carries_on(&mut listening(&mut rig, "/app", READER));
}

/// An event that nobody would have sampled is told nevertheless.
#[test]
fn a_cut_is_told_where_nothing_else_is() {
    let mut rig = Rig::new("log.sample = 0.0\n");
    let (mut client, _peer) = listening(&mut rig, "/app?a=b", WRITER);
    lasts(&rig, 1.0);
    edit(&rig, SUSPENDED.0, SUSPENDED.1);
    client.rest();
    let event = last_event(&rig, 1);
    assert_eq!(
        (event["method"].as_str(), event["terminated"].as_bool()),
        (Some("GET"), Some(true))
    );
    assert_eq!(event["request_id"].as_str().map(str::len), Some(32));
}

/// What is changed, of whom nothing is, and of whom it is.
#[test]
fn a_stream_goes_on_as_long_as_its_question_is_answered_with_yes() {
    let posts = r#"name = "pages"
prefix = "/pages"
workspace = "main"
product = "app"
upstream = "app""#;
    let cases: &[(&str, &str, &str, &str, Option<&str>)] = &[
        ("renamed", "/app", "name = \"app\"", "name = \"other\"", None),
        ("hidden", "/app", "version = 1", "version = 1\nhide_none = true", None),
        (
            "public",
            "/pages",
            posts,
            "name = \"pages\"\nprefix = \"/pages\"\npublic = true\nupstream = \"app\"",
            None,
        ),
        (
            "to be read",
            "/app",
            "to = \"account:writer\"\nproduct = \"app\"\nlevel = \"full\"",
            "to = \"account:writer\"\nproduct = \"app\"\nlevel = \"view\"",
            None,
        ),
        (
            "closed",
            "/open",
            "name = \"open\"\nprefix = \"/open\"\npublic = true",
            "name = \"open\"\nprefix = \"/open\"\nworkspace = \"main\"\nproduct = \"late\"",
            None,
        ),
        ("gone", "/pages", "prefix = \"/pages\"", "prefix = \"/paper\"", Some("route_unknown")),
        (
            "none",
            "/app",
            "to = \"account:writer\"\nproduct = \"app\"\nlevel = \"full\"",
            "to = \"account:writer\"\nproduct = \"app\"\nlevel = \"none\"",
            Some("no_access"),
        ),
        (
            "over",
            "/app",
            "[workspace.main.product.app]\nsubscription = \"active\"",
            "[workspace.main.product.app]\nsubscription = \"canceled\"",
            Some("subscription_inactive"),
        ),
        (
            "suspended",
            "/app",
            "[workspace.main]\n",
            "[workspace.main]\nsuspended = true\n",
            Some("workspace_suspended"),
        ),
        (
            "a method",
            "/app",
            "prefix = \"/app\"\n",
            "prefix = \"/app\"\nmethods = [\"POST\"]\n",
            Some("method_refused"),
        ),
    ];
    for (what, path, from, to, expected) in cases {
        let mut rig = Rig::new("");
        let mut pair = listening(&mut rig, path, WRITER);
        let (mut witness, _peer) = listening(&mut rig, "/socket", READER);
        lasts(&rig, 2.0);
        edits(&rig, &[(from, to), WITNESS]);
        assert_eq!(witness.rest().0, b"");
        match expected {
            None => {
                carries_on(&mut pair);
                pair.1.send("0\r\n\r\n");
                assert_eq!(pair.0.bytes(5), b"0\r\n\r\n", "{what}");
                let event = last_event(&rig, 2);
                assert_eq!(event["decision"], "allow", "{what}: {event}");
                assert!(event["terminated"].is_null(), "{what}: {event}");
                // It has let go of the policy that it began by.
                assert_eq!(event["policy_generation"], 2, "{what}: {event}");
            }
            Some(reason) => {
                assert_eq!(pair.0.rest().0, b"", "{what}");
                pair.1.rest();
                assert!(terminated(&rig, reason) >= 1.0, "{what}");
            }
        }
        lasts(&rig, 0.0);
    }
}

#[test]
fn a_route_that_moves_takes_no_stream_with_it() {
    let mut rig = Rig::new("upstream.other.urls = [\"http://127.0.0.1:1\"]\n");
    let mut pair = listening(&mut rig, "/app", WRITER);
    let (mut witness, _peer) = listening(&mut rig, "/socket", READER);
    lasts(&rig, 2.0);
    rig.reroute("app", "other");
    edit(&rig, WITNESS.0, WITNESS.1);
    assert_eq!(witness.rest().0, b"");
    carries_on(&mut pair);
}

/// A route that was public looked at no key, but one was sent: it is what counts from now on.
#[test]
fn a_route_that_is_closed_keeps_those_who_showed_a_key() {
    let mut rig = Rig::new("");
    let mut keyed = listening(&mut rig, "/open", READER);
    let (mut keyless, _peer) = listening(&mut rig, "/open", NOBODY);
    lasts(&rig, 2.0);
    edit(
        &rig,
        "name = \"open\"\nprefix = \"/open\"\npublic = true",
        "name = \"open\"\nprefix = \"/open\"\nworkspace = \"main\"\nproduct = \"app\"",
    );
    assert_eq!(keyless.rest().0, b"");
    carries_on(&mut keyed);
    assert_eq!(terminated(&rig, "key_missing"), 1.0);
}

/// One that began by the old policy and lasts only after the new one came is judged, too.
#[test]
fn a_swap_within_the_first_moment_counts() {
    let mut rig = Rig::new("");
    let (mut client, mut peer) = listening(&mut rig, "/app", WRITER);
    edit(&rig, SUSPENDED.0, SUSPENDED.1);
    assert_eq!(client.rest().0, b"");
    peer.rest();
    assert_eq!(terminated(&rig, "account_suspended"), 1.0);
}

#[test]
fn what_ends_by_the_clock_is_cut() {
    let mut key = record("brief", "reader");
    let soon = clock::now().0 + 3;
    let expires = jiff::Timestamp::from_second(soon).unwrap().to_string();
    key["expires"] = expires.into();
    let mut rig = Rig::with("", &[key]);
    let (mut client, mut peer) =
        listening(&mut rig, "/app", "Host: localhost\r\nX-API-Key: key-brief\r\n");
    assert_eq!(client.rest().0, b"");
    peer.rest();
    assert!(clock::now().0 >= soon);
    assert_eq!(terminated(&rig, "key_expired"), 1.0);
}

/// Without an answer yet, the client is told in one what a new request would be told.
#[test]
fn who_waits_for_an_answer_is_told_no() {
    let mut rig = Rig::new("");
    let (mut client, mut peer) = rig.asked();
    lasts(&rig, 1.0);
    edit(&rig, SUSPENDED.0, SUSPENDED.1);
    let answer = client.answer();
    assert_eq!((answer.status(), answer.field("connection")), (403, None));
    assert_eq!(answer.json()["detail"], "this key may not do that");
    peer.rest();
    let event = last_event(&rig, 1);
    assert_eq!(
        (event["status"].as_u64(), event["reason"].as_str()),
        (Some(403), Some("account_suspended"))
    );
    assert_eq!(
        (event["terminated"].as_bool(), event["upstream_status"].as_u64()),
        (Some(true), None)
    );
    assert_eq!(streams(&rig), 0.0);
    // The connection is as good as before.
    client.send(format!("GET /app HTTP/1.1\r\n{READER}\r\n"));
    let mut peer = rig.upstream.next();
    peer.message(false).unwrap();
    peer.send(OK);
    assert_eq!(client.answer().status(), 200);
}

#[test]
fn an_upload_that_waits_for_its_client_is_told_no() {
    let mut rig = Rig::new("");
    for body in
        ["Content-Length: 10\r\n\r\nhello", "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n"]
    {
        edit(&rig, "[role.member]\n", "[role.member] # again\n");
        let mut client = rig.sent(format!("PUT /app HTTP/1.1\r\n{WRITER}{body}"));
        let mut peer = rig.upstream.next();
        peer.through(b"hello");
        lasts(&rig, 1.0);
        edit(&rig, SUSPENDED.0, SUSPENDED.1);
        let answer = client.answer();
        assert_eq!((answer.status(), answer.field("connection")), (403, Some("close")));
        assert!(!String::from_utf8_lossy(&peer.rest().0).contains("0\r\n\r\n"), "looks whole");
        client.closed();
        edit(&rig, SUSPENDED.1, SUSPENDED.0);
        edit(&rig, "[role.member] # again\n", "[role.member]\n");
    }
    lasts(&rig, 0.0);
}

/// The answer was given, and the client goes on sending.
#[test]
fn an_upload_behind_its_answer_is_cut() {
    let mut rig = Rig::new("");
    let head = format!("PUT /app HTTP/1.1\r\n{WRITER}Transfer-Encoding: chunked\r\n\r\n");
    let mut client = rig.sent(format!("{head}5\r\nhello\r\n"));
    let mut peer = rig.upstream.next();
    peer.through(b"hello\r\n");
    peer.send(OK);
    assert_eq!(client.answer().status(), 200);
    lasts(&rig, 1.0);
    client.send("4\r\nmore\r\n");
    assert_eq!(peer.through(b"more\r\n"), b"4\r\nmore\r\n");
    edit(&rig, SUSPENDED.0, SUSPENDED.1);
    client.rest();
    assert_eq!(peer.rest().0, b"");
    assert_eq!(terminated(&rig, "account_suspended"), 1.0);
    lasts(&rig, 0.0);
}

/// A body that nobody polls, as its client does not read.
#[test]
fn a_client_that_never_reads_is_cut() {
    let mut rig = Rig::new("timeouts.body = \"60s\"\n");
    let (mut client, mut peer) = rig.asked();
    peer.send("HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n");
    let sent = peer.flood(256 << 20, std::time::Duration::from_millis(300));
    assert!(sent < 256 << 20);
    lasts(&rig, 1.0);
    edit(&rig, SUSPENDED.0, SUSPENDED.1);
    lasts(&rig, 0.0);
    assert!(client.message(false).is_err());
    peer.rest();
}

/// Nothing of this is noticed by requests that are over in a moment, and a rate is not charged.
#[test]
fn no_other_request_is_counted() {
    let mut rig = Rig::new("limits.key_rate = 1\nlimits.key_burst = 3\n");
    let mut pair = listening(&mut rig, "/app", WRITER);
    lasts(&rig, 1.0);
    for _ in 0..3 {
        edit(&rig, "[role.member]\n", "[role.member]\n# again\n");
        edit(&rig, "[role.member]\n# again\n", "[role.member]\n");
    }
    carries_on(&mut pair);
    let mut client = rig.sent(GET);
    let mut peer = rig.upstream.next();
    peer.message(false).unwrap();
    peer.send(OK);
    assert_eq!(client.answer().status(), 200);
    assert_eq!(streams(&rig), 1.0);
}

#[test]
fn a_drain_waits_for_what_lasts_and_judges_it() {
    for is_cut in [false, true] {
        let mut rig = Rig::new("timeouts.drain = \"60s\"\n");
        let (mut client, mut peer) = listening(&mut rig, "/app", WRITER);
        lasts(&rig, 1.0);
        rig.gate.running.send("TERM");
        until("the drain", || rig.log().contains("\"draining\""));
        if is_cut {
            let path = rig.folder.path().join("policy.toml");
            let text = fs::read_to_string(&path).unwrap();
            fs::write(&path, text.replace(SUSPENDED.0, SUSPENDED.1)).unwrap();
            assert_eq!(client.rest().0, b"");
        } else {
            peer.send("4\r\nlast\r\n0\r\n\r\n");
            assert_eq!(client.bytes(14), b"4\r\nlast\r\n0\r\n\r\n");
        }
        assert_eq!(rig.gate.running.end(), Some(0));
    }
}
