//! What is told of keys to who compares two snapshots.

use super::{Ceiling, Key, Keys, Seconds};
use crate::policy::key::{DigestKind, KeyDigest, Pepper};
use crate::policy::time::UnixSeconds;

/// A record.
#[derive(Debug, Clone, Copy)]
pub(in crate::policy) struct Told<'k> {
    pub(in crate::policy) id: &'k str,
    pub(in crate::policy) kind: DigestKind,
    pub(in crate::policy) key: &'k Key,
}

impl Told<'_> {
    /// Whether it is the record of the same text.
    pub(in crate::policy) fn is_same_text(self, other: Self) -> bool {
        (self.kind, &self.key.digest) == (other.kind, &other.key.digest)
    }
}

/// When a key is good.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::policy) struct Times {
    pub(in crate::policy) not_before: Option<UnixSeconds>,
    pub(in crate::policy) expires: Option<UnixSeconds>,
    pub(in crate::policy) revoked: Option<UnixSeconds>,
}

impl Key {
    pub(in crate::policy) fn times(&self) -> Times {
        let bound = |time: Seconds, unbound| (time != unbound).then(|| UnixSeconds(time.number()));
        Times {
            not_before: bound(self.not_before, Seconds::ALWAYS),
            expires: bound(self.expires, Seconds::NEVER),
            revoked: bound(self.revoked, Seconds::NEVER),
        }
    }

    /// What [`Keys::ceiling_at`] is asked for; 0 is no ceiling at all.
    pub(in crate::policy) fn ceiling_number(&self) -> u32 {
        self.ceiling
    }
}

impl Keys {
    /// Every record with its id and the kind of its digest, in an order that a change of what a
    /// record says leaves as it is.
    pub(in crate::policy) fn told(&self) -> impl Iterator<Item = Told<'_>> {
        DigestKind::ALL.into_iter().zip(&self.shelves).flat_map(move |(kind, shelf)| {
            let records = self.records.get(shelf.first..shelf.rest.end).unwrap_or_default();
            let keys = records.iter().zip(shelf.first as u32..).filter(|(key, _)| !key.is_vacant());
            keys.map(move |(key, number)| Told { id: self.id(number), kind, key })
        })
    }

    /// The record of the same text as one of `others`.
    pub(in crate::policy) fn of_same_text(&self, told: Told<'_>, others: &Self) -> Option<&Key> {
        if told.kind == DigestKind::Blake3Keyed && self.pepper() != others.pepper() {
            return None;
        }
        let digest = KeyDigest { kind: told.kind, bytes: told.key.digest };
        self.record(&digest, self.place(&digest)).map(|(_, key)| key)
    }

    pub(in crate::policy) fn ceiling_at(&self, number: u32) -> Option<&Ceiling> {
        self.ceilings.get(number as usize)
    }

    pub(in crate::policy) fn pepper(&self) -> Option<&Pepper> {
        self.pepper.as_ref()
    }
}
