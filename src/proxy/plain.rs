//! Plain TCP, read and written by the kernel's own calls.
//!
//! Those of the C library are points where a thread can be cancelled: in a process of many threads
//! each of them pays for that, and nobody cancels one here.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use rustix::net::{RecvFlags, SendFlags, recv, send};
use tokio::io::{AsyncRead, Interest, ReadBuf};
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

/// Reads what is there of anything else.
///
/// # Errors
///
/// When the connection is broken.
pub(super) fn poll_other<R: AsyncRead + Unpin>(
    from: &mut R,
    room: &mut [u8],
    cx: &mut Context<'_>,
) -> Poll<io::Result<usize>> {
    let mut room = ReadBuf::new(room);
    ready!(Pin::new(from).poll_read(cx, &mut room))?;
    Poll::Ready(Ok(room.filled().len()))
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

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use tokio::net::TcpListener;
    use tokio::runtime::Builder;

    use super::*;

    /// Both ends of a connection.
    async fn pair() -> (TcpStream, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let near = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        (near, listener.accept().await.unwrap().0)
    }

    fn run(test: impl Future<Output = ()>) {
        Builder::new_current_thread().enable_io().build().unwrap().block_on(test);
    }

    async fn received(stream: &TcpStream, room: usize) -> io::Result<Vec<u8>> {
        let mut room = vec![0; room];
        let length = poll_fn(|cx| poll_recv(stream, &mut room, cx)).await?;
        room.truncate(length);
        Ok(room)
    }

    async fn sent(stream: &TcpStream, bytes: &[u8]) -> usize {
        poll_fn(|cx| poll_send(stream, bytes, cx)).await.unwrap()
    }

    /// Whoever had all that there was is woken by what comes next, and by the end, whether that is
    /// there already or comes later.
    #[test]
    fn what_comes_later_is_heard() {
        run(async {
            for room in [1, 5, 6, 64] {
                let (near, far) = pair().await;
                for _ in 0..3 {
                    let (read, ()) = tokio::join!(
                        async {
                            let mut read = Vec::new();
                            while read.len() < 5 {
                                read.extend(received(&near, room).await.unwrap());
                            }
                            read
                        },
                        async {
                            tokio::task::yield_now().await;
                            assert_eq!(sent(&far, b"hello").await, 5);
                        }
                    );
                    assert_eq!(read, b"hello", "{room}");
                }
                assert_eq!(sent(&far, b"end").await, 3);
                drop(far);
                let mut read = Vec::new();
                while let Some(part) = received(&near, room).await.ok().filter(|it| !it.is_empty())
                {
                    read.extend(part);
                }
                assert_eq!(read, b"end", "{room}");
            }
        });
    }

    /// Whoever had no room left is woken when there is some.
    #[test]
    fn all_is_sent_to_who_reads_late() {
        const ALL: usize = 16 << 20;
        run(async {
            let (near, far) = pair().await;
            let part = vec![b'x'; 1 << 20];
            let sending = async {
                let mut left = ALL;
                while left > 0 {
                    left -= sent(&near, &part[..left.min(part.len())]).await;
                }
                drop(near);
            };
            let receiving = async {
                let mut read = 0;
                loop {
                    tokio::task::yield_now().await;
                    match received(&far, 100_000).await.unwrap().len() {
                        0 => break read,
                        length => read += length,
                    }
                }
            };
            assert_eq!(tokio::join!(sending, receiving).1, ALL);
        });
    }

    #[test]
    fn a_connection_that_is_broken_is_an_error() {
        run(async {
            let (near, far) = pair().await;
            far.set_zero_linger().unwrap();
            drop(far);
            let error = received(&near, 8).await.unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
            let error = poll_fn(|cx| poll_send(&near, b"x", cx)).await.unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::BrokenPipe);
        });
    }
}
