//! Upstreams of HTTP/2: requests share connections, and no client sees one of them end.

use std::future::poll_fn;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::thread;

use bytes::Bytes;
use h2::server::{Builder, SendResponse};
use h2::{Reason, RecvStream};
use http::{HeaderMap, Request, Response};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use crate::harness::until;
use crate::rig::{GET, READER, Rig, Upstream, WRITER};
use crate::upstream::fails_with;
use crate::websocket::handshake;

/// What an upstream does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Deed {
    /// Says what it has got, with trailers.
    Echo,
    /// The same, and then it takes no more requests on that connection.
    GoAway,
    /// Refuses the first request, then echoes.
    RefuseFirst,
    /// Resets every request, which it may have worked on.
    Reset,
    /// Closes the connection at every request.
    Close,
    /// Answers when the test says so.
    Hold,
    /// Begins an answer and resets it.
    Half,
}

/// An upstream on a thread of its own.
pub(crate) struct Server {
    pub(crate) url: String,
    state: Arc<State>,
}

#[derive(Default)]
struct State {
    connections: AtomicUsize,
    requests: AtomicUsize,
    resets: AtomicUsize,
    is_released: AtomicBool,
    released: tokio::sync::Notify,
}

impl Server {
    fn start(deed: Deed, streams: u32) -> Self {
        Self::with(deed, streams, None)
    }

    /// Echoes through TLS.
    pub(crate) fn secure(config: rustls::ServerConfig) -> Self {
        Self::with(Deed::Echo, 100, Some(Arc::new(config).into()))
    }

    fn with(deed: Deed, streams: u32, secure: Option<TlsAcceptor>) -> Self {
        let scheme = if secure.is_some() { "https" } else { "h2c" };
        let (sender, port) = mpsc::channel();
        let state = Arc::new(State::default());
        let shared = Arc::clone(&state);
        thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.unwrap().block_on(async {
                let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
                sender.send(listener.local_addr().unwrap().port()).unwrap();
                while let Ok((stream, _)) = listener.accept().await {
                    shared.connections.fetch_add(1, Ordering::SeqCst);
                    let (state, secure) = (Arc::clone(&shared), secure.clone());
                    tokio::spawn(async move {
                        match secure {
                            None => serve(stream, deed, streams, state).await,
                            Some(secure) => {
                                let Ok(stream) = secure.accept(stream).await else { return };
                                serve(stream, deed, streams, state).await;
                            }
                        }
                    });
                }
            });
        });
        Self { url: format!("{scheme}://127.0.0.1:{}", port.recv().unwrap()), state }
    }

    pub(crate) fn connections(&self) -> usize {
        self.state.connections.load(Ordering::SeqCst)
    }

    pub(crate) fn requests(&self) -> usize {
        self.state.requests.load(Ordering::SeqCst)
    }

    fn release(&self) {
        self.state.is_released.store(true, Ordering::SeqCst);
        self.state.released.notify_waiters();
    }
}

async fn serve<S>(stream: S, deed: Deed, streams: u32, state: Arc<State>)
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let builder = Builder::new().max_concurrent_streams(streams).handshake::<_, Bytes>(stream);
    let Ok(mut connection) = builder.await else { return };
    while let Some(Ok((request, mut respond))) = connection.accept().await {
        let number = state.requests.fetch_add(1, Ordering::SeqCst);
        match deed {
            Deed::Close => return,
            Deed::Reset => respond.send_reset(Reason::INTERNAL_ERROR),
            Deed::RefuseFirst if number == 0 => respond.send_reset(Reason::REFUSED_STREAM),
            Deed::GoAway => {
                tokio::spawn(echo(request, respond));
                connection.graceful_shutdown();
            }
            Deed::Echo | Deed::RefuseFirst => drop(tokio::spawn(echo(request, respond))),
            Deed::Hold => {
                let state = Arc::clone(&state);
                tokio::spawn(async move {
                    let released = state.released.notified();
                    if !state.is_released.load(Ordering::SeqCst) {
                        tokio::select! {
                            () = released => {}
                            _ = poll_fn(|cx| respond.poll_reset(cx)) => {
                                state.resets.fetch_add(1, Ordering::SeqCst);
                            }
                        }
                    }
                    echo(request, respond).await;
                });
            }
            Deed::Half => {
                let mut sender = respond.send_response(Response::new(()), false).unwrap();
                sender.send_data("half".into(), false).unwrap();
                let state = Arc::clone(&state);
                tokio::spawn(async move {
                    let released = state.released.notified();
                    if !state.is_released.load(Ordering::SeqCst) {
                        released.await;
                    }
                    sender.send_reset(Reason::INTERNAL_ERROR);
                });
            }
        }
    }
}

async fn echo(request: Request<RecvStream>, mut respond: SendResponse<Bytes>) {
    let (head, mut body) = request.into_parts();
    let mut text = format!("{} {}\n", head.method, head.uri);
    for (name, value) in &head.headers {
        text.push_str(&format!("{name}: {}\n", value.to_str().unwrap()));
    }
    while let Some(Ok(data)) = body.data().await {
        let _ = body.flow_control().release_capacity(data.len());
        text.push_str(std::str::from_utf8(&data).unwrap());
    }
    if let Ok(Some(trailers)) = body.trailers().await {
        text.push_str(&format!("{trailers:?}"));
    }
    let answer = Response::builder().header("trailer", "grpc-status").body(()).unwrap();
    let Ok(mut sender) = respond.send_response(answer, false) else { return };
    let _ = sender.send_data(text.into(), false);
    let mut trailers = HeaderMap::new();
    trailers.insert("grpc-status", "0".parse().unwrap());
    let _ = sender.send_trailers(trailers);
    poll_fn(|cx| sender.poll_reset(cx)).await.ok();
}

fn rig(server: &Server, lines: &str) -> Rig {
    let rig = Rig::new(&format!("{lines}upstream.other.urls = [\"{}\"]\n", server.url));
    rig.reroute("late", "other");
    rig
}

fn get() -> String {
    format!("GET /late?a=%2f HTTP/1.1\r\n{WRITER}X-Mine: 1\r\n\r\n")
}

fn post(body: &str) -> String {
    format!("POST /late HTTP/1.1\r\n{WRITER}Content-Length: {}\r\n\r\n{body}", body.len())
}

fn retries(rig: &Rig) -> f64 {
    rig.gate.metric("sidegate_upstream_retries_total", "upstream=\"other\"")
}

#[test]
fn requests_of_all_clients_share_a_connection() {
    let server = Server::start(Deed::Echo, 100);
    let mut rig = rig(&server, "");
    for _client in 0..5 {
        let mut client = rig.client();
        for _request in 0..5 {
            client.send(get());
            let answer = client.answer();
            assert_eq!((answer.status(), &*answer.first), (200, "HTTP/1.1 200 OK"));
            let seen = String::from_utf8(answer.body).unwrap();
            assert!(seen.starts_with("GET http://localhost/late?a=%2f\n"), "{seen}");
            for line in ["x-sidegate-account: writer", "x-mine: 1", "te: trailers"] {
                assert_eq!(seen.matches(&format!("{line}\n")).count(), 1, "{seen}");
            }
            for name in ["\nx-forwarded-for: ", "\nx-request-id: ", "\ntraceparent: "] {
                assert_eq!(seen.matches(name).count(), 1, "{seen}");
            }
            for name in ["\nhost: ", "x-api-key", "connection", "key-writer"] {
                assert!(!seen.contains(name), "{seen}");
            }
        }
    }
    assert_eq!((server.connections(), rig.upstream.waiting()), (1, 0));
}

#[test]
fn bodies_and_trailers_go_both_ways() {
    let server = Server::start(Deed::Echo, 100);
    let rig = rig(&server, "");
    let mut client = rig.sent(format!(
        "GET /late HTTP/1.1\r\n{WRITER}TE: trailers\r\nTrailer: X-End\r\nTransfer-Encoding: chunked\r\n\r\n\
         5\r\nhello\r\n0\r\nX-End: of it\r\n\r\n"
    ));
    let answer = client.answer();
    let seen = String::from_utf8(answer.body).unwrap();
    assert!(seen.contains("\nhello{\"x-end\": \"of it\"}"), "{seen}");
    assert_eq!(answer.trailers, [("grpc-status".to_owned(), "0".to_owned())]);

    let large = "x".repeat(1 << 20);
    client.send(format!("GET /late HTTP/1.1\r\n{WRITER}Content-Length: {}\r\n\r\n", large.len()));
    client.send(&large);
    assert!(String::from_utf8(client.answer().body).unwrap().ends_with(&large));
    assert_eq!(server.connections(), 1);
}

/// As many as the upstream takes on each.
#[test]
fn there_are_more_connections_where_one_is_full() {
    let server = Server::start(Deed::Hold, 4);
    let rig = rig(&server, "");
    // The first brings the upstream's word on how many it takes.
    let mut clients = vec![rig.sent(get())];
    until("the first", || server.requests() == 1);
    clients.extend((0..9).map(|_| rig.sent(get())));
    until("the others", || server.requests() == 10);
    assert_eq!(server.connections(), 3);
    server.release();
    assert!(clients.iter_mut().all(|client| client.answer().status() == 200));
}

#[test]
fn an_upstream_that_takes_no_more_is_never_seen() {
    let server = Server::start(Deed::GoAway, 100);
    let rig = rig(&server, "");
    let mut clients = [0; 4].map(|_| rig.client());
    for _turn in 0..25 {
        for (number, client) in clients.iter_mut().enumerate() {
            client.send(if number % 2 == 0 { get() } else { get().replace("GET", "OPTIONS") });
        }
        for client in &mut clients {
            assert_eq!(client.answer().status(), 200);
        }
    }
    assert!(server.connections() > 10, "{}", server.connections());
}

#[test]
fn what_was_refused_goes_once_more_whatever_it_is() {
    let small = "x".repeat(30_000);
    for body in ["", "hello", &small] {
        let server = Server::start(Deed::RefuseFirst, 100);
        let rig = Rig::new(&format!("upstream.other.urls = [\"{}\"]\n", server.url));
        rig.reroute("app", "other");
        let mut client = rig.sent(post(body).replace("/late", "/app"));
        let answer = client.answer();
        assert_eq!(answer.status(), 200);
        assert!(String::from_utf8(answer.body).unwrap().ends_with(&format!("\n{body}")));
        assert_eq!((server.requests(), retries(&rig)), (2, 1.0));
    }
}

#[test]
fn what_may_have_been_done_is_not_done_again() {
    // Whether it is a read, what the upstream does, and how often it is asked.
    let cases = [
        (true, Deed::Close, 3),
        (false, Deed::Close, 1),
        (true, Deed::Reset, 1),
        (false, Deed::Reset, 1),
    ];
    for (is_read, deed, asked) in cases {
        let server = Server::start(deed, 100);
        let rig = Rig::new(&format!("upstream.other.urls = [\"{}\"]\n", server.url));
        rig.reroute("app", "other");
        let request = if is_read { GET.to_owned() } else { post("hello").replace("/late", "/app") };
        let mut client = rig.sent(request);
        fails_with(&client.answer(), 502, "connection_terminated");
        assert_eq!(server.requests(), asked, "{is_read}, {deed:?}");
    }
}

/// There is a way for it (RFC 8441), which is not gone.
#[test]
fn a_websocket_has_no_way() {
    let server = Server::start(Deed::Echo, 100);
    let rig = Rig::new(&format!("upstream.other.urls = [\"{}\"]\n", server.url));
    rig.reroute("socket", "other");
    let mut client = rig.sent(handshake("/socket", READER));
    fails_with(&client.answer(), 502, "http_upgrade_failed");
    assert_eq!(server.requests(), 0);
}

/// What a trusted proxy says of the client is one field each, in HTTP/2 as well.
#[test]
fn a_trusted_proxy_is_kept() {
    let server = Server::start(Deed::Echo, 100);
    let mut rig = rig(&server, "trusted_proxies = [\"127.0.0.1\"]\n");
    let said =
        "X-Forwarded-For: 192.0.2.1\r\nForwarded: for=192.0.2.1\r\nX-Forwarded-Proto: https\r\n";
    let mut client = rig.sent(get().replace("\r\n\r\n", &format!("\r\n{said}\r\n")));
    let seen = String::from_utf8(client.answer().body).unwrap();
    for line in [
        "x-forwarded-for: 192.0.2.1, 127.0.0.1",
        "forwarded: for=192.0.2.1, for=127.0.0.1",
        "x-forwarded-proto: https",
    ] {
        let (name, _) = line.split_once(' ').unwrap();
        let same: Vec<&str> = seen.lines().filter(|it| it.starts_with(name)).collect();
        assert_eq!(same, [line], "{seen}");
    }
    assert_eq!(rig.upstream.waiting(), 0);
}

#[test]
fn one_that_is_late_does_not_stop_the_others() {
    let server = Server::start(Deed::Hold, 100);
    let rig = rig(&server, "timeouts.upstream = \"500ms\"\n");
    let mut late = rig.sent(get());
    fails_with(&late.answer(), 504, "http_response_timeout");
    server.release();
    late.send(get());
    assert_eq!(late.answer().status(), 200);
    assert_eq!(server.connections(), 1);
}

#[test]
fn a_client_that_goes_takes_its_request_with_it_and_no_other() {
    let server = Server::start(Deed::Hold, 100);
    let rig = rig(&server, "");
    let (gone, mut stays) = (rig.sent(get()), rig.sent(get()));
    until("both", || server.requests() == 2);
    drop(gone);
    until("the reset", || server.state.resets.load(Ordering::SeqCst) == 1);
    server.release();
    assert_eq!(stays.answer().status(), 200);
    assert_eq!(server.connections(), 1);
}

#[test]
fn half_an_answer_does_not_look_whole() {
    let server = Server::start(Deed::Half, 100);
    let rig = rig(&server, "");
    let mut client = rig.sent(get());
    client.through(b"half");
    server.release();
    let (rest, _reset) = client.rest();
    assert_eq!(String::from_utf8_lossy(&rest).trim(), "", "an end of its chunks");
}

#[test]
fn who_does_not_speak_it_is_502_or_504() {
    let mut upstream = Upstream::start();
    let url = upstream.url().replace("http", "h2c");
    let lines = format!("timeouts.connect = \"300ms\"\nupstream.other.urls = [\"{url}\"]\n");
    let rig = Rig::new(&lines);
    rig.reroute("late", "other");
    let mut client = rig.sent(get());
    let mut peer = upstream.next();
    peer.bytes(24);
    peer.send("HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n");
    fails_with(&client.answer(), 502, "http_protocol_error");
    let mut client = rig.sent(get());
    let _silent = upstream.next();
    fails_with(&client.answer(), 504, "connection_timeout");
}

#[test]
fn health_is_asked_for_in_it() {
    let server = Server::start(Deed::Echo, 100);
    let lines = "upstream.other.health = { path = \"/well\", interval = \"10ms\" }\n";
    let rig = rig(&server, lines);
    until("some checks", || server.requests() > 3);
    assert_eq!(rig.gate.metric("sidegate_upstream_endpoint_healthy", "other"), 1.0);
    assert!(!rig.log().contains("unhealthy"), "{}", rig.log());
}
