//! A client of the operator's plane of a running process.

use std::io::{self, Read as _, Write as _};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use crate::admin::Looked;
use crate::clock;
use crate::config::Config;
use crate::current::ChangeId;

/// Bytes of an answer at most.
const LONGEST: usize = 4 << 20;
/// From one question to the next, where there is no answer yet.
const RESPITE: Duration = Duration::from_millis(50);
const NOBODY: &str = "nothing listens there — is it running?";

/// Where the process that has these settings can be asked from here.
pub(super) fn address(config: &Config) -> SocketAddr {
    let mut listen = config.admin.listen;
    match listen.ip() {
        IpAddr::V4(Ipv4Addr::UNSPECIFIED) => listen.set_ip(Ipv4Addr::LOCALHOST.into()),
        IpAddr::V6(Ipv6Addr::UNSPECIFIED) => listen.set_ip(Ipv6Addr::LOCALHOST.into()),
        IpAddr::V4(_) | IpAddr::V6(_) => {}
    }
    listen
}

/// What came of having a running process look at the files.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Look {
    /// What it says is of the files as they are; and whether they are those of the same settings.
    Settled(Looked, Whose),
    /// Nobody listens there.
    Nobody,
    /// There is no answer, for this reason.
    Unanswered(String),
    /// The files were not taken up in time.
    Unsettled(Duration),
}

/// Whose files a process reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Whose {
    /// It has another `sidegate.toml`, or the same at another path.
    Other,
    /// Those that are spoken of.
    Same,
}

/// Has the process that has these settings look at the files now, and waits until it has taken them
/// up or refused them, but no longer than `patience`.
pub(super) fn look(config: &Config, patience: Duration) -> Look {
    posted(config, "/reload", patience)
}

/// As [`look`], and lets in the change of that id.
pub(super) fn accept(config: &Config, id: &ChangeId, patience: Duration) -> Look {
    posted(config, &format!("/reload?accept={id}"), patience)
}

fn posted(config: &Config, path: &str, patience: Duration) -> Look {
    let (address, due) = (address(config), clock::instant() + patience);
    loop {
        match ask(address, "POST", path, due) {
            Ok((200, body)) => match serde_json::from_str::<Looked>(&body) {
                Ok(looked) => return settled(config, looked),
                Err(_) => return Look::Unanswered("this is not sidegate".to_owned()),
            },
            // Not yet, or too many ask at once.
            Ok((202 | 503, _)) => {}
            Ok((404 | 405, _)) => {
                return Look::Unanswered("what runs there cannot be asked to look".to_owned());
            }
            Ok((code, _)) => {
                return Look::Unanswered(format!("it answered /reload with status {code}"));
            }
            Err(problem) if problem == NOBODY => return Look::Nobody,
            Err(problem) if clock::instant() < due => return Look::Unanswered(problem),
            Err(_) => {}
        }
        if clock::instant() + RESPITE >= due {
            return Look::Unsettled(patience);
        }
        thread::sleep(RESPITE);
    }
}

fn settled(config: &Config, looked: Looked) -> Look {
    let ours = config.path.canonicalize().unwrap_or_else(|_| config.path.clone());
    let same = ours.display().to_string() == looked.settings;
    Look::Settled(looked, if same { Whose::Same } else { Whose::Other })
}

/// `12 ms`, or `3.4 s`
pub(super) fn duration(took: Duration) -> String {
    match took.as_millis() {
        millis @ 0..=999 => format!("{millis} ms"),
        _ => format!("{:.1} s", took.as_secs_f64()),
    }
}

/// Sends a request without a body: the status code and the body of the answer.
pub(super) fn ask(
    address: SocketAddr,
    method: &str,
    path: &str,
    due: Instant,
) -> Result<(u16, String), String> {
    let answer = exchange(address, method, path, due).map_err(|error| match error.kind() {
        io::ErrorKind::TimedOut | io::ErrorKind::WouldBlock => "no answer in time".to_owned(),
        io::ErrorKind::ConnectionRefused => NOBODY.to_owned(),
        _ => error.to_string(),
    })?;
    parse(&answer).ok_or_else(|| "this is not sidegate: its answer is not whole HTTP".to_owned())
}

fn exchange(address: SocketAddr, method: &str, path: &str, due: Instant) -> io::Result<Vec<u8>> {
    let left = || match due.saturating_duration_since(clock::instant()) {
        Duration::ZERO => Err(io::Error::from(io::ErrorKind::TimedOut)),
        left => Ok(left),
    };
    let mut stream = TcpStream::connect_timeout(&address, left()?)?;
    stream.set_write_timeout(Some(left()?))?;
    let request =
        format!("{method} {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes())?;
    let mut answer = Vec::new();
    let mut chunk = [0; 16 * 1024];
    loop {
        stream.set_read_timeout(Some(left()?))?;
        let read = stream.read(&mut chunk)?;
        answer.extend_from_slice(chunk.get(..read).unwrap_or_default());
        if read == 0 || answer.len() > LONGEST {
            return Ok(answer);
        }
    }
}

fn parse(answer: &[u8]) -> Option<(u16, String)> {
    let (head, body) = str::from_utf8(answer).ok()?.split_once("\r\n\r\n")?;
    let mut lines = head.lines();
    let code = lines.next()?.strip_prefix("HTTP/1.1 ")?.split(' ').next()?.parse().ok()?;
    let length: usize = lines
        .filter_map(|line| line.split_once(':'))
        .find(|(name, _)| name.eq_ignore_ascii_case("content-length"))
        .and_then(|(_, length)| length.trim().parse().ok())?;
    (length == body.len()).then(|| (code, body.to_owned()))
}

#[cfg(test)]
pub(super) mod tests {
    use std::net::TcpListener;
    use std::thread::JoinHandle;

    use serde_json::json;

    use super::*;

    /// Somebody who gives these answers one after the other, and returns what was asked of it;
    /// without any, nobody.
    pub(in crate::cli) fn serve(
        answers: Vec<(u16, String)>,
    ) -> (SocketAddr, JoinHandle<Vec<String>>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let listener = (!answers.is_empty()).then_some(listener);
        let server = thread::spawn(move || {
            let answer = |(code, body): (u16, String)| {
                let (mut stream, _) = listener.as_ref().unwrap().accept().unwrap();
                let mut request = [0; 1024];
                let read = stream.read(&mut request).unwrap();
                let length = body.len();
                let head = format!("HTTP/1.1 {code} Words\r\nContent-Length: {length}\r\n\r\n");
                stream.write_all((head + &body).as_bytes()).unwrap();
                String::from_utf8_lossy(&request[..read]).lines().next().unwrap().to_owned()
            };
            answers.into_iter().map(answer).collect()
        });
        (address, server)
    }

    /// What a process says of its files.
    pub(in crate::cli) fn looked(settled: bool, problem: Option<&str>) -> String {
        let failing = problem.map(|line| json!({ "since": "A", "at": "B", "problems": [line] }));
        json!({
            "settled": settled,
            "settings": "/etc/sidegate.toml",
            "generation": { "number": 8, "since": "A" },
            "failing": failing,
        })
        .to_string()
    }

    #[test]
    fn durations_are_short() {
        for (millis, text) in [(0, "0 ms"), (999, "999 ms"), (3449, "3.4 s")] {
            assert_eq!(duration(Duration::from_millis(millis)), text);
        }
    }
}
