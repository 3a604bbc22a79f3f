//! What a key file held when it was read, so that of the next one only what is new need be read.

use std::fs::File;
use std::mem;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use blake3::Hash;

use crate::policy::draft::DraftKey;
use crate::policy::key::KeyDigest;
use crate::policy::{FileId, Place};

use super::permissions::Permissions;
use super::pieces::{self, Cut, Cutter, Known, Piece};
use super::read::{NO_KEYS, each_line, open};
use super::sum::Secret;

/// Of a file that has changed, one part of so many may be new to be read by itself.
const SHARE: usize = 4;
/// Bytes that may be new in any case.
const FEW: usize = 4 * 1024 * 1024;

/// The pieces of a key file, and whose keys are in each.
#[derive(Debug, Clone)]
pub struct Ledger {
    pieces: Arc<[Entry]>,
    /// What their hashes were made under.
    secret: Arc<Secret>,
}

#[derive(Debug, Clone)]
struct Entry {
    hash: Hash,
    length: usize,
    keys: Keys,
}

#[derive(Debug, Clone)]
enum Keys {
    /// The first and the last of those that were read at first.
    Compiled(Range<u32>),
    /// What was read since.
    Since(Arc<[KeyDigest]>),
}

/// What is in a key file that was not in the one before, and what is no longer. Lines of which
/// neighbours changed may be in both.
#[derive(Debug)]
pub struct Changes {
    /// What is kept of the keys that are no longer.
    pub gone: Vec<KeyDigest>,
    /// Records that came. Their places say nothing.
    pub came: Vec<DraftKey>,
    /// Of the file as it is now.
    pub ledger: Ledger,
}

impl Ledger {
    pub(super) fn of(cutter: Cutter) -> Self {
        let mut first = 0;
        let (pieces, secret) = cutter.finish();
        let pieces = pieces.into_iter().map(|Cut { hash, length, lines }| {
            let start = first;
            first += lines;
            Entry { hash, length, keys: Keys::Compiled(start..first) }
        });
        Self { pieces: pieces.collect(), secret }
    }

    /// What the file at `path` has that this one has not, and the other way round; and how long other
    /// threads were busy with that. Nothing where the file should be read as a whole: it cannot be
    /// read, something in it is damaged, or much is new. `compiled` is what is kept of the keys that
    /// were read at first, by number.
    pub fn changes(
        &self,
        path: &Path,
        permissions: Permissions,
        compiled: impl Fn(usize) -> Option<KeyDigest>,
    ) -> (Option<Changes>, Duration) {
        let mut problems = Vec::new();
        let opened = open(path, FileId::default(), permissions, &mut problems);
        let found = opened.and_then(|file| Some((file.metadata().ok()?.len(), file)));
        let Some((length, file)) = found else { return (None, Duration::ZERO) };
        let known = Known::new(self.pieces.iter().map(|entry| (entry.hash, entry.length)));
        let (pieces, helped) = pieces::of_file(&file, length, &self.secret, &known);
        // Of an empty file nobody knows whether it is all.
        let pieces = pieces.filter(|pieces| !pieces.is_empty());
        (pieces.and_then(|pieces| self.follow(&file, &pieces, compiled)), helped)
    }

    fn follow(
        &self,
        file: &File,
        pieces: &[Piece],
        compiled: impl Fn(usize) -> Option<KeyDigest>,
    ) -> Option<Changes> {
        let mut stays = vec![false; self.pieces.len()];
        let is: Vec<_> = pieces.iter().map(|piece| self.entry(piece, &mut stays)).collect();
        let lengths = pieces.iter().zip(&is).map(|(piece, entry)| (piece.length, entry));
        let (all, new) = lengths.fold((0, 0), |(all, new), (length, entry)| {
            (all + length, if entry.is_none() { new + length } else { new })
        });
        if new > FEW + all / SHARE {
            return None;
        }
        let mut came = Vec::new();
        let mut entries = Vec::with_capacity(pieces.len());
        for (piece, known) in pieces.iter().zip(is) {
            entries.push(match known {
                Some(entry) => entry.clone(),
                None => {
                    let drafts = parse(&piece.read(file, &self.secret)?)?;
                    let digests = drafts.iter().map(|draft| draft.digest).collect();
                    came.extend(drafts);
                    let Piece { hash, length, .. } = *piece;
                    Entry { hash, length, keys: Keys::Since(digests) }
                }
            });
        }
        let mut gone = Vec::new();
        let left = self.pieces.iter().zip(stays).filter(|(_, stays)| !stays);
        for (entry, _) in left {
            match &entry.keys {
                Keys::Since(digests) => gone.extend_from_slice(digests),
                Keys::Compiled(numbers) => {
                    for number in numbers.clone() {
                        gone.push(compiled(number as usize)?);
                    }
                }
            }
        }
        let secret = Arc::clone(&self.secret);
        Some(Changes { gone, came, ledger: Self { pieces: entries.into(), secret } })
    }

    /// What is known of a piece, and notes that it stays. What stands twice is known once.
    fn entry(&self, piece: &Piece, stays: &mut [bool]) -> Option<&Entry> {
        let number = piece.known?;
        let before = mem::replace(stays.get_mut(number)?, true);
        if before { None } else { self.pieces.get(number) }
    }
}

/// Every record of a piece, unless anything is wrong with one.
fn parse(bytes: &[u8]) -> Option<Vec<DraftKey>> {
    let mut drafts = Vec::new();
    let problems = each_line(bytes, FileId::default(), |line, _, record| {
        drafts.push(record.into_draft(Place { line, ..Place::default() }));
    });
    // A newline alone is a file without keys, and no piece of one with.
    (problems.is_empty() && bytes != NO_KEYS).then_some(drafts)
}
