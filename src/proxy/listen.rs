//! Where clients connect: an IP address, or a Unix socket.

use std::cell::Cell;
use std::fmt;
use std::fs::{self, Metadata, Permissions};
use std::io::{self, Error, ErrorKind};
use std::net::{IpAddr, SocketAddr, TcpListener};
use std::os::fd::OwnedFd;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, PermissionsExt as _};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::task::{Context, Poll, ready};

use socket2::{Domain, Protocol, SockAddr, SockFilter, SockRef, Socket, Type};

use super::transport::Transport;

/// Connections that the kernel holds for a worker that is busy.
const BACKLOG: i32 = 1024;

/// Where clients connect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Address {
    /// A Unix socket without a file, by its name.
    Abstract(String),
    /// TCP.
    Ip(SocketAddr),
    /// A Unix socket and the mode of its file: who may write to it may connect.
    Unix(PathBuf, u32),
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Abstract(name) => write!(f, "unix:@{name}"),
            Self::Ip(address) => address.fmt(f),
            Self::Unix(path, _) => write!(f, "unix:{}", path.display()),
        }
    }
}

impl Address {
    /// The IP address, where it is one.
    pub fn ip(&self) -> Option<SocketAddr> {
        match self {
            Self::Ip(address) => Some(*address),
            Self::Abstract(_) | Self::Unix(..) => None,
        }
    }

    /// A listener for each of so many workers, or one for all of them, and the address as it came to
    /// be.
    pub(super) fn bind(&self, workers: usize) -> io::Result<(Self, Vec<Listening>)> {
        match self {
            Self::Ip(address) => {
                let mut address = *address;
                let mut listening = Vec::with_capacity(workers);
                for _ in 0..workers {
                    let socket = listen(address)?;
                    // Port 0 is the kernel's choice: the others follow the first.
                    address = socket.local_addr()?;
                    listening.push(Listening::Ip(socket));
                }
                Ok((Self::Ip(address), listening))
            }
            Self::Abstract(name) => {
                let socket = unix()?;
                socket.bind(&SockAddr::unix(format!("\0{name}"))?)?;
                socket.listen(BACKLOG)?;
                Ok((self.clone(), vec![Listening::Unix(socket.into())]))
            }
            Self::Unix(path, mode) => {
                Ok((self.clone(), vec![Listening::Unix(listen_at(path, *mode)?)]))
            }
        }
    }
}

/// One of any number of listeners on the address, all of one user.
pub(super) fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

fn unix() -> io::Result<Socket> {
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    socket.set_nonblocking(true)?;
    Ok(socket)
}

/// A listener on a Unix socket's path. A file of one that nobody listens on is replaced.
pub(crate) fn listen_at(path: &Path, mode: u32) -> io::Result<UnixListener> {
    remove_stale(path)?;
    let socket = unix()?;
    socket.bind(&SockAddr::unix(path)?)?;
    // Before `listen`, nobody can connect.
    fs::set_permissions(path, Permissions::from_mode(mode))?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

/// Removes what a process has left that listens no more, and nothing else.
fn remove_stale(path: &Path) -> io::Result<()> {
    let found = match fs::symlink_metadata(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        found => found?,
    };
    if !found.file_type().is_socket() {
        return Err(Error::new(ErrorKind::AlreadyExists, "there is a file that is not a socket"));
    }
    match unix()?.connect(&SockAddr::unix(path)?) {
        Err(error) if error.kind() == ErrorKind::ConnectionRefused => fs::remove_file(path),
        Err(error) if error.kind() == ErrorKind::PermissionDenied => Err(error),
        // Taken, or its backlog is full.
        _ => Err(ErrorKind::AddrInUse.into()),
    }
}

/// The file of a socket: it goes when the socket does, unless another has come in its place or
/// somebody else has the socket.
#[derive(Debug)]
pub(crate) struct SocketFile {
    path: PathBuf,
    identity: (u64, u64),
    is_ours: Cell<bool>,
}

impl SocketFile {
    pub(super) fn of(address: &Address) -> Option<Self> {
        let Address::Unix(path, _) = address else { return None };
        Self::at(path)
    }

    /// Of the socket that is there.
    pub(crate) fn at(path: &Path) -> Option<Self> {
        let identity = identity(&fs::symlink_metadata(path).ok()?);
        Some(Self { path: path.to_owned(), identity, is_ours: Cell::new(true) })
    }

    /// The file stays.
    pub(crate) fn leave(&self) {
        self.is_ours.set(false);
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        if !self.is_ours.get() {
            return;
        }
        if fs::symlink_metadata(&self.path).is_ok_and(|found| identity(&found) == self.identity) {
            let _ = fs::remove_file(&self.path);
        }
    }
}

fn identity(found: &Metadata) -> (u64, u64) {
    (found.dev(), found.ino())
}

/// A listener, before its worker has a runtime.
#[derive(Debug)]
pub(super) enum Listening {
    Ip(TcpListener),
    Unix(UnixListener),
}

impl Listening {
    /// Another handle of the same socket.
    pub(super) fn again(&self) -> io::Result<Self> {
        Ok(match self {
            Self::Ip(socket) => Self::Ip(socket.try_clone()?),
            Self::Unix(socket) => Self::Unix(socket.try_clone()?),
        })
    }
}

impl From<Listening> for OwnedFd {
    fn from(listening: Listening) -> Self {
        match listening {
            Listening::Ip(socket) => socket.into(),
            Listening::Unix(socket) => socket.into(),
        }
    }
}

/// A worker's listeners: one, mostly.
#[derive(Debug)]
pub(super) struct Listener {
    sockets: Vec<Open>,
    /// Whose turn it is: none of them waits for the others to have nothing.
    next: Cell<usize>,
}

#[derive(Debug)]
enum Open {
    Ip(tokio::net::TcpListener),
    Unix(tokio::net::UnixListener),
}

impl Listener {
    /// Within a runtime.
    pub(super) fn new(listening: Vec<Listening>) -> io::Result<Self> {
        let open = |listening| {
            Ok(match listening {
                Listening::Ip(socket) => Open::Ip(tokio::net::TcpListener::from_std(socket)?),
                Listening::Unix(socket) => Open::Unix(tokio::net::UnixListener::from_std(socket)?),
            })
        };
        let sockets = listening.into_iter().map(open).collect::<io::Result<_>>()?;
        Ok(Self { sockets, next: Cell::new(0) })
    }

    /// Takes no new handshake any more, and lets those end that have begun. To close at once would
    /// reset connections that their clients take to be there. A client whose first packet is not
    /// heard sends it again after a second.
    pub(super) fn lock(&self) {
        // Of what has no ACK nothing is heard: loads the flags, tests one, takes all or nothing.
        let only_acks =
            [(0x30, 0, 0, 13), (0x45, 0, 1, 0x10), (0x06, 0, 0, u32::MAX), (0x06, 0, 0, 0)];
        let only_acks = only_acks.map(|(code, yes, no, k)| SockFilter::new(code, yes, no, k));
        for socket in &self.sockets {
            if let Open::Ip(socket) = socket {
                // Where it cannot be, it is as it was.
                let _ = SockRef::from(socket).attach_filter(&only_acks);
            }
        }
    }

    /// The next connection, and where from, unless it is a Unix socket's.
    pub(super) fn poll_accept(
        &self,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<(Transport, Option<IpAddr>)>> {
        let first = self.next.get();
        let (before, from) = self.sockets.split_at_checked(first).unwrap_or((&[], &self.sockets));
        for (number, socket) in (first..).zip(from).chain((0..).zip(before)) {
            if let Poll::Ready(accepted) = socket.poll_accept(cx) {
                self.next.set((number + 1) % self.sockets.len());
                return Poll::Ready(accepted);
            }
        }
        Poll::Pending
    }
}

impl Open {
    fn poll_accept(&self, cx: &mut Context<'_>) -> Poll<io::Result<(Transport, Option<IpAddr>)>> {
        Poll::Ready(Ok(match self {
            Self::Ip(listener) => {
                let (stream, peer) = ready!(listener.poll_accept(cx))?;
                let _ = stream.set_nodelay(true);
                (stream.into(), Some(peer.ip()))
            }
            Self::Unix(listener) => {
                let (stream, _) = ready!(listener.poll_accept(cx))?;
                (stream.into(), None)
            }
        }))
    }
}
