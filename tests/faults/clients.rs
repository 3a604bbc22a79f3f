//! Clients that stop, go, or do not read.

use std::net::TcpStream;

use bytes::Bytes;
use h2::Reason;
use sidegate::clock;

use crate::authority::{Authority, write};
use crate::frames::{
    DATA, END_HEADERS, END_STREAM, Fields, HEADERS, RST_STREAM, WINDOW_UPDATE, block, frame,
    preface,
};
use crate::harness::until;
use crate::script::Scripted;
use crate::script::Step::{self, Behave, Freeze, Head, Repeat, Say, Whole};
use crate::session::{Session, keyed};
use crate::stage::{Client, Saw, Stage, Table, WRITER, seen};
use crate::wire::Wire;

/// What a client does, and what it sees of the gate's end.
type Deed = fn(&Stage, &Scripted) -> Saw;

const POST: Fields<'static> = &[
    (":method", "POST"),
    (":scheme", "http"),
    (":authority", "localhost"),
    (":path", "/app-of-ours"),
    ("x-api-key", "key-writer"),
];

#[test]
fn clients() {
    let waiting: &[Step] = &[Head, Freeze];
    let pouring: &[Step] =
        &[Head, Say("HTTP/1.1 200 OK\r\nContent-Length: 100000000\r\n\r\n"), Repeat("x")];
    let late = || Saw::own(408, "http_request_error");
    let broken = || Saw::own(400, "http_request_error");
    let rows: &[(&str, &str, &[Step], Deed, Saw)] = &[
        (
            "connects and says nothing",
            "HTTP/1.1",
            &[Behave],
            |stage, _| said(stage, ""),
            Saw::Closed,
        ),
        (
            "half a head, then silence",
            "HTTP/1.1",
            &[Behave],
            |stage, _| said(stage, "GET /x HTTP/1.1\r\nHo"),
            late(),
        ),
        ("a head byte by byte", "HTTP/1.1", &[Behave], byte_by_byte, late()),
        ("an end within its head", "HTTP/1.1", &[Behave], ends_in_its_head, Saw::Closed),
        ("silence behind an answer", "HTTP/1.1", &[Behave], falls_silent, Saw::Closed),
        (
            "half a body, then silence",
            "HTTP/1.1",
            waiting,
            |stage, _| upload(stage, "5\r\nhello\r\n", false),
            late(),
        ),
        (
            "an end within its body",
            "HTTP/1.1",
            waiting,
            |stage, _| upload(stage, "5\r\nhel", true),
            broken(),
        ),
        (
            "a chunk's size that is none",
            "HTTP/1.1",
            waiting,
            |stage, _| upload(stage, "zz\r\n", false),
            broken(),
        ),
        ("an end behind its request", "HTTP/1.1", waiting, ends_behind_its_request, Saw::Closed),
        ("resets while it uploads", "HTTP/1.1", waiting, resets_in_an_upload, Saw::Closed),
        ("resets while it downloads", "HTTP/1.1", pouring, resets_in_a_download, Saw::Closed),
        ("never reads its answer", "HTTP/1.1", pouring, never_reads, Saw::Cut),
        (
            "half of the preface, then silence",
            "HTTP/2",
            &[Behave],
            |stage, _| said(stage, "PRI * HTTP/2.0"),
            late(),
        ),
        (
            "nothing behind the preface",
            "HTTP/2",
            &[Behave],
            |stage, _| frames(stage, &preface()),
            Saw::Closed,
        ),
        (
            "half a frame, then silence",
            "HTTP/2",
            &[Behave],
            |stage, _| frames(stage, &preface()[..30]),
            Saw::Closed,
        ),
        ("a head without end", "HTTP/2", &[Behave], head_without_end, Saw::Closed),
        ("half a body, then silence", "HTTP/2", waiting, half_a_body, late()),
        (
            "takes its upload back",
            "HTTP/2",
            waiting,
            |stage, upstream| takes_back(stage, upstream, 8),
            Saw::Closed,
        ),
        (
            "takes its upload back without error",
            "HTTP/2",
            waiting,
            |stage, upstream| takes_back(stage, upstream, 0),
            Saw::Closed,
        ),
        ("closes while it uploads", "HTTP/2", waiting, closes_in_an_upload, Saw::Closed),
        ("never opens its window", "HTTP/2", pouring, no_window, Saw::Cut),
        ("never reads its socket", "HTTP/2", pouring, never_reads_frames, Saw::Closed),
    ];
    let upstream = Scripted::start(&[Behave]);
    // Larger than what a client can send of it in time.
    let large = "limits.header_bytes = \"16MiB\"\n";
    let stage = Stage::new(&[("app-of-ours", upstream.url.clone())], large);
    let mut table = Table::default();
    for (fault, version, steps, deed, due) in rows {
        upstream.set(steps);
        let began = clock::instant();
        let saw = deed(&stage, &upstream);
        table.note(fault, version, began, &saw, due);
        // Nothing is left of it, and others are served.
        stage.settle();
        upstream.set(&[Behave]);
        let next = Client::one(&stage).ask("/app-of-ours", crate::stage::Ask::Get);
        assert_eq!(next, Saw::body(200, "ok"), "behind {fault}");
    }
    assert_eq!(upstream.posts(), 0, "an upload that was not whole looked like it");
    table.finish();
}

/// What comes behind this, and nothing more.
fn said(stage: &Stage, text: &str) -> Saw {
    let mut client = stage.client();
    client.send(text);
    let saw = seen(&mut client, false);
    client.closed();
    saw
}

fn byte_by_byte(stage: &Stage, _: &Scripted) -> Saw {
    let mut client = stage.client();
    client.send("GET /app-of-ours HTTP/1.1\r\nA: ");
    until("the cut", || client.try_send("x").is_err() || client.has_answer());
    seen(&mut client, false)
}

fn ends_in_its_head(stage: &Stage, _: &Scripted) -> Saw {
    let mut client = stage.client();
    client.send("GET /app-of-ours HTTP/1.1\r\nHo");
    client.half_close();
    seen(&mut client, false)
}

fn falls_silent(stage: &Stage, _: &Scripted) -> Saw {
    let mut client = stage.client();
    client.send(format!("GET /app-of-ours HTTP/1.1\r\n{WRITER}\r\n"));
    assert_eq!(seen(&mut client, false), Saw::body(200, "ok"));
    seen(&mut client, false)
}

fn begun(stage: &Stage, body: &str) -> Wire {
    let mut client = stage.client();
    let chunked = "Transfer-Encoding: chunked\r\n\r\n";
    client.send(format!("POST /app-of-ours HTTP/1.1\r\n{WRITER}{chunked}{body}"));
    client
}

fn upload(stage: &Stage, body: &str, ends: bool) -> Saw {
    let mut client = begun(stage, body);
    if ends {
        client.half_close();
    }
    seen(&mut client, false)
}

fn ends_behind_its_request(stage: &Stage, upstream: &Scripted) -> Saw {
    let mut client = stage.client();
    let before = upstream.heads();
    client.send(format!("GET /app-of-ours HTTP/1.1\r\n{WRITER}\r\n"));
    until("the request", || upstream.heads() > before);
    client.half_close();
    seen(&mut client, false)
}

fn resets_in_an_upload(stage: &Stage, upstream: &Scripted) -> Saw {
    let before = upstream.heads();
    let client = begun(stage, "5\r\nhello\r\n");
    until("the request", || upstream.heads() > before);
    client.reset();
    Saw::Closed
}

fn resets_in_a_download(stage: &Stage, _: &Scripted) -> Saw {
    let mut client = stage.client();
    client.send(format!("GET /app-of-ours HTTP/1.1\r\n{WRITER}\r\n"));
    client.through(b"xxxx");
    client.reset();
    Saw::Closed
}

fn never_reads(stage: &Stage, _: &Scripted) -> Saw {
    let mut client = stage.client();
    client.send(format!("GET /app-of-ours HTTP/1.1\r\n{WRITER}\r\n"));
    // Not a byte, until the gate has given it up.
    stage.settle();
    seen(&mut client, false)
}

fn frames(stage: &Stage, bytes: &[u8]) -> Saw {
    let mut client = stage.client();
    client.send(bytes);
    ended(client)
}

/// Waits for the end; of a stream nothing comes.
fn ended(mut client: Wire) -> Saw {
    let came = crate::frames::rest(&mut client);
    assert!(came.iter().all(|came| came.stream == 0), "{came:?}");
    Saw::Closed
}

fn head_without_end(stage: &Stage, _: &Scripted) -> Saw {
    frames(stage, &[preface(), frame(HEADERS, END_STREAM, 1, &block(POST))].concat())
}

fn half_a_body(stage: &Stage, _: &Scripted) -> Saw {
    let mut session = Session::new(stage.gate.port);
    let mut asked = session.ask(keyed("POST", "/app-of-ours", "key-writer", &[]), false);
    asked.body.send_data(Bytes::from_static(b"half"), false).unwrap();
    let answer = session.answer(asked).unwrap();
    let error = answer.field("proxy-status").unwrap().strip_prefix("sidegate; error=").unwrap();
    Saw::own(answer.status(), error)
}

fn opened(stage: &Stage, upstream: &Scripted) -> TcpStream {
    let before = upstream.heads();
    let mut client = TcpStream::connect(("127.0.0.1", stage.gate.port)).unwrap();
    let half =
        [preface(), frame(HEADERS, END_HEADERS, 1, &block(POST)), frame(DATA, 0, 1, b"half")];
    std::io::Write::write_all(&mut client, &half.concat()).unwrap();
    until("the request", || upstream.heads() > before);
    client
}

/// With this error. The upstream must not take for whole what it has got.
fn takes_back(stage: &Stage, upstream: &Scripted, error: u8) -> Saw {
    upstream.set(&[Whole, Behave]);
    let mut client = opened_by(stage);
    let reset = frame(RST_STREAM, 0, 1, &[0, 0, 0, error]);
    client.send(reset);
    until("the end", || stage.gate.metric("sidegate_requests_in_flight", "") == 0.0);
    Saw::Closed
}

fn opened_by(stage: &Stage) -> Wire {
    let mut client = stage.client();
    client.send(preface());
    client.send(frame(HEADERS, END_HEADERS, 1, &block(POST)));
    client.send(frame(DATA, 0, 1, b"half"));
    until("the request", || stage.gate.metric("sidegate_requests_in_flight", "") == 1.0);
    client
}

fn closes_in_an_upload(stage: &Stage, upstream: &Scripted) -> Saw {
    drop(opened(stage, upstream));
    Saw::Closed
}

fn no_window(stage: &Stage, _: &Scripted) -> Saw {
    let mut session = Session::with(stage.gate.port, |builder| {
        builder.initial_window_size(10);
    });
    let asked = session.ask(keyed("GET", "/app-of-ours", "key-writer", &[]), true);
    let head = session.head(asked).unwrap();
    until("the reset", || stage.gate.metric("sidegate_requests_in_flight", "") == 0.0);
    match session.whole(head) {
        Ok(answer) => Saw::body(answer.status(), "whole"),
        Err(error) => {
            assert_eq!(error.reason(), Some(Reason::CANCEL));
            Saw::Cut
        }
    }
}

fn never_reads_frames(stage: &Stage, _: &Scripted) -> Saw {
    let mut client = stage.client();
    let get: Vec<_> =
        POST.iter().map(|(name, value)| (*name, value.replace("POST", "GET"))).collect();
    let get: Vec<_> = get.iter().map(|(name, value)| (*name, value.as_str())).collect();
    client.send(preface());
    client.send(frame(crate::frames::SETTINGS, 0, 0, &[0, 4, 0x70, 0, 0, 0]));
    client.send(frame(WINDOW_UPDATE, 0, 0, &0x7000_0000_u32.to_be_bytes()));
    client.send(crate::frames::request(1, &get));
    stage.settle();
    client.rest();
    Saw::Closed
}

#[test]
fn clients_of_tls() {
    let folder = tempfile::tempdir().unwrap();
    let authority = Authority::new();
    authority.issue(&["localhost"]).write(folder.path(), "server");
    write(folder.path(), "ca.pem", &authority.pem());
    let lines = "listen.tls.certificate = \"@/server.pem\"\nlisten.tls.key = \"@/server.key\"\n";
    let stage = Stage::in_folder(folder, &[], lines);
    let mut table = Table::default();
    let rows: [(&str, &[u8], Saw); 4] = [
        ("connects and does not shake hands", b"", Saw::Closed),
        ("half a handshake, then silence", b"\x16\x03\x01\x02\0\x01", Saw::Closed),
        ("a handshake that is none", b"\x16\x03\x01\0\x05hello", Saw::Closed),
        (
            "HTTP where TLS is spoken",
            b"GET / HTTP/1.1\r\n\r\n",
            Saw::own(400, "http_request_error"),
        ),
    ];
    for (fault, bytes, due) in rows {
        let mut client = stage.client();
        let began = clock::instant();
        client.send(bytes);
        let saw = match due {
            Saw::Closed => {
                // At most an alert comes before it.
                assert!(client.rest().0.len() <= 7, "{fault}");
                Saw::Closed
            }
            _ => seen(&mut client, false),
        };
        table.note(fault, "TLS", began, &saw, &due);
        drop(client);
        stage.settle();
    }
    table.finish();
}
