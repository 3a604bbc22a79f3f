//! Active health checks: who is not well is not asked, unless nobody is.

use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

use crate::harness::until;
use crate::rig::{GET, Rig, WRITER};
use crate::wire::{Message, Wire};

/// An upstream that says of itself whether it is well.
struct Server {
    url: String,
    state: Arc<State>,
}

#[derive(Default)]
struct State {
    is_ill: AtomicBool,
    checks: AtomicUsize,
    requests: AtomicUsize,
}

impl Server {
    fn start(is_ill: bool) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let state = Arc::new(State { is_ill: is_ill.into(), ..State::default() });
        let shared = Arc::clone(&state);
        thread::spawn(move || {
            for stream in listener.incoming() {
                let (mut wire, state) = (Wire::new(stream.unwrap()), Arc::clone(&shared));
                thread::spawn(move || {
                    while let Ok(request) = wire.message(false) {
                        // The gate may have gone.
                        let _ = wire.try_send(state.answer(&request));
                    }
                });
            }
        });
        Self { url, state }
    }

    fn set_ill(&self, is_ill: bool) {
        self.state.is_ill.store(is_ill, Ordering::SeqCst);
    }

    fn requests(&self) -> usize {
        self.state.requests.load(Ordering::SeqCst)
    }
}

impl State {
    fn answer(&self, request: &Message) -> &'static str {
        if request.first != "GET /well?a=b HTTP/1.1" {
            self.requests.fetch_add(1, Ordering::SeqCst);
            return "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
        }
        self.checks.fetch_add(1, Ordering::SeqCst);
        assert_eq!(request.field("host"), Some("well.example:1"), "{request:?}");
        assert!(request.field("user-agent").unwrap().starts_with("sidegate/"), "{request:?}");
        if self.is_ill.load(Ordering::SeqCst) {
            "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n"
        } else {
            "HTTP/1.1 204 No Content\r\n\r\n"
        }
    }
}

const HEALTH: &str = "upstream.other.health = { path = \"/well?a=b\", interval = \"20ms\", timeout = \"500ms\", \
    after = 2, host = \"well.example:1\" }\n";

fn rig(servers: &[Server]) -> Rig {
    let urls: Vec<&str> = servers.iter().map(|server| server.url.as_str()).collect();
    let rig = Rig::new(&format!("{HEALTH}upstream.other.urls = {urls:?}\n"));
    rig.reroute("late", "other");
    rig
}

fn healthy(rig: &Rig, server: &Server) -> f64 {
    let label = format!("endpoint=\"{}\"", server.url);
    rig.gate.metric("sidegate_upstream_endpoint_healthy", &label)
}

fn ask(rig: &Rig, times: usize) {
    let mut client = rig.client();
    for _time in 0..times {
        client.send(format!("GET /late HTTP/1.1\r\n{WRITER}\r\n"));
        assert_eq!(client.answer().status(), 200);
    }
}

#[test]
fn who_is_not_well_is_not_asked() {
    let servers = [Server::start(true), Server::start(false)];
    let rig = rig(&servers);
    let [ill, well] = &servers;
    until("the first checks", || healthy(&rig, ill) == 0.0 && healthy(&rig, well) == 1.0);
    ask(&rig, 20);
    assert_eq!((ill.requests(), well.requests()), (0, 20));
    let status: serde_json::Value = serde_json::from_str(&rig.gate.page("/status")).unwrap();
    let shown = status["upstreams"].as_array().unwrap().iter().find(|it| it["url"] == ill.url);
    let expected = serde_json::json!({
        "name": "other", "url": ill.url, "addresses": 1, "healthy": 0, "ejected": 0
    });
    assert_eq!(shown, Some(&expected), "{status}");
    until("the log", || rig.log().contains("upstream endpoint is unhealthy"));

    ill.set_ill(false);
    until("it to be well", || healthy(&rig, ill) == 1.0);
    until("it to be asked", || {
        ask(&rig, 1);
        ill.requests() > 0
    });
    well.set_ill(true);
    until("the other to be ill", || healthy(&rig, well) == 0.0);
    let before = well.requests();
    ask(&rig, 20);
    assert_eq!(well.requests(), before);
}

/// A check that is wrong must not close the service.
#[test]
fn where_nobody_is_well_all_are_asked() {
    let servers = [Server::start(true), Server::start(true)];
    let rig = rig(&servers);
    until("the checks", || servers.iter().all(|server| healthy(&rig, server) == 0.0));
    ask(&rig, 40);
    assert!(servers.iter().all(|server| server.requests() > 0));
}

/// Connections that nobody answers end in time, and say that it is not well.
#[test]
fn who_does_not_answer_is_not_well() {
    let rig = Rig::new(
        "upstream.app.health = { path = \"/\", interval = \"10ms\", timeout = \"100ms\" }\n",
    );
    let healthy = || rig.gate.metric("sidegate_upstream_endpoint_healthy", "");
    until("the verdict", || healthy() == 0.0);
    until("the log", || rig.log().contains("no answer in time"));
    // It is the only one there is.
    let client = rig.sent(GET);
    until("it to be asked", || rig.gate.metric("sidegate_requests_in_flight", "") == 1.0);
    drop(client);
}
