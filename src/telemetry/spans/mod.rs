//! Spans of requests, for a collector that takes OTLP (feature `otlp`).
//!
//! A worker writes a span as the bytes that go out and puts it into a bounded queue; a thread of its
//! own sends them by the batch, as protobuf over HTTP. Both are written here by hand: a span has a
//! dozen fields that do not change, and the crates that know all of OpenTelemetry are 59 more.
//!
//! What is absent: TLS. A collector runs beside, as this process does.

mod encode;
mod send;

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::collector::TracingSettings;
use super::event::RequestEvent;
use super::sink::{Queue, Reader};

/// Takes spans of requests. The one that is sent last is sent when the [`SpanSender`] is dropped.
#[derive(Debug, Clone)]
pub struct Spans(Arc<Shared>);

/// The thread that sends spans.
#[derive(Debug)]
pub struct SpanSender(#[expect(dead_code, reason = "its end is what is needed")] Reader);

#[derive(Debug)]
struct Shared {
    queue: Queue,
    ratio: f64,
    counts: Arc<Counts>,
}

/// What became of spans that there was a place for.
#[derive(Debug, Default)]
struct Counts {
    sent: AtomicU64,
    lost: AtomicU64,
}

impl Spans {
    /// Starts the thread that sends them.
    ///
    /// # Errors
    ///
    /// When it cannot be started.
    pub fn start(settings: &TracingSettings) -> io::Result<(Self, SpanSender)> {
        let (queue, lines) = Queue::new(settings.buffer);
        let counts = Arc::<Counts>::default();
        let (told, settings_of) = (Arc::clone(&counts), settings.clone());
        let reader = queue.read_by("sidegate-spans", lines, move |lines| {
            send::all(lines, &settings_of, &told);
        })?;
        let shared = Shared { queue, ratio: settings.ratio, counts };
        Ok((Self(Arc::new(shared)), SpanSender(reader)))
    }

    /// The share of requests that are traced where nobody has decided.
    pub fn ratio(&self) -> f64 {
        self.0.ratio
    }

    pub(super) fn tell(&self, event: &RequestEvent<'_>) {
        if let Some(span) = encode::span(event) {
            self.0.queue.put(span);
        }
    }

    /// Spans that were taken by a collector, and those that were not.
    pub(super) fn counts(&self) -> (u64, u64) {
        let Counts { sent, lost } = &*self.0.counts;
        let lost = lost.load(Ordering::Relaxed) + self.0.queue.dropped();
        (sent.load(Ordering::Relaxed), lost)
    }
}
