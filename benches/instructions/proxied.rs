//! Requests through all of sidegate.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Child, Command};
use std::thread;
use std::time::Duration;

use serde_json::json;
use sidegate::clock;
use sidegate::policy::key::KeyDigest;

use super::{Outcome, callgrind, world};

const PATIENCE: Duration = Duration::from_secs(60);
/// Before what is counted, so that it is warm; and what is counted.
const FEWER: usize = 300;
const MORE: usize = 900;
const ANSWER: &str = "HTTP/1.1 200 OK\r\nServer: upstream\r\nDate: Sat, 21 Nov 2026 07:00:00 GMT\r\n\
                      Content-Type: application/json\r\nContent-Length: 121\r\n\r\n";
const ANSWER_BYTES: usize = 121;
const TEMPLATES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/instructions");

/// A request that is counted.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ask {
    pub(crate) name: &'static str,
    method: &'static str,
    whose: Whose,
    /// Beside those that every client sends.
    fields: usize,
    body: usize,
    status: &'static str,
}

#[derive(Debug, Clone, Copy)]
enum Whose {
    Viewer,
    Writer,
    Nobody,
    /// No key.
    Without,
}

impl Ask {
    pub(crate) const ALL: &[Self] = &[
        Self::GET,
        // What ten fields more cost is what reading, cleaning and writing them costs.
        Self { name: "get-ten-fields-more", fields: 10, ..Self::GET },
        Self { name: "post-1k", method: "POST", whose: Whose::Writer, body: 1024, ..Self::GET },
        // Between these two lie a key's checksum, digest and lookup.
        Self { name: "denied-no-key", whose: Whose::Without, status: "401", ..Self::GET },
        Self { name: "denied-401", whose: Whose::Nobody, status: "401", ..Self::GET },
        Self { name: "denied-403", method: "DELETE", status: "403", ..Self::GET },
    ];

    const GET: Self = Self {
        name: "get",
        method: "GET",
        whose: Whose::Viewer,
        fields: 0,
        body: 0,
        status: "200",
    };

    fn bytes(self) -> Vec<u8> {
        let key = match self.whose {
            Whose::Viewer => format!("X-API-Key: {}\r\n", world::key_text(0)),
            Whose::Writer => format!("X-API-Key: {}\r\n", world::key_text(1)),
            Whose::Nobody => format!("X-API-Key: {}\r\n", world::key_text(2)),
            Whose::Without => String::new(),
        };
        let length = match self.body {
            0 => String::new(),
            body => format!("Content-Length: {body}\r\n"),
        };
        let fields: String =
            (0..self.fields).map(|at| format!("X-Field-{at}: value of field {at}\r\n")).collect();
        let head = format!(
            "{} /app/items/17?page=2 HTTP/1.1\r\nHost: bench\r\nUser-Agent: bench\r\nAccept: */*\r\n\
             {key}{fields}{length}\r\n",
            self.method
        );
        [head.into_bytes(), vec![b'x'; self.body]].concat()
    }
}

/// Instructions of one of these requests.
pub(crate) fn count(sidegate: &Path, ask: Ask) -> Outcome<u64> {
    // Side by side: nearly all of the time is the start.
    let [fewer, more] = thread::scope(|scope| {
        [FEWER, MORE]
            .map(|count| scope.spawn(move || run(sidegate, ask, count)))
            .map(|running| running.join().unwrap())
    });
    Ok(callgrind::difference(&fewer?, &more?) / (MORE - FEWER) as u64)
}

fn run(
    sidegate: &Path,
    ask: Ask,
    count: usize,
) -> Outcome<std::collections::BTreeMap<String, u64>> {
    let folder = tempfile::tempdir()?;
    let upstream = TcpListener::bind("127.0.0.1:0")?;
    let [port, admin] = [free_port()?, free_port()?];
    write(folder.path(), port, admin, upstream.local_addr()?.port())?;
    thread::spawn(move || {
        for stream in upstream.incoming().flatten() {
            thread::spawn(move || answer(stream));
        }
    });
    let log = fs::File::create(folder.path().join("log"))?;
    let child = callgrind::command(folder.path(), sidegate, &["serve", "-c", "sidegate.toml"])
        .stderr(log)
        .spawn()?;
    let mut running = Running(child);
    let deadline = clock::instant() + PATIENCE;
    while !is_ready(admin) {
        if running.0.try_wait()?.is_some() || clock::instant() > deadline {
            let said = fs::read_to_string(folder.path().join("log"))?;
            return Err(format!("sidegate does not answer: {said}").into());
        }
        thread::sleep(Duration::from_millis(20));
    }
    let mut client = TcpStream::connect(("127.0.0.1", port))?;
    client.set_nodelay(true)?;
    client.set_read_timeout(Some(PATIENCE))?;
    let (bytes, mut room) = (ask.bytes(), vec![0; 64 * 1024]);
    for _ in 0..count {
        client.write_all(&bytes)?;
        let head = read_message(&mut client, &mut room)?.ok_or("the connection was closed")?;
        if head.split(' ').nth(1) != Some(ask.status) {
            return Err(format!("{}: not {}: {head}", ask.name, ask.status).into());
        }
    }
    drop(client);
    drop(running);
    callgrind::totals(folder.path())
}

fn write(folder: &Path, port: u16, admin: u16, upstream: u16) -> Outcome<()> {
    let keys: String = [(0, "viewer"), (1, "writer")]
        .map(|(number, account)| {
            let record = json!({
                "id": format!("k_{number}"),
                "hash": KeyDigest::blake3(&world::key_text(number)).to_string(),
                "workspace": "bench", "account": account, "environment": "production",
                "label": "bench", "created": "2026-01-01T00:00:00Z", "not_before": null,
                "expires": null, "revoked": null, "ceiling": null,
            });
            format!("{record}\n")
        })
        .concat();
    let settings = fs::read_to_string(Path::new(TEMPLATES).join("sidegate.toml"))?
        .replace("@PORT@", &port.to_string())
        .replace("@ADMIN@", &admin.to_string())
        .replace("@UPSTREAM@", &upstream.to_string());
    let policy = fs::read_to_string(Path::new(TEMPLATES).join("policy.toml"))?;
    for (name, text) in [("keys.jsonl", keys), ("sidegate.toml", settings), ("policy.toml", policy)]
    {
        let file = folder.join(name);
        fs::write(&file, text)?;
        fs::set_permissions(&file, fs::Permissions::from_mode(0o600))?;
    }
    Ok(())
}

/// The upstream's side of a connection.
fn answer(mut stream: TcpStream) -> Outcome<()> {
    stream.set_nodelay(true)?;
    let (mut room, answer) = (vec![0; 64 * 1024], ANSWER.to_owned() + &"x".repeat(ANSWER_BYTES));
    while read_message(&mut stream, &mut room)?.is_some() {
        stream.write_all(answer.as_bytes())?;
    }
    Ok(())
}

/// The head of the next message, once its body has come, too; nothing at the end.
fn read_message(stream: &mut TcpStream, room: &mut [u8]) -> Outcome<Option<String>> {
    let mut length = 0;
    loop {
        let read = stream.read(room.get_mut(length..).unwrap_or_default())?;
        if read == 0 {
            return Ok(None);
        }
        length += read;
        let text = String::from_utf8_lossy(room.get(..length).unwrap_or_default());
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let said = head.lines().filter_map(|line| line.split_once(": "));
            let said = said.filter(|(name, _)| name.eq_ignore_ascii_case("content-length"));
            let expected = said.map(|(_, length)| length.parse::<usize>()).next();
            if body.len() >= expected.transpose()?.unwrap_or(0) {
                return Ok(Some(head.to_owned()));
            }
        }
    }
}

fn is_ready(admin: u16) -> bool {
    let Ok(mut stream) = TcpStream::connect(("127.0.0.1", admin)) else { return false };
    let asked =
        stream.write_all(b"GET /readyz HTTP/1.1\r\nHost: bench\r\nConnection: close\r\n\r\n");
    let mut said = String::new();
    asked.is_ok() && stream.read_to_string(&mut said).is_ok() && said.starts_with("HTTP/1.1 200")
}

fn free_port() -> Outcome<u16> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}

/// Ends in its own time, so that callgrind writes down what it has counted.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let ask = format!("kill -TERM {}", self.0.id());
        let _asked = Command::new("sh").args(["-c", &ask]).status();
        let deadline = clock::instant() + PATIENCE;
        while matches!(self.0.try_wait(), Ok(None)) && clock::instant() < deadline {
            thread::sleep(Duration::from_millis(5));
        }
        let _killed = self.0.kill();
        let _status = self.0.wait();
    }
}
