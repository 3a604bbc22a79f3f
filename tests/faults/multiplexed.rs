//! Upstreams of HTTP/2 that break its rules, or keep them and do not go on.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

use sidegate::clock;

use crate::frames::{
    CONTINUATION, DATA, END_HEADERS, END_STREAM, GOAWAY, HEADERS, PING, RST_STREAM, SETTINGS,
    block, frame,
};
use crate::stage::{Ask, Client, Saw, Stage, Table};

/// What is done at each request.
#[derive(Debug, Clone, Copy)]
enum Step {
    /// The head of an answer: `:status` and one more field, or none.
    Head(&'static str, Option<(&'static str, &'static str)>),
    /// Part of its body; `true` where that is its end.
    Data(&'static str, bool),
    /// A frame of any kind with these flags, on the request's stream where `true`.
    Frame(u8, u8, bool, &'static [u8]),
    /// The same for as long as somebody takes it.
    Repeat(u8, u8, bool, &'static [u8]),
    /// Bytes that are no frame.
    Bytes(&'static [u8]),
    /// Closes the connection.
    Close,
}

use Step::{Bytes, Close, Data, Frame, Head, Repeat};

/// How a connection begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Start {
    /// With `SETTINGS`, and acknowledges those of the other side.
    Settings,
    /// With `SETTINGS` that take no byte of a body.
    NoWindow,
    /// Not at all.
    Silent,
}

/// Does the same on each connection, at each request.
fn serve(start: Start, steps: &'static [Step]) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("h2c://{}", listener.local_addr().unwrap());
    thread::spawn(move || {
        let kept = Arc::new(Mutex::new(Vec::new()));
        for stream in listener.incoming() {
            let (mut stream, kept) = (stream.unwrap(), Arc::clone(&kept));
            thread::spawn(move || {
                // Whoever is given up on sees that where it reads next.
                let _ = play(&mut stream, start, steps);
                if start == Start::Silent {
                    kept.lock().unwrap().push(stream);
                }
            });
        }
    });
    url
}

fn play(stream: &mut TcpStream, start: Start, steps: &[Step]) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    stream.read_exact(&mut [0; 24])?;
    match start {
        Start::Silent => return Ok(()),
        Start::Settings => stream.write_all(&frame(SETTINGS, 0, 0, &[]))?,
        Start::NoWindow => stream.write_all(&frame(SETTINGS, 0, 0, &[0, 4, 0, 0, 0, 0]))?,
    }
    loop {
        let mut head = [0; 9];
        stream.read_exact(&mut head)?;
        let [l0, l1, l2, kind, flags, s0, s1, s2, s3] = head;
        let length = u32::from_be_bytes([0, l0, l1, l2]);
        stream.read_exact(&mut vec![0; length as usize])?;
        let id = u32::from_be_bytes([s0, s1, s2, s3]);
        match kind {
            SETTINGS if flags == 0 => stream.write_all(&frame(SETTINGS, 1, 0, &[]))?,
            HEADERS => {
                for step in steps {
                    if !act(stream, *step, id)? {
                        return Ok(());
                    }
                }
            }
            _ => {}
        }
    }
}

fn act(stream: &mut TcpStream, step: Step, id: u32) -> std::io::Result<bool> {
    let on = |own: bool| if own { id } else { 0 };
    match step {
        Head(status, field) => {
            let fields: Vec<_> = [(":status", status)].into_iter().chain(field).collect();
            stream.write_all(&frame(HEADERS, END_HEADERS, id, &block(&fields)))?;
        }
        Data(text, last) => {
            let flags = if last { END_STREAM } else { 0 };
            stream.write_all(&frame(DATA, flags, id, text.as_bytes()))?;
        }
        Frame(kind, flags, own, payload) => {
            stream.write_all(&frame(kind, flags, on(own), payload))?;
        }
        Repeat(kind, flags, own, payload) => {
            let many = frame(kind, flags, on(own), payload).repeat(1000);
            loop {
                stream.write_all(&many)?;
            }
        }
        Bytes(bytes) => stream.write_all(bytes)?,
        Close => return Ok(false),
    }
    Ok(true)
}

const NO_ERROR: &[u8] = &[0, 0, 0, 0];
const INTERNAL_ERROR: &[u8] = &[0, 0, 0, 2];
const REFUSED_STREAM: &[u8] = &[0, 0, 0, 7];
/// The first stream was the last; and none was.
const AWAY_AFTER: &[u8] = &[0, 0, 0, 1, 0, 0, 0, 0];
const AWAY_BEFORE: &[u8] = &[0, 0, 0, 0, 0, 0, 0, 0];

#[test]
fn upstreams_of_http_2() {
    let gone = || Saw::own(502, "connection_terminated");
    let wrong = || Saw::own(502, "http_protocol_error");
    let late = || Saw::own(504, "http_response_timeout");
    let unready = || Saw::own(504, "connection_timeout");
    type Row = (&'static str, Start, Ask, &'static [Step], Saw);
    const GOOD: Step = Head("200", None);
    const TEN: Step = Head("200", Some(("content-length", "10")));
    let rows: Vec<Row> = vec![
        ("never sends SETTINGS", Start::Silent, Ask::Get, &[], unready()),
        ("says nothing on a stream", Start::Settings, Ask::Get, &[], late()),
        ("opens no window for an upload", Start::NoWindow, Ask::Upload, &[], late()),
        ("reads an upload up to its window", Start::Settings, Ask::Upload, &[], late()),
        ("closes at a request", Start::Settings, Ask::Get, &[Close], gone()),
        (
            "RST_STREAM instead of an answer",
            Start::Settings,
            Ask::Get,
            &[Frame(RST_STREAM, 0, true, INTERNAL_ERROR)],
            gone(),
        ),
        (
            "REFUSED_STREAM every time",
            Start::Settings,
            Ask::Get,
            &[Frame(RST_STREAM, 0, true, REFUSED_STREAM)],
            gone(),
        ),
        (
            "GOAWAY at every request",
            Start::Settings,
            Ask::Get,
            &[Frame(GOAWAY, 0, false, AWAY_BEFORE), Close],
            gone(),
        ),
        (
            "garbage instead of a frame",
            Start::Settings,
            Ask::Get,
            &[Bytes(b"HTTP/1.1 400 Bad Request\r\n\r\n")],
            wrong(),
        ),
        ("DATA before a head", Start::Settings, Ask::Get, &[Data("hello", false)], wrong()),
        (
            "a head without a status",
            Start::Settings,
            Ask::Get,
            &[Frame(HEADERS, END_HEADERS, true, b"\0\x01a\x01b")],
            wrong(),
        ),
        (
            "a head that cannot be decoded",
            Start::Settings,
            Ask::Get,
            &[Frame(HEADERS, END_HEADERS, true, b"\xff\xff\xff\xff")],
            wrong(),
        ),
        (
            "a head without end",
            Start::Settings,
            Ask::Get,
            &[Frame(HEADERS, 0, true, b""), Repeat(CONTINUATION, 0, true, b"\0\x01a\x01b")],
            wrong(),
        ),
        (
            "1xx without end",
            Start::Settings,
            Ask::Get,
            &[Repeat(HEADERS, END_HEADERS, true, b"\0\x07:status\x03103")],
            late(),
        ),
        (
            "PING without end",
            Start::Settings,
            Ask::Get,
            &[Repeat(PING, 0, false, b"12345678")],
            late(),
        ),
        (
            "SETTINGS without end",
            Start::Settings,
            Ask::Get,
            &[Repeat(SETTINGS, 0, false, b"")],
            late(),
        ),
        ("101, and nothing more", Start::Settings, Ask::Get, &[Head("101", None)], late()),
        (
            "RST_STREAM in the body",
            Start::Settings,
            Ask::Get,
            &[GOOD, Data("half", false), Frame(RST_STREAM, 0, true, INTERNAL_ERROR)],
            Saw::Cut,
        ),
        (
            "RST_STREAM without error in the body",
            Start::Settings,
            Ask::Get,
            &[GOOD, Data("half", false), Frame(RST_STREAM, 0, true, NO_ERROR)],
            Saw::Cut,
        ),
        (
            "closes in the body",
            Start::Settings,
            Ask::Get,
            &[GOOD, Data("half", false), Close],
            Saw::Cut,
        ),
        (
            "GOAWAY in the body, and closes",
            Start::Settings,
            Ask::Get,
            &[GOOD, Data("half", false), Frame(GOAWAY, 0, false, AWAY_AFTER), Close],
            Saw::Cut,
        ),
        ("stalls in the body", Start::Settings, Ask::Get, &[GOOD, Data("half", false)], Saw::Cut),
        (
            "empty DATA without end",
            Start::Settings,
            Ask::Get,
            &[GOOD, Repeat(DATA, 0, true, b"")],
            Saw::Cut,
        ),
        ("less than its length", Start::Settings, Ask::Get, &[TEN, Data("half", true)], Saw::Cut),
        (
            "more than its length",
            Start::Settings,
            Ask::Get,
            &[TEN, Data("more than that", true)],
            Saw::Cut,
        ),
        (
            "trailers that are none",
            Start::Settings,
            Ask::Get,
            &[
                GOOD,
                Data("half", false),
                Frame(HEADERS, END_HEADERS | END_STREAM, true, b"\0\x03a b\x01c"),
            ],
            Saw::Cut,
        ),
        (
            "GOAWAY in the body, and goes on",
            Start::Settings,
            Ask::Get,
            &[
                GOOD,
                Data("half", false),
                Frame(GOAWAY, 0, false, AWAY_AFTER),
                Data(" and half", true),
            ],
            Saw::body(200, "half and half"),
        ),
        (
            "answers an upload that it does not read",
            Start::NoWindow,
            Ask::Upload,
            &[Head("413", None), Data("large", true)],
            Saw::body(413, "large"),
        ),
    ];
    let mut table = Table::default();
    for version in 0..2 {
        // Of their own, so that nobody is asked on what another has left.
        let names: Vec<String> = (0..rows.len()).map(|number| format!("h2-{number}")).collect();
        let upstreams: Vec<_> = names
            .iter()
            .zip(&rows)
            .map(|(name, row)| (name.as_str(), serve(row.1, row.3)))
            .collect();
        let stage = Stage::new(&upstreams, "");
        for ((fault, _, ask, _, due), name) in rows.iter().zip(&names) {
            let mut client = Client::both(&stage).nth(version).unwrap();
            let began = clock::instant();
            let saw = client.ask(&format!("/{name}"), *ask);
            table.note(fault, client.version(), began, &saw, due);
        }
    }
    table.finish();
}
