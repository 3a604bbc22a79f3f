//! How a process begins, ends and is followed by another, under load: nobody may notice.
//!
//! Each rig is a process of its own, its upstream a server in the test.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that cannot go on should stop"
)]

#[expect(dead_code, reason = "nginx and its like are for the tests with peers")]
mod harness;

#[path = "life/activation.rs"]
mod activation;
#[path = "life/ends.rs"]
mod ends;
#[path = "life/handover.rs"]
mod handover;
#[path = "life/house.rs"]
mod house;
#[path = "life/load.rs"]
mod load;
#[path = "life/restarts.rs"]
mod restarts;
#[path = "life/upstream.rs"]
mod upstream;
#[path = "proxy/wire.rs"]
#[expect(dead_code, reason = "shared with the tests of HTTP/1")]
mod wire;
#[path = "life/workers.rs"]
mod workers;
