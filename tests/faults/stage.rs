//! A gate among the faulty, clients of both versions, and the table of what they saw.

use std::fmt;
use std::fs;
use std::net::TcpStream;
use std::time::{Duration, Instant};

use bytes::Bytes;
use sidegate::clock;
use tempfile::TempDir;

use crate::harness::{Gate, record, until};
use crate::session::{Session, keyed};
use crate::wire::{Broken, Wire};

const POLICY: &str = include_str!("../peers/policy.toml");

/// Lines of a request head that says who asks.
pub(crate) const WRITER: &str = "Host: localhost\r\nX-API-Key: key-writer\r\n";

const TIMEOUTS: &str = "timeouts.handshake = \"300ms\"\ntimeouts.header = \"300ms\"\n\
    timeouts.connect = \"300ms\"\ntimeouts.upstream = \"400ms\"\ntimeouts.body = \"300ms\"\n\
    timeouts.idle = \"500ms\"\ntimeouts.drain = \"100ms\"\nworkers = 1\n";

/// What nobody takes who does not read.
const UPLOAD_BYTES: usize = 20_000_000;

/// A gate with a route `/NAME` to each of its upstreams.
pub(crate) struct Stage {
    pub(crate) gate: Gate,
    _folder: TempDir,
}

impl Stage {
    /// With upstreams by name and url, and more lines for `sidegate.toml` in which `@` is its folder.
    pub(crate) fn new(upstreams: &[(&str, String)], lines: &str) -> Self {
        Self::in_folder(tempfile::tempdir().unwrap(), upstreams, lines)
    }

    pub(crate) fn in_folder(folder: TempDir, upstreams: &[(&str, String)], lines: &str) -> Self {
        let (mut policy, mut all) = (POLICY.to_owned(), format!("{TIMEOUTS}{lines}"));
        for (name, url) in upstreams {
            policy.push_str(&format!(
                "[[route]]\nname = \"to-{name}\"\nprefix = \"/{name}\"\nworkspace = \"main\"\n\
                 product = \"app\"\nupstream = \"{name}\"\n"
            ));
            all.push_str(&format!("upstream.{name}.urls = [\"{url}\"]\n"));
        }
        let all = all.replace('@', folder.path().to_str().unwrap());
        fs::write(folder.path().join("policy.toml"), policy).unwrap();
        // `app` is only there for the policy's own routes.
        let gate = Gate::start_with(folder.path(), 9, &[record("writer", "writer")], &all);
        Self { gate, _folder: folder }
    }

    pub(crate) fn client(&self) -> Wire {
        Wire::new(TcpStream::connect(("127.0.0.1", self.gate.port)).unwrap())
    }

    /// Waits until nothing of what went wrong is left.
    pub(crate) fn settle(&self) {
        for metric in ["sidegate_requests_in_flight", "sidegate_connections_active"] {
            until(metric, || self.gate.metric(metric, "") == 0.0);
        }
    }
}

/// What a client asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ask {
    Get,
    Head,
    /// With a small body.
    Post,
    /// With more body than fits into all buffers.
    Upload,
}

/// What a client saw.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Saw {
    /// A whole answer: its status, and the error in our name or the body.
    Whole(u16, String),
    /// A part of one, which cannot be taken for all of it.
    Cut,
    /// The end of the connection, without a word.
    Closed,
}

impl Saw {
    /// An answer of ours.
    pub(crate) fn own(status: u16, error: &str) -> Self {
        Self::Whole(status, error.to_owned())
    }

    /// An answer of the upstream.
    pub(crate) fn body(status: u16, body: &str) -> Self {
        Self::Whole(
            status,
            if body.is_empty() { "without a body".into() } else { format!("`{body}`") },
        )
    }
}

impl fmt::Display for Saw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Whole(status, what) => write!(f, "{status} {what}"),
            Self::Cut => f.write_str("an answer that breaks off"),
            Self::Closed => f.write_str("the connection closed"),
        }
    }
}

/// A client of either version, with a connection of its own.
pub(crate) enum Client {
    One(Wire),
    Two(Session),
}

impl Client {
    /// One of each, which connects when it has its turn.
    pub(crate) fn both(stage: &Stage) -> impl Iterator<Item = Self> {
        [Self::one, Self::two].into_iter().map(move |client| client(stage))
    }

    pub(crate) fn one(stage: &Stage) -> Self {
        Self::One(stage.client())
    }

    fn two(stage: &Stage) -> Self {
        Self::Two(Session::new(stage.gate.port))
    }

    pub(crate) fn version(&self) -> &'static str {
        match self {
            Self::One(_) => "HTTP/1.1",
            Self::Two(_) => "HTTP/2",
        }
    }

    /// Asks, and sees what comes.
    pub(crate) fn ask(&mut self, path: &str, ask: Ask) -> Saw {
        match self {
            Self::One(wire) => one(wire, path, ask),
            Self::Two(session) => two(session, path, ask),
        }
    }
}

fn one(wire: &mut Wire, path: &str, ask: Ask) -> Saw {
    let (method, rest) = match ask {
        Ask::Get => ("GET", "\r\n".to_owned()),
        Ask::Head => ("HEAD", "\r\n".to_owned()),
        Ask::Post => ("POST", "Content-Length: 5\r\n\r\nhello".to_owned()),
        Ask::Upload => ("POST", format!("Content-Length: {UPLOAD_BYTES}\r\n\r\n")),
    };
    wire.send(format!("{method} {path} HTTP/1.1\r\n{WRITER}{rest}"));
    if ask == Ask::Upload {
        wire.flood(UPLOAD_BYTES, Duration::from_millis(50));
    }
    seen(wire, ask == Ask::Head)
}

/// What comes on a connection of HTTP/1.1.
pub(crate) fn seen(wire: &mut Wire, bodyless: bool) -> Saw {
    let answer = match wire.message(bodyless) {
        Ok(answer) => answer,
        Err(Broken::Nothing) => return Saw::Closed,
        Err(Broken::Head) => panic!("half a head of ours"),
        Err(Broken::Body(_)) => return Saw::Cut,
    };
    let body = String::from_utf8_lossy(&answer.body).into_owned();
    whole(answer.status(), answer.field("proxy-status"), &body)
}

fn two(session: &mut Session, path: &str, ask: Ask) -> Saw {
    let (method, body) = match ask {
        Ask::Get => ("GET", Bytes::new()),
        Ask::Head => ("HEAD", Bytes::new()),
        Ask::Post => ("POST", Bytes::from_static(b"hello")),
        Ask::Upload => ("POST", Bytes::from(vec![0; UPLOAD_BYTES])),
    };
    let mut asked = session.ask(keyed(method, path, "key-writer", &[]), body.is_empty());
    if !body.is_empty() {
        // It may be answered already.
        let _ = asked.body.send_data(body, true);
    }
    let (_body, head) = session.both(asked);
    // A head and a reset may come in one.
    match head.and_then(|head| session.whole(head)) {
        Err(_) => Saw::Cut,
        Ok(answer) => {
            let body = String::from_utf8_lossy(&answer.body).into_owned();
            whole(answer.status(), answer.field("proxy-status"), &body)
        }
    }
}

fn whole(status: u16, error: Option<&str>, body: &str) -> Saw {
    match error {
        Some(error) => Saw::own(status, error.strip_prefix("sidegate; error=").unwrap()),
        None => Saw::body(status, body),
    }
}

/// What was seen of each fault.
#[derive(Default)]
pub(crate) struct Table {
    rows: Vec<String>,
    wrong: Vec<String>,
}

impl Table {
    /// Notes what was seen of a fault that began then.
    pub(crate) fn note(&mut self, fault: &str, by: &str, began: Instant, saw: &Saw, due: &Saw) {
        let took = clock::instant().saturating_duration_since(began).as_millis();
        self.rows.push(format!("| {fault} | {by} | {saw} | {took} ms |"));
        // Where an answer breaks off at once, its head may not have been on its way yet.
        let is_due = saw == due || (saw, due) == (&Saw::Closed, &Saw::Cut);
        if !is_due {
            self.wrong.push(format!("{fault}, {by}: {saw}, not {due}"));
        }
    }

    /// Panics if something was not as it should be.
    pub(crate) fn finish(self) {
        assert!(self.wrong.is_empty(), "{:#?}", self.wrong);
    }
}

impl Drop for Table {
    fn drop(&mut self) {
        println!("| fault | client | saw | after |\n|---|---|---|---|\n{}\n", self.rows.join("\n"));
    }
}
