//! The event at the end of a request: the same facts whether it was allowed or refused.

use std::time::Duration;

use crate::policy::{Denial, Description, Level};

/// What events of requests are filtered by.
pub(super) const TARGET: &str = "sidegate::request";

/// What is said of one request when it is over.
#[derive(Debug)]
pub struct RequestEvent<'a> {
    /// Whether the policy was asked at all.
    pub decided: bool,
    /// Why it was refused, where it was.
    pub denial: Option<Denial>,
    /// Whether it was let through first, and refused when it was judged again.
    pub terminated: bool,
    /// What the decision was made of, in words.
    pub words: Description<'a>,
    /// The generation that judged it.
    pub generation: u64,
    /// The method; methods that RFC 9110 does not know are not quoted.
    pub method: &'a str,
    /// The status that the client got; 499 where it went away before.
    pub status: u16,
    /// The status that the upstream gave.
    pub upstream_status: Option<u16>,
    /// Why the upstream gave none.
    pub upstream_error: Option<&'a str>,
    /// From the first byte of the request to the last of the answer; of one that is refused, until
    /// that was decided.
    pub took: Duration,
    /// `X-Request-Id`.
    pub request_id: &'a str,
    /// The trace id of `traceparent`.
    pub trace_id: &'a str,
    /// `traceparent` as it went on: its span is this request's, where it is exported.
    pub traceparent: &'a str,
    /// The span that the client said it is in, where it is exported.
    pub parent: Option<u64>,
    /// Who connected.
    pub peer: &'a str,
}

impl RequestEvent<'_> {
    /// Nothing where it was not decided.
    pub(super) fn decision(&self) -> Option<&'static str> {
        match (self.denial, self.decided) {
            (Some(_), _) => Some("deny"),
            (None, true) => Some("allow"),
            (None, false) => None,
        }
    }

    pub(super) fn log(&self) {
        let words = &self.words;
        tracing::info!(
            target: TARGET,
            decision = self.decision(),
            reason = self.denial.map(|denial| denial.reason.code()),
            terminated = self.terminated.then_some(true),
            route = words.route,
            workspace = words.workspace,
            environment = words.environment,
            product = words.product,
            permission = words.permission,
            area = words.area,
            needed = words.needed.map(Level::name),
            level = words.level.map(Level::name),
            account = words.account,
            key_id = words.key_id,
            policy_generation = self.generation,
            method = self.method,
            path_template = words.template,
            status = self.status,
            upstream_status = self.upstream_status,
            upstream_error = self.upstream_error,
            duration_us = u64::try_from(self.took.as_micros()).unwrap_or(u64::MAX),
            request_id = self.request_id,
            trace_id = self.trace_id,
            peer = self.peer,
            "request"
        );
    }
}
