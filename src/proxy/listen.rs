//! Where clients connect: an IP address, or a Unix socket.

use std::fmt;
use std::fs::{self, Metadata, Permissions};
use std::io::{self, Error, ErrorKind};
use std::net::{IpAddr, SocketAddr, TcpListener};
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, PermissionsExt as _};
use std::os::unix::net::UnixListener;
use std::path::PathBuf;
use std::task::{Context, Poll, ready};

use socket2::{Domain, Protocol, SockAddr, Socket, Type};

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

    /// A listener for each of so many workers, and the address as it came to be.
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
                Ok((self.clone(), shared(socket, workers)?))
            }
            Self::Unix(path, mode) => {
                remove_stale(path)?;
                let socket = unix()?;
                socket.bind(&SockAddr::unix(path)?)?;
                // Before `listen`, nobody can connect.
                fs::set_permissions(path, Permissions::from_mode(*mode))?;
                Ok((self.clone(), shared(socket, workers)?))
            }
        }
    }
}

fn listen(address: SocketAddr) -> io::Result<TcpListener> {
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

/// One socket that all workers accept from.
fn shared(socket: Socket, workers: usize) -> io::Result<Vec<Listening>> {
    socket.listen(BACKLOG)?;
    let listener = UnixListener::from(socket);
    (0..workers).map(|_| Ok(Listening::Unix(listener.try_clone()?))).collect()
}

/// Removes what a process has left that listens no more, and nothing else.
fn remove_stale(path: &PathBuf) -> io::Result<()> {
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

/// The file of a socket: it goes when the socket does, unless another has come in its place.
#[derive(Debug)]
pub(super) struct SocketFile {
    path: PathBuf,
    identity: (u64, u64),
}

impl SocketFile {
    pub(super) fn of(address: &Address) -> Option<Self> {
        let Address::Unix(path, _) = address else { return None };
        let identity = identity(&fs::symlink_metadata(path).ok()?);
        Some(Self { path: path.clone(), identity })
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
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

/// A worker's listener.
#[derive(Debug)]
pub(super) enum Listener {
    Ip(tokio::net::TcpListener),
    Unix(tokio::net::UnixListener),
}

impl Listener {
    /// Within a runtime.
    pub(super) fn new(listening: Listening) -> io::Result<Self> {
        Ok(match listening {
            Listening::Ip(socket) => Self::Ip(tokio::net::TcpListener::from_std(socket)?),
            Listening::Unix(socket) => Self::Unix(tokio::net::UnixListener::from_std(socket)?),
        })
    }

    /// The next connection, and where from, unless it is a Unix socket's.
    pub(super) fn poll_accept(
        &self,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<(Transport, Option<IpAddr>)>> {
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
