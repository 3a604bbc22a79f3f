//! A client's socket as hyper serves it: what comes is checked, and what goes is watched.

use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_util::rt::TokioIo;

use super::activity::{Activity, Phase};
use super::head::Flaw;
use super::inlet::{Checked, Inlet};
use super::respond;
use super::socket::Socket;
use super::transport::Transport;
use crate::clock;

/// The socket that hyper serves.
#[derive(Debug)]
pub(super) struct ClientIo {
    socket: Socket<Transport>,
    inlet: Inlet,
    activity: Rc<Activity>,
    /// What is left of an answer before the answer that is being written.
    hint: Vec<u8>,
}

impl ClientIo {
    pub(super) fn new(stream: Transport, activity: Rc<Activity>) -> Self {
        let inlet = Inlet::new(Rc::clone(&activity));
        Self { socket: Socket::new(stream), inlet, activity, hint: Vec::new() }
    }

    /// The socket, and what was read from it and not given to hyper.
    pub(super) fn into_parts(self) -> (Transport, Bytes) {
        (self.socket.into_stream(), self.inlet.into_beyond())
    }

    /// What is written while a head is read is hyper's own answer to it: it is said in our words.
    fn refusal(&self, bytes: &[u8]) -> Option<String> {
        // What the client has not taken yet is of an answer before.
        if self.activity.phase() != Phase::Head || self.activity.stalled().is_some() {
            return None;
        }
        let status = match bytes.strip_prefix(b"HTTP/1.1 ")?.get(..3)? {
            b"400" => "400 Bad Request",
            b"414" => "414 URI Too Long",
            b"431" => "431 Request Header Fields Too Large",
            _ => return None,
        };
        let detail = self.activity.flaw().map_or("the request's head cannot be read", Flaw::detail);
        Some(respond::raw(status, detail, &self.activity.id()))
    }

    fn write_refusal(
        &mut self,
        cx: &mut Context<'_>,
        text: &str,
        said: usize,
    ) -> Poll<io::Result<usize>> {
        let poll = Pin::new(&mut self.socket).poll_write(cx, text.as_bytes());
        self.wrote(&poll);
        // A few hundred bytes on a connection that has nothing else to write: they go whole.
        poll.map_ok(|_| said)
    }

    /// Writes the rest of a hint that is begun.
    fn poll_hint(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.hint.is_empty() {
            let poll = Pin::new(&mut self.socket).poll_write(cx, &self.hint);
            self.wrote(&poll);
            match ready!(poll)? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                written => drop(self.hint.drain(..written)),
            }
        }
        Poll::Ready(Ok(()))
    }

    fn wrote<T>(&self, poll: &Poll<T>) {
        let since = || self.activity.stalled().or_else(|| Some(clock::instant()));
        self.activity.set_stalled(if poll.is_pending() { since() } else { None });
    }
}

impl Read for ClientIo {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        let Self { socket, inlet, .. } = self.get_mut();
        Pin::new(&mut TokioIo::new(Checked(inlet, socket.stream()))).poll_read(cx, buffer)
    }
}

impl Write for ClientIo {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        ready!(self.poll_hint(cx))?;
        if let Some(text) = self.refusal(bytes) {
            return self.write_refusal(cx, &text, bytes.len());
        }
        let poll = Pin::new(&mut self.socket).poll_write(cx, bytes);
        self.wrote(&poll);
        poll
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        ready!(self.poll_hint(cx))?;
        if let Some(text) = bytes.first().and_then(|first| self.refusal(first)) {
            let said = bytes.iter().map(|part| part.len()).sum();
            return self.write_refusal(cx, &text, said);
        }
        let poll = Pin::new(&mut self.socket).poll_write_vectored(cx, bytes);
        self.wrote(&poll);
        poll
    }

    fn is_write_vectored(&self) -> bool {
        self.socket.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        // hyper has written all that it had: one message has ended, and none has begun.
        if self.hint.is_empty()
            && let Some(hint) = self.activity.take_hint()
        {
            self.hint = hint;
        }
        ready!(self.poll_hint(cx))?;
        Pin::new(&mut self.socket).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_shutdown(cx)
    }
}
