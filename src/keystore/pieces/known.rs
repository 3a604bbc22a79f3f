//! The pieces of a file as it was.

use blake3::Hash;
use hashbrown::HashTable;

/// Pieces in the order in which they stood, by number and by hash.
#[derive(Debug, Default)]
pub(in crate::keystore) struct Known {
    pieces: Vec<(Hash, usize)>,
    by_hash: HashTable<usize>,
}

impl Known {
    /// `pieces` are their hashes and lengths.
    pub(in crate::keystore) fn new(pieces: impl IntoIterator<Item = (Hash, usize)>) -> Self {
        let pieces: Vec<_> = pieces.into_iter().collect();
        let mut by_hash = HashTable::with_capacity(pieces.len());
        for (number, (hash, _)) in pieces.iter().enumerate() {
            let word_at = |at: &usize| pieces.get(*at).map_or(0, |(hash, _)| word(hash));
            by_hash.insert_unique(word(hash), number, word_at);
        }
        Self { pieces, by_hash }
    }

    /// The hash and the length of one.
    pub(super) fn piece(&self, number: usize) -> Option<(Hash, usize)> {
        self.pieces.get(number).copied()
    }

    /// The number of one.
    pub(super) fn number(&self, hash: &Hash) -> Option<usize> {
        let is_it = |at: &usize| self.pieces.get(*at).is_some_and(|(known, _)| known == hash);
        self.by_hash.find(word(hash), is_it).copied()
    }
}

fn word(hash: &Hash) -> u64 {
    hash.as_bytes().first_chunk().map_or(0, |word| u64::from_le_bytes(*word))
}
