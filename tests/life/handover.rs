//! One process follows another, step by step.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::os::unix::net::UnixStream;

use crate::harness::{ask, free_port, until};
use crate::house::{House, ask_at};
use crate::wire::Wire;

const READER: &str = "X-API-Key: key-reader\r\n";
const GET: &str = "GET /app HTTP/1.1\r\nHost: localhost\r\nX-API-Key: key-reader\r\n\r\n";
const OFFER: &str = "handover.socket = \"handover.sock\"\n";

#[test]
fn the_last_request_on_an_idle_connection_is_answered_by_the_old_process() {
    let house = House::new(&format!("{OFFER}timeouts.linger = \"10s\"\n"));
    let mut old = house.serve("old");
    let mut idle = Wire::new(TcpStream::connect(("127.0.0.1", house.port)).unwrap());
    idle.send(GET);
    assert_eq!(idle.answer().field("connection"), None);
    let mut silent = Wire::new(TcpStream::connect(("127.0.0.1", house.port)).unwrap());
    // Accepted by the old one: its listener is first come, first served.
    until("both", || {
        let page = ask(house.admin, "GET", "/metrics", "").unwrap().body;
        page.contains("sidegate_connections_active 2")
    });
    let _new = house.follow("new");
    house.says(&mut old, "old", "another process has taken over: draining");
    for wire in [&mut idle, &mut silent] {
        wire.send(GET);
        let answer = wire.answer();
        assert_eq!((answer.status(), answer.field("connection")), (200, Some("close")));
        wire.closed();
    }
    assert_eq!(old.end(), Some(0));
    assert_eq!(ask(house.port, "GET", "/app", READER).unwrap().status, 200);
}

#[test]
fn who_cannot_serve_takes_nothing_over() {
    let house = House::new(OFFER);
    let mut old = house.serve("old");
    let policy = fs::read_to_string(house.path("policy.toml")).unwrap();
    fs::write(house.path("policy.toml"), "version = 2").unwrap();
    let mut broken = house.begin("broken");
    assert_eq!(broken.end(), Some(3));
    assert!(!house.log("old").contains("another process asks"), "{}", house.log("old"));
    // One that breaks off after it has asked.
    for said in ["", "1", "2"] {
        let mut stream = UnixStream::connect(house.path("handover.sock")).unwrap();
        stream.write_all(said.as_bytes()).unwrap();
        if said == "1" {
            let mut heard = [0; 2];
            stream.read_exact(&mut heard).unwrap();
            assert_eq!(heard[0], b'd');
        }
    }
    until("it to serve on", || house.log("old").matches("serves on").count() == 3);
    assert_eq!(ask(house.port, "GET", "/app", READER).unwrap().status, 200);
    assert_eq!(ask(house.admin, "GET", "/readyz", "").unwrap().status, 200);
    fs::write(house.path("policy.toml"), policy).unwrap();
    let _new = house.follow("new");
    assert_eq!(old.end(), Some(0));
    assert_eq!(ask(house.port, "GET", "/app", READER).unwrap().status, 200);
}

#[test]
fn any_number_of_workers_follows_any() {
    let house = House::new(OFFER);
    let mut old = None;
    for (number, workers) in [3, 1, 4, 2].iter().enumerate() {
        let name = format!("{number}");
        let lines = format!("workers = {workers}\n{OFFER}");
        house.write(&format!("127.0.0.1:{}", house.port), &lines);
        let new = match old.take() {
            None => house.serve(&name),
            Some(mut old) => {
                let new = house.follow(&name);
                assert_eq!(crate::harness::Running::end(&mut old), Some(0));
                new
            }
        };
        for _ in 0..30 {
            assert_eq!(ask(house.port, "GET", "/app", READER).unwrap().status, 200);
        }
        old = Some(new);
    }
}

#[test]
fn files_of_sockets_stay_until_the_last_process_ends() {
    let house = House::new("");
    house.write("unix:data.sock", &format!("workers = 2\n{OFFER}"));
    let files = ["data.sock", "handover.sock"].map(|name| house.path(name));
    let inodes = || files.each_ref().map(|path| fs::metadata(path).unwrap().ino());
    let mut old = house.serve("old");
    let before = inodes();
    assert_eq!(fs::metadata(&files[1]).unwrap().permissions().mode() & 0o777, 0o600);
    for name in ["second", "third"] {
        let new = house.follow(name);
        assert_eq!(old.end(), Some(0));
        assert_eq!(inodes(), before);
        assert_eq!(ask_at(files[0].clone()), 200);
        old = new;
    }
    old.send("TERM");
    assert_eq!(old.end(), Some(0));
    assert!(files.iter().all(|path| !path.exists()));
}

#[test]
fn another_address_is_bound_and_the_old_one_goes() {
    let house = House::new(OFFER);
    let mut old = house.serve("old");
    let port = free_port();
    house.write(&format!("127.0.0.1:{port}"), OFFER);
    let _new = house.follow("new");
    assert_eq!(old.end(), Some(0));
    assert_eq!(ask(port, "GET", "/app", READER).unwrap().status, 200);
    assert!(TcpStream::connect(("127.0.0.1", house.port)).is_err());
}

#[test]
fn without_a_place_to_ask_nothing_can_be_taken_over() {
    let house = House::new("");
    let mut refused = house.begin("refused");
    assert_eq!(refused.end(), Some(2));
    assert!(house.log("refused").contains("add `[handover]`"), "{}", house.log("refused"));
}
