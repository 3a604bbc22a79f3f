//! Every fault of a client or an upstream that we could think of, and what a client sees of it.
//!
//! Each is a row of a table, on real sockets, and ends in time: with the right status, or with a break
//! that cannot be taken for an end. `cargo test --test faults -- --nocapture --test-threads=1` prints
//! the tables with the time that each took, which nothing is asserted of. The timeouts are set short.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that cannot go on should stop"
)]

#[expect(dead_code, reason = "shared with all tests")]
mod harness;

#[path = "faults/answers.rs"]
mod answers;
#[path = "edge/authority.rs"]
mod authority;
#[path = "faults/clients.rs"]
mod clients;
#[path = "edge/frames.rs"]
#[expect(dead_code, reason = "shared with the tests of the edge")]
mod frames;
#[path = "faults/multiplexed.rs"]
mod multiplexed;
#[path = "faults/places.rs"]
mod places;
#[path = "faults/reused.rs"]
mod reused;
#[path = "faults/script.rs"]
mod script;
#[path = "edge/session.rs"]
#[expect(dead_code, reason = "shared with the tests of the edge")]
mod session;
#[path = "faults/stage.rs"]
mod stage;
#[path = "proxy/wire.rs"]
#[expect(dead_code, reason = "shared with the tests of HTTP/1")]
mod wire;
