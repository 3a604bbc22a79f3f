//! What is told of keys to who compares two snapshots.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::super::record::{Key, Seconds};
use super::Keys;
use super::overlay::{Overlay, Says};
use crate::policy::key::{DigestKind, KeyDigest};
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
    /// compiled record says leaves as it is.
    pub(in crate::policy) fn told(&self) -> impl Iterator<Item = Told<'_>> {
        let overlay = self.overlay.as_deref();
        let mut hidden = overlay.map(Overlay::hidden).unwrap_or_default().iter().peekable();
        // Both are in the order of their numbers.
        let compiled =
            self.base.told().filter(move |(number, _)| hidden.next_if_eq(&number).is_none());
        let came = overlay.into_iter().flat_map(Overlay::told);
        compiled.map(|(_, told)| told).chain(came)
    }

    /// Of these keys and of `other`, every record that may not be in both. Nothing where they were
    /// not compiled together.
    pub(in crate::policy) fn apart<'k>(
        &'k self,
        other: &'k Self,
    ) -> Option<(Vec<Told<'k>>, Vec<Told<'k>>)> {
        let is_one = Arc::ptr_eq(&self.base, &other.base);
        is_one.then(|| self.of_either(other, BTreeSet::new()))
    }

    /// As [`apart`](Self::apart), where these may mean something else for `other` is of another
    /// policy: also those that are not `alike`. Nothing where neither was carried on to be the other.
    pub(in crate::policy) fn apart_unless<'k>(
        &'k self,
        other: &'k Self,
        mut alike: impl FnMut(&Key, &Key) -> bool,
    ) -> Option<(Vec<Told<'k>>, Vec<Told<'k>>)> {
        if !self.base.has_places_of(&other.base) {
            return None;
        }
        let both = self.base.records().iter().zip(other.base.records()).zip(0..);
        let differ = both.filter(|((one, other), _)| !one.is_vacant() && !alike(one, other));
        let digests = differ.filter_map(|(_, number)| self.base.digest_of(number)).collect();
        Some(self.of_either(other, digests))
    }

    /// What both say of `digests`, and of those of which either does not say what was compiled.
    fn of_either<'k>(
        &'k self,
        other: &'k Self,
        mut digests: BTreeSet<KeyDigest>,
    ) -> (Vec<Told<'k>>, Vec<Told<'k>>) {
        let stands = [self, other].into_iter().filter_map(|keys| keys.overlay.as_deref());
        digests.extend(stands.flat_map(Overlay::stands).map(|stand| stand.digest));
        let told = |keys: &'k Self| digests.iter().filter_map(|digest| keys.of(digest)).collect();
        (told(self), told(other))
    }

    /// The record of the same text as one of `others`.
    pub(in crate::policy) fn of_same_text(&self, told: Told<'_>, others: &Self) -> Option<&Key> {
        if told.kind == DigestKind::Blake3Keyed && self.pepper() != others.pepper() {
            return None;
        }
        let digest = KeyDigest { kind: told.kind, bytes: told.key.digest };
        self.of(&digest).map(|told| told.key)
    }

    /// Where a record of these keys stands in the order in which [`told`](Self::told) tells them.
    pub(in crate::policy) fn number_of(&self, told: Told<'_>) -> Option<u32> {
        let digest = KeyDigest { kind: told.kind, bytes: told.key.digest };
        self.numbered(&digest).map(|(number, _)| number)
    }

    /// Whether there is a record of that digest.
    #[cfg(test)]
    pub(in crate::policy) fn has(&self, digest: &KeyDigest) -> bool {
        self.of(digest).is_some()
    }

    pub(super) fn of(&self, digest: &KeyDigest) -> Option<Told<'_>> {
        self.numbered(digest).map(|(_, told)| told)
    }

    fn numbered(&self, digest: &KeyDigest) -> Option<(u32, Told<'_>)> {
        let says = self.overlay.as_ref().map_or(Says::Nothing, |overlay| overlay.says(digest));
        let (number, id, key) = match says {
            Says::Gone => return None,
            Says::Is(index, added) => (self.base.end() + index, &*added.id, &added.key),
            Says::Nothing => {
                let (number, key) = self.base.of_digest(digest)?;
                (number, self.base.id(number), key)
            }
        };
        Some((number, Told { id, kind: digest.kind, key }))
    }
}
