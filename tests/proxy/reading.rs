//! For every byte string that is forwarded: whoever reads the path that the upstream gets, in
//! whatever way, reads the route that was judged; and nobody speaks in the gate's name.

use std::cell::{Cell, RefCell};
use std::fs;
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread;

use proptest::test_runner::{Config, TestCaseError, TestError, TestRunner};

use crate::harness::{Gate, record};
use crate::nasty::nasty;
use crate::wire::{Broken, Message, Wire};

const CASES: u32 = 4000;
/// Of those, at least: far under what is seen.
const FORWARDED: u32 = CASES / 8;
const KEPT: u32 = CASES / 100;
const REFUSED: u32 = CASES / 8;

#[test]
fn whoever_reads_what_is_forwarded_reads_the_route_that_was_judged() {
    let recorder = Recorder::start();
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("policy.toml"), include_str!("reading.toml")).unwrap();
    let lines = "workers = 1\nlog.sample = 0.0\n";
    let gate = Gate::start_with(folder.path(), recorder.port, &[record("writer", "writer")], lines);

    let (number, forwarded, refused) = (Cell::new(0_u32), Cell::new(0_u32), Cell::new(0_u32));
    let kept = Cell::new(0_u32);
    let smallest = RefCell::new(Vec::new());
    // No file of seeds: a failure prints its smallest request.
    let config = Config { cases: CASES, failure_persistence: None, ..Config::default() };
    let run = TestRunner::new(config).run(&nasty(), |nasty| {
        number.set(number.get() + 1);
        let case = number.get().to_string();
        let request = nasty.request(&format!(
            "Host: localhost\r\nX-Case: {case}\r\nX-API-Key: key-writer\r\nConnection: close\r\n"
        ));
        let mut client = Wire::new(TcpStream::connect(("127.0.0.1", gate.port)).unwrap());
        client.send(&request);
        smallest.replace(request);
        let (answer, _) = client.rest();
        let answer = String::from_utf8_lossy(&answer).into_owned();
        let seen: Vec<Message> = recorder.seen.try_iter().collect();
        let failed = |why: String| TestCaseError::fail(format!("{why}: {seen:#?}, {answer}"));
        if seen.len() > 1 {
            return Err(failed("more than one request".to_owned()));
        }
        let Some(message) = seen.first() else {
            refused.set(refused.get() + 1);
            let status = answer.get(9..12).unwrap_or_default();
            return match status {
                "400" | "401" | "403" | "404" | "405" | "414" | "431" => Ok(()),
                _ => Err(failed("neither forwarded nor refused".to_owned())),
            };
        };
        forwarded.set(forwarded.get() + 1);
        kept.set(kept.get() + u32::from(is_disputed(path_of(message))));
        judged(message, &case).map_err(failed)
    });
    match run {
        Ok(()) => {}
        Err(TestError::Fail(why, _)) => {
            panic!("{why}\nof {:?}", String::from_utf8_lossy(&smallest.borrow()));
        }
        Err(TestError::Abort(why)) => panic!("{why}"),
    }
    let (forwarded, kept, refused) = (forwarded.get(), kept.get(), refused.get());
    println!("{CASES} requests: {forwarded} forwarded, {kept} as it came, {refused} refused");
    assert!(
        kept >= KEPT && forwarded >= FORWARDED && refused >= REFUSED,
        "the generator misses its aim"
    );
    assert_eq!(recorder.broken(), Vec::<Broken>::new());
}

/// What is wrong with a request that was forwarded.
fn judged(message: &Message, case: &str) -> Result<(), String> {
    let text = message.text();
    let all = |name: &str| -> Vec<&str> {
        let folded =
            |name: &str| name.to_ascii_lowercase().replace(|c: char| !c.is_alphanumeric(), "-");
        let fields = message.fields.iter().filter(|(it, _)| folded(it) == name);
        fields.map(|(_, value)| value.as_str()).collect()
    };
    if text.contains("forged") {
        return Err("somebody else spoke in the gate's name".to_owned());
    }
    if text.contains("key-writer") {
        return Err("the credential went on".to_owned());
    }
    let said = [
        ("x-case", case),
        ("host", "localhost"),
        ("x-sidegate-account", "writer"),
        ("x-sidegate-key-id", "k_writer"),
        ("x-sidegate-workspace", "main"),
    ];
    for (name, value) in said {
        if all(name) != [value] {
            return Err(format!("`{name}` is {:?}", all(name)));
        }
    }
    let words: Vec<&str> = message.first.split(' ').collect();
    let [_, _, "HTTP/1.1"] = words.as_slice() else {
        return Err("not a request line".to_owned());
    };
    let product = *all("x-sidegate-product").first().unwrap_or(&"");
    if product == "late" && !["GET", "HEAD", "OPTIONS"].contains(&words[0]) {
        return Err("a write where only reads are paid for".to_owned());
    }
    let path = path_of(message);
    if is_disputed(path) && product != "kept" {
        return Err("what not every reader reads alike, where nobody said to keep it".to_owned());
    }
    // Who keeps it says that the upstream reads a path like this.
    let segments = split_and_cut_and_decoded(path.as_bytes());
    if product == "kept" && (segments[0] != b"kept" || segments.get(1) == Some(&b"secret".into())) {
        return Err(format!("`{product}` was judged of {path}"));
    }
    for (how, reading) in readings(path.as_bytes()) {
        let Some(segments) = reading else { return Err(format!("leaves the root when {how}")) };
        let segments: Vec<&str> = segments.iter().map(String::as_str).collect();
        let fits = match product {
            "app" => segments.first() == Some(&"app") && segments.get(1) != Some(&"secret"),
            // Others may read another path, but none that is not below the route.
            "kept" => segments.first().is_some_and(|it| it.split(';').next() == Some("kept")),
            "late" => segments.first() == Some(&"late"),
            "ws" => segments.starts_with(&["ws", "main", "data"]),
            "stripped" => true,
            _ => false,
        };
        if !fits {
            return Err(format!("`{product}` was judged, {segments:?} is read when {how}"));
        }
    }
    Ok(())
}

fn path_of(message: &Message) -> &str {
    let target = message.first.split(' ').nth(1).unwrap_or_default();
    target.split('?').next().unwrap_or_default()
}

fn is_disputed(path: &str) -> bool {
    path.contains(';') || path.to_ascii_lowercase().contains("%2f")
}

fn split_and_cut_and_decoded(path: &[u8]) -> Vec<Vec<u8>> {
    without_params(path).split(|byte| *byte == b'/').skip(1).map(decoded).collect()
}

/// The segments that readers make of a path, once dot segments are resolved; nothing where that
/// leaves the root.
fn readings(path: &[u8]) -> Vec<(String, Option<Vec<String>>)> {
    let mut readings = Vec::new();
    for choices in 0..48 {
        let (decodings, rest) = (choices % 3, choices / 3);
        let [backslash, merge, params, cut] = [1, 2, 4, 8].map(|bit| rest & bit != 0);
        let mut text = path.to_vec();
        if params {
            text = without_params(&text);
        }
        (0..decodings).for_each(|_| text = decoded(&text));
        if cut {
            text = text.split(|byte| *byte == 0).next().unwrap_or_default().to_vec();
        }
        if backslash {
            text.iter_mut().filter(|byte| **byte == b'\\').for_each(|byte| *byte = b'/');
        }
        let how = format!(
            "decoded {decodings} times, backslash is slash: {backslash}, slashes merged: {merge}, \
             without params: {params}, cut at NUL: {cut}"
        );
        readings.push((how, resolved(&text, merge)));
    }
    readings
}

fn without_params(path: &[u8]) -> Vec<u8> {
    let segments = path.split(|byte| *byte == b'/');
    let bare = segments.map(|s| s.split(|byte| *byte == b';').next().unwrap_or_default());
    bare.collect::<Vec<_>>().join(&b'/')
}

fn decoded(text: &[u8]) -> Vec<u8> {
    let digit = |at: usize| text.get(at).and_then(|byte| char::from(*byte).to_digit(16));
    let mut bytes = Vec::new();
    let mut at = 0;
    while at < text.len() {
        match (text[at], digit(at + 1), digit(at + 2)) {
            (b'%', Some(high), Some(low)) => {
                bytes.push(u8::try_from(high * 16 + low).unwrap());
                at += 3;
            }
            (byte, ..) => {
                bytes.push(byte);
                at += 1;
            }
        }
    }
    bytes
}

fn resolved(path: &[u8], merge: bool) -> Option<Vec<String>> {
    let mut segments = Vec::new();
    for segment in path.strip_prefix(b"/")?.split(|byte| *byte == b'/') {
        match segment {
            b"." => {}
            b".." => {
                segments.pop()?;
            }
            b"" if merge => {}
            other => segments.push(String::from_utf8_lossy(other).into_owned()),
        }
    }
    Some(segments)
}

/// An upstream that writes down each request before it answers, so that whoever has the answer
/// finds it written.
struct Recorder {
    port: u16,
    seen: Receiver<Message>,
    ends: Receiver<Broken>,
}

impl Recorder {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let ((sender, seen), (end, ends)) = (mpsc::channel(), mpsc::channel());
        thread::spawn(move || {
            for stream in listener.incoming() {
                let (sender, end) = (sender.clone(), end.clone());
                thread::spawn(move || write_down(Wire::new(stream.unwrap()), &sender, &end));
            }
        });
        Self { port, seen, ends }
    }

    /// How connections ended within a request.
    fn broken(&self) -> Vec<Broken> {
        self.ends.try_iter().filter(|end| *end != Broken::Nothing).collect()
    }
}

fn write_down(mut peer: Wire, seen: &Sender<Message>, end: &Sender<Broken>) {
    loop {
        match peer.message(false) {
            Ok(message) => {
                let head = message.first.starts_with("HEAD ");
                if seen.send(message).is_err() {
                    return;
                }
                let length = if head { 0 } else { 2 };
                let body = if head { "" } else { "ok" };
                let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n{body}");
                if peer.try_send(answer).is_err() {
                    return;
                }
            }
            Err(broken) => {
                let _ = end.send(broken);
                return;
            }
        }
    }
}
