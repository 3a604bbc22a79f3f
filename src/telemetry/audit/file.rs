//! The file of an audit log, whoever renames it.

use std::fs::{File, Metadata};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;

/// What its user may alone.
const MODE: u32 = 0o600;

/// A file that is only ever appended to.
#[derive(Debug)]
pub(super) struct AuditFile {
    path: PathBuf,
    file: File,
    seen: Identity,
}

/// Which file a name leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Identity {
    device: u64,
    inode: u64,
}

impl AuditFile {
    /// Opens the file at `path`; makes it, for its user alone, where it is not there.
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        // Without waiting for somebody to read, where it is a pipe.
        let nonblocking = OFlags::NONBLOCK.bits().cast_signed();
        let file = File::options()
            .append(true)
            .create(true)
            .mode(MODE)
            .custom_flags(nonblocking)
            .open(path)?;
        let metadata = file.metadata()?;
        if metadata.is_dir() || metadata.file_type().is_fifo() {
            return Err(io::Error::other("is no file that can be appended to"));
        }
        Ok(Self { path: path.to_owned(), file, seen: Identity::of(&metadata) })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn file(&self) -> &File {
        &self.file
    }

    /// Opens it anew where its name leads to another file, or to none. Whether it did.
    pub(super) fn follow(&mut self) -> io::Result<bool> {
        match std::fs::metadata(&self.path) {
            Ok(metadata) if Identity::of(&metadata) == self.seen => Ok(false),
            Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
            _ => self.reopen().map(|()| true),
        }
    }

    pub(super) fn reopen(&mut self) -> io::Result<()> {
        *self = Self::open(&self.path)?;
        Ok(())
    }

    /// Waits until all of it is on the disk.
    pub(super) fn sync(&self) -> io::Result<()> {
        match self.file.sync_data() {
            // What has no disk behind it.
            Err(error) if error.kind() == ErrorKind::InvalidInput => Ok(()),
            done => done,
        }
    }
}

impl Identity {
    fn of(metadata: &Metadata) -> Self {
        Self { device: metadata.dev(), inode: metadata.ino() }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::Write as _;

    use super::*;

    #[test]
    fn it_is_its_users_alone_and_followed_by_name() {
        let folder = tempfile::tempdir().unwrap();
        let (path, moved) = (folder.path().join("audit"), folder.path().join("audit.1"));
        let mut file = AuditFile::open(&path).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
        file.file().write_all(b"one\n").unwrap();
        assert!(!file.follow().unwrap());

        fs::rename(&path, &moved).unwrap();
        assert!(file.follow().unwrap());
        file.file().write_all(b"two\n").unwrap();
        fs::remove_file(&path).unwrap();
        assert!(file.follow().unwrap());
        file.file().write_all(b"three\n").unwrap();
        file.reopen().unwrap();
        file.file().write_all(b"four\n").unwrap();
        assert_eq!(fs::read_to_string(&moved).unwrap(), "one\n");
        assert_eq!(fs::read_to_string(&path).unwrap(), "three\nfour\n");
        file.sync().unwrap();
    }

    #[test]
    fn what_cannot_be_appended_to_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        assert!(AuditFile::open(folder.path()).is_err());
        assert!(AuditFile::open(&folder.path().join("none/audit")).is_err());
        AuditFile::open(Path::new("/dev/null")).unwrap().sync().unwrap();
    }
}
