//! Which files a copy has, and what has to stand in them.

use std::fs;
use std::io::{self, Write as _};
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::current::ChangeId;

/// Its file.
pub(super) const NAME: &str = "manifest";
/// Of the shape below.
const VERSION: u32 = 1;
/// Bytes of it, at most: enough for a hundred thousand files.
const LARGEST: u64 = 16 << 20;

/// A file of a copy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Entry {
    /// Below the set's folder.
    pub(super) name: String,
    pub(super) bytes: u64,
    /// blake3, in hexadecimal.
    pub(super) hash: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Manifest {
    pub(super) version: u32,
    /// RFC 3339: when it was kept.
    pub(super) kept: String,
    /// The id of the content that it was made of.
    pub(super) content: String,
    /// The folder beside the manifest in which the files are.
    pub(super) set: String,
    /// Whether the policy is a folder.
    pub(super) several: bool,
    pub(super) files: Vec<Entry>,
    /// Of the pepper that the keys were kept under.
    pub(super) pepper: Option<String>,
}

impl Manifest {
    pub(super) fn new(kept: String, content: &ChangeId, set: String) -> Self {
        let content = content.to_string();
        let (several, files, pepper) = (false, Vec::new(), None);
        Self { version: VERSION, kept, content, set, several, files, pepper }
    }

    /// Its hash, then what it says.
    pub(super) fn write(&self, folder: &Path) -> io::Result<()> {
        let text = serde_json::to_string_pretty(self)? + "\n";
        let mut file = tempfile::Builder::new().prefix(".manifest-").tempfile_in(folder)?;
        file.write_all(format!("{}\n{text}", blake3::hash(text.as_bytes())).as_bytes())?;
        file.as_file().sync_all()?;
        file.persist(folder.join(NAME)).map_err(|error| error.error)?;
        fs::File::open(folder)?.sync_all()
    }

    /// Nothing, where there is none.
    ///
    /// # Errors
    ///
    /// Why it cannot be believed.
    pub(super) fn read(folder: &Path) -> Result<Option<Self>, String> {
        let path = folder.join(NAME);
        let told = |what: &str| format!("{}: {what}", path.display());
        let text = match fs::metadata(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Ok(found) if found.len() > LARGEST => return Err(told("is too large")),
            _ => fs::read_to_string(&path).map_err(|error| told(&error.to_string()))?,
        };
        let (hash, rest) = text.split_once('\n').ok_or_else(|| told("is damaged"))?;
        if *hash != *blake3::hash(rest.as_bytes()).to_hex() {
            return Err(told("is damaged"));
        }
        let manifest: Self =
            serde_json::from_str(rest).map_err(|_| told("is of another version"))?;
        if manifest.version != VERSION {
            return Err(told("is of another version"));
        }
        let names = manifest.files.iter().map(|file| &file.name).chain([&manifest.set]);
        for name in names {
            if !name.split('/').all(|part| !matches!(part, "" | "." | "..")) {
                return Err(told("names what is not beside it"));
            }
        }
        Ok(Some(manifest))
    }
}
