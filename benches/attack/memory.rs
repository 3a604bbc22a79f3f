//! What a connection takes that does nothing, or little.

use std::path::Path;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::runtime::Builder;
use tokio_rustls::TlsConnector;

use super::Outcome;
use super::calm::read_answer;
use super::process::Running;
use super::site::{Proxy, Site, request, request_of_http_2};

/// Until what was only needed to begin is given back.
pub(crate) const SETTLE: Duration = Duration::from_secs(4);
/// Connections that are made at a time.
const TOGETHER: usize = 100;

/// What a connection is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Idle,
    IdleTls,
    IdleHttp2,
    Download,
}

type Stream = Box<dyn Both>;
trait Both: AsyncRead + AsyncWrite + Unpin + Send {}
impl<S: AsyncRead + AsyncWrite + Unpin + Send> Both for S {}

pub(crate) fn run(sidegate: &Path, idle: usize, downloads: usize, settle: Duration) -> Outcome<()> {
    println!("\n| connections | proxy | at its start | for each |\n|---|---|---|---|");
    for (what, kind, count) in [
        ("idle", Kind::Idle, idle),
        ("idle, TLS", Kind::IdleTls, idle),
        ("idle, HTTP/2", Kind::IdleHttp2, idle),
        ("slow downloads", Kind::Download, downloads),
    ] {
        // Processes of their own: what others have left is used again.
        let site = Site::start(sidegate)?;
        for proxy in &site.proxies {
            let secure = kind == Kind::IdleTls;
            // sidegate has a process for each.
            let process = if secure { proxy.running.last() } else { proxy.running.first() };
            let process = process.ok_or("no process")?;
            let (start, each) = measure(&site, proxy, process, (kind, count), settle)?;
            let start = start as f64 / f64::from(1 << 20);
            println!("| {count} {what} | {} | {start:.1} MiB | {each:.0} bytes |", proxy.name);
        }
    }
    Ok(())
}

fn measure(
    site: &Site,
    proxy: &Proxy,
    process: &Running,
    (kind, count): (Kind, usize),
    settle: Duration,
) -> Outcome<(u64, f64)> {
    let runtime = Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        // What is made once, for the first ones, belongs to nobody.
        drop(open(site, proxy, kind, TOGETHER.min(count)).await?);
        thread::sleep(settle);
        let before = process.memory()?;
        let mut streams = open(site, proxy, kind, count).await?;
        if kind == Kind::Download {
            // They go on, at 4 KiB a turn.
            let mut room = [0; 4096];
            for _turn in 0..4 {
                for stream in &mut streams {
                    stream.read_exact(&mut room).await?;
                }
                tokio::time::sleep(settle / 4).await;
            }
        } else {
            tokio::time::sleep(settle).await;
        }
        // Somebody else comes meanwhile: who does nothing at all gives nothing back.
        drop(open(site, proxy, kind, TOGETHER.min(count)).await?);
        tokio::time::sleep(settle / 4).await;
        let after = process.memory()?;
        Ok((before, (after as f64 - before as f64) / count as f64))
    })
}

async fn open(site: &Site, proxy: &Proxy, kind: Kind, count: usize) -> Outcome<Vec<Stream>> {
    let mut streams = Vec::with_capacity(count);
    while streams.len() < count {
        let together = (0..TOGETHER.min(count - streams.len())).map(|_| {
            let client = Arc::clone(&site.client);
            tokio::spawn(one(client, proxy.port, proxy.tls, proxy.h2, kind))
        });
        for stream in together.collect::<Vec<_>>() {
            streams.push(stream.await??);
        }
    }
    Ok(streams)
}

/// One that has been of use once.
async fn one(
    client: Arc<rustls::ClientConfig>,
    port: u16,
    tls: u16,
    h2: u16,
    kind: Kind,
) -> Outcome<Stream> {
    let port = match kind {
        Kind::Idle | Kind::Download => port,
        Kind::IdleTls => tls,
        Kind::IdleHttp2 => h2,
    };
    let stream = TcpStream::connect(("127.0.0.1", port)).await?;
    let mut stream: Stream = match kind {
        Kind::IdleTls => {
            let name = ServerName::try_from("localhost")?;
            Box::new(TlsConnector::from(client).connect(name, stream).await?)
        }
        _ => Box::new(stream),
    };
    let mut room = vec![0; 4096];
    match kind {
        Kind::Idle | Kind::IdleTls => {
            stream.write_all(request("/").as_bytes()).await?;
            read_answer(&mut stream, &mut room).await?;
        }
        Kind::Download => {
            stream.write_all(request("/large").as_bytes()).await?;
            stream.read_exact(&mut room).await?;
        }
        Kind::IdleHttp2 => http_2(&mut stream, &mut room).await?,
    }
    Ok(stream)
}

/// A request as the first stream, and an answer whose body is in one frame.
async fn http_2(stream: &mut Stream, room: &mut [u8]) -> Outcome<()> {
    let fields = request_of_http_2();
    let mut bytes = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0".to_vec();
    // And what acknowledges the other side's settings, which are on their way.
    bytes.extend_from_slice(b"\0\0\0\x04\x01\0\0\0\0");
    bytes.extend([0, 0, u8::try_from(fields.len())?, 1, 5, 0, 0, 0, 1]);
    bytes.extend(fields);
    stream.write_all(&bytes).await?;
    let mut length = 0;
    loop {
        let read = stream.read(room.get_mut(length..).unwrap_or_default()).await?;
        if read == 0 {
            return Err("an end of HTTP/2".into());
        }
        length += read;
        let said = room.get(..length).unwrap_or_default();
        if said.windows(121).any(|it| it.iter().all(|byte| *byte == b'x')) {
            return Ok(());
        }
    }
}
