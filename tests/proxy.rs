//! The gate between clients and upstreams that do everything wrong, end to end.
//!
//! Clients and upstreams are raw sockets in the test; each rig is a process of its own. Nothing
//! sleeps: what has to happen is awaited, and where a timeout is what is tested, it is set short.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that cannot go on should stop"
)]

#[expect(dead_code, reason = "nginx and load are for the tests with peers")]
mod harness;

#[path = "proxy/answers.rs"]
mod answers;
#[path = "proxy/bounds.rs"]
mod bounds;
#[path = "proxy/client.rs"]
mod client;
#[path = "proxy/early.rs"]
mod early;
#[path = "proxy/endpoints.rs"]
mod endpoints;
#[path = "proxy/fields.rs"]
mod fields;
#[path = "proxy/forms.rs"]
mod forms;
#[path = "proxy/frames.rs"]
mod frames;
#[path = "proxy/framing.rs"]
mod framing;
#[path = "proxy/health.rs"]
mod health;
#[path = "proxy/hints.rs"]
mod hints;
#[path = "proxy/hosts.rs"]
mod hosts;
#[path = "proxy/hygiene.rs"]
mod hygiene;
#[path = "proxy/lasting.rs"]
mod lasting;
#[path = "proxy/leftovers.rs"]
mod leftovers;
#[path = "proxy/life.rs"]
mod life;
#[path = "proxy/limits.rs"]
mod limits;
#[path = "proxy/multiplex.rs"]
mod multiplex;
#[path = "proxy/nasty.rs"]
mod nasty;
#[path = "proxy/pool.rs"]
mod pool;
#[path = "proxy/reading.rs"]
mod reading;
#[path = "proxy/rest.rs"]
mod rest;
#[path = "proxy/rig.rs"]
mod rig;
#[path = "proxy/secrets.rs"]
mod secrets;
#[path = "proxy/table.rs"]
mod table;
#[path = "proxy/talk.rs"]
mod talk;
#[path = "proxy/targets.rs"]
mod targets;
#[path = "proxy/tls.rs"]
mod tls;
#[path = "proxy/upstream.rs"]
mod upstream;
#[path = "proxy/websocket.rs"]
mod websocket;
#[path = "proxy/wire.rs"]
mod wire;
