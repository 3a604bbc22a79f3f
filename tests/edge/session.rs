//! An HTTP/2 client that does what it should, on the `h2` crate.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use h2::client::{ResponseFuture, SendRequest};
use h2::{RecvStream, SendStream};
use http::{HeaderMap, Request, Response};
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio::runtime::{Builder, Handle};
use tokio::sync::oneshot;
use tokio_rustls::TlsConnector;

use crate::harness::PATIENCE;

/// A connection that goes on by itself.
pub(crate) struct Session {
    runtime: Handle,
    sender: SendRequest<Bytes>,
    /// Ends the thread that the runtime is on.
    _end: oneshot::Sender<()>,
}

/// A request that was sent.
pub(crate) struct Asked {
    pub(crate) body: SendStream<Bytes>,
    answer: ResponseFuture,
}

/// An answer as a whole.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) head: Response<()>,
    pub(crate) body: Vec<u8>,
    pub(crate) trailers: Option<HeaderMap>,
}

impl Answer {
    pub(crate) fn status(&self) -> u16 {
        self.head.status().as_u16()
    }

    pub(crate) fn field(&self, name: &str) -> Option<&str> {
        self.head.headers().get(name).map(|value| value.to_str().unwrap())
    }
}

impl Session {
    /// With prior knowledge.
    pub(crate) fn new(port: u16) -> Self {
        Self::with(port, |_| {})
    }

    pub(crate) fn with(port: u16, change: impl FnOnce(&mut h2::client::Builder)) -> Self {
        let (runtime, end) = runtime();
        let mut builder = h2::client::Builder::new();
        change(&mut builder);
        let sender = runtime.block_on(async {
            let stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
            let (sender, connection) = builder.handshake(stream).await.unwrap();
            tokio::spawn(connection);
            sender
        });
        Self { runtime, sender, _end: end }
    }

    /// Over TLS, if it is agreed on.
    pub(crate) fn secure(port: u16, mut config: ClientConfig) -> Self {
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        let (runtime, end) = runtime();
        let sender = runtime.block_on(async {
            let stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
            let name = ServerName::try_from("localhost").unwrap();
            let connector = TlsConnector::from(Arc::new(config));
            let stream = connector.connect(name, stream).await.unwrap();
            assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
            let (sender, connection) = h2::client::handshake(stream).await.unwrap();
            tokio::spawn(connection);
            sender
        });
        Self { runtime, sender, _end: end }
    }

    /// Sends a head; `last` where no body follows.
    pub(crate) fn ask(&mut self, request: Request<()>, last: bool) -> Asked {
        let sender = self.sender.clone();
        let mut sender = self.wait(async { sender.ready().await.unwrap() });
        let (answer, body) = sender.send_request(request, last).unwrap();
        Asked { body, answer }
    }

    /// Asks for a WebSocket (RFC 8441 §4), once the other side has said that it takes that.
    pub(crate) fn connect(&mut self, request: Request<()>, last: bool) -> Asked {
        let sender = self.sender.clone();
        self.wait(async {
            let sender = sender.ready().await.unwrap();
            while !sender.is_extended_connect_protocol_enabled() {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        });
        self.ask(request, last)
    }

    /// Waits for the head of an answer.
    pub(crate) fn head(&self, asked: Asked) -> Result<Response<RecvStream>, h2::Error> {
        self.wait(asked.answer)
    }

    /// Waits for the head of an answer, and lets the request's body go on.
    pub(crate) fn both(
        &self,
        asked: Asked,
    ) -> (SendStream<Bytes>, Result<Response<RecvStream>, h2::Error>) {
        (asked.body, self.wait(asked.answer))
    }

    /// Waits for a whole answer.
    pub(crate) fn answer(&self, asked: Asked) -> Result<Answer, h2::Error> {
        let head = self.head(asked)?;
        self.whole(head)
    }

    /// Waits for the rest of an answer.
    pub(crate) fn whole(&self, answer: Response<RecvStream>) -> Result<Answer, h2::Error> {
        let (head, mut stream) = answer.into_parts();
        self.wait(async {
            let mut body = Vec::new();
            while let Some(data) = stream.data().await {
                let data = data?;
                stream.flow_control().release_capacity(data.len())?;
                body.extend_from_slice(&data);
            }
            let trailers = stream.trailers().await?;
            Ok(Answer { head: Response::from_parts(head, ()), body, trailers })
        })
    }

    /// Waits until no more can be asked.
    pub(crate) fn ended(&self) {
        let sender = self.sender.clone();
        self.wait(async move {
            let mut sender = Some(sender);
            while let Some(one) = sender.take() {
                match one.ready().await {
                    Ok(ready) => sender = Some(ready),
                    Err(_) => return,
                }
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        });
    }

    pub(crate) fn wait<T>(&self, future: impl Future<Output = T>) -> T {
        let whole = async { tokio::time::timeout(PATIENCE, future).await };
        self.runtime.block_on(whole).expect("waited in vain")
    }
}

/// A runtime that turns on a thread of its own.
pub(crate) fn runtime() -> (Handle, oneshot::Sender<()>) {
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    let (end, ended) = oneshot::channel::<()>();
    let handle = runtime.handle().clone();
    std::thread::spawn(move || runtime.block_on(ended));
    (handle, end)
}

/// A request of who may write.
pub(crate) fn request(method: &str, path: &str) -> Request<()> {
    keyed(method, path, "key-writer", &[])
}

pub(crate) fn keyed(method: &str, path: &str, key: &str, more: &[(&str, &str)]) -> Request<()> {
    let uri = format!("http://localhost{path}");
    let mut request = Request::builder().method(method).uri(uri).header("x-api-key", key);
    for (name, value) in more {
        request = request.header(*name, *value);
    }
    request.body(()).unwrap()
}
