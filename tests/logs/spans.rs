//! Spans of requests, as a collector gets them: one of the test's own, and a real one.

use std::fs::{self, File};
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpListener;
use std::process::{Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread;

use crate::harness::{Running, ask, free_port, until};
use crate::house::gate;

const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
const PARENT: &str = "b7ad6b7169203331";

/// A collector that answers with these statuses, one after the other and then 200, and its port.
fn collector(statuses: Vec<u16>) -> (u16, Receiver<(u16, Vec<u8>)>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let (sender, bodies) = mpsc::channel();
    let mut statuses = statuses.into_iter();
    thread::spawn(move || {
        while let Ok((stream, _)) = listener.accept() {
            let (mut head, mut reader) = (String::new(), BufReader::new(&stream));
            while !head.ends_with("\r\n\r\n") {
                reader.read_line(&mut head).unwrap();
            }
            assert!(head.starts_with("POST /v1/traces HTTP/1.1\r\n"), "{head}");
            assert!(head.contains("\r\nContent-Type: application/x-protobuf\r\n"), "{head}");
            let length = head.split("Content-Length: ").nth(1).unwrap();
            let mut body = vec![0; length.split('\r').next().unwrap().parse().unwrap()];
            reader.read_exact(&mut body).unwrap();
            let status = statuses.next().unwrap_or(200);
            write!(&stream, "HTTP/1.1 {status} X\r\nContent-Length: 0\r\n\r\n").unwrap();
            if sender.send((status, body)).is_err() {
                return;
            }
        }
    });
    (port, bodies)
}

/// The fields of a message that are messages, texts or bytes, by number.
fn fields(mut bytes: &[u8], number: u64) -> Vec<&[u8]> {
    let mut found = Vec::new();
    let varint = |bytes: &mut &[u8]| {
        let mut value = 0;
        for shift in (0..).step_by(7) {
            let byte = bytes[0];
            *bytes = &bytes[1..];
            value |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                break;
            }
        }
        value
    };
    while !bytes.is_empty() {
        let tag = varint(&mut bytes);
        let length = match tag & 7 {
            0 => {
                varint(&mut bytes);
                0
            }
            1 => 8,
            5 => 4,
            2 => usize::try_from(varint(&mut bytes)).unwrap(),
            wire => panic!("wire type {wire}"),
        };
        if tag & 7 == 2 && tag >> 3 == number {
            found.push(&bytes[..length]);
        }
        bytes = &bytes[length..];
    }
    found
}

#[derive(Debug)]
struct Span {
    trace: String,
    id: String,
    parent: String,
    name: String,
    attributes: Vec<(String, String)>,
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn spans(request: &[u8]) -> Vec<Span> {
    let scopes = fields(request, 1).into_iter().flat_map(|resource| fields(resource, 2));
    let read = |span: &[u8]| {
        let one = |number| fields(span, number).first().map_or(&b""[..], |bytes| bytes).to_vec();
        let attributes = fields(span, 9).into_iter().map(|pair| {
            let value = fields(pair, 2)[0];
            (
                text(fields(pair, 1)[0]),
                fields(value, 1).first().map_or(String::new(), |it| text(it)),
            )
        });
        Span {
            trace: hex(&one(1)),
            id: hex(&one(2)),
            parent: hex(&one(4)),
            name: text(&one(5)),
            attributes: attributes.collect(),
        }
    };
    scopes.flat_map(|scope| fields(scope, 2)).map(read).collect()
}

fn lines(port: u16, ratio: f64) -> String {
    format!(
        "workers = 2\ntimeouts.linger = \"100ms\"\n\
         tracing = {{ collector = \"http://127.0.0.1:{port}\", ratio = {ratio:?} }}\n"
    )
}

fn parent(flags: &str) -> String {
    format!("traceparent: 00-{TRACE}-{PARENT}-{flags}\r\ntracestate: a=b\r\n")
}

#[test]
fn a_span_is_sent_where_somebody_decided_so_or_by_ratio() {
    // The first answers ask for another attempt.
    let (port, bodies) = collector(vec![503, 429]);
    let (mut gate, _folder) = gate(Stdio::null(), &lines(port, 0.0));
    let key = "X-API-Key: key-writer\r\n";
    ask(gate.port, "GET", "/app/a-path?q", &format!("{key}{}", parent("01"))).unwrap();
    ask(gate.port, "GET", "/app", &format!("{key}{}", parent("00"))).unwrap();
    ask(gate.port, "GET", "/app", key).unwrap();
    ask(gate.port, "GET", "/app", &parent("01")).unwrap();
    let mut sent = Vec::new();
    until("two spans", || {
        if let Ok((200, body)) = bodies.try_recv() {
            sent.extend(spans(&body));
        }
        sent.len() >= 2
    });
    until("them to be counted", || gate.metric("sidegate_spans_exported_total", "") == 2.0);
    assert_eq!(gate.metric("sidegate_spans_dropped_total", ""), 0.0);
    gate.running.signal("TERM");
    assert!(bodies.try_iter().all(|(status, _)| status != 200), "no others");
    for (span, decision) in sent.iter().zip(["allow", "deny"]) {
        assert_eq!((&*span.trace, &*span.parent), (TRACE, PARENT));
        assert!(span.id != PARENT && span.id.len() == 16, "{span:?}");
        assert_eq!(span.name, "GET /app");
        let attribute = |name: &str| {
            let found = span.attributes.iter().find(|(key, _)| key == name);
            found.map(|(_, value)| value.as_str())
        };
        assert_eq!(attribute("sidegate.decision"), Some(decision));
        assert_eq!(attribute("http.route"), Some("/app"));
        assert!(!span.attributes.iter().any(|(_, value)| value.contains("a-path")), "{span:?}");
    }
}

#[test]
fn a_collector_that_is_not_there_costs_spans_and_no_requests() {
    let (mut gate, _folder) = gate(Stdio::null(), &format!("{}\n", lines(free_port(), 1.0)));
    for _ in 0..50 {
        assert_eq!(ask(gate.port, "GET", "/app", "").unwrap().status, 401);
    }
    until("them to be given up", || gate.metric("sidegate_spans_dropped_total", "") == 50.0);
    gate.running.send("TERM");
    assert_eq!(gate.running.end(), Some(0));
}

#[test]
fn what_waits_is_sent_at_the_end() {
    let (port, bodies) = collector(Vec::new());
    let (mut gate, _folder) = gate(Stdio::null(), &lines(port, 1.0));
    for _ in 0..20 {
        ask(gate.port, "GET", "/app", "").unwrap();
    }
    gate.running.signal("TERM");
    let mut sent: Vec<_> = bodies.try_iter().flat_map(|(_, body)| spans(&body)).collect();
    assert_eq!(sent.len(), 20);
    sent.dedup_by(|one, other| one.trace == other.trace);
    assert_eq!(sent.len(), 20, "each begins a trace of its own");
}

/// Rotel (`pip install rotel`, its `rotel-agent` on the path) takes OTLP and prints what it understands.
#[test]
#[ignore = "needs rotel-agent, a collector of spans from PyPI"]
fn a_real_collector_understands_it() {
    let (port, folder) = (free_port(), tempfile::tempdir().unwrap());
    let log = folder.path().join("rotel.log");
    let mut command = Command::new("rotel-agent");
    command.args(["start", "--exporter", "blackhole", "--debug-log", "traces"]);
    command.args(["--debug-log-verbosity", "detailed", "--otlp-http-endpoint"]);
    command.arg(format!("127.0.0.1:{port}")).arg("--otlp-grpc-endpoint");
    command.arg(format!("127.0.0.1:{}", free_port())).stdout(File::create(&log).unwrap());
    let mut rotel = Running::begin(&mut command);
    rotel.await_ready(&log, || std::net::TcpStream::connect(("127.0.0.1", port)).is_ok());
    let (mut gate, _folder) = gate(Stdio::null(), &lines(port, 0.0));
    ask(gate.port, "GET", "/app", &parent("01")).unwrap();
    gate.running.signal("TERM");
    let told = || fs::read_to_string(&log).unwrap();
    until("the span", || told().contains("sidegate.policy_generation: Int(1)"));
    let told = told();
    for line in [
        "service.name: Str(sidegate)",
        &format!("Trace ID       : {TRACE}"),
        &format!("Parent ID      : {PARENT}"),
        "Name           : GET /app",
        "Kind           : SPAN_KIND_SERVER",
        "sidegate.reason: Str(key_missing)",
        "http.response.status_code: Int(401)",
    ] {
        assert!(told.contains(line), "{line}\n{told}");
    }
}
