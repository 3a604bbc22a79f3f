//! The folder of the copy: putting one there, and taking it from there.

use std::collections::BTreeMap;
use std::fs::{self, DirBuilder, File, TryLockError};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use super::manifest::{self, Entry, Manifest};
use crate::clock;
use crate::config::{self, Config, Loaded};
use crate::keystore::{Permissions, Timestamp};
use crate::policy::UnixSeconds;
use crate::reload::content;
use crate::reload::fingerprint::{Fingerprint, Print, Sources};

/// How long to wait for another process that uses the folder.
const PATIENCE: Duration = Duration::from_secs(10);
/// How often it is asked for.
const PAUSE: Duration = Duration::from_millis(20);
/// What the folders of files begin with.
const SET: &str = "set-";
const KEYS: &str = "keys.jsonl";
const ONE: &str = "policy.toml";
const SEVERAL: &str = "policy";
/// So that what is known of a pepper is of use to nobody else.
const PEPPER: &str = "sidegate 2026-11-21 which pepper the last good copy was kept under";

/// Where the last good copy is.
#[derive(Debug)]
pub(in crate::reload) struct Shelf {
    folder: PathBuf,
    sources: Sources,
    keys: PathBuf,
    pepper: Option<PathBuf>,
    /// Copies of ours: how the file looked that each was made of.
    made: BTreeMap<PathBuf, (Print, PathBuf, Entry)>,
}

/// A copy that can be put in force.
#[derive(Debug)]
pub(in crate::reload) struct Found {
    pub(in crate::reload) loaded: Loaded,
    /// When it was kept.
    pub(in crate::reload) kept: UnixSeconds,
    /// The id of what it was made of.
    pub(in crate::reload) content: String,
}

/// What came of keeping.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kept {
    /// The files are not those that were loaded any more.
    Changed,
    Whole,
}

impl Shelf {
    /// Where `config` says that there is one.
    pub(in crate::reload) fn of(config: &Config) -> Option<Self> {
        Some(Self {
            folder: config.reload.last_good.clone()?,
            sources: Sources::of(config),
            keys: config.keys.clone(),
            pepper: config.pepper.clone(),
            made: BTreeMap::new(),
        })
    }

    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Keeps the files, if they look as in `seen`.
    ///
    /// # Errors
    ///
    /// If the system refuses something; the copy that was there stays.
    pub(super) fn keep(&mut self, seen: &Fingerprint) -> io::Result<Kept> {
        DirBuilder::new().recursive(true).mode(0o700).create(&self.folder)?;
        let _lock = lock(&self.folder)?;
        let set = tempfile::Builder::new()
            .prefix(SET)
            .permissions(fs::Permissions::from_mode(0o700))
            .tempdir_in(&self.folder)?;
        let name = set.path().file_name().unwrap_or_default().to_string_lossy().into_owned();
        let Ok(content) = content::id(&self.sources, seen) else { return Ok(Kept::Changed) };
        let kept = Timestamp::new(clock::now()).map_or_else(String::new, |now| now.to_string());
        let mut manifest = Manifest::new(kept, &content, name);
        let mut made = BTreeMap::new();
        let mut wanted = vec![(self.keys.clone(), KEYS.to_owned())];
        for (path, name) in seen.policy_files(&self.sources.policy) {
            manifest.several |= name.is_some();
            let name =
                name.map_or_else(|| ONE.to_owned(), |it| format!("{SEVERAL}/{}", it.display()));
            wanted.push((path.to_owned(), name));
        }
        if seen.print(&self.sources.policy) == Print::Folder {
            manifest.several = true;
            DirBuilder::new().mode(0o700).create(set.path().join(SEVERAL))?;
        }
        for (path, name) in wanted {
            let copy = set.path().join(&name);
            let print = seen.print(&path);
            let Some(entry) = self.copy(&path, print, &copy, name)? else {
                return Ok(Kept::Changed);
            };
            made.insert(path, (print, copy, entry.clone()));
            manifest.files.push(entry);
        }
        manifest.pepper = self.pepper.as_deref().map(pepper_hash).transpose()?;
        if self.sources.look().fingerprint != *seen {
            return Ok(Kept::Changed);
        }
        if manifest.several {
            File::open(set.path().join(SEVERAL))?.sync_all()?;
        }
        File::open(set.path())?.sync_all()?;
        manifest.write(&self.folder)?;
        // From here on the manifest names it.
        _ = set.keep();
        self.made = made;
        self.clear(&manifest.set);
        Ok(Kept::Whole)
    }

    /// One file, on the disk. A copy of ours is never written to, so it is shared.
    fn copy(
        &self,
        path: &Path,
        print: Print,
        copy: &Path,
        name: String,
    ) -> io::Result<Option<Entry>> {
        if let Some((before, made, entry)) = self.made.get(path)
            && *before == print
            && entry.name == name
            && fs::hard_link(made, copy).is_ok()
        {
            return Ok(Some(entry.clone()));
        }
        let bytes = match fs::copy(path, copy) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        fs::set_permissions(copy, fs::Permissions::from_mode(0o600))?;
        File::open(copy)?.sync_all()?;
        let hash = content::hash(copy)?.to_hex().to_string();
        Ok(Some(Entry { name, bytes, hash }))
    }

    /// Removes every set but that one. What cannot be removed is in nobody's way.
    fn clear(&self, set: &str) {
        for entry in fs::read_dir(&self.folder).into_iter().flatten().flatten() {
            let name = entry.file_name();
            let name = name.to_string_lossy();
            if name.starts_with(".manifest-") {
                _ = fs::remove_file(entry.path());
            } else if name.starts_with(SET) && name != set {
                _ = fs::remove_dir_all(entry.path());
            }
        }
    }

    /// The copy, if there is one.
    ///
    /// # Errors
    ///
    /// Why it cannot be used.
    pub(in crate::reload) fn open(
        &self,
        config: &Config,
        permissions: Permissions,
    ) -> Result<Option<Found>, String> {
        if !self.folder.join(manifest::NAME).exists() {
            return Ok(None);
        }
        let _lock = lock(&self.folder).map_err(|e| format!("{}: {e}", self.folder.display()))?;
        let Some(manifest) = Manifest::read(&self.folder)? else { return Ok(None) };
        let set = self.folder.join(&manifest.set);
        for file in &manifest.files {
            let path = set.join(&file.name);
            let hash = content::hash(&path).map_err(|e| format!("{}: {e}", path.display()))?;
            if *file.hash != *hash.to_hex() {
                return Err(format!("{}: is not what was kept", path.display()));
            }
        }
        let pepper = self.pepper.as_deref().map(pepper_hash).transpose();
        if pepper.map_err(|error| format!("the pepper cannot be read: {error}"))? != manifest.pepper
        {
            return Err("the pepper is not the one that the copy's keys were kept under".to_owned());
        }
        let kept = Timestamp::parse(&manifest.kept).map_or(UnixSeconds(0), Timestamp::seconds);
        let policy = set.join(if manifest.several { SEVERAL } else { ONE });
        let config = Config { policy, keys: set.join(KEYS), ..config.clone() };
        let loaded = config::load(&config, permissions).map_err(|it| it.lines().join("\n"))?;
        Ok(Some(Found { loaded, kept, content: manifest.content }))
    }
}

fn pepper_hash(path: &Path) -> io::Result<String> {
    let mut hasher = blake3::Hasher::new_derive_key(PEPPER);
    Ok(hasher.update_reader(File::open(path)?)?.finalize().to_hex().to_string())
}

/// The lock ends with what is returned.
fn lock(folder: &Path) -> io::Result<File> {
    let opened = File::open(folder)?;
    let due = clock::instant() + PATIENCE;
    loop {
        match opened.try_lock() {
            Ok(()) => return Ok(opened),
            Err(TryLockError::Error(error)) => return Err(error),
            Err(TryLockError::WouldBlock) if clock::instant() > due => {
                return Err(io::Error::other("another process has the folder locked"));
            }
            Err(TryLockError::WouldBlock) => thread::sleep(PAUSE),
        }
    }
}
