//! The reload thread's loop: look, wait until a change is whole, load, and say what came of it.
//!
//! A change is a path that looks different from how it did before the last load, or of which the
//! kernel said something since. It is loaded once everything that changed is known to be whole, or
//! has been quiet for as long as its kind of doubt asks ([`Patience`]).

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::mem;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::credit::Credit;
use super::fingerprint::{Fingerprint, Look, Print, Sources};
use super::folders::Folders;
use super::mailbox::{Mailbox, Post, Settled, Sign};
use crate::clock;

/// How long to wait for what.
#[derive(Debug, Clone, Copy)]
pub(super) struct Patience {
    /// Between looks while nothing happens.
    pub(super) poll: Duration,
    /// Between looks while a change is not known to be whole.
    pub(super) unsettled: Duration,
    /// Between looks, however much happens.
    pub(super) pause: Duration,
    /// Quiet that a change needs of which no event told.
    pub(super) unproven: Duration,
    /// Quiet that a file needs whose writer still has it open.
    pub(super) open: Duration,
    /// Quiet that a file needs that is gone, which may be about to come back.
    pub(super) gone: Duration,
    /// How long files may be restless before that is said to be a failure.
    pub(super) restless: Duration,
}

impl Patience {
    pub(super) const DEFAULT: Self = Self {
        poll: Duration::from_secs(1),
        unsettled: Duration::from_millis(100),
        pause: Duration::from_millis(5),
        unproven: Duration::from_secs(1),
        open: Duration::from_secs(3),
        gone: Duration::from_millis(250),
        restless: Duration::from_secs(10),
    };
}

/// What has to be loaded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Extent {
    /// Any file may be another.
    Everything,
    /// Since the last load, which counted, nothing but the keys has changed.
    Keys,
    /// Since the last load, which counted, the keys have not changed.
    Policy,
}

/// What came of a load.
#[derive(Debug)]
pub(super) struct Load<T> {
    pub(super) result: Result<T, Vec<String>>,
    /// How long other threads were busy with it.
    pub(super) helped: Duration,
}

/// What is made known of the files.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum News<T> {
    /// They changed, and the change is not known to be whole.
    Waiting,
    /// They were loaded, in so much time.
    Loaded(T, Duration),
    /// They cannot be loaded; one problem a line.
    Refused(Vec<String>),
    /// Whoever waited for what was made known last has been told: there is time for the rest.
    Told,
}

/// The state of the loop.
#[derive(Debug)]
pub(super) struct Lookout<L, P> {
    pub(super) sources: Sources,
    pub(super) patience: Patience,
    pub(super) mailbox: Arc<Mailbox>,
    pub(super) folders: Folders,
    /// Reads at least what it is told.
    pub(super) load: L,
    /// Told of every result that counts.
    pub(super) publish: P,
    /// How the files looked before the last load that counted.
    pub(super) loaded: Fingerprint,
}

/// What is remembered from look to look.
struct Pending {
    seen: Look,
    /// When what is seen was first seen.
    seen_at: Instant,
    /// The last sign of each name since the last load that counted.
    signs: BTreeMap<PathBuf, Sign>,
    /// A load was asked for, changed or not.
    forced: bool,
    /// Who waits for the files as they are.
    asked: Vec<Settled>,
    /// When the files began to differ from what was loaded.
    since: Option<Instant>,
    restless_told: bool,
    /// The last load counted for nothing, or signs were lost: nobody knows which files are others.
    uncertain: bool,
    credit: Credit,
    /// The processor's time that this thread had had when the last load ended.
    busy: Option<Duration>,
}

impl<T, L, P> Lookout<L, P>
where
    L: FnMut(Extent) -> Load<T>,
    P: FnMut(News<T>),
{
    /// Looks until it is told to stop.
    pub(super) fn run(mut self) {
        let now = clock::instant();
        let mut pending = Pending {
            seen: self.sources.look(),
            seen_at: now,
            signs: BTreeMap::new(),
            forced: false,
            asked: Vec::new(),
            since: None,
            restless_told: false,
            uncertain: false,
            credit: Credit::new(now),
            busy: clock::busy(),
        };
        let mut post = Post::default();
        while !post.stop {
            self.note(&mut pending, post);
            let pause = self.look(&mut pending);
            let now = clock::instant();
            post = self.mailbox.wait(now + self.patience.pause, now + pause);
        }
    }

    fn note(&mut self, pending: &mut Pending, post: Post) {
        pending.forced |= post.triggered;
        pending.asked.extend(post.asked);
        if post.lost {
            pending.signs.clear();
            pending.seen_at = clock::instant();
            pending.uncertain = true;
        }
        for (name, sign) in post.signs {
            match sign {
                Sign::Removed => {
                    self.folders.forget(&name);
                    pending.signs.remove(&name);
                }
                Sign::Touched => {}
                Sign::Created | Sign::Modified | Sign::Completed => {
                    pending.signs.insert(name, sign);
                }
            }
        }
    }

    /// One look, and a load if it is time. Returns how long nothing needs to be done.
    fn look(&mut self, pending: &mut Pending) -> Duration {
        let mut seen = self.sources.look();
        if self.folders.follow(&seen) {
            // What happened before was heard of left no sign.
            seen = self.sources.look();
        }
        let now = clock::instant();
        if seen.fingerprint != pending.seen.fingerprint {
            pending.seen_at = now;
        }
        pending.signs.retain(|name, _| seen.has_name(name));
        pending.seen = seen;
        let Some(doubt) = self.doubt(pending) else {
            pending.since = None;
            if pending.restless_told {
                pending.forced = true;
            }
            if !pending.forced {
                pending.settle();
                return self.patience.poll;
            }
            return self.load_when_due(pending, now);
        };
        let since = *pending.since.get_or_insert(now);
        if now < pending.seen_at + doubt {
            (self.publish)(News::Waiting);
            self.tell_restless(pending, since, now);
            return self.patience.unsettled;
        }
        let pause = self.load_when_due(pending, now);
        if pending.since == Some(since) {
            self.tell_restless(pending, since, now);
        }
        pause
    }

    /// The quiet that the files need before they are loaded, or nothing if they did not change.
    fn doubt(&self, pending: &Pending) -> Option<Duration> {
        self.changed(pending).into_iter().map(|path| self.doubt_of(pending, path)).max()
    }

    fn changed<'a>(&'a self, pending: &'a Pending) -> BTreeSet<&'a Path> {
        let differing = self.loaded.differing(&pending.seen.fingerprint).map(|(path, _)| path);
        // Times of files are coarse: a second change within a tick leaves no other mark.
        let told =
            pending.seen.trails.iter().filter(|(_, trail)| {
                trail.names.iter().any(|name| pending.signs.contains_key(name))
            });
        differing.chain(told.map(|(path, _)| path.as_path())).collect()
    }

    fn doubt_of(&self, pending: &Pending, path: &Path) -> Duration {
        if pending.seen.fingerprint.print(path) == Print::Missing {
            return self.patience.gone;
        }
        let names = pending.seen.trails.get(path).map_or(&[][..], |trail| &trail.names);
        let told = names.iter().filter_map(|name| Some((name, *pending.signs.get(name)?)));
        told.map(
            |(name, sign)| {
                if is_whole(name, sign) { Duration::ZERO } else { self.patience.open }
            },
        )
        .max()
        .unwrap_or(self.patience.unproven)
    }

    fn load_when_due(&mut self, pending: &mut Pending, now: Instant) -> Duration {
        let extent = self.extent(pending);
        match pending.credit.next(extent).checked_duration_since(now) {
            Some(wait) if !wait.is_zero() => wait,
            _ => self.load(pending, extent),
        }
    }

    fn load(&mut self, pending: &mut Pending, extent: Extent) -> Duration {
        let began = clock::instant();
        let Load { result, helped } = (self.load)(extent);
        let ended = clock::instant();
        let took = ended - began;
        // All that this thread did since the last load, where the system tells.
        let busy = clock::busy();
        let spent = busy.zip(pending.busy).and_then(|(now, before)| now.checked_sub(before));
        pending.busy = busy;
        pending.credit.pay(extent, spent.unwrap_or(took) + helped, ended);

        let after = self.sources.look();
        let post = self.mailbox.take();
        pending.uncertain = post.lost || !was_whole(&pending.seen, &after, &post.signs);
        if pending.uncertain {
            self.note(pending, post);
            return self.patience.pause;
        }
        let before = mem::replace(&mut pending.seen, after);
        if before.fingerprint != pending.seen.fingerprint {
            pending.seen_at = ended;
        }
        self.loaded = before.fingerprint;
        pending.signs.clear();
        pending.forced = false;
        pending.since = None;
        pending.restless_told = false;
        let again = !post.signs.is_empty() || post.triggered;
        let asked = !post.asked.is_empty();
        (self.publish)(match result {
            Ok(loaded) => News::Loaded(loaded, took),
            Err(problems) => News::Refused(problems),
        });
        pending.settle();
        (self.publish)(News::Told);
        self.note(pending, post);
        match (asked, again || self.loaded != pending.seen.fingerprint) {
            (true, _) => Duration::ZERO,
            (false, true) => self.patience.pause,
            (false, false) => self.patience.poll,
        }
    }

    fn extent(&self, pending: &Pending) -> Extent {
        if pending.forced || pending.uncertain {
            return Extent::Everything;
        }
        let changed = self.changed(pending);
        let keys = self.sources.keys.as_path();
        match (changed.contains(keys), changed.len()) {
            (false, _) => Extent::Policy,
            (true, 1) => Extent::Keys,
            (true, _) => Extent::Everything,
        }
    }

    fn tell_restless(&mut self, pending: &mut Pending, since: Instant, now: Instant) {
        if pending.restless_told || now < since + self.patience.restless {
            return;
        }
        pending.restless_told = true;
        let way_out = "write to a temporary file, then rename it to this";
        let changed = self.changed(pending).into_iter();
        let problems = changed
            .map(|path| format!("{}: changes without a pause — {way_out}", path.display()))
            .collect();
        (self.publish)(News::Refused(problems));
        pending.settle();
    }
}

impl Pending {
    /// Tells everybody who waits that what is known now is of the files as they are.
    fn settle(&mut self) {
        self.asked.drain(..).for_each(|settled| settled());
    }
}

/// Whether `sign` means that what stands under `name` is as its writer wants it.
fn is_whole(name: &Path, sign: Sign) -> bool {
    match sign {
        Sign::Completed => true,
        // A link is made in one step; a new file is written afterwards.
        Sign::Created => {
            fs::symlink_metadata(name).is_ok_and(|found| found.is_symlink() || found.nlink() > 1)
        }
        Sign::Modified | Sign::Removed | Sign::Touched => false,
    }
}

/// Whether every file was read as one writer left it, though some may have been replaced meanwhile.
fn was_whole(before: &Look, after: &Look, signs: &[(PathBuf, Sign)]) -> bool {
    let both = [before, after];
    let is_name = |name: &Path| both.iter().any(|look| look.has_name(name));
    let completed = |path: &Path| {
        signs.iter().any(|(name, sign)| {
            *sign == Sign::Completed && both.iter().any(|look| look.leads_through(path, name))
        })
    };
    let written = signs.iter().any(|(name, sign)| {
        matches!(sign, Sign::Created | Sign::Modified) && !is_whole(name, *sign) && is_name(name)
    });
    let replaced = |(path, print): (&Path, Print)| {
        before.fingerprint.print(path).was_replaced_by(print) && completed(path)
    };
    !written && before.fingerprint.differing(&after.fingerprint).all(replaced)
}
