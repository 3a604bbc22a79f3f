//! The operator's files: which there are, and their bytes, never more of them than a bound.

use std::fs::{File, Metadata};
use std::io::{self, ErrorKind, Read as _};
use std::path::Path;

use crate::policy::{FileId, Place, Problem};

/// The files that places speak of, as they are shown.
#[derive(Debug, Default)]
pub(super) struct Files(Vec<String>);

impl From<Vec<String>> for Files {
    fn from(names: Vec<String>) -> Self {
        Self(names)
    }
}

impl Files {
    /// The id of one more file. Past 65,536 files they share the last one.
    pub(super) fn add(&mut self, path: &Path) -> FileId {
        let id = FileId(u16::try_from(self.0.len()).unwrap_or(u16::MAX));
        self.0.push(shown(path, std::env::current_dir().ok().as_deref()));
        id
    }

    /// All of them, by their ids.
    pub(super) fn names(&self) -> &[String] {
        &self.0
    }

    /// As messages name a place.
    pub(super) fn show(&self, place: Place) -> String {
        let file = self.name(place.file);
        match place {
            Place { line: 0, .. } => file.to_owned(),
            Place { line, column: 0, .. } => format!("{file}:{line}"),
            Place { line, column, .. } => format!("{file}:{line}:{column}"),
        }
    }

    /// The file of a place.
    pub(super) fn name(&self, id: FileId) -> &str {
        self.0.get(usize::from(id.0)).map_or("?", String::as_str)
    }

    /// Adds other files after these and returns what their ids have grown by.
    pub(super) fn append(&mut self, other: Self) -> u16 {
        let offset = u16::try_from(self.0.len()).unwrap_or(u16::MAX);
        self.0.extend(other.0);
        offset
    }
}

/// How a file is read.
#[derive(Debug, Clone, Copy)]
pub(super) struct Reading<'a> {
    /// The file.
    pub(super) path: &'a Path,
    /// Its id in problems.
    pub(super) file: FileId,
    /// Bytes that are read at most.
    pub(super) limit: u64,
    /// The way out where it is missing.
    pub(super) missing: &'a str,
    /// The way out where it is larger.
    pub(super) large: &'a str,
}

impl Reading<'_> {
    /// The whole text.
    ///
    /// # Errors
    ///
    /// Why there is none, or that it is empty or not UTF-8, and the way out.
    pub(super) fn text(self) -> Result<String, Problem> {
        let (bytes, _) = self.bytes()?;
        let text = String::from_utf8(bytes).map_err(|error| {
            let before = error.utf8_error().valid_up_to();
            let wrong = error.as_bytes().get(before).copied().unwrap_or_default();
            let place = end_of(self.file, error.as_bytes().get(..before).unwrap_or_default());
            Problem::error(place, format!("not UTF-8: byte 0x{wrong:02x} at offset {before}"))
                .hint("save the file as UTF-8")
        })?;
        if text.trim().is_empty() {
            let hint = "`sidegate init DIR` writes files to start from";
            return Err(self.problem("the file is empty").hint(hint));
        }
        Ok(text)
    }

    /// All bytes, and what the system says of the file.
    ///
    /// # Errors
    ///
    /// Why there are none, and the way out.
    pub(super) fn bytes(self) -> Result<(Vec<u8>, Metadata), Problem> {
        // Opening a pipe would wait for its writer: look first.
        let metadata = self.path.metadata().map_err(|error| self.unreadable(&error))?;
        if metadata.is_dir() {
            return Err(self.problem("is a directory").hint("name a file"));
        }
        if !metadata.is_file() {
            return Err(self.problem("is not a regular file").hint("name a file"));
        }
        if metadata.len() > self.limit {
            return Err(self.too_large());
        }
        let file = File::open(self.path).map_err(|error| self.unreadable(&error))?;
        let mut bytes = Vec::new();
        let read = file.take(self.limit + 1).read_to_end(&mut bytes);
        match read.map_err(|error| self.unreadable(&error))? {
            read if read as u64 > self.limit => Err(self.too_large()),
            _ => Ok((bytes, metadata)),
        }
    }

    /// A problem with the file as a whole.
    pub(super) fn problem(self, message: impl Into<String>) -> Problem {
        Problem::error(whole(self.file), message)
    }

    fn too_large(self) -> Problem {
        let limit = match self.limit {
            bytes @ ..1024 => format!("{bytes} bytes"),
            bytes @ ..1_048_576 => format!("{} KiB", bytes / 1024),
            bytes => format!("{} MiB", bytes / 1_048_576),
        };
        self.problem(format!("is larger than {limit}")).hint(self.large)
    }

    /// Why the system did not hand the file out.
    pub(super) fn unreadable(self, error: &io::Error) -> Problem {
        match error.kind() {
            ErrorKind::NotFound => self.problem("no such file").hint(self.missing),
            ErrorKind::PermissionDenied => self
                .problem("cannot be read: permission denied")
                .hint("let the user that runs sidegate read it"),
            ErrorKind::NotADirectory => {
                self.problem("a part of its path is not a directory").hint(self.missing)
            }
            _ => self.problem(format!("cannot be read: {error}")),
        }
    }
}

/// The place of a file as a whole.
pub(super) fn whole(file: FileId) -> Place {
    Place { file, line: 0, column: 0 }
}

fn end_of(file: FileId, before: &[u8]) -> Place {
    let lines = before.iter().filter(|byte| **byte == b'\n').count();
    let last = before.rsplit(|byte| *byte == b'\n').next().unwrap_or_default();
    let characters = String::from_utf8_lossy(last).chars().count();
    let number = |count: usize| u32::try_from(count + 1).unwrap_or(u32::MAX);
    Place { file, line: number(lines), column: number(characters) }
}

/// A path relative to the current directory if it is below it, else as it was given.
fn shown(path: &Path, here: Option<&Path>) -> String {
    let below = here.and_then(|here| path.strip_prefix(here).ok());
    let path = below.filter(|below| !below.as_os_str().is_empty()).unwrap_or(path);
    path.strip_prefix(".").unwrap_or(path).display().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_shown_from_here() {
        let here = Path::new("/home/me");
        for (path, expected) in [
            ("/home/me/etc/policy.toml", "etc/policy.toml"),
            ("/home/me", "/home/me"),
            ("/etc/policy.toml", "/etc/policy.toml"),
            ("./policy.toml", "policy.toml"),
            ("../policy.toml", "../policy.toml"),
        ] {
            assert_eq!(shown(Path::new(path), Some(here)), expected);
        }
    }
}
