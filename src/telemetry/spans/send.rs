//! The thread that sends spans by the batch (OTLP/HTTP 1.x, `application/x-protobuf`).

use std::io::{self, ErrorKind, Read as _, Write as _};
use std::net::{TcpStream, ToSocketAddrs as _};
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::{Counts, encode};
use crate::clock;
use crate::telemetry::collector::{Collector, TracingSettings};
use crate::telemetry::sink::Lines;

/// Bytes of spans that are sent at once, at most, and how long the first of them waits for others.
const BATCH: usize = 256 * 1024;
const GATHERING: Duration = Duration::from_secs(1);
/// What a collector may take for each step.
const PATIENCE: Duration = Duration::from_secs(5);
/// How often a batch is sent again, where that may help: for about four seconds.
const ATTEMPTS: u32 = 9;
const VERSION: &str = env!("CARGO_PKG_VERSION");

/// Sends what comes until there will be no more.
pub(super) fn all(mut lines: Lines, settings: &TracingSettings, counts: &Counts) {
    let (mut some, mut spans) = (Vec::new(), Vec::new());
    let mut told = String::new();
    loop {
        spans.clear();
        let mut began = None;
        let goes_on = loop {
            let goes_on = lines.next(&mut some);
            spans.extend_from_slice(&some);
            let now = clock::instant();
            let since = *began.get_or_insert(now);
            if !goes_on || spans.len() >= BATCH || now - since >= GATHERING {
                break goes_on;
            }
        };
        if !spans.is_empty() {
            let count = encode::count(&spans);
            let body = encode::request(&settings.service, VERSION, &spans);
            match deliver(&lines, &settings.collector, &body) {
                Ok(()) => {
                    counts.sent.fetch_add(count, Ordering::Relaxed);
                    told.clear();
                }
                Err(error) => {
                    counts.lost.fetch_add(count, Ordering::Relaxed);
                    let problem = error.to_string();
                    if told != problem {
                        let collector = settings.collector.to_string();
                        tracing::error!(
                            collector,
                            problem,
                            "spans cannot be sent, and are dropped"
                        );
                        told = problem;
                    }
                }
            }
        }
        if !goes_on {
            return;
        }
    }
}

fn deliver(lines: &Lines, collector: &Collector, body: &[u8]) -> io::Result<()> {
    let mut failures = 0;
    loop {
        let problem = match post(collector, body) {
            Ok(200..=299) => return Ok(()),
            // These alone are worth another attempt (OTLP specification, "Failures").
            Ok(status @ (429 | 502..=504)) => io::Error::other(format!("status {status}")),
            Ok(status) => return Err(io::Error::other(format!("status {status}"))),
            Err(error) => error,
        };
        failures += 1;
        if failures >= ATTEMPTS || !lines.rest(failures) {
            return Err(problem);
        }
    }
}

/// The status of the answer to one request on a connection of its own.
fn post(collector: &Collector, body: &[u8]) -> io::Result<u16> {
    let address = collector.address().to_socket_addrs()?.next();
    let address = address.ok_or_else(|| io::Error::other("its name has no address"))?;
    let mut stream = TcpStream::connect_timeout(&address, PATIENCE)?;
    stream.set_write_timeout(Some(PATIENCE))?;
    stream.set_read_timeout(Some(PATIENCE))?;
    let head = format!(
        "POST {} HTTP/1.1\r\nHost: {collector}\r\nContent-Type: application/x-protobuf\r\n\
         Content-Length: {}\r\nUser-Agent: sidegate/{VERSION}\r\nConnection: close\r\n\r\n",
        collector.path(),
        body.len()
    );
    stream.write_all(head.as_bytes())?;
    stream.write_all(body)?;
    let mut line = [0; "HTTP/1.1 200".len()];
    stream.read_exact(&mut line)?;
    let status = line.strip_prefix(b"HTTP/1.1 ").or_else(|| line.strip_prefix(b"HTTP/1.0 "));
    let status = status.and_then(|digits| str::from_utf8(digits).ok()?.parse().ok());
    status.ok_or_else(|| ErrorKind::InvalidData.into())
}
