//! The shape of `/status`.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Stage, State};
use crate::policy::UnixSeconds;
use crate::telemetry::EndpointState;

/// What the process says of itself. Times are RFC 3339 in UTC.
///
/// ```json
/// {
///   "version": "0.1.0",
///   "started": "2026-11-20T10:00:00Z",
///   "uptime_seconds": 86400,
///   "stage": "ready",
///   "ready": true,
///   "generation": { "number": 7, "since": "2026-11-20T18:30:00Z" },
///   "policy": { "workspaces": 2, "routes": 12, "keys": 40, "warnings": [] },
///   "last_reload": {
///     "successful": false,
///     "succeeded_at": "2026-11-20T18:30:00Z",
///     "successes": 7,
///     "failures": 2,
///     "failing": {
///       "since": "2026-11-21T09:00:00Z",
///       "at": "2026-11-21T09:05:00Z",
///       "problems": ["policy.toml:14:12: unknown field `prefx` — did you mean `prefix`?"]
///     }
///   },
///   "upstreams": [
///     { "name": "vault", "url": "http://vault:9000", "addresses": 2, "healthy": 2, "ejected": 0 }
///   ]
/// }
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    /// The version of sidegate.
    pub version: String,
    /// When the process began.
    pub started: String,
    /// Whole seconds since then.
    pub uptime_seconds: i64,
    /// `starting`, `ready` or `draining`.
    pub stage: String,
    /// Whether requests are welcome.
    pub ready: bool,
    /// Which policy is in force.
    pub generation: Generation,
    /// What is in it.
    pub policy: Policy,
    /// What became of the last attempt to load another.
    pub last_reload: LastReload,
    /// How the urls of each upstream are.
    #[serde(default)]
    pub upstreams: Vec<Upstream>,
}

/// How one url of an upstream is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Upstream {
    /// The upstream's name.
    pub name: String,
    /// The url, as it was written.
    pub url: String,
    /// Addresses that are known of it: 0 where its name cannot be looked up.
    pub addresses: i64,
    /// Null, or how many of them health checks find well.
    pub healthy: Option<i64>,
    /// By how many workers it is left out for failures in a row, summed over its addresses.
    pub ejected: i64,
}

/// Which policy is in force.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Generation {
    /// Counts from 1 since the process began.
    pub number: u64,
    /// When it came into force.
    pub since: String,
}

/// What is in the policy in force.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Policy {
    /// Workspaces.
    pub workspaces: usize,
    /// Routes.
    pub routes: usize,
    /// Key records, revoked and expired ones included.
    pub keys: usize,
    /// What somebody should look at.
    pub warnings: Vec<String>,
}

/// What became of the attempts to load a policy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LastReload {
    /// Whether the last attempt ended well: what is in force is what the files say.
    pub successful: bool,
    /// When an attempt last ended well.
    pub succeeded_at: String,
    /// Attempts that ended well, the first load included.
    pub successes: u64,
    /// Attempts that ended badly.
    pub failures: u64,
    /// Null, or why the files are not what is in force.
    pub failing: Option<Failing>,
}

/// Why the files are not what is in force.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failing {
    /// When they were first found to be bad.
    pub since: String,
    /// When they were last found to be bad.
    pub at: String,
    /// One problem a line.
    pub problems: Vec<String>,
}

impl Status {
    /// The status at `now`.
    pub(super) fn of(state: &State, now: UnixSeconds) -> Self {
        let stage = state.readiness.stage();
        let in_force = state.current.load();
        let snapshot = &in_force.snapshot;
        let reload = state.current.status();
        Self {
            version: state.version.to_owned(),
            started: rfc3339(state.started),
            uptime_seconds: now.0.saturating_sub(state.started.0).max(0),
            stage: stage.name().to_owned(),
            ready: stage == Stage::Ready,
            generation: Generation { number: in_force.number, since: rfc3339(in_force.since) },
            policy: Policy {
                workspaces: snapshot.workspace_count(),
                routes: snapshot.route_count(),
                keys: snapshot.key_count(),
                warnings: snapshot.warnings().iter().map(ToString::to_string).collect(),
            },
            last_reload: LastReload {
                successful: reload.failing.is_none(),
                succeeded_at: rfc3339(reload.succeeded_at),
                successes: reload.successes,
                failures: reload.failures,
                failing: reload.failing.map(|failure| Failing {
                    since: rfc3339(failure.since),
                    at: rfc3339(failure.at),
                    problems: failure.problems,
                }),
            },
            upstreams: state.telemetry.endpoints().into_iter().map(Upstream::from).collect(),
        }
    }
}

impl From<EndpointState> for Upstream {
    fn from(state: EndpointState) -> Self {
        let EndpointState { upstream: name, url, addresses, healthy, ejected } = state;
        Self { name, url, addresses, healthy, ejected }
    }
}

/// Times outside of the years -9999 to 9999 are shown as the nearest one inside.
fn rfc3339(time: UnixSeconds) -> String {
    let nearest = if time.0 < 0 { Timestamp::MIN } else { Timestamp::MAX };
    Timestamp::from_second(time.0).unwrap_or(nearest).to_string()
}
