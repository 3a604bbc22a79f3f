//! What is in force, and what became of the last reload.

use std::sync::{Mutex, PoisonError};

use prometheus::{Gauge, IntCounterVec, IntGauge, IntGaugeVec};

use super::families::{Families, count_up_to};
use crate::current::{Generation, ReloadStatus};
use crate::policy::{Snapshot, UnixSeconds};

#[derive(Debug)]
pub(super) struct PolicyGauges {
    generation: IntGauge,
    last_successful: IntGauge,
    held_back: IntGauge,
    from_last_good: IntGauge,
    last_success: Gauge,
    reloads: IntCounterVec,
    keys: IntGauge,
    routes: IntGauge,
    expiring: IntGaugeVec,
    counted: Mutex<Counted>,
}

/// How many keys end soon, as it was counted last: a million keys are looked through once a minute.
#[derive(Debug, Default)]
struct Counted {
    generation: u64,
    at: UnixSeconds,
    counts: [(&'static str, i64); 3],
}

impl PolicyGauges {
    pub(super) fn new(made: &Families<'_>) -> Result<Self, prometheus::Error> {
        Ok(Self {
            generation: made.gauge("policy_generation", "The policy in force, from 1.")?,
            last_successful: made.gauge(
                "policy_last_reload_successful",
                "1 where the files on disk are what is in force, else 0.",
            )?,
            held_back: made.gauge(
                "policy_change_held_back",
                "1 where the files have no fault and wait for an operator's consent, else 0.",
            )?,
            from_last_good: made.gauge(
                "policy_from_last_good",
                "1 where the last good copy on disk is in force, else 0.",
            )?,
            last_success: {
                let name = "sidegate_policy_last_reload_success_timestamp_seconds";
                made.register(Gauge::new(name, "When the policy in force was loaded.")?)?
            },
            reloads: made.counters(
                "policy_reloads_total",
                "Attempts to load the policy, by result.",
                &["result"],
            )?,
            keys: made.gauge("policy_keys", "Key records in force.")?,
            routes: made.gauge("policy_routes", "Routes in force.")?,
            expiring: made.gauges(
                "keys_expiring",
                "Keys that stop being good within that time.",
                &["within"],
            )?,
            counted: Mutex::default(),
        })
    }

    fn expiring(&self, generation: &Generation, now: UnixSeconds) -> [(&'static str, i64); 3] {
        let mut counted = self.counted.lock().unwrap_or_else(PoisonError::into_inner);
        let is_fresh = (counted.at.0..counted.at.0.saturating_add(60)).contains(&now.0);
        if counted.generation != generation.number || !is_fresh {
            let counts = expiring(&generation.snapshot, now);
            *counted = Counted { generation: generation.number, at: now, counts };
        }
        counted.counts
    }

    pub(super) fn set(&self, generation: &Generation, status: &ReloadStatus, now: UnixSeconds) {
        let number = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
        self.generation.set(number(generation.number));
        self.last_successful.set(i64::from(status.failing.is_none()));
        let held_back = status.failing.as_ref().is_some_and(|failing| failing.waiting.is_some());
        self.held_back.set(i64::from(held_back));
        self.from_last_good.set(i64::from(status.last_good.is_some()));
        self.last_success.set(status.succeeded_at.0 as f64);
        count_up_to(&self.reloads.with_label_values(&["success"]), status.successes);
        count_up_to(&self.reloads.with_label_values(&["failure"]), status.failures);
        self.keys.set(number(generation.snapshot.key_count() as u64));
        self.routes.set(number(generation.snapshot.route_count() as u64));
        for (within, count) in self.expiring(generation, now) {
            self.expiring.with_label_values(&[within]).set(count);
        }
    }
}

/// Good keys that stop being good within a day, a week, a month.
fn expiring(snapshot: &Snapshot, now: UnixSeconds) -> [(&'static str, i64); 3] {
    const DAY: i64 = 86_400;
    let mut counts = [("24h", DAY, 0), ("7d", 7 * DAY, 0), ("30d", 30 * DAY, 0)];
    for left in
        snapshot.key_expiries().map(|at| at.0.saturating_sub(now.0)).filter(|left| *left > 0)
    {
        for (_, within, count) in &mut counts {
            *count += i64::from(left <= *within);
        }
    }
    counts.map(|(name, _, count)| (name, count))
}
