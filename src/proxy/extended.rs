//! A WebSocket on a stream of HTTP/2 (RFC 8441): a CONNECT with `:protocol`, and the upgrade of
//! HTTP/1.1 that it is everywhere else.
//!
//! It is made that upgrade before anything looks at it, so it is judged, forwarded, judged again and
//! ended as one. Only what a client of HTTP/1.1 does for itself is done here: a key for the upstream,
//! and a look at what that makes of it.

use std::fmt;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use data_encoding::BASE64;
use http::{Method, Request, StatusCode, Version};
use hyper::ext::Protocol;
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;
use sha1::{Digest as _, Sha1};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::fields::Fields;
use super::headers;
use super::message::{Answering, Asking};

/// Its name in the registry of upgrade tokens (RFC 8441 §5).
const WEBSOCKET: &str = "websocket";
const KEY: &str = "sec-websocket-key";
const ACCEPT: &str = "sec-websocket-accept";
/// What a server puts behind a key (RFC 6455 §1.3).
const SERVER: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// Whether it is a WebSocket's CONNECT, and of no other kind: nobody takes that.
pub(super) fn take<B>(request: &mut Request<B>) -> Option<OnUpgrade> {
    if request.method() != Method::CONNECT {
        return None;
    }
    request.extensions().get::<Protocol>().filter(|name| name.as_str() == WEBSOCKET)?;
    request.extensions_mut().remove::<OnUpgrade>()
}

/// Makes of it the upgrade that it means.
pub(super) fn ask(asking: &mut Asking) {
    asking.method = Method::GET;
    asking.version = Version::HTTP_11;
    let fields = &mut asking.fields;
    // It has no body, and a refusal in the form of gRPC would have the status of an agreement.
    fields.remove("content-type");
    fields.remove("content-length");
    fields.remove(ACCEPT);
    fields.set(KEY, key());
    headers::name_websocket(fields);
}

/// A nonce, not a secret (RFC 6455 §4.1).
fn key() -> String {
    BASE64.encode(&fastrand::u128(..).to_ne_bytes())
}

/// What an upstream that has read the request's key answers. Nothing where there is none.
pub(super) fn accepts(request: &Fields) -> Option<String> {
    let key = request.get(KEY)?;
    let digest = Sha1::new().chain_update(key).chain_update(SERVER).finalize();
    Some(BASE64.encode(&digest))
}

/// Whether an upstream's agreement is one to what it was asked, and not somebody else's.
pub(super) fn is_accepted(answer: &Fields, expected: Option<&str>) -> bool {
    match (answer.one(ACCEPT), expected) {
        (Some(said), Some(expected)) => said == expected.as_bytes(),
        _ => false,
    }
}

/// Makes of the agreement of HTTP/1.1 that of HTTP/2.
pub(super) fn agree(head: &mut Answering) {
    head.status = StatusCode::OK;
    for name in ["connection", "content-length", ACCEPT, "transfer-encoding", "upgrade"] {
        head.fields.remove(name);
    }
}

/// The client's side of a tunnel.
pub(super) struct Near {
    stream: TokioIo<Upgraded>,
    /// An end was seen that may be that of a stream which was reset.
    is_ending: bool,
}

impl Near {
    pub(super) fn new(stream: Upgraded) -> Self {
        Self { stream: TokioIo::new(stream), is_ending: false }
    }
}

impl fmt::Debug for Near {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Near")
    }
}

impl AsyncRead for Near {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if !self.is_ending {
            let before = buffer.filled().len();
            ready!(Pin::new(&mut self.stream).poll_read(cx, buffer))?;
            if buffer.filled().len() > before {
                return Poll::Ready(Ok(()));
            }
            // hyper reads a reset as an end. The task that writes knows better, but it was woken by
            // the same frame, and its turn comes before our next.
            self.is_ending = true;
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Near {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffers: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, buffers)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(method: Method, protocol: Option<&'static str>) -> Request<()> {
        let stream = hyper::upgrade::on(Request::new(()));
        let mut request = Request::builder().method(method).version(Version::HTTP_2);
        if let Some(protocol) = protocol {
            request = request.extension(Protocol::from_static(protocol));
        }
        request.extension(stream).header("content-type", "application/grpc").body(()).unwrap()
    }

    #[test]
    fn only_a_websocket_is_taken() {
        for (method, protocol, is_taken) in [
            (Method::CONNECT, Some("websocket"), true),
            (Method::CONNECT, Some("WebSocket"), false),
            (Method::CONNECT, Some("connect-udp"), false),
            (Method::CONNECT, Some(""), false),
            (Method::CONNECT, None, false),
            (Method::GET, Some("websocket"), false),
            (Method::GET, None, false),
        ] {
            let mut request = asked(method.clone(), protocol);
            assert_eq!(take(&mut request).is_some(), is_taken, "{method} {protocol:?}");
        }
    }

    #[test]
    fn it_is_asked_for_as_in_another_version() {
        let mut asking = Asking {
            method: Method::CONNECT,
            target: http::Uri::from_static("/chat").into(),
            version: Version::HTTP_2,
            fields: Fields::default(),
        };
        asking.fields.add("content-type", "application/grpc");
        ask(&mut asking);
        assert_eq!((asking.method, asking.version), (Method::GET, Version::HTTP_11));
        assert!(headers::is_websocket(&asking.fields) && !asking.fields.has("content-type"));
        assert!(accepts(&asking.fields).is_some());
    }

    #[test]
    fn an_agreement_is_to_the_key_that_was_sent() {
        let mut asked = Fields::default();
        assert_eq!(accepts(&asked), None);
        // RFC 6455 §1.3.
        asked.add(KEY, "dGhlIHNhbXBsZSBub25jZQ==");
        let expected = accepts(&asked);
        assert_eq!(expected.as_deref(), Some("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="));
        let cases: &[(&[&str], bool)] = &[
            (&["s3pPLMBiTxaQ9kYGzzhZRbK+xOo="], true),
            (&["s3pPLMBiTxaQ9kYGzzhZRbK+xOO="], false),
            (&["s3pPLMBiTxaQ9kYGzzhZRbK+xOo=", "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="], false),
            (&[], false),
        ];
        for (said, accepted) in cases {
            let mut answer = Fields::default();
            for value in *said {
                answer.add(ACCEPT, value);
            }
            assert_eq!(is_accepted(&answer, expected.as_deref()), *accepted, "{said:?}");
            assert!(!is_accepted(&answer, None));
        }
        assert_ne!(key(), key());
        assert_eq!(key().len(), 24);
    }
}
