//! Clients that break the rules of HTTP/2, or keep them to do harm.

use std::io::Write as _;
use std::net::TcpStream;
use std::thread;

use crate::frames::{
    CONTINUATION, DATA, END_HEADERS, END_STREAM, ENHANCE_YOUR_CALM, Fields, GOAWAY, GOOD, HEADERS,
    PING, PRIORITY, RST_STREAM, SETTINGS, WINDOW_UPDATE, block, cut, frame, next, next_of_stream,
    preface, request, rest, swallow,
};
use crate::harness::until;
use crate::rig::{OK, Rig};
use crate::session::{Session, request as asked};

/// Sends `part(number)` for ever, or so it means to; what came back.
fn flood(port: u16, start: &[u8], part: impl Fn(u32) -> Vec<u8>) -> (Vec<u8>, usize) {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    let all = swallow(&stream);
    stream.write_all(start).unwrap();
    let mut sent = 0;
    for turn in 0..20_000 {
        let many: Vec<u8> = (turn * 50..(turn + 1) * 50).flat_map(&part).collect();
        match stream.write_all(&many) {
            Ok(()) => sent += many.len(),
            Err(_) => break,
        }
    }
    (all.join().unwrap(), sent)
}

#[test]
fn floods_end_the_connection_and_nobody_else_notices() {
    let rig = Rig::new("log.level = \"error\"\n");
    let port = rig.gate.port;
    // Upstreams that never answer: what is asked of them is dropped with its stream.
    let mut session = Session::new(port);
    let before = rig.gate.running.peak_memory();
    let open = [preface(), frame(HEADERS, END_HEADERS, 1, &block(GOOD))].concat();
    let rapid = |number: u32| {
        let stream = 2 * number + 1;
        [request(stream, GOOD), frame(RST_STREAM, 0, stream, &[0, 0, 0, 8])].concat()
    };
    let denied = |number: u32| {
        let stream = 2 * number + 1;
        [request(stream, &GOOD[..4]), frame(RST_STREAM, 0, stream, &[0, 0, 0, 8])].concat()
    };
    let headless = [preface(), frame(HEADERS, END_STREAM, 1, &block(GOOD))].concat();
    // Resets that we are made to send: a body is longer than was said.
    let short = block(&[GOOD, &[("content-length", "1")]].concat());
    let made = |number: u32| {
        let stream = 2 * number + 1;
        [frame(HEADERS, END_HEADERS, stream, &short), frame(DATA, 0, stream, b"longer")].concat()
    };
    type Part<'p> = &'p (dyn Fn(u32) -> Vec<u8> + Sync);
    let floods: &[(&str, &[u8], Part<'_>)] = &[
        ("rapid reset", &preface(), &rapid),
        ("rapid reset of what is refused", &preface(), &denied),
        ("made resets", &preface(), &made),
        ("continuation", &headless, &|_| frame(CONTINUATION, 0, 1, &[])),
        ("large continuation", &headless, &|n| {
            frame(CONTINUATION, 0, 1, &block(&[(&format!("x-{n}"), &"x".repeat(4000))]))
        }),
        ("settings", &preface(), &|_| frame(SETTINGS, 0, 0, &[0, 4, 0, 1, 0, 0])),
        ("ping", &preface(), &|_| frame(PING, 0, 0, &[7; 8])),
        ("priority", &preface(), &|n| frame(PRIORITY, 0, 2 * n + 1, &[0, 0, 0, 0, 7])),
        ("unknown", &preface(), &|_| frame(200, 0, 0, &[7; 8])),
        ("window updates", &open, &|_| frame(WINDOW_UPDATE, 0, 1, &[0, 0, 0, 1])),
        ("empty data", &open, &|_| frame(DATA, 0, 1, &[])),
    ];
    for (what, start, part) in floods {
        let (said, sent) = thread::scope(|scope| {
            let flooding = scope.spawn(|| flood(port, start, part));
            // Others are served meanwhile, on connections of their own.
            for _ in 0..5 {
                let asked = session.ask(asked_of_nobody(), true);
                assert_eq!(session.answer(asked).unwrap().status(), 401, "{what}");
            }
            flooding.join().unwrap()
        });
        let last = cut(&said).into_iter().rfind(|came| came.kind == GOAWAY);
        // A reset can come before the last word is read; then there is none.
        let code = last.map(|came| came.code().unwrap());
        assert!(code.is_none_or(|code| code == ENHANCE_YOUR_CALM), "{what}: {code:?}");
        assert!(sent < 30_000_000, "{what}: {sent} bytes were taken");
    }
    until("the ends", || rig.gate.metric("sidegate_connections_active", "") == 1.0);
    until("the requests", || rig.gate.metric("sidegate_requests_in_flight", "") == 0.0);
    let grown = rig.gate.running.peak_memory() - before;
    assert!(grown < 32 << 20, "{grown} bytes");
    assert!(rig.gate.metric("sidegate_http2_connections_cut_total", "flood") >= 4.0);
}

/// Each one has gone to its upstream when it is taken back.
#[test]
fn requests_that_are_taken_back_while_they_are_answered_are_bounded() {
    let rig = Rig::new("");
    let mut client = rig.sent(preface());
    let mut taken_back = 0;
    let last = loop {
        let stream = 2 * taken_back + 1;
        let sent = client.try_send([request(stream, GOOD), frame(PING, 0, 0, &[7; 8])].concat());
        let came = loop {
            let came = next(&mut client);
            if matches!(came.kind, PING | GOAWAY) {
                break came;
            }
        };
        if came.kind == GOAWAY || sent.is_err() {
            break came;
        }
        let _ = client.try_send(frame(RST_STREAM, 0, stream, &[0, 0, 0, 8]));
        taken_back += 1;
    };
    assert_eq!(last.code(), Some(ENHANCE_YOUR_CALM));
    assert!((200..1000).contains(&taken_back), "{taken_back}");
    assert_eq!(rig.gate.metric("sidegate_http2_connections_cut_total", "resets"), 1.0);
    until("the requests", || rig.gate.metric("sidegate_requests_in_flight", "") == 0.0);
}

fn asked_of_nobody() -> http::Request<()> {
    crate::session::keyed("GET", "/app", "nobody", &[])
}

/// What a connection says when it is told to calm down, read at leisure.
#[test]
fn a_flood_is_told_to_calm_down() {
    let rig = Rig::new("");
    let mut client = rig.sent(preface());
    client.send((0..1100).flat_map(|_| frame(PING, 0, 0, &[7; 8])).collect::<Vec<_>>());
    let last = rest(&mut client).pop().unwrap();
    assert_eq!((last.kind, last.code()), (GOAWAY, Some(ENHANCE_YOUR_CALM)), "{last:?}");
}

/// What it is called, its fields, and the status that they get; none where the stream is reset.
type Case = (&'static str, Vec<(&'static str, &'static str)>, Option<u64>);

#[test]
fn what_is_malformed_never_reaches_an_upstream() {
    let mut rig = Rig::new("");
    let with = |changes: Fields<'static>| -> Vec<(&'static str, &'static str)> {
        let changed = |name: &str| changes.iter().any(|(it, _)| *it == name);
        let kept = GOOD.iter().filter(|(name, _)| !changed(name)).copied();
        // Pseudo-fields first, unless that is what is tried.
        let (pseudo, plain): (Vec<_>, Vec<_>) = changes
            .iter()
            .copied()
            .filter(|(_, value)| *value != "-")
            .partition(|(name, _)| name.starts_with(':'));
        let (first, last): (Vec<_>, Vec<_>) = kept.partition(|(name, _)| name.starts_with(':'));
        [pseudo, first, last, plain].concat()
    };
    // A reset of the stream, or an answer of ours.
    let cases: &[Case] = &[
        ("no method", with(&[(":method", "-")]), None),
        ("no scheme", with(&[(":scheme", "-")]), None),
        ("no path", with(&[(":path", "-")]), None),
        ("empty path", with(&[(":path", "")]), None),
        ("relative path", with(&[(":path", "app")]), None),
        ("two slashes", with(&[(":path", "//app")]), Some(400)),
        ("absolute path", with(&[(":path", "http://localhost/app")]), None),
        ("asterisk", with(&[(":path", "*")]), Some(400)),
        ("other scheme", with(&[(":scheme", "ftp")]), Some(400)),
        ("no authority", with(&[(":authority", "-")]), Some(400)),
        ("userinfo", with(&[(":authority", "u@localhost")]), Some(400)),
        ("two hosts", with(&[("host", "other")]), Some(400)),
        ("port differs", with(&[("host", "localhost:81")]), Some(400)),
        ("connect", with(&[(":method", "CONNECT"), (":scheme", "-"), (":path", "-")]), Some(405)),
        ("trace", with(&[(":method", "TRACE")]), Some(405)),
        ("two keys", with(&[("authorization", "Bearer other")]), Some(400)),
        ("two methods", [&[(":method", "GET")], GOOD].concat(), None),
        ("two paths", [&[(":path", "/app")], GOOD].concat(), None),
        ("two authorities", [&[(":authority", "localhost")], GOOD].concat(), None),
        ("late pseudo-field", [GOOD, &[(":authority", "localhost")]].concat(), None),
        ("unknown pseudo-field", [&[(":own", "1")], GOOD].concat(), None),
        ("of answers", [&[(":status", "200")], GOOD].concat(), None),
        ("extended connect", [&[(":protocol", "websocket")], GOOD].concat(), None),
        ("connection", with(&[("connection", "close")]), None),
        ("keep-alive", with(&[("keep-alive", "1")]), None),
        ("proxy-connection", with(&[("proxy-connection", "1")]), None),
        ("transfer-encoding", with(&[("transfer-encoding", "chunked")]), None),
        ("upgrade", with(&[("upgrade", "websocket")]), None),
        ("te", with(&[("te", "gzip")]), None),
        ("upper case", with(&[("X-Upper", "1")]), None),
        ("space in name", with(&[("x y", "1")]), None),
        ("line in value", with(&[("x", "a\r\nb: c")]), None),
        ("zero in value", with(&[("x", "a\0b")]), None),
        ("length without body", with(&[("content-length", "5")]), None),
        ("two lengths", with(&[("content-length", "0"), ("content-length", "0")]), Some(400)),
        ("lengths differ", with(&[("content-length", "0"), ("content-length", "1")]), None),
        ("no length", with(&[("content-length", "x")]), None),
    ];
    let mut judged = 0;
    for (what, fields, status) in cases {
        let mut client = rig.sent([preface(), request(1, fields)].concat());
        let came = loop {
            let came = next(&mut client);
            if came.stream == 1 || came.kind == GOAWAY {
                break came;
            }
        };
        match status {
            None => assert!(came.code().is_some(), "{what}: {came:?}"),
            Some(status) => {
                assert_eq!(came.kind, HEADERS, "{what}: {came:?}");
                until(what, || rig.events().len() == judged + 1);
                assert_eq!(rig.events()[judged]["status"], *status, "{what}");
                judged += 1;
            }
        }
    }
    assert_eq!(rig.upstream.waiting(), 0);
}

/// Libraries speak of what they refuse. What a client sent is not for the log.
#[test]
fn no_log_level_tells_of_what_was_malformed() {
    let rig = Rig::new("log.level = \"debug\"\nlog.sample = 1.0\n");
    for name in [":path", ":authority", ":scheme", "x-own", "connection", "x-api-key"] {
        let kept = GOOD.iter().filter(|(it, _)| *it != name).copied();
        let (pseudo, plain): (Vec<_>, Vec<_>) = kept.partition(|(it, _)| it.starts_with(':'));
        let planted = [(name, "planted \u{7f} secret")];
        let fields = match name.starts_with(':') {
            true => [&planted[..], &pseudo, &plain].concat(),
            false => [&pseudo[..], &plain, &planted].concat(),
        };
        let mut client = rig.sent([preface(), request(1, &fields)].concat());
        while !matches!(next(&mut client).kind, GOAWAY | HEADERS | RST_STREAM) {}
    }
    let text = std::fs::read_to_string(rig.folder.path().join("sidegate.log")).unwrap();
    assert!(!text.contains("planted"), "{text}");
    assert!(!text.contains("h2::"), "{text}");
}

/// A body that is not as long as was said is never whole at the upstream.
#[test]
fn a_body_of_another_length_is_broken() {
    let mut rig = Rig::new("");
    let fields = [GOOD, &[("content-length", "10")]].concat();
    for (body, flags) in [(&b"hello"[..], END_STREAM), (b"hello world, and more", 0)] {
        let mut client = rig.sent(
            [
                preface(),
                frame(HEADERS, END_HEADERS, 1, &block(&fields)),
                frame(DATA, flags, 1, body),
            ]
            .concat(),
        );
        let came = next_of_stream(&mut client);
        assert!(matches!(came.kind, RST_STREAM | HEADERS), "{came:?}");
        let mut peer = rig.upstream.next();
        assert!(peer.message(false).is_err());
    }
}

#[test]
fn streams_are_bounded() {
    let mut rig = Rig::new("limits.streams = 3\n");
    let requests: Vec<u8> = (0..4).flat_map(|number| request(2 * number + 1, GOOD)).collect();
    let mut client = rig.sent([preface(), requests].concat());
    let came = next_of_stream(&mut client);
    assert_eq!((came.stream, came.code()), (7, Some(7)), "not refused: {came:?}");
    let mut peers: Vec<_> = (0..3).map(|_| rig.upstream.next()).collect();
    for peer in &mut peers {
        peer.message(false).unwrap();
        peer.send(OK);
    }
    assert_eq!(next_of_stream(&mut client).kind, HEADERS);
    assert_eq!(rig.upstream.waiting(), 0);
}

#[test]
fn heads_have_to_come_in_time() {
    let rig = Rig::new("timeouts.header = \"300ms\"\n");
    let whole = preface();
    let open = [preface(), frame(HEADERS, END_STREAM, 1, &block(GOOD))].concat();
    let half = [preface(), request(1, GOOD)[..20].to_vec()].concat();
    for (what, bytes) in [("continuation", &open[..]), ("half a frame", &half)] {
        let mut client = rig.sent(bytes);
        let came = rest(&mut client);
        assert!(came.iter().all(|came| came.stream == 0), "{what}: {came:?}");
    }
    let cut = rig.gate.metric("sidegate_http2_connections_cut_total", "slow_head");
    assert_eq!(cut, 2.0);
    // What may still become HTTP/1 is answered as that.
    let mut client = rig.sent(&whole[..10]);
    assert_eq!(client.answer().status(), 408);
    client.closed();
}

#[test]
fn what_begins_like_http_2_can_be_http_1() {
    let mut rig = Rig::new("");
    for (parts, status) in [
        (
            &[
                "P",
                "O",
                "ST /app HTTP/1.1\r\nHost: h\r\nX-API-Key: nobody\r\nContent-Length: 0\r\n\r\n",
            ][..],
            401,
        ),
        (&["PRI /app HTTP/1.1\r\nHost: h\r\n\r\n"], 401),
        (&["PR", "I /app HTTP/1.1\r\nHost: h\r\n\r\n"], 401),
    ] {
        let mut client = rig.client();
        for part in parts {
            client.send(part);
            // Once it was seen, mostly: each part is a read of its own.
            thread::yield_now();
        }
        assert_eq!(client.answer().status(), status, "{parts:?}");
    }
    // And the preface may come byte by byte.
    let mut client = rig.client();
    for byte in [preface(), request(1, GOOD)].concat() {
        client.send([byte]);
    }
    let mut peer = rig.upstream.next();
    peer.message(false).unwrap();
    peer.send(OK);
    assert_eq!(next_of_stream(&mut client).kind, HEADERS);
    let mut session = Session::new(rig.gate.port);
    let one = session.ask(asked("GET", "/app"), true);
    peer.message(false).unwrap();
    peer.send(OK);
    assert_eq!(session.answer(one).unwrap().status(), 200);
}

#[test]
fn a_client_that_stops_reading_its_socket_is_cut() {
    let mut rig = Rig::new("timeouts.body = \"300ms\"\n");
    let window = frame(WINDOW_UPDATE, 0, 0, &0x7000_0000_u32.to_be_bytes());
    let large = frame(SETTINGS, 0, 0, &[0, 4, 0x70, 0, 0, 0]);
    let _client = rig.sent([preface(), large, window, request(1, GOOD)].concat());
    let mut peer = rig.upstream.next();
    peer.message(false).unwrap();
    peer.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1000000\r\n");
    peer.flood(16 << 20, crate::harness::PATIENCE / 10);
    until("the end", || rig.gate.metric("sidegate_connections_active", "") == 0.0);
}
