//! What a running gate writes down, and what becomes of requests while it cannot.
//!
//! Every count is exact: what clients were answered is what was written and what was counted as
//! dropped, together.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that cannot go on should stop"
)]

#[expect(dead_code, reason = "nginx and load are for the tests with peers")]
mod harness;

#[path = "logs/audit.rs"]
mod audit;
#[path = "logs/hostile.rs"]
mod hostile;
#[path = "logs/house.rs"]
mod house;
#[cfg(feature = "otlp")]
#[path = "logs/spans.rs"]
mod spans;
#[path = "logs/stalls.rs"]
mod stalls;
