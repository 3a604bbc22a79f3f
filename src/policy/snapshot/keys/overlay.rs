//! What has changed of the compiled keys.

use hashbrown::HashTable;

use super::super::ceiling::Ceiling;
use super::super::record::Key;
use super::told::Told;
use crate::policy::key::KeyDigest;

/// What stands in place of, and besides, the compiled records.
#[derive(Debug, Default)]
pub(super) struct Overlay {
    stands: Vec<Stand>,
    /// Numbers of stands, by a word of the digest: that is as good as random.
    by_word: HashTable<u32>,
    /// Numbers of the compiled records that are no longer, in order.
    hidden: Vec<u32>,
    /// They count on from the compiled ones.
    pub(super) ceilings: Vec<Ceiling>,
}

/// One digest of which the compiled records do not say what is so.
#[derive(Debug, Clone)]
pub(super) struct Stand {
    pub(super) digest: KeyDigest,
    /// The compiled record, where there is one.
    pub(super) hides: Option<u32>,
    /// The record that is, where there is one.
    pub(super) added: Option<Added>,
}

/// A record that came after the others were compiled.
#[derive(Debug, Clone)]
pub(super) struct Added {
    pub(super) key: Key,
    pub(super) id: Box<str>,
}

/// What an overlay says of a digest.
#[derive(Debug)]
pub(super) enum Says<'o> {
    /// The compiled records say it.
    Nothing,
    /// There is no such key.
    Gone,
    /// This is the key, and its number among the stands.
    Is(u32, &'o Added),
}

impl Overlay {
    /// Of any digest there is one stand.
    pub(super) fn new(stands: Vec<Stand>, ceilings: Vec<Ceiling>) -> Self {
        let mut by_word = HashTable::with_capacity(stands.len());
        let mut hidden: Vec<u32> = stands.iter().filter_map(|stand| stand.hides).collect();
        hidden.sort_unstable();
        for (stand, number) in stands.iter().zip(0..) {
            let word_at =
                |at: &u32| stands.get(*at as usize).map_or(0, |other| word(&other.digest));
            by_word.insert_unique(word(&stand.digest), number, word_at);
        }
        Self { stands, by_word, hidden, ceilings }
    }

    pub(super) fn says(&self, digest: &KeyDigest) -> Says<'_> {
        let stand = |at: &u32| self.stands.get(*at as usize);
        let is_it = |at: &u32| stand(at).is_some_and(|stand| stand.digest == *digest);
        let Some(number) = self.by_word.find(word(digest), is_it) else { return Says::Nothing };
        match stand(number).and_then(|stand| stand.added.as_ref()) {
            Some(added) => Says::Is(*number, added),
            None => Says::Gone,
        }
    }

    pub(super) fn added(&self, number: u32) -> Option<&Added> {
        self.stands.get(number as usize)?.added.as_ref()
    }

    pub(super) fn stands(&self) -> &[Stand] {
        &self.stands
    }

    pub(super) fn hidden(&self) -> &[u32] {
        &self.hidden
    }

    /// How many records came.
    pub(super) fn count(&self) -> usize {
        self.told().count()
    }

    pub(super) fn told(&self) -> impl Iterator<Item = Told<'_>> {
        self.stands.iter().filter_map(|stand| {
            let added = stand.added.as_ref()?;
            Some(Told { id: &added.id, kind: stand.digest.kind, key: &added.key })
        })
    }
}

fn word(digest: &KeyDigest) -> u64 {
    digest.bytes.first_chunk().map_or(0, |word| u64::from_le_bytes(*word))
}
