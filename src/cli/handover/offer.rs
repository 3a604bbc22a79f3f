//! The side of the process that runs.

use std::io;
use std::net::TcpListener;
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::wire::{self, ADMIN, DATA, DRAINING, END, HANDOVER, SERVING, VERSION, Wire};
use crate::proxy::{SocketFile, listen_at};

/// Who may ask: this user.
const MODE: u32 = 0o600;
/// How long the offer rests when the process has no file left for a connection.
const RESPITE: Duration = Duration::from_millis(100);

/// A handle of every listener, for who follows.
#[derive(Debug)]
pub(in crate::cli) struct Shares {
    pub(in crate::cli) data: Vec<OwnedFd>,
    pub(in crate::cli) admin: TcpListener,
}

/// What a process that runs offers to who follows it.
#[derive(Debug)]
pub(in crate::cli) struct Offer {
    listener: UnixListener,
    file: Option<SocketFile>,
    shares: Arc<Shares>,
    given: Arc<AtomicBool>,
}

impl Offer {
    /// At a path where nobody offers anything.
    ///
    /// # Errors
    ///
    /// When the socket cannot be made.
    pub(in crate::cli) fn new(path: &Path, shares: Shares) -> io::Result<Self> {
        Self::again(path, listen_at(path, MODE)?, shares)
    }

    /// At the socket of the process that was followed.
    ///
    /// # Errors
    ///
    /// When the socket cannot be used.
    pub(in crate::cli) fn again(
        path: &Path,
        listener: UnixListener,
        shares: Shares,
    ) -> io::Result<Self> {
        listener.set_nonblocking(true)?;
        let (shares, given) = (Arc::new(shares), Arc::default());
        Ok(Self { listener, file: SocketFile::at(path), shares, given })
    }

    /// Whether another process has the sockets, or is about to, though it does not serve yet.
    pub(in crate::cli) fn given(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.given)
    }

    /// Waits until another process has taken over. Where that breaks off, this one goes on.
    ///
    /// # Errors
    ///
    /// When the socket cannot be used in this runtime.
    pub(in crate::cli) async fn next(self) -> io::Result<i32> {
        let listener = tokio::net::UnixListener::from_std(self.listener.try_clone()?)?;
        let listener_again = Arc::new(self.listener);
        loop {
            let asked = match listener.accept().await {
                Ok((stream, _)) => {
                    let (shares, again) = (Arc::clone(&self.shares), Arc::clone(&listener_again));
                    tracing::info!("another process asks for the sockets");
                    self.given.store(true, Ordering::Relaxed);
                    give(stream, shares, again).await
                }
                Err(error) => {
                    tokio::time::sleep(RESPITE).await;
                    Err(error)
                }
            };
            match asked {
                Ok(pid) => {
                    self.file.iter().for_each(SocketFile::leave);
                    return Ok(pid);
                }
                Err(error) => {
                    self.given.store(false, Ordering::Relaxed);
                    tracing::warn!(%error, "the sockets were not taken over: this process serves on");
                }
            }
        }
    }
}

async fn give(
    stream: tokio::net::UnixStream,
    shares: Arc<Shares>,
    listener: Arc<UnixListener>,
) -> io::Result<i32> {
    let pid = wire::pid(&stream.peer_cred()?);
    let wire = Wire::new(stream)?;
    let talk = move || {
        wire.expect(VERSION)?;
        shares.data.iter().try_for_each(|socket| wire.give(DATA, socket.as_fd()))?;
        wire.give(ADMIN, shares.admin.as_fd())?;
        wire.give(HANDOVER, listener.as_fd())?;
        wire.say(END)?;
        wire.expect(SERVING)?;
        // It serves, whether or not it still hears this.
        let _ = wire.say(DRAINING);
        Ok(pid)
    };
    tokio::task::spawn_blocking(talk).await.map_err(io::Error::other)?
}
