//! Sets up the log: one event a line to standard output, never in a worker's way.
//!
//! Its thread holds on to a line until it is written. Where nobody reads, the disk is full or the
//! other end is gone, the queue fills and what comes then is dropped and counted; both end up in the
//! log when it goes on.

use std::cell::RefCell;
use std::fs::File;
use std::io;
use std::os::fd::AsFd as _;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use prometheus::IntCounter;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

use super::denials::DenialLimit;
use super::event::TARGET;
use super::families::{Families, count_up_to};
use super::journal::Journal;
use super::sink::{Lines, Queue, Reader};
use super::{Format, Level, Settings};
use crate::clock;

/// How often the log says what it has left out.
const NOTED: Duration = Duration::from_secs(1);

/// The log of the process. What is buffered is written when this is dropped.
#[derive(Debug)]
pub struct Log {
    _reader: Reader,
    queue: Queue,
    denials: Arc<DenialLimit>,
    sample: f64,
}

impl Log {
    /// What is told of requests, by this log's settings.
    pub fn journal(&self) -> Journal {
        Journal::new(self.sample, Arc::clone(&self.denials))
    }
}

/// What the log does not tell.
#[derive(Debug)]
pub(super) struct LogCounters {
    dropped: IntCounter,
    left_out: IntCounter,
    log: OnceLock<(Queue, Arc<DenialLimit>)>,
}

impl LogCounters {
    pub(super) fn new(made: &Families<'_>) -> Result<Self, prometheus::Error> {
        Ok(Self {
            dropped: made.counter(
                "log_events_dropped_total",
                "Events that the log could not keep up with.",
            )?,
            left_out: made.counter(
                "log_denials_left_out_total",
                "Denials that are not logged one by one, as there were too many of their reason.",
            )?,
            log: OnceLock::new(),
        })
    }

    pub(super) fn watch(&self, log: &Log) {
        let _ = self.log.set((log.queue.clone(), Arc::clone(&log.denials)));
    }

    pub(super) fn render(&self) {
        if let Some((queue, denials)) = self.log.get() {
            count_up_to(&self.dropped, queue.dropped());
            count_up_to(&self.left_out, denials.all_left_out());
        }
    }
}

/// Installs the process's log.
///
/// # Errors
///
/// When one is installed already, standard output is not there, or a thread cannot be started.
pub fn install(settings: &Settings) -> io::Result<Log> {
    let output = File::from(io::stdout().as_fd().try_clone_to_owned()?);
    let (queue, lines) = Queue::new(settings.buffer);
    let denials = Arc::new(DenialLimit::new(settings.denials_per_second, clock::instant()));
    let filter = match settings.level {
        Level::Error => LevelFilter::ERROR,
        Level::Warn => LevelFilter::WARN,
        Level::Info => LevelFilter::INFO,
        Level::Debug => LevelFilter::DEBUG,
    };
    // Ours alone: at `debug`, libraries tell of requests what must not be told.
    let ours = Targets::new().with_target("sidegate", filter);
    let log = tracing_subscriber::fmt().with_writer(Inlet(queue.clone())).with_max_level(filter);
    let installed = match settings.format {
        Format::Json => log.json().with_current_span(false).finish().with(ours).try_init(),
        Format::Text => log.with_ansi(false).finish().with(ours).try_init(),
    };
    installed.map_err(io::Error::other)?;
    let notes = Notes {
        queue: queue.clone(),
        denials: Arc::clone(&denials),
        dropped: 0,
        told: clock::instant(),
    };
    let reader = queue.read_by("sidegate-log", lines, move |lines| write(lines, &output, notes))?;
    Ok(Log { _reader: reader, queue, denials, sample: settings.sample })
}

thread_local! {
    /// What the log's own thread tells: it must not wait for a place in the queue that it empties.
    static OWN: RefCell<Option<Vec<u8>>> = const { RefCell::new(None) };
}

fn write(mut lines: Lines, output: &File, mut notes: Notes) {
    OWN.set(Some(Vec::new()));
    let mut batch = Vec::new();
    loop {
        let goes_on = lines.next(&mut batch);
        if !lines.write(output, &batch) {
            return;
        }
        if !goes_on || notes.are_due() {
            notes.tell();
        }
        let own = OWN.replace(Some(Vec::new())).unwrap_or_default();
        if !lines.write(output, &own) || !goes_on {
            return;
        }
    }
}

/// What the log says of itself.
struct Notes {
    queue: Queue,
    denials: Arc<DenialLimit>,
    /// How many dropped events were told of.
    dropped: u64,
    told: Instant,
}

impl Notes {
    fn are_due(&self) -> bool {
        clock::instant().saturating_duration_since(self.told) >= NOTED
    }

    fn tell(&mut self) {
        self.told = clock::instant();
        let dropped = self.queue.dropped();
        if dropped > self.dropped {
            let events = dropped - self.dropped;
            tracing::warn!(events, "the log could not keep up: events are missing here");
            self.dropped = dropped;
        }
        for (reason, left_out) in self.denials.left_out() {
            tracing::info!(
                target: TARGET,
                reason = reason.code(),
                left_out,
                "more requests were denied than are logged"
            );
        }
    }
}

/// Where events become lines.
#[derive(Debug)]
struct Inlet(Queue);

impl<'a> MakeWriter<'a> for Inlet {
    type Writer = &'a Self;

    fn make_writer(&'a self) -> Self::Writer {
        self
    }
}

impl io::Write for &Inlet {
    /// Takes an event, which comes whole.
    fn write(&mut self, event: &[u8]) -> io::Result<usize> {
        OWN.with_borrow_mut(|own| match own {
            Some(own) => own.extend_from_slice(event),
            None => _ = self.0.put(event.to_vec()),
        });
        Ok(event.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
