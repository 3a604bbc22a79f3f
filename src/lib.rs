//! sidegate: an authorizing reverse-proxy sidecar.
//!
//! Rooms, each of which imports only from those on its left (held by `tests/architecture.rs`):
//!
//! `policy < clock < current < telemetry < proxy | admin < keystore < config < reload < cli`
//!
//! Start reading at [`policy`], the decision core, then [`proxy`], the life of a request.

pub mod admin;
pub mod cli;
pub mod clock;
pub mod config;
pub mod current;
pub mod keystore;
pub mod policy;
pub mod proxy;
pub mod reload;
pub mod telemetry;
