//! Clients behind a proxy that does not speak HTTP: the PROXY protocol, version 2.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::Arc;

use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, StreamOwned};

use crate::frames::{self, GOOD, preface};
use crate::harness::{Nginx, Running, ask, free_port, record, until};
use crate::rig::{GET, OK, Rig};
use crate::secure::Secure;
use crate::wire::Wire;

const SIGNATURE: &[u8; 12] = b"\r\n\r\n\0\r\nQUIT\n";
/// Proxies are where tests are, and clients are not.
const ON: &str = "trusted_proxies = [\"127.0.0.0/8\"]\nlisten.proxy_protocol = \"v2\"\n";

fn header(version: u8, family: u8, body: &[u8]) -> Vec<u8> {
    let length = u16::try_from(body.len()).unwrap().to_be_bytes();
    [&SIGNATURE[..], &[version, family], &length, body].concat()
}

/// Of a client at 192.0.2.7.
fn client() -> Vec<u8> {
    header(0x21, 0x11, &[192, 0, 2, 7, 10, 0, 0, 1, 0x30, 0x39, 0x1f, 0x90, 4, 0, 2, 9, 9])
}

fn client_v6() -> Vec<u8> {
    let address = "2001:db8::7".parse::<std::net::Ipv6Addr>().unwrap().octets();
    header(0x21, 0x21, &[&address[..], &[0; 16], &[0, 1, 0, 2]].concat())
}

/// What a proxy says of itself.
fn local() -> Vec<u8> {
    header(0x20, 0, b"")
}

fn errors(rig: &Rig, kind: &str) -> f64 {
    rig.gate.metric("sidegate_proxy_protocol_errors_total", &format!("kind=\"{kind}\""))
}

/// What an upstream is told of where a request comes from; and then its answer goes back.
fn told(rig: &mut Rig, client: &mut Wire) -> Option<String> {
    let mut peer = rig.upstream.next();
    let seen = peer.message(false).unwrap();
    peer.send(OK);
    assert_eq!(client.answer().body, b"ok");
    seen.field("x-forwarded-for").map(str::to_owned)
}

#[test]
fn the_client_is_who_the_header_says() {
    let mut rig = Rig::new(ON);
    let claims = GET.replace("\r\n\r\n", "\r\nX-Forwarded-For: 9.9.9.9\r\n\r\n");
    let cases = [
        (client(), "192.0.2.7", "192.0.2.7"),
        (client_v6(), "2001:db8::7", "2001:db8::7"),
        // It is trusted itself, and so is what it says of others.
        (local(), "9.9.9.9, 127.0.0.1", "127.0.0.1"),
        (header(0x20, 0x11, &[1; 12]), "9.9.9.9, 127.0.0.1", "127.0.0.1"),
        (
            header(0x21, 0x11, &[127, 0, 0, 9, 1, 1, 1, 1, 0, 1, 0, 1]),
            "9.9.9.9, 127.0.0.9",
            "127.0.0.9",
        ),
    ];
    for (number, (header, forwarded, peer)) in cases.into_iter().enumerate() {
        let mut client = rig.sent([&header, claims.as_bytes()].concat());
        assert_eq!(told(&mut rig, &mut client).as_deref(), Some(forwarded));
        // And of what follows on the connection.
        client.send(GET);
        assert!(told(&mut rig, &mut client).unwrap().ends_with(peer));
        until("the events", || rig.events().len() == number * 2 + 2);
        assert_eq!(rig.events().pop().unwrap()["peer"], peer);
    }
    let mut other = rig.sent([header(0x21, 0x31, &[0; 216]), claims.into_bytes()].concat());
    assert_eq!(told(&mut rig, &mut other), None);
}

#[test]
fn it_may_come_in_any_pieces() {
    let mut rig = Rig::new(ON);
    let bytes = [&client(), GET.as_bytes()].concat();
    for at in 1..client().len() + 2 {
        let (one, other) = bytes.split_at(at);
        let mut client = rig.sent(one);
        client.send(other);
        assert_eq!(told(&mut rig, &mut client).as_deref(), Some("192.0.2.7"), "{at}");
    }
    let mut client = rig.client();
    bytes.iter().for_each(|byte| client.send([*byte]));
    assert_eq!(told(&mut rig, &mut client).as_deref(), Some("192.0.2.7"));
}

#[test]
fn what_does_not_begin_with_it_is_closed_without_a_word() {
    let mut rig = Rig::new(&format!("{ON}timeouts.handshake = \"300ms\"\n"));
    let long = header(0x21, 0x11, &[0; 4097]);
    let summed = header(0x21, 0x11, &[[0; 12].as_slice(), &[3, 0, 4, 1, 2, 3, 4]].concat());
    let cases: [(&str, &[u8]); 14] = [
        ("missing", GET.as_bytes()),
        ("missing", b"G"),
        ("missing", b"PROXY TCP4 192.0.2.7 10.0.0.1 1 2\r\n"),
        ("missing", b"PROXY UNKNOWN\r\n"),
        ("missing", b"\r\n\r\n\0\r\nQUIT\r"),
        ("missing", b"\x16\x03\x01"),
        ("missing", &preface()),
        ("malformed", &header(0x11, 0x11, &[0; 12])),
        ("malformed", &header(0x21, 0x11, &[0; 11])),
        ("unknown", &header(0x21, 0, b"")),
        ("unknown", &header(0x21, 0x12, &[0; 12])),
        ("too_long", &long[..16]),
        ("checksum", &summed),
        ("timeout", &client()[..20]),
    ];
    for (kind, bytes) in cases {
        let before = errors(&rig, kind);
        let mut client = rig.sent(bytes);
        assert_eq!(client.rest().0, b"", "{bytes:?}");
        until("the count", || errors(&rig, kind) == before + 1.0);
    }
    rig.sent(&client()[..20]).half_close();
    until("the count", || errors(&rig, "closed") == 1.0);
    assert_eq!(rig.upstream.waiting(), 0);
    assert_eq!(rig.events().len(), 0);
    until("the ends", || rig.gate.metric("sidegate_connections_active", "") == 0.0);
}

#[test]
fn nobody_else_may_send_one() {
    let settings = ON.replace("127.0.0.0/8", "10.0.0.0/8");
    let mut rig = Rig::new(&settings);
    for bytes in [client(), local(), GET.as_bytes().to_vec(), Vec::new()] {
        let mut client = rig.sent(&bytes);
        assert_eq!(client.rest().0, b"");
    }
    until("the count", || errors(&rig, "untrusted") == 4.0);
    // And where it is off it is not HTTP, whoever sends it.
    let mut off = Rig::new("trusted_proxies = [\"127.0.0.0/8\"]\n");
    let mut client = off.sent([&client(), GET.as_bytes()].concat());
    assert_eq!(client.answer().status(), 400);
    assert_eq!(rig.upstream.waiting() + off.upstream.waiting(), 0);
}

#[test]
fn http2_and_tls_follow_it() {
    let mut rig = Rig::new(ON);
    let mut wire = rig.sent([client(), preface(), frames::request(1, GOOD)].concat());
    let mut peer = rig.upstream.next();
    assert_eq!(peer.message(false).unwrap().field("x-forwarded-for"), Some("192.0.2.7"));
    peer.send(OK);
    assert_eq!(frames::next_of_stream(&mut wire).kind, frames::HEADERS);

    let mut secure = Secure::new(ON);
    let mut stream = TcpStream::connect(("127.0.0.1", secure.rig.gate.port)).unwrap();
    stream.write_all(&client()).unwrap();
    let config = ClientConfig::builder().with_root_certificates(secure.authority.roots());
    let name = ServerName::try_from("localhost").unwrap();
    let tls = ClientConnection::new(Arc::new(config.with_no_client_auth()), name).unwrap();
    let mut tls = StreamOwned::new(tls, stream);
    tls.write_all(GET.as_bytes()).unwrap();
    let mut peer = secure.rig.upstream.next();
    let seen = peer.message(false).unwrap();
    assert_eq!(seen.field("x-forwarded-for"), Some("192.0.2.7"));
    assert_eq!(seen.field("x-forwarded-proto"), Some("https"));
    peer.send(OK);
    let mut answer = [0; 15];
    tls.read_exact(&mut answer).unwrap();
    assert_eq!(&answer, b"HTTP/1.1 200 OK");
}

/// A gate with these lines of `[listen]`, and where its operators connect.
fn gate(folder: &Path, listen: &str, upstream: u16) -> (Running, u16) {
    let admin = free_port();
    fs::write(folder.join("policy.toml"), include_str!("../peers/policy.toml")).unwrap();
    crate::authority::write(folder, "keys.jsonl", &format!("{}\n", record("writer", "writer")));
    let settings = format!(
        "trusted_proxies = [\"127.0.0.0/8\"]\n[listen]\n{listen}\nproxy_protocol = \"v2\"\n[admin]\n\
         address = \"127.0.0.1:{admin}\"\n[upstream.app]\nurls = [\"http://127.0.0.1:{upstream}\"]\n"
    );
    fs::write(folder.join("sidegate.toml"), settings).unwrap();
    let program = env!("CARGO_BIN_EXE_sidegate");
    let running = Running::start(program, &["serve", "-c", "sidegate.toml"], folder, "sidegate");
    until("the start", || {
        ask(admin, "GET", "/readyz", "").is_ok_and(|answer| answer.status == 200)
    });
    (running, admin)
}

/// Who may write to the socket's file is trusted.
#[test]
fn a_unix_socket_takes_it_too() {
    let folder = tempfile::tempdir().unwrap();
    let mut upstream = crate::rig::Upstream::start();
    let (_gate, _) = gate(folder.path(), "address = \"unix:gate.sock\"", upstream.port());
    for (header, forwarded) in [(client(), Some("192.0.2.7")), (local(), None)] {
        let mut client = UnixStream::connect(folder.path().join("gate.sock")).unwrap();
        client.write_all(&[&header, GET.as_bytes()].concat()).unwrap();
        let mut peer = upstream.next();
        assert_eq!(peer.message(false).unwrap().field("x-forwarded-for"), forwarded);
        peer.send(OK);
        let mut answer = [0; 15];
        client.read_exact(&mut answer).unwrap();
        assert_eq!(&answer, b"HTTP/1.1 200 OK");
    }
}

/// The whole way through a proxy that writes the header, and its health checks.
#[test]
#[ignore = "needs nginx and haproxy; .ci/run installs them"]
fn haproxy_says_who_is_behind_it() {
    let nginx = Nginx::start("location / { return 200 \"for $http_x_forwarded_for\"; }");
    let folder = tempfile::tempdir().unwrap();
    let (port, front) = (free_port(), free_port());
    let (_gate, admin) =
        gate(folder.path(), &format!("address = \"127.0.0.1:{port}\""), nginx.port);
    let config = format!(
        "global\n  maxconn 100\ndefaults\n  mode tcp\n  timeout connect 5s\n  timeout client 5s\n\
         \x20 timeout server 5s\nlisten l\n  bind 127.0.0.1:{front}\n\
         \x20 server gate 127.0.0.1:{port} send-proxy-v2 proxy-v2-options crc32c,unique-id check inter 50ms\n"
    );
    fs::write(folder.path().join("haproxy.cfg"), config).unwrap();
    let _haproxy =
        Running::start("haproxy", &["-db", "-f", "haproxy.cfg"], folder.path(), "haproxy");
    let from = |address: [u8; 4]| {
        let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None);
        let socket = socket.unwrap();
        socket.bind(&std::net::SocketAddr::from((address, 0)).into()).unwrap();
        socket.connect(&std::net::SocketAddr::from(([127, 0, 0, 1], front)).into()).ok()?;
        let mut stream = TcpStream::from(socket);
        stream
            .write_all(GET.replace("\r\n\r\n", "\r\nConnection: close\r\n\r\n").as_bytes())
            .ok()?;
        let mut text = String::new();
        stream.read_to_string(&mut text).ok()?;
        Some(text)
    };
    until("haproxy", || from([127, 0, 0, 1]).is_some_and(|text| text.ends_with("for 127.0.0.1")));
    for address in [[127, 0, 0, 2], [127, 7, 7, 7]] {
        let expected = format!("for {}", std::net::Ipv4Addr::from(address));
        let text = from(address).unwrap();
        assert!(text.ends_with(&expected), "{text}");
    }
    let page = ask(admin, "GET", "/metrics", "").unwrap().body;
    let errors =
        page.lines().filter(|line| line.starts_with("sidegate_proxy_protocol_errors_total{"));
    assert!(
        errors.clone().count() == 8 && errors.clone().all(|line| line.ends_with(" 0")),
        "{page}"
    );
}
