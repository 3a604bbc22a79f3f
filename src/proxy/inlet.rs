//! What a client sends, cut into messages before hyper sees it.
//!
//! INVARIANT: hyper is given the bytes of one message at a time, and those of the next when the
//! request before has its answer. What is refused never has an end that hyper could take for one.

use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use tokio::io::{AsyncRead, ReadBuf};

use super::activity::Activity;
use super::chunks::Chunks;
use super::head::{Flaw, Framing, Head};
use super::transport::Transport;

/// What hyper gets for a head that is refused, wherever in it that is: the end of one that it must
/// refuse itself. So a refusal takes the same way out whoever found it.
const REFUSED: &[u8] = b"\0\r\n\r\n";

/// The messages of a connection.
#[derive(Debug)]
pub(super) struct Inlet {
    head: Head,
    due: Due,
    activity: Rc<Activity>,
    /// What was read behind a message whose request is not over.
    beyond: Bytes,
}

/// What the next byte is part of.
#[derive(Debug)]
enum Due {
    Head,
    Body(u64),
    Chunks(Chunks),
    /// What was let through is the last: this is said next.
    Refusal {
        flaw: Flaw,
        in_head: bool,
    },
    End,
}

/// An inlet and its socket, for one read. tokio's trait lets what was read be seen where hyper will
/// find it: nothing is copied but what hyper has to wait for.
pub(super) struct Checked<'i>(pub(super) &'i mut Inlet, pub(super) &'i mut Transport);

impl AsyncRead for Checked<'_> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let Self(inlet, stream) = &mut *self;
        inlet.poll_read(stream, cx, buffer)
    }
}

impl Inlet {
    pub(super) fn new(activity: Rc<Activity>) -> Self {
        Self { head: Head::default(), due: Due::Head, activity, beyond: Bytes::new() }
    }

    /// What was read and is not hyper's.
    pub(super) fn into_beyond(self) -> Bytes {
        self.beyond
    }

    /// How many of the bytes may be read now. Where there are more, none of them may, or they are
    /// refused.
    fn admit(&mut self, bytes: &[u8]) -> usize {
        let mut rest = bytes;
        while !rest.is_empty() {
            match self.advance(rest) {
                Ok(0) => break,
                Ok(taken) => rest = rest.get(taken..).unwrap_or_default(),
                Err(flaw) => {
                    let in_head = matches!(self.due, Due::Head);
                    self.due = Due::Refusal { flaw, in_head };
                    break;
                }
            }
        }
        bytes.len() - rest.len()
    }

    /// How many of the bytes are of the part that is due.
    fn advance(&mut self, bytes: &[u8]) -> Result<usize, Flaw> {
        let (taken, is_over) = match &mut self.due {
            Due::Head if self.activity.is_engaged() => (0, false),
            Due::Head => {
                self.activity.head_came();
                let Some((end, framing)) = self.head.read(bytes)? else { return Ok(bytes.len()) };
                self.activity.engage();
                match framing {
                    Framing::Length(0) => {}
                    Framing::Length(length) => self.due = Due::Body(length),
                    Framing::Chunked => self.due = Due::Chunks(Chunks::new()),
                }
                (end, false)
            }
            Due::Body(left) => {
                let here = usize::try_from(*left).unwrap_or(usize::MAX).min(bytes.len());
                *left -= here as u64;
                (here, *left == 0)
            }
            Due::Chunks(chunks) => match chunks.read(bytes)? {
                Some(end) => (end, true),
                None => (bytes.len(), false),
            },
            Due::Refusal { .. } | Due::End => (0, false),
        };
        if is_over {
            self.due = Due::Head;
        }
        Ok(taken)
    }

    /// Fills `buffer` with what may be read.
    fn poll_read(
        &mut self,
        stream: &mut Transport,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.due {
            Due::Refusal { flaw, in_head } => {
                return Poll::Ready(self.refuse(flaw, in_head, buffer));
            }
            Due::End => return Poll::Ready(Ok(())),
            Due::Head | Due::Body(_) | Due::Chunks(_) => {}
        }
        let admitted = if self.beyond.is_empty() {
            let from = buffer.filled().len();
            ready!(Pin::new(stream).poll_read(cx, buffer))?;
            let read = buffer.filled().get(from..).unwrap_or_default();
            if read.is_empty() {
                return Poll::Ready(Ok(()));
            }
            let admitted = self.admit(read);
            if let Some(beyond) = read.get(admitted..).filter(|beyond| !beyond.is_empty()) {
                self.beyond = Bytes::copy_from_slice(beyond);
                buffer.set_filled(from + admitted);
            }
            admitted
        } else {
            let part = self.beyond.slice(..self.beyond.len().min(buffer.remaining()));
            let admitted = self.admit(&part);
            buffer.put_slice(&self.beyond.split_to(admitted));
            admitted
        };
        match self.due {
            _ if admitted > 0 => {
                self.activity.heard();
                Poll::Ready(Ok(()))
            }
            Due::Refusal { flaw, in_head } => Poll::Ready(self.refuse(flaw, in_head, buffer)),
            _ => {
                self.activity.await_turn(cx.waker());
                Poll::Pending
            }
        }
    }

    fn refuse(&mut self, flaw: Flaw, in_head: bool, buffer: &mut ReadBuf<'_>) -> io::Result<()> {
        self.beyond.clear();
        self.due = Due::End;
        if in_head && buffer.remaining() >= REFUSED.len() {
            self.activity.refuse(flaw);
            buffer.put_slice(REFUSED);
            return Ok(());
        }
        // As hyper says it of a body that it cannot read.
        Err(io::Error::new(io::ErrorKind::InvalidData, flaw.detail()))
    }
}
