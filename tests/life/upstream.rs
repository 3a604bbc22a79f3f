//! A service that answers: at once, or with a long body in many pieces.

use std::net::SocketAddr;
use std::thread;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Builder;

/// What it answers to `/app`.
pub(crate) const SHORT: &[u8] = b"a short answer";
/// The pieces of what it answers to `/app/long`.
pub(crate) const PIECE: &[u8] = &[b'x'; 2000];
pub(crate) const PIECES: usize = 20;

pub(crate) struct Upstream {
    address: SocketAddr,
}

impl Upstream {
    pub(crate) fn start() -> Self {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let address = listener.local_addr().unwrap();
        let runtime = Builder::new_current_thread().enable_all().build().unwrap();
        // Until the tests end.
        thread::spawn(move || {
            runtime.block_on(async {
                let listener = TcpListener::from_std(listener).unwrap();
                while let Ok((stream, _)) = listener.accept().await {
                    tokio::spawn(serve(stream));
                }
            });
        });
        Self { address }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }
}

async fn serve(mut stream: TcpStream) -> Option<()> {
    let mut read = Vec::new();
    loop {
        let end = loop {
            if let Some(end) = read.windows(4).position(|four| four == b"\r\n\r\n") {
                break end + 4;
            }
            if stream.read_buf(&mut read).await.ok()? == 0 {
                return None;
            }
        };
        let head: Vec<u8> = read.drain(..end).collect();
        if head.starts_with(b"GET /app/long ") {
            stream
                .write_all(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
                .await
                .ok()?;
            for _ in 0..PIECES {
                stream.write_all(format!("{:x}\r\n", PIECE.len()).as_bytes()).await.ok()?;
                stream.write_all(&[PIECE, b"\r\n"].concat()).await.ok()?;
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
            stream.write_all(b"0\r\n\r\n").await.ok()?;
        } else {
            let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", SHORT.len());
            stream.write_all(&[head.as_bytes(), SHORT].concat()).await.ok()?;
        }
    }
}
