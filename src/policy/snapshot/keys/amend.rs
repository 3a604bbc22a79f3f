//! Other keys under the same policy, without compiling it anew.

use std::sync::Arc;

use hashbrown::HashSet;

use super::super::catalog::Catalog;
use super::super::ceiling::Ceiling;
use super::super::holder::Reader;
use super::super::names::Map;
use super::super::record::Key;
use super::super::workspaces::Workspaces;
use super::Keys;
use super::base::Base;
use super::ids::Ids;
use super::overlay::{Added, Overlay, Stand};
use crate::policy::draft::{DraftCeiling, DraftKey};
use crate::policy::key::KeyDigest;
use crate::policy::problem::Severity;

/// So many changes are carried on beside the compiled records, and one more for each so many of
/// those: past it, looking them up and copying them is no longer for nothing.
const FEWEST: usize = 1000;
const SHARE: usize = 100;

impl Keys {
    /// These keys without those of the digests `gone`, and with `came`. Nothing where it is for the
    /// compiler to say what is so: where there is a problem, were it a warning, or was one with what
    /// is gone; where a name means something by other records; where there are many changes.
    pub(in super::super) fn amended(
        &self,
        gone: &[KeyDigest],
        came: &[DraftKey],
        catalog: &Catalog,
        workspaces: &Workspaces,
    ) -> Option<Self> {
        let most = FEWEST + self.base.len() / SHARE;
        let mut gone: Set<KeyDigest> = gone.iter().copied().collect();
        let mut draft = Draft::of(self)?;
        let mut new = Vec::new();
        let mut ceilings: Map<&DraftCeiling, u32> = Map::default();
        for record in came {
            let mut problems = Vec::new();
            self.base.check(record, &mut problems);
            // Another name would be one of the policy's accounts from now on.
            let account = workspaces.accounts().exact(&record.account)?;
            let mut reader = Reader { catalog, workspaces, problems: &mut problems, draft: record };
            let key = Key::new(record, reader.holder(account), 0);
            let ceiling = record.ceiling.as_ref().map(|written| (written, reader.ceiling(written)));
            let says = ceiling.as_ref().map_or(&Ceiling::OPEN, |(_, ceiling)| ceiling);
            let well = problems.iter().all(|problem| problem.severity == Severity::Warning);
            if well && gone.contains(&record.digest) && self.is_as_before(record, &key, says) {
                gone.remove(&record.digest);
                continue;
            }
            if !problems.is_empty() || new.len() == most {
                return None;
            }
            let ceiling = ceiling.map_or(0, |(written, ceiling)| {
                *ceilings.entry(written).or_insert_with(|| draft.ceiling(ceiling))
            });
            new.push((record, Key { ceiling, ..key }));
        }
        if gone.len() > most {
            return None;
        }
        gone.iter().try_for_each(|digest| draft.remove(digest))?;
        draft.free_ids();
        new.into_iter().try_for_each(|(record, key)| draft.add(record, key))?;
        let overlay = draft.finish();
        let few = overlay.stands().len().max(overlay.ceilings.len()) <= most;
        few.then(|| Self { base: Arc::clone(&self.base), overlay: Some(Arc::new(overlay)) })
    }

    /// Whether the record of that digest is this one, whatever the number of its ceiling.
    fn is_as_before(&self, record: &DraftKey, key: &Key, ceiling: &Ceiling) -> bool {
        self.of(&record.digest).is_some_and(|told| {
            told.id == &*record.id
                && Key { ceiling: 0, ..told.key.clone() } == *key
                && self.ceiling(told.key) == Some(ceiling)
        })
    }
}

type Set<T> = HashSet<T, foldhash::fast::FixedState>;

/// An overlay in the making.
struct Draft<'k> {
    base: &'k Base,
    known: &'k Ids,
    stands: Map<KeyDigest, Stand>,
    ceilings: Vec<Ceiling>,
    /// Ids of compiled records that are no longer.
    free: Set<&'k str>,
    /// Ids of records that came.
    taken: Set<Box<str>>,
}

impl<'k> Draft<'k> {
    fn of(keys: &'k Keys) -> Option<Self> {
        let before = keys.overlay.as_deref();
        let stands = before.map(Overlay::stands).unwrap_or_default();
        Some(Self {
            base: &keys.base,
            known: keys.base.known.as_ref()?,
            stands: stands.iter().map(|stand| (stand.digest, stand.clone())).collect(),
            ceilings: before.map(|before| before.ceilings.clone()).unwrap_or_default(),
            free: Set::default(),
            taken: Set::default(),
        })
    }

    fn remove(&mut self, digest: &KeyDigest) -> Option<()> {
        if let Some(stand) = self.stands.get_mut(digest) {
            return stand.added.take().map(drop);
        }
        let (number, key) = self.base.of_digest(digest)?;
        if key.is_warned_of() {
            return None;
        }
        let stand = Stand { digest: *digest, hides: Some(number), added: None };
        self.stands.insert(*digest, stand);
        Some(())
    }

    /// Once all is removed, and before anything is added.
    fn free_ids(&mut self) {
        for stand in self.stands.values() {
            self.free.extend(stand.hides.map(|number| self.base.id(number)));
            self.taken.extend(stand.added.as_ref().map(|added| added.id.clone()));
        }
    }

    fn ceiling(&mut self, ceiling: Ceiling) -> u32 {
        self.ceilings.push(ceiling);
        (self.base.ceilings.len() + self.ceilings.len() - 1) as u32
    }

    fn add(&mut self, record: &DraftKey, key: Key) -> Option<()> {
        let is_free = self.free.contains(&*record.id) || !self.known.may_have(&record.id);
        if !is_free || !self.taken.insert(record.id.clone()) || !self.base.has(record.digest.kind) {
            return None;
        }
        let digest = record.digest;
        let is_compiled = !self.stands.contains_key(&digest);
        if is_compiled && self.base.of_digest(&digest).is_some() {
            return None;
        }
        let stand = self.stands.entry(digest);
        let stand = stand.or_insert(Stand { digest, hides: None, added: None });
        let before = stand.added.replace(Added { key, id: record.id.clone() });
        before.is_none().then_some(())
    }

    fn finish(self) -> Overlay {
        let says = |stand: &Stand| stand.hides.is_some() || stand.added.is_some();
        Overlay::new(self.stands.into_values().filter(says).collect(), self.ceilings)
    }
}
