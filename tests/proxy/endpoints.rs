//! Upstreams of several endpoints: who is asked, who is left out, and what is sent once more.

use std::io::{Read as _, Write as _};
use std::net::{Ipv6Addr, ToSocketAddrs as _};
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::net::{SocketAddr, UnixListener};
use std::thread;

use crate::harness::{free_port, until};
use crate::rig::{GET, OK, Rig, Upstream, WRITER};
use crate::upstream::fails_with;

const CLOSING: &str = "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok";

fn post() -> String {
    format!("POST /app HTTP/1.1\r\n{WRITER}Content-Length: 5\r\n\r\nhello")
}

fn ejected(rig: &Rig) -> f64 {
    rig.gate.metric("sidegate_upstream_endpoints_ejected", "")
}

fn retries(rig: &Rig) -> f64 {
    rig.gate.metric("sidegate_upstream_retries_total", "upstream=\"app\"")
}

/// Answers every connection until the test ends: with what it was asked on it so far.
fn serve(listener: UnixListener) {
    thread::spawn(move || {
        for stream in listener.incoming() {
            let (mut stream, mut asked, mut count) = (stream.unwrap(), Vec::new(), 0);
            let mut chunk = [0; 4096];
            while let Ok(length @ 1..) = stream.read(&mut chunk) {
                asked.extend_from_slice(&chunk[..length]);
                if asked.ends_with(b"\r\n\r\n") {
                    count += 1;
                    let text = format!("{count} {}", String::from_utf8_lossy(&asked));
                    let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", text.len());
                    stream.write_all((head + &text).as_bytes()).unwrap();
                    asked.clear();
                }
            }
        }
    });
}

#[test]
fn unix_sockets_by_path_and_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("upstream.sock");
    let name = format!("sidegate-test-{}-{}", std::process::id(), free_port());
    serve(UnixListener::bind(&path).unwrap());
    serve(UnixListener::bind_addr(&SocketAddr::from_abstract_name(&name).unwrap()).unwrap());
    for url in [format!("unix:{}", path.display()), format!("unix:@{name}")] {
        let mut rig = Rig::new(&format!("upstream.other.urls = [\"{url}\"]\n"));
        rig.reroute("late", "other");
        let mut client = rig.client();
        for count in 1..3 {
            client.send(format!("GET /late HTTP/1.1\r\n{WRITER}\r\n"));
            let body = String::from_utf8(client.answer().body).unwrap();
            assert!(body.starts_with(&format!("{count} GET /late HTTP/1.1\r\n")), "{body}");
            assert!(body.contains("x-sidegate-account: writer\r\n"), "{body}");
        }
        assert_eq!(rig.upstream.waiting(), 0);
    }
}

#[test]
fn a_unix_socket_that_is_not_there_is_502() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("nobody.sock");
    let urls = [format!("unix:{}", path.display()), "unix:@sidegate-test-nobody".to_owned()];
    for url in urls {
        let rig = Rig::new(&format!("upstream.other.urls = [\"{url}\"]\n"));
        rig.reroute("late", "other");
        let mut client = rig.sent(format!("GET /late HTTP/1.1\r\n{WRITER}\r\n"));
        fails_with(&client.answer(), 502, "destination_unavailable");
    }
}

/// Of two, drawn are both: the one with fewer requests is asked.
#[test]
fn the_one_with_fewer_requests_is_asked() {
    let mut other = Upstream::start();
    let mut rig = Rig::beside(&[other.url()], "");
    let mut open = Vec::new();
    for _pair in 0..5 {
        let clients = [rig.sent(GET), rig.sent(GET)];
        let mut peers = [rig.upstream.next(), other.next()];
        peers.iter_mut().for_each(|peer| drop(peer.message(false).unwrap()));
        open.push((clients, peers));
    }
    // The one that has answered is asked next.
    let (_clients, mut peers) = open.pop().unwrap();
    peers[1].send(OK);
    let count = || rig.gate.metric("sidegate_requests_in_flight", "");
    until("the answer", || count() == 9.0);
    let _eleventh = rig.sent(GET);
    assert_eq!(peers[1].message(false).unwrap().first, "GET /app HTTP/1.1");
    assert_eq!((rig.upstream.waiting(), other.waiting()), (0, 0));
}

#[test]
fn one_that_refuses_is_passed_over_by_any_method_and_left_out() {
    let gone = format!("http://127.0.0.1:{}", free_port());
    let mut rig = Rig::beside(&[gone], "");
    for _turn in 0..10 {
        for request in [GET, &post()] {
            let mut client = rig.sent(request);
            let mut peer = rig.upstream.next();
            peer.message(false).unwrap();
            peer.send(CLOSING);
            assert_eq!(client.answer().status(), 200);
        }
    }
    assert_eq!((ejected(&rig), retries(&rig)), (1.0, 3.0), "{}", rig.log());
    assert_eq!(rig.gate.metric("sidegate_upstream_ejections_total", ""), 1.0);
    until("the log", || rig.log().contains("upstream endpoint is left out"));
}

#[test]
fn one_that_was_left_out_is_asked_again_when_it_is_back() {
    let port = free_port();
    let url = format!("http://127.0.0.1:{port}");
    let mut rig = Rig::beside(&[url], "upstream.app.eject_after = 1\n");
    rig.upstream.answer_all(CLOSING);
    let asked = |rig: &Rig| assert_eq!(rig.sent(GET).answer().status(), 200);
    while ejected(&rig) == 0.0 {
        asked(&rig);
    }
    let mut back = Upstream::at(port);
    back.answer_all(CLOSING);
    until("it to be asked again", || {
        asked(&rig);
        ejected(&rig) == 0.0
    });
}

/// Where all are out, all are tried: that is how it is seen that they are back.
#[test]
fn never_are_all_left_out() {
    let ports = [free_port(), free_port()];
    let urls = ports.map(|port| format!("\"http://127.0.0.1:{port}\"")).join(", ");
    let rig = Rig::new(&format!("upstream.other.urls = [{urls}]\n"));
    rig.reroute("late", "other");
    let request = format!("GET /late HTTP/1.1\r\n{WRITER}\r\n");
    while ejected(&rig) < 2.0 {
        fails_with(&rig.sent(&request).answer(), 502, "destination_unavailable");
    }
    let mut back = Upstream::at(ports[1]);
    let mut client = rig.sent(&request);
    let mut peer = back.next();
    peer.message(false).unwrap();
    peer.send(OK);
    assert_eq!(client.answer().status(), 200);
    assert_eq!(ejected(&rig), 1.0);
}

#[test]
fn a_read_that_was_not_heard_goes_to_another() {
    let mut other = Upstream::start();
    let mut rig = Rig::beside(&[other.url()], "upstream.app.eject_after = 0\n");
    let mut turns = 0;
    // By chance, one of the two is asked first.
    while turns < 4 {
        let mut client = rig.sent(GET);
        until("a connection", || rig.upstream.waiting() + other.waiting() > 0);
        let (first, second) = match rig.upstream.waiting() {
            0 => (&mut other, &mut rig.upstream),
            _ => (&mut rig.upstream, &mut other),
        };
        let mut peer = first.next();
        let seen = peer.message(false).unwrap();
        drop(peer);
        let mut peer = second.next();
        assert_eq!(peer.message(false).unwrap(), seen);
        if turns % 2 == 0 {
            peer.send(CLOSING);
            assert_eq!(client.answer().status(), 200);
        } else {
            drop(peer);
            fails_with(&client.answer(), 502, "connection_terminated");
        }
        turns += 1;
    }
    assert_eq!(retries(&rig), 4.0);
    // What may have had an effect is not sent again.
    let mut client = rig.sent(post());
    until("a connection", || rig.upstream.waiting() + other.waiting() > 0);
    let first = if rig.upstream.waiting() > 0 { &mut rig.upstream } else { &mut other };
    first.next().message(false).unwrap();
    fails_with(&client.answer(), 502, "connection_terminated");
    assert_eq!(rig.upstream.waiting() + other.waiting(), 0);
}

#[test]
fn retries_do_not_multiply_an_outage() {
    let mut other = Upstream::start();
    let mut rig = Rig::beside(&[other.url()], "upstream.app.eject_after = 0\n");
    rig.upstream.answer_all("");
    other.answer_all("");
    let start = sidegate::clock::instant();
    for _request in 0..200 {
        fails_with(&rig.sent(GET).answer(), 502, "connection_terminated");
    }
    let seconds = start.elapsed().as_secs_f64();
    let retries = retries(&rig);
    // 30 at first, one for five requests, three a second.
    assert!(retries >= 60.0, "{retries}");
    assert!(retries <= 72.0 + 3.0 * seconds, "{retries} in {seconds} s");
}

#[test]
fn an_upstream_that_has_enough_is_not_asked() {
    let mut other = Upstream::start();
    let mut rig = Rig::beside(&[other.url()], "upstream.app.requests = 2\n");
    let clients = [0; 4].map(|_| rig.sent(GET));
    let mut peers = [rig.upstream.next(), rig.upstream.next(), other.next(), other.next()];
    let mut fifth = rig.sent(GET);
    let answer = fifth.answer();
    fails_with(&answer, 503, "connection_limit_reached");
    assert_eq!(answer.field("retry-after"), Some("1"));
    assert_eq!(rig.gate.metric("sidegate_upstream_errors_total", "kind=\"full\""), 1.0);
    peers[0].message(false).unwrap();
    peers[0].send(OK);
    until("an answer", || rig.gate.metric("sidegate_requests_in_flight", "") == 3.0);
    fifth.send(GET);
    peers[0].message(false).unwrap();
    peers[0].send(OK);
    assert_eq!(fifth.answer().status(), 200);
    assert_eq!((rig.upstream.waiting(), other.waiting()), (0, 0));
    drop(clients);
}

/// `localhost` can be two addresses, of which one is listened on.
#[test]
fn all_addresses_of_a_name_are_asked() {
    let here = ("localhost", 0).to_socket_addrs().unwrap().map(|it| (it.ip(), "localhost"));
    let mut hosts: Vec<_> = here.collect();
    hosts.push((Ipv6Addr::LOCALHOST.into(), "[::1]"));
    for (address, host) in hosts {
        let mut upstream = Upstream::on(address, 0);
        upstream.answer_all(CLOSING);
        let url = format!("http://{host}:{}", upstream.port());
        let rig = Rig::new(&format!("upstream.other.urls = [\"{url}\"]\n"));
        rig.reroute("late", "other");
        for _request in 0..10 {
            let mut client = rig.sent(format!("GET /late HTTP/1.1\r\n{WRITER}\r\n"));
            assert_eq!(client.answer().status(), 200, "{address}");
        }
        let label = format!("endpoint=\"{url}\"");
        assert!(rig.gate.metric("sidegate_upstream_endpoint_addresses", &label) >= 1.0);
        assert_eq!(rig.log().contains("upstream name is at"), host == "localhost");
    }
}

#[test]
fn a_name_that_nobody_knows_is_502() {
    let rig = Rig::new(
        "timeouts.connect = \"300ms\"\nupstream.other.urls = [\"http://nobody.invalid:1\"]\n",
    );
    rig.reroute("late", "other");
    let mut client = rig.sent(format!("GET /late HTTP/1.1\r\n{WRITER}\r\n"));
    fails_with(&client.answer(), 502, "dns_error");
    assert_eq!(rig.gate.metric("sidegate_upstream_errors_total", "kind=\"dns\""), 1.0);
    assert_eq!(rig.gate.metric("sidegate_upstream_endpoint_addresses", "nobody.invalid"), 0.0);
}
