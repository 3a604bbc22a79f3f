//! What is counted of an upstream's endpoints. Labels are names and urls of the configuration.

use prometheus::{IntCounter, IntCounterVec, IntGauge, IntGaugeVec};

use super::families::Families;

/// The families behind [`PoolMeters`].
#[derive(Debug)]
pub(super) struct PoolFamilies {
    retries: IntCounterVec,
    ejections: IntCounterVec,
    ejected: IntGaugeVec,
    addresses: IntGaugeVec,
    healthy: IntGaugeVec,
}

impl PoolFamilies {
    pub(super) fn new(made: &Families<'_>) -> Result<Self, prometheus::Error> {
        Ok(Self {
            retries: made.counters(
                "upstream_retries_total",
                "Requests that were tried once more.",
                &["upstream"],
            )?,
            ejections: made.counters(
                "upstream_ejections_total",
                "Times that a worker left an endpoint out after failures in a row.",
                &["upstream", "endpoint"],
            )?,
            ejected: made.gauges(
                "upstream_endpoints_ejected",
                "Workers that leave an endpoint out now, by each of its addresses.",
                &["upstream", "endpoint"],
            )?,
            addresses: made.gauges(
                "upstream_endpoint_addresses",
                "Addresses that are known of an endpoint.",
                &["upstream", "endpoint"],
            )?,
            healthy: made.gauges(
                "upstream_endpoint_healthy",
                "Addresses of an endpoint that health checks find well, where there are checks.",
                &["upstream", "endpoint"],
            )?,
        })
    }

    pub(super) fn board(&self, upstream: &str, url: &str, is_checked: bool) -> EndpointBoard {
        let labels = [upstream, url];
        EndpointBoard {
            upstream: upstream.into(),
            url: url.into(),
            ejected: self.ejected.with_label_values(&labels),
            addresses: self.addresses.with_label_values(&labels),
            healthy: is_checked.then(|| self.healthy.with_label_values(&labels)),
        }
    }
}

/// One upstream's handles.
#[derive(Debug)]
pub struct PoolMeters {
    retries: IntCounter,
    ejections: IntCounterVec,
    ejected: IntGaugeVec,
    upstream: Box<str>,
}

impl PoolMeters {
    pub(super) fn new(families: &PoolFamilies, upstream: &str) -> Self {
        Self {
            retries: families.retries.with_label_values(&[upstream]),
            ejections: families.ejections.clone(),
            ejected: families.ejected.clone(),
            upstream: upstream.into(),
        }
    }

    /// Counts a request that is tried once more.
    pub fn retried(&self) {
        self.retries.inc();
    }

    /// The handles of an endpoint by its url.
    pub fn endpoint(&self, url: &str) -> EndpointMeters {
        let labels = [&*self.upstream, url];
        EndpointMeters {
            url: url.into(),
            ejections: self.ejections.with_label_values(&labels),
            ejected: self.ejected.with_label_values(&labels),
        }
    }
}

/// One endpoint's handles, of one worker.
#[derive(Debug)]
pub struct EndpointMeters {
    url: Box<str>,
    ejections: IntCounter,
    ejected: IntGauge,
}

impl EndpointMeters {
    /// The url, as it was written.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// This worker leaves the endpoint out.
    pub fn ejected(&self) {
        self.ejections.inc();
        self.ejected.inc();
    }

    /// And takes it in again.
    pub fn restored(&self) {
        self.ejected.dec();
    }
}

/// What is found out about one endpoint for all workers.
#[derive(Debug, Clone)]
pub struct EndpointBoard {
    upstream: Box<str>,
    url: Box<str>,
    ejected: IntGauge,
    addresses: IntGauge,
    healthy: Option<IntGauge>,
}

/// How one endpoint is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EndpointState {
    /// The upstream's name.
    pub upstream: String,
    /// The endpoint's url.
    pub url: String,
    /// Addresses that are known of it.
    pub addresses: i64,
    /// Those that health checks find well. Nothing: there are no checks.
    pub healthy: Option<i64>,
    /// By how many workers it is left out, summed over its addresses.
    pub ejected: i64,
}

impl EndpointBoard {
    /// So many addresses are known.
    pub fn addresses(&self, count: usize) {
        self.addresses.set(i64::try_from(count).unwrap_or(i64::MAX));
    }

    /// So many of them are well.
    pub fn healthy(&self, count: usize) {
        if let Some(healthy) = &self.healthy {
            healthy.set(i64::try_from(count).unwrap_or(i64::MAX));
        }
    }

    pub(super) fn state(&self) -> EndpointState {
        EndpointState {
            upstream: self.upstream.to_string(),
            url: self.url.to_string(),
            addresses: self.addresses.get(),
            healthy: self.healthy.as_ref().map(IntGauge::get),
            ejected: self.ejected.get(),
        }
    }
}
