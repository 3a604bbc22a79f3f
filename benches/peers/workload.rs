//! What is measured: who asks what, how often, and of whom.

use super::peer::Peer;

/// What a proxy is set up for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Setting {
    /// What sets it apart from the others of its workload.
    pub(crate) name: &'static str,
    pub(crate) keys: usize,
    /// Beside that of WebSockets: one for everything, or so many of one segment each.
    pub(crate) routes: usize,
    pub(crate) listen: Listen,
    pub(crate) upstream: Upstream,
    pub(crate) reloads: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Listen {
    Plain,
    Tls,
}

/// Where a relay goes; the others have one for WebSockets beside it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Upstream {
    Tcp,
    Unix,
    Echo,
}

/// Who asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tool {
    /// HTTP/1.1.
    Wrk,
    /// HTTP/2.
    H2load,
    /// Messages of 64 bytes over WebSockets, each sent when the one before has come back.
    Socket,
}

/// Whose key is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Whose {
    Viewer,
    Writer,
    /// Of nobody, though well formed.
    Nobody,
    /// Another one in each request, at random from all.
    Anybody,
}

pub(crate) struct Workload {
    pub(crate) name: &'static str,
    pub(crate) tool: Tool,
    pub(crate) connections: usize,
    pub(crate) method: &'static str,
    pub(crate) path: &'static str,
    pub(crate) whose: Whose,
    /// Bytes that are sent, and that come back.
    pub(crate) body: usize,
    pub(crate) answer: usize,
    pub(crate) status: u16,
    /// A connection is for one request.
    pub(crate) closes: bool,
    pub(crate) settings: &'static [Setting],
    pub(crate) peers: &'static [Peer],
}

pub(crate) const ANSWER_BYTES: usize = 121;
pub(crate) const LARGE_BYTES: usize = 1 << 20;
pub(crate) const MESSAGE_BYTES: usize = 64;

const PLAIN: Setting = Setting {
    name: "",
    keys: 10_000,
    routes: 1,
    listen: Listen::Plain,
    upstream: Upstream::Tcp,
    reloads: false,
};
const TLS: Setting = Setting { listen: Listen::Tls, ..PLAIN };

const SMALL_GET: Workload = Workload {
    name: "get-64",
    tool: Tool::Wrk,
    connections: 64,
    method: "GET",
    path: "/",
    whose: Whose::Viewer,
    body: 0,
    answer: ANSWER_BYTES,
    status: 200,
    closes: false,
    settings: &[PLAIN],
    peers: &[Peer::Relay, Peer::Nginx, Peer::Haproxy, Peer::Envoy, Peer::Before, Peer::Sidegate],
};
/// The relay knows neither keys nor TLS.
const WITHOUT_RELAY: &[Peer] =
    &[Peer::Nginx, Peer::Haproxy, Peer::Envoy, Peer::Before, Peer::Sidegate];
/// Envoy would need its keys in its configuration, and an API server to change them.
const BY_FILES: &[Peer] = &[Peer::Nginx, Peer::Haproxy, Peer::Before, Peer::Sidegate];

pub(crate) static ALL: [Workload; 16] = [
    SMALL_GET,
    Workload { name: "get-1024", connections: 1024, ..SMALL_GET },
    Workload { name: "post-1k", method: "POST", whose: Whose::Writer, body: 1024, ..SMALL_GET },
    Workload {
        name: "denied-401",
        whose: Whose::Nobody,
        status: 401,
        answer: 0,
        peers: WITHOUT_RELAY,
        ..SMALL_GET
    },
    Workload {
        name: "denied-403",
        method: "DELETE",
        status: 403,
        answer: 0,
        peers: WITHOUT_RELAY,
        ..SMALL_GET
    },
    Workload { name: "down-1m", path: "/large", connections: 16, answer: LARGE_BYTES, ..SMALL_GET },
    Workload {
        name: "up-1m",
        method: "POST",
        path: "/sink",
        whose: Whose::Writer,
        connections: 16,
        body: LARGE_BYTES,
        ..SMALL_GET
    },
    Workload { name: "tls", settings: &[TLS], peers: WITHOUT_RELAY, ..SMALL_GET },
    Workload {
        name: "tls-handshake",
        closes: true,
        settings: &[TLS],
        peers: WITHOUT_RELAY,
        ..SMALL_GET
    },
    Workload {
        name: "tls-down-1m",
        path: "/large",
        connections: 16,
        answer: LARGE_BYTES,
        settings: &[TLS],
        peers: WITHOUT_RELAY,
        ..SMALL_GET
    },
    Workload {
        name: "h2",
        tool: Tool::H2load,
        settings: &[TLS],
        peers: WITHOUT_RELAY,
        ..SMALL_GET
    },
    Workload {
        name: "websocket",
        tool: Tool::Socket,
        path: "/socket",
        answer: MESSAGE_BYTES,
        settings: &[Setting { upstream: Upstream::Echo, ..PLAIN }],
        ..SMALL_GET
    },
    Workload {
        name: "unix-upstream",
        settings: &[Setting { upstream: Upstream::Unix, ..PLAIN }],
        ..SMALL_GET
    },
    Workload {
        name: "keys",
        whose: Whose::Anybody,
        settings: &[
            Setting { name: "1e3", keys: 1000, ..PLAIN },
            Setting { name: "1e6", keys: 1_000_000, ..PLAIN },
        ],
        peers: BY_FILES,
        ..SMALL_GET
    },
    Workload {
        name: "routes",
        path: "/r*/",
        settings: &[
            Setting { name: "10", routes: 10, ..PLAIN },
            Setting { name: "1e4", routes: 10_000, ..PLAIN },
        ],
        peers: BY_FILES,
        ..SMALL_GET
    },
    Workload {
        name: "reload",
        settings: &[
            Setting { name: "none", ..PLAIN },
            Setting { name: "1/s", reloads: true, ..PLAIN },
        ],
        peers: BY_FILES,
        ..SMALL_GET
    },
];
