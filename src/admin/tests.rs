//! Every path and method, over real sockets.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use serde_json::Value;
use tokio::sync::watch;

use super::*;
use crate::clock;
use crate::policy::{Draft, compile};

const STARTED: UnixSeconds = UnixSeconds(1_795_000_000);

fn settings(listen: SocketAddr) -> Settings {
    Settings { listen, token: None, hosts: Vec::new() }
}

/// A listener on a thread of its own. It ends when this is dropped.
struct Plane {
    address: SocketAddr,
    state: State,
    stop: watch::Sender<bool>,
    thread: Option<JoinHandle<()>>,
}

impl Plane {
    fn new() -> Self {
        Self::with(Look::new("/etc/sidegate.toml".into(), |_, settled| settled()))
    }

    fn with(look: Look) -> Self {
        let snapshot = compile(Draft::default()).unwrap();
        let state = State {
            current: Current::new(snapshot, None, STARTED),
            telemetry: Telemetry::new("test").unwrap(),
            readiness: Arc::new(Readiness::default()),
            look,
            desk: Desk::new(
                Access::default(),
                Files::default(),
                |_, _, _| Ok(Value::Null),
                |_| Ok(()),
            ),
            started: STARTED,
            version: "1.2.3",
        };
        let listener = bind(&settings(([127, 0, 0, 1], 0).into())).unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = watch::channel(false);
        let served = state.clone();
        let thread = thread::spawn(move || {
            let mut runtime = tokio::runtime::Builder::new_current_thread();
            runtime
                .enable_all()
                .build()
                .unwrap()
                .block_on(serve(listener, served, stopped))
                .unwrap();
        });
        Self { address, state, stop, thread: Some(thread) }
    }

    fn send(&self, text: &str) -> Answer {
        let mut stream = self.connect();
        stream.write_all(text.as_bytes()).unwrap();
        Answer::read(stream)
    }

    fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        stream
    }

    fn ask(&self, method: &str, path: &str) -> Answer {
        self.send(&format!("{method} {path} HTTP/1.1\r\nhost: localhost\r\n\r\n"))
    }

    fn status(&self) -> Status {
        serde_json::from_str(&self.ask("GET", "/status").body).unwrap()
    }
}

impl Drop for Plane {
    fn drop(&mut self) {
        self.stop.send_replace(true);
        self.thread.take().unwrap().join().unwrap();
    }
}

/// A whole answer, to the end of the connection.
struct Answer {
    head: String,
    body: String,
}

impl Answer {
    fn read(mut stream: TcpStream) -> Self {
        let mut text = String::new();
        stream.read_to_string(&mut text).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        Self { head: head.to_owned(), body: body.to_owned() }
    }

    fn code(&self) -> &str {
        self.head.split(' ').nth(1).unwrap()
    }

    fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
    }
}

#[test]
fn every_path_and_method() {
    let (text, problem) = ("text/plain; charset=utf-8", "application/problem+json");
    let metrics = "text/plain; version=0.0.4; charset=utf-8";
    let json = "application/json";
    let plane = Plane::new();
    plane.state.readiness.ready();
    for (method, path, code, kind, body) in [
        ("GET", "/healthz", "200", text, "ok\n"),
        ("HEAD", "/healthz", "200", text, ""),
        ("GET", "/healthz?verbose", "200", text, "ok\n"),
        ("GET", "/readyz", "200", text, "ready\n"),
        ("HEAD", "/readyz", "200", text, ""),
        ("GET", "/metrics", "200", metrics, "sidegate_policy_generation 1"),
        ("HEAD", "/metrics", "200", metrics, ""),
        ("GET", "/status", "200", json, r#""version": "1.2.3""#),
        ("HEAD", "/status", "200", json, ""),
        ("POST", "/status", "405", problem, r#""status":405"#),
        ("DELETE", "/metrics", "405", problem, r#""title":"Method Not Allowed""#),
        ("GET", "/none", "404", problem, r#""status":404"#),
        ("GET", "/page/", "404", problem, r#""status":404"#),
        ("GET", "/api/overview", "200", json, r#""files""#),
        ("HEAD", "/api/members", "200", json, ""),
        ("POST", "/api/keys", "405", problem, r#""status":405"#),
        ("DELETE", "/", "405", problem, r#""status":405"#),
        ("GET", "/api/", "404", problem, r#""status":404"#),
        ("GET", "/api/keys?odd=1", "400", problem, "unknown field `odd`"),
        ("GET", "/healthz/", "404", problem, r#""title":"Not Found""#),
        ("POST", "/reload", "200", json, r#""settled": true"#),
        ("POST", "/reload?accept=0123456789abcdef0123456789abcdef", "200", json, "settled"),
        ("POST", "/reload?accept=0123456789ABCDEF0123456789ABCDEF", "400", problem, "32 digits"),
        ("POST", "/reload?accept=", "400", problem, "32 digits"),
        ("POST", "/reload?accept", "400", problem, "all that can be asked for is `accept=ID`"),
        ("POST", "/reload?force=1", "400", problem, "all that can be asked for is `accept=ID`"),
        ("GET", "/reload", "405", problem, r#""status":405"#),
        ("HEAD", "/reload", "405", problem, ""),
        ("POST", "/load", "404", problem, r#""type":"about:blank""#),
        ("HEAD", "/none", "404", problem, ""),
    ] {
        let answer = plane.ask(method, path);
        let case = format!("{method} {path}: {}\n{}", answer.head, answer.body);
        let allow = if path.starts_with("/reload") { "POST" } else { "GET, HEAD" };
        assert_eq!(answer.code(), code, "{case}");
        assert_eq!(answer.header("content-type"), Some(kind), "{case}");
        assert_eq!(answer.header("cache-control"), Some("no-store"), "{case}");
        assert_eq!(answer.header("allow"), (code == "405").then_some(allow), "{case}");
        assert!(answer.body.contains(body), "{case}");
        assert_eq!(answer.body.is_empty(), method == "HEAD", "{case}");
    }
}

#[test]
fn bodies_and_nonsense_are_refused() {
    let plane = Plane::new();
    let with_body = "GET /healthz HTTP/1.1\r\nhost: a\r\ncontent-length: 2\r\n\r\nhi";
    assert_eq!(plane.send(with_body).code(), "413");
    assert_eq!(plane.send("nonsense\r\n\r\n").code(), "400");
    let long = format!("GET /healthz HTTP/1.1\r\nx: {}\r\n\r\n", "x".repeat(9000));
    assert_eq!(plane.send(&long).code(), "431");
}

#[test]
fn readiness_follows_the_process() {
    let plane = Plane::new();
    let shown = |plane: &Plane| {
        let answer = plane.ask("GET", "/readyz");
        assert_eq!(plane.ask("GET", "/healthz").code(), "200");
        let status = plane.status();
        assert_eq!(format!("{}\n", status.stage), answer.body);
        (answer.code().to_owned(), answer.body, status.ready)
    };
    assert_eq!(shown(&plane), ("503".to_owned(), "starting\n".to_owned(), false));
    plane.state.readiness.ready();
    assert_eq!(shown(&plane), ("200".to_owned(), "ready\n".to_owned(), true));
    plane.state.readiness.draining();
    assert_eq!(shown(&plane), ("503".to_owned(), "draining\n".to_owned(), false));
}

#[test]
fn who_is_ready_says_where_it_does_not_serve_by_the_files() {
    let plane = Plane::new();
    plane.state.readiness.ready();
    let shown = || {
        let answer = plane.ask("GET", "/readyz");
        (answer.code().to_owned(), answer.body)
    };
    plane.state.current.keep(vec!["a problem".to_owned()], None, clock::now());
    let stays = "ready\nthe files are refused, generation 1 stays in force\n";
    assert_eq!(shown(), ("200".to_owned(), stays.to_owned()));
    plane.state.current.is_last_good(clock::now());
    let copy = "ready\nthe files are refused, the last good copy is in force\n";
    assert_eq!(shown(), ("200".to_owned(), copy.to_owned()));
}

#[test]
fn status_says_since_when_the_files_are_bad() {
    let plane = Plane::new();
    let status = plane.status();
    assert_eq!(status.started, "2026-11-18T11:06:40Z");
    assert!(status.last_reload.successful);
    assert_eq!(status.last_reload.failing, None);

    let line = "policy.toml:3:1: unknown field `rout`".to_owned();
    plane.state.current.keep(vec![line.clone()], None, UnixSeconds(STARTED.0 + 60));
    plane.state.current.keep(vec![line.clone()], None, UnixSeconds(STARTED.0 + 120));
    let status = plane.status();
    let failing = status.last_reload.failing.unwrap();
    assert!(!status.last_reload.successful);
    assert_eq!(status.last_reload.failures, 2);
    assert_eq!(status.last_reload.succeeded_at, status.started);
    assert_eq!(status.generation.number, 1);
    assert_eq!(failing.problems, [line]);
    assert_eq!(failing.since, "2026-11-18T11:07:40Z");
    assert_eq!(failing.at, "2026-11-18T11:08:40Z");

    plane.state.current.swap(
        compile(Draft::default()).unwrap(),
        None,
        UnixSeconds(STARTED.0 + 180),
    );
    let status = plane.status();
    assert_eq!(status.generation.number, 2);
    assert_eq!(status.last_reload.failing, None);
    assert_eq!((status.last_reload.successes, status.last_reload.failures), (2, 2));
}

#[test]
fn a_scraper_gets_the_form_that_it_prefers() {
    let plane = Plane::new();
    let ask = |accept: &str| {
        plane.send(&format!("GET /metrics HTTP/1.1\r\nhost: localhost\r\n{accept}\r\n"))
    };
    let open = ask("accept: application/openmetrics-text;version=1.0.0,text/plain;q=0.5\r\n");
    let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    assert_eq!(open.header("content-type"), Some(kind));
    assert_eq!(open.header("vary"), Some("accept"));
    assert!(open.body.ends_with("\n# EOF\n"), "{}", open.body);
    let text = ask("accept: text/plain\r\naccept: application/openmetrics-text;q=0.1\r\n");
    assert_eq!(text.header("content-type"), Some("text/plain; version=0.0.4; charset=utf-8"));
    assert!(!text.body.contains("# EOF") && text.body.ends_with('\n'));
}

#[test]
fn who_asks_for_a_look_is_told_what_is_in_force() {
    let plane = Plane::new();
    let asked = || -> Looked {
        let answer = plane.ask("POST", "/reload");
        assert_eq!(answer.code(), "200", "{}", answer.body);
        serde_json::from_str(&answer.body).unwrap()
    };
    let looked = asked();
    assert_eq!((looked.generation.number, looked.failing), (1, None));
    assert_eq!(looked.settings, "/etc/sidegate.toml");
    plane.state.current.keep(vec!["policy.toml:3:1: no".to_owned()], None, STARTED);
    assert_eq!(asked().failing.unwrap().problems, ["policy.toml:3:1: no"]);
    plane.state.current.swap(compile(Draft::default()).unwrap(), None, STARTED);
    let looked = asked();
    assert_eq!((looked.generation.number, looked.failing), (2, None));
}

#[test]
fn who_accepts_a_change_has_its_id_passed_on() {
    let (sender, given) = std::sync::mpsc::channel();
    let plane = Plane::with(Look::new("sidegate.toml".into(), move |accept, settled| {
        sender.send(accept.map(ToString::to_string)).unwrap();
        settled();
    }));
    let id = "0123456789abcdef0123456789abcdef";
    assert_eq!(plane.ask("POST", &format!("/reload?accept={id}")).code(), "200");
    assert_eq!(plane.ask("POST", "/reload").code(), "200");
    let page = format!("POST /reload?accept={id} HTTP/1.1\r\nhost: a\r\norigin: http://a\r\n\r\n");
    assert_eq!(plane.send(&page).code(), "403");
    assert_eq!(given.try_iter().collect::<Vec<_>>(), [Some(id.to_owned()), None]);

    let id = crate::current::ChangeId::parse(id);
    plane.state.current.keep(vec!["too much".to_owned()], id.clone(), STARTED);
    let failing = plane.status().last_reload.failing.unwrap();
    assert_eq!(failing.waiting, id.map(|id| id.to_string()));
}

#[test]
fn a_look_is_refused_to_pages_and_where_nobody_looks() {
    let plane = Plane::with(Look::new("sidegate.toml".into(), |_, settled| drop(settled)));
    assert_eq!(plane.ask("POST", "/reload").code(), "503");
    let page = "POST /reload HTTP/1.1\r\nhost: a\r\norigin: http://evil.example\r\n\r\n";
    assert_eq!(plane.send(page).code(), "403");
    let body = "POST /reload HTTP/1.1\r\nhost: a\r\ncontent-length: 2\r\n\r\nhi";
    assert_eq!(plane.send(body).code(), "413");
}

/// Sixteen may wait; the listener has room for others.
#[test]
fn who_waits_for_a_look_keeps_nobody_else_waiting() {
    let (sender, asked) = std::sync::mpsc::channel();
    let plane = Plane::with(Look::new("sidegate.toml".into(), move |_, settled| {
        sender.send(settled).unwrap()
    }));
    let wait = || {
        let mut stream = plane.connect();
        stream.write_all(b"POST /reload HTTP/1.1\r\nhost: localhost\r\n\r\n").unwrap();
        stream
    };
    let waiting: Vec<_> = (0..16).map(|_| (wait(), asked.recv().unwrap())).collect();
    assert_eq!(plane.ask("POST", "/reload").code(), "503");
    assert_eq!(plane.ask("GET", "/healthz").code(), "200");
    for (stream, settled) in waiting {
        settled();
        assert_eq!(Answer::read(stream).code(), "200");
    }
}

#[test]
fn a_slow_client_keeps_nobody_waiting() {
    let plane = Plane::new();
    let mut slow = plane.connect();
    slow.write_all(b"GET /healthz HT").unwrap();
    assert_eq!(plane.ask("GET", "/healthz").code(), "200");
    slow.write_all(b"TP/1.1\r\n\r\n").unwrap();
    assert_eq!(Answer::read(slow).code(), "200");
}

/// Patience of a container's health check is 3 s; connections live for 10.
#[test]
fn silent_connections_do_not_keep_a_health_check_waiting() {
    let plane = Plane::new();
    let silent: Vec<_> = (0..64).map(|_| plane.connect()).collect();
    let mut check = plane.connect();
    check.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    check.write_all(b"GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n").unwrap();
    assert_eq!(Answer::read(check).code(), "200");
    drop(silent);
}

#[test]
fn a_port_that_is_taken_is_an_error() {
    let plane = Plane::new();
    assert!(bind(&settings(plane.address)).is_err());
}
