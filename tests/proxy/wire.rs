//! Messages on raw sockets, read strictly: what is not whole is told from what is.

use std::io::{self, Read as _, Write as _};
use std::net::{Shutdown, TcpStream};
use std::time::Duration;

use serde_json::Value;
use socket2::SockRef;

use crate::harness::{PATIENCE, until};

/// How a message ended before it was whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Broken {
    /// Not a byte came.
    Nothing,
    /// The head was not whole.
    Head,
    /// The body was not whole: what came of it.
    Body(Vec<u8>),
}

/// A message as it came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Message {
    /// The request or status line.
    pub(crate) first: String,
    pub(crate) fields: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
    pub(crate) trailers: Vec<(String, String)>,
    /// All bytes of it, as they were on the wire.
    pub(crate) raw: Vec<u8>,
}

impl Message {
    pub(crate) fn status(&self) -> u16 {
        self.first.split(' ').nth(1).unwrap().parse().unwrap()
    }

    /// The one value of a field; panics if there are more.
    pub(crate) fn field(&self, name: &str) -> Option<&str> {
        let mut values = self.fields.iter().filter(|(it, _)| it.eq_ignore_ascii_case(name));
        let value = values.next().map(|(_, value)| value.as_str());
        assert!(values.next().is_none(), "two `{name}`: {self:?}");
        value
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|_| panic!("{self:?}"))
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.raw).into_owned()
    }
}

/// What a read gave.
#[derive(Debug, PartialEq, Eq)]
enum Got {
    More,
    End,
    Reset,
}

/// One side of a connection.
pub(crate) struct Wire {
    stream: TcpStream,
    read: Vec<u8>,
}

impl Wire {
    pub(crate) fn new(stream: TcpStream) -> Self {
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_write_timeout(Some(PATIENCE)).unwrap();
        stream.set_nodelay(true).unwrap();
        Self { stream, read: Vec::new() }
    }

    /// Closes the connection, and waits until the other end's kernel knows: under load it can
    /// learn that later than what is sent to it on another connection.
    pub(crate) fn close(self, reset: bool) {
        let port = self.stream.peer_addr().unwrap().port();
        match reset {
            true => self.reset(),
            false => drop(self),
        }
        until("the close to arrive", || !is_established(port));
    }

    pub(crate) fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.stream.write_all(bytes.as_ref()).unwrap();
    }

    /// For a peer that may have gone.
    pub(crate) fn try_send(&mut self, bytes: impl AsRef<[u8]>) -> io::Result<()> {
        self.stream.write_all(bytes.as_ref())
    }

    /// Sends as much as is taken without waiting longer than `patience` at a time; how much it was.
    pub(crate) fn flood(&mut self, most: usize, patience: Duration) -> usize {
        self.stream.set_write_timeout(Some(patience)).unwrap();
        let chunk = [b'x'; 1 << 16];
        let mut sent = 0;
        while sent < most {
            match self.stream.write(&chunk) {
                Ok(length) => sent += length,
                Err(_) => break,
            }
        }
        self.stream.set_write_timeout(Some(PATIENCE)).unwrap();
        sent
    }

    /// Says that nothing more comes.
    pub(crate) fn half_close(&self) {
        self.stream.shutdown(Shutdown::Write).unwrap();
    }

    /// For a peer that may have gone.
    pub(crate) fn try_half_close(&self) -> io::Result<()> {
        self.stream.shutdown(Shutdown::Write)
    }

    /// Ends the connection with a reset.
    pub(crate) fn reset(self) {
        SockRef::from(&self.stream).set_linger(Some(Duration::ZERO)).unwrap();
    }

    /// The next message: a request, or an answer. `bodyless` is an answer to HEAD.
    pub(crate) fn message(&mut self, bodyless: bool) -> Result<Message, Broken> {
        let head = loop {
            if let Some(end) = self.read.windows(4).position(|bytes| bytes == b"\r\n\r\n") {
                break self.take(end + 4);
            }
            if self.fill() != Got::More {
                return Err(if self.read.is_empty() { Broken::Nothing } else { Broken::Head });
            }
        };
        let text = String::from_utf8_lossy(&head).into_owned();
        let mut lines = text.split("\r\n").take_while(|line| !line.is_empty());
        let first = lines.next().unwrap().to_owned();
        let fields = lines.map(field).collect();
        let mut message =
            Message { first, fields, body: Vec::new(), trailers: Vec::new(), raw: head };
        self.body(&mut message, bodyless)?;
        Ok(message)
    }

    /// An answer that must be there.
    pub(crate) fn answer(&mut self) -> Message {
        self.message(false).unwrap_or_else(|broken| panic!("{broken:?}"))
    }

    /// What comes until the other side ends, and whether it ended with a reset.
    pub(crate) fn rest(&mut self) -> (Vec<u8>, bool) {
        loop {
            match self.fill() {
                Got::More => {}
                Got::End => return (std::mem::take(&mut self.read), false),
                Got::Reset => return (std::mem::take(&mut self.read), true),
            }
        }
    }

    /// Waits for the other side's end; panics if a byte comes before it.
    pub(crate) fn closed(&mut self) {
        let (rest, _reset) = self.rest();
        assert_eq!(String::from_utf8_lossy(&rest), "", "bytes before the end");
    }

    /// Reads until `length` bytes have come.
    pub(crate) fn bytes(&mut self, length: usize) -> Vec<u8> {
        while self.read.len() < length {
            assert_eq!(self.fill(), Got::More, "{:?}", self.read);
        }
        self.take(length)
    }

    /// Reads until `end` has come, and it.
    pub(crate) fn through(&mut self, end: &[u8]) -> Vec<u8> {
        loop {
            if let Some(at) = self.read.windows(end.len()).position(|bytes| bytes == end) {
                return self.take(at + end.len());
            }
            assert_eq!(self.fill(), Got::More, "{:?}", self.read);
        }
    }

    fn body(&mut self, message: &mut Message, bodyless: bool) -> Result<(), Broken> {
        let is_answer = message.first.starts_with("HTTP/");
        let none = is_answer && matches!(message.status(), 100..=199 | 204 | 304);
        if bodyless || none {
            return Ok(());
        }
        if let Some(coding) = message.field("transfer-encoding") {
            assert_eq!(coding, "chunked", "{message:?}");
            return self.chunks(message);
        }
        let length = message.field("content-length").map(|length| length.parse::<usize>().unwrap());
        match length {
            Some(length) => self.exactly(message, length),
            None if is_answer => {
                // Close-delimited: only a reset tells that it is not whole.
                let (rest, reset) = self.rest();
                if reset {
                    return Err(Broken::Body(rest));
                }
                message.raw.extend_from_slice(&rest);
                message.body = rest;
                Ok(())
            }
            None => Ok(()),
        }
    }

    fn exactly(&mut self, message: &mut Message, length: usize) -> Result<(), Broken> {
        while self.read.len() < length {
            if self.fill() != Got::More {
                let so_far = [std::mem::take(&mut message.body), self.read.split_off(0)].concat();
                return Err(Broken::Body(so_far));
            }
        }
        let part = self.take(length);
        message.raw.extend_from_slice(&part);
        message.body.extend_from_slice(&part);
        Ok(())
    }

    fn line(&mut self, message: &mut Message) -> Result<String, Broken> {
        loop {
            if let Some(end) = self.read.windows(2).position(|bytes| bytes == b"\r\n") {
                let line = self.take(end + 2);
                message.raw.extend_from_slice(&line);
                return Ok(String::from_utf8_lossy(&line).trim_end().to_owned());
            }
            if self.fill() != Got::More {
                return Err(Broken::Body(std::mem::take(&mut message.body)));
            }
        }
    }

    fn chunks(&mut self, message: &mut Message) -> Result<(), Broken> {
        loop {
            let size = self.line(message)?;
            let size = usize::from_str_radix(&size, 16).unwrap_or_else(|_| panic!("{size:?}"));
            if size == 0 {
                break;
            }
            self.exactly(message, size)?;
            assert_eq!(self.line(message)?, "");
        }
        loop {
            let line = self.line(message)?;
            if line.is_empty() {
                return Ok(());
            }
            message.trailers.push(field(&line));
        }
    }

    /// Whether something can be read, or the other side has ended.
    pub(crate) fn has_answer(&mut self) -> bool {
        self.stream.set_nonblocking(true).unwrap();
        let peeked = self.stream.peek(&mut [0]);
        self.stream.set_nonblocking(false).unwrap();
        !self.read.is_empty() || !peeked.is_err_and(|it| it.kind() == io::ErrorKind::WouldBlock)
    }

    fn take(&mut self, length: usize) -> Vec<u8> {
        let rest = self.read.split_off(length);
        std::mem::replace(&mut self.read, rest)
    }

    fn fill(&mut self) -> Got {
        let mut chunk = [0; 1 << 16];
        match self.stream.read(&mut chunk) {
            Ok(0) => Got::End,
            Ok(length) => {
                self.read.extend_from_slice(&chunk[..length]);
                Got::More
            }
            Err(error) if error.kind() == io::ErrorKind::ConnectionReset => Got::Reset,
            Err(error) => {
                panic!("hangs ({error}) after {:?}", String::from_utf8_lossy(&self.read))
            }
        }
    }
}

fn field(line: &str) -> (String, String) {
    let (name, value) = line.split_once(':').unwrap_or_else(|| panic!("{line:?}"));
    (name.to_owned(), value.trim().to_owned())
}

/// Whether the socket of that local port is open both ways.
fn is_established(port: u16) -> bool {
    let sockets = std::fs::read_to_string("/proc/net/tcp").unwrap();
    sockets.lines().skip(1).any(|line| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        fields[1].ends_with(&format!(":{port:04X}")) && fields[3] == "01"
    })
}
