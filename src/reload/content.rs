//! What stands in the sources, in one short word.

use std::fs::File;
use std::io;
use std::path::Path;

use super::fingerprint::{Fingerprint, Sources};
use crate::current::ChangeId;

/// So that it is no hash of anything else.
const CONTEXT: &str = "sidegate 2026-11-21 content of the policy, keys and what they need";

/// The id of what stands in the files: the same wherever and whenever the same stands there.
pub(super) fn id(sources: &Sources, seen: &Fingerprint) -> io::Result<ChangeId> {
    let mut all = blake3::Hasher::new_derive_key(CONTEXT);
    let mut add = |name: &str, path: &Path| -> io::Result<()> {
        all.update(&(name.len() as u64).to_le_bytes());
        all.update(name.as_bytes());
        all.update(hash(path)?.as_bytes());
        Ok(())
    };
    for (path, name) in seen.policy_files(&sources.policy) {
        add(
            &format!("policy {}", name.map_or_else(String::new, |name| name.display().to_string())),
            path,
        )?;
    }
    for (number, path) in sources.files().enumerate() {
        add(&format!("file {number}"), path)?;
    }
    Ok(ChangeId::of(&all.finalize()))
}

pub(super) fn hash(path: &Path) -> io::Result<blake3::Hash> {
    Ok(blake3::Hasher::new().update_reader(File::open(path)?)?.finalize())
}
