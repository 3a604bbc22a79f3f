//! What the policy says of key records.

use std::io;

use serde::Serialize;

use crate::cli::scope::ScopeView;
use crate::config::{self, Config};
use crate::keystore::{Record, State};
use crate::policy::difference::ScopeName;
use crate::policy::draft::DraftCeiling;
use crate::policy::{DenyReason, Level, Snapshot, UnixSeconds};

use super::Terminal;
use super::outcome::Failure;

/// The policy, without its keys.
pub(super) struct Rules {
    snapshot: Snapshot,
    pin: Option<String>,
}

/// A scope that a key reaches, and how far.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(super) struct Reach<'r> {
    #[serde(flatten)]
    scope: ScopeView<'r>,
    level: &'static str,
}

impl Rules {
    pub(super) fn read(config: &Config) -> Result<Self, Failure> {
        let snapshot =
            config::load_policy(config).map_err(|report| Failure::Invalid(report.to_string()))?;
        Ok(Self { snapshot, pin: config.environment.clone() })
    }

    /// As [`read`](Self::read), for who can do without: what is wrong is said as a warning.
    pub(super) fn read_or_warn(
        config: &Config,
        terminal: &mut Terminal<'_>,
    ) -> io::Result<Option<Self>> {
        match Self::read(config) {
            Ok(rules) => Ok(Some(rules)),
            Err(failure) => {
                write!(terminal.err, "{failure}")?;
                writeln!(terminal.err, "warning: what keys reach is not known")?;
                Ok(None)
            }
        }
    }

    pub(super) fn snapshot(&self) -> &Snapshot {
        &self.snapshot
    }

    /// Why the key is refused at `now` whatever it asks for, in the order of the checks.
    pub(super) fn refused(&self, record: &Record<'_>, now: UnixSeconds) -> Option<DenyReason> {
        if let Some(reason) = refused_by_time(record, now) {
            return Some(reason);
        }
        if self.pin.as_deref().is_some_and(|pin| pin != &*record.environment) {
            return Some(DenyReason::WrongEnvironment);
        }
        match self.snapshot.workspace(&record.workspace) {
            Some(workspace) if workspace.environment() == &*record.environment => {
                workspace.closed_to(&record.account)
            }
            _ => Some(DenyReason::WrongWorkspace),
        }
    }

    /// What the key reaches by the rules of `now`, as long as it is good or once it will be.
    pub(super) fn reaches(&self, record: &Record<'_>, now: UnixSeconds) -> Vec<Reach<'_>> {
        let over = matches!(record.state(now), State::Revoked | State::Expired);
        let workspace = self.snapshot.workspace(&record.workspace);
        let workspace = workspace.filter(|it| !over && it.environment() == &*record.environment);
        let Some(workspace) = workspace else { return Vec::new() };
        let ceiling = record.ceiling.as_ref().map(|ceiling| DraftCeiling {
            level: ceiling.level,
            products: ceiling.products.clone(),
            areas: ceiling.areas.clone(),
        });
        let reached = workspace.reached(&record.account, ceiling.as_ref(), now);
        reached.into_iter().map(Reach::new).collect()
    }
}

/// Why the record's own times refuse it.
pub(super) fn refused_by_time(record: &Record<'_>, now: UnixSeconds) -> Option<DenyReason> {
    match record.state(now) {
        State::Active => None,
        State::Expired => Some(DenyReason::KeyExpired),
        State::NotYetValid => Some(DenyReason::KeyNotYetValid),
        State::Revoked => Some(DenyReason::KeyRevoked),
    }
}

impl<'r> Reach<'r> {
    fn new((scope, level): (ScopeName<'r>, Level)) -> Self {
        Self { scope: ScopeView::of(scope), level: level.name() }
    }

    /// Where it is: `areas`, or the product.
    fn place(&self) -> &'r str {
        self.scope.product.unwrap_or("areas")
    }

    fn name(&self) -> &'r str {
        self.scope.area.or(self.scope.permission).unwrap_or("itself")
    }
}

/// How many scopes at which level: `2 full, 1 view`.
pub(super) fn counted(reaches: &[Reach<'_>]) -> String {
    let counts = [Level::Full, Level::View].map(|level| {
        let count = reaches.iter().filter(|reach| reach.level == level.name()).count();
        (count > 0).then(|| format!("{count} {level}"))
    });
    let counts: Vec<_> = counts.into_iter().flatten().collect();
    if counts.is_empty() { "nothing".to_owned() } else { counts.join(", ") }
}

/// A line for each level on the areas or on a product: `view on vault: itself, reports`.
pub(super) fn lines(reaches: &[Reach<'_>]) -> Vec<String> {
    let mut lines: Vec<((&str, &str), Vec<&str>)> = Vec::new();
    for reach in reaches {
        let head = (reach.level, reach.place());
        match lines.iter_mut().find(|(known, _)| *known == head) {
            Some((_, names)) => names.push(reach.name()),
            None => lines.push((head, vec![reach.name()])),
        }
    }
    let told = lines
        .iter()
        .map(|((level, place), names)| format!("{level} on {place}: {}", names.join(", ")));
    if lines.is_empty() { vec!["nothing".to_owned()] } else { told.collect() }
}
