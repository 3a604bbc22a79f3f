//! The policy in force: the one cell that a reload swaps, and what became of the last reload.
//!
//! INVARIANT: a generation is whole. Snapshot and number are in one allocation and are swapped as
//! one; nothing that a request needs is kept in a second cell. Only this file names `arc_swap`.

mod used;

use std::collections::VecDeque;
use std::fmt;
use std::ops::Deref;
use std::rc::Rc;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use rustls::ServerConfig;

use crate::policy::difference::Summary;
use crate::policy::{Snapshot, UnixSeconds};
pub use used::{Used, Uses};

/// A compiled policy and its place in the order of policies that this process has served.
#[derive(Debug)]
pub struct Generation {
    /// Counts from 1; each swap is one more.
    pub number: u64,
    /// When it came into force.
    pub since: UnixSeconds,
    /// The policy.
    pub snapshot: Snapshot,
    /// How a TLS handshake with a client goes, where clients speak TLS.
    pub tls: Option<Arc<ServerConfig>>,
    /// When its keys were used.
    pub used: Used,
}

/// What became of the last attempt to load a policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReloadStatus {
    /// When the last attempt ended well.
    pub succeeded_at: UnixSeconds,
    /// Attempts that ended well, the first load included.
    pub successes: u64,
    /// Attempts that ended badly.
    pub failures: u64,
    /// Set while the files on disk are not what is in force.
    pub failing: Option<Failure>,
    /// Set while what is in force was read from the last good copy on disk: when that was kept.
    pub last_good: Option<UnixSeconds>,
    /// What the last ten reloads changed, the latest first. One that has just come into force is not
    /// among them until it was compared.
    pub changes: VecDeque<Change>,
    /// The files of certificates in force.
    pub certificates: Arc<[Certificate]>,
}

/// A file of certificates that is in force.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Certificate {
    /// As it was found.
    pub file: String,
    /// When the first of those in it stops being good.
    pub expires: UnixSeconds,
}

/// Why the files on disk are not what is in force.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// When the files were first found to be bad.
    pub since: UnixSeconds,
    /// When they were last found to be bad.
    pub at: UnixSeconds,
    /// One rendered problem a line.
    pub problems: Vec<String>,
    /// Set where the files have no fault, and a guard rail keeps them from being in force: what an
    /// operator names to let exactly them in.
    pub waiting: Option<ChangeId>,
}

/// The content of all files that are loaded, in 32 hexadecimal digits: what stands for one change in
/// an operator's words. So many that nobody makes two contents with one id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChangeId(String); // INVARIANT: 32 of `0` to `9` and `a` to `f`

impl ChangeId {
    const DIGITS: usize = 32;

    /// The first half of a hash.
    pub fn of(hash: &blake3::Hash) -> Self {
        Self(hash.to_hex().chars().take(Self::DIGITS).collect())
    }

    /// Reads an id as it is shown.
    pub fn parse(text: &str) -> Option<Self> {
        let digits = text.bytes().all(|it| matches!(it, b'0'..=b'9' | b'a'..=b'f'));
        (text.len() == Self::DIGITS && digits).then(|| Self(text.to_owned()))
    }
}

impl fmt::Display for ChangeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What one reload changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// The generation that it began.
    pub generation: u64,
    /// When that came into force.
    pub at: UnixSeconds,
    /// How long loading and compiling took.
    pub took: Duration,
    /// What is in it that was not in the one before, in numbers.
    pub summary: Summary,
    /// The first of what changed, one by one. [`Summary::rows`] says how many there were.
    pub rows: Vec<ChangedRow>,
}

/// One thing that a reload changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChangedRow {
    /// In words.
    pub words: String,
    /// Whether somebody reaches more, somewhere at some time.
    pub gained: bool,
    /// Whether somebody reaches less.
    pub lost: bool,
}

/// So many changes are kept.
const CHANGES: usize = 10;

/// The policy in force.
#[derive(Debug)]
pub struct Current {
    cell: ArcSwap<Generation>,
    status: Mutex<ReloadStatus>,
    /// Uses of keys under generations that are over, where that is kept.
    uses: Option<Mutex<Uses>>,
}

impl Current {
    /// Puts a first policy in force, as generation 1.
    pub fn new(snapshot: Snapshot, tls: Option<Arc<ServerConfig>>, now: UnixSeconds) -> Arc<Self> {
        Self::begin(snapshot, tls, now, None)
    }

    /// As [`new`](Self::new), and keeps when keys are used for [`take_uses`](Self::take_uses).
    pub fn keeping_uses(
        snapshot: Snapshot,
        tls: Option<Arc<ServerConfig>>,
        now: UnixSeconds,
    ) -> Arc<Self> {
        Self::begin(snapshot, tls, now, Some(Mutex::default()))
    }

    fn begin(
        snapshot: Snapshot,
        tls: Option<Arc<ServerConfig>>,
        now: UnixSeconds,
        uses: Option<Mutex<Uses>>,
    ) -> Arc<Self> {
        let used = uses.as_ref().map(|_| Used::of(&snapshot)).unwrap_or_default();
        let first = Generation { number: 1, since: now, snapshot, tls, used };
        let status = ReloadStatus {
            succeeded_at: now,
            successes: 1,
            failures: 0,
            failing: None,
            last_good: None,
            changes: VecDeque::new(),
            certificates: Arc::default(),
        };
        Arc::new(Self { cell: ArcSwap::from_pointee(first), status: Mutex::new(status), uses })
    }

    /// Notes that what is in force is not that of the files, but was kept on disk at `kept`.
    pub fn is_last_good(&self, kept: UnixSeconds) {
        let mut status = self.lock();
        status.last_good = Some(kept);
        status.succeeded_at = kept;
        status.successes = 0;
    }

    /// Puts `snapshot` in force for every request from now on, `tls` for every handshake, and
    /// returns their generation.
    pub fn swap(
        &self,
        snapshot: Snapshot,
        tls: Option<Arc<ServerConfig>>,
        now: UnixSeconds,
    ) -> u64 {
        let mut status = self.lock();
        let number = self.cell.load().number + 1;
        let used = self.uses.as_ref().map(|_| Used::of(&snapshot)).unwrap_or_default();
        let next = Generation { number, since: now, snapshot, tls, used };
        let before = self.cell.swap(Arc::new(next));
        if let Some(uses) = &self.uses {
            before.used.take(&before.snapshot, &mut lock(uses));
        }
        status.succeeded_at = now;
        status.successes += 1;
        status.failing = None;
        status.last_good = None;
        number
    }

    /// Notes that an attempt failed; what is in force stays. Returns its generation. Where the files
    /// have no fault, `waiting` is what lets them in.
    pub fn keep(&self, problems: Vec<String>, waiting: Option<ChangeId>, now: UnixSeconds) -> u64 {
        let mut status = self.lock();
        let since = status.failing.as_ref().map_or(now, |failing| failing.since);
        status.failures += 1;
        status.failing = Some(Failure { since, at: now, problems, waiting });
        self.cell.load().number
    }

    /// Notes which certificates are in force from now on.
    pub fn show(&self, certificates: Arc<[Certificate]>) {
        self.lock().certificates = certificates;
    }

    /// Keeps what a reload changed.
    pub fn note(&self, change: Change) {
        let changes = &mut self.lock().changes;
        changes.truncate(CHANGES - 1);
        changes.push_front(change);
    }

    /// The uses of keys that were not taken yet. A request that was just being judged when its
    /// generation was replaced may be missing; its key is told with its next use.
    pub fn take_uses(&self) -> Uses {
        let Some(uses) = &self.uses else { return Uses::new() };
        let mut uses = lock(uses);
        let generation = self.cell.load();
        generation.used.take(&generation.snapshot, &mut uses);
        std::mem::take(&mut uses)
    }

    /// Keeps uses that could not be put anywhere, to be taken again.
    pub fn give_back_uses(&self, taken: Uses) {
        if let Some(uses) = &self.uses {
            let mut uses = lock(uses);
            taken.into_iter().for_each(|(id, hour)| used::note(&mut uses, id, hour));
        }
    }

    /// The generation in force. For a worker's requests there is [`Reader`].
    pub fn load(&self) -> Arc<Generation> {
        self.cell.load_full()
    }

    /// What became of the last reload.
    pub fn status(&self) -> ReloadStatus {
        self.lock().clone()
    }

    fn lock(&self) -> MutexGuard<'_, ReloadStatus> {
        lock(&self.status)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A generation as one worker holds it: clones of the `Rc` around it are counted within the worker,
/// so that requests on different cores share no counter.
#[derive(Debug)]
pub struct Held(Arc<Generation>);

impl Deref for Held {
    type Target = Generation;

    fn deref(&self) -> &Generation {
        &self.0
    }
}

/// A worker's own view: one atomic load a request.
#[derive(Debug)]
pub struct Reader {
    current: Arc<Current>,
    held: Rc<Held>,
}

impl Reader {
    /// A reader for one worker.
    pub fn new(current: Arc<Current>) -> Self {
        let held = Rc::new(Held(current.load()));
        Self { current, held }
    }

    /// The generation in force now. What is returned keeps that generation alive.
    pub fn load(&mut self) -> Rc<Held> {
        let in_force = self.current.cell.load();
        if !Arc::ptr_eq(&in_force, &self.held.0) {
            self.held = Rc::new(Held(Arc::clone(&in_force)));
        }
        Rc::clone(&self.held)
    }
}
