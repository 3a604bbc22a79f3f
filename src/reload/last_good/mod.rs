//! The last good copy: what was loaded last, on disk, for a start while the files are bad.
//!
//! ```text
//! FOLDER/manifest     which set it is; every file with its length and hash
//! FOLDER/set-XXXXXX/  policy.toml or policy/*.toml, and keys.jsonl
//! ```
//!
//! INVARIANTS:
//! - The manifest changes by one rename, after everything that it names is on the disk. Whoever is
//!   killed at any moment leaves the old copy or the new one.
//! - Nothing is served that is not, byte for byte, what was kept.
//! - Secrets stay where they are: the pepper is known by a hash, certificates and their keys are not
//!   kept at all. Both are read from where `sidegate.toml` says, and have to be good.
//! - One writer at a time, under a lock of the folder, on a thread of its own.
//!
//! Start at [`Shelf::keep`] and [`Shelf::open`].

mod keeper;
mod manifest;
mod shelf;

pub(super) use self::keeper::Keeper;
pub(super) use self::shelf::{Found, Shelf};
