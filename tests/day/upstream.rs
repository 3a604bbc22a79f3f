//! The service that sidegate stands before: it says who came, as it was told.

use std::io::{self, BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::thread;

/// Starts it and returns its port. It ends with the test.
pub(crate) fn start() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            thread::spawn(move || answer(&stream));
        }
    });
    port
}

fn answer(mut stream: &TcpStream) -> io::Result<()> {
    let mut lines = BufReader::new(stream).lines();
    while lines.next().transpose()?.is_some() {
        let (mut account, mut level) = (String::new(), String::new());
        for line in lines.by_ref() {
            let line = line?.to_ascii_lowercase();
            let Some((name, value)) = line.split_once(": ") else { break };
            match name {
                "x-sidegate-account" => account = value.to_owned(),
                "x-sidegate-level" => level = value.to_owned(),
                _ => {}
            }
        }
        let body = format!("the vault: {account} is here with {level}\n");
        let length = body.len();
        write!(
            stream,
            "HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: {length}\r\n\r\n{body}"
        )?;
    }
    Ok(())
}
