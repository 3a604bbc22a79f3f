//! The follower's side.

use std::io::{self, ErrorKind};
use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixListener;
use std::path::Path;

use tokio::net::UnixStream;
use tokio::runtime::Builder;

use super::wire::{ADMIN, DATA, DRAINING, END, HANDOVER, SERVING, VERSION, Wire};

/// The sockets of a process that runs.
#[derive(Debug)]
pub(in crate::cli) struct Taken {
    pub(in crate::cli) data: Vec<OwnedFd>,
    pub(in crate::cli) admin: TcpListener,
    pub(in crate::cli) handover: UnixListener,
    pub(in crate::cli) taking: Taking,
}

/// A process that waits for its follower to serve.
#[derive(Debug)]
pub(in crate::cli) struct Taking(Wire);

/// Asks the process that offers its sockets at `path` for them. Nothing, where nobody does.
///
/// # Errors
///
/// When what is there does not give them.
pub(in crate::cli) fn ask(path: &Path) -> io::Result<Option<Taken>> {
    let runtime = Builder::new_current_thread().enable_io().build()?;
    let wire = runtime.block_on(async {
        match UnixStream::connect(path).await {
            Ok(stream) => Wire::new(stream).map(Some),
            Err(error) => match error.kind() {
                ErrorKind::NotFound | ErrorKind::ConnectionRefused => Ok(None),
                _ => Err(error),
            },
        }
    });
    let Some(wire) = wire? else { return Ok(None) };
    wire.say(VERSION)?;
    let (mut data, mut admin, mut handover) = (Vec::new(), None, None);
    loop {
        match wire.hear()? {
            (DATA, Some(socket)) => data.push(socket),
            (ADMIN, Some(socket)) => admin = Some(TcpListener::from(socket)),
            (HANDOVER, Some(socket)) => handover = Some(UnixListener::from(socket)),
            (END, None) => break,
            _ => return Err(io::Error::new(ErrorKind::InvalidData, "it speaks another language")),
        }
    }
    let (Some(admin), Some(handover)) = (admin, handover) else {
        return Err(io::Error::new(ErrorKind::InvalidData, "it gave not all of its sockets"));
    };
    Ok(Some(Taken { data, admin, handover, taking: Taking(wire) }))
}

impl Taking {
    /// Lets the other process drain: this one serves.
    ///
    /// # Errors
    ///
    /// When it has gone, or does not answer. This one serves all the same.
    pub(in crate::cli) fn serving(self) -> io::Result<()> {
        self.0.say(SERVING)?;
        self.0.expect(DRAINING)
    }
}
