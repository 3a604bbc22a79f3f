//! Clients that ask on and on, as HTTP says they should, and count what fails.
//!
//! A connection that the server has said to be over (`Connection: close`, GOAWAY) is not used again,
//! and what HTTP/2 says was not processed goes once more on another (RFC 9113 §8.7). Nothing else is
//! forgiven: a connection that is refused or reset, one that ends instead of an answer, though it
//! was idle when the request was sent, an answer that is not 200, not whole, or not as it should be.

use std::collections::BTreeMap;
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, AtomicU16, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use bytes::Bytes;
use http::Request;
use tokio::runtime::Builder;

use crate::upstream::{PIECE, PIECES, SHORT};
use crate::wire::Wire;

/// What the clients have seen.
#[derive(Debug, Default, Clone)]
pub(crate) struct Seen {
    /// Requests that were answered as they should be, by client.
    pub(crate) well: BTreeMap<&'static str, u64>,
    /// Connections that were said to be over.
    pub(crate) told: u64,
    /// Requests of which it was said that they were not processed.
    pub(crate) again: u64,
    /// All others.
    pub(crate) failed: Vec<String>,
}

impl Seen {
    pub(crate) fn requests(&self) -> u64 {
        self.well.values().sum()
    }
}

/// Clients at work.
pub(crate) struct Load {
    target: Arc<Target>,
    clients: Vec<JoinHandle<()>>,
}

#[derive(Debug)]
struct Target {
    /// Where clients connect next.
    port: AtomicU16,
    over: AtomicBool,
    seen: Mutex<Seen>,
}

impl Target {
    fn is_over(&self) -> bool {
        self.over.load(Ordering::Relaxed)
    }

    fn port(&self) -> u16 {
        self.port.load(Ordering::Relaxed)
    }

    fn well(&self, client: &'static str) {
        *self.seen.lock().unwrap().well.entry(client).or_default() += 1;
    }

    fn told(&self) {
        self.seen.lock().unwrap().told += 1;
    }

    fn failed(&self, client: &str, why: impl std::fmt::Debug) {
        self.seen.lock().unwrap().failed.push(format!("{client}: {why:?}"));
        // Where nothing works, this is said often enough.
        thread::sleep(Duration::from_millis(5));
    }
}

impl Load {
    /// Two of each kind of client.
    pub(crate) fn start(port: u16) -> Self {
        let target = Target {
            port: AtomicU16::new(port),
            over: AtomicBool::new(false),
            seen: Mutex::default(),
        };
        let target = Arc::new(target);
        let kinds: [fn(&Target); 4] = [keep_alive, now_and_then, fresh, http2];
        let clients = kinds.iter().chain(&kinds).map(|client| {
            let (client, target) = (*client, Arc::clone(&target));
            thread::spawn(move || client(&target))
        });
        let clients = clients.collect();
        Self { target, clients }
    }

    /// Has clients connect elsewhere, as a balancer would.
    pub(crate) fn turn_to(&self, port: u16) {
        self.target.port.store(port, Ordering::Relaxed);
    }

    pub(crate) fn seen(&self) -> Seen {
        self.target.seen.lock().unwrap().clone()
    }

    /// Ends it.
    pub(crate) fn stop(self) -> Seen {
        self.target.over.store(true, Ordering::Relaxed);
        self.clients.into_iter().for_each(|client| client.join().unwrap());
        self.target.seen.lock().unwrap().clone()
    }
}

fn head(path: &str, more: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nX-API-Key: key-reader\r\n{more}\r\n")
}

/// Reads one answer; whether the connection goes on.
fn answer(wire: &mut Wire, path: &str) -> Result<bool, String> {
    let answer = wire.message(false).map_err(|broken| format!("{path}: {broken:?}"))?;
    let wanted = if path == "/app" { SHORT.to_vec() } else { PIECE.repeat(PIECES) };
    if answer.status() != 200 || answer.body != wanted {
        return Err(format!("{path}: {}, {} bytes", answer.first, answer.body.len()));
    }
    Ok(answer.field("connection") != Some("close"))
}

/// One request after the other on the same connection.
fn keep_alive(target: &Target) {
    on_one_connection(target, "keep-alive", |_| Duration::ZERO);
}

/// The same with pauses: connections are idle when something happens.
fn now_and_then(target: &Target) {
    on_one_connection(target, "now and then", |number| Duration::from_millis(number % 40));
}

fn on_one_connection(target: &Target, client: &'static str, pause: fn(u64) -> Duration) {
    let mut number: u64 = 0;
    let mut open: Option<Wire> = None;
    while !target.is_over() {
        number += 1;
        let path = if number.is_multiple_of(20) { "/app/long" } else { "/app" };
        let wire = match open.take().map_or_else(|| connect(target), Ok) {
            Ok(wire) => open.insert(wire),
            Err(error) => {
                target.failed(client, error);
                continue;
            }
        };
        let asked = wire.try_send(head(path, "")).map_err(|error| error.to_string());
        match asked.and_then(|()| answer(wire, path)) {
            Ok(true) => target.well(client),
            Ok(false) => {
                target.well(client);
                target.told();
                open = None;
            }
            Err(why) => {
                target.failed(client, why);
                open = None;
            }
        }
        thread::sleep(pause(number));
    }
}

fn connect(target: &Target) -> std::io::Result<Wire> {
    TcpStream::connect(("127.0.0.1", target.port())).map(Wire::new)
}

/// One request on each connection.
fn fresh(target: &Target) {
    let mut number: u64 = 0;
    while !target.is_over() {
        number += 1;
        let path = if number.is_multiple_of(20) { "/app/long" } else { "/app" };
        let asked = connect(target).map_err(|error| error.to_string()).and_then(|mut wire| {
            // Now and then, the request comes a while after the connection.
            thread::sleep(Duration::from_millis(number % 4));
            wire.try_send(head(path, "Connection: close\r\n"))
                .map_err(|error| error.to_string())?;
            answer(&mut wire, path)
        });
        match asked {
            Ok(_) => target.well("fresh"),
            Err(why) => target.failed("fresh", why),
        }
    }
}

/// Several requests at a time on one connection of HTTP/2.
fn http2(target: &Target) {
    Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
        while !target.is_over() {
            let stream = match tokio::net::TcpStream::connect(("127.0.0.1", target.port())).await {
                Ok(stream) => stream,
                Err(error) => {
                    target.failed("h2", error);
                    continue;
                }
            };
            let (sender, connection) = match h2::client::handshake(stream).await {
                Ok(both) => both,
                Err(error) => {
                    target.failed("h2", error);
                    continue;
                }
            };
            let connection = tokio::spawn(connection);
            let askers = (0..4).map(|number| ask_on(target, sender.clone(), number));
            futures_of(askers).await;
            if !target.is_over() {
                target.told();
            }
            drop(sender);
            connection.abort();
        }
    });
}

/// Asks until the connection takes no more.
async fn ask_on(target: &Target, sender: h2::client::SendRequest<Bytes>, number: u64) {
    let mut number = number;
    let mut sender = Some(sender);
    while !target.is_over() {
        number += 1;
        let path = if number.is_multiple_of(20) { "/app/long" } else { "/app" };
        let uri = format!("http://localhost{path}");
        let request = Request::get(uri).header("x-api-key", "key-reader").body(()).unwrap();
        let mut ready = match sender.take().unwrap().ready().await {
            Ok(ready) => ready,
            Err(error) => return over(target, &error, false),
        };
        let asked = match ready.send_request(request, true) {
            Ok((asked, _)) => asked,
            Err(error) => return over(target, &error, false),
        };
        sender = Some(ready);
        match whole(asked).await {
            Ok((200, body)) if path == "/app" && body == SHORT => target.well("h2"),
            Ok((200, body)) if path != "/app" && body == PIECE.repeat(PIECES) => target.well("h2"),
            Ok((status, body)) => target.failed("h2", (path, status, body.len())),
            Err(error) => return over(target, &error, true),
        }
        tokio::time::sleep(Duration::from_millis(number % 8)).await;
    }
}

/// What has not been asked yet, or was said not to have been processed, goes on another connection.
fn over(target: &Target, error: &h2::Error, asked: bool) {
    let is_told = error.is_go_away() && error.is_remote()
        || error.reason() == Some(h2::Reason::REFUSED_STREAM);
    match (is_told, asked) {
        (true, false) => {}
        (true, true) => target.seen.lock().unwrap().again += 1,
        (false, _) => target.failed("h2", error),
    }
}

async fn whole(asked: h2::client::ResponseFuture) -> Result<(u16, Vec<u8>), h2::Error> {
    let (head, mut stream) = asked.await?.into_parts();
    let mut body = Vec::new();
    while let Some(data) = stream.data().await {
        let data = data?;
        stream.flow_control().release_capacity(data.len())?;
        body.extend_from_slice(&data);
    }
    Ok((head.status.as_u16(), body))
}

/// All of them, side by side.
async fn futures_of<'f>(futures: impl Iterator<Item = impl Future<Output = ()> + 'f>) {
    let mut futures: Vec<_> = futures.map(|future| Some(Box::pin(future))).collect();
    std::future::poll_fn(|cx| {
        for place in &mut futures {
            if place.as_mut().is_some_and(|future| future.as_mut().poll(cx).is_ready()) {
                *place = None;
            }
        }
        match futures.iter().all(Option::is_none) {
            true => std::task::Poll::Ready(()),
            false => std::task::Poll::Pending,
        }
    })
    .await;
}
