//! Handshakes: versions, names, resumption, certificates of clients, and what is none.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::thread;

use rustls::version::{TLS12, TLS13};

use crate::authority::{Authority, write};
use crate::harness::{PATIENCE, until};
use crate::rig::{GET, NOBODY, OK, WRITER};
use crate::secure::{Client, Secure};
use crate::wire::Wire;

const DENIED: &str = "GET /app HTTP/1.1\r\nHost: localhost\r\n\r\n";

#[test]
fn both_versions_carry_requests_and_upstreams_are_told() {
    let mut secure = Secure::new("");
    let port = secure.rig.gate.port;
    for version in [&TLS12, &TLS13] {
        for offered in [&["http/1.1"][..], &[]] {
            let client = Client::with_version(&secure.authority, version).offering(offered);
            let mut connection = client.connect(port, "localhost").unwrap();
            assert_eq!(connection.0.conn.protocol_version(), Some(version.version));
            let agreed = offered.first().map(|it| it.as_bytes());
            assert_eq!(connection.0.conn.alpn_protocol(), agreed);
            connection.0.write_all(GET.as_bytes()).unwrap();
            let mut peer = secure.rig.upstream.next();
            let seen = peer.message(false).unwrap();
            assert_eq!(seen.field("x-forwarded-proto"), Some("https"), "{seen:?}");
            assert_eq!(seen.field("x-forwarded-for"), Some("127.0.0.1"));
            peer.send("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok");
            assert!(connection.through("\r\n\r\nok").unwrap().starts_with("HTTP/1.1 200 OK\r\n"));
        }
    }
    let client = secure.client().offering(&["smtp"]);
    assert!(client.connect(port, "localhost").is_err());
    until("the error", || {
        let metric = "sidegate_tls_handshake_errors_total";
        secure.rig.gate.metric(metric, "kind=\"incompatible\"") == 1.0
    });
}

#[test]
fn large_bodies_are_whole_both_ways() {
    const LENGTH: usize = 20_000_000;
    let mut secure = Secure::new("");
    let connection = secure.client().connect(secure.rig.gate.port, "localhost").unwrap();
    let upload = thread::spawn(move || {
        let mut connection = connection;
        let head = format!("POST /app HTTP/1.1\r\n{WRITER}Content-Length: {LENGTH}\r\n\r\n");
        connection.0.write_all(head.as_bytes()).unwrap();
        connection.0.write_all(&vec![b'u'; LENGTH]).unwrap();
        connection.through("\r\n\r\n").unwrap();
        let mut body = vec![0; LENGTH];
        connection.0.read_exact(&mut body).unwrap();
        body
    });
    let mut peer = secure.rig.upstream.next();
    let seen = peer.message(false).unwrap();
    assert_eq!((seen.body.len(), seen.body.iter().all(|it| *it == b'u')), (LENGTH, true));
    peer.send(format!("HTTP/1.1 200 OK\r\nContent-Length: {LENGTH}\r\n\r\n"));
    peer.send(vec![b'd'; LENGTH]);
    assert!(upload.join().unwrap().iter().all(|it| *it == b'd'));
}

#[test]
fn the_certificate_is_that_of_the_name() {
    let mut made = Vec::new();
    let table = "listen.tls.certificates = [\n\
                 { certificate = \"@/api.pem\", key = \"@/api.key\" },\n\
                 { certificate = \"@/wild.pem\", key = \"@/wild.key\" },\n]\n";
    let secure = Secure::with(table, |authority, files| {
        for (name, names) in
            [("api", &["api.example", "two.example"][..]), ("wild", &["*.acme.example"])]
        {
            let issued = authority.issue(names);
            issued.write(files.path(), name);
            made.push(issued.chain[0].clone());
        }
    });
    let [api, wild] = made.try_into().unwrap();
    let shown =
        |name| secure.client().connect(secure.rig.gate.port, name).map(|it| it.certificate());
    assert_eq!(shown("api.example").unwrap(), api);
    assert_eq!(shown("TWO.example").unwrap(), api);
    assert_eq!(shown("a.acme.example").unwrap(), wild);
    assert_ne!(shown("localhost").unwrap(), api);
    // No certificate is for these: the first is shown, and the client refuses it.
    assert!(shown("acme.example").is_err());
    assert!(shown("a.b.acme.example").is_err());
    until("the alerts", || {
        secure.rig.gate.metric("sidegate_tls_handshake_errors_total", "kind=\"alert\"") == 2.0
    });
}

#[test]
fn sessions_are_resumed_also_after_a_reload_of_the_policy() {
    let secure = Secure::new("");
    let port = secure.rig.gate.port;
    for version in [&TLS12, &TLS13] {
        let client = Client::with_version(&secure.authority, version);
        let connect = |resumed| {
            let mut connection = client.connect(port, "localhost").unwrap();
            assert_eq!(connection.was_resumed(), resumed, "{version:?}");
            // Tickets come with it.
            assert!(connection.exchange(DENIED, "}").unwrap().starts_with("HTTP/1.1 401"));
        };
        connect(false);
        connect(true);
        let before = secure.rig.gate.metric("sidegate_policy_generation", "");
        secure.rig.gate.running.send("HUP");
        until("the reload", || secure.rig.gate.metric("sidegate_policy_generation", "") > before);
        connect(true);
        // Another certificate: what was agreed under the old one is over.
        secure.authority.issue(&["localhost"]).write(secure.files.path(), "server");
        until("the new certificate", || !client.connect(port, "localhost").unwrap().was_resumed());
    }
}

#[test]
fn clients_have_to_have_a_certificate_where_one_is_asked_for() {
    let clients = Authority::new();
    let mut secure = Secure::with("listen.tls.client_ca = \"@/clients.pem\"\n", |_, files| {
        write(files.path(), "clients.pem", &clients.pem());
    });
    let port = secure.rig.gate.port;
    let stranger = Authority::new();
    let asked = |client: &Client| {
        // In TLS 1.3 a client is done before its certificate is judged.
        client.connect(port, "localhost").and_then(|mut it| it.exchange(DENIED, "}"))
    };
    assert!(asked(&secure.client()).is_err());
    assert!(asked(&Client::with_certificate(&secure.authority, &stranger.issue(&["me"]))).is_err());
    let expired = clients.issue_with(&["me"], |params| {
        params.not_after = rcgen::date_time_ymd(2020, 1, 1);
    });
    assert!(asked(&Client::with_certificate(&secure.authority, &expired)).is_err());
    until("the errors", || {
        let metric = "sidegate_tls_handshake_errors_total";
        secure.rig.gate.metric(metric, "kind=\"client_certificate\"") == 3.0
    });
    assert_eq!(secure.rig.upstream.waiting(), 0);

    let known = Client::with_certificate(&secure.authority, &clients.issue(&["me"]));
    // A certificate opens the door; what is behind it is up to the key.
    assert!(asked(&known).unwrap().starts_with("HTTP/1.1 401"));
    let mut connection = known.connect(port, "localhost").unwrap();
    connection.0.write_all(GET.as_bytes()).unwrap();
    let mut peer = secure.rig.upstream.next();
    peer.message(false).unwrap();
    peer.send(OK);
    connection.through("ok").unwrap();
    // Nobody resumes under another authority.
    write(secure.files.path(), "clients.pem", &stranger.pem());
    until("the new authority", || asked(&known).is_err());
    assert_eq!(secure.rig.upstream.waiting(), 0);
}

#[test]
fn http_without_tls_is_told_so() {
    let mut secure = Secure::new("timeouts.handshake = \"300ms\"\n");
    for request in [GET, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "G"] {
        let mut client = secure.rig.sent(request);
        let answer = client.answer();
        assert_eq!(answer.status(), 400, "{request:?}");
        assert_eq!(answer.json()["detail"], "this port speaks HTTPS, not HTTP");
        client.closed();
    }
    let metric = |kind: &str| {
        let label = format!("kind=\"{kind}\"");
        secure.rig.gate.metric("sidegate_tls_handshake_errors_total", &label)
    };
    until("all", || metric("plain") == 3.0);
    for (bytes, kind) in [
        (&b"\x16\x03\x01\x00\x05hello"[..], "protocol"),
        (b"\0\0\0\0\0\0\0\0", "protocol"),
        (b"\x16\x03\x01", "timeout"),
        (b"", "timeout"),
    ] {
        let before = metric(kind);
        let mut client = secure.rig.sent(bytes);
        let (said, _reset) = client.rest();
        // At most an alert.
        assert!(said.len() <= 7, "{said:?}");
        until(kind, || metric(kind) == before + 1.0);
    }
    until("the ends", || secure.rig.gate.metric("sidegate_connections_active", "") == 0.0);
    assert_eq!(secure.rig.upstream.waiting(), 0);
}

#[test]
fn who_shakes_hands_counts_as_a_connection() {
    let secure = Secure::new("limits.connections = 2\n");
    let halves: Vec<Wire> = (0..2).map(|_| secure.rig.sent(b"\x16\x03\x01")).collect();
    until("both", || secure.rig.gate.metric("sidegate_connections_active", "") == 2.0);
    let mut third = secure.rig.client();
    third.closed();
    assert_eq!(secure.rig.gate.metric("sidegate_connections_refused_total", ""), 1.0);
    drop(halves);
    until("the ends", || secure.rig.gate.metric("sidegate_connections_active", "") == 0.0);
    let mut connection = secure.client().connect(secure.rig.gate.port, "localhost").unwrap();
    assert!(connection.exchange(DENIED, "}").is_ok());
}

#[test]
fn a_client_that_is_slow_after_its_handshake_is_told_and_told_of() {
    let secure = Secure::new("timeouts.header = \"300ms\"\n");
    let mut connection = secure.client().connect(secure.rig.gate.port, "localhost").unwrap();
    let answer = connection.exchange(&format!("GET /app HTTP/1.1\r\n{NOBODY}"), "}").unwrap();
    assert!(answer.starts_with("HTTP/1.1 408"), "{answer}");
}

/// TLS has room of its own for what its client does not take.
#[test]
fn a_client_that_does_not_read_is_not_waited_for() {
    let secure = Secure::new("timeouts.body = \"300ms\"\ntimeouts.idle = \"300ms\"\n");
    let mut connection = secure.client().connect(secure.rig.gate.port, "localhost").unwrap();
    let requests = format!("GET /app HTTP/1.1\r\n{NOBODY}\r\n").repeat(200);
    connection.0.sock.set_write_timeout(Some(PATIENCE)).unwrap();
    // Until the gate takes no more, or has ended it.
    while connection.0.write_all(requests.as_bytes()).is_ok() {}
    let metric = |name| secure.rig.gate.metric(name, "");
    until("the end", || metric("sidegate_connections_active") == 0.0);
    assert_eq!(metric("sidegate_requests_in_flight"), 0.0);
}

#[test]
fn an_answer_that_breaks_off_is_not_ended_as_if_it_were_whole() {
    let mut secure = Secure::new("");
    let mut connection = secure.client().connect(secure.rig.gate.port, "localhost").unwrap();
    connection.0.write_all(b"GET /app HTTP/1.0\r\n").unwrap();
    connection.0.write_all(format!("{WRITER}\r\n").as_bytes()).unwrap();
    let mut peer = secure.rig.upstream.next();
    peer.message(false).unwrap();
    peer.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n");
    connection.through("hello").unwrap();
    drop(peer);
    // No `close_notify`, so it is no end.
    assert!(connection.0.read(&mut [0; 16]).is_err());
}

#[test]
fn a_connection_ends_with_a_word() {
    let secure = Secure::new("");
    let mut connection = secure.client().connect(secure.rig.gate.port, "localhost").unwrap();
    let request = format!("GET /app HTTP/1.1\r\n{NOBODY}Connection: close\r\n\r\n");
    connection.exchange(&request, "}").unwrap();
    assert_eq!(connection.0.read(&mut [0; 16]).unwrap(), 0);
}

/// A plain socket that was never one of TLS is not what holds a drain up.
#[test]
fn a_drain_does_not_wait_for_handshakes() {
    let mut secure = Secure::new("timeouts.drain = \"20s\"\ntimeouts.handshake = \"300ms\"\n");
    let half = TcpStream::connect(("127.0.0.1", secure.rig.gate.port)).unwrap();
    until("it", || secure.rig.gate.metric("sidegate_connections_active", "") == 1.0);
    secure.rig.gate.running.send("TERM");
    assert_eq!(secure.rig.gate.running.end(), Some(0));
    drop(half);
}

#[test]
fn old_versions_are_not_spoken() {
    // A TLS 1.1 hello: version 3.2, nothing else of it is looked at.
    let hello = [
        &b"\x16\x03\x01\x00\x2f\x01\x00\x00\x2b\x03\x02"[..],
        &[7; 32],
        b"\x00\x00\x04\x00\x2f\x00\x35\x01\x00",
    ]
    .concat();
    let secure = Secure::new("");
    let mut client = secure.rig.sent(hello);
    let (said, _) = client.rest();
    assert_eq!(said.first(), Some(&21), "{said:?}");
}
