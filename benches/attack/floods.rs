//! Clients of HTTP/2 that send what costs them little.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use sidegate::clock;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::runtime::Builder;
use tokio::task::JoinSet;

use super::Outcome;
use super::calm;
use super::process::Running;
use super::site::{Site, request_of_http_2};

const FLOODERS: usize = 50;
const CLIENTS: usize = 20;
/// Frames in one write.
const MANY: u32 = 200;

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const WINDOW_UPDATE: u8 = 8;
const CONTINUATION: u8 = 9;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;

/// What is sent first, and then again and again, by its number.
type Flood = (&'static str, fn() -> Vec<u8>, fn(u32) -> Vec<u8>);

const FLOODS: [Flood; 7] = [
    ("rapid reset", preface, |number| {
        let stream = 2 * number + 1;
        let request = frame(HEADERS, END_HEADERS | END_STREAM, stream, &request_of_http_2());
        [request, frame(RST_STREAM, 0, stream, &[0, 0, 0, 8])].concat()
    }),
    ("CONTINUATION", headless, |_| frame(CONTINUATION, 0, 1, &[])),
    ("large CONTINUATION", headless, |_| frame(CONTINUATION, 0, 1, &[b'x'; 16_000])),
    ("SETTINGS", preface, |_| frame(SETTINGS, 0, 0, &[0, 4, 0, 1, 0, 0])),
    ("PING", preface, |_| frame(PING, 0, 0, &[7; 8])),
    ("empty DATA", upload, |_| frame(DATA, 0, 1, &[])),
    ("WINDOW_UPDATE", upload, |_| frame(WINDOW_UPDATE, 0, 1, &[0, 0, 0, 1])),
];

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let [_, l0, l1, l2] = u32::try_from(payload.len()).unwrap_or(0).to_be_bytes();
    let [s0, s1, s2, s3] = stream.to_be_bytes();
    [&[l0, l1, l2, kind, flags, s0, s1, s2, s3], payload].concat()
}

fn preface() -> Vec<u8> {
    [&b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"[..], &frame(SETTINGS, 0, 0, &[])].concat()
}

/// And a head that does not end.
fn headless() -> Vec<u8> {
    [preface(), frame(HEADERS, END_STREAM, 1, &request_of_http_2())].concat()
}

/// And a request whose body is to come.
fn upload() -> Vec<u8> {
    [preface(), frame(HEADERS, END_HEADERS, 1, &request_of_http_2())].concat()
}

pub(crate) fn run(site: &Site, time: Duration) -> Outcome<()> {
    let proxy = site.sidegate()?;
    let process = proxy.running.first().ok_or("no process")?;
    println!("\n{FLOODERS} clients of HTTP/2 that flood sidegate, {CLIENTS} others, {time:?} each");
    println!(
        "| flood | MB/s taken | connections cut a second | CPU of a core | memory before, most, after | \
         p50 ms | p99 ms | max ms |\n|---|---|---|---|---|---|---|---|"
    );
    tell(proxy.h2, process, None, time)?;
    for flood in FLOODS {
        tell(proxy.h2, process, Some(flood), time)?;
    }
    Ok(())
}

fn tell(port: u16, process: &Running, flood: Option<Flood>, time: Duration) -> Outcome<()> {
    let (before, cpu, began) = (process.memory()?, process.cpu()?, clock::instant());
    let state = Arc::new(State::default());
    let flooding = flood.map(|flood| {
        let state = Arc::clone(&state);
        thread::spawn(move || pour(port, flood, &state))
    });
    let (waits, most) = thread::scope(|scope| {
        let calm = scope.spawn(|| calm::measure(port, CLIENTS, time));
        let mut most = before;
        while !calm.is_finished() {
            most = most.max(process.memory()?);
            thread::sleep(Duration::from_millis(20));
        }
        let waits = calm.join().map_err(|_| "the clients ended")??;
        Ok::<_, Box<dyn std::error::Error + Send + Sync>>((waits, most))
    })?;
    let took = clock::instant().saturating_duration_since(began).as_secs_f64();
    let cpu = (process.cpu()? - cpu) / took * 100.0;
    state.is_over.store(true, Ordering::Relaxed);
    if let Some(flooding) = flooding {
        flooding.join().map_err(|_| "the flood ended")??;
    }
    thread::sleep(Duration::from_secs(1));
    let after = process.memory()?;
    let [before, most, after] =
        [before, most, after].map(|bytes| bytes as f64 / f64::from(1 << 20));
    println!(
        "| {} | {:.1} | {:.0} | {cpu:.0} % | {before:.1}, {most:.1}, {after:.1} MiB | {:.2} | {:.2} | {:.2} |",
        flood.map_or("none", |(name, _, _)| name),
        state.bytes.load(Ordering::Relaxed) as f64 / 1e6 / took,
        state.cut.load(Ordering::Relaxed) as f64 / took,
        waits.at(500),
        waits.at(990),
        waits.at(1000),
    );
    Ok(())
}

#[derive(Default)]
struct State {
    is_over: AtomicBool,
    bytes: AtomicU64,
    cut: AtomicU64,
}

fn pour(port: u16, flood: Flood, state: &Arc<State>) -> Outcome<()> {
    let runtime = Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let mut all = JoinSet::new();
        for _ in 0..FLOODERS {
            let state = Arc::clone(state);
            all.spawn(async move {
                loop {
                    // However it ended, it comes again.
                    let _ = flooder(port, flood, &state).await;
                    state.cut.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        while !state.is_over.load(Ordering::Relaxed) {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        all.shutdown().await;
    });
    Ok(())
}

async fn flooder(port: u16, (_, start, part): Flood, state: &State) -> std::io::Result<()> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await?;
    stream.write_all(&start()).await?;
    let (mut reader, mut writer) = stream.split();
    let write = async {
        let mut number = 0;
        loop {
            let many: Vec<u8> = (number..number + MANY).flat_map(part).collect();
            writer.write_all(&many).await?;
            state.bytes.fetch_add(many.len() as u64, Ordering::Relaxed);
            number += MANY;
        }
    };
    let read = async {
        let mut room = [0; 4096];
        while reader.read(&mut room).await? > 0 {}
        Ok(())
    };
    tokio::select! {
        ended = write => ended,
        ended = read => ended,
    }
}
