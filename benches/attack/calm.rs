//! Clients that do nothing wrong, and how long they wait.

use std::time::Duration;

use sidegate::clock;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::runtime::Builder;
use tokio::task::JoinSet;

use super::Outcome;
use super::site::request;

/// How often each one asks.
const PAUSE: Duration = Duration::from_millis(50);

/// Waits, sorted.
pub(crate) struct Waits(Vec<Duration>);

impl Waits {
    /// In milliseconds, at this part of a thousand of them.
    pub(crate) fn at(&self, permille: usize) -> f64 {
        let last = self.0.len().saturating_sub(1);
        let wait = self.0.get((self.0.len() * permille / 1000).min(last));
        wait.copied().unwrap_or_default().as_secs_f64() * 1000.0
    }

    pub(crate) fn count(&self) -> usize {
        self.0.len()
    }
}

/// So many clients that ask for so long. An error where one of them was not answered 200.
pub(crate) fn measure(port: u16, clients: usize, time: Duration) -> Outcome<Waits> {
    let runtime = Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let mut all = JoinSet::new();
        for number in 0..clients {
            let offset = PAUSE.mul_f64(number as f64 / clients as f64);
            all.spawn(client(port, offset, time));
        }
        let mut waits = Vec::new();
        while let Some(done) = all.join_next().await {
            waits.extend(done??);
        }
        waits.sort_unstable();
        Ok(Waits(waits))
    })
}

async fn client(port: u16, offset: Duration, time: Duration) -> Outcome<Vec<Duration>> {
    tokio::time::sleep(offset).await;
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await?;
    stream.set_nodelay(true)?;
    let (mut waits, mut answer) = (Vec::new(), vec![0; 4096]);
    let request = request("/");
    let mut turn = tokio::time::interval(PAUSE);
    let end = clock::instant() + time;
    while clock::instant() < end {
        turn.tick().await;
        let began = clock::instant();
        stream.write_all(request.as_bytes()).await?;
        read_answer(&mut stream, &mut answer).await?;
        waits.push(clock::instant().saturating_duration_since(began));
    }
    Ok(waits)
}

/// One answer, whose body ends in the letters that the upstream says.
pub(crate) async fn read_answer(
    stream: &mut (impl tokio::io::AsyncRead + Unpin),
    room: &mut [u8],
) -> Outcome<()> {
    let mut length = 0;
    loop {
        let read = stream.read(room.get_mut(length..).unwrap_or_default()).await?;
        length += read;
        let text = room.get(..length).unwrap_or_default();
        if read == 0 {
            return Err(format!("an end after {:?}", String::from_utf8_lossy(text)).into());
        }
        if text.len() >= 12 && !text.starts_with(b"HTTP/1.1 200") {
            return Err(format!("not 200: {:?}", String::from_utf8_lossy(text)).into());
        }
        let end = text.windows(4).position(|it| it == b"\r\n\r\n");
        if end.is_some_and(|end| text.len() >= end + 4 + 121) {
            return Ok(());
        }
    }
}
