//! The operator's plane, on a listener of its own (being built).

use std::net::SocketAddr;

/// Settings of the operator's plane. `config` fills them from `sidegate.toml`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settings {
    /// Where Prometheus and operators connect.
    pub listen: SocketAddr,
}
