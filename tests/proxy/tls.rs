//! Upstreams behind TLS: who can prove who they are is spoken to, and nobody else.

use std::fs::{self, Permissions};
use std::io::{Read as _, Write as _};
use std::net::{IpAddr, Ipv4Addr, TcpListener};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::Arc;
use std::thread;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair, SanType};
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig, ServerConnection, StreamOwned};

use crate::harness::until;
use crate::multiplex::Server;
use crate::rig::{READER, Rig, Upstream, WRITER};
use crate::upstream::fails_with;
use crate::websocket::{AGREED, handshake};

/// Makes certificates that are believed.
struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::new([]).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    /// Writes `NAME.pem` and `NAME.key`.
    fn issue(&self, folder: &Path, name: &str) {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new([name.to_owned()]).unwrap();
        params.subject_alt_names.push(SanType::IpAddress(IpAddr::V4(Ipv4Addr::LOCALHOST)));
        let certificate = params.signed_by(&key, &self.0).unwrap();
        fs::write(folder.join(format!("{name}.pem")), certificate.pem()).unwrap();
        let path = folder.join(format!("{name}.key"));
        fs::write(&path, key.serialize_pem()).unwrap();
        fs::set_permissions(path, Permissions::from_mode(0o600)).unwrap();
    }

    fn write(&self, path: &Path) {
        fs::write(path, self.0.pem()).unwrap();
    }
}

/// What a server does with a request.
#[derive(Clone, Copy)]
enum Deed {
    /// Says how many there were on this connection, and keeps that.
    Count,
    /// Begins a body that ends with the connection, and ends that without a word.
    Cut,
    /// Goes on as a WebSocket, says again what it hears, and has a last word.
    Switch,
}

/// Serves with `vault.pem` from a folder until the test ends. `clients` are asked who they are.
fn serve(folder: &Path, clients: bool, deed: Deed) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let config = Arc::new(config(folder, clients));
    thread::spawn(move || {
        for stream in listener.incoming() {
            let (stream, config) = (stream.unwrap(), Arc::clone(&config));
            thread::spawn(move || {
                let connection = ServerConnection::new(config).unwrap();
                answer(&mut StreamOwned::new(connection, stream), deed);
            });
        }
    });
    port
}

fn config(folder: &Path, clients: bool) -> ServerConfig {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let certificate = CertificateDer::from_pem_file(folder.join("vault.pem")).unwrap();
    let key = PrivateKeyDer::from_pem_file(folder.join("vault.key")).unwrap();
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider));
    let builder = builder.with_safe_default_protocol_versions().unwrap();
    let builder = if clients {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_file(folder.join("ca.pem")).unwrap()).unwrap();
        let verifier = WebPkiClientVerifier::builder_with_provider(roots.into(), provider);
        builder.with_client_cert_verifier(verifier.build().unwrap())
    } else {
        builder.with_no_client_auth()
    };
    builder.with_single_cert(vec![certificate], key).unwrap()
}

fn answer(stream: &mut StreamOwned<ServerConnection, std::net::TcpStream>, deed: Deed) {
    let (mut asked, mut count, mut chunk) = (Vec::new(), 0, [0; 4096]);
    while let Ok(length @ 1..) = stream.read(&mut chunk) {
        asked.extend_from_slice(&chunk[..length]);
        if !asked.ends_with(b"\r\n\r\n") {
            continue;
        }
        count += 1;
        let text = match deed {
            Deed::Count => {
                let text = format!("{count} {}", String::from_utf8_lossy(&asked));
                format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{text}", text.len())
            }
            Deed::Cut => "HTTP/1.1 200 OK\r\n\r\nhalf of it".to_owned(),
            Deed::Switch => format!("{AGREED}first words"),
        };
        stream.write_all(text.as_bytes()).unwrap();
        asked.clear();
        match deed {
            Deed::Count => {}
            Deed::Cut => return,
            Deed::Switch => return echo(stream),
        }
    }
}

fn echo(stream: &mut StreamOwned<ServerConnection, std::net::TcpStream>) {
    let mut chunk = [0; 4096];
    while let Ok(length @ 1..) = stream.read(&mut chunk) {
        stream.write_all(&chunk[..length]).unwrap();
    }
    stream.write_all(b"last words").unwrap();
    stream.conn.send_close_notify();
    stream.flush().unwrap();
}

fn get(rig: &Rig) -> crate::wire::Wire {
    rig.sent(format!("GET /late HTTP/1.1\r\n{WRITER}\r\n"))
}

#[test]
fn who_can_prove_who_they_are_is_spoken_to() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let (authority, stranger) = (Authority::new(), Authority::new());
    authority.write(&folder.join("ca.pem"));
    authority.issue(folder, "vault");
    authority.issue(folder, "client");
    stranger.write(&folder.join("stranger.pem"));
    stranger.issue(folder, "impostor");
    let shown = folder.display();
    let ca = format!("upstream.other.ca = \"{shown}/ca.pem\"\n");
    let own = |name| {
        format!(
            "upstream.other.certificate = \"{shown}/{name}.pem\"\n\
             upstream.other.key = \"{shown}/{name}.key\"\n"
        )
    };
    let named = |name| format!("upstream.other.server_name = \"{name}\"\n");
    let tls = Some("tls_protocol_error");
    // TLS 1.3 says that a client's certificate is missing behind the handshake.
    let late = Some("connection_terminated");
    let cases = [
        ("as the address", false, ca.clone(), None),
        ("as the name", false, ca.clone() + &named("vault"), None),
        ("as another", false, ca.clone() + &named("other"), tls),
        ("by a stranger", false, format!("upstream.other.ca = \"{shown}/stranger.pem\"\n"), tls),
        ("both sides", true, ca.clone() + &own("client"), None),
        ("we as an impostor", true, ca.clone() + &own("impostor"), late),
        ("we as nobody", true, ca.clone(), late),
    ];
    for (what, clients, lines, expected) in cases {
        let port = serve(folder, clients, Deed::Count);
        let lines = format!("{lines}upstream.other.urls = [\"https://127.0.0.1:{port}\"]\n");
        let rig = Rig::new(&lines);
        rig.reroute("late", "other");
        let mut client = get(&rig);
        let answer = client.answer();
        if let Some(error) = expected {
            fails_with(&answer, 502, error);
            continue;
        }
        assert_eq!(answer.status(), 200, "{what}");
        client.send(format!("GET /late HTTP/1.1\r\n{WRITER}\r\n"));
        let body = String::from_utf8(client.answer().body).unwrap();
        assert!(body.starts_with("2 GET /late HTTP/1.1\r\n"), "{what}: {body}");
        assert!(body.contains("x-sidegate-account: writer\r\n"), "{what}: {body}");
    }
}

/// The files are changed one after the other; a bad one changes nothing.
#[test]
fn what_is_believed_and_shown_follows_its_files() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let (authority, stranger) = (Authority::new(), Authority::new());
    authority.write(&folder.join("ca.pem"));
    authority.issue(folder, "vault");
    stranger.issue(folder, "client");
    stranger.write(&folder.join("believed.pem"));
    let shown = folder.display();
    let port = serve(folder, true, Deed::Count);
    let rig = Rig::new(&format!(
        "upstream.other.ca = \"{shown}/believed.pem\"\nupstream.other.idle_connections = 0\n\
         upstream.other.certificate = \"{shown}/client.pem\"\n\
         upstream.other.key = \"{shown}/client.key\"\n\
         upstream.other.urls = [\"https://127.0.0.1:{port}\"]\n",
    ));
    rig.reroute("late", "other");
    fails_with(&get(&rig).answer(), 502, "tls_protocol_error");
    let in_force = || rig.gate.metric("sidegate_policy_generation", "");

    authority.write(&folder.join("believed.pem"));
    until("another authority", || in_force() == 3.0);
    fails_with(&get(&rig).answer(), 502, "connection_terminated");

    // Between the two files, the key is not that of the certificate: nothing changes.
    authority.issue(folder, "client");
    until("another certificate", || get(&rig).answer().status() == 200);

    fs::write(folder.join("believed.pem"), "nobody").unwrap();
    until("the refusal", || rig.gate.metric("sidegate_policy_last_reload_successful", "") == 0.0);
    assert!(rig.gate.page("/status").contains("believed.pem: has no certificate in it"));
    assert_eq!(get(&rig).answer().status(), 200);

    authority.write(&folder.join("believed.pem"));
    until("the recovery", || rig.gate.metric("sidegate_policy_last_reload_successful", "") == 1.0);
    fs::set_permissions(folder.join("client.key"), Permissions::from_mode(0o644)).unwrap();
    until("the refusal", || rig.gate.metric("sidegate_policy_last_reload_successful", "") == 0.0);
    assert!(rig.gate.page("/status").contains("client.key: mode 0644 lets group or others"));
    assert_eq!(get(&rig).answer().status(), 200);
}

#[test]
fn what_breaks_off_does_not_look_whole() {
    let folder = tempfile::tempdir().unwrap();
    let authority = Authority::new();
    authority.write(&folder.path().join("ca.pem"));
    authority.issue(folder.path(), "vault");
    let port = serve(folder.path(), false, Deed::Cut);
    let rig = Rig::new(&format!(
        "upstream.other.ca = \"{}/ca.pem\"\nupstream.other.urls = [\"https://127.0.0.1:{port}\"]\n",
        folder.path().display()
    ));
    rig.reroute("late", "other");
    assert!(get(&rig).message(false).is_err());
}

#[test]
fn a_websocket_goes_through_tls() {
    let folder = tempfile::tempdir().unwrap();
    let authority = Authority::new();
    authority.write(&folder.path().join("ca.pem"));
    authority.issue(folder.path(), "vault");
    let port = serve(folder.path(), false, Deed::Switch);
    let rig = Rig::new(&format!(
        "upstream.other.ca = \"{}/ca.pem\"\nupstream.other.urls = [\"https://127.0.0.1:{port}\"]\n",
        folder.path().display()
    ));
    rig.reroute("socket", "other");
    let mut client = rig.sent(handshake("/socket", READER));
    assert_eq!(client.answer().status(), 101);
    assert_eq!(client.bytes(11), b"first words");
    // More than one record, and than what fits into one read.
    let long = "x".repeat(200_000);
    client.send(&long);
    assert_eq!(client.bytes(long.len()), long.as_bytes());
    client.half_close();
    assert_eq!(client.rest(), (b"last words".to_vec(), false));
    until("its end", || rig.gate.metric("sidegate_streams_active", "") == 0.0);
}

#[test]
fn who_does_not_speak_tls_is_told_from_who_does_not_speak() {
    let folder = tempfile::tempdir().unwrap();
    Authority::new().write(&folder.path().join("ca.pem"));
    let mut upstream = Upstream::start();
    let rig = Rig::new(&format!(
        "timeouts.connect = \"300ms\"\nupstream.other.ca = \"{}/ca.pem\"\n\
         upstream.other.urls = [\"https://127.0.0.1:{}\"]\n",
        folder.path().display(),
        upstream.port()
    ));
    rig.reroute("late", "other");
    let mut client = get(&rig);
    let mut peer = upstream.next();
    peer.bytes(5);
    peer.send("HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n");
    fails_with(&client.answer(), 502, "tls_protocol_error");
    until("the warning", || rig.log().contains("upstream endpoint cannot be reached"));

    let mut client = get(&rig);
    let _silent = upstream.next();
    fails_with(&client.answer(), 504, "connection_timeout");
}

/// Both are offered: the upstream chooses.
#[test]
fn http_2_is_spoken_where_it_is_wanted() {
    let folder = tempfile::tempdir().unwrap();
    let authority = Authority::new();
    authority.write(&folder.path().join("ca.pem"));
    authority.issue(folder.path(), "vault");
    for protocol in ["h2", "http/1.1"] {
        let mut config = config(folder.path(), false);
        config.alpn_protocols = vec![protocol.into()];
        let server = Server::secure(config);
        let rig = Rig::new(&format!(
            "timeouts.upstream = \"5s\"\nupstream.other.ca = \"{}/ca.pem\"\n\
             upstream.other.urls = [\"{}\"]\n",
            folder.path().display(),
            server.url
        ));
        rig.reroute("late", "other");
        let mut client = get(&rig);
        if protocol == "h2" {
            let seen = String::from_utf8(client.answer().body).unwrap();
            assert!(seen.starts_with("GET https://localhost/late\n"), "{seen}");
            client.send(format!("GET /late HTTP/1.1\r\n{WRITER}\r\n"));
            assert_eq!(client.answer().status(), 200);
            assert_eq!((server.connections(), server.requests()), (1, 2));
        } else {
            // What it speaks behind that is HTTP/2 after all, which is not asked for.
            assert_ne!(client.answer().status(), 200);
            assert_eq!(server.requests(), 0);
        }
    }
}
