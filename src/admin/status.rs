//! The shape of `/status`.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Stage, State};
use crate::current;
use crate::policy::{UnixSeconds, difference};
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
///       "problems": ["policy.toml:14:12: unknown field `prefx` — did you mean `prefix`?"],
///       "waiting": null
///     },
///     "last_good": null
///   },
///   "changes": [
///     {
///       "generation": 7,
///       "at": "2026-11-20T18:30:00Z",
///       "duration_ms": 3.2,
///       "summary": "keys: 1 revoked (1 lost)",
///       "keys": { "came": 0, "went": 0, "revoked": 1, "changed": 0, "gained": 0, "lost": 1 },
///       "members": { "came": 0, "went": 0, "revoked": 0, "changed": 0, "gained": 0, "lost": 0 },
///       "routes": { "came": 0, "went": 0, "revoked": 0, "changed": 0, "gained": 0, "lost": 0 }
///     }
///   ],
///   "upstreams": [
///     { "name": "vault", "url": "http://vault:9000", "addresses": 2, "healthy": 2, "ejected": 0 }
///   ]
/// }
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
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
    /// What the last ten reloads changed, the latest first.
    #[serde(default)]
    pub changes: Vec<Change>,
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
    /// Null, or when it was kept where what is in force is the last good copy on disk: the files were
    /// bad at the start.
    #[serde(default)]
    pub last_good: Option<String>,
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
    /// Null, or the id of the change where the files have no fault and a guard rail holds them back:
    /// `sidegate reload --accept` takes it.
    #[serde(default)]
    pub waiting: Option<String>,
}

/// What one reload changed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Change {
    /// The generation that it began.
    pub generation: u64,
    /// When that came into force.
    pub at: String,
    /// How long loading and compiling took, in milliseconds.
    pub duration_ms: f64,
    /// All of it in words.
    pub summary: String,
    /// Keys.
    pub keys: Counts,
    /// Members of workspaces.
    pub members: Counts,
    /// Routes.
    pub routes: Counts,
}

/// What became of things of one kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// Those that were not there.
    pub came: usize,
    /// Those that are there no more.
    pub went: usize,
    /// Keys that were revoked.
    pub revoked: usize,
    /// Those that changed otherwise.
    pub changed: usize,
    /// Of all, those that reach more than before, somewhere at some time.
    pub gained: usize,
    /// Of all, those that reach less.
    pub lost: usize,
}

impl Counts {
    fn of(counts: difference::Counts) -> Self {
        let difference::Counts { came, went, revoked, changed, gained, lost } = counts;
        Self { came, went, revoked, changed, gained, lost }
    }
}

impl Change {
    pub(super) fn of(change: &current::Change) -> Self {
        let summary = &change.summary;
        Self {
            generation: change.generation,
            at: rfc3339(change.at),
            duration_ms: change.took.as_micros() as f64 / 1000.0,
            summary: summary.to_string(),
            keys: Counts::of(summary.keys),
            members: Counts::of(summary.members),
            routes: Counts::of(summary.routes),
        }
    }
}

impl Generation {
    pub(super) fn of(generation: &current::Generation) -> Self {
        Self { number: generation.number, since: rfc3339(generation.since) }
    }
}

impl Failing {
    pub(super) fn of(failure: current::Failure) -> Self {
        let current::Failure { since, at, problems, waiting } = failure;
        Self {
            since: rfc3339(since),
            at: rfc3339(at),
            problems,
            waiting: waiting.map(|id| id.to_string()),
        }
    }
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
            generation: Generation::of(&in_force),
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
                failing: reload.failing.map(Failing::of),
                last_good: reload.last_good.map(rfc3339),
            },
            changes: reload.changes.iter().map(Change::of).collect(),
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
pub(super) fn rfc3339(time: UnixSeconds) -> String {
    let nearest = if time.0 < 0 { Timestamp::MIN } else { Timestamp::MAX };
    Timestamp::from_second(time.0).unwrap_or(nearest).to_string()
}
