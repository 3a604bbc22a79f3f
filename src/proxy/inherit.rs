//! Sockets that another process opened: systemd, or the sidegate that is to be followed.

use std::io::{self, Error, ErrorKind};
use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::path::Path;

use socket2::{Domain, Socket, Type};

use super::listen::{self, Address, Listening};

/// What a socket of another process is, if it is one that clients can connect to.
pub(super) fn listening(socket: OwnedFd) -> io::Result<(Address, Listening)> {
    let socket = Socket::from(socket);
    if socket.r#type()? != Type::STREAM || !socket.is_listener()? {
        return Err(Error::new(ErrorKind::InvalidInput, "it is no listening stream socket"));
    }
    // All who have it share this.
    socket.set_nonblocking(true)?;
    let address = socket.local_addr()?;
    if let Some(address) = address.as_socket() {
        return Ok((Address::Ip(address), Listening::Ip(socket.into())));
    }
    if address.domain() != Domain::UNIX {
        return Err(Error::new(ErrorKind::InvalidInput, "it is neither TCP's nor a Unix socket"));
    }
    let address = match (address.as_pathname(), address.as_abstract_namespace()) {
        (Some(path), _) => Address::Unix(path.to_owned(), 0),
        (None, Some(name)) => Address::Abstract(String::from_utf8_lossy(name).into_owned()),
        (None, None) => return Err(Error::new(ErrorKind::InvalidInput, "it has no address")),
    };
    Ok((address, Listening::Unix(socket.into())))
}

impl Address {
    /// Whether a socket at `other` is what is asked for.
    pub(super) fn is_met_by(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Ip(ours), Self::Ip(other)) => {
                ours.ip() == other.ip() && (ours.port() == other.port() || ours.port() == 0)
            }
            (Self::Unix(ours, _), Self::Unix(other, _)) => is_same(ours, other),
            (Self::Abstract(ours), Self::Abstract(other)) => ours == other,
            _ => false,
        }
    }
}

/// Whether both are names of one file.
fn is_same(one: &Path, other: &Path) -> bool {
    let whole = |path: &Path| path.canonicalize();
    one == other || whole(one).is_ok_and(|one| whole(other).is_ok_and(|other| one == other))
}

/// Gives each of so many workers something to listen on, and every socket to some worker: what waits
/// in the queue of one that nobody accepts from would wait for ever.
pub(super) fn deal(mut sockets: Vec<Listening>, workers: usize) -> io::Result<Vec<Vec<Listening>>> {
    while let Some(another) = sockets.first().filter(|_| sockets.len() < workers).and_then(beside) {
        sockets.push(Listening::Ip(another));
    }
    let shared: io::Result<Vec<_>> = sockets
        .iter()
        .cycle()
        .take(workers.saturating_sub(sockets.len()))
        .map(Listening::again)
        .collect();
    sockets.extend(shared?);
    let mut hands: Vec<Vec<Listening>> = (0..workers).map(|_| Vec::new()).collect();
    for (number, socket) in sockets.into_iter().enumerate() {
        if let Some(hand) = hands.get_mut(number % workers.max(1)) {
            hand.push(socket);
        }
    }
    Ok(hands)
}

/// A socket of its own for one more worker, where the kernel spreads connections over several.
fn beside(socket: &Listening) -> Option<TcpListener> {
    let Listening::Ip(socket) = socket else { return None };
    let shares = socket2::SockRef::from(socket).reuse_port().is_ok_and(|shares| shares);
    let address = socket.local_addr().ok().filter(|_| shares)?;
    listen::listen(address).ok()
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::{UnixDatagram, UnixListener};

    use super::*;

    fn address(listening: &Listening) -> String {
        match listening {
            Listening::Ip(socket) => socket.local_addr().unwrap().to_string(),
            Listening::Unix(socket) => format!("{:?}", socket.local_addr().unwrap()),
        }
    }

    #[test]
    fn only_listeners_are_taken() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("s");
        let unix: OwnedFd = UnixListener::bind(&path).unwrap().into();
        assert_eq!(listening(unix).unwrap().0, Address::Unix(path, 0));
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let (port, stream) = (listener.local_addr().unwrap(), UnixDatagram::unbound().unwrap());
        let connected = std::net::TcpStream::connect(port).unwrap();
        assert_eq!(listening(listener.into()).unwrap().0, Address::Ip(port));
        for wrong in [OwnedFd::from(stream), connected.into()] {
            assert!(listening(wrong).is_err());
        }
        assert!(listening(std::fs::File::open("/dev/null").unwrap().into()).is_err());
    }

    #[test]
    fn every_worker_and_every_socket_has_its_part() {
        for shares in [false, true] {
            for (sockets, workers) in [(1, 1), (1, 3), (3, 1), (2, 3), (5, 2), (3, 3)] {
                let address_of_all = listen::listen("127.0.0.1:0".parse().unwrap()).unwrap();
                let port = address_of_all.local_addr().unwrap();
                let given = (0..sockets).map(|_| {
                    Listening::Ip(match shares {
                        true => listen::listen(port).unwrap(),
                        false => TcpListener::bind("127.0.0.1:0").unwrap(),
                    })
                });
                let given: Vec<_> = given.collect();
                let all: Vec<String> = given.iter().map(address).collect();
                let hands = deal(given, workers).unwrap();
                assert_eq!(hands.len(), workers);
                assert!(hands.iter().all(|hand| !hand.is_empty()), "{sockets}, {workers}");
                let held: usize = hands.iter().map(Vec::len).sum();
                assert_eq!(held, sockets.max(workers));
                let held: Vec<String> = hands.iter().flatten().map(address).collect();
                assert!(all.iter().all(|one| held.contains(one)), "{sockets}, {workers}");
            }
        }
    }

    #[test]
    fn a_port_of_the_kernels_choice_is_any() {
        let at = |text: &str| Address::Ip(text.parse().unwrap());
        for (ours, other, met) in [
            ("127.0.0.1:80", "127.0.0.1:80", true),
            ("127.0.0.1:0", "127.0.0.1:80", true),
            ("127.0.0.1:81", "127.0.0.1:80", false),
            ("0.0.0.0:80", "127.0.0.1:80", false),
        ] {
            assert_eq!(at(ours).is_met_by(&at(other)), met, "{ours}, {other}");
        }
        let name = Address::Abstract("a".to_owned());
        assert!(name.is_met_by(&name) && !name.is_met_by(&at("127.0.0.1:80")));
    }
}
