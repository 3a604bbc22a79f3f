//! What is told of keys to who compares two snapshots.

use super::{Ceiling, Key, Keys};
use crate::policy::key::{DigestKind, Pepper};
use crate::policy::time::UnixSeconds;

/// A record.
#[derive(Debug, Clone, Copy)]
pub(in crate::policy) struct Told<'k> {
    pub(in crate::policy) id: &'k str,
    pub(in crate::policy) kind: Option<DigestKind>,
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
        let before = |time| (time != UnixSeconds::DISTANT_FUTURE).then_some(time);
        Times {
            not_before: (self.not_before != UnixSeconds::DISTANT_PAST).then_some(self.not_before),
            expires: before(self.expires),
            revoked: before(self.revoked),
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
        self.iter().enumerate().map(|(number, key)| {
            let is_of = |kind: &DigestKind| {
                let directory = self.directories.get(*kind as usize).filter(|all| !all.is_empty());
                directory.is_some_and(|all| all.range(&key.digest).contains(&number))
            };
            Told { id: self.id(key), kind: DigestKind::ALL.into_iter().find(is_of), key }
        })
    }

    pub(in crate::policy) fn ceiling_at(&self, number: u32) -> Option<&Ceiling> {
        self.ceilings.get(number as usize)
    }

    pub(in crate::policy) fn pepper(&self) -> Option<&Pepper> {
        self.pepper.as_ref()
    }
}
