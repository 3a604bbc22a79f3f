//! Every metric, the event at the end of each request, the log and the audit log.
//!
//! # Invariants
//!
//! - A label's value comes from the configuration or from a closed enum, never from a request: the
//!   number of series is bounded by the policy, whatever clients send.
//! - Nothing is looked up by label on the request path: a worker resolves a handle at its first use
//!   in a generation and keeps it ([`WorkerMeters`]).
//! - No key, path or query is in a metric or an event.
//! - A worker never waits for who reads an event: what is beyond a bounded queue is dropped, and
//!   counted (`sink.rs`).
//!
//! Start at [`Telemetry`].

mod audit;
mod cell;
mod collector;
mod denials;
mod denied;
mod event;
mod families;
mod form;
mod journal;
mod kinds;
mod ledger;
mod log;
mod metrics;
mod names;
#[cfg(not(feature = "otlp"))]
mod no_spans;
mod page;
mod policy;
mod pool;
mod refusals;
mod route;
mod sink;
#[cfg(feature = "otlp")]
mod spans;
mod tally;
mod worker;

pub use audit::{
    AccessChange, Audit, AuditSettings, AuditWriter, CommandEntry, OnFailure, ReloadEntry,
    ServiceEntry, Stage, Trail,
};
pub use collector::{Collector, TracingSettings};
pub use event::RequestEvent;
pub use form::Form;
pub use journal::{Brief, Journal};
pub use kinds::{CutKind, HandshakeErrorKind, Limit, OriginErrorKind, UpstreamErrorKind};
pub use log::{Log, install};
pub use metrics::Telemetry;
#[cfg(not(feature = "otlp"))]
pub use no_spans::{SpanSender, Spans};
pub use pool::{EndpointBoard, EndpointMeters, EndpointState, PoolMeters};
pub use refusals::{EXAMPLES, Example, MINUTES, Refusal, Refused};
pub use route::RoutePlace;
#[cfg(feature = "otlp")]
pub use spans::{SpanSender, Spans};
pub use worker::WorkerMeters;

/// Whether spans can be sent: whether this was built with the feature `otlp`.
pub const SENDS_SPANS: bool = cfg!(feature = "otlp");

/// Settings of the log. `config` fills them from `[log]` in `sidegate.toml`.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// How an event is written.
    pub format: Format,
    /// The least severe events that are written.
    pub level: Level,
    /// The share of allowed requests that are logged, 0.0 to 1.0.
    pub sample: f64,
    /// Denials of one reason that are logged in a second, at most: the rest is told as a number.
    pub denials_per_second: u32,
    /// Events that wait to be written, at most: what is beyond is dropped and counted.
    pub buffer: usize,
}

/// How an event is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// One JSON object a line.
    Json,
    /// For people.
    Text,
}

/// Severity, the most severe first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    /// Something broke.
    Error,
    /// Somebody should look.
    Warn,
    /// Starts, reloads, requests.
    Info,
    /// For finding faults.
    Debug,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            format: Format::Json,
            level: Level::Info,
            sample: 0.01,
            denials_per_second: 100,
            buffer: 16_384,
        }
    }
}
