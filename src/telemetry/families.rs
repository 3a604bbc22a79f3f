//! Families in the registry of `prometheus`: what is counted seldom, or set at a scrape.

use prometheus::core::Collector;
use prometheus::{IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry};

use crate::policy::DenyReason;

/// Makes families with our prefix.
pub(super) struct Families<'r> {
    pub(super) registry: &'r Registry,
}

impl Families<'_> {
    pub(super) fn counters(
        &self,
        name: &str,
        help: &str,
        labels: &[&str],
    ) -> Result<IntCounterVec, prometheus::Error> {
        self.register(IntCounterVec::new(Self::opts(name, help), labels)?)
    }

    /// With every reason from the start, so that the first of each is an increase.
    pub(super) fn streams_terminated(&self) -> Result<IntCounterVec, prometheus::Error> {
        let name = "streams_terminated_total";
        let help =
            "Live streams ended from here: what let them through no longer does, or a drain.";
        let family = self.counters(name, help, &["reason"])?;
        for reason in DenyReason::ALL.map(DenyReason::code).into_iter().chain(["drain", "idle"]) {
            family.with_label_values(&[reason]);
        }
        Ok(family)
    }

    pub(super) fn counter(&self, name: &str, help: &str) -> Result<IntCounter, prometheus::Error> {
        self.register(IntCounter::with_opts(Self::opts(name, help))?)
    }

    pub(super) fn gauge(&self, name: &str, help: &str) -> Result<IntGauge, prometheus::Error> {
        self.register(IntGauge::with_opts(Self::opts(name, help))?)
    }

    pub(super) fn gauges(
        &self,
        name: &str,
        help: &str,
        labels: &[&str],
    ) -> Result<IntGaugeVec, prometheus::Error> {
        self.register(IntGaugeVec::new(Self::opts(name, help), labels)?)
    }

    fn opts(name: &str, help: &str) -> Opts {
        Opts::new(format!("sidegate_{name}"), help)
    }

    pub(super) fn register<C: Collector + Clone + 'static>(
        &self,
        family: C,
    ) -> Result<C, prometheus::Error> {
        self.registry.register(Box::new(family.clone()))?;
        Ok(family)
    }
}

/// Makes a counter say what somebody else has counted since the start.
pub(super) fn count_up_to(counter: &IntCounter, all: u64) {
    counter.inc_by(all.saturating_sub(counter.get()));
}
