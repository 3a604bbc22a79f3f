//! HTTP/2 as it should be spoken: what upstreams see of it, and what clients get.

use bytes::Bytes;
use http::HeaderMap;
use rustls::ClientConfig;

use crate::frames::{self, Came, DATA, END_STREAM, GOAWAY, GOOD, PING, preface};
use crate::harness::until;
use crate::rig::{OK, Rig};
use crate::secure::Secure;
use crate::session::{Session, keyed, request};

#[test]
fn a_request_is_one_of_http_1_to_its_upstream() {
    let mut rig = Rig::new("");
    let mut session = Session::new(rig.gate.port);
    let more = [
        ("cookie", "a=1"),
        ("cookie", "b=2; c=3"),
        ("te", "trailers"),
        ("x-forwarded-for", "9.9.9.9"),
        ("x-sidegate-account", "root"),
        ("x-custom", "kept"),
    ];
    let asked = session.ask(keyed("GET", "/app/%7ex?y=1", "key-writer", &more), true);
    let mut peer = rig.upstream.next();
    let seen = peer.message(false).unwrap();
    assert_eq!(seen.first, "GET /app/~x?y=1 HTTP/1.1");
    for (name, value) in [
        ("host", Some("localhost")),
        ("cookie", Some("a=1; b=2; c=3")),
        ("te", None),
        ("transfer-encoding", None),
        ("x-api-key", None),
        ("x-custom", Some("kept")),
        ("x-forwarded-for", Some("127.0.0.1")),
        ("x-forwarded-host", Some("localhost")),
        ("x-forwarded-proto", Some("http")),
        ("x-sidegate-account", Some("writer")),
    ] {
        assert_eq!(seen.field(name), value, "{name}: {seen:?}");
    }
    peer.send(
        "HTTP/1.1 200 OK\r\nConnection: close, x-hop\r\nX-Hop: 1\r\nKeep-Alive: timeout=5\r\n\
         X-Own: 1\r\nContent-Length: 2\r\n\r\nok",
    );
    let answer = session.answer(asked).unwrap();
    assert_eq!((answer.status(), answer.body.as_slice()), (200, &b"ok"[..]));
    for name in ["connection", "keep-alive", "x-hop", "transfer-encoding"] {
        assert_eq!(answer.field(name), None, "{name}");
    }
    assert_eq!((answer.field("x-own"), answer.field("content-length")), (Some("1"), Some("2")));
}

#[test]
fn bodies_stream_both_ways_with_and_without_a_length() {
    let mut rig = Rig::new("");
    let mut session = Session::new(rig.gate.port);
    let mut peer = None;
    for (method, length) in [("POST", Some("10")), ("POST", None), ("GET", None)] {
        let more: Vec<_> = length.map(|length| ("content-length", length)).into_iter().collect();
        let mut asked = session.ask(keyed(method, "/app", "key-writer", &more), false);
        asked.body.send_data(Bytes::from_static(b"hello"), false).unwrap();
        let peer = peer.get_or_insert_with(|| rig.upstream.next());
        // Before the body is whole.
        peer.through(b"hello");
        asked.body.send_data(Bytes::from_static(b"world"), true).unwrap();
        peer.through(if length.is_some() { b"world" } else { b"world\r\n0\r\n\r\n" });
        peer.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nfirst\r\n");
        let head = session.head(asked).unwrap();
        assert_eq!(head.status(), 200);
        peer.send("6\r\nsecond\r\n0\r\n\r\n");
        assert_eq!(session.whole(head).unwrap().body, b"firstsecond");
    }
}

/// A frame that fills what is gathered before it is written, to the last byte.
#[test]
fn a_body_of_whole_frames_goes_on() {
    const FRAME: usize = 16 * 1024;
    let mut rig = Rig::new("");
    let mut session = Session::new(rig.gate.port);
    let mut asked = session.ask(
        keyed("POST", "/app", "key-writer", &[("content-length", &(3 * FRAME).to_string())]),
        false,
    );
    let mut peer = rig.upstream.next();
    peer.through(b"\r\n\r\n");
    for last in [false, false, true] {
        asked.body.send_data(Bytes::from(vec![b'x'; FRAME]), last).unwrap();
        assert_eq!(peer.bytes(FRAME), vec![b'x'; FRAME]);
    }
    peer.send(OK);
    assert_eq!(session.answer(asked).unwrap().body, b"ok");
}

#[test]
fn trailers_pass() {
    let mut rig = Rig::new("");
    let mut session = Session::new(rig.gate.port);
    let more = [("trailer", "x-sum")];
    let mut asked = session.ask(keyed("POST", "/app", "key-writer", &more), false);
    asked.body.send_data(Bytes::from_static(b"hello"), false).unwrap();
    let mut trailers = HeaderMap::new();
    trailers.insert("x-sum", "7".parse().unwrap());
    trailers.insert("x-sidegate-account", "root".parse().unwrap());
    asked.body.send_trailers(trailers).unwrap();
    let mut peer = rig.upstream.next();
    let seen = peer.message(false).unwrap();
    assert_eq!(seen.body, b"hello");
    assert_eq!(seen.trailers, [("x-sum".to_owned(), "7".to_owned())]);
    peer.send(
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: x-end\r\n\r\n2\r\nok\r\n0\r\n\
         x-end: 1\r\n\r\n",
    );
    let answer = session.answer(asked).unwrap();
    assert_eq!(answer.body, b"ok");
    assert_eq!(answer.trailers.unwrap()["x-end"], "1");
}

#[test]
fn requests_are_answered_as_their_answers_come() {
    let mut rig = Rig::new("");
    let mut session = Session::new(rig.gate.port);
    let asked: Vec<_> = (0..5)
        .map(|number| (number, session.ask(request("GET", &format!("/app/{number}")), true)))
        .collect();
    let mut peers: Vec<_> = (0..5)
        .map(|_| {
            let mut peer = rig.upstream.next();
            let first = peer.message(false).unwrap().first;
            (first.split(['/', ' ']).nth(3).unwrap().to_owned(), peer)
        })
        .collect();
    peers.reverse();
    for (name, peer) in &mut peers {
        peer.send(format!("HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n{name}"));
    }
    for (number, asked) in asked {
        assert_eq!(session.answer(asked).unwrap().body, number.to_string().as_bytes());
    }
    assert_eq!(rig.gate.metric("sidegate_connections_active", ""), 1.0);
}

#[test]
fn over_tls_it_is_preferred() {
    let mut secure = Secure::new("");
    let config = ClientConfig::builder().with_root_certificates(secure.authority.roots());
    let mut session = Session::secure(secure.rig.gate.port, config.with_no_client_auth());
    let asked = session.ask(request("GET", "/app"), true);
    let mut peer = secure.rig.upstream.next();
    assert_eq!(peer.message(false).unwrap().field("x-forwarded-proto"), Some("https"));
    peer.send(OK);
    assert_eq!(session.answer(asked).unwrap().body, b"ok");
}

#[test]
fn refusals_are_those_of_http_1() {
    let mut rig = Rig::new("");
    let mut session = Session::new(rig.gate.port);
    for (method, path, key, status) in [
        ("GET", "/app", "nobody", 401),
        ("POST", "/app", "key-reader", 403),
        ("GET", "/nowhere", "key-writer", 404),
        ("TRACE", "/app", "key-writer", 405),
        ("GET", "/app/%2e%2e/x", "key-writer", 400),
        ("GET", "//app", "key-writer", 400),
    ] {
        let asked = session.ask(keyed(method, path, key, &[]), true);
        let answer = session.answer(asked).unwrap();
        assert_eq!(answer.status(), status, "{method} {path}");
        assert_eq!(answer.field("content-type"), Some("application/problem+json"));
        assert_eq!(answer.field("connection"), None);
        assert!(answer.field("proxy-status").unwrap().starts_with("sidegate; error="));
        let body: serde_json::Value = serde_json::from_slice(&answer.body).unwrap();
        assert_eq!(body["status"], status);
    }
    let asked = session.ask(keyed("HEAD", "/app", "nobody", &[]), true);
    let answer = session.answer(asked).unwrap();
    assert_eq!((answer.status(), answer.body.len()), (401, 0));
    // What comes behind a refusal is not waited for, and costs nobody else anything.
    let mut asked = session.ask(keyed("POST", "/app", "key-reader", &[]), false);
    let _ = asked.body.send_data(Bytes::from(vec![b'x'; 30_000]), false);
    assert_eq!(session.answer(asked).unwrap().status(), 403);
    let asked = session.ask(request("GET", "/app"), true);
    let mut peer = rig.upstream.next();
    peer.message(false).unwrap();
    peer.send(OK);
    assert_eq!(session.answer(asked).unwrap().status(), 200);
    assert_eq!(rig.upstream.waiting(), 0);
}

#[test]
fn grpc_is_refused_in_its_own_words() {
    let mut rig = Rig::new("timeouts.upstream = \"300ms\"\nlimits.body_bytes = 100\n");
    let mut session = Session::new(rig.gate.port);
    let grpc = ("content-type", "application/grpc");
    let large = ("content-length", "1000");
    for (path, key, more, code) in [
        ("/app/a.B/C", "nobody", &[grpc][..], "16"),
        ("/app/a.B/C", "key-reader", &[grpc], "7"),
        ("/nowhere", "key-writer", &[grpc], "12"),
        ("/app/a.B/C", "key-writer", &[grpc, large], "8"),
        ("/app/a.B/C", "key-writer", &[("content-type", "application/grpc+proto")], "14"),
    ] {
        let is_whole = !more.contains(&large);
        let asked = session.ask(keyed("POST", path, key, more), is_whole);
        let answer = session.answer(asked).unwrap();
        assert_eq!((answer.status(), answer.body.len()), (200, 0), "{path} {code}");
        assert_eq!(answer.field("grpc-status"), Some(code), "{path}");
        assert!(answer.field("grpc-message").is_some_and(|it| !it.is_empty()));
        assert_eq!(answer.field("content-type"), Some("application/grpc"));
        assert!(answer.trailers.is_none());
    }
    // The metric says what it is, not how it is said.
    until("the events", || rig.events().len() == 5);
    let events = rig.events();
    let statuses: Vec<_> = events.iter().map(|it| it["status"].as_u64().unwrap()).collect();
    assert_eq!(statuses, [401, 403, 404, 413, 504]);
    drop(rig.upstream.next());
}

#[test]
fn each_stream_has_its_own_time() {
    let mut rig = Rig::new("timeouts.upstream = \"300ms\"\ntimeouts.body = \"2s\"\n");
    let mut session = Session::new(rig.gate.port);
    let unanswered = session.ask(request("GET", "/app/silent"), true);
    let _silent = rig.upstream.next();
    let mut upload = session.ask(request("POST", "/app/upload"), false);
    upload.body.send_data(Bytes::from_static(b"half"), false).unwrap();
    let mut peer = rig.upstream.next();
    peer.through(b"half");
    // This one goes on all the time.
    let going = session.ask(request("GET", "/app/going"), true);
    let mut steady = rig.upstream.next();
    steady.message(false).unwrap();
    steady.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n");
    let going = session.head(going).unwrap();
    assert_eq!(session.answer(unanswered).unwrap().status(), 504);
    steady.send("2\r\nok\r\n0\r\n\r\n");
    assert_eq!(session.whole(going).unwrap().body, b"okok");
    assert_eq!(session.answer(upload).unwrap().status(), 408);
    assert!(peer.message(false).is_err());
}

/// A client that never opens its window gets its stream reset; the others go on.
#[test]
fn a_client_that_does_not_read_is_not_waited_for() {
    let mut rig = Rig::new("timeouts.body = \"300ms\"\n");
    let mut session = Session::with(rig.gate.port, |builder| {
        builder.initial_window_size(10);
    });
    let stuck = session.ask(request("GET", "/app"), true);
    let mut peer = rig.upstream.next();
    peer.message(false).unwrap();
    peer.send("HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n");
    let _ = peer.try_send(vec![b'x'; 1_000_000]);
    let head = session.head(stuck).unwrap();
    until("the event", || rig.events().len() == 1);
    let small = session.ask(request("GET", "/app"), true);
    let mut peer = rig.upstream.next();
    peer.message(false).unwrap();
    peer.send(OK);
    assert_eq!(session.answer(small).unwrap().body, b"ok");
    assert!(session.whole(head).is_err());
}

#[test]
fn an_answer_that_breaks_off_is_a_reset() {
    let mut rig = Rig::new("");
    let mut session = Session::new(rig.gate.port);
    for answer in [
        "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
    ] {
        let asked = session.ask(request("GET", "/app"), true);
        let mut peer = rig.upstream.next();
        peer.message(false).unwrap();
        peer.send(answer);
        drop(peer);
        // Head and reset may come in one.
        let whole = session.head(asked).and_then(|head| session.whole(head));
        assert!(whole.is_err(), "{answer:?}: {whole:?}");
    }
}

#[test]
fn a_stream_that_is_taken_back_is_no_concern_of_its_upstream_any_more() {
    let mut rig = Rig::new("");
    let mut session = Session::new(rig.gate.port);
    let asked = session.ask(request("GET", "/app"), true);
    let mut peer = rig.upstream.next();
    peer.message(false).unwrap();
    drop(asked);
    peer.closed();
    until("the event", || rig.events().len() == 1);
    assert_eq!(rig.events()[0]["status"], 499);
}

/// An upstream that answers early: what of the body is still to come is not waited for.
#[test]
fn an_early_answer_ends_the_stream() {
    let mut rig = Rig::new("");
    let mut session = Session::new(rig.gate.port);
    let mut asked = session.ask(request("POST", "/app"), false);
    asked.body.send_data(Bytes::from_static(b"hello"), false).unwrap();
    let mut peer = rig.upstream.next();
    peer.through(b"hello");
    peer.send("HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno");
    let answer = session.answer(asked).unwrap();
    assert_eq!((answer.status(), answer.body.as_slice()), (403, &b"no"[..]));
    // The upstream sees a body that breaks off, not one that ended.
    let (rest, _reset) = peer.rest();
    assert!(!rest.ends_with(b"0\r\n\r\n"), "{rest:?}");
}

#[test]
fn limits_are_those_of_requests() {
    let mut rig = Rig::new(
        "limits.requests = 1\nlimits.body_bytes = 10\nlimits.headers = 20\nlimits.header_bytes = \
         \"8KiB\"\nlimits.target_bytes = 100\n",
    );
    let mut session = Session::new(rig.gate.port);
    let long = "x".repeat(9000);
    let path = format!("/app/{}", "x".repeat(100));
    let names: Vec<_> = (0..30).map(|number| format!("x-{number}")).collect();
    let many: Vec<_> = names.iter().map(|name| (name.as_str(), "1")).collect();
    for (path, more, status) in [
        ("/app", &[("x-long", long.as_str())][..], 431),
        ("/app", &many, 431),
        (path.as_str(), &[], 414),
        ("/app", &[("content-length", "11")], 413),
    ] {
        let last = more.first().is_none_or(|(name, _)| *name != "content-length");
        let asked = session.ask(keyed("GET", path, "key-writer", more), last);
        assert_eq!(session.answer(asked).unwrap().status(), status);
    }
    let first = session.ask(request("GET", "/app"), true);
    let mut peer = rig.upstream.next();
    peer.message(false).unwrap();
    let second = session.ask(request("GET", "/app"), true);
    let answer = session.answer(second).unwrap();
    assert_eq!((answer.status(), answer.field("retry-after")), (503, Some("1")));
    peer.send(OK);
    assert_eq!(session.answer(first).unwrap().status(), 200);
    // A body that says nothing of its length is cut where it is too long.
    let mut asked = session.ask(request("POST", "/app"), false);
    asked.body.send_data(Bytes::from_static(b"longer than ten"), false).unwrap();
    assert_eq!(session.answer(asked).unwrap().status(), 413);
    assert!(peer.message(false).is_err());
}

/// Other streams of the connection go on.
#[test]
fn limits_of_a_route_are_those_of_its_streams() {
    let mut rig = Rig::new("");
    rig.amend("app", "limits = { requests = 1, timeout = \"300ms\" }");
    let mut session = Session::new(rig.gate.port);
    let first = session.ask(request("GET", "/app"), true);
    let mut peer = rig.upstream.next();
    peer.message(false).unwrap();
    peer.send("HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n");
    let head = session.head(first).unwrap();
    let grpc = [("content-type", "application/grpc")];
    let second = session.ask(keyed("POST", "/app", "key-writer", &grpc), true);
    let answer = session.answer(second).unwrap();
    assert_eq!((answer.field("grpc-status"), answer.field("retry-after")), (Some("14"), Some("1")));
    until("the cut", || peer.try_send([b'x'; 10_000]).is_err());
    let error = session.whole(head).unwrap_err();
    assert!(error.is_reset(), "{error:?}");
    let third = session.ask(request("GET", "/pages"), true);
    let mut peer = rig.upstream.next();
    peer.message(false).unwrap();
    peer.send(OK);
    assert_eq!(session.answer(third).unwrap().body, b"ok");
}

#[test]
fn a_drain_lets_streams_end_and_takes_no_more() {
    let mut rig = Rig::new("timeouts.drain = \"10s\"\n");
    let mut session = Session::new(rig.gate.port);
    let mut idle = Session::new(rig.gate.port);
    let asked = idle.ask(keyed("GET", "/app", "nobody", &[]), true);
    assert_eq!(idle.answer(asked).unwrap().status(), 401);
    let asked = session.ask(request("GET", "/app"), true);
    let mut peer = rig.upstream.next();
    peer.message(false).unwrap();
    rig.gate.running.send("TERM");
    idle.ended();
    session.ended();
    peer.send(OK);
    assert_eq!(session.answer(asked).unwrap().body, b"ok");
    assert_eq!(rig.gate.running.end(), Some(0));
}

/// RFC 9113 §6.8: first for none, so that what is on its way is answered, then with the last one.
#[test]
fn a_drain_says_twice_which_stream_is_the_last() {
    let mut rig = Rig::new("timeouts.drain = \"10s\"\n");
    let mut client = rig.sent([preface(), frames::request(1, GOOD)].concat());
    let mut first = rig.upstream.next();
    first.message(false).unwrap();
    rig.gate.running.send("TERM");
    let last_of = |came: &Came| u32::from_be_bytes(came.payload[..4].try_into().unwrap());
    let mut said = Vec::new();
    let ping = loop {
        match frames::next(&mut client) {
            came if came.kind == GOAWAY => said.push(last_of(&came)),
            came if came.kind == PING => break came,
            _ => {}
        }
    };
    assert_eq!(said, [0x7fff_ffff]);
    client.send(frames::request(3, GOOD));
    let mut second = rig.upstream.next();
    second.message(false).unwrap();
    client.send(frames::frame(PING, 1, 0, &ping.payload));
    first.send(OK);
    second.send(OK);
    let rest = frames::rest(&mut client);
    let said: Vec<u32> = rest.iter().filter(|it| it.kind == GOAWAY).map(last_of).collect();
    assert_eq!(said, [3]);
    for stream in [1, 3] {
        let whole =
            |it: &&Came| it.stream == stream && it.kind == DATA && it.flags & END_STREAM > 0;
        assert_eq!(rest.iter().filter(whole).count(), 1, "{rest:?}");
    }
    assert_eq!(rig.gate.running.end(), Some(0));
}

/// Who has connected may not have said yet what it speaks.
#[test]
fn a_drain_answers_who_has_said_nothing_yet() {
    let mut rig = Rig::new("timeouts.drain = \"20s\"\ntimeouts.linger = \"10s\"\n");
    let mut clients = [(); 3].map(|()| rig.client());
    until("all of them", || rig.gate.metric("sidegate_connections_active", "") == 3.0);
    clients[1].send(&preface()[..10]);
    clients[2].send(preface());
    rig.gate.running.send("TERM");
    until("the drain", || rig.log().contains("\"draining\""));
    clients[0].send(preface());
    clients[1].send(&preface()[10..]);
    for client in &mut clients {
        client.send(frames::request(1, GOOD));
        let mut peer = rig.upstream.next();
        peer.message(false).unwrap();
        peer.send(OK);
        let mut kinds = Vec::new();
        while ![DATA, GOAWAY].iter().all(|kind| kinds.contains(kind)) {
            kinds.push(frames::next(client).kind);
        }
    }
    drop(clients);
    assert_eq!(rig.gate.running.end(), Some(0));
}

#[test]
fn an_idle_connection_is_closed_and_one_with_a_stream_is_not() {
    let mut rig = Rig::new("timeouts.idle = \"300ms\"\n");
    let mut session = Session::new(rig.gate.port);
    let asked = session.ask(request("GET", "/app"), true);
    let mut peer = rig.upstream.next();
    peer.message(false).unwrap();
    let idle = Session::new(rig.gate.port);
    idle.ended();
    peer.send(OK);
    assert_eq!(session.answer(asked).unwrap().body, b"ok");
    session.ended();
    until("the ends", || rig.gate.metric("sidegate_connections_active", "") == 0.0);
}
