//! The folders in which something may happen, watched by the kernel's file events.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use notify::event::{AccessKind, AccessMode, CreateKind, ModifyKind, RenameMode};
use notify::{Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher as _};
use tracing::warn;

use super::fingerprint::{Look, Names};
use super::mailbox::{Mailbox, Sign};

/// Events make a reload prompt; the polling of fingerprints makes it certain.
#[derive(Debug)]
pub(super) struct Folders {
    watcher: Option<RecommendedWatcher>,
    /// With device and inode, so that a folder made anew is watched anew.
    watched: BTreeMap<PathBuf, (u64, u64)>,
    refused: BTreeSet<PathBuf>,
    /// Of these alone signs go on.
    names: Arc<Mutex<Names>>,
}

impl Folders {
    /// Signs go to `mailbox`. Where the system has no more watches to give, there are none.
    pub(super) fn new(mailbox: Arc<Mailbox>) -> Self {
        let names = Arc::default();
        let heard = Arc::clone(&names);
        let watcher = notify::recommended_watcher(move |event| deliver(&mailbox, &heard, event));
        let watcher = watcher
            .inspect_err(|error| {
                warn!(%error, "no file events, edits are found by looking once a second");
            })
            .ok();
        Self { watcher, names, ..Self::blind() }
    }

    /// Watches nothing.
    pub(super) fn blind() -> Self {
        let (watched, refused, names) = (BTreeMap::new(), BTreeSet::new(), Arc::default());
        Self { watcher: None, watched, refused, names }
    }

    /// Watches exactly what `look` has come by, and returns whether anything is watched, or heard of,
    /// that was not before.
    pub(super) fn follow(&mut self, look: &Look) -> bool {
        let Some(watcher) = &mut self.watcher else { return false };
        let names = look.names();
        let mut added = {
            let mut heard = lock(&self.names);
            let are_others = *heard != names;
            *heard = names;
            are_others
        };
        let found: BTreeMap<PathBuf, (u64, u64)> = look
            .folders
            .iter()
            .filter_map(|folder| {
                let found = fs::metadata(folder).ok()?;
                Some((folder.clone(), (found.dev(), found.ino())))
            })
            .collect();
        self.watched.retain(|folder, identity| {
            let stays = found.get(folder) == Some(identity);
            if !stays {
                // It fails where the folder is gone, and its watch with it.
                _ = watcher.unwatch(folder);
            }
            stays
        });
        for (folder, identity) in found {
            if self.watched.contains_key(&folder) {
                continue;
            }
            match watcher.watch(&folder, RecursiveMode::NonRecursive) {
                Ok(()) => {
                    self.refused.remove(&folder);
                    self.watched.insert(folder, identity);
                    added = true;
                }
                Err(error) => {
                    if self.refused.insert(folder.clone()) {
                        let folder = folder.display();
                        warn!(%folder, %error, "no file events, edits are found by looking");
                    }
                }
            }
        }
        added
    }

    /// Notes that a name is gone: if it was a watched folder, so is the watch.
    pub(super) fn forget(&mut self, name: &Path) {
        if self.watched.remove(name).is_some()
            && let Some(watcher) = &mut self.watcher
        {
            // A folder that was moved away would still be told of, under its old name.
            _ = watcher.unwatch(name);
        }
    }
}

fn lock(names: &Mutex<Names>) -> MutexGuard<'_, Names> {
    names.lock().unwrap_or_else(PoisonError::into_inner)
}

fn deliver(mailbox: &Mailbox, names: &Mutex<Names>, event: notify::Result<Event>) {
    let Ok(event) = event else { return mailbox.lose() };
    if event.need_rescan() {
        return mailbox.lose();
    }
    let Some(sign) = sign(event.kind) else { return };
    let names = lock(names);
    for path in event.paths.into_iter().filter(|path| names.has(path)) {
        mailbox.sign(path, sign);
    }
}

fn sign(kind: EventKind) -> Option<Sign> {
    match kind {
        EventKind::Create(CreateKind::Folder) | EventKind::Modify(ModifyKind::Metadata(_)) => {
            Some(Sign::Touched)
        }
        EventKind::Create(_) => Some(Sign::Created),
        EventKind::Modify(ModifyKind::Name(RenameMode::To))
        | EventKind::Access(AccessKind::Close(AccessMode::Write)) => Some(Sign::Completed),
        EventKind::Modify(ModifyKind::Name(RenameMode::From)) | EventKind::Remove(_) => {
            Some(Sign::Removed)
        }
        // Both ends of a rename were told one by one before.
        EventKind::Modify(ModifyKind::Name(RenameMode::Both)) => None,
        EventKind::Modify(_) => Some(Sign::Modified),
        // We open and read these files ourselves.
        EventKind::Access(_) => None,
        EventKind::Any | EventKind::Other => Some(Sign::Touched),
    }
}
