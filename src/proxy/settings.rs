//! What the data plane is told at start.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use rustls::pki_types::ServerName;

use super::listen::Address;
use super::network::Network;
use super::trust::Trust;

/// Settings of the data plane. `config` fills them from `sidegate.toml`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// Where clients connect.
    pub listen: Address,
    /// Whether they speak TLS. Without it in force, none is served.
    pub tls: bool,
    /// Whether each connection begins with where it comes from, and is of a proxy that is trusted.
    pub proxy_protocol: bool,
    /// Threads, each with its own listener and pools; at least 1.
    pub workers: usize,
    /// Clients whose forwarding fields are kept; others' are dropped.
    pub trusted_proxies: Vec<Network>,
    /// Where permitted requests go, in the order of the ids that the policy was compiled with.
    pub upstreams: Vec<Upstream>,
    /// How long things may take.
    pub timeouts: Timeouts,
    /// How large things may be.
    pub limits: Limits,
}

impl Settings {
    /// Says whom to believe of each upstream, in their order.
    pub fn trust(&mut self, trusts: Vec<Option<Trust>>) {
        for (upstream, trust) in self.upstreams.iter_mut().zip(trusts) {
            upstream.trust = trust;
        }
    }
}

/// `[upstream.NAME]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Upstream {
    /// The name that routes use and that metrics show.
    pub name: String,
    /// Where its requests go; at least one.
    pub endpoints: Vec<Endpoint>,
    /// Idle connections to each endpoint that each worker keeps at most.
    pub idle_connections: usize,
    /// Requests in flight in the process at each endpoint; where all have as many, 503.
    pub requests: usize,
    /// Failures in a row after which a worker leaves an endpoint out for a while; 0 is never.
    pub eject_after: u32,
    /// How long the addresses of a name are taken to be true.
    pub dns_refresh: Duration,
    /// How endpoints are asked whether they are well. Nothing: they are not.
    pub health: Option<Health>,
    /// Whom to believe where an endpoint speaks TLS: known once the files have been read.
    pub trust: Option<Trust>,
}

/// `health` of `[upstream.NAME]`: a GET now and then, which a healthy endpoint answers with 2xx.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Health {
    /// What is asked for.
    pub path: String,
    /// Between two checks.
    pub interval: Duration,
    /// What one may take.
    pub timeout: Duration,
    /// Results in a row that make a healthy endpoint unhealthy, or the other way round.
    pub after: u32,
    /// The `Host` of the request.
    pub host: String,
}

/// One of `urls` in `[upstream.NAME]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    /// As it was written: the label in metrics.
    pub url: String,
    /// Where it is.
    pub site: Site,
    /// What is spoken there.
    pub protocol: Protocol,
}

/// What is spoken at an endpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Protocol {
    /// HTTP/1.1, in the open.
    Http,
    /// HTTP/2, in the open, without asking (RFC 9113 §3.3).
    H2c,
    /// HTTP/2 or HTTP/1.1, as the endpoint chooses (ALPN), through TLS, with the name that its certificate has to have.
    Https(ServerName<'static>),
}

/// Where connections to an endpoint go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Site {
    /// An address and a port.
    Address(SocketAddr),
    /// A host name and a port. All addresses of the name are asked.
    Name(String, u16),
    /// A Unix socket by its path, or behind a zero byte by its name in the abstract namespace.
    Unix(PathBuf),
}

/// `[timeouts]`
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timeouts {
    /// For a connection's TLS handshake, and before it for a proxy's header; past it the connection
    /// is cut.
    pub handshake: Duration,
    /// From a request's first byte to the end of its head; past it 408.
    pub header: Duration,
    /// Until an upstream connection stands; past it 504.
    pub connect: Duration,
    /// From the request sent to the upstream's response head; past it 504.
    pub upstream: Duration,
    /// The longest pause within a body, either way; past it the connection is cut.
    pub body: Duration,
    /// How long a connection is kept between requests, on either side.
    pub idle: Duration,
    /// The longest silence of both sides of a WebSocket; past it both are closed.
    pub tunnel: Duration,
    /// How long connections are still accepted after SIGTERM, while the process says that it is not
    /// ready and that every answer is the last on its connection.
    pub drain_delay: Duration,
    /// How long a connection without a request may bring one more in a drain.
    pub linger: Duration,
    /// How long requests in flight may go on after that.
    pub drain: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            handshake: Duration::from_secs(10),
            header: Duration::from_secs(10),
            connect: Duration::from_secs(1),
            upstream: Duration::from_secs(30),
            body: Duration::from_secs(60),
            idle: Duration::from_secs(60),
            tunnel: Duration::from_secs(3600),
            drain_delay: Duration::ZERO,
            linger: Duration::from_secs(2),
            drain: Duration::from_secs(30),
        }
    }
}

/// `[limits]`
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Client connections of the process; one more is answered 503 and closed.
    pub connections: usize,
    /// Requests in flight in the process; one more is answered 503.
    pub requests: usize,
    /// Requests at a time on one HTTP/2 connection; one more is refused, to be sent later.
    pub streams: u32,
    /// Header fields of a request; past it 431.
    pub headers: usize,
    /// Bytes of a request's head; past it 431.
    pub header_bytes: usize,
    /// Bytes of a request's target; past it 414.
    pub target_bytes: usize,
    /// Bytes of a request's body; past it 413.
    pub body_bytes: u64,
    /// How often one key may ask; past it 429. Nothing is as often as it likes.
    pub key_rate: Option<Rate>,
}

/// A bucket of requests that fills at a rate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// Requests a second over any longer time; at least 1.
    pub requests_per_second: u32,
    /// Requests at once; at least 1.
    pub burst: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 10_000,
            requests: 10_000,
            streams: 100,
            headers: 100,
            header_bytes: 32 * 1024,
            target_bytes: 8 * 1024,
            body_bytes: 1 << 30,
            key_rate: None,
        }
    }
}
