//! A review as scripts read it. The shape is stable: fields are added, none is renamed or taken away.

use serde::Serialize;

use super::Review;
use super::code::Severity;
use super::finding::Holding;
use crate::keystore::Timestamp;

/// All of it.
#[derive(Debug, Serialize)]
pub(super) struct View<'a> {
    at: Option<Timestamp>,
    counts: Counts,
    findings: Vec<FindingView<'a>>,
    /// Who holds full on what, with nobody left out.
    access: &'a [Holding],
    /// What could not be looked at, and why.
    notes: &'a [String],
    /// Warnings of `sidegate check` that no finding speaks of.
    check_warnings: usize,
}

#[derive(Debug, Serialize)]
struct Counts {
    high: usize,
    medium: usize,
    low: usize,
    info: usize,
}

#[derive(Debug, Serialize)]
struct FindingView<'a> {
    code: &'static str,
    severity: Severity,
    subject: &'a str,
    /// `FILE:LINE:COLUMN`, or `FILE:LINE`.
    place: String,
    fact: &'a str,
    remedy: &'static str,
}

impl<'a> View<'a> {
    pub(super) fn of(review: &'a Review) -> Self {
        let findings = &review.findings;
        let count = |severity| findings.count(severity);
        let view = findings.list.iter().map(|finding| FindingView {
            code: finding.code.name(),
            severity: finding.severity,
            subject: &finding.subject,
            place: review.report.place(finding.place),
            fact: &finding.fact,
            remedy: finding.code.remedy(),
        });
        Self {
            at: review.at,
            counts: Counts {
                high: count(Severity::High),
                medium: count(Severity::Medium),
                low: count(Severity::Low),
                info: count(Severity::Info),
            },
            findings: view.collect(),
            access: &findings.access,
            notes: &findings.notes,
            check_warnings: review.warnings,
        }
    }
}
