//! In the place of `spans`, where the feature `otlp` is off: there is none, and nothing is asked.

use std::convert::Infallible;
use std::io;

use super::collector::TracingSettings;
use super::event::RequestEvent;

/// Takes spans of requests: nobody does, as the feature `otlp` is off.
#[derive(Debug, Clone)]
pub struct Spans(Infallible);

/// Sends spans: nobody does.
#[derive(Debug)]
pub struct SpanSender(Infallible);

impl Spans {
    /// Always fails.
    ///
    /// # Errors
    ///
    /// Always.
    pub fn start(_: &TracingSettings) -> io::Result<(Self, SpanSender)> {
        Err(io::Error::other("this sidegate was built without the feature `otlp`"))
    }

    /// The share of requests that are traced where nobody has decided.
    pub fn ratio(&self) -> f64 {
        match self.0 {}
    }

    pub(super) fn tell(&self, _: &RequestEvent<'_>) {
        match self.0 {}
    }

    /// Spans that were taken by a collector, and those that were not.
    pub(super) fn counts(&self) -> (u64, u64) {
        match self.0 {}
    }
}
