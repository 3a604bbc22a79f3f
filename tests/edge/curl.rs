//! The client that everybody has.

use std::path::Path;
use std::process::Command;
use std::thread;

use crate::authority::{Authority, write};
use crate::rig::{Rig, Upstream};
use crate::secure::Secure;

/// Runs curl; its output and what it says of the exchange.
fn curl(folder: &Path, arguments: &[&str]) -> String {
    let output = Command::new("curl")
        .args(["--silent", "--show-error", "--max-time", "10", "--noproxy", "*"])
        .args(["--write-out", "|%{http_code}|%{http_version}|%{num_connects}\n"])
        .args(["--header", "X-API-Key: key-writer"])
        .args(arguments)
        .current_dir(folder)
        .output()
        .unwrap();
    let text = [output.stdout, output.stderr].concat();
    String::from_utf8(text).unwrap()
}

/// Answers that many requests, each with what it was sent.
fn serve(rig: &mut Rig, requests: usize) -> thread::JoinHandle<()> {
    let mut upstream = std::mem::replace(&mut rig.upstream, Upstream::start());
    thread::spawn(move || {
        let mut peer = upstream.next();
        for _ in 0..requests {
            let body = peer.message(false).unwrap().body;
            let length = body.len().max(2);
            peer.send(format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n"));
            peer.send(if body.is_empty() { b"ok" } else { body.as_slice() });
        }
    })
}

#[test]
#[ignore = "needs curl: `.ci/run` has it"]
fn each_version_without_tls() {
    let mut rig = Rig::new("");
    let url = format!("http://localhost:{}/app", rig.gate.port);
    let served = serve(&mut rig, 6);
    let at = Path::new(".");
    assert_eq!(curl(at, &["--http1.1", &url, &url]), "ok|200|1.1|1\nok|200|1.1|0\n");
    // curl 7.88 says nothing at all for a second request on such a connection.
    for _ in 0..2 {
        assert_eq!(curl(at, &["--http2-prior-knowledge", &url]), "ok|200|2|1\n");
    }
    // An offer to upgrade is passed over.
    assert_eq!(curl(at, &["--http2", &url, &url]), "ok|200|1.1|1\nok|200|1.1|0\n");
    served.join().unwrap();
}

#[test]
#[ignore = "needs curl: `.ci/run` has it"]
fn each_version_over_tls() {
    let mut secure = Secure::new("");
    let at = secure.files.path();
    write(at, "ca.pem", &secure.authority.pem());
    let url = format!("https://localhost:{}/app", secure.rig.gate.port);
    let body = vec![b'x'; 3_000_000];
    std::fs::write(at.join("body"), &body).unwrap();
    let served = serve(&mut secure.rig, 6);
    let one = |arguments: &[&str]| curl(at, &[&["--cacert", "ca.pem", &url], arguments].concat());
    assert_eq!(one(&["--http1.1"]), "ok|200|1.1|1\n");
    assert_eq!(one(&["--http2", &url]), "ok|200|2|1\nok|200|2|0\n");
    assert_eq!(one(&["--tls-max", "1.2"]), "ok|200|2|1\n");
    for version in ["--http1.1", "--http2"] {
        let said = one(&[version, "--data-binary", "@body", "--output", "back"]);
        assert!(said.starts_with("|200|"), "{said}");
        assert!(std::fs::read(at.join("back")).unwrap() == body, "{version}");
    }
    served.join().unwrap();
    let untrusting = curl(at, &[&url]);
    assert!(untrusting.starts_with("|000|"), "{untrusting}");
}

#[test]
#[ignore = "needs curl: `.ci/run` has it"]
fn mutual_tls() {
    let clients = Authority::new();
    let mut secure = Secure::with("listen.tls.client_ca = \"@/clients.pem\"\n", |_, files| {
        write(files.path(), "clients.pem", &clients.pem());
    });
    let at = secure.files.path();
    write(at, "ca.pem", &secure.authority.pem());
    clients.issue(&["me"]).write(at, "me");
    let url = format!("https://localhost:{}/app", secure.rig.gate.port);
    let served = serve(&mut secure.rig, 1);
    let known = ["--cacert", "ca.pem", "--cert", "me.pem", "--key", "me.key", &url];
    assert_eq!(curl(at, &known), "ok|200|2|1\n");
    served.join().unwrap();
    assert!(curl(at, &["--cacert", "ca.pem", &url]).starts_with("|000|"));
}
