//! What the files looked like at one moment, without reading them.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use super::trail::Trail;
use crate::config::{Config, TlsFiles, TrustFiles};

/// What the files of a policy looked like at one moment. Two that are equal mean that nothing was
/// changed in between.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fingerprint {
    prints: BTreeMap<PathBuf, Print>,
}

impl Fingerprint {
    /// How the files that `config` names look now. Take it before they are read.
    pub fn of(config: &Config) -> Self {
        Sources::of(config).look().fingerprint
    }

    /// The paths that look different in `other`, and how they look there.
    pub(super) fn differing<'a>(
        &'a self,
        other: &'a Self,
    ) -> impl Iterator<Item = (&'a Path, Print)> {
        let paths: BTreeSet<&PathBuf> = self.prints.keys().chain(other.prints.keys()).collect();
        paths.into_iter().filter_map(|path| {
            let there = other.print(path);
            (self.print(path) != there).then_some((path.as_path(), there))
        })
    }

    /// The files of the policy; with their names in it where it is a folder.
    pub(super) fn policy_files<'a>(
        &'a self,
        policy: &'a Path,
    ) -> impl Iterator<Item = (&'a Path, Option<&'a Path>)> {
        let files = self.prints.iter().filter(|(_, print)| matches!(print, Print::File { .. }));
        files.filter_map(move |(path, _)| {
            let name = path.strip_prefix(policy).ok()?;
            let name = (name != Path::new("")).then_some(name);
            Some((path.as_path(), name))
        })
    }

    pub(super) fn print(&self, path: &Path) -> Print {
        self.prints.get(path).copied().unwrap_or(Print::Missing)
    }
}

/// How one path looks, links followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Print {
    Missing,
    Unreachable(io::ErrorKind),
    /// Its entries have prints of their own.
    Folder,
    File {
        device: u64,
        inode: u64,
        size: u64,
        modified: (i64, i64),
        changed: (i64, i64),
    },
}

impl Print {
    fn of(found: io::Result<Metadata>) -> Self {
        match found {
            Ok(found) if found.is_dir() => Self::Folder,
            Ok(found) => Self::File {
                device: found.dev(),
                inode: found.ino(),
                size: found.size(),
                modified: (found.mtime(), found.mtime_nsec()),
                changed: (found.ctime(), found.ctime_nsec()),
            },
            Err(error) if error.kind() == io::ErrorKind::NotFound => Self::Missing,
            Err(error) => Self::Unreachable(error.kind()),
        }
    }

    /// Whether both are files, and not the same one.
    pub(super) fn was_replaced_by(self, other: Self) -> bool {
        match (self, other) {
            (
                Self::File { device: d1, inode: i1, .. },
                Self::File { device: d2, inode: i2, .. },
            ) => (d1, i1) != (d2, i2),
            _ => false,
        }
    }
}

/// The paths that a load reads.
#[derive(Debug, Clone)]
pub(super) struct Sources {
    /// A file, or a folder of `*.toml`.
    pub(super) policy: PathBuf,
    /// The key records.
    pub(super) keys: PathBuf,
    /// The pepper and the certificates, where there are any.
    pub(super) others: Vec<PathBuf>,
}

/// One look at the sources.
#[derive(Debug, Clone)]
pub(super) struct Look {
    pub(super) fingerprint: Fingerprint,
    /// What each path leads through.
    pub(super) trails: BTreeMap<PathBuf, Trail>,
    /// Where events about any of it happen.
    pub(super) folders: BTreeSet<PathBuf>,
    /// What is read as a policy of several files, without links.
    several: Option<PathBuf>,
}

impl Look {
    /// Whether `name` is on the trail of any path.
    pub(super) fn has_name(&self, name: &Path) -> bool {
        self.trails.values().any(|trail| trail.names.iter().any(|known| known == name))
    }

    /// The names of which an event may say something.
    pub(super) fn names(&self) -> Names {
        let names = self.trails.values().flat_map(|trail| &trail.names);
        // A folder above that comes, goes or moves brings or takes what is in it.
        let all = names.flat_map(|name| name.ancestors()).map(Path::to_owned).collect();
        Names { all, several: self.several.clone() }
    }

    /// Whether `name` is on the trail of `path`.
    pub(super) fn leads_through(&self, path: &Path, name: &Path) -> bool {
        self.trails.get(path).is_some_and(|trail| trail.names.iter().any(|known| known == name))
    }
}

/// Names of which something is to be known, of all those in the folders in which they stand.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Names {
    all: BTreeSet<PathBuf>,
    several: Option<PathBuf>,
}

impl Names {
    /// Whether `name` is one of them. What else happens in a folder, such as to a log in it, is nothing.
    pub(super) fn has(&self, name: &Path) -> bool {
        let is_policy = |folder: &PathBuf| name.parent() == Some(folder) && is_policy_file(name);
        self.all.contains(name) || self.several.as_ref().is_some_and(is_policy)
    }
}

impl Sources {
    pub(super) fn of(config: &Config) -> Self {
        let certificates = config.tls.iter().flat_map(TlsFiles::paths);
        let trusts = config.trusts.iter().flatten().flat_map(TrustFiles::paths);
        let others = config.pepper.iter().chain(certificates).chain(trusts).cloned().collect();
        Self { policy: config.policy.clone(), keys: config.keys.clone(), others }
    }

    /// The keys, then the others.
    pub(super) fn files(&self) -> impl Iterator<Item = &PathBuf> {
        [&self.keys].into_iter().chain(&self.others)
    }

    pub(super) fn look(&self) -> Look {
        let mut prints = BTreeMap::new();
        let mut trails = BTreeMap::new();
        let mut folders = BTreeSet::new();
        let mut several = None;
        for path in self.files().chain([&self.policy]) {
            prints.insert(path.clone(), Print::of(fs::metadata(path)));
            trails.insert(path.clone(), Trail::of(path));
        }
        if prints.get(&self.policy) == Some(&Print::Folder) {
            let folder = Trail::of(&self.policy);
            let real = folder.end().to_owned();
            for name in policy_files(&real) {
                let path = self.policy.join(&name);
                prints.insert(path.clone(), Print::of(fs::metadata(&path)));
                // A folder that is swapped as a whole swaps each of its files.
                let mut trail = folder.clone();
                trail.names.extend(Trail::within(real.clone(), &name).names);
                trails.insert(path, trail);
            }
            folders.insert(real.clone());
            several = Some(real);
        }
        folders.extend(trails.values().flat_map(Trail::folders).map(Path::to_owned));
        Look { fingerprint: Fingerprint { prints }, trails, folders, several }
    }
}

/// What is read of a policy folder. An unreadable one is an error of the load that follows.
fn policy_files(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let names = entries.filter_map(|entry| Some(PathBuf::from(entry.ok()?.file_name())));
    names.filter(|name| is_policy_file(name)).collect()
}

fn is_policy_file(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().as_encoded_bytes();
    path.extension().is_some_and(|end| end == "toml") && !name.starts_with(b".")
}
