//! The operators' page: its files and what it shows over plain sockets, and all of it in a browser.
//!
//! What is in a browser needs Chromium, its driver and axe-core, which `.ci/run` installs:
//! `cargo test --test page -- --ignored`.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    reason = "a test that cannot go on should stop"
)]

#[path = "page/browser.rs"]
mod browser;
#[expect(dead_code, reason = "nginx and its like are for the tests with peers")]
mod harness;
#[path = "page/house.rs"]
mod house;
#[path = "page/plain.rs"]
mod plain;
#[path = "page/seen.rs"]
mod seen;
