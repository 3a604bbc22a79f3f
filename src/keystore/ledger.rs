//! What a key file held when it was read, so that of the next one only what is new need be read.

use std::collections::HashMap;
use std::fs::File;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use blake3::Hash;

use crate::policy::draft::DraftKey;
use crate::policy::key::KeyDigest;
use crate::policy::{FileId, Place};

use super::permissions::Permissions;
use super::pieces::{self, Cutter, Piece};
use super::read::{NO_KEYS, each_line, open};

/// Of a file that has changed, one part of so many may be new to be read by itself.
const SHARE: usize = 4;
/// Bytes that may be new in any case.
const FEW: usize = 4 * 1024 * 1024;

/// The pieces of a key file, and whose keys are in each.
#[derive(Debug, Clone, Default)]
pub struct Ledger {
    pieces: Arc<[Entry]>,
}

#[derive(Debug, Clone)]
struct Entry {
    hash: Hash,
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
        let pieces = cutter.finish().into_iter().map(|(hash, lines)| {
            let start = first;
            first += lines;
            Entry { hash, keys: Keys::Compiled(start..first) }
        });
        Self { pieces: pieces.collect() }
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
        let (pieces, helped) = pieces::of_file(&file, length);
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
        let met = self.meet(pieces);
        let lengths = pieces.iter().zip(&met.is).map(|(piece, entry)| (piece.length, entry));
        let (all, new) = lengths.fold((0, 0), |(all, new), (length, entry)| {
            (all + length, if entry.is_none() { new + length } else { new })
        });
        if new > FEW + all / SHARE {
            return None;
        }
        let mut came = Vec::new();
        let mut entries = Vec::with_capacity(pieces.len());
        for (piece, known) in pieces.iter().zip(met.is) {
            entries.push(match known {
                Some(entry) => entry,
                None => {
                    let drafts = parse(&piece.read(file)?)?;
                    let digests = drafts.iter().map(|draft| draft.digest).collect();
                    came.extend(drafts);
                    Entry { hash: piece.hash, keys: Keys::Since(digests) }
                }
            });
        }
        let mut gone = Vec::new();
        for entry in met.gone {
            match &entry.keys {
                Keys::Since(digests) => gone.extend_from_slice(digests),
                Keys::Compiled(numbers) => {
                    for number in numbers.clone() {
                        gone.push(compiled(number as usize)?);
                    }
                }
            }
        }
        Some(Changes { gone, came, ledger: Self { pieces: entries.into() } })
    }

    /// Which pieces are known, and which known ones are no longer.
    fn meet(&self, pieces: &[Piece]) -> Met<'_> {
        let same = |(entry, piece): &(&Entry, &Piece)| entry.hash == piece.hash;
        let both = || self.pieces.iter().zip(pieces);
        let head = both().take_while(same).count();
        let left = self.pieces.len().min(pieces.len()) - head;
        let ends = self.pieces.iter().rev().zip(pieces.iter().rev());
        let tail = ends.take(left).take_while(same).count();
        let middle = head..self.pieces.len() - tail;
        let known = self.pieces.get(middle).unwrap_or_default();
        let mut by_hash: HashMap<&[u8; 32], &Entry> =
            known.iter().map(|entry| (entry.hash.as_bytes(), entry)).collect();
        let changed = head..pieces.len() - tail;
        let is = pieces.iter().enumerate().map(|(at, piece)| {
            if at < head {
                self.pieces.get(at).cloned()
            } else if changed.contains(&at) {
                by_hash.remove(piece.hash.as_bytes()).cloned()
            } else {
                self.pieces.get(self.pieces.len() - (pieces.len() - at)).cloned()
            }
        });
        let is = is.collect();
        Met { is, gone: by_hash.into_values().collect() }
    }
}

struct Met<'l> {
    is: Vec<Option<Entry>>,
    gone: Vec<&'l Entry>,
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
