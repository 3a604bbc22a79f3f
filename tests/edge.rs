//! The gate's client side: TLS with its certificates, and every protocol that clients speak over it.
//!
//! Each rig is a process of its own, its upstream a raw socket in the test. Nothing sleeps.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that cannot go on should stop"
)]

#[expect(dead_code, reason = "nginx and load are for the tests with peers")]
mod harness;

#[path = "edge/authority.rs"]
mod authority;
#[path = "edge/certificates.rs"]
mod certificates;
#[path = "edge/crowd.rs"]
mod crowd;
#[path = "edge/curl.rs"]
mod curl;
#[path = "edge/floods.rs"]
mod floods;
#[path = "edge/frames.rs"]
mod frames;
#[path = "edge/grpc.rs"]
mod grpc;
#[path = "edge/handshake.rs"]
mod handshake;
#[path = "edge/http2.rs"]
mod http2;
#[path = "edge/lasting.rs"]
mod lasting;
#[path = "edge/load.rs"]
mod load;
#[path = "edge/origin.rs"]
mod origin;
#[path = "edge/rest.rs"]
mod rest;
#[path = "proxy/rig.rs"]
#[expect(dead_code, reason = "shared with the tests of HTTP/1")]
mod rig;
#[path = "edge/rules.rs"]
mod rules;
#[path = "edge/secure.rs"]
mod secure;
#[path = "edge/session.rs"]
mod session;
#[path = "proxy/talk.rs"]
mod talk;
#[path = "edge/tls.rs"]
mod tls;
#[path = "edge/unix.rs"]
mod unix;
#[path = "edge/websocket.rs"]
mod websocket;
#[path = "proxy/wire.rs"]
#[expect(dead_code, reason = "shared with the tests of HTTP/1")]
mod wire;
