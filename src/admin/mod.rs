//! The operator's plane, on a listener of its own: no load on the data plane closes it.
//!
//! | path | answer |
//! |---|---|
//! | `/metrics` | every metric, in OpenMetrics 1.0.0 or Prometheus' text format 0.0.4, by `Accept` |
//! | `/healthz` | 200 `ok` while the process lives |
//! | `/readyz` | 200 `ready`, or 503 `starting` or `draining`; a second line where the files are refused |
//! | `/status` | 200 and a [`Status`] as JSON |
//! | `/` | the operators' page, and its files below `/page/` |
//! | `/api/…` | what it shows, as JSON: see `api/mod.rs` |
//! | `POST /reload` | 200 and a [`Looked`] as JSON once the files as they are were taken up or refused; 202 and the same while they are not |
//!
//! `POST /reload?accept=ID` lets in a change that a guard rail holds back, if that is still what the
//! files say: [`Failing::waiting`] is its id.
//!
//! GET and HEAD but for the last; any other path is 404, any other method 405, a body 413: as
//! `application/problem+json`. Nothing else here changes anything, and no answer holds a secret: a look
//! at the files loads them only where they differ from what was loaded, as it would come to be anyway. A
//! browser's page that asks for one is refused with 403.
//!
//! The page and what it shows are for who has the token of [`Access`]; where there is none, for who
//! connects from this machine: by an address, `localhost` or a name that the settings list, so that no
//! page elsewhere can make a browser here ask for it. Nothing on it changes anything. What takes long
//! is done on threads of its own, two at once, each for a bounded time.
//!
//! INVARIANT: every connection carries one request, has its head within a second and ends within
//! ten; there are 64 of them at most, so that a health check has its turn within its own patience.
//!
//! Start at `answer.rs`.

mod access;
mod answer;
mod api;
mod desk;
mod look;
mod page;
mod readiness;
mod server;
mod status;

#[cfg(test)]
mod tests;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

pub use self::access::{Access, Token};
pub use self::desk::{Desk, Files, Question, Who};
pub use self::look::{Look, Looked, Settled};
pub use self::readiness::{Readiness, Stage};
pub use self::server::{bind, serve};
pub use self::status::{Change, Counts, Failing, Generation, LastReload, Policy, Status, Upstream};
use crate::current::Current;
use crate::policy::UnixSeconds;
use crate::telemetry::Telemetry;

/// Settings of the operator's plane. `config` fills them from `sidegate.toml`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// Where Prometheus and operators connect.
    pub listen: SocketAddr,
    /// The file of the token that the page asks for, where it asks for one.
    pub token: Option<PathBuf>,
    /// Names that the page may be asked for by, besides addresses and `localhost`.
    pub hosts: Vec<String>,
}

/// What the answers are made of.
#[derive(Debug, Clone)]
pub struct State {
    /// The policy in force.
    pub current: Arc<Current>,
    /// Every metric.
    pub telemetry: Arc<Telemetry>,
    /// Whether requests are welcome.
    pub readiness: Arc<Readiness>,
    /// How to have the files looked at.
    pub look: Look,
    /// What the page asks, and whom it is shown to.
    pub desk: Desk,
    /// When the process began.
    pub started: UnixSeconds,
    /// The version of sidegate.
    pub version: &'static str,
}
