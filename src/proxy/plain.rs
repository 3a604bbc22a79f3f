//! Plain TCP, read and written by the kernel's own calls.
//!
//! Those of the C library are points where a thread can be cancelled: in a process of many threads
//! each of them pays for that, and nobody cancels one here.

use std::io;
use std::task::{Context, Poll, ready};

use rustix::net::{RecvFlags, SendFlags, recv, send};
use tokio::io::Interest;
use tokio::net::TcpStream;

/// Reads what is there. Nothing was read where the other side says nothing more.
///
/// # Errors
///
/// When the connection is broken.
pub(super) fn poll_recv(
    stream: &TcpStream,
    room: &mut [u8],
    cx: &mut Context<'_>,
) -> Poll<io::Result<usize>> {
    loop {
        ready!(stream.poll_read_ready(cx))?;
        let length = room.len();
        let read = || Ok(recv(stream, &mut *room, RecvFlags::empty())?.1);
        if let Some(read) = tried(stream, Interest::READABLE, length, read)? {
            return Poll::Ready(Ok(read));
        }
    }
}

/// Writes as much as there is room for.
///
/// # Errors
///
/// When the connection is broken.
pub(super) fn poll_send(
    stream: &TcpStream,
    bytes: &[u8],
    cx: &mut Context<'_>,
) -> Poll<io::Result<usize>> {
    loop {
        ready!(stream.poll_write_ready(cx))?;
        let write = || Ok(send(stream, bytes, SendFlags::NOSIGNAL)?);
        if let Some(written) = tried(stream, Interest::WRITABLE, bytes.len(), write)? {
            return Poll::Ready(Ok(written));
        }
    }
}

/// How much was done of so much. Nothing where the socket was not ready after all.
fn tried(
    stream: &TcpStream,
    interest: Interest,
    most: usize,
    act: impl FnOnce() -> io::Result<usize>,
) -> io::Result<Option<usize>> {
    let mut done = None;
    let tried = stream.try_io(interest, || {
        let length = act()?;
        done = Some(length);
        // There was no more: that is noted, and not asked for.
        if 0 < length && length < most { Err(io::ErrorKind::WouldBlock.into()) } else { Ok(()) }
    });
    match tried {
        Err(error) if done.is_none() && error.kind() != io::ErrorKind::WouldBlock => Err(error),
        _ => Ok(done),
    }
}
