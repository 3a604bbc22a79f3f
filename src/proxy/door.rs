//! A connection before its first request: TLS where clients speak it, and which HTTP follows.

use std::future::poll_fn;
use std::io;
use std::net::IpAddr;
use std::rc::Rc;

use bytes::Bytes;
use tokio::io::{AsyncReadExt as _, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;

use super::activity::Activity;
use super::connection;
use super::frames::PREFACE;
use super::origin;
use super::respond;
use super::transport::Transport;
use super::worker::Worker;
use crate::telemetry::HandshakeErrorKind;

/// The first byte of a TLS handshake (RFC 8446 §5.1).
const HANDSHAKE: u8 = 22;

/// Who connected, and how.
#[derive(Debug, Clone)]
pub(super) struct Peer {
    /// Nothing, where it is a process on this machine that came by a Unix socket.
    address: Option<Rc<str>>,
    is_secure: bool,
    is_trusted: bool,
}

impl Peer {
    pub(super) fn new(address: IpAddr, is_secure: bool, is_trusted: bool) -> Self {
        Self { address: Some(address.to_string().into()), is_secure, is_trusted }
    }

    /// Who came by a Unix socket, here or at a proxy: no network has it, so none that is trusted.
    pub(super) fn local(is_secure: bool) -> Self {
        Self { address: None, is_secure, is_trusted: false }
    }

    /// As the log tells of it.
    pub(super) fn text(&self) -> &str {
        self.address.as_deref().unwrap_or("unix")
    }

    /// As upstreams are told of it.
    pub(super) fn forwarded(&self) -> Option<&str> {
        self.address.as_deref()
    }

    /// Whether its forwarding fields are kept.
    pub(super) fn is_trusted(&self) -> bool {
        self.is_trusted
    }

    /// Whether it is taken at its word for where its connections come from. To a Unix socket, only
    /// those connect who may write to its file.
    pub(super) fn may_speak_for_others(&self) -> bool {
        self.is_trusted || self.address.is_none()
    }

    /// The scheme of its requests.
    pub(super) fn scheme(&self) -> &'static str {
        if self.is_secure { "https" } else { "http" }
    }
}

/// What a connection speaks and whose it is, once that is known. Nothing, where there is nobody to
/// speak with.
pub(super) async fn open(
    worker: &Worker,
    mut transport: Transport,
    mut peer: Peer,
) -> Option<(Transport, Protocol, Peer)> {
    if worker.is_told_of_origins() {
        let name = peer.clone();
        match origin::read(worker, &mut transport, peer).await {
            Ok(origin) => peer = origin,
            Err(kind) => {
                worker.meters().origin_failed(kind);
                tracing::debug!(peer = name.text(), kind = kind.code(), "proxy header refused");
                return None;
            }
        }
    }
    let (transport, protocol) = speak(worker, transport, &peer).await?;
    Some((transport, protocol, peer))
}

async fn speak(
    worker: &Worker,
    transport: Transport,
    peer: &Peer,
) -> Option<(Transport, Protocol)> {
    let is_secure = peer.is_secure;
    let transport = if is_secure {
        match secure(worker, transport).await {
            Ok(transport) => transport,
            Err(kind) => {
                worker.meters().handshake_failed(kind);
                tracing::debug!(peer = peer.text(), kind = kind.code(), "tls handshake failed");
                return None;
            }
        }
    } else {
        transport
    };
    match transport.has_agreed_on_http2() {
        true => Some((transport, Protocol::Http2)),
        false if is_secure => Some((transport, Protocol::Http1)),
        false => listen(worker, transport, peer).await,
    }
}

/// Which HTTP a connection speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Protocol {
    Http1,
    Http2,
}

impl Protocol {
    /// By what a client said first (RFC 9113 §3.3). Nothing, while it can be either.
    fn of(bytes: &[u8]) -> Option<Self> {
        if bytes.starts_with(PREFACE) {
            Some(Self::Http2)
        } else if PREFACE.starts_with(bytes) {
            None
        } else {
            Some(Self::Http1)
        }
    }
}

/// Waits for a client's first bytes. Nothing, where none come that are enough.
async fn listen(
    worker: &Worker,
    mut transport: Transport,
    peer: &Peer,
) -> Option<(Transport, Protocol)> {
    let mut first = [0; PREFACE.len()];
    let look = async {
        match poll_fn(|cx| transport.poll_peek(cx, &mut ReadBuf::new(&mut first))).await {
            Err(error) if error.kind() == io::ErrorKind::Unsupported => {
                transport.read(&mut first).await.map(|taken| (taken, taken))
            }
            seen => seen.map(|seen| (seen, 0)),
        }
    };
    let (seen, taken) = tokio::select! {
        biased;
        seen = look => seen.ok().filter(|(seen, _)| *seen > 0)?,
        () = tokio::time::sleep(worker.timeouts().idle) => return None,
        () = worker.drain().lingered() => return None,
    };
    if let Some(protocol) = Protocol::of(first.get(..seen)?) {
        let taken = Bytes::copy_from_slice(first.get(..taken)?);
        return Some((transport.put_back(taken), protocol));
    }
    // A few bytes that both may begin with: they are taken, as what is only looked at would be
    // there at each look.
    let activity = Activity::new(peer.clone());
    let mut had = taken;
    let decide = async {
        loop {
            let length = transport.read(first.get_mut(had..)?).await.ok()?;
            had += length;
            // An end within it is seen by who reads on.
            let protocol = if length == 0 { Some(Protocol::Http1) } else { None };
            let protocol = protocol.or_else(|| Protocol::of(first.get(..had).unwrap_or_default()));
            if protocol.is_some() {
                return protocol;
            }
        }
    };
    match tokio::time::timeout(worker.timeouts().header, decide).await {
        Ok(protocol) => {
            let taken = Bytes::copy_from_slice(first.get(..had)?);
            Some((transport.put_back(taken), protocol?))
        }
        Err(_) => {
            connection::refuse_slow_head(worker, &mut transport, &activity);
            None
        }
    }
}

async fn secure(worker: &Worker, transport: Transport) -> Result<Transport, HandshakeErrorKind> {
    let (Some(config), Some(stream)) = (worker.generation().tls.clone(), transport.into_tcp())
    else {
        return Err(HandshakeErrorKind::Incompatible);
    };
    let handshake = async {
        let mut first = [0];
        poll_fn(|cx| stream.poll_peek(cx, &mut ReadBuf::new(&mut first)))
            .await
            .map_err(|_| HandshakeErrorKind::Closed)?;
        // Those who speak HTTP begin with a method's name.
        if first[0] != HANDSHAKE && first[0].is_ascii_alphabetic() {
            turn_away(&stream);
            return Err(HandshakeErrorKind::Plain);
        }
        let accepted = TlsAcceptor::from(config).accept(stream).await;
        let stream = accepted.map_err(|error| kind_of(&error))?;
        Ok(tokio_rustls::TlsStream::from(stream).into())
    };
    let handshake = tokio::time::timeout(worker.timeouts().handshake, handshake);
    handshake.await.unwrap_or(Err(HandshakeErrorKind::Timeout))
}

/// Tells somebody who has come to the wrong port.
fn turn_away(stream: &TcpStream) {
    let id = format!("{:032x}", fastrand::u128(..));
    let text = respond::raw("400 Bad Request", "this port speaks HTTPS, not HTTP", &id);
    let _ = stream.try_write(text.as_bytes());
    // What it has sent is taken: closing before that would reset the connection, and the answer.
    let _ = stream.try_read(&mut [0; 4096]);
}

fn kind_of(error: &io::Error) -> HandshakeErrorKind {
    use rustls::Error;
    let Some(error) = error.get_ref().and_then(|error| error.downcast_ref::<Error>()) else {
        return HandshakeErrorKind::Closed;
    };
    match error {
        Error::AlertReceived(_) => HandshakeErrorKind::Alert,
        Error::InvalidCertificate(_) | Error::NoCertificatesPresented => {
            HandshakeErrorKind::ClientCertificate
        }
        Error::NoApplicationProtocol | Error::PeerIncompatible(_) => {
            HandshakeErrorKind::Incompatible
        }
        // rustls' own word for a resolver that has nothing to show.
        Error::General(_) => HandshakeErrorKind::Incompatible,
        _ => HandshakeErrorKind::Protocol,
    }
}
