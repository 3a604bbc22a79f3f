//! One direction of a tunnel.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Instant;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::farewell::Frames;
use crate::clock;

/// One direction.
#[derive(Debug)]
pub(super) struct Way {
    /// What was read and could not be written yet.
    left: Vec<u8>,
    written: usize,
    state: State,
    frames: Frames,
    /// What is said where the next frame ends, and then nothing more.
    last_words: Option<Box<[u8]>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Open,
    /// All was read; its end is to be said.
    Ending,
    Ended,
}

impl Way {
    /// `first` was read already.
    pub(super) fn new(first: &[u8]) -> Self {
        let mut frames = Frames::default();
        frames.follow(first);
        Self { left: first.to_vec(), written: 0, state: State::Open, frames, last_words: None }
    }

    /// Ends the way with these words, as soon as the frame that is on it is whole.
    pub(super) fn end_with(&mut self, words: &[u8]) {
        self.last_words = Some(words.into());
    }

    /// Carries what there is. Ready when the way has ended. One that fails has ended, too: what was
    /// said on the other before it failed, such as why, is still carried.
    pub(super) fn poll(
        &mut self,
        cx: &mut Context<'_>,
        from: &mut (impl AsyncRead + Unpin),
        to: &mut (impl AsyncWrite + Unpin),
        scratch: &mut [u8],
        last: &mut Instant,
    ) -> Poll<()> {
        if ready!(self.carry(cx, from, to, scratch, last)).is_err() {
            self.state = State::Ended;
            self.left = Vec::new();
        }
        Poll::Ready(())
    }

    fn carry(
        &mut self,
        cx: &mut Context<'_>,
        from: &mut (impl AsyncRead + Unpin),
        to: &mut (impl AsyncWrite + Unpin),
        scratch: &mut [u8],
        last: &mut Instant,
    ) -> Poll<io::Result<()>> {
        loop {
            while let Some(rest) = self.left.get(self.written..).filter(|rest| !rest.is_empty()) {
                self.written += written(ready!(Pin::new(&mut *to).poll_write(cx, rest)))?;
                *last = clock::instant();
            }
            // An idle tunnel keeps nothing.
            (self.left, self.written) = (Vec::new(), 0);
            if self.state == State::Ending {
                ready!(Pin::new(&mut *to).poll_shutdown(cx))?;
                self.state = State::Ended;
            }
            if self.state == State::Ended {
                return Poll::Ready(Ok(()));
            }
            if let Some(words) = self.last_words.take_if(|_| self.frames.is_between()) {
                self.left = words.into();
                self.state = State::Ending;
                continue;
            }
            let mut buffer = ReadBuf::new(scratch);
            let read = match Pin::new(&mut *from).poll_read(cx, &mut buffer) {
                Poll::Pending => {
                    ready!(Pin::new(&mut *to).poll_flush(cx))?;
                    return Poll::Pending;
                }
                Poll::Ready(Ok(())) => buffer.filled(),
                Poll::Ready(Err(_)) => &[],
            };
            *last = clock::instant();
            if read.is_empty() {
                self.state = State::Ending;
                continue;
            }
            let read = match self.last_words {
                None => {
                    self.frames.follow(read);
                    read
                }
                Some(_) => read.get(..self.frames.follow_one(read)).unwrap_or_default(),
            };
            let sent = match Pin::new(&mut *to).poll_write(cx, read) {
                Poll::Ready(result) => written(result)?,
                Poll::Pending => 0,
            };
            self.left.extend_from_slice(read.get(sent..).unwrap_or_default());
        }
    }
}

/// A socket that takes nothing will never take more.
fn written(result: io::Result<usize>) -> io::Result<usize> {
    match result {
        Ok(0) => Err(io::ErrorKind::WriteZero.into()),
        result => result,
    }
}
