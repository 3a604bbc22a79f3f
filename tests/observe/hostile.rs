//! Requests of every kind, each with a path, host, method, key and fields that nobody has sent before.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;

use fastrand::Rng;
use http::Request;
use tokio::runtime::Builder;
use tokio::task::JoinSet;

use crate::harness::PATIENCE;

const KEYS: [&str; 17] = [
    "",
    "junk",
    "malformed",
    "two",
    "reader",
    "writer",
    "banned",
    "outsider",
    "revoked",
    "expired",
    "future",
    "capped",
    "other",
    "closed",
    "stranger",
    "staging",
    "soon",
];
const PATHS: [&str; 16] = [
    "/app",
    "/late",
    "/closed",
    "/absent",
    "/pages",
    "/any/main/reader",
    "/any/@/@",
    "/public",
    "",
    "/app/../late",
    "/app//",
    "/app/%00",
    "/app/a%2fb",
    "/app/%252e",
    "/app;v=1",
    "long",
];
const METHODS: [&str; 6] = ["GET", "POST", "DELETE", "OPTIONS", "TRACE", "made-up"];
const VERSIONS: [&str; 3] = ["HTTP/1.1", "HTTP/1.0", "HTTP/1.7"];

/// How many kinds there are of HTTP/1; in the order of their numbers they come round again.
pub(crate) const KINDS: usize = KEYS.len() * PATHS.len() * METHODS.len() * VERSIONS.len();
/// And of HTTP/2, without its versions.
pub(crate) const KINDS_2: usize = KINDS / VERSIONS.len();

struct Hostile {
    method: String,
    target: String,
    host: String,
    keys: Vec<String>,
    noise: String,
}

impl Hostile {
    fn new(kind: usize, random: &mut Rng) -> Self {
        let key = KEYS[kind % KEYS.len()];
        let path = PATHS[kind / KEYS.len() % PATHS.len()];
        let method = METHODS[kind / KEYS.len() / PATHS.len() % METHODS.len()];
        let mut word = || -> String {
            let length = random.usize(3..12);
            (0..length).map(|_| random.lowercase()).collect()
        };
        let keys = match key {
            "" => vec![],
            "junk" => vec![word()],
            "malformed" => vec![format!("sg_production_{}", word())],
            "two" => vec![word(), word()],
            known => vec![format!("key-{known}")],
        };
        let path = match path {
            "long" => format!("/app/{}", word().repeat(3000)),
            path => path.replace("/@", &format!("/{}", word())),
        };
        Self {
            method: if method == "made-up" { word().to_uppercase() } else { method.to_owned() },
            target: format!("{path}/{}?{}={}", word(), word(), word()),
            host: format!("{}.{}.example", word(), word()),
            keys,
            noise: word(),
        }
    }
}

/// Sends kinds from `first` on over HTTP/1, one after the other.
pub(crate) fn http1(port: u16, first: usize, count: usize, seed: u64) {
    let mut random = Rng::with_seed(seed);
    let mut connection = None;
    for kind in first..first + count {
        let it = Hostile::new(kind, &mut random);
        let version = VERSIONS[kind / KINDS_2 % VERSIONS.len()];
        let keys: String = it.keys.iter().map(|key| format!("X-API-Key: {key}\r\n")).collect();
        let Hostile { method, target, host, noise, .. } = &it;
        let head = format!(
            "{method} {target} {version}\r\nHost: {host}\r\nContent-Length: 0\r\n{keys}User-Agent: {noise}\r\n\
             X-{noise}: {noise}\r\n\r\n"
        );
        // One that was kept alive may have been closed meanwhile: then another is tried.
        let kept = connection.take().and_then(|mut kept| Some((answer(&mut kept, &head)?, kept)));
        let (goes_on, used) = kept.unwrap_or_else(|| {
            let stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
            stream.set_read_timeout(Some(PATIENCE)).unwrap();
            stream.set_nodelay(true).unwrap();
            let mut fresh = BufReader::new(stream);
            (answer(&mut fresh, &head).unwrap_or_else(|| panic!("no answer to {head:?}")), fresh)
        });
        connection = goes_on.then_some(used);
    }
}

/// Whether the connection goes on; nothing where there is no answer.
fn answer(connection: &mut BufReader<TcpStream>, head: &str) -> Option<bool> {
    connection.get_mut().write_all(head.as_bytes()).ok()?;
    let (mut length, mut goes_on, mut line) = (0, true, String::new());
    connection.read_line(&mut line).ok().filter(|read| *read > 0)?;
    assert!(line.starts_with("HTTP/1."), "{line}");
    loop {
        line.clear();
        connection.read_line(&mut line).ok().filter(|read| *read > 0)?;
        let Some((name, value)) = line.trim_end().split_once(": ") else { break };
        match name.to_ascii_lowercase().as_str() {
            "content-length" => length = value.parse().unwrap(),
            "connection" => goes_on = value != "close",
            _ => {}
        }
    }
    let mut body = vec![0; length];
    connection.read_exact(&mut body).ok()?;
    Some(goes_on)
}

/// The same over HTTP/2, 32 at a time.
pub(crate) fn http2(port: u16, first: usize, count: usize, seed: u64) {
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let stream = tokio::net::TcpStream::connect(("127.0.0.1", port)).await.unwrap();
        let (sender, connection) = h2::client::handshake(stream).await.unwrap();
        tokio::spawn(connection);
        let (mut random, mut asked) = (Rng::with_seed(seed), JoinSet::new());
        for kind in first..first + count {
            let it = Hostile::new(kind, &mut random);
            let uri = format!("http://{}{}", it.host, it.target);
            let mut request = Request::builder().method(it.method.as_str()).uri(uri);
            for key in &it.keys {
                request = request.header("x-api-key", key);
            }
            let request = request.header("user-agent", &it.noise).body(()).unwrap();
            let mut ready = sender.clone().ready().await.unwrap();
            let (answer, _body) = ready.send_request(request, true).unwrap();
            asked.spawn(async move {
                let mut body = answer.await.unwrap().into_body();
                while let Some(data) = body.data().await {
                    let length = data.unwrap().len();
                    body.flow_control().release_capacity(length).unwrap();
                }
            });
            if asked.len() >= 32 {
                asked.join_next().await.unwrap().unwrap();
            }
        }
        while let Some(done) = asked.join_next().await {
            done.unwrap();
        }
    });
}
