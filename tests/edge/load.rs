//! Clients that others have written, many requests at a time and events one by one.

use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};

use crate::harness::Nginx;
use crate::rig::Rig;
use crate::secure::Secure;

const REQUESTS: usize = if cfg!(debug_assertions) { 20_000 } else { 200_000 };

/// As many streams as a connection may have, on ten connections.
fn h2load(rig: &Rig, scheme: &str) {
    let output = Command::new("h2load")
        .args(["-n", &REQUESTS.to_string(), "-c", "10", "-m", "100"])
        .args(["-H", "x-api-key: key-writer"])
        .arg(format!("{scheme}://127.0.0.1:{}/app", rig.gate.port))
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    let requests = said.lines().find(|line| line.starts_with("requests: ")).unwrap_or_default();
    println!("{scheme}, {requests}");
    let all = format!("{REQUESTS} done, {REQUESTS} succeeded, 0 failed, 0 errored, 0 timeout");
    assert!(requests.ends_with(&all), "{said}");
    assert!(said.contains(&format!("status codes: {REQUESTS} 2xx, 0 3xx, 0 4xx, 0 5xx")), "{said}");
}

#[test]
#[ignore = "needs nginx and h2load: `.ci/run` has them"]
fn many_streams_all_succeed() {
    let nginx = Nginx::start("location / { return 200 answer; }");
    let lines = format!("upstream.fast.urls = [\"http://127.0.0.1:{}\"]\n", nginx.port);
    let lines = format!("{lines}log.level = \"error\"\n");
    let rig = Rig::new(&lines);
    rig.reroute("app", "fast");
    h2load(&rig, "http");
    let secure = Secure::new(&lines);
    secure.rig.reroute("app", "fast");
    h2load(&secure.rig, "https");
}

/// Each is there before the next is said.
#[test]
#[ignore = "needs curl: `.ci/run` has it"]
fn events_come_one_by_one() {
    let mut rig = Rig::new("");
    for version in ["--http1.1", "--http2-prior-knowledge"] {
        let mut curl = Command::new("curl")
            .args(["--silent", "--no-buffer", "--max-time", "10", "--noproxy", "*", version])
            .args(["--header", "X-API-Key: key-writer", "--header", "Accept: text/event-stream"])
            .arg(format!("http://localhost:{}/app", rig.gate.port))
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(curl.stdout.take().unwrap()).lines();
        let mut peer = rig.upstream.next();
        assert_eq!(peer.message(false).unwrap().field("accept"), Some("text/event-stream"));
        peer.send(
            "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\
             Transfer-Encoding: chunked\r\n\r\n",
        );
        for number in 0..5 {
            let event = format!("data: {number}\n\n");
            peer.send(format!("{:x}\r\n{event}\r\n", event.len()));
            assert_eq!(lines.next().unwrap().unwrap(), format!("data: {number}"), "{version}");
            assert_eq!(lines.next().unwrap().unwrap(), "");
        }
        peer.send("0\r\n\r\n");
        assert!(lines.next().is_none());
        assert!(curl.wait().unwrap().success(), "{version}");
    }
}
