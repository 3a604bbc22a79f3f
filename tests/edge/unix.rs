//! Clients that come by a Unix socket.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::{SocketAddr, UnixListener, UnixStream};
use std::path::Path;
use std::process::Command;
use std::thread;

use tempfile::TempDir;

use crate::frames::{self, END_HEADERS, END_STREAM, GOOD, HEADERS};
use crate::harness::{Running, ask, free_port, record, until};
use crate::rig::{GET, OK, Upstream};

/// A gate on `address`, in a folder of its own.
struct Local {
    running: Running,
    admin: u16,
    upstream: Upstream,
    folder: TempDir,
}

impl Local {
    fn new(address: &str, more: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let upstream = Upstream::start();
        let admin = free_port();
        write(folder.path(), &format!("address = \"{address}\"\n{more}"), admin, upstream.port());
        let running = start(folder.path(), admin);
        Self { running, admin, upstream, folder }
    }

    fn connect(&self) -> UnixStream {
        UnixStream::connect(self.folder.path().join("gate.sock")).unwrap()
    }

    fn answers(&mut self, mut client: UnixStream) {
        let claims = "X-Forwarded-For: 9.9.9.9\r\nX-Forwarded-Proto: https\r\n\r\n";
        client.write_all(GET.replacen("\r\n\r\n", "\r\n", 1).as_bytes()).unwrap();
        client.write_all(claims.as_bytes()).unwrap();
        let mut peer = self.upstream.next();
        let seen = peer.message(false).unwrap();
        assert_eq!(seen.field("x-forwarded-for"), None, "{seen:?}");
        assert_eq!(seen.field("x-forwarded-proto"), Some("http"));
        peer.send(OK);
        client.set_read_timeout(Some(crate::harness::PATIENCE)).unwrap();
        let mut text = Vec::new();
        while !text.ends_with(b"ok") {
            let mut chunk = [0; 1024];
            let length = client.read(&mut chunk).unwrap();
            assert!(length > 0, "{text:?}");
            text.extend_from_slice(&chunk[..length]);
        }
    }
}

/// But who comes by a Unix socket: that one is nobody.
const EVERYBODY: &str = r#"["0.0.0.0/1", "128.0.0.0/1", "::/1", "8000::/1"]"#;

fn write(folder: &Path, listen: &str, admin: u16, upstream: u16) {
    fs::write(folder.join("policy.toml"), include_str!("../peers/policy.toml")).unwrap();
    crate::authority::write(folder, "keys.jsonl", &format!("{}\n", record("writer", "writer")));
    let settings = format!(
        "workers = 2\nlog.sample = 1.0\ntrusted_proxies = {EVERYBODY}\n[listen]\n{listen}\n[admin]\naddress = \
         \"127.0.0.1:{admin}\"\n[upstream.app]\nurls = [\"http://127.0.0.1:{upstream}\"]\n"
    );
    fs::write(folder.join("sidegate.toml"), settings).unwrap();
}

fn start(folder: &Path, admin: u16) -> Running {
    let program = env!("CARGO_BIN_EXE_sidegate");
    let running = Running::start(program, &["serve", "-c", "sidegate.toml"], folder, "sidegate");
    until("the start", || {
        ask(admin, "GET", "/readyz", "").is_ok_and(|answer| answer.status == 200)
    });
    running
}

/// What `serve` says that cannot start, or `check` of the settings.
fn refused(folder: &Path, command: &str) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_sidegate"))
        .args([command, "-c", "sidegate.toml"])
        .current_dir(folder)
        .output()
        .unwrap();
    assert!(!output.status.success());
    String::from_utf8([output.stdout, output.stderr].concat()).unwrap()
}

#[test]
fn a_file_is_a_way_in_for_who_may_write_to_it() {
    let mut local = Local::new("unix:gate.sock", "");
    let file = local.folder.path().join("gate.sock");
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o660);
    let client = local.connect();
    local.answers(client);
    let log = || fs::read_to_string(local.folder.path().join("sidegate.log")).unwrap();
    until("the event", || log().contains("\"peer\":\"unix\""));
    assert!(log().contains("\"address\":\"unix:"), "{}", log());
    local.running.signal("TERM");
    assert!(!file.exists());
}

#[test]
fn its_mode_can_be_set() {
    let local = Local::new("unix:gate.sock", "mode = \"0600\"\n");
    let file = local.folder.path().join("gate.sock");
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
}

#[test]
fn only_what_nobody_listens_on_is_replaced() {
    let mut first = Local::new("unix:gate.sock", "");
    let (at, file) = (first.folder.path().to_owned(), first.folder.path().join("gate.sock"));
    let settings = fs::read_to_string(at.join("sidegate.toml")).unwrap();
    let other = format!("127.0.0.1:{}", free_port());
    let elsewhere = settings.replace(&format!("127.0.0.1:{}", first.admin), &other);
    fs::write(at.join("sidegate.toml"), elsewhere).unwrap();
    let told = refused(&at, "serve");
    assert!(told.contains("another process has it"), "{told}");
    fs::write(at.join("sidegate.toml"), settings).unwrap();
    let client = first.connect();
    first.answers(client);

    // One that was killed leaves its file.
    first.running.signal("KILL");
    assert!(file.exists());
    first.running = start(&at, first.admin);
    let client = first.connect();
    first.answers(client);
    // And nobody removes the file of another.
    fs::remove_file(&file).unwrap();
    let successor = UnixListener::bind(&file).unwrap();
    first.running.signal("TERM");
    assert!(file.exists());
    drop(successor);
    fs::remove_file(&file).unwrap();

    fs::write(&file, "mine").unwrap();
    let told = refused(&at, "serve");
    assert!(told.contains("there is a file that is not a socket"), "{told}");
    assert_eq!(fs::read_to_string(&file).unwrap(), "mine");
}

#[test]
fn a_name_without_a_file() {
    let name = format!("sidegate-test-{}", std::process::id());
    let mut local = Local::new(&format!("unix:@{name}"), "");
    let address = SocketAddr::from_abstract_name(&name).unwrap();
    let client = UnixStream::connect_addr(&address).unwrap();
    local.answers(client);
}

#[test]
fn both_versions_are_told_apart_without_a_look_ahead() {
    let mut local = Local::new("unix:gate.sock", "");
    let mut client = local.connect();
    client.set_read_timeout(Some(crate::harness::PATIENCE)).unwrap();
    for byte in frames::preface() {
        client.write_all(&[byte]).unwrap();
    }
    client.write_all(&frames::request(1, GOOD)).unwrap();
    let mut peer = local.upstream.next();
    peer.message(false).unwrap();
    peer.send(OK);
    let mut bytes = Vec::new();
    let head = loop {
        let mut chunk = [0; 1024];
        let length = client.read(&mut chunk).unwrap();
        assert!(length > 0);
        bytes.extend_from_slice(&chunk[..length]);
        let found = frames::cut(&bytes).into_iter().find(|came| came.kind == HEADERS);
        if let Some(head) = found {
            break head;
        }
    };
    assert_eq!((head.flags & END_HEADERS, head.flags & END_STREAM), (END_HEADERS, 0));
    // Many at once: whichever worker accepts, each is served.
    let clients: Vec<_> = (0..20).map(|_| local.connect()).collect();
    thread::scope(|scope| {
        for mut client in clients {
            scope.spawn(move || {
                let head = "GET /app HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n";
                client.write_all(head.as_bytes()).unwrap();
                let mut text = String::new();
                client.read_to_string(&mut text).unwrap();
                assert!(text.starts_with("HTTP/1.1 401"), "{text}");
            });
        }
    });
}

#[test]
fn what_is_wrong_with_an_address_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let long = "x".repeat(200);
    for (listen, expected) in [
        ("address = \"unix:\"", "`unix:` has no path — write `unix:/run/sidegate.sock`"),
        ("address = \"unix:@\"", "`unix:@` has no path"),
        (&format!("address = \"unix:/{long}\""), "has a path longer than 107 bytes"),
        (
            "address = \"unix:a.sock\"\nmode = \"rw\"",
            "`rw` is no mode of a file — write it in octal",
        ),
        ("address = \"unix:a.sock\"\nmode = \"1777\"", "`1777` is no mode of a file"),
        ("address = \"unix:@a\"\nmode = \"0600\"", "`unix:@a` has no file that could have a mode"),
        ("address = \"127.0.0.1:1\"\nmode = \"0600\"", "unknown field `mode`"),
        (
            "address = \"unix:a.sock\"\ntls = { certificate = \"a\", key = \"b\" }",
            "TLS is for IP addresses — leave `tls` out",
        ),
        ("address = \"localhost:1\"", "`localhost:1` is not an address"),
    ] {
        write(at, listen, port, 9000);
        let told = refused(at, "check");
        assert!(told.contains(expected), "{expected}\nis not in\n{told}");
    }
    write(at, "", port, 9000);
    let settings = fs::read_to_string(at.join("sidegate.toml")).unwrap();
    let admin = settings.replace(&format!("127.0.0.1:{port}"), "unix:admin.sock");
    fs::write(at.join("sidegate.toml"), admin).unwrap();
    let told = refused(at, "check");
    assert!(told.contains("`unix:admin.sock` is a socket — operators connect by TCP"), "{told}");
}
