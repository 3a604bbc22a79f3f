//! What is told of requests, and to whom.

use std::sync::Arc;
use std::time::Instant;

use super::Spans;
use super::audit::Audit;
use super::denials::DenialLimit;
use super::event::{RequestEvent, TARGET};
use crate::clock;
use crate::policy::Level;

/// Denials of a reason that are logged in a second, where nobody says otherwise.
const DENIALS_PER_SECOND: u32 = 100;

/// What is told of requests. All workers share what a second may have.
#[derive(Debug, Clone)]
pub struct Journal {
    sample: f64,
    denials: Arc<DenialLimit>,
    audit: Option<Audit>,
    spans: Option<Spans>,
}

impl Journal {
    pub(super) fn new(sample: f64, denials: Arc<DenialLimit>) -> Self {
        Self { sample, denials, audit: None, spans: None }
    }

    /// One for a process whose log is not set up: allowed requests by `sample`.
    pub fn without_log(sample: f64) -> Self {
        Self::new(sample, Arc::new(DenialLimit::new(DENIALS_PER_SECOND, clock::instant())))
    }

    /// The same with an audit log.
    #[must_use]
    pub fn audited(self, audit: Option<Audit>) -> Self {
        Self { audit, ..self }
    }

    /// The same with a collector of spans.
    #[must_use]
    pub fn traced(self, spans: Option<Spans>) -> Self {
        Self { spans, ..self }
    }

    /// Who takes spans.
    pub fn spans(&self) -> Option<&Spans> {
        self.spans.as_ref()
    }

    /// The share of allowed requests that are logged.
    pub fn sample(&self) -> f64 {
        self.sample
    }

    /// The audit log, where an allowed request that needs this level belongs in it.
    pub fn audits(&self, needed: Option<Level>) -> Option<&Audit> {
        self.audit.as_ref().filter(|audit| audit.tells(needed))
    }

    /// Tells of a request that is over. A live stream that was cut is always logged, denials as often
    /// as their reason has room.
    pub fn tell(&self, event: &RequestEvent<'_>, now: Instant) {
        if let Some(audit) = &self.audit {
            audit.request(event);
        }
        if let Some(spans) = self.spans.as_ref().filter(|_| event.exported) {
            spans.tell(event);
        }
        let is_logged = event.logged
            && tracing::enabled!(target: TARGET, tracing::Level::INFO)
            && (event.terminated
                || event.denial.is_none_or(|denial| self.denials.admits(denial.reason, now)));
        if is_logged {
            event.log();
        }
    }
}
