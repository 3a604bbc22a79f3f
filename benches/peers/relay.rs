//! A relay of bytes that knows nothing of them: what no proxy on one core can go below. One thread;
//! for each client one connection to the upstream.

use std::io::{ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::{fs, io};

use rustix::event::epoll::{self, CreateFlags, EventData, EventFlags};

use super::Outcome;

/// The word by which a process knows that it is one.
pub(crate) const CHILD: &str = "--relay";

const ROOM: usize = 64 * 1024;
const EVENTS: usize = 512;
const LISTENER: u64 = u64::MAX;

/// One way, and what waits on it for room.
struct End {
    file: fs::File,
    waiting: Vec<u8>,
}

/// Serves until the process is ended.
pub(crate) fn child(mut words: impl Iterator<Item = String>) -> Outcome<()> {
    let mut word = || words.next().ok_or("a port and an upstream are needed");
    let (port, upstream) = (word()?.parse::<u16>()?, word()?);
    let listener = TcpListener::bind(("127.0.0.1", port))?;
    listener.set_nonblocking(true)?;
    let poll = epoll::create(CreateFlags::CLOEXEC)?;
    epoll::add(&poll, &listener, EventData::new_u64(LISTENER), EventFlags::IN)?;
    let mut pairs: Vec<Option<[End; 2]>> = Vec::new();
    let mut events = Vec::with_capacity(EVENTS);
    let mut room = vec![0; ROOM];
    loop {
        events.clear();
        epoll::wait(&poll, rustix::buffer::spare_capacity(&mut events), None)?;
        for event in &events {
            let (data, flags) = (event.data.u64(), event.flags);
            if data == LISTENER {
                while let Ok((client, _)) = listener.accept() {
                    let pair = open(client, &upstream)?;
                    let at = pairs.iter().position(Option::is_none).unwrap_or(pairs.len());
                    for (side, end) in pair.iter().enumerate() {
                        let data = EventData::new_u64((at * 2 + side) as u64);
                        epoll::add(&poll, &end.file, data, EventFlags::IN)?;
                    }
                    if at == pairs.len() {
                        pairs.push(None);
                    }
                    if let Some(place) = pairs.get_mut(at) {
                        *place = Some(pair);
                    }
                }
                continue;
            }
            let Some(place) = pairs.get_mut((data / 2) as usize) else { continue };
            let Some(pair) = place else { continue };
            if turn(&poll, pair, data, flags, &mut room).is_none() {
                *place = None;
            }
        }
    }
}

fn open(client: TcpStream, upstream: &str) -> Outcome<[End; 2]> {
    client.set_nodelay(true)?;
    client.set_nonblocking(true)?;
    let upstream = match upstream.parse::<u16>() {
        Ok(port) => {
            let stream = TcpStream::connect(("127.0.0.1", port))?;
            stream.set_nodelay(true)?;
            stream.set_nonblocking(true)?;
            OwnedFd::from(stream)
        }
        Err(_) => {
            let stream = UnixStream::connect(upstream)?;
            stream.set_nonblocking(true)?;
            OwnedFd::from(stream)
        }
    };
    Ok([OwnedFd::from(client), upstream]
        .map(|file| End { file: fs::File::from(file), waiting: Vec::new() }))
}

/// Nothing once one of the two is over.
fn turn(
    poll: &OwnedFd,
    pair: &mut [End; 2],
    data: u64,
    flags: EventFlags,
    room: &mut [u8],
) -> Option<()> {
    let [first, second] = pair;
    let (here, there) = if data.is_multiple_of(2) { (first, second) } else { (second, first) };
    let (here_data, there_data) = (EventData::new_u64(data), EventData::new_u64(data ^ 1));
    if flags.contains(EventFlags::OUT) {
        let sent = ready(here.file.write(&here.waiting))?;
        here.waiting.drain(..sent);
        if !here.waiting.is_empty() {
            return Some(());
        }
        epoll::modify(poll, here.as_fd(), here_data, EventFlags::IN).ok()?;
        epoll::modify(poll, there.as_fd(), there_data, EventFlags::IN).ok()?;
        return Some(());
    }
    let length = match here.file.read(room) {
        Ok(0) => return None,
        Ok(length) => length,
        Err(error) if error.kind() == ErrorKind::WouldBlock => return Some(()),
        Err(_) => return None,
    };
    let bytes = room.get(..length)?;
    let sent = ready(there.file.write(bytes))?;
    if sent < length {
        // What was read has to go before more is.
        there.waiting.extend_from_slice(bytes.get(sent..)?);
        epoll::modify(poll, there.as_fd(), there_data, EventFlags::OUT).ok()?;
        epoll::modify(poll, here.as_fd(), here_data, EventFlags::empty()).ok()?;
    }
    Some(())
}

fn ready(written: io::Result<usize>) -> Option<usize> {
    match written {
        Err(error) if error.kind() == ErrorKind::WouldBlock => Some(0),
        written => written.ok(),
    }
}

impl AsFd for End {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}
