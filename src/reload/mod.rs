//! When to look at the files; load and compile them; swap the policy, or keep the last good one.
//!
//! One thread of its own, `sidegate-reload`, so that no worker ever reads a file or compiles.
//!
//! - **source**: a path that a load reads: the policy (a file, or a folder of `*.toml`), the keys,
//!   the pepper.
//! - **trail**: the names that a source leads through, symbolic links included.
//! - **sign**: what the kernel said of a name. **Fingerprint**: how the sources look without being
//!   read. Signs make a reload prompt, fingerprints (each second) make it certain.
//!
//! INVARIANTS:
//! - A file is never loaded half-written: while a writer has it open, or while nothing tells that
//!   it is whole, it must be quiet for some time; a load during which a file was written to counts
//!   for nothing. A signal does not change that, it only asks to look.
//! - The last change is never lost: the fingerprint is taken before the files are read.
//! - Everything or nothing: there is one swap, of a whole [`Loaded`]; any problem keeps what is
//!   in force, and [`Current::status`] says why and since when.
//! - What `[reload]` calls too much is held back between compiled and in force (`guard.rs`); an
//!   operator's consent is to one content, by its id.
//! - Changes act at once, and storms cost at most a fifth of a core: loads have a
//!   credit of two seconds, which grows by a fifth of the time (`credit.rs`). However long one took,
//!   it delays the next by no more than a second, and one of the keys alone is delayed by such only.
//! - Where only the keys changed, only what changed of them is read and put in place; where they did
//!   not, they are not read again. Where that is not certain to be all, everything is loaded, which is
//!   the truth.
//!
//! Start at `lookout.rs`, the loop.

mod begin;
mod content;
mod credit;
mod fingerprint;
mod folders;
mod guard;
mod last_good;
mod lookout;
mod mailbox;
mod publish;
mod trail;

#[cfg(test)]
mod tests;

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use tracing::error;

pub use self::begin::{Beginning, Fallback, NoBeginning, begin};
pub use self::fingerprint::Fingerprint;
use self::fingerprint::Sources;
use self::folders::Folders;
use self::guard::Guard;
use self::last_good::{Keeper, Shelf};
use self::lookout::{Extent, Load, Lookout, Patience};
use self::mailbox::Mailbox;
use self::publish::Publisher;
use crate::config::{Config, Loaded, Loader};
use crate::current::{ChangeId, Current};
use crate::keystore::Timestamp;
use crate::policy::UnixSeconds;
use crate::proxy::Tls;
use crate::telemetry::Audit;

/// Reloads the files of `loader`, which `config` names, into `current` whenever they change. `loaded` is their
/// [`Fingerprint`] from before the policy in `current` was read by it, so that no edit since is
/// missed; `tls` is what is in force with it. `audit` is told what came of each.
///
/// # Errors
///
/// If the thread cannot be started.
pub fn spawn(
    config: &Config,
    mut loader: Loader,
    current: Arc<Current>,
    loaded: Fingerprint,
    tls: Option<Tls>,
    audit: Option<Audit>,
) -> io::Result<Handle> {
    let sources = Sources::of(config);
    let keeper = Shelf::of(config).map(Keeper::start).transpose()?;
    if let Some(keeper) = &keeper
        && current.status().failing.is_none()
    {
        keeper.keep(loaded.clone());
    }
    let mailbox = Arc::new(Mailbox::default());
    let mut folders = Folders::new(Arc::clone(&mailbox));
    folders.follow(&sources.look());
    let upstreams = config.proxy.upstreams.iter().map(|upstream| upstream.name.clone()).collect();
    let trusts: Vec<_> = config.proxy.upstreams.iter().map(|it| it.trust.clone()).collect();
    let rules = config.reload.clone();
    let guard = Guard { rules, sources: sources.clone(), consents: mailbox.consents() };
    let mut publisher =
        Publisher::new(current, upstreams, tls, trusts, guard, keeper).audited(audit);
    let mut before = loaded.clone();
    let load = move |extent| load(&mut loader, extent, &mut before);
    let publish = move |news| publisher.publish(news);
    let patience = Patience::DEFAULT;
    let handle = Arc::clone(&mailbox);
    let lookout = Lookout { sources, patience, mailbox, folders, load, publish, loaded };
    Handle::start(handle, move || lookout.run())
}

/// What was loaded, and how its files looked before they were read.
#[derive(Debug)]
struct Candidate {
    loaded: Loaded,
    seen: Fingerprint,
}

/// The reload thread. It ends when this is dropped.
#[derive(Debug)]
pub struct Handle {
    mailbox: Arc<Mailbox>,
    thread: Option<JoinHandle<()>>,
}

impl Handle {
    fn start(mailbox: Arc<Mailbox>, run: impl FnOnce() + Send + 'static) -> io::Result<Self> {
        let thread = thread::Builder::new().name("sidegate-reload".to_owned()).spawn(run)?;
        Ok(Self { mailbox, thread: Some(thread) })
    }

    /// Asks for a reload, even if nothing changed. Returns at once.
    pub fn trigger(&self) {
        self.mailbox.trigger();
    }

    /// Who asks the thread for others, as long as they like.
    pub fn asker(&self) -> Asker {
        Asker { mailbox: Arc::clone(&self.mailbox) }
    }

    /// Ends the thread, and waits for a load that is under way.
    pub fn stop(self) {
        drop(self);
    }
}

/// Asks the reload thread for a look at the files.
#[derive(Debug, Clone)]
pub struct Asker {
    mailbox: Arc<Mailbox>,
}

impl Asker {
    /// Asks for a look now, and calls `settled` once what is in force, or why it is not, is that of
    /// the files as they are. Files that are as they were loaded are not loaded again. Where the
    /// thread ends before, `settled` is dropped.
    pub fn ask(&self, settled: impl FnOnce() + Send + 'static) {
        self.mailbox.ask(Box::new(settled));
    }

    /// As [`ask`](Self::ask), and until then the change whose content has that id is not held back.
    pub fn accept(&self, id: &ChangeId, settled: impl FnOnce() + Send + 'static) {
        let (consents, id) = (self.mailbox.consents(), id.clone());
        consents.give(&id);
        // Changed or not: what is held back looks as it did when it was loaded.
        self.mailbox.demand(Box::new(move || {
            consents.take_back(&id);
            settled();
        }));
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.mailbox.stop();
        if let Some(Err(_)) = self.thread.take().map(JoinHandle::join) {
            error!("the reload thread had died");
        }
    }
}

/// `before` is how the files looked before the last load.
fn load(loader: &mut Loader, extent: Extent, before: &mut Fingerprint) -> Load<Candidate> {
    let seen = Fingerprint::of(loader.config());
    // What is loaded is to be of files that look as they are said to, the policy too.
    let keys = &loader.config().keys;
    let extent = match extent {
        Extent::Keys if before.differing(&seen).all(|(path, _)| path == keys) => Extent::Keys,
        Extent::Policy if before.differing(&seen).all(|(path, _)| path != keys) => Extent::Policy,
        _ => Extent::Everything,
    };
    before.clone_from(&seen);
    let mut helped = Duration::ZERO;
    // A bug on one input must not end all reloads to come.
    let result = catch_unwind(AssertUnwindSafe(|| {
        let loaded = match extent {
            Extent::Everything => None,
            Extent::Keys => {
                let (loaded, took) = loader.load_keys();
                helped = took;
                loaded
            }
            Extent::Policy => loader.load_policy(),
        };
        loaded.map_or_else(|| loader.load().map_err(|report| report.lines()), Ok)
    }));
    let broken = |_| Err(vec!["loading broke off, which is a bug in sidegate".to_owned()]);
    let result = result.unwrap_or_else(broken).map(|loaded| Candidate { loaded, seen });
    Load { result, helped }
}

/// Times that no four-digit year holds are shown as seconds from 1970.
fn rfc3339(time: UnixSeconds) -> String {
    Timestamp::new(time).map_or_else(|| time.0.to_string(), |time| time.to_string())
}
