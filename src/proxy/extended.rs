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
use http::header::{
    CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, HeaderMap, HeaderValue, SEC_WEBSOCKET_ACCEPT,
    SEC_WEBSOCKET_KEY, TRANSFER_ENCODING, UPGRADE,
};
use http::{Method, Request, Response, StatusCode, Version};
use hyper::ext::Protocol;
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;
use sha1::{Digest as _, Sha1};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::headers;

/// Its name in the registry of upgrade tokens (RFC 8441 §5).
const WEBSOCKET: &str = "websocket";
/// What a server puts behind a key (RFC 6455 §1.3).
const SERVER: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// Makes of a WebSocket's CONNECT the upgrade that it means, and returns what its stream will be.
/// Nothing of any other request, nor of a CONNECT for anything else, which nobody takes.
pub(super) fn take<B>(request: &mut Request<B>) -> Option<OnUpgrade> {
    if request.method() != Method::CONNECT {
        return None;
    }
    request.extensions().get::<Protocol>().filter(|name| name.as_str() == WEBSOCKET)?;
    let stream = request.extensions_mut().remove::<OnUpgrade>()?;
    *request.method_mut() = Method::GET;
    *request.version_mut() = Version::HTTP_11;
    let headers = request.headers_mut();
    // It has no body, and a refusal in the form of gRPC would have the status of an agreement.
    headers.remove(CONTENT_TYPE);
    headers.remove(CONTENT_LENGTH);
    headers.remove(SEC_WEBSOCKET_ACCEPT);
    headers.insert(SEC_WEBSOCKET_KEY, key());
    headers::name_websocket(headers);
    Some(stream)
}

/// A nonce, not a secret (RFC 6455 §4.1).
fn key() -> HeaderValue {
    let text = BASE64.encode(&fastrand::u128(..).to_ne_bytes());
    HeaderValue::try_from(text).unwrap_or_else(|_| HeaderValue::from_static(""))
}

/// What an upstream that has read the request's key answers. Nothing where there is none.
pub(super) fn accepts(request: &HeaderMap) -> Option<String> {
    let key = request.get(SEC_WEBSOCKET_KEY)?;
    let digest = Sha1::new().chain_update(key.as_bytes()).chain_update(SERVER).finalize();
    Some(BASE64.encode(&digest))
}

/// Whether an upstream's agreement is one to what it was asked, and not somebody else's.
pub(super) fn is_accepted(answer: &HeaderMap, expected: Option<&str>) -> bool {
    let mut said = answer.get_all(SEC_WEBSOCKET_ACCEPT).iter();
    match (said.next(), said.next(), expected) {
        (Some(said), None, Some(expected)) => said.as_bytes() == expected.as_bytes(),
        _ => false,
    }
}

/// Makes of the agreement of HTTP/1.1 that of HTTP/2.
pub(super) fn agree<B>(response: &mut Response<B>) {
    *response.status_mut() = StatusCode::OK;
    let headers = response.headers_mut();
    for name in [CONNECTION, CONTENT_LENGTH, SEC_WEBSOCKET_ACCEPT, TRANSFER_ENCODING, UPGRADE] {
        headers.remove(name);
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
            assert_eq!(request.method() == Method::GET, is_taken || method == Method::GET);
            assert_eq!(request.headers().contains_key(UPGRADE), is_taken);
            assert_eq!(request.headers().contains_key(CONTENT_TYPE), !is_taken);
        }
    }

    #[test]
    fn an_agreement_is_to_the_key_that_was_sent() {
        let mut asked = HeaderMap::new();
        assert_eq!(accepts(&asked), None);
        // RFC 6455 §1.3.
        asked.insert(SEC_WEBSOCKET_KEY, HeaderValue::from_static("dGhlIHNhbXBsZSBub25jZQ=="));
        let expected = accepts(&asked);
        assert_eq!(expected.as_deref(), Some("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="));
        let cases: &[(&[&str], bool)] = &[
            (&["s3pPLMBiTxaQ9kYGzzhZRbK+xOo="], true),
            (&["s3pPLMBiTxaQ9kYGzzhZRbK+xOO="], false),
            (&["s3pPLMBiTxaQ9kYGzzhZRbK+xOo=", "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="], false),
            (&[], false),
        ];
        for (said, accepted) in cases {
            let mut answer = HeaderMap::new();
            for value in *said {
                answer.append(SEC_WEBSOCKET_ACCEPT, HeaderValue::from_static(value));
            }
            assert_eq!(is_accepted(&answer, expected.as_deref()), *accepted, "{said:?}");
            assert!(!is_accepted(&answer, None));
        }
        assert_ne!(key(), key());
        assert_eq!(key().len(), 24);
    }
}
