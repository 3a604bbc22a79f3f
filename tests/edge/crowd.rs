//! A thousand live streams of three kinds over fifty routes: three hundred lose their right at once,
//! end as their kind ends, and the others do not lose a byte.
//!
//! Every stream is a client's own, and says a number at each step of the test; a client that got
//! another than the next one fails it.

use std::fmt::Write as _;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use bytes::{BufMut as _, Bytes, BytesMut};
use h2::{Reason, RecvStream};
use http::{Request, Response};
use serde_json::Value;
use sidegate::clock;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, oneshot, watch};

use crate::harness::{Gate, PATIENCE, record, until};
use crate::session::runtime;

const ROUTES: usize = 50;
/// Of each account, so many streams.
const SHARE: usize = 100;
const ACCOUNTS: usize = 10;
/// The accounts whose streams are cut: the first ones.
const CUT: usize = 3;
/// Streams of one connection of HTTP/2.
const TOGETHER: usize = 50;

/// What a stream is to its client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    WebSocket,
    /// Events over HTTP/1.1.
    Events,
    /// The same over HTTP/2.
    Stream,
    Call,
}

/// How a stream ended, as its client saw it.
#[derive(Debug, Clone, PartialEq, Eq)]
enum End {
    /// With a close frame that says this.
    Close(u16),
    /// Before its body was whole.
    Broken,
    Reset(Reason),
    Status(String),
}

/// How the three hundred lose their right.
#[derive(Debug, Clone, Copy)]
enum Deed {
    /// By one edit of the policy.
    Policy,
    /// By one edit of the keys.
    Keys,
    /// By the clock.
    Time,
}

#[test]
fn a_policy_that_takes_back_cuts_three_hundred_of_a_thousand() {
    crowd(Deed::Policy, "7");
}

#[test]
fn keys_that_are_revoked_cut_three_hundred_of_a_thousand() {
    crowd(Deed::Keys, "16");
}

#[test]
fn keys_that_expire_cut_three_hundred_of_a_thousand() {
    crowd(Deed::Time, "16");
}

fn policy(deny: bool) -> String {
    let mut text = String::from(
        "version = 1\n[role.owner]\nbypass = true\n[role.member]\n[product.app]\npermissions = []\n\
         [workspace.main]\nenvironment = \"production\"\n[workspace.main.product.app]\n\
         subscription = \"active\"\n[workspace.main.members]\nroot = \"owner\"\n",
    );
    // One is suspended, one is no member any more, and one is granted nothing.
    for account in (0..ACCOUNTS).filter(|account| !deny || *account != 1) {
        writeln!(text, "a{account} = \"member\"").unwrap();
    }
    if deny {
        text += "[account.a0]\nsuspended = true\n";
    }
    for account in (0..ACCOUNTS).filter(|account| !deny || *account > 2 || *account == 0) {
        writeln!(
            text,
            "[[workspace.main.grant]]\nto = \"account:a{account}\"\nproduct = \"app\"\nlevel = \"full\""
        )
        .unwrap();
    }
    for route in 0..ROUTES {
        let upstream = if route % 2 == 0 { "app" } else { "calls" };
        writeln!(
            text,
            "[[route]]\nname = \"r{route}\"\nprefix = \"/r{route}\"\nworkspace = \"main\"\n\
             product = \"app\"\nupgrade = \"view\"\nupstream = \"{upstream}\""
        )
        .unwrap();
    }
    text
}

fn key(account: usize) -> Value {
    record(&format!("a{account}"), &format!("a{account}"))
}

fn write_keys(folder: &std::path::Path, keys: &[Value]) {
    let lines: String = keys.iter().map(|key| format!("{key}\n")).collect();
    let (next, file) = (folder.join("keys.next"), folder.join("keys.jsonl"));
    fs::write(&next, lines).unwrap();
    fs::set_permissions(&next, Permissions::from_mode(0o600)).unwrap();
    fs::rename(&next, &file).unwrap();
}

fn crowd(deed: Deed, status: &str) {
    // A thousand at a time are enough.
    static ONE: Mutex<()> = Mutex::new(());
    let _one = ONE.lock().unwrap_or_else(PoisonError::into_inner);
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("policy.toml"), policy(false)).unwrap();
    let mut keys: Vec<Value> = (0..ACCOUNTS).map(key).collect();
    let upstream = Upstream::start();
    let lines = format!(
        "workers = 2\ntimeouts = {{ drain = \"1s\", connect = \"10s\", header = \"10s\" }}\nlog.sample = 0.0\n\
         upstream.calls.urls = [\"h2c://127.0.0.1:{}\"]\n",
        upstream.calls
    );
    let url = format!("http://127.0.0.1:{}", upstream.plain);
    let gate = Gate::start_over(folder.path(), &[url], &keys, &lines);
    let clients = Clients::start(gate.port);
    let streams = || gate.metric("sidegate_streams_active", "");
    until("every stream to begin", || upstream.live() == 1000);
    upstream.step();
    clients.all_have(1, |_| false);
    until("every stream to last", || streams() == 1000.0);

    let began = clock::instant();
    let until_cut = |cut: &dyn Fn(usize) -> bool| {
        let mut number = 1;
        // The upstream goes on talking all the while.
        loop {
            upstream.step();
            number += 1;
            let ended = clients.all_have(number, cut);
            if ended == CUT * SHARE {
                return number;
            }
            assert!(began.elapsed() < PATIENCE, "{ended} are cut");
        }
    };
    let is_cut = |account: usize| account < CUT;
    let mut expiry = None;
    match deed {
        Deed::Policy => {
            let next = folder.path().join("policy.next");
            fs::write(&next, policy(true)).unwrap();
            fs::rename(&next, folder.path().join("policy.toml")).unwrap();
        }
        Deed::Keys => {
            for key in keys.iter_mut().take(CUT) {
                key["revoked"] = "2026-01-02T00:00:00Z".into();
            }
            write_keys(folder.path(), &keys);
        }
        Deed::Time => {
            let soon = jiff::Timestamp::from_second(clock::now().0 + 2).unwrap();
            for key in keys.iter_mut().take(CUT) {
                key["expires"] = soon.to_string().into();
            }
            expiry = Some(soon);
            write_keys(folder.path(), &keys);
        }
    }
    let mut number = until_cut(&is_cut);
    match expiry {
        None => {
            println!("{deed:?}: 300 of 1,000 streams were cut {:?} after the edit", began.elapsed())
        }
        Some(expiry) => {
            let late = jiff::Timestamp::now().duration_since(expiry);
            println!("{deed:?}: 300 of 1,000 streams were cut {late:?} after they expired");
        }
    }
    // Nothing more happens to the others.
    for _ in 0..3 {
        upstream.step();
        number += 1;
        assert_eq!(clients.all_have(number, is_cut), CUT * SHARE);
    }
    let mut seen = [0; 4];
    for (stream, end) in clients.ends() {
        assert!(stream.account < CUT, "{stream:?} ended: {end:?}");
        seen[stream.kind as usize] += 1;
        let expected = match stream.kind {
            Kind::WebSocket => End::Close(1008),
            Kind::Events => End::Broken,
            Kind::Stream => End::Reset(Reason::CANCEL),
            Kind::Call => End::Status(status.into()),
        };
        assert_eq!(end, expected, "{stream:?}");
    }
    assert_eq!(seen, [60, 30, 90, 120]);
    until("the upstreams to be told", || upstream.live() == 700);
    until("the gate to let go of them", || streams() == 700.0);
    let reasons: &[&str] = match deed {
        Deed::Policy => &["account_suspended", "not_a_member", "no_access"],
        Deed::Keys => &["key_revoked"],
        Deed::Time => &["key_expired"],
    };
    for reason in reasons {
        let label = format!("reason=\"{reason}\"");
        let count = gate.metric("sidegate_streams_terminated_total", &label);
        assert_eq!(count, (300 / reasons.len()) as f64, "{reason}");
    }
    // Every one of them is told of, though nothing is sampled.
    let log = folder.path().join("sidegate.log");
    until("the events", || {
        let text = fs::read_to_string(&log).unwrap();
        text.lines().filter(|line| line.contains("\"terminated\":true")).count() == 300
    });
    drop(clients);
    until("the upstreams to be left", || upstream.live() == 0);
    until("all to end", || streams() == 0.0);
}

/// One stream of a client.
#[derive(Debug, Clone, Copy)]
struct Stream {
    account: usize,
    kind: Kind,
    route: usize,
}

impl Stream {
    /// Of each account twenty WebSockets, ten and thirty streams of events, and forty calls: no
    /// process needs more than a thousand files for it.
    fn all() -> Vec<Self> {
        let mut all = Vec::new();
        for account in 0..ACCOUNTS {
            for number in 0..SHARE {
                let kind = match number {
                    0..20 => Kind::WebSocket,
                    20..30 => Kind::Events,
                    30..60 => Kind::Stream,
                    _ => Kind::Call,
                };
                // Even routes are those of HTTP/1.1, where WebSockets are; calls are of HTTP/2.
                let spread = account * 7 + number;
                let route = match kind {
                    Kind::WebSocket => spread * 2 % ROUTES,
                    Kind::Call => (spread * 2 + 1) % ROUTES,
                    Kind::Events | Kind::Stream => spread % ROUTES,
                };
                all.push(Self { account, kind, route });
            }
        }
        all
    }

    fn head(&self) -> String {
        let Self { account, route, .. } = self;
        let upgrade = match self.kind {
            Kind::WebSocket => {
                "Upgrade: websocket\r\nConnection: Upgrade\r\n\
                 Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
            }
            _ => "",
        };
        format!(
            "GET /r{route}/s HTTP/1.1\r\nHost: localhost\r\nX-API-Key: key-a{account}\r\n{upgrade}\r\n"
        )
    }
}

/// What one client has seen.
#[derive(Default)]
struct Seen {
    number: AtomicUsize,
    end: Mutex<Option<End>>,
}

struct Clients {
    streams: Vec<(Stream, Arc<Seen>)>,
    /// Ends them all.
    _end: oneshot::Sender<()>,
}

impl Clients {
    fn start(port: u16) -> Self {
        let (runtime, end) = runtime();
        let streams: Vec<_> =
            Stream::all().into_iter().map(|stream| (stream, Arc::<Seen>::default())).collect();
        let (mut shared, mut own) = (Vec::new(), Vec::new());
        for (stream, seen) in &streams {
            let entry = (*stream, Arc::clone(seen));
            match stream.kind {
                Kind::WebSocket | Kind::Events => own.push(entry),
                Kind::Stream | Kind::Call => shared.push(entry),
            }
        }
        for (stream, seen) in own {
            runtime.spawn(async move {
                let end = plain(port, stream, &seen.number).await;
                *seen.end.lock().unwrap() = Some(end);
            });
        }
        for together in shared.chunks(TOGETHER) {
            let together = together.to_vec();
            runtime.spawn(async move {
                let stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
                let (sender, connection) = h2::client::handshake(stream).await.unwrap();
                tokio::spawn(connection);
                for (stream, seen) in together {
                    let mut sender = sender.clone().ready().await.unwrap();
                    let uri = format!("http://localhost/r{}/s", stream.route);
                    let request = Request::builder()
                        .method(if stream.kind == Kind::Call { "POST" } else { "GET" })
                        .uri(uri)
                        .header("x-api-key", format!("key-a{}", stream.account));
                    let request = match stream.kind {
                        Kind::Call => request.header("content-type", "application/grpc"),
                        _ => request,
                    };
                    let request = request.body(()).unwrap();
                    let (answer, _) = sender.send_request(request, true).unwrap();
                    tokio::spawn(async move {
                        let answer = answer.await.unwrap();
                        assert_eq!(answer.status(), 200);
                        let end = multiplexed(answer.into_body(), &seen.number).await;
                        *seen.end.lock().unwrap() = Some(end);
                    });
                }
            });
        }
        Self { streams, _end: end }
    }

    /// Waits until each has this number, or has ended where it may; how many have ended.
    fn all_have(&self, number: usize, may_end: impl Fn(usize) -> bool) -> usize {
        let mut ended = 0;
        for (stream, seen) in &self.streams {
            let has_ended = || seen.end.lock().unwrap().is_some();
            until("a number", || seen.number.load(Ordering::Acquire) >= number || has_ended());
            if has_ended() {
                assert!(may_end(stream.account), "{stream:?}: {:?}", seen.end.lock().unwrap());
                ended += 1;
            }
        }
        ended
    }

    fn ends(&self) -> impl Iterator<Item = (Stream, End)> {
        self.streams
            .iter()
            .filter_map(|(stream, seen)| seen.end.lock().unwrap().clone().map(|end| (*stream, end)))
    }
}

/// Takes what came as the next number.
fn count(number: &AtomicUsize, text: &[u8]) {
    let next = number.load(Ordering::Relaxed) + 1;
    assert_eq!(std::str::from_utf8(text).unwrap(), format!("{next:08}"));
    number.store(next, Ordering::Release);
}

async fn plain(port: u16, stream: Stream, number: &AtomicUsize) -> End {
    let mut socket = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    socket.write_all(stream.head().as_bytes()).await.unwrap();
    let mut reader = BufReader::new(socket);
    let head = head(&mut reader).await;
    let is_socket = stream.kind == Kind::WebSocket;
    assert!(head.starts_with(if is_socket { "HTTP/1.1 101 " } else { "HTTP/1.1 200 " }), "{head}");
    loop {
        if is_socket {
            let mut frame = [0; 2];
            if reader.read_exact(&mut frame).await.is_err() {
                return End::Broken;
            }
            let mut payload = vec![0; frame[1].into()];
            reader.read_exact(&mut payload).await.unwrap();
            match frame[0] {
                0x81 => count(number, &payload),
                0x88 => return End::Close(u16::from_be_bytes(payload.try_into().unwrap())),
                other => panic!("{other}"),
            }
        } else {
            // One chunk each, and never the last one.
            let mut chunk = [0; 13];
            if reader.read_exact(&mut chunk).await.is_err() {
                return End::Broken;
            }
            assert_eq!((&chunk[..3], &chunk[11..]), (&b"8\r\n"[..], &b"\r\n"[..]));
            count(number, &chunk[3..11]);
        }
    }
}

async fn head(reader: &mut BufReader<TcpStream>) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(reader.read_u8().await.unwrap());
    }
    String::from_utf8(head).unwrap()
}

async fn multiplexed(mut body: RecvStream, number: &AtomicUsize) -> End {
    let mut rest = BytesMut::new();
    while let Some(data) = body.data().await {
        let data = match data {
            Ok(data) => data,
            Err(error) => return End::Reset(error.reason().unwrap()),
        };
        body.flow_control().release_capacity(data.len()).unwrap();
        rest.put(data);
        while rest.len() >= 8 {
            count(number, &rest.split_to(8));
        }
    }
    let trailers = body.trailers().await.unwrap().unwrap_or_default();
    assert!(rest.is_empty());
    trailers.get("grpc-status").map_or(End::Broken, |it| End::Status(it.to_str().unwrap().into()))
}

/// One upstream of HTTP/1.1 and one of HTTP/2, on a thread of their own.
struct Upstream {
    plain: u16,
    calls: u16,
    steps: watch::Sender<usize>,
    live: Arc<AtomicUsize>,
}

/// A stream that is counted.
struct Live(Arc<AtomicUsize>);

impl Live {
    fn new(count: &Arc<AtomicUsize>) -> Self {
        count.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(count))
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Upstream {
    fn start() -> Self {
        let (steps, _) = watch::channel(0);
        let live = Arc::<AtomicUsize>::default();
        let (sender, ports) = std::sync::mpsc::channel();
        let (stepped, counted) = (steps.clone(), Arc::clone(&live));
        thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.unwrap().block_on(async {
                let plain = TcpListener::bind("127.0.0.1:0").await.unwrap();
                let calls = TcpListener::bind("127.0.0.1:0").await.unwrap();
                for listener in [&plain, &calls] {
                    sender.send(listener.local_addr().unwrap().port()).unwrap();
                }
                loop {
                    tokio::select! {
                        accepted = plain.accept() => {
                            let live = Live::new(&counted);
                            tokio::spawn(say(accepted.unwrap().0, stepped.subscribe(), live));
                        }
                        accepted = calls.accept() => {
                            let (stream, steps) = (accepted.unwrap().0, stepped.clone());
                            tokio::spawn(answer(stream, steps, Arc::clone(&counted)));
                        }
                    }
                }
            });
        });
        Self { plain: ports.recv().unwrap(), calls: ports.recv().unwrap(), steps, live }
    }

    /// Every stream says its next number.
    fn step(&self) {
        self.steps.send_modify(|step| *step += 1);
    }

    fn live(&self) -> usize {
        self.live.load(Ordering::Relaxed)
    }
}

/// One stream over HTTP/1.1, until the gate ends it.
async fn say(socket: TcpStream, mut steps: watch::Receiver<usize>, live: Live) {
    let mut reader = BufReader::new(socket);
    let is_socket = head(&mut reader).await.contains("websocket");
    let begin = match is_socket {
        true => {
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n"
        }
        false => {
            "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\
             Transfer-Encoding: chunked\r\n\r\n"
        }
    };
    let (mut read, mut write) = reader.into_inner().into_split();
    write.write_all(begin.as_bytes()).await.unwrap();
    let (gone, mut ended) = mpsc::channel::<()>(1);
    tokio::spawn(async move {
        let _gone = gone;
        // A close frame, the end, or a reset.
        let _ = read.read(&mut [0; 16]).await;
    });
    let mut said = 0;
    loop {
        tokio::select! {
            _ = ended.recv() => break,
            changed = steps.changed() => {
                let Ok(()) = changed else { break };
            }
        }
        let step = *steps.borrow_and_update();
        while said < step {
            said += 1;
            let text = match is_socket {
                true => format!("\u{8}{said:08}"),
                false => format!("8\r\n{said:08}\r\n"),
            };
            let bytes = if is_socket { [b"\x81", text.as_bytes()].concat() } else { text.into() };
            if write.write_all(&bytes).await.is_err() {
                break;
            }
        }
    }
    drop(live);
}

/// Streams over HTTP/2, each until it ends.
async fn answer(stream: TcpStream, steps: watch::Sender<usize>, live: Arc<AtomicUsize>) {
    let mut connection = h2::server::handshake(stream).await.unwrap();
    while let Some(Ok((_, mut respond))) = connection.accept().await {
        let live = Live::new(&live);
        let mut steps = steps.subscribe();
        let head = Response::builder().header("content-type", "application/grpc").body(()).unwrap();
        let mut sender = respond.send_response(head, false).unwrap();
        tokio::spawn(async move {
            let mut said = 0;
            loop {
                tokio::select! {
                    _ = std::future::poll_fn(|cx| sender.poll_reset(cx)) => break,
                    changed = steps.changed() => {
                        let Ok(()) = changed else { break };
                    }
                }
                let step = *steps.borrow_and_update();
                while said < step {
                    said += 1;
                    let text = Bytes::from(format!("{said:08}"));
                    if sender.send_data(text, false).is_err() {
                        break;
                    }
                }
            }
            drop(live);
        });
    }
}
