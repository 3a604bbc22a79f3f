//! The audit log: what was refused, what was changed and by whom, in a file of its own.
//!
//! Words: an **entry** is one line, a JSON object. A **run** is one process that writes: each has an
//! id, and numbers its entries, so that one that is gone is missed. A server writes from a thread of
//! its own, a command by itself, before it changes anything and after.
//!
//! INVARIANTS:
//! - No worker waits for the file. What there is no room for is dropped and counted, and the file says
//!   how many when it goes on.
//! - An entry is one write to the end of the file, so entries of several processes never mix. One of
//!   which a part was written is ended there and written again.
//! - Nobody can say anything here by what they ask for: no path, query, field or key is in it.
//!
//! What is absent: entries are not chained by hashes. Who can write the file can make a chain anew; what
//! holds against that is a copy elsewhere, by line, which numbers are enough for.
//!
//! Start at [`Audit`].

mod entry;
mod file;
mod trail;
mod writer;

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};

use prometheus::{IntCounter, IntGauge};

pub use self::entry::{AccessChange, CommandEntry, ReloadEntry, ServiceEntry, Stage};
pub use self::trail::Trail;

use self::entry::{Entry, RequestEntry};
use self::file::AuditFile;
use super::event::RequestEvent;
use super::families::{Families, count_up_to};
use super::sink::{Queue, Reader};
use crate::policy::Level;

/// Of all places, what requests leave to everything else: one in so many.
const KEPT: usize = 16;

/// Settings of the audit log. `config` fills them from `[audit]` in `sidegate.toml`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditSettings {
    /// Where it is.
    pub file: PathBuf,
    /// Whether allowed requests that need `full` are in it.
    pub writes: bool,
    /// What becomes of those while it cannot be written.
    pub on_failure: OnFailure,
    /// Entries that wait to be written, at most.
    pub buffer: usize,
}

/// What becomes of requests that belong in an audit log that cannot be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnFailure {
    /// They go on.
    Continue,
    /// They are refused.
    Deny,
}

/// The audit log of a process that serves. It ends, with all that was told before, when the
/// [`AuditWriter`] is dropped.
#[derive(Debug, Clone)]
pub struct Audit(Arc<Shared>);

/// The thread that writes the audit log.
#[derive(Debug)]
pub struct AuditWriter(#[expect(dead_code, reason = "its end is what is needed")] Reader);

#[derive(Debug)]
struct Shared {
    queue: Queue,
    state: Arc<State>,
    places: usize,
    writes: bool,
    denies: bool,
}

/// What the thread and those who put entries tell each other.
#[derive(Debug, Default)]
struct State {
    waiting: AtomicUsize,
    failing: AtomicBool,
    reopen: AtomicBool,
    written: AtomicU64,
    dropped: AtomicU64,
    errors: AtomicU64,
}

impl Audit {
    /// Opens the file, so that what is wrong with it is said at once, and starts its thread.
    ///
    /// # Errors
    ///
    /// When either cannot be done.
    pub fn start(settings: &AuditSettings) -> io::Result<(Self, AuditWriter)> {
        let file = AuditFile::open(&settings.file)?;
        let (queue, lines) = Queue::new(settings.buffer);
        let state = Arc::<State>::default();
        let written_by = Arc::clone(&state);
        let reader = queue.read_by("sidegate-audit", lines, move |lines| {
            writer::write(lines, file, &written_by);
        })?;
        let (places, writes) = (settings.buffer, settings.writes);
        let denies = settings.on_failure == OnFailure::Deny;
        let audit = Self(Arc::new(Shared { queue, state, places, writes, denies }));
        Ok((audit, AuditWriter(reader)))
    }

    /// Whether an allowed request that needs this level is told.
    pub fn tells(&self, needed: Option<Level>) -> bool {
        self.0.writes && needed == Some(Level::Full)
    }

    /// Whether such a request must not go on now. Half of the places are left to those that are on
    /// their way.
    pub fn holds_up(&self) -> bool {
        let state = &self.0.state;
        self.0.denies
            && (state.failing.load(Ordering::Relaxed)
                || state.waiting.load(Ordering::Relaxed) >= self.0.places / 2)
    }

    /// Tells of a request that is over, if it belongs here.
    pub(super) fn request(&self, event: &RequestEvent<'_>) {
        if event.denial.is_some() || (event.decided && self.tells(event.words.needed)) {
            self.put(&RequestEntry::of(event), self.0.places - self.0.places / KEPT);
        }
    }

    /// Tells of a look at the files.
    pub fn reload(&self, entry: &ReloadEntry<'_>) {
        self.put(entry, self.0.places);
    }

    /// Tells that the process begins to serve, or has ended.
    pub fn service(&self, entry: &ServiceEntry<'_>) {
        self.put(entry, self.0.places);
    }

    /// Has the file opened anew, whatever its name leads to.
    pub fn reopen(&self) {
        self.0.state.reopen.store(true, Ordering::Relaxed);
        self.0.queue.wake();
    }

    fn put(&self, entry: &impl Entry, places: usize) {
        let state = &self.0.state;
        let waiting = state.waiting.fetch_add(1, Ordering::Relaxed);
        let is_put =
            waiting < places && entry::body(entry).is_some_and(|body| self.0.queue.put(body));
        if !is_put {
            state.waiting.fetch_sub(1, Ordering::Relaxed);
            state.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// What the audit log does, in numbers.
#[derive(Debug)]
pub(super) struct AuditCounters {
    written: IntCounter,
    dropped: IntCounter,
    errors: IntCounter,
    failing: IntGauge,
    audit: OnceLock<Audit>,
}

impl AuditCounters {
    pub(super) fn new(made: &Families<'_>) -> Result<Self, prometheus::Error> {
        Ok(Self {
            written: made.counter("audit_events_total", "Entries written to the audit log.")?,
            dropped: made.counter(
                "audit_events_dropped_total",
                "Entries that the audit log had no room for, and does not have.",
            )?,
            errors: made.counter(
                "audit_write_errors_total",
                "Attempts to write to the audit log that failed.",
            )?,
            failing: made
                .gauge("audit_failing", "1 while the audit log cannot be written, else 0.")?,
            audit: OnceLock::new(),
        })
    }

    pub(super) fn watch(&self, audit: &Audit) {
        let _ = self.audit.set(audit.clone());
    }

    pub(super) fn render(&self) {
        let Some(Audit(shared)) = self.audit.get() else { return };
        let state = &shared.state;
        count_up_to(&self.written, state.written.load(Ordering::Relaxed));
        count_up_to(&self.dropped, state.dropped.load(Ordering::Relaxed));
        count_up_to(&self.errors, state.errors.load(Ordering::Relaxed));
        self.failing.set(state.failing.load(Ordering::Relaxed).into());
    }
}
