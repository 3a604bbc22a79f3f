//! Upstreams of HTTP/1.1 that break off, lie, or speak of something else.

use sidegate::clock;

use crate::script::Scripted;
use crate::script::Step::{self, Behave, Bytes, Close, Freeze, Head, Repeat, Reset, Say, Whole};
use crate::stage::{Ask, Client, Saw, Stage, Table};

/// What a client has to see.
#[derive(Clone, Copy)]
enum Due {
    /// 502: it closed without an answer.
    Gone,
    /// 502: what it said is no answer.
    Wrong,
    /// 504: it did not answer in time.
    Late,
    /// Visibly not all of it.
    Cut,
    /// This answer of its own.
    Its(u16, &'static str),
}

use Due::{Cut, Gone, Its, Late, Wrong};

impl Due {
    fn saw(self) -> Saw {
        match self {
            Gone => Saw::own(502, "connection_terminated"),
            Wrong => Saw::own(502, "http_protocol_error"),
            Late => Saw::own(504, "http_response_timeout"),
            Cut => Saw::Cut,
            Its(status, body) => Saw::body(status, body),
        }
    }
}

type Row = (&'static str, Ask, &'static [Step], Due);

/// Each with a client of either version; whatever it sees, its next request is answered as it
/// should be, on the same connection where that is still there.
fn hold(rows: &[Row]) {
    let upstream = Scripted::start(&[Behave]);
    let stage = Stage::new(&[("faulty", upstream.url.clone())], "");
    let mut table = Table::default();
    for (fault, ask, steps, due) in rows {
        for mut client in Client::both(&stage) {
            upstream.set(steps);
            let began = clock::instant();
            let saw = client.ask("/faulty", *ask);
            let refused = Saw::own(502, "destination_unavailable");
            // A reset can come before there was a connection.
            let due = match steps.first() {
                Some(Reset) if saw == refused => refused,
                _ => due.saw(),
            };
            table.note(fault, client.version(), began, &saw, &due);
            upstream.set(&[Behave]);
            let is_open = match &mut client {
                Client::One(wire) => saw != Saw::Cut && *ask != Ask::Upload && !wire.has_answer(),
                Client::Two(_) => true,
            };
            if is_open {
                let next = client.ask("/faulty", Ask::Get);
                assert_eq!(next, Saw::body(200, "ok"), "behind {fault}, {}", client.version());
            }
        }
        stage.settle();
    }
    table.finish();
}

const CHUNKED: Step = Say("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
const TEN: Step = Say("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n");

#[test]
fn no_answer() {
    hold(&[
        ("accepts and closes at once", Ask::Get, &[Close], Gone),
        ("accepts and resets at once", Ask::Get, &[Reset], Gone),
        ("accepts and never reads", Ask::Get, &[Freeze], Late),
        ("never reads a write", Ask::Post, &[Freeze], Late),
        ("never reads an upload", Ask::Upload, &[Freeze], Late),
        ("closes after the head", Ask::Get, &[Head, Close], Gone),
        ("resets after the head", Ask::Get, &[Head, Reset], Gone),
        ("closes after a write", Ask::Post, &[Whole, Close], Gone),
        ("closes in an upload", Ask::Upload, &[Head, Close], Gone),
        ("resets in an upload", Ask::Upload, &[Head, Reset], Gone),
        ("says nothing", Ask::Get, &[Head, Freeze], Late),
        ("closes in the status line", Ask::Get, &[Head, Say("HTTP/1.1 2"), Close], Gone),
        ("resets in the status line", Ask::Get, &[Head, Say("HTTP/1.1 2"), Reset], Gone),
        ("closes in the head", Ask::Get, &[Head, Say("HTTP/1.1 200 OK\r\nA: b\r\n"), Close], Gone),
        ("resets in the head", Ask::Get, &[Head, Say("HTTP/1.1 200 OK\r\nA: b\r\n"), Reset], Gone),
        ("stops in the head", Ask::Get, &[Head, Say("HTTP/1.1 200 OK\r\nA: "), Freeze], Late),
        (
            "only 100, and closes",
            Ask::Get,
            &[Head, Say("HTTP/1.1 100 Continue\r\n\r\n"), Close],
            Gone,
        ),
        (
            "only 103, and stops",
            Ask::Get,
            &[Head, Say("HTTP/1.1 103 Early Hints\r\n\r\n"), Freeze],
            Late,
        ),
        ("1xx without end", Ask::Get, &[Head, Repeat("HTTP/1.1 102 Processing\r\n\r\n")], Wrong),
    ]);
}

#[test]
fn what_is_no_answer() {
    hold(&[
        ("garbage", Ask::Get, &[Head, Bytes(b"\0\x01\xff garbage\r\n\r\n"), Freeze], Wrong),
        ("garbage without end", Ask::Get, &[Head, Repeat("garbage")], Wrong),
        ("an answer of HTTP/0.9", Ask::Get, &[Head, Say("<html>hello</html>\r\n"), Close], Wrong),
        ("the banner of SSH", Ask::Get, &[Head, Say("SSH-2.0-OpenSSH_9.2\r\n"), Freeze], Wrong),
        ("an alert of TLS", Ask::Get, &[Head, Bytes(b"\x15\x03\x01\0\x02\x02\x28"), Close], Wrong),
        ("frames of HTTP/2", Ask::Get, &[Head, Bytes(b"\0\0\0\x04\0\0\0\0\0"), Freeze], Wrong),
        ("HTTP/3.0", Ask::Get, &[Head, Say("HTTP/3.0 200 OK\r\n\r\n"), Freeze], Wrong),
        (
            "a head without end",
            Ask::Get,
            &[Head, Say("HTTP/1.1 200 OK\r\n"), Repeat("A: b\r\n")],
            Wrong,
        ),
        (
            "a field without end",
            Ask::Get,
            &[Head, Say("HTTP/1.1 200 OK\r\nA: "), Repeat("b")],
            Wrong,
        ),
        (
            "NUL in a field",
            Ask::Get,
            &[Head, Say("HTTP/1.1 200 OK\r\nA: b\0c\r\n\r\n"), Freeze],
            Wrong,
        ),
        (
            "101 unasked",
            Ask::Get,
            &[Head, Say("HTTP/1.1 101 Switching\r\nUpgrade: x\r\n\r\n"), Freeze],
            Wrong,
        ),
        (
            "two lengths",
            Ask::Get,
            &[
                Head,
                Say("HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab"),
                Behave,
            ],
            Wrong,
        ),
        (
            "the same length twice",
            Ask::Get,
            &[
                Head,
                Say("HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\nab"),
                Behave,
            ],
            Wrong,
        ),
        (
            "a negative length",
            Ask::Get,
            &[Head, Say("HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n"), Freeze],
            Wrong,
        ),
        (
            "a length and chunks",
            Ask::Get,
            &[
                Head,
                Say(
                    "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
                ),
                Behave,
            ],
            Wrong,
        ),
        (
            "a coding that nobody asked for",
            Ask::Get,
            &[Head, Say("HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\nx"), Close],
            Wrong,
        ),
        (
            "chunks in HTTP/1.0",
            Ask::Get,
            &[Head, Say("HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"), Close],
            Wrong,
        ),
    ]);
}

#[test]
fn bodies_that_break_off() {
    hold(&[
        ("closes before the body", Ask::Get, &[Head, TEN, Close], Cut),
        ("closes in the body", Ask::Get, &[Head, TEN, Say("hello"), Close], Cut),
        ("resets in the body", Ask::Get, &[Head, TEN, Say("hello"), Reset], Cut),
        ("stalls in the body", Ask::Get, &[Head, TEN, Say("hello"), Freeze], Cut),
        ("closes before a chunk", Ask::Get, &[Head, CHUNKED, Close], Cut),
        (
            "closes in a chunk's size",
            Ask::Get,
            &[Head, CHUNKED, Say("5\r\nhello\r\n5"), Close],
            Cut,
        ),
        ("closes in a chunk", Ask::Get, &[Head, CHUNKED, Say("5\r\nhe"), Close], Cut),
        ("resets in a chunk", Ask::Get, &[Head, CHUNKED, Say("5\r\nhe"), Reset], Cut),
        ("stalls in a chunk", Ask::Get, &[Head, CHUNKED, Say("5\r\nhe"), Freeze], Cut),
        (
            "closes without the last chunk",
            Ask::Get,
            &[Head, CHUNKED, Say("5\r\nhello\r\n"), Close],
            Cut,
        ),
        (
            "stalls before the last chunk",
            Ask::Get,
            &[Head, CHUNKED, Say("5\r\nhello\r\n"), Freeze],
            Cut,
        ),
        (
            "closes in the last chunk",
            Ask::Get,
            &[Head, CHUNKED, Say("5\r\nhello\r\n0\r\n"), Close],
            Cut,
        ),
        (
            "a size that is none",
            Ask::Get,
            &[Head, CHUNKED, Say("5\r\nhello\r\nzz\r\n"), Freeze],
            Cut,
        ),
        (
            "a size that is too large",
            Ask::Get,
            &[Head, CHUNKED, Say("fffffffffffffffff\r\n"), Freeze],
            Cut,
        ),
        (
            "more than its chunk's size",
            Ask::Get,
            &[Head, CHUNKED, Say("5\r\nhelloworld\r\n"), Freeze],
            Cut,
        ),
        ("an extension without end", Ask::Get, &[Head, CHUNKED, Say("5;"), Repeat("x")], Cut),
        ("closes in a trailer", Ask::Get, &[Head, CHUNKED, Say("0\r\nA: "), Close], Cut),
        (
            "a trailer that is none",
            Ask::Get,
            &[Head, CHUNKED, Say("0\r\n\0 : b\r\n\r\n"), Freeze],
            Cut,
        ),
        ("a trailer without end", Ask::Get, &[Head, CHUNKED, Say("0\r\nA: "), Repeat("b")], Cut),
        (
            "resets a body that ends with it",
            Ask::Get,
            &[Head, Say("HTTP/1.1 200 OK\r\n\r\nhello"), Reset],
            Cut,
        ),
        (
            "stalls in a body that ends with it",
            Ask::Get,
            &[Head, Say("HTTP/1.1 200 OK\r\n\r\nhello"), Freeze],
            Cut,
        ),
        (
            "closes where a body ends with it",
            Ask::Get,
            &[Head, Say("HTTP/1.1 200 OK\r\n\r\nhello"), Close],
            Its(200, "hello"),
        ),
    ]);
}

#[test]
fn more_than_was_asked_for() {
    hold(&[
        (
            "more than its length",
            Ask::Get,
            &[Head, Say("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello world"), Behave],
            Its(200, "hello"),
        ),
        (
            "an answer behind its answer",
            Ask::Get,
            // At once: what comes when the next request is on its way cannot be told from its answer.
            &[
                Head,
                Say(
                    "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nforged",
                ),
                Behave,
            ],
            Its(200, "ok"),
        ),
        (
            "204 with a body",
            Ask::Get,
            &[Head, Say("HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\nhello"), Behave],
            Its(204, ""),
        ),
        (
            "304 with a body",
            Ask::Get,
            &[Head, Say("HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\nhello"), Behave],
            Its(304, ""),
        ),
        (
            "a body for HEAD",
            Ask::Head,
            &[Head, Say("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"), Behave],
            Its(200, ""),
        ),
        (
            "chunks for HEAD",
            Ask::Head,
            &[
                Head,
                Say("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"),
                Behave,
            ],
            Its(200, ""),
        ),
    ]);
}

const LARGE: Step = Say("HTTP/1.1 413 Content Too Large\r\nContent-Length: 5\r\n\r\nlarge");

#[test]
fn answers_before_the_request_is_whole() {
    hold(&[
        (
            "answers an upload and reads on",
            Ask::Upload,
            &[Head, LARGE, Whole, Freeze],
            Its(413, "large"),
        ),
        ("answers an upload and closes", Ask::Upload, &[Head, LARGE, Close], Its(413, "large")),
        (
            "answers an upload and never reads",
            Ask::Upload,
            &[Head, LARGE, Freeze],
            Its(413, "large"),
        ),
        (
            "answers an upload in part and stalls",
            Ask::Upload,
            &[Head, TEN, Say("hello"), Freeze],
            Cut,
        ),
        (
            "answers an upload in part and closes",
            Ask::Upload,
            &[Head, TEN, Say("hello"), Close],
            Cut,
        ),
    ]);
}
