//! Connections to upstreams that end while nobody asks, or just as somebody does.

use std::fs;
use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixListener;

use sidegate::clock;

use crate::harness::until;
use crate::script::Step::{self, Close, Head, Leave, Reset, Say, Whole};
use crate::script::{OK, Scripted};
use crate::stage::{Ask, Client, Saw, Stage, Table};

type Row = (&'static str, &'static [Step], Ask, Saw);

#[test]
fn pooled_connections() {
    let ok = || Saw::body(200, "ok");
    let gone = || Saw::own(502, "connection_terminated");
    let rows: [Row; 7] = [
        ("closed while idle, a read", &[Whole, Say(OK), Leave(false)], Ask::Get, ok()),
        ("closed while idle, a write", &[Whole, Say(OK), Leave(false)], Ask::Post, ok()),
        ("reset while idle, a read", &[Whole, Say(OK), Leave(true)], Ask::Get, ok()),
        ("closed when it is reused, a read", &[Whole, Say(OK), Head, Close], Ask::Get, ok()),
        ("reset when it is reused, a read", &[Whole, Say(OK), Head, Reset], Ask::Get, ok()),
        ("closed when it is reused, a write", &[Whole, Say(OK), Whole, Close], Ask::Post, gone()),
        (
            "half an answer when it is reused",
            &[Whole, Say(OK), Head, Say("HTTP/1.1 2"), Close],
            Ask::Get,
            gone(),
        ),
    ];
    let mut table = Table::default();
    for (fault, steps, ask, due) in &rows {
        // A gate of its own: what others have left in its pool is not to be asked.
        let upstream = Scripted::start(steps);
        let stage = Stage::new(&[("faulty", upstream.url.clone())], "");
        let mut client = Client::one(&stage);
        assert_eq!(client.ask("/faulty", Ask::Get), Saw::body(200, "ok"), "{fault}");
        if matches!(steps.last(), Some(Leave(_))) {
            until("the close to arrive", || upstream.left() > 0);
            client = Client::one(&stage);
        }
        let began = clock::instant();
        let saw = client.ask("/faulty", *ask);
        table.note(fault, client.version(), began, &saw, due);
    }
    table.finish();
}

/// As when a service ends that made its own.
#[test]
fn a_unix_socket_that_goes() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("app.sock");
    let listener = UnixListener::bind(&path).unwrap();
    let url = format!("unix:{}", path.display());
    let stage = Stage::in_folder(folder, &[("faulty", url)], "");
    let mut table = Table::default();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let (mut stream, _) = listener.accept().unwrap();
            for _client in 0..2 {
                let (mut head, mut chunk) = (Vec::new(), [0; 1024]);
                while !head.ends_with(b"\r\n\r\n") {
                    let length = stream.read(&mut chunk).unwrap();
                    head.extend_from_slice(&chunk[..length]);
                }
                stream.write_all(OK.as_bytes()).unwrap();
            }
        });
        for mut client in Client::both(&stage) {
            assert_eq!(client.ask("/faulty", Ask::Get), Saw::body(200, "ok"));
        }
    });
    drop(listener);
    let due = Saw::own(502, "destination_unavailable");
    for is_there in [true, false] {
        let fault = match is_there {
            true => "a Unix socket that nobody listens on any more",
            false => "a Unix socket that was removed",
        };
        for mut client in Client::both(&stage) {
            let began = clock::instant();
            let saw = client.ask("/faulty", Ask::Get);
            table.note(fault, client.version(), began, &saw, &due);
        }
        if is_there {
            fs::remove_file(&path).unwrap();
        }
    }
    table.finish();
}
