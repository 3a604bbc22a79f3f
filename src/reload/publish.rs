//! What is made of each load: a swap or a refusal, then what it changed, in the log and in the status.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use tracing::{error, info, trace, warn};

use super::guard::{Guard, Held};
use super::last_good::Keeper;
use super::lookout::News;
use super::{Candidate, rfc3339};
use crate::clock;
use crate::current::{Change, ChangedRow, Current, Generation};
use crate::policy::Rules;
use crate::policy::difference::{Effect, Side, difference};
use crate::proxy::{Tls, Trust};
use crate::telemetry::{AccessChange, Audit, ReloadEntry};

/// Rows that a reload logs, at most.
const ROWS: usize = 20;
/// Rows of it that an audit log has, at most.
const AUDITED_ROWS: usize = 100;
/// Rows of a reload that are kept for the operators' page, at most.
const KEPT_ROWS: usize = 100;
/// Levels that a logged row has, at most.
const LEVELS: usize = 8;

/// What was in force before a swap, how long the load took, and what somebody accepted.
#[derive(Debug)]
struct Replaced {
    before: Arc<Generation>,
    took: Duration,
    accepted: Option<String>,
}

/// Puts in force what was loaded, and says so.
#[derive(Debug)]
pub(super) struct Publisher {
    current: Arc<Current>,
    upstreams: Vec<String>,
    /// The last refusal that was logged: one that only repeats it is not logged again.
    logged: Vec<String>,
    /// What is in force: it stays where the certificates did, so that sessions are resumed.
    tls: Option<Tls>,
    /// By which connections to upstreams are made, in their order.
    trusts: Vec<Option<Trust>>,
    /// What was in force before the last swap, until it is compared with what followed.
    replaced: Option<Replaced>,
    audit: Option<Audit>,
    guard: Guard,
    keeper: Option<Keeper>,
    /// What generations before were compiled from: to be freed here, and by no worker that happens
    /// to let go of its generation last.
    rules: Vec<Arc<Rules>>,
}

impl Publisher {
    pub(super) fn new(
        current: Arc<Current>,
        upstreams: Vec<String>,
        tls: Option<Tls>,
        trusts: Vec<Option<Trust>>,
        guard: Guard,
        keeper: Option<Keeper>,
    ) -> Self {
        let (logged, replaced, audit, rules) = (Vec::new(), None, None, Vec::new());
        Self { current, upstreams, logged, tls, trusts, replaced, audit, guard, keeper, rules }
    }

    /// The same with an audit log.
    pub(super) fn audited(self, audit: Option<Audit>) -> Self {
        Self { audit, ..self }
    }

    pub(super) fn publish(&mut self, news: News<Candidate>) {
        match news {
            News::Waiting => trace!("the policy is being changed"),
            News::Loaded(candidate, took) => self.judge(candidate, took),
            News::Refused(problems) => self.refuse(Held { problems, waiting: None }),
            News::Told => {
                if let Some(replaced) = self.replaced.take() {
                    self.tell(&replaced);
                }
            }
        }
    }

    fn judge(&mut self, Candidate { loaded, seen }: Candidate, took: Duration) {
        let (before, now) = (self.current.load(), clock::now());
        let accepted = match self.guard.judge(&before.snapshot, &loaded.snapshot, &seen, now) {
            Ok(accepted) => accepted,
            Err(held) => return self.refuse(held),
        };
        if self.tls != loaded.tls {
            self.tls = loaded.tls;
        }
        for (trust, loaded) in self.trusts.iter().zip(&loaded.trusts) {
            if let (Some(trust), Some(loaded)) = (trust, loaded) {
                trust.follow(loaded);
            }
        }
        let tls = self.tls.as_ref().map(Tls::config);
        self.retire(before.snapshot.rules());
        let generation = self.current.swap(loaded.snapshot, tls, now);
        self.current.show(loaded.certificates);
        self.logged.clear();
        let accepted = accepted.map(|id| id.to_string());
        self.replaced = Some(Replaced { before, took, accepted: accepted.clone() });
        if let Some(accepted) = accepted {
            warn!(generation, accepted, "a change that was held back was accepted");
        }
        if let Some(keeper) = &self.keeper {
            keeper.keep(seen);
        }
    }

    fn retire(&mut self, rules: Option<&Arc<Rules>>) {
        self.rules.retain(|rules| Arc::strong_count(rules) > 1);
        if let Some(rules) = rules
            && !self.rules.iter().any(|it| Arc::ptr_eq(it, rules))
        {
            self.rules.push(Arc::clone(rules));
        }
    }

    fn refuse(&mut self, Held { problems, waiting }: Held) {
        let generation = self.current.keep(problems.clone(), waiting.clone(), clock::now());
        if self.logged == problems {
            return;
        }
        let count = problems.len();
        error!(
            generation,
            problems = count,
            "policy refused, generation {generation} stays in force"
        );
        for problem in &problems {
            error!(generation, problem, "policy problem");
        }
        if let Some(audit) = &self.audit {
            let (told, rest) = problems.split_at_checked(ROWS).unwrap_or((&problems, &[]));
            audit.reload(&ReloadEntry {
                result: "failure",
                generation,
                waiting: waiting.map(|id| id.to_string()),
                problems: told,
                left_out: rest.len(),
                ..ReloadEntry::default()
            });
        }
        self.logged = problems;
    }

    /// Says what the generation in force changed.
    fn tell(&self, Replaced { before, took, accepted }: &Replaced) {
        let (took, accepted) = (*took, accepted.clone());
        let after = self.current.load();
        let generation = after.number;
        let (keys, routes) = (after.snapshot.key_count(), after.snapshot.route_count());
        let duration_ms = milliseconds(took);
        let began = clock::instant();
        // A bug on one pair of policies must not end all reloads to come.
        let told = catch_unwind(AssertUnwindSafe(|| {
            let upstreams = &self.upstreams;
            let side = |generation| Side { snapshot: generation, upstreams };
            let found = difference(side(&before.snapshot), side(&after.snapshot), after.since);
            let summary = found.summary();
            let kept = found.rows().iter().take(KEPT_ROWS).map(|row| {
                let Effect { gained, lost } = row.effect();
                ChangedRow { words: row.words(LEVELS, rfc3339), gained, lost }
            });
            let rows = kept.collect();
            self.current.note(Change { generation, at: after.since, took, summary, rows });
            let Effect { gained, lost } = found.effect();
            let changes = summary.to_string();
            let rows = summary.rows();
            let difference_ms = milliseconds(clock::instant() - began);
            info!(
                generation,
                keys,
                routes,
                duration_ms,
                difference_ms,
                rows,
                gained,
                lost,
                changes,
                "policy reloaded"
            );
            for row in found.rows().iter().take(ROWS) {
                let Effect { gained, lost } = row.effect();
                let change = row.words(LEVELS, rfc3339);
                info!(generation, change, gained, lost, "policy change");
            }
            if let Some(left_out) = rows.checked_sub(ROWS + 1) {
                info!(generation, left_out = left_out + 1, "more changes are not logged");
            }
            if let Some(audit) = &self.audit {
                let access = found.rows().iter().take(AUDITED_ROWS).map(|row| {
                    let Effect { gained, lost } = row.effect();
                    AccessChange { change: row.words(LEVELS, rfc3339), gained, lost }
                });
                audit.reload(&ReloadEntry {
                    result: "success",
                    generation,
                    accepted: accepted.clone(),
                    changes: Some(summary.to_string()),
                    access: access.collect(),
                    left_out: rows.saturating_sub(AUDITED_ROWS),
                    ..ReloadEntry::default()
                });
            }
        }));
        if told.is_err() {
            error!(generation, "comparing policies broke off, which is a bug in sidegate");
            info!(generation, keys, routes, duration_ms, "policy reloaded");
            if let Some(audit) = &self.audit {
                let (result, accepted) = ("success", accepted.clone());
                audit.reload(&ReloadEntry { result, generation, accepted, ..<_>::default() });
            }
        }
    }
}

fn milliseconds(took: Duration) -> f64 {
    took.as_micros() as f64 / 1000.0
}
