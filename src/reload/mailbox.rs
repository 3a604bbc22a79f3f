//! What the reload thread is told by others, in one bounded place that it waits on.

use std::fmt;
use std::mem;
use std::path::PathBuf;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use super::guard::Consents;
use crate::clock;

/// Signs that are kept until they are taken; past it they are dropped and said to be lost.
const SIGNS: usize = 1024;

/// What the kernel said of a name in a watched folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sign {
    /// A file, hard link or symbolic link appeared under the name; a file is still to be written.
    Created,
    /// Its content was written to, and it may still be open.
    Modified,
    /// A writer closed it, or a whole file was moved to the name.
    Completed,
    /// Nothing has the name any more.
    Removed,
    /// Something else changed, which says nothing of the content.
    Touched,
}

/// What is called once the files as they are were taken up or refused; dropped where the thread ends
/// before.
pub(super) type Settled = Box<dyn FnOnce() + Send>;

/// Everything that was said since the last [`Mailbox::take`] or [`Mailbox::wait`].
#[derive(Default)]
pub(super) struct Post {
    /// The thread is to end.
    pub(super) stop: bool,
    /// Somebody asked for a reload.
    pub(super) triggered: bool,
    /// Who waits for the files as they are.
    pub(super) asked: Vec<Settled>,
    /// Signs were dropped: nothing is known of any file.
    pub(super) lost: bool,
    /// In the order in which they happened.
    pub(super) signs: Vec<(PathBuf, Sign)>,
}

impl Post {
    fn is_empty(&self) -> bool {
        !self.stop
            && !self.triggered
            && !self.lost
            && self.asked.is_empty()
            && self.signs.is_empty()
    }
}

impl fmt::Debug for Post {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { stop, triggered, asked, lost, signs } = self;
        write!(f, "Post {{ {stop}, {triggered}, {} asked, {lost}, {signs:?} }}", asked.len())
    }
}

#[derive(Debug, Default)]
pub(super) struct Mailbox {
    post: Mutex<Post>,
    arrived: Condvar,
    consents: Arc<Consents>,
}

impl Mailbox {
    /// Ids of changes that are not held back while somebody waits for them.
    pub(super) fn consents(&self) -> Arc<Consents> {
        Arc::clone(&self.consents)
    }

    pub(super) fn stop(&self) {
        self.lock().stop = true;
        self.arrived.notify_one();
    }

    pub(super) fn trigger(&self) {
        self.lock().triggered = true;
        self.arrived.notify_one();
    }

    pub(super) fn ask(&self, settled: Settled) {
        let mut post = self.lock();
        // Of a thread that has ended nobody takes it.
        if !post.stop {
            post.asked.push(settled);
        }
        drop(post);
        self.arrived.notify_one();
    }

    /// Has the files loaded, changed or not, before `settled` is called.
    pub(super) fn demand(&self, settled: Settled) {
        let mut post = self.lock();
        if !post.stop {
            post.triggered = true;
            post.asked.push(settled);
        }
        drop(post);
        self.arrived.notify_one();
    }

    pub(super) fn lose(&self) {
        self.lock().lost = true;
        self.arrived.notify_one();
    }

    pub(super) fn sign(&self, path: PathBuf, sign: Sign) {
        let mut post = self.lock();
        if post.signs.last().is_some_and(|(last, said)| *last == path && *said == sign) {
            // Of a large file that is written, each write is told.
            return;
        }
        if post.signs.len() < SIGNS {
            post.signs.push((path, sign));
        } else {
            post.lost = true;
        }
        drop(post);
        self.arrived.notify_one();
    }

    /// What has come, without waiting.
    pub(super) fn take(&self) -> Post {
        Self::emptied(&mut self.lock())
    }

    /// Waits for post until `until`, and returns none of it before `not_before` but a stop.
    pub(super) fn wait(&self, not_before: Instant, until: Instant) -> Post {
        let mut post = self.lock();
        loop {
            let now = clock::instant();
            let due = if post.is_empty() { until } else { not_before.min(until) };
            if post.stop || due <= now {
                return Self::emptied(&mut post);
            }
            let waited = self.arrived.wait_timeout(post, due - now);
            post = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// A stop stays, so that whoever waits or asks next sees it.
    fn emptied(post: &mut Post) -> Post {
        let stop = post.stop;
        mem::replace(post, Post { stop, ..Post::default() })
    }

    fn lock(&self) -> MutexGuard<'_, Post> {
        self.post.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
