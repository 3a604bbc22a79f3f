//! What lasts longer than a moment, over HTTP/2: judged again, and ended as its client understands it.

use std::fs;
use std::process::Command;

use bytes::Bytes;
use h2::Reason;

use crate::grpc::{Call, Service, framed};
use crate::harness::until;
use crate::rig::{OK, Rig};
use crate::session::{Session, keyed};

const EVENTS: &str = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\
    Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n";

fn lasts(rig: &Rig, count: f64) {
    until("it to last", || rig.gate.metric("sidegate_streams_active", "") == count);
}

fn terminated(rig: &Rig, reason: &str) -> f64 {
    rig.gate.metric("sidegate_streams_terminated_total", &format!("reason=\"{reason}\""))
}

fn revoke(rig: &Rig, id: &str) {
    let revoked = Command::new(env!("CARGO_BIN_EXE_sidegate"))
        .args(["key", "revoke", "-c", "sidegate.toml", id])
        .current_dir(rig.folder.path())
        .output()
        .unwrap();
    assert!(revoked.status.success(), "{revoked:?}");
}

fn suspend(rig: &Rig, account: &str) {
    let path = rig.folder.path().join("policy.toml");
    let text = fs::read_to_string(&path).unwrap();
    let more = format!("[account.{account}]\nsuspended = true\n[account.banned]");
    fs::write(&path, text.replace("[account.banned]", &more)).unwrap();
}

/// The streams of one connection have each their own right.
#[test]
fn one_stream_is_reset_and_its_neighbour_goes_on() {
    let mut rig = Rig::new("");
    let mut session = Session::new(rig.gate.port);
    let mut begin = |rig: &mut Rig, key| {
        let asked = session.ask(keyed("GET", "/app", key, &[]), true);
        let mut peer = rig.upstream.next();
        peer.message(false).unwrap();
        peer.send(EVENTS);
        let mut body = session.head(asked).unwrap().into_body();
        assert_eq!(session.wait(body.data()).unwrap().unwrap(), &b"hello"[..]);
        (body, peer)
    };
    let (mut cut, mut cut_peer) = begin(&mut rig, "key-writer");
    let (mut kept, mut kept_peer) = begin(&mut rig, "key-reader");
    lasts(&rig, 2.0);
    revoke(&rig, "k_writer");
    let error = session.wait(cut.data()).unwrap().unwrap_err();
    assert!(error.is_remote());
    assert_eq!(error.reason(), Some(Reason::CANCEL));
    cut_peer.rest();
    kept_peer.send("4\r\nmore\r\n0\r\n\r\n");
    assert_eq!(session.wait(kept.data()).unwrap().unwrap(), &b"more"[..]);
    // Its end, which is a frame of its own.
    assert_eq!(session.wait(kept.data()).unwrap().unwrap(), &b""[..]);
    assert!(kept.is_end_stream());
    assert_eq!(terminated(&rig, "key_revoked"), 1.0);
    until("the events", || rig.events().len() == 2);
    assert_eq!(rig.events()[0]["terminated"], true);
    lasts(&rig, 0.0);
}

/// Its client opens no window: nothing can be said to it, and nothing is kept for it.
#[test]
fn a_client_that_never_reads_is_reset() {
    let mut rig = Rig::new("timeouts.body = \"60s\"\n");
    let mut session = Session::with(rig.gate.port, |builder| {
        builder.initial_window_size(0);
    });
    let asked = session.ask(keyed("GET", "/app", "key-writer", &[]), true);
    let mut peer = rig.upstream.next();
    peer.message(false).unwrap();
    peer.send("HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n");
    assert!(peer.flood(256 << 20, std::time::Duration::from_millis(300)) < 256 << 20);
    let mut body = session.head(asked).unwrap().into_body();
    lasts(&rig, 1.0);
    revoke(&rig, "k_writer");
    peer.rest();
    lasts(&rig, 0.0);
    let error = session.wait(body.data()).unwrap().unwrap_err();
    assert_eq!(error.reason(), Some(Reason::CANCEL));
}

/// The status is that of its reason: 16 where the key is no longer good, 7 where it may no longer.
#[test]
fn calls_end_with_their_status() {
    for (status, says) in [("16", "a valid API key is needed"), ("7", "this key may not do that")] {
        for kind in ["Server", "Client", "Both"] {
            let service = Service::start();
            let rig = Rig::new(&service.lines());
            rig.reroute("app", "other");
            if status == "7" {
                // Nor does it matter whether it has to be whole by some time.
                rig.amend("app", "limits = { timeout = \"60s\" }");
            }
            let mut session = Session::new(rig.gate.port);
            let mut asked = Call::ask(&mut session, kind);
            asked.body.send_data(framed(b"one"), kind == "Server").unwrap();
            service.steps.add_permits(1);
            let mut call = Call::of(&session, asked);
            if kind != "Client" {
                assert_eq!(call.message().unwrap(), b"one");
            }
            lasts(&rig, 1.0);
            match status {
                "16" => revoke(&rig, "k_writer"),
                _ => suspend(&rig, "writer"),
            }
            assert_eq!(call.message(), None, "{kind}");
            let trailers = call.trailers();
            assert_eq!(trailers["grpc-status"], status, "{kind}");
            assert_eq!(trailers["grpc-message"], says, "{kind}");
            lasts(&rig, 0.0);
        }
    }
}

/// Without an answer yet, a call is told no in one.
#[test]
fn a_call_that_waits_is_told_no() {
    let mut rig = Rig::new("");
    let mut session = Session::new(rig.gate.port);
    let more = [("content-type", "application/grpc"), ("te", "trailers")];
    let mut asked = session.ask(keyed("POST", "/app/acme.Vault/Late", "key-writer", &more), false);
    asked.body.send_data(Bytes::from_static(b"\0\0\0\0\x01a"), false).unwrap();
    let mut peer = rig.upstream.next();
    peer.through(b"\0\0\0\0\x01a");
    lasts(&rig, 1.0);
    revoke(&rig, "k_writer");
    let answer = session.answer(asked).unwrap();
    assert_eq!((answer.status(), answer.field("grpc-status")), (200, Some("16")));
    peer.rest();
    lasts(&rig, 0.0);
    // The connection is as good as before.
    let asked = session.ask(keyed("GET", "/app", "key-reader", &[]), true);
    let mut peer = rig.upstream.next();
    peer.message(false).unwrap();
    peer.send(OK);
    assert_eq!(session.answer(asked).unwrap().status(), 200);
}
