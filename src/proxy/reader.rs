//! What is read of HTTP/1.1, a client's requests as an upstream's answers: bytes as they come, and
//! the pieces of a body (RFC 9112 §6.3).
//!
//! INVARIANT: a body ends in one place only. One that breaks off is never made to look whole.

use std::future::Future as _;
use std::io;
use std::pin::pin;
use std::task::{Context, Poll, ready};

use bytes::{Bytes, BytesMut};
use http_body::Frame;
use tokio::io::{AsyncRead, AsyncReadExt as _};

use super::answer;
use super::chunks::{Piece, Pieces};
use super::head::Flaw;
use super::incoming::Broken;

/// What is read at once: at first, and at most as long as all of it is filled. An answer's part may
/// have to wait for a client that reads slowly, so it is not as large as a request's.
const READ: usize = 8 * 1024;
const LARGE_READ: usize = 256 * 1024;
const LARGE_ANSWER: usize = 128 * 1024;
/// What is kept of it behind a body, while nothing more may come for long.
const KEPT: usize = 64 * 1024;
/// With less room than this, a small read is not worth its while.
const LEAST_READ: usize = 1024;

/// What comes from one side.
#[derive(Debug)]
pub(super) struct Reader {
    pub(super) bytes: BytesMut,
    /// What is left of the body.
    pub(super) rest: Rest,
    room: usize,
    largest: usize,
    has_ended: bool,
}

/// What is left of a body.
#[derive(Debug)]
pub(super) enum Rest {
    Nothing,
    Length(u64),
    Chunks(Pieces),
    /// All that comes: of an answer only.
    UntilEnd,
}

/// Of somebody's room what is read at once of a head.
pub(super) fn head_room(room: &mut [u8]) -> &mut [u8] {
    room.get_mut(..READ).unwrap_or_default()
}

impl Reader {
    /// Of a client.
    pub(super) fn of_requests() -> Self {
        Self::new(LARGE_READ)
    }

    /// Of an upstream.
    pub(super) fn of_answers() -> Self {
        Self::new(LARGE_ANSWER)
    }

    fn new(largest: usize) -> Self {
        let (bytes, rest) = (BytesMut::new(), Rest::Nothing);
        Self { bytes, rest, room: READ, largest, has_ended: false }
    }

    /// Whether the other side says nothing more.
    pub(super) fn has_ended(&self) -> bool {
        self.has_ended
    }

    /// Whether all of the body was read.
    pub(super) fn is_over(&self) -> bool {
        matches!(self.rest, Rest::Nothing)
    }

    /// Whether all of the body was read, and nothing behind it.
    pub(super) fn is_empty(&self) -> bool {
        self.is_over() && self.bytes.is_empty()
    }

    /// How many bytes of the body are to come, where that is known.
    pub(super) fn left(&self) -> Option<u64> {
        match self.rest {
            Rest::Nothing => Some(0),
            Rest::Length(left) => Some(left),
            Rest::Chunks(_) | Rest::UntilEnd => None,
        }
    }

    /// What is here of a body that says how long it is.
    pub(super) fn take_first(&mut self) -> Option<Bytes> {
        match &mut self.rest {
            Rest::Length(left) if !self.bytes.is_empty() => {
                let here = usize::try_from(*left).unwrap_or(usize::MAX).min(self.bytes.len());
                *left -= here as u64;
                let is_last = *left == 0;
                // The last of it is given away: nobody has to share it. Of what is not the last, or
                // where there is room for more, the rest is read into again: else each small piece
                // would keep a whole buffer for as long as it waits.
                let spare = self.bytes.capacity() - self.bytes.len();
                let part = match is_last && here == self.bytes.len() && spare < LEAST_READ {
                    true => std::mem::take(&mut self.bytes),
                    false => self.bytes.split_to(here),
                };
                let part = part.freeze();
                if is_last {
                    self.end();
                }
                Some(part)
            }
            Rest::Nothing | Rest::Length(_) | Rest::Chunks(_) | Rest::UntilEnd => None,
        }
    }

    /// The next piece of the body. Nothing once it is whole.
    ///
    /// # Errors
    ///
    /// When it never will be.
    pub(super) fn poll_piece<R: AsyncRead + Unpin>(
        &mut self,
        from: &mut R,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Broken>>> {
        loop {
            match self.next_piece() {
                Ok(Some(Piece::Data(data))) => return Poll::Ready(Some(Ok(Frame::data(data)))),
                Ok(Some(Piece::End(trailers))) => {
                    self.end();
                    return Poll::Ready(match trailers.is_empty() {
                        true => None,
                        false => Some(answer::read_trailers(&trailers).map(Frame::trailers)),
                    });
                }
                Ok(None) if self.is_over() => return Poll::Ready(None),
                Ok(None) => {}
                Err(_) => return Poll::Ready(Some(Err(Broken))),
            }
            match ready!(self.poll_read(from, cx)) {
                Ok(0) if matches!(self.rest, Rest::UntilEnd) => self.rest = Rest::Nothing,
                Ok(0) | Err(_) => return Poll::Ready(Some(Err(Broken))),
                Ok(_) => {}
            }
        }
    }

    /// The body is whole.
    fn end(&mut self) {
        self.rest = Rest::Nothing;
        if self.room > KEPT && self.bytes.is_empty() {
            self.bytes = BytesMut::new();
            self.room = KEPT;
        }
    }

    /// What of the body is here. Nothing where more has to be read.
    fn next_piece(&mut self) -> Result<Option<Piece>, Flaw> {
        if self.bytes.is_empty() {
            return Ok(None);
        }
        match &mut self.rest {
            Rest::Nothing => Ok(None),
            Rest::Length(_) => Ok(self.take_first().map(Piece::Data)),
            Rest::Chunks(chunks) => chunks.take(&mut self.bytes),
            Rest::UntilEnd => Ok(Some(Piece::Data(self.bytes.split().freeze()))),
        }
    }

    /// Reads behind what is here.
    pub(super) fn poll_read<R: AsyncRead + Unpin>(
        &mut self,
        from: &mut R,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<usize>> {
        self.make_room();
        self.poll_fill(from, cx)
    }

    /// Notes how a read ended that somebody else did, while nothing is here.
    pub(super) fn note(&mut self, read: &io::Result<usize>) {
        self.has_ended |= matches!(read, Ok(0) | Err(_));
    }

    /// Reads what little comes of who is not expected to say anything: no room is made for more.
    pub(super) fn poll_glance<R: AsyncRead + Unpin>(
        &mut self,
        from: &mut R,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<usize>> {
        if self.bytes.capacity() == self.bytes.len() {
            self.bytes.reserve(READ);
        }
        self.poll_fill(from, cx)
    }

    fn poll_fill<R: AsyncRead + Unpin>(
        &mut self,
        from: &mut R,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<usize>> {
        let room = self.bytes.capacity() - self.bytes.len();
        let read = ready!(pin!(from.read_buf(&mut self.bytes)).poll(cx));
        self.note(&read);
        let read = read?;
        if read == room && read >= self.room / 2 {
            self.room = (self.room * 4).min(self.largest);
        } else if read < self.room / 4 {
            self.room = (self.room / 2).max(READ);
        }
        Poll::Ready(Ok(read))
    }

    /// Takes up room that nobody has any more, and makes new only where a read is worth more than
    /// what is left.
    fn make_room(&mut self) {
        let spare = self.bytes.capacity() - self.bytes.len();
        if spare < self.room / 2
            && !self.bytes.try_reclaim(self.room)
            && (spare < LEAST_READ || self.room > READ)
        {
            match self.bytes.is_empty() {
                // No larger than that, and nothing is copied.
                true => self.bytes = BytesMut::with_capacity(self.room),
                false => self.bytes.reserve(self.room),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// It may wait for long, for who does not read: then only itself is kept.
    #[test]
    fn a_small_piece_does_not_keep_a_buffer() {
        for left in [64, 65] {
            let mut reader = Reader::of_answers();
            reader.make_room();
            reader.bytes.extend_from_slice(&[b'x'; 64]);
            reader.rest = Rest::Length(left);
            let before = reader.bytes.capacity();
            assert_eq!(reader.take_first().map(|piece| piece.len()), Some(64));
            assert!(reader.bytes.capacity() >= before - 64, "{left}");
        }
        // What has no room to spare goes as a whole.
        let mut reader = Reader::of_answers();
        reader.bytes.extend_from_slice(&[b'x'; 1024]);
        reader.rest = Rest::Length(1024);
        assert_eq!(reader.take_first().map(|piece| piece.len()), Some(1024));
        assert_eq!(reader.bytes.capacity(), 0);
    }
}
