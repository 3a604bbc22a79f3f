//! Sockets of systemd, and what it is told.

use std::fs;
use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::{UnixDatagram, UnixListener};

use crate::harness::{PATIENCE, ask, until};
use crate::house::{House, ask_at};

const READER: &str = "X-API-Key: key-reader\r\n";

/// What a service manager hears.
struct Manager(UnixDatagram);

impl Manager {
    fn new(house: &House) -> Self {
        let ears = UnixDatagram::bind(house.path("notify.sock")).unwrap();
        ears.set_read_timeout(Some(PATIENCE)).unwrap();
        Self(ears)
    }

    fn next(&self) -> String {
        let mut heard = [0; 512];
        let length = self.0.recv(&mut heard).expect("nothing is told");
        String::from_utf8(heard[..length].to_vec()).unwrap()
    }

    /// The next word but those of a watchdog.
    fn next_word(&self) -> String {
        loop {
            let word = self.next();
            if word != "WATCHDOG=1" {
                return word;
            }
        }
    }
}

/// The value of a variable of a message.
fn number(word: &str, name: &str) -> u64 {
    let line =
        word.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_else(|| panic!("{word}"));
    line.parse().unwrap()
}

fn tcp() -> (u16, TcpListener) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    (listener.local_addr().unwrap().port(), listener)
}

fn handle(listener: &TcpListener) -> OwnedFd {
    listener.try_clone().unwrap().into()
}

#[test]
fn a_process_serves_on_sockets_of_systemd_and_tells_it_all() {
    let house =
        House::new("workers = 3\ntimeouts.drain = \"7s\"\ntimeouts.drain_delay = \"1ms\"\n");
    let manager = Manager::new(&house);
    let ((port, data), (admin, operators)) = (tcp(), tcp());
    let sockets = || vec![("http", handle(&data)), ("admin", handle(&operators))];
    let notify = house.path("notify.sock").display().to_string();
    let variables = [("NOTIFY_SOCKET", notify.as_str()), ("WATCHDOG_USEC", "1000000")];
    let mut running = house.activated("first", sockets(), &variables, "");
    assert_eq!(manager.next_word(), "READY=1\nSTATUS=serving by generation 1");
    for _ in 0..20 {
        assert_eq!(ask(port, "GET", "/app", READER).unwrap().status, 200);
    }
    assert_eq!(ask(admin, "GET", "/readyz", "").unwrap().status, 200);
    // Nobody listens at the addresses of the settings.
    assert!(ask(house.port, "GET", "/app", READER).is_err());

    until("the watchdog", || manager.next() == "WATCHDOG=1");
    running.send("HUP");
    let word = manager.next_word();
    assert!(word.starts_with("RELOADING=1\n") && number(&word, "MONOTONIC_USEC=") > 0, "{word}");
    assert_eq!(manager.next_word(), "READY=1\nSTATUS=serving by generation 2");
    fs::write(house.path("policy.toml"), "version = 2").unwrap();
    running.send("HUP");
    assert!(manager.next_word().starts_with("RELOADING=1\n"));
    let word = manager.next_word();
    assert_eq!(word, "READY=1\nSTATUS=the files are bad: generation 2 stays in force");

    running.send("TERM");
    let word = manager.next_word();
    assert!(word.starts_with("STOPPING=1\n") && word.ends_with("STATUS=draining"), "{word}");
    assert_eq!(number(&word, "EXTEND_TIMEOUT_USEC="), 12_001_000);
    assert_eq!(running.end(), Some(0));

    // The sockets are systemd's: who comes in between waits for the next process.
    let waiting = std::thread::spawn(move || ask(port, "GET", "/app", READER).unwrap().status);
    fs::write(house.path("policy.toml"), include_str!("../peers/policy.toml")).unwrap();
    let _second = house.activated("second", sockets(), &variables, "");
    assert!(manager.next_word().starts_with("READY=1\n"));
    assert_eq!(waiting.join().unwrap(), 200);
}

#[test]
fn a_unix_socket_of_systemd_keeps_its_file() {
    let house = House::new("workers = 2\n");
    let path = house.path("data.sock");
    let data = UnixListener::bind(&path).unwrap();
    for name in ["first", "second"] {
        let socket = data.try_clone().unwrap().into();
        let mut running = house.activated(name, vec![("", socket)], &[], "");
        house.is_ready(&mut running, name);
        assert_eq!(ask_at(path.clone()), 200);
        running.send("TERM");
        assert_eq!(running.end(), Some(0));
        assert!(path.exists());
    }
}

#[test]
fn sockets_that_cannot_be_meant_are_refused() {
    let unix = |house: &House| OwnedFd::from(UnixListener::bind(house.path("u")).unwrap());
    let datagrams = |_: &House| OwnedFd::from(UnixDatagram::unbound().unwrap());
    type Sockets = Vec<(&'static str, fn(&House) -> OwnedFd)>;
    let cases: [(Sockets, &str, i32, &str); 4] = [
        (
            vec![("a", |_| tcp().1.into()), ("b", |_| tcp().1.into())],
            "",
            1,
            "`b` is a second socket for clients — that of the operators is called `admin`",
        ),
        (vec![("admin", unix)], "", 1, "`admin` is not TCP's"),
        (vec![("a", datagrams)], "", 1, "`a` is neither TCP's nor a Unix socket"),
        (vec![("a", |_| tcp().1.into())], "--take-over", 2, "systemd holds the sockets already"),
    ];
    for (sockets, arguments, code, told) in cases {
        let house = House::new("");
        let sockets = sockets.into_iter().map(|(name, socket)| (name, socket(&house))).collect();
        let mut running = house.activated("refused", sockets, &[], arguments);
        assert_eq!(running.end(), Some(code), "{told}");
        assert!(house.log("refused").contains(told), "{}", house.log("refused"));
    }
}

#[test]
fn a_unix_socket_is_refused_where_clients_speak_tls() {
    let house = House::new("listen.tls = { certificate = \"s.pem\", key = \"s.key\" }\n");
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    fs::write(house.path("s.pem"), made.cert.pem()).unwrap();
    fs::write(house.path("s.key"), made.signing_key.serialize_pem()).unwrap();
    fs::set_permissions(house.path("s.key"), fs::Permissions::from_mode(0o600)).unwrap();
    let socket = UnixListener::bind(house.path("data.sock")).unwrap().into();
    let mut running = house.activated("refused", vec![("", socket)], &[], "");
    assert_eq!(running.end(), Some(1));
    assert!(house.log("refused").contains("TLS is for TCP"), "{}", house.log("refused"));
}

#[test]
fn sockets_of_another_process_are_left_alone() {
    let house = House::new("");
    let socket = tcp().1.into();
    let mut running = house.activated("serving", vec![("a", socket)], &[("LISTENER", "1")], "");
    house.is_ready(&mut running, "serving");
    assert_eq!(ask(house.port, "GET", "/app", READER).unwrap().status, 200);
}
