//! gRPC from end to end: a client of HTTP/2, the gate, and an upstream of HTTP/2 (gRPC's
//! PROTOCOL-HTTP2.md). All four kinds of call, message by message, and how they end.

use std::sync::{Arc, mpsc};
use std::thread;

use bytes::{Buf as _, BufMut as _, Bytes, BytesMut};
use h2::server::SendResponse;
use h2::{RecvStream, SendStream};
use http::{HeaderMap, Request, Response};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;

use crate::harness::until;
use crate::rig::Rig;
use crate::secure::Secure;
use crate::session::{Asked, Session, keyed};

/// A service of its own, with a step for each message that it says unasked.
pub(crate) struct Service {
    url: String,
    pub(crate) steps: Arc<Semaphore>,
}

impl Service {
    pub(crate) fn start() -> Self {
        let (sender, port) = mpsc::channel();
        let steps = Arc::new(Semaphore::new(0));
        let shared = Arc::clone(&steps);
        thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.unwrap().block_on(async {
                let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
                sender.send(listener.local_addr().unwrap().port()).unwrap();
                while let Ok((stream, _)) = listener.accept().await {
                    let steps = Arc::clone(&shared);
                    tokio::spawn(async move {
                        let mut connection = h2::server::handshake(stream).await.unwrap();
                        while let Some(Ok((request, respond))) = connection.accept().await {
                            tokio::spawn(call(request, respond, Arc::clone(&steps)));
                        }
                    });
                }
            });
        });
        Self { url: format!("h2c://127.0.0.1:{}", port.recv().unwrap()), steps }
    }

    pub(crate) fn lines(&self) -> String {
        format!("upstream.other.urls = [\"{}\"]\n", self.url)
    }
}

async fn call(request: Request<RecvStream>, respond: SendResponse<Bytes>, steps: Arc<Semaphore>) {
    let (head, body) = request.into_parts();
    let field = |name: &str| head.headers.get(name).map_or("", |value| value.to_str().unwrap());
    let seen = format!("{} {} {}", field("te"), field("content-type"), field("x-sidegate-account"));
    let mut reader = Reader { body, rest: BytesMut::new() };
    let kind = head.uri.path().rsplit('/').next().unwrap();
    if kind == "Missing" {
        return only_trailers(respond);
    }
    let mut sender = begin(respond, &seen);
    match kind {
        "Unary" => {
            let message = reader.message().await.unwrap();
            assert_eq!(reader.message().await, None);
            say(&mut sender, &message);
        }
        "Server" => {
            let message = reader.message().await.unwrap();
            for _ in 0..3 {
                steps.acquire().await.unwrap().forget();
                say(&mut sender, &message);
            }
        }
        "Client" => {
            let mut all = Vec::new();
            while let Some(message) = reader.message().await {
                all.extend(message);
                steps.add_permits(1);
            }
            say(&mut sender, &all);
        }
        "Both" => {
            while let Some(message) = reader.message().await {
                say(&mut sender, &message);
            }
        }
        kind => panic!("{kind}"),
    }
    // What a client says behind its body. One that was cut says nothing.
    let Ok(sum) = reader.body.trailers().await else { return };
    let mut trailers = HeaderMap::new();
    trailers.insert("grpc-status", "0".parse().unwrap());
    trailers.insert("grpc-message", "done".parse().unwrap());
    if let Some(sum) = sum.as_ref().and_then(|sum| sum.get("x-sum")) {
        trailers.insert("x-sum", sum.clone());
    }
    sender.send_trailers(trailers).unwrap();
}

fn begin(mut respond: SendResponse<Bytes>, seen: &str) -> SendStream<Bytes> {
    let head =
        Response::builder().header("content-type", "application/grpc").header("x-seen", seen);
    respond.send_response(head.body(()).unwrap(), false).unwrap()
}

/// An answer whose trailers are its head.
fn only_trailers(mut respond: SendResponse<Bytes>) {
    let head = Response::builder()
        .header("content-type", "application/grpc")
        .header("grpc-status", "5")
        .header("grpc-message", "no such thing");
    respond.send_response(head.body(()).unwrap(), true).unwrap();
}

pub(crate) fn framed(message: &[u8]) -> Bytes {
    let mut bytes = BytesMut::new();
    bytes.put_u8(0);
    bytes.put_u32(message.len().try_into().unwrap());
    bytes.put(message);
    bytes.freeze()
}

fn say(sender: &mut SendStream<Bytes>, message: &[u8]) {
    // Who was cut is not there to hear it.
    let _ = sender.send_data(framed(message), false);
}

/// Messages of a body.
struct Reader {
    body: RecvStream,
    rest: BytesMut,
}

impl Reader {
    async fn message(&mut self) -> Option<Vec<u8>> {
        loop {
            if let Some(length) = self.rest.get(1..5) {
                let length = u32::from_be_bytes(length.try_into().unwrap()) as usize;
                if self.rest.len() >= 5 + length {
                    self.rest.advance(5);
                    return Some(self.rest.split_to(length).to_vec());
                }
            }
            let Some(data) = self.body.data().await else {
                assert!(self.rest.is_empty(), "half a message");
                return None;
            };
            let Ok(data) = data else { return None };
            self.body.flow_control().release_capacity(data.len()).unwrap();
            self.rest.extend_from_slice(&data);
        }
    }
}

/// A call that was begun.
pub(crate) struct Call<'s> {
    session: &'s Session,
    sender: SendStream<Bytes>,
    head: Response<()>,
    reader: Reader,
}

impl<'s> Call<'s> {
    pub(crate) fn ask(session: &mut Session, kind: &str) -> Asked {
        let path = format!("/app/acme.Vault/{kind}");
        let more = [("content-type", "application/grpc"), ("te", "trailers")];
        session.ask(keyed("POST", &path, "key-writer", &more), false)
    }

    pub(crate) fn of(session: &'s Session, asked: Asked) -> Self {
        let (sender, answer) = session.both(asked);
        let (head, body) = answer.unwrap().into_parts();
        let head = Response::from_parts(head, ());
        Self { session, sender, head, reader: Reader { body, rest: BytesMut::new() } }
    }

    pub(crate) fn message(&mut self) -> Option<Vec<u8>> {
        self.session.wait(self.reader.message())
    }

    /// What it ends in.
    pub(crate) fn trailers(&mut self) -> HeaderMap {
        self.session.wait(self.reader.body.trailers()).unwrap().unwrap()
    }

    /// Holds that it was a call that succeeded.
    fn succeeded(mut self) -> HeaderMap {
        assert_eq!(self.message(), None);
        assert_eq!(self.head.status(), 200);
        assert_eq!(self.head.headers()["content-type"], "application/grpc");
        assert_eq!(self.head.headers()["x-seen"], "trailers application/grpc writer");
        let trailers = self.trailers();
        assert_eq!(trailers["grpc-status"], "0");
        assert_eq!(trailers["grpc-message"], "done");
        trailers
    }
}

fn all_kinds(rig: &Rig, service: &Service, session: &mut Session) {
    rig.reroute("app", "other");

    let mut asked = Call::ask(session, "Unary");
    asked.body.send_data(framed(b"one"), true).unwrap();
    let mut call = Call::of(session, asked);
    assert_eq!(call.message().unwrap(), b"one");
    call.succeeded();

    let mut asked = Call::ask(session, "Server");
    asked.body.send_data(framed(b"again"), true).unwrap();
    let mut call = Call::of(session, asked);
    for _ in 0..3 {
        // None is said before the one before it has come.
        service.steps.add_permits(1);
        assert_eq!(call.message().unwrap(), b"again");
    }
    call.succeeded();

    let mut asked = Call::ask(session, "Client");
    for message in [&b"a"[..], b"b", &[b'c'; 100_000]] {
        asked.body.send_data(framed(message), false).unwrap();
        // Each is there before the next is said.
        until("the message", || service.steps.try_acquire().map(|it| it.forget()).is_ok());
    }
    let mut sum = HeaderMap::new();
    sum.insert("x-sum", "7".parse().unwrap());
    asked.body.send_trailers(sum).unwrap();
    let mut call = Call::of(session, asked);
    assert_eq!(call.message().unwrap().len(), 100_002);
    assert_eq!(call.succeeded()["x-sum"], "7");

    let asked = Call::ask(session, "Both");
    let mut call = Call::of(session, asked);
    for message in [&b"ping"[..], b"", b"pong"] {
        call.sender.send_data(framed(message), false).unwrap();
        assert_eq!(call.message().unwrap(), message);
    }
    call.sender.send_data(Bytes::new(), true).unwrap();
    call.succeeded();

    let mut asked = Call::ask(session, "Missing");
    asked.body.send_data(framed(b"x"), true).unwrap();
    let answer = session.answer(asked).unwrap();
    assert_eq!((answer.status(), answer.field("grpc-status")), (200, Some("5")));
    assert_eq!(answer.field("grpc-message"), Some("no such thing"));
    assert_eq!((answer.body.len(), answer.trailers), (0, None));
}

#[test]
fn all_kinds_of_call_pass_with_their_trailers() {
    let service = Service::start();
    let rig = Rig::new(&service.lines());
    all_kinds(&rig, &service, &mut Session::new(rig.gate.port));
    until("the events", || rig.events().len() == 5);
    assert!(rig.events().iter().all(|event| event["upstream_status"] == 200));
}

#[test]
fn all_kinds_of_call_pass_over_tls() {
    let service = Service::start();
    let secure = Secure::new(&service.lines());
    let config = rustls::ClientConfig::builder()
        .with_root_certificates(secure.authority.roots())
        .with_no_client_auth();
    all_kinds(&secure.rig, &service, &mut Session::secure(secure.rig.gate.port, config));
}
