//! One writer at a time, and a file that is replaced as a whole: the key file, or one of a policy.

use std::fs::{self, File, Metadata, TryLockError};
use std::io::{self, Write as _};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, fchown};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use tempfile::NamedTempFile;

use crate::clock;

use super::permissions::Permissions;
use super::refusal::Refusal;

/// How long a writer waits for the others.
const PATIENCE: Duration = Duration::from_secs(30);
/// How often it asks.
const PAUSE: Duration = Duration::from_millis(5);

/// A file that only this process may replace, until this is dropped.
#[derive(Debug)]
pub(crate) struct Target {
    path: PathBuf,
    name: String,
    folder_path: PathBuf,
    folder: File, // INVARIANT: locked
}

impl Target {
    /// Follows links to the file that `path` means, and locks its folder.
    pub(crate) fn lock(path: &Path) -> Result<Self, Refusal> {
        let path = resolve(path)
            .map_err(|error| Refusal::io(format!("cannot find `{}`", path.display()), error))?;
        let name = path.file_name().and_then(|name| name.to_str()).map(str::to_owned);
        let (Some(folder_path), Some(name)) = (path.parent().map(Path::to_owned), name) else {
            let error = io::Error::from(io::ErrorKind::InvalidFilename);
            return Err(Refusal::io(format!("cannot write `{}`", path.display()), error));
        };
        let refusal = |error| {
            Refusal::io(format!("cannot lock the folder `{}`", folder_path.display()), error)
        };
        let folder = File::open(&folder_path).map_err(refusal)?;
        let begun = clock::instant();
        loop {
            match folder.try_lock() {
                Ok(()) => return Ok(Self { path, name, folder_path, folder }),
                Err(TryLockError::Error(error)) => return Err(refusal(error)),
                Err(TryLockError::WouldBlock) if begun.elapsed() >= PATIENCE => {
                    return Err(Refusal::Locked(folder_path));
                }
                Err(TryLockError::WouldBlock) => thread::sleep(PAUSE),
            }
        }
    }

    /// The file itself, behind all links.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Puts a file of these parts in the place of the one that `old` is of. Either all of it
    /// happens or nothing; after an error in the last step, syncing the folder, it has happened but
    /// may not outlive a loss of power.
    pub(crate) fn replace(
        &self,
        old: Option<&Metadata>,
        permissions: Permissions,
        parts: &[&[u8]],
    ) -> Result<(), Refusal> {
        let mut new = self.begin()?;
        for part in parts {
            new.write_all(part).map_err(|error| self.refusal(error))?;
        }
        self.commit(new, old, permissions)
    }

    /// A new file beside the old one, which is gone again if it is not [`commit`](Self::commit)ted.
    pub(super) fn begin(&self) -> Result<NamedTempFile, Refusal> {
        self.temporary().map_err(|error| self.refusal(error))
    }

    /// Puts `new` in the place of the file that `old` is of, as [`replace`](Self::replace) does.
    pub(super) fn commit(
        &self,
        new: NamedTempFile,
        old: Option<&Metadata>,
        permissions: Permissions,
    ) -> Result<(), Refusal> {
        let refusal = |error| self.refusal(error);
        let mode = match old {
            Some(old) => keep_owner(new.as_file(), old, permissions).map_err(refusal)?,
            None => 0o600,
        };
        new.as_file().set_permissions(fs::Permissions::from_mode(mode)).map_err(refusal)?;
        new.as_file().sync_all().map_err(refusal)?;
        // Closed before it has its name: who watches that would be told of a writer who is done again,
        // and read it twice.
        let new = new.into_temp_path();
        new.persist(&self.path).map_err(|error| refusal(error.error))?;
        self.folder.sync_all().map_err(refusal)
    }

    fn refusal(&self, error: io::Error) -> Refusal {
        Refusal::io(format!("cannot write `{}`", self.path.display()), error)
    }

    /// Always the same name, so that what a killed writer left behind does not pile up.
    fn temporary(&self) -> io::Result<NamedTempFile> {
        let name = format!(".{}.new", self.name);
        match fs::remove_file(self.folder_path.join(&name)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let made = tempfile::Builder::new()
            .prefix(&name)
            .rand_bytes(0)
            .permissions(fs::Permissions::from_mode(0o600))
            .tempfile_in(&self.folder_path);
        made.map_err(|error| {
            let way_out = match error.kind() {
                io::ErrorKind::PermissionDenied => "run as a user that may write in that folder",
                io::ErrorKind::ReadOnlyFilesystem => "change it where it comes from",
                _ => return error,
            };
            let kind = error.kind();
            io::Error::new(kind, format!("no new file can be put there: {kind} — {way_out}"))
        })
    }
}

fn resolve(path: &Path) -> io::Result<PathBuf> {
    match fs::canonicalize(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            if fs::symlink_metadata(path).is_ok() {
                return Err(io::Error::new(
                    error.kind(),
                    "it is a link to a file that is not there",
                ));
            }
            let folder = match path.parent() {
                Some(folder) if folder != Path::new("") => folder,
                _ => Path::new("."),
            };
            let name = path.file_name().ok_or(error)?;
            Ok(fs::canonicalize(folder)?.join(name))
        }
        resolved => resolved,
    }
}

/// Gives `new` the owner of the file that it replaces, and returns the mode that it may have.
fn keep_owner(new: &File, old: &Metadata, permissions: Permissions) -> io::Result<u32> {
    let mode = match permissions {
        Permissions::Insecure => old.mode() & 0o777,
        Permissions::Private => old.mode() & 0o700,
    };
    let now = new.metadata()?;
    if (now.uid(), now.gid()) == (old.uid(), old.gid()) {
        return Ok(mode);
    }
    match fchown(new, Some(old.uid()), Some(old.gid())) {
        Ok(()) => Ok(mode),
        // Another group of ours: whoever it was may read no longer, which is the safe side.
        Err(_) if now.uid() == old.uid() => Ok(mode & 0o707),
        Err(error) => Err(io::Error::new(
            error.kind(),
            format!(
                "it belongs to user {}: run as that user, who could not read it otherwise",
                old.uid()
            ),
        )),
    }
}
