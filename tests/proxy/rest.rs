//! Connections that rest between their requests are as good as others.

use crate::harness::until;
use crate::rig::{GET, OK, Rig};
use crate::wire::Wire;

/// A rig whose heads may take longer than connections keep what they do not need.
fn rig(lines: &str) -> Rig {
    Rig::new(&format!("timeouts.header = \"2500ms\"\n{lines}"))
}

/// Waits as long as a head may take.
fn rest(rig: &Rig) {
    let mut slow = rig.sent("GET /app HTTP/1.1\r\nHo");
    assert_eq!(slow.answer().status(), 408);
}

fn answered(client: &mut Wire, peer: &mut Wire) {
    peer.message(false).unwrap();
    peer.send(OK);
    assert_eq!(client.answer().body, b"ok");
}

#[test]
fn a_connection_that_rested_goes_on() {
    let mut rig = rig("");
    let (mut client, mut peer) = rig.asked();
    peer.send(OK);
    assert_eq!(client.answer().body, b"ok");
    // Two in one write are two requests.
    rest(&rig);
    client.send([GET, GET].concat());
    answered(&mut client, &mut peer);
    answered(&mut client, &mut peer);
    rest(&rig);
    for byte in GET.as_bytes() {
        client.send([*byte]);
    }
    answered(&mut client, &mut peer);
    rest(&rig);
    client.send("GET /app HTTP/1.1\r\nHost : x\r\n\r\n");
    assert_eq!(client.answer().status(), 400);
    client.closed();
    assert_eq!(rig.upstream.waiting(), 0);
}

#[test]
fn a_connection_that_rests_ends_in_time() {
    let mut rig = rig("timeouts.idle = \"3s\"\n");
    let ends = |rig: &Rig, left: f64| {
        until("the end", || rig.gate.metric("sidegate_connections_active", "") == left);
    };
    // Each with a connection to the upstream of its own.
    let last = OK.replace("\r\n\r\n", "\r\nConnection: close\r\n\r\n");
    let rested = |rig: &mut Rig| {
        let (mut client, mut peer) = rig.asked();
        peer.send(&last);
        client.answer();
        rest(rig);
        client
    };
    rested(&mut rig).closed();
    ends(&rig, 0.0);
    drop(rested(&mut rig));
    ends(&rig, 0.0);
    // At once.
    let mut drained = rested(&mut rig);
    rig.gate.running.send("TERM");
    drained.closed();
    assert_eq!(rig.gate.running.end(), Some(0));
}
