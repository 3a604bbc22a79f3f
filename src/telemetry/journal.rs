//! What is told of requests, and to whom.

use std::sync::Arc;
use std::time::Instant;

use super::Spans;
use super::audit::Audit;
use super::denials::DenialLimit;
use super::event::{RequestEvent, TARGET};
use crate::clock;
use crate::policy::{DenyReason, Level};

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

/// What decides who hears of a request.
#[derive(Debug, Clone, Copy)]
pub struct Brief {
    /// Whether the log has it, and not only the audit log or a collector.
    pub logged: bool,
    /// Why it was refused, or cut.
    pub reason: Option<DenyReason>,
    /// Whether it was let through and is cut.
    pub terminated: bool,
    /// Whether a collector gets a span of it.
    pub exported: bool,
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
    /// as their reason has room. `event` is asked only where somebody hears of it.
    pub fn tell<'e>(&self, brief: Brief, now: Instant, event: impl FnOnce() -> RequestEvent<'e>) {
        let is_logged = brief.logged
            && tracing::enabled!(target: TARGET, tracing::Level::INFO)
            && (brief.terminated
                || brief.reason.is_none_or(|reason| self.denials.admits(reason, now)));
        let spans = self.spans.as_ref().filter(|_| brief.exported);
        if !is_logged && self.audit.is_none() && spans.is_none() {
            return;
        }
        let event = event();
        if let Some(audit) = &self.audit {
            audit.request(&event);
        }
        if let Some(spans) = spans {
            spans.tell(&event);
        }
        if is_logged {
            event.log();
        }
    }
}
