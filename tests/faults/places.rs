//! Upstreams that cannot be reached, or cannot prove who they are.

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use rcgen::date_time_ymd;
use rustls::pki_types::CertificateDer;
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig, ServerConnection, StreamOwned};
use sidegate::clock;
use socket2::{Domain, Socket, Type};

use crate::authority::{Authority, Issued, write};
use crate::harness::free_port;
use crate::script::Scripted;
use crate::script::Step::{Bytes, Close, Freeze, Say};
use crate::stage::{Ask, Client, Saw, Stage, Table};

#[test]
fn who_is_not_there() {
    let (full, _backlog) = full();
    let silent = Scripted::start(&[Freeze]);
    let rows = [
        ("refuses", format!("http://127.0.0.1:{}", free_port()), 502, "destination_unavailable"),
        ("does not answer SYN", format!("http://{full}"), 504, "connection_timeout"),
        ("has a name that nobody knows", "http://nowhere.invalid:80".into(), 502, "dns_error"),
        (
            "is a Unix socket without a file",
            "unix:/nowhere/app.sock".into(),
            502,
            "destination_unavailable",
        ),
        ("never shakes hands", silent.url.replace("http", "https"), 504, "connection_timeout"),
    ];
    let names: Vec<String> = (0..rows.len()).map(|number| format!("place{number}")).collect();
    let urls = rows.each_ref().map(|row| row.1.clone());
    let upstreams: Vec<_> = names.iter().map(String::as_str).zip(urls).collect();
    let stage = Stage::new(&upstreams, "");
    let mut table = Table::default();
    for ((fault, _, status, error), name) in rows.iter().zip(&names) {
        for ask in [Ask::Get, Ask::Upload] {
            for mut client in Client::both(&stage) {
                let began = clock::instant();
                let saw = client.ask(&format!("/{name}"), ask);
                let due = Saw::own(*status, error);
                if ask == Ask::Get {
                    table.note(fault, client.version(), began, &saw, &due);
                }
                assert_eq!(saw, due, "{fault}: {ask:?}");
            }
        }
    }
    table.finish();
}

/// A listener whose backlog takes no more: connecting waits.
fn full() -> (SocketAddr, (Socket, Vec<TcpStream>)) {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
    socket.listen(0).unwrap();
    let address = socket.local_addr().unwrap().as_socket().unwrap();
    let mut fill = Vec::new();
    while let Ok(stream) = TcpStream::connect_timeout(&address, Duration::from_millis(200)) {
        fill.push(stream);
        assert!(fill.len() < 64, "the backlog has no end");
    }
    (address, (socket, fill))
}

#[test]
fn who_cannot_prove_who_they_are() {
    let (known, other) = (Authority::new(), Authority::new());
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), "ca.pem", &known.pem());
    let expired = known.issue_with(&["127.0.0.1"], |it| it.not_after = date_time_ymd(2021, 1, 1));
    let early = known.issue_with(&["127.0.0.1"], |it| it.not_before = date_time_ymd(2999, 1, 1));
    let (good, tls) = (known.issue(&["127.0.0.1"]), "tls_protocol_error");
    let rows = [
        ("a certificate of another name", serve(&known.issue(&["elsewhere"]), None), tls),
        ("an expired certificate", serve(&expired, None), tls),
        ("a certificate that is not valid yet", serve(&early, None), tls),
        ("a certificate that nobody vouches for", serve(&other.issue(&["127.0.0.1"]), None), tls),
        // In TLS 1.3 that is said after the handshake (RFC 8446 §4.4.2.4).
        (
            "asks for a certificate that we do not have",
            serve(&good, Some(&other)),
            "connection_terminated",
        ),
        (
            "plain text instead of TLS",
            port(&[Say("HTTP/1.1 400 Bad Request\r\n\r\n"), Freeze]),
            tls,
        ),
        ("closes in the handshake", port(&[Bytes(b"\x16\x03\x03"), Close]), tls),
    ];
    let names: Vec<String> = (0..rows.len()).map(|number| format!("tls{number}")).collect();
    let urls = rows.each_ref().map(|row| format!("https://127.0.0.1:{}", row.1));
    let upstreams: Vec<_> = names.iter().map(String::as_str).zip(urls).collect();
    let lines: String =
        names.iter().map(|name| format!("upstream.{name}.ca = \"@/ca.pem\"\n")).collect();
    let stage = Stage::in_folder(folder, &upstreams, &lines);
    let mut table = Table::default();
    for ((fault, _, error), name) in rows.iter().zip(&names) {
        for mut client in Client::both(&stage) {
            let began = clock::instant();
            let saw = client.ask(&format!("/{name}"), Ask::Get);
            table.note(fault, client.version(), began, &saw, &Saw::own(502, error));
        }
    }
    table.finish();
}

fn port(steps: &[crate::script::Step]) -> u16 {
    Scripted::start(steps).url.rsplit(':').next().unwrap().parse().unwrap()
}

/// Shakes hands, and would answer; of clients it asks for a certificate of an authority.
fn serve(issued: &Issued, clients: Option<&Authority>) -> u16 {
    let chain: Vec<CertificateDer<'static>> = issued.chain.clone();
    let builder = ServerConfig::builder();
    let builder = match clients {
        None => builder.with_no_client_auth(),
        Some(authority) => {
            let roots: Arc<RootCertStore> = authority.roots().into();
            builder.with_client_cert_verifier(WebPkiClientVerifier::builder(roots).build().unwrap())
        }
    };
    let config = Arc::new(builder.with_single_cert(chain, issued.secret()).unwrap());
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let connection = ServerConnection::new(Arc::clone(&config)).unwrap();
            let mut stream = StreamOwned::new(connection, stream.unwrap());
            thread::spawn(move || {
                while stream.conn.is_handshaking() {
                    if stream.conn.complete_io(&mut stream.sock).is_err() {
                        return;
                    }
                }
                // Nobody should get as far as this with what is wrong.
                let _ = std::io::Write::write_all(&mut stream, crate::script::OK.as_bytes());
                let _ = std::io::Read::read(&mut stream, &mut [0; 1024]);
            });
        }
    });
    port
}
