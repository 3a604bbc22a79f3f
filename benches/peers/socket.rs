//! Both ends of WebSockets: who sends messages and waits for each to come back, and who sends them
//! back.

use std::time::{Duration, Instant};

use sidegate::clock;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Builder;
use tokio::task::JoinSet;
use tungstenite::handshake::derive_accept_key;

use super::Outcome;
use super::workload::{MESSAGE_BYTES, Workload};

/// The words by which a process knows that it is one of them.
pub(crate) const ECHO: &str = "--echo";
pub(crate) const ASK: &str = "--ask-sockets";

const NONCE: &str = "dGhlIHNhbXBsZSBub25jZQ==";
/// A message's bytes, the end of its frame, and the mask that a client's has.
const MESSAGE: usize = MESSAGE_BYTES;
const HEAD: [u8; 2] = [0x82, MESSAGE as u8];
const MASK: [u8; 4] = [1, 2, 3, 4];
const SENT: usize = HEAD.len() + MASK.len() + MESSAGE;
const BACK: usize = HEAD.len() + MESSAGE;

/// Serves until the process is ended.
pub(crate) fn echo(mut words: impl Iterator<Item = String>) -> Outcome<()> {
    let port = words.next().ok_or("a port is needed")?.parse::<u16>()?;
    Builder::new_current_thread().enable_all().build()?.block_on(async {
        let listener = TcpListener::bind(("127.0.0.1", port)).await?;
        loop {
            let (stream, _) = listener.accept().await?;
            tokio::spawn(async move {
                let _ended = send_back(stream).await;
            });
        }
    })
}

async fn send_back(mut stream: TcpStream) -> Outcome<()> {
    stream.set_nodelay(true)?;
    let _head = head(&mut stream).await?;
    let accept = derive_accept_key(NONCE.as_bytes());
    let answer = format!(
        "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Accept: {accept}\r\n\r\n"
    );
    stream.write_all(answer.as_bytes()).await?;
    let mut sent = [0; SENT];
    let mut back = Vec::with_capacity(BACK);
    loop {
        stream.read_exact(&mut sent).await?;
        let (_, rest) = sent.split_at(HEAD.len());
        let (mask, message) = rest.split_at(MASK.len());
        back.clear();
        back.extend(HEAD);
        back.extend(message.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask));
        stream.write_all(&back).await?;
    }
}

pub(crate) fn asking(workload: &Workload, port: u16, key: &str, time: Duration) -> Vec<String> {
    let Workload { path, connections, .. } = workload;
    let milliseconds = time.as_millis().to_string();
    [ASK, &port.to_string(), path, key, &connections.to_string(), &milliseconds]
        .map(str::to_owned)
        .into()
}

/// Prints what a script of wrk would.
pub(crate) fn ask(mut words: impl Iterator<Item = String>) -> Outcome<()> {
    let mut word = || words.next().ok_or("too few words");
    let (port, path, key) = (word()?.parse::<u16>()?, word()?, word()?);
    let (connections, milliseconds) = (word()?.parse::<usize>()?, word()?.parse()?);
    Builder::new_current_thread().enable_all().build()?.block_on(async {
        let mut streams = Vec::new();
        for _ in 0..connections {
            streams.push(open(port, &path, &key).await?);
        }
        let start = clock::instant();
        let end = start + Duration::from_millis(milliseconds);
        let mut running: JoinSet<Outcome<Vec<u32>>> =
            streams.into_iter().map(|stream| keep_asking(stream, end)).collect();
        let mut times = Vec::new();
        while let Some(one) = running.join_next().await {
            times.extend(one??);
        }
        let took = start.elapsed().as_micros();
        times.sort_unstable();
        let share = |percent: usize| times.get(times.len() * percent / 100).copied().unwrap_or(0);
        let bytes = times.len() * BACK;
        println!("peers {} {took} {bytes} 0 0 0 0 0 {} {}", times.len(), share(50), share(99));
        Ok(())
    })
}

async fn open(port: u16, path: &str, key: &str) -> Outcome<TcpStream> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await?;
    stream.set_nodelay(true)?;
    let asked = format!(
        "GET {path} HTTP/1.1\r\nHost: bench\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {NONCE}\r\nX-API-Key: {key}\r\n\r\n"
    );
    stream.write_all(asked.as_bytes()).await?;
    let answer = head(&mut stream).await?;
    if !answer.starts_with("HTTP/1.1 101 ") {
        return Err(format!("no WebSocket: {answer}").into());
    }
    Ok(stream)
}

/// Microseconds that each message took.
async fn keep_asking(mut stream: TcpStream, end: Instant) -> Outcome<Vec<u32>> {
    let message: Vec<u8> = (0..MESSAGE as u8).collect();
    let mut sent = vec![HEAD[0], HEAD[1] | 0x80];
    sent.extend(MASK);
    sent.extend(message.iter().zip(MASK.iter().cycle()).map(|(byte, mask)| byte ^ mask));
    let expected = [&HEAD[..], &message].concat();
    let mut back = [0; BACK];
    let mut times = Vec::new();
    let mut start = clock::instant();
    while start < end {
        stream.write_all(&sent).await?;
        stream.read_exact(&mut back).await?;
        if back[..] != expected[..] {
            return Err("a message came back as another".into());
        }
        let now = clock::instant();
        times.push(u32::try_from(now.duration_since(start).as_micros()).unwrap_or(u32::MAX));
        start = now;
    }
    Ok(times)
}

/// Nobody says more than a head before it is answered.
async fn head(stream: &mut TcpStream) -> Outcome<String> {
    let mut bytes = Vec::new();
    while !bytes.windows(4).any(|it| it == b"\r\n\r\n") {
        if stream.read_buf(&mut bytes).await? == 0 {
            return Err("an end before a head's".into());
        }
    }
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}
