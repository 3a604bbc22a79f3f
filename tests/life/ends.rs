//! Ends while clients connect: who is let in is answered, whenever that is.

use std::io::{Read, Result, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;

use crate::harness::{PATIENCE, until};
use crate::house::House;

const GET: &[u8] =
    b"GET /app HTTP/1.1\r\nHost: localhost\r\nX-API-Key: key-reader\r\nConnection: close\r\n\r\n";
const CLIENTS: usize = 8;
const ENDS: usize = 5;

/// Ends processes while clients connect until they no longer can.
fn end_under<S: Read + Write>(house: &House, connect: impl Fn() -> Result<S> + Sync) {
    let answered = AtomicU32::new(0);
    let connect_on = || {
        while let Ok(mut stream) = connect() {
            let mut answer = String::new();
            let asked = stream.write_all(GET).and_then(|()| stream.read_to_string(&mut answer));
            assert!(answer.starts_with("HTTP/1.1 200 "), "{asked:?}: {answer}");
            answered.fetch_add(1, Ordering::Relaxed);
        }
    };
    for number in 0..ENDS {
        let before = answered.load(Ordering::Relaxed);
        let mut running = house.serve(&number.to_string());
        thread::scope(|scope| {
            (0..CLIENTS).for_each(|_| _ = scope.spawn(connect_on));
            until("answers", || answered.load(Ordering::Relaxed) > before + 200);
            running.send("TERM");
            assert_eq!(running.end(), Some(0));
        });
    }
    println!("{ENDS} ends, {} answers, none lost", answered.into_inner());
}

#[test]
fn who_has_connected_when_a_process_ends_is_answered() {
    let house = House::new("workers = 4\nhandover.socket = \"handover.sock\"\n");
    end_under(&house, || {
        let stream = TcpStream::connect(("127.0.0.1", house.port))?;
        stream.set_read_timeout(Some(PATIENCE))?;
        Ok(stream)
    });
}

#[test]
fn who_has_connected_to_a_unix_socket_when_a_process_ends_is_answered() {
    let house = House::new("");
    house.write("unix:data.sock", "workers = 4\nhandover.socket = \"handover.sock\"\n");
    end_under(&house, || {
        let stream = UnixStream::connect(house.path("data.sock"))?;
        stream.set_read_timeout(Some(PATIENCE))?;
        Ok(stream)
    });
}
