//! Keys are planted wherever one can be written, and all that is said is searched for them; and
//! what the log says of each request.

use std::fs::{self, Permissions};
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;

use serde_json::json;
use sidegate::keystore::ApiKey;
use sidegate::policy::key::{Pepper, checksum};
use sidegate::{config, keystore};

use crate::harness::{record, until};
use crate::rig::{OK, READER, Rig, WRITER};

/// Keys that no message may hold: of our form but for the checksum, each another one.
fn planted(number: usize) -> String {
    format!("sg_production_{:043}_{number:06}", number * 7_919)
}

/// A key by its checksum, too.
fn real(number: usize) -> String {
    let body = format!("sg_production_{:043}_", number * 7_919);
    format!("{body}{}", std::str::from_utf8(&checksum(&body)).unwrap())
}

fn is_clean(what: &str, text: &str) {
    for line in text.lines() {
        assert!(!line.contains("sg_production_0"), "{what}: {line}");
        assert!(!line.contains("key-writer") && !line.contains("key-reader"), "{what}: {line}");
    }
}

/// Plants in each place, sends, and searches what comes back and what is said.
fn search(requests: &[String]) {
    let mut rig = Rig::new("log.level = \"debug\"\nlog.sample = 1.0\n");
    for request in requests {
        let mut client = rig.sent(request);
        let answer = loop {
            // Whatever is allowed is answered.
            if rig.upstream.waiting() > 0 {
                let mut peer = rig.upstream.next();
                peer.message(false).unwrap();
                peer.send(OK.replace("\r\n\r\n", "\r\nConnection: close\r\n\r\n"));
            }
            if client.has_answer() {
                break client.message(false);
            }
        };
        if let Ok(answer) = answer {
            is_clean(&format!("answer to {request:?}"), &answer.text());
        }
    }
    until("the events", || rig.events().len() >= requests.len());
    is_clean("log", &rig.log());
    is_clean("metrics", &rig.gate.page("/metrics"));
    is_clean("status", &rig.gate.page("/status"));
    rig.gate.running.send("TERM");
    rig.gate.running.end();
    is_clean("log at the end", &rig.log());
}

#[test]
fn what_clients_write_is_not_said_again() {
    let mut requests = Vec::new();
    let names = [
        "X-API-Key",
        "Authorization",
        "Cookie",
        "User-Agent",
        "Referer",
        "X-Custom",
        "Host",
        "Accept",
        "Origin",
        "Traceparent",
        "X-Forwarded-For",
        "Connection",
        "Upgrade",
        "Expect",
        "Content-Type",
        "Content-Length",
        "Transfer-Encoding",
        "X-Sidegate-Account",
        "Sec-WebSocket-Protocol",
    ];
    let mut number = 1;
    let mut key = || {
        number += 1;
        planted(number)
    };
    for name in names {
        for prefix in ["", "Bearer ", "Basic ", "bearer, "] {
            let host = if name == "Host" { "" } else { "Host: localhost\r\n" };
            let who = if name == "X-API-Key" { "" } else { "X-API-Key: key-writer\r\n" };
            requests
                .push(format!("GET /app HTTP/1.1\r\n{host}{who}{name}: {prefix}{}\r\n\r\n", key()));
        }
        requests.push(format!("GET /app HTTP/1.1\r\n{WRITER}{}: {name}\r\n\r\n", key()));
    }
    // As browsers send it for a WebSocket, and as an id in the log, too.
    for (key, fields) in [
        ("key-writer".to_owned(), ""),
        (key(), "X-Request-Id: KEY\r\n"),
        ("key-reader".to_owned(), "X-Request-Id: KEY\r\n"),
    ] {
        requests.push(format!(
            "GET /app HTTP/1.1\r\nHost: localhost\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Protocol: bearer, {key}, chat\r\n{}\r\n",
            fields.replace("KEY", &key)
        ));
    }
    for target in [
        "/app/KEY",
        "/KEY",
        "/app?key=KEY",
        "/app#KEY",
        "http://KEY/app",
        "//KEY",
        "KEY",
        "/app/%00KEY",
    ] {
        for who in [WRITER, READER, "Host: localhost\r\n"] {
            let target = target.replace("KEY", &key());
            requests.push(format!("GET {target} HTTP/1.1\r\n{who}\r\n"));
        }
    }
    requests.push(format!("{} /app HTTP/1.1\r\n{WRITER}\r\n", key()));
    requests.push(format!("GET /app HTTP/{}\r\n{WRITER}\r\n", key()));
    requests.push(format!("{}\r\n\r\n", key()));
    search(&requests);
}

#[test]
fn a_key_is_no_request_id() {
    search(&[
        format!("GET /app HTTP/1.1\r\n{WRITER}X-Request-Id: {}\r\n\r\n", planted(1)),
        format!("GET /app HTTP/1.1\r\nHost: h\r\nX-Request-Id: {}\r\n\r\n", planted(2)),
        format!("GET /app HTTP/1.1\r\n{WRITER}X-Request-Id: key-writer\r\n\r\n"),
    ]);
}

/// A key in a file is an operator's slip: the message names the place, not the key.
#[test]
fn what_operators_mistype_is_not_said_again() {
    let rig = Rig::new("");
    let folder = rig.folder.path();
    let original = |name: &str| fs::read_to_string(folder.join(name)).unwrap();
    let (config, policy, keys) =
        (original("sidegate.toml"), original("policy.toml"), original("keys.jsonl"));
    let key = planted(1);
    let mut wrong = record("wrong", "writer");
    wrong["hash"] = json!(key);
    let mut prefixed = record("wrong", "writer");
    prefixed["hash"] = json!(format!("sha256:{key}"));
    let mut extra = record("wrong", "writer");
    extra["key"] = json!(key);
    let cases = [
        ("keys.jsonl", format!("{keys}{wrong}\n")),
        ("keys.jsonl", format!("{keys}{prefixed}\n")),
        ("keys.jsonl", format!("{keys}{extra}\n")),
        ("keys.jsonl", format!("{keys}{key}\n")),
        ("keys.jsonl", format!("{keys}\"{key}\"\n")),
        ("policy.toml", format!("api_key = \"{key}\"\n{policy}")),
        ("policy.toml", format!("{policy}\n[[route]]\nprefix = \"/k\"\nkey = \"{key}\"\n")),
        ("sidegate.toml", format!("{config}\napi_key = \"{key}\"\n")),
    ];
    for (name, text) in cases {
        fs::write(folder.join(name), &text).unwrap();
        for command in ["check", "serve"] {
            let output = Command::new(env!("CARGO_BIN_EXE_sidegate"))
                .args([command, "-c", "sidegate.toml"])
                .current_dir(folder)
                .output()
                .unwrap();
            assert_eq!(output.status.code(), Some(3), "{name}: {output:?}");
            let said = [output.stdout, output.stderr].concat();
            is_clean(&format!("{command}, {name}"), &String::from_utf8_lossy(&said));
        }
        if name != "sidegate.toml" {
            until("the failure", || {
                rig.gate.metric("sidegate_policy_last_reload_successful", "") == 0.0
            });
            is_clean("status", &rig.gate.page("/status"));
        }
        for (name, text) in
            [("sidegate.toml", &config), ("policy.toml", &policy), ("keys.jsonl", &keys)]
        {
            fs::write(folder.join(name), text).unwrap();
        }
        until("the success", || {
            rig.gate.metric("sidegate_policy_last_reload_successful", "") == 1.0
        });
    }
    is_clean("log", &rig.log());
}

/// What a command says with this on its standard input, and how it ends.
fn said(folder: &Path, arguments: &[&str], input: &str) -> (String, Option<i32>) {
    let mut child = Command::new(env!("CARGO_BIN_EXE_sidegate"))
        .args(arguments)
        .current_dir(folder)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // It may end without having read.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    let output = child.wait_with_output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    (String::from_utf8_lossy(&said).into_owned(), output.status.code())
}

/// Every value and every name in every file, one after the other.
#[test]
#[expect(clippy::string_slice, reason = "words begin and end with characters")]
fn a_key_in_any_field_is_not_said_again() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("config/examples/atomyx");
    let names = ["sidegate.toml", "policy.toml", "keys.jsonl"];
    let originals = names.map(|name| fs::read_to_string(example.join(name)).unwrap());
    let write = |name: &str, text: &str| {
        fs::write(folder.join(name), text).unwrap();
        fs::set_permissions(folder.join(name), Permissions::from_mode(0o600)).unwrap();
    };
    names.iter().zip(&originals).for_each(|(name, text)| write(name, text));
    let (told, code) = said(folder, &["check", "-c", "sidegate.toml"], "");
    assert_eq!(code, Some(0), "{told}");

    let mut planted_keys = 0;
    for (name, original) in names.iter().zip(&originals) {
        for (start, end) in words(original) {
            planted_keys += 1;
            // Every other one is a key indeed.
            let is_real = planted_keys % 2 == 0;
            let key = if is_real { real(planted_keys) } else { planted(planted_keys) };
            let text = format!("{}{key}{}", &original[..start], &original[end..]);
            write(name, &text);
            let output = if planted_keys % 3 == 0 { "json" } else { "text" };
            let arguments = ["check", "-c", "sidegate.toml", "--output", output];
            let (told, code) = said(folder, &arguments, "");
            let what = format!("check, `{}` in {name}", &original[start..end]);
            is_clean(&what, &told);
            // A key indeed is never let through; but where a comma of JSON was hit, there is none.
            assert!(!is_real || code == Some(3), "{what}: {told}");
        }
        write(name, original);
    }
    println!("{planted_keys} keys planted in files");
    assert!(planted_keys > 300, "{planted_keys}");
}

/// Where a name or a quoted text stands, but for those in comments; of equal ones the first two.
#[expect(clippy::string_slice, reason = "words begin and end with characters")]
fn words(text: &str) -> Vec<(usize, usize)> {
    let mut seen: Vec<&str> = Vec::new();
    let mut words = Vec::new();
    let mut at = 0;
    for line in text.split_inclusive('\n') {
        let code = line.split_once('#').map_or(line, |(code, _)| code);
        let mut start = None;
        for (index, c) in code.char_indices().chain([(code.len(), ' ')]) {
            let is_word = c.is_alphanumeric() || "-_@.:/{}*+".contains(c);
            match (is_word, start) {
                (true, None) => start = Some(index),
                (false, Some(begin)) => {
                    let word = &code[begin..index];
                    if seen.iter().filter(|other| **other == word).count() < 2 {
                        words.push((at + begin, at + index));
                    }
                    seen.push(word);
                    start = None;
                }
                _ => {}
            }
        }
        at += line.len();
    }
    words
}

#[test]
fn a_key_that_a_command_is_given_is_not_said_again() {
    let rig = Rig::new("");
    let folder = rig.folder.path();
    let url = "http://localhost/app";
    let mut number = 100;
    for make in [planted as fn(usize) -> String, real] {
        number += 1;
        let key = make(number);
        let in_url = format!("{url}/{key}?key={key}");
        let header = format!("X-API-Key: {key}");
        let bearer = format!("Authorization: Bearer {key}");
        let named = format!("{key}: 1");
        let in_host = format!("http://{key}/app");
        let pasted = format!("key={key}");
        let padded = format!("  {key}\n{key}\n");
        let long = format!("{key}{}", "x".repeat(4096));
        let mixed = format!(
            "key,workspace,account\nk,{key},a\nk,main,{key}\n{key} {key},main,writer\n\
             {key},main,nobody\n\"{key}\n"
        );
        let cases: &[(&[&str], &str)] = &[
            (&["explain", "GET", url, "--key-stdin"], &key),
            (&["explain", "GET", url, "--key-stdin", "--output", "json"], &key),
            (&["explain", "GET", url, "--key-stdin"], &padded),
            (&["explain", "GET", url, "--key-stdin"], &long),
            (&["explain", "GET", url, "--key-stdin"], &pasted),
            (&["explain", "GET", url, "--key-stdin"], "key-writer"),
            (&["explain", "GET", url, "--key-id", &key], ""),
            (&["explain", "GET", &key], ""),
            (&["explain", &key, url], ""),
            (&["explain", &key, url, "--output", "json"], ""),
            (&["explain", "GET", &in_url, "--key-id", "k_writer"], ""),
            (&["explain", "GET", &in_url, "--key-id", "k_writer", "--output", "json"], ""),
            (&["explain", "GET", &in_host, "--key-id", "k_writer"], ""),
            (&["explain", "GET", "/app", "--host", &key], ""),
            (&["explain", "GET", url, "--header", &header], ""),
            (&["explain", "GET", url, "--header", &bearer], ""),
            (&["explain", "GET", url, "--header", &named], ""),
            (&["explain", "GET", url, "--header", &key], ""),
            (&["explain", "GET", url, "--at", &key], ""),
            (&["explain", "GET", url, &key], ""),
            (&["explain", "GET", url, &pasted], ""),
            (&["check", &key], ""),
            (&["check", "--output", &key], ""),
            (&[&key], ""),
            (&["key", "show", &key], ""),
            (&["key", "revoke", &key], ""),
            (&["key", "revoke", "k_reader", &key], ""),
            (&["key", "revoke", "--account", &key], ""),
            (&["key", "revoke", "k_nobody", "--reason", &key], ""),
            (&["key", "rotate", &key], ""),
            (&["key", "rotate", "k_writer", "--overlap", &key], ""),
            (&["key", "verify"], &key),
            (&["key", "verify"], &pasted),
            (&["key", "verify", "--output", "json"], &long),
            (&["key", "verify", &key], ""),
            (&["key", "import", "-", "--format", "csv"], &padded),
            (&["key", "import", "-", "--format", "jsonl"], &pasted),
            (&["key", "import", "-", "--format", "csv"], &mixed),
            (&["key", "import", &key], ""),
            (&["key", "prune", "--older-than", &key], ""),
            (&["key", "list", "--state", &key], ""),
            (&["key", "list", "--workspace", &key], ""),
            (&["key", "hash"], &pasted),
            (&["key", "hash"], &key),
            (&["key", "hash"], &long),
            (&["key", "create", "--workspace", &key, "--account", "writer"], ""),
            (&["key", "create", "--workspace", "main", "--account", &key], ""),
            (
                &["key", "create", "--workspace", "main", "--account", "writer", "--expires", &key],
                "",
            ),
            (&["status", "--admin", &key], ""),
            (&["test", &key], ""),
        ];
        for (arguments, input) in cases {
            let (told, _) = said(folder, &[*arguments, &["-c", "sidegate.toml"]].concat(), input);
            is_clean(&format!("{arguments:?}"), &told);
            let (told, _) = said(folder, arguments, input);
            is_clean(&format!("{arguments:?}"), &told);
        }
    }
}

/// Where a request ends otherwise than by a decision.
#[test]
fn what_breaks_says_no_key() {
    let mut rig = Rig::new(
        "limits.target_bytes = 300\nlimits.header_bytes = 8192\nlimits.body_bytes = 100\n\
         timeouts.header = \"300ms\"\ntimeouts.upstream = \"300ms\"\nlog.level = \"debug\"\n\
         log.sample = 1.0\n",
    );
    let mut number = 200;
    let mut key = || {
        number += 1;
        real(number)
    };
    let (long, wide) = ("x".repeat(300), "x".repeat(9000));
    let requests = [
        (414, format!("GET /app/{}{long} HTTP/1.1\r\n{WRITER}\r\n", key())),
        (431, format!("GET /app HTTP/1.1\r\n{WRITER}X-A: {}{wide}\r\n\r\n", key())),
        (413, format!("POST /app/{} HTTP/1.1\r\n{WRITER}Content-Length: 101\r\n\r\n", key())),
        (408, format!("GET /app/{} HTTP/1.1\r\n{WRITER}X-A: {}", key(), key())),
        (400, format!("GET /app HTTP/1.1\r\n{WRITER}{}\r\n\r\n", key())),
        (400, format!("GET /app HTTP/1.1\r\nX-API-Key: {}\r\n\r\n", key())),
        (405, format!("TRACE /app/{} HTTP/1.1\r\n{WRITER}\r\n", key())),
        (504, format!("GET /app/{} HTTP/1.1\r\n{WRITER}Cookie: {}\r\n\r\n", key(), key())),
    ];
    for (status, request) in &requests {
        let answer = rig.sent(request).answer();
        assert_eq!(answer.status(), *status, "{request:.300}");
        is_clean("answer", &answer.text());
    }
    drop(rig.upstream.next());
    // An upstream that answers with what is none, and one that goes away.
    for broken in [format!("HTTP/1.1 {} OK\r\n\r\n", key()), String::new()] {
        let mut client =
            rig.sent(format!("POST /app/{} HTTP/1.1\r\n{WRITER}Content-Length: 1\r\n\r\nx", key()));
        let mut peer = rig.upstream.next();
        peer.message(false).unwrap();
        peer.send(&broken);
        drop(peer);
        let answer = client.answer();
        assert_eq!(answer.status(), 502, "{answer:?}");
        is_clean("answer", &answer.text());
    }
    until("the events", || rig.events().len() >= requests.len() + 2);
    is_clean("log", &rig.log());
    is_clean("metrics", &rig.gate.page("/metrics"));
    is_clean("status", &rig.gate.page("/status"));
}

/// What the library hands out, as `Debug` and in the words of a panic.
#[test]
fn neither_debug_nor_a_panic_says_a_key() {
    let rig = Rig::new("");
    let path = rig.folder.path().join("sidegate.toml");
    let (config, loaded) = config::open(&path, keystore::Permissions::Private).unwrap();
    let (draft, report) = config::load_draft(&config, keystore::Permissions::Private).unwrap();
    let key = || ApiKey::parse(real(300).into()).unwrap();
    let texts = [
        format!("{:?} {:#?}", key(), key()),
        format!("{config:?} {loaded:?} {draft:?} {report:?}"),
        format!("{:?} {:?}", Pepper::new(*b"sg_production_00000000000000key-"), key().digest(None)),
    ];
    for text in &texts {
        is_clean("Debug", text);
    }
    let panicked = thread::spawn(move || {
        let kept: Result<(), ApiKey> = std::hint::black_box(Err(key()));
        kept.unwrap();
    });
    let payload = panicked.join().unwrap_err();
    is_clean("panic", payload.downcast_ref::<String>().expect("words"));
    let why = ApiKey::parse(planted(301).into()).unwrap_err();
    is_clean("refusal", why);
}

#[test]
fn the_password_of_an_upstream_is_not_said_again() {
    let rig = Rig::new("");
    let path = rig.folder.path().join("sidegate.toml");
    let config = fs::read_to_string(&path).unwrap();
    let url = format!("http://u:{}@127.0.0.1:1", planted(1));
    fs::write(&path, format!("{config}\nupstream.other.urls = [\"{url}\"]\n")).unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_sidegate"))
        .args(["check", "-c", "sidegate.toml"])
        .current_dir(rig.folder.path())
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(3), "{output:?}");
    let said = [output.stdout, output.stderr].concat();
    is_clean("check", &String::from_utf8_lossy(&said));
}

#[test]
fn each_request_is_one_event_with_its_facts() {
    let mut rig = Rig::new("");
    let (mut client, mut peer) = rig.asked();
    peer.send(OK);
    assert_eq!(client.answer().status(), 200);
    client.send(
        "POST /app HTTP/1.1\r\nHost: h\r\nX-API-Key: key-reader\r\n\
     X-Request-Id: mine\r\nContent-Length: 0\r\n\r\n",
    );
    assert_eq!(client.answer().status(), 403);
    client.send("BREW /app HTTP/1.1\r\nHost: h\r\n\r\n");
    assert_eq!(client.answer().status(), 401);
    drop(peer);
    client.send("GET /app HT\0TP/1.1\r\n\r\n");
    assert_eq!(client.answer().status(), 400);
    until("the events", || rig.events().len() == 4);
    let events = rig.events();
    let common = [
        "timestamp",
        "decision",
        "policy_generation",
        "method",
        "status",
        "duration_us",
        "request_id",
        "trace_id",
        "peer",
    ];
    for event in &events {
        for field in common {
            assert!(!event[field].is_null(), "{field}: {event}");
        }
    }
    let expected = [
        json!({"decision": "allow", "route": "app", "workspace": "main", "environment": "production",
               "product": "app", "needed": "view", "level": "full", "account": "writer",
               "key_id": "k_writer", "method": "GET", "path_template": "/app", "status": 200,
               "upstream_status": 200, "peer": "127.0.0.1"}),
        json!({"decision": "deny", "reason": "view_only", "route": "app", "account": "reader",
               "needed": "full", "request_id": "mine", "status": 403}),
        json!({"decision": "deny", "reason": "key_missing", "method": "other", "status": 401}),
        json!({"decision": "deny", "reason": "bad_request", "status": 400}),
    ];
    for (event, expected) in events.iter().zip(&expected) {
        for (field, value) in expected.as_object().unwrap() {
            assert_eq!(&event[field], value, "{field}: {event}");
        }
    }
}

/// One field of the contract's list has the name of one of the log's own: they stand apart.
#[test]
fn no_event_has_a_field_twice() {
    let mut rig = Rig::new("");
    let (mut client, mut peer) = rig.asked();
    peer.send(OK);
    assert_eq!(client.answer().status(), 200);
    until("the event", || !rig.events().is_empty());
    let log = rig.log();
    let line = log.lines().find(|line| line.contains("sidegate::request")).unwrap();
    let (own, facts) = line.split_once("\"fields\":").unwrap();
    for part in [own, facts] {
        assert_eq!(part.matches("\"level\":").count(), 1, "{line}");
    }
}
