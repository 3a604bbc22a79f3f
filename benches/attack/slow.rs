//! Clients that send their heads byte by byte.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::runtime::Builder;
use tokio::task::JoinSet;

use super::Outcome;
use super::calm;
use super::site::{Proxy, Site};

const CLIENTS: usize = 200;
/// Between two bytes.
const PAUSE: Duration = Duration::from_secs(1);

pub(crate) fn run(site: &Site, attackers: usize, time: Duration) -> Outcome<()> {
    println!("\n{attackers} slow heads, {CLIENTS} clients that ask every 50 ms, {time:?} each");
    println!("| proxy | attack | requests | p50 ms | p99 ms | p99.9 ms | max ms |");
    println!("|---|---|---|---|---|---|---|");
    for _round in 0..2 {
        for proxy in &site.proxies {
            tell(proxy, "none", time)?;
            let attack = Attack::begin(proxy.port, attackers)?;
            tell(proxy, &format!("{} slow heads", attack.open()), time)?;
            let (open, came) = attack.end();
            println!("| {} | {open} were open at its end, {came} came | | | | | |", proxy.name);
        }
    }
    Ok(())
}

fn tell(proxy: &Proxy, attack: &str, time: Duration) -> Outcome<()> {
    let waits = calm::measure(proxy.port, CLIENTS, time)?;
    let [p50, p99, p999, max] = [500, 990, 999, 1000].map(|permille| waits.at(permille));
    println!(
        "| {} | {attack} | {} | {p50:.2} | {p99:.2} | {p999:.2} | {max:.2} |",
        proxy.name,
        waits.count()
    );
    Ok(())
}

/// Connections on a thread of their own.
struct Attack {
    state: Arc<State>,
    thread: thread::JoinHandle<std::io::Result<()>>,
}

#[derive(Default)]
struct State {
    is_over: AtomicBool,
    open: AtomicUsize,
    came: AtomicUsize,
}

impl Attack {
    /// Waits until all of them are there.
    fn begin(port: u16, attackers: usize) -> Outcome<Self> {
        let state = Arc::new(State::default());
        let shared = Arc::clone(&state);
        let thread = thread::spawn(move || {
            let runtime = Builder::new_current_thread().enable_all().build()?;
            runtime.block_on(async {
                let mut all = JoinSet::new();
                for number in 0..attackers {
                    let offset = PAUSE.mul_f64(number as f64 / attackers as f64);
                    all.spawn(attacker(port, offset, Arc::clone(&shared)));
                }
                while !shared.is_over.load(Ordering::Relaxed) {
                    tokio::time::sleep(PAUSE / 20).await;
                }
                all.shutdown().await;
            });
            Ok(())
        });
        let attack = Self { state, thread };
        while attack.open() < attackers * 99 / 100 {
            if attack.thread.is_finished() {
                return Err("the attackers gave up".into());
            }
            thread::sleep(PAUSE / 20);
        }
        Ok(attack)
    }

    fn open(&self) -> usize {
        self.state.open.load(Ordering::Relaxed)
    }

    fn end(self) -> (usize, usize) {
        let open = self.open();
        self.state.is_over.store(true, Ordering::Relaxed);
        let _ended = self.thread.join();
        (open, self.state.came.load(Ordering::Relaxed))
    }
}

/// Comes again whenever it is cut.
async fn attacker(port: u16, offset: Duration, state: Arc<State>) {
    tokio::time::sleep(offset).await;
    loop {
        let Ok(mut stream) = TcpStream::connect(("127.0.0.1", port)).await else {
            tokio::time::sleep(PAUSE).await;
            continue;
        };
        state.came.fetch_add(1, Ordering::Relaxed);
        state.open.fetch_add(1, Ordering::Relaxed);
        let _cut = drip(&mut stream).await;
        state.open.fetch_sub(1, Ordering::Relaxed);
    }
}

async fn drip(stream: &mut TcpStream) -> std::io::Result<()> {
    stream.write_all(b"GET / HTTP/1.1\r\nX-Slow: ").await?;
    let mut turn = tokio::time::interval(PAUSE);
    let mut room = [0; 512];
    loop {
        tokio::select! {
            read = stream.read(&mut room) => if read? == 0 {
                return Ok(());
            },
            _ = turn.tick() => stream.write_all(b"x").await?,
        }
    }
}
