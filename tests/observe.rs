//! What is seen of the gate from outside: how many series there are whatever clients send, and what a
//! real Prometheus makes of metrics, rules and the board.
//!
//! Those with Prometheus need what `.ci/run` installs: `cargo test --test observe prometheus -- --ignored`.
//! `cargo test --release --test observe million -- --ignored --nocapture` sends a million hostile requests.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that cannot go on should stop"
)]

#[path = "observe/board.rs"]
mod board;
#[path = "observe/exposition.rs"]
mod exposition;
#[expect(dead_code, reason = "shared with tests that need more of it")]
mod harness;
#[path = "observe/hostile.rs"]
mod hostile;
#[path = "observe/prometheus.rs"]
mod prometheus;
#[path = "observe/rules.rs"]
mod rules;
#[path = "observe/series.rs"]
mod series;
#[path = "observe/site.rs"]
mod site;
