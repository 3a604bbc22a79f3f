//! The thread that keeps copies: a slow disk keeps no reload waiting.

use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use tracing::{debug, error, info};

use super::shelf::{Kept, Shelf};
use crate::clock;
use crate::reload::fingerprint::Fingerprint;

/// The longest time between two copies.
const LONGEST_GAP: Duration = Duration::from_secs(10);

/// Keeps the last good copy. Dropping it waits for a copy that is asked for or under way.
#[derive(Debug)]
pub(in crate::reload) struct Keeper {
    desk: Arc<Desk>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct Desk {
    wish: Mutex<Wish>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Wish {
    /// How the files looked that are to be kept: the last that were loaded.
    seen: Option<Fingerprint>,
    stop: bool,
}

impl Keeper {
    pub(in crate::reload) fn start(shelf: Shelf) -> io::Result<Self> {
        let desk = Arc::new(Desk::default());
        let theirs = Arc::clone(&desk);
        let run = move || theirs.run(shelf);
        let thread = thread::Builder::new().name("sidegate-keep".to_owned()).spawn(run)?;
        Ok(Self { desk, thread: Some(thread) })
    }

    /// Has the files kept that look as in `seen`. Returns at once.
    pub(in crate::reload) fn keep(&self, seen: Fingerprint) {
        self.desk.lock().seen = Some(seen);
        self.desk.changed.notify_one();
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        self.desk.lock().stop = true;
        self.desk.changed.notify_one();
        if let Some(Err(_)) = self.thread.take().map(JoinHandle::join) {
            error!("the thread that keeps the last good copy had died");
        }
    }
}

impl Desk {
    fn run(&self, mut shelf: Shelf) {
        let mut not_before = clock::instant();
        let mut told = String::new();
        while let Some(seen) = self.next(not_before) {
            let began = clock::instant();
            let kept = shelf.keep(&seen);
            let took = clock::instant() - began;
            not_before = clock::instant() + (took * 4).min(LONGEST_GAP);
            let folder = shelf.folder().display();
            match kept {
                Ok(Kept::Whole) => {
                    told.clear();
                    debug!(%folder, duration_ms = took.as_millis(), "last good copy kept");
                }
                Ok(Kept::Changed) => {
                    info!(%folder, "not kept as the last good copy: the files have changed since");
                }
                Err(error) => {
                    let why = error.to_string();
                    if told != why {
                        error!(%folder, error = why, "the last good copy cannot be kept: it is older");
                        told = why;
                    }
                }
            }
        }
    }

    /// What is to be kept; nothing at the end. Between two copies is time for others.
    fn next(&self, not_before: Instant) -> Option<Fingerprint> {
        let mut wish = self.lock();
        loop {
            let early = not_before.saturating_duration_since(clock::instant());
            if wish.stop || early.is_zero() {
                if let Some(seen) = wish.seen.take() {
                    return Some(seen);
                }
                if wish.stop {
                    return None;
                }
                wish = self.changed.wait(wish).unwrap_or_else(PoisonError::into_inner);
            } else {
                let waited = self.changed.wait_timeout(wish, early);
                wish = waited.unwrap_or_else(PoisonError::into_inner).0;
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Wish> {
        self.wish.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
