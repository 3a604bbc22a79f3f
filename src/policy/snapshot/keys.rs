//! Keys by digest: those that the policy was compiled with, and what has changed of them since.
//!
//! A change of a few keys shares all of the others with the snapshot before: it is an [`Overlay`],
//! which is asked first. Where there is none, that costs a request one look.

mod amend;
mod base;
mod carry;
mod ceilings;
mod ids;
mod overlay;
mod told;

use std::sync::Arc;

use super::catalog::Catalog;
use super::ceiling::Ceiling;
use super::record::Key;
use super::workspaces::Workspaces;
use crate::policy::draft::DraftKey;
use crate::policy::key::{KeyDigest, Pepper};
use crate::policy::problem::Problem;

use base::Base;
pub(in crate::policy) use base::Search;
use overlay::{Overlay, Says};
pub(in crate::policy) use told::{Times, Told};

/// Every key record. A clone shares them.
#[derive(Debug, Clone, Default)]
pub(in crate::policy) struct Keys {
    base: Arc<Base>,
    overlay: Option<Arc<Overlay>>,
}

impl Keys {
    pub(super) fn compile(
        drafts: Vec<DraftKey>,
        pepper: Option<Pepper>,
        catalog: &Catalog,
        workspaces: &mut Workspaces,
        problems: &mut Vec<Problem>,
    ) -> Self {
        let base = Base::compile(drafts, pepper, catalog, workspaces, problems);
        Self { base: Arc::new(base), overlay: None }
    }

    /// Starts to look for the key of that text. What is read of far memory is on its way from then
    /// on, so that it is worth doing something else before [`find`](Self::find). Of a text that is
    /// too long for a key nothing is read.
    pub(in crate::policy) fn seek<'t>(&self, text: &'t str) -> Search<'t> {
        self.base.seek(text)
    }

    /// The key of that text, whatever kind of digest is kept of it.
    pub(in crate::policy) fn find(&self, search: &Search<'_>) -> Option<(u32, &Key)> {
        match &self.overlay {
            None => self.base.find(search),
            Some(overlay) => self.find_amended(overlay, search),
        }
    }

    fn find_amended<'k>(
        &'k self,
        overlay: &'k Overlay,
        search: &Search<'_>,
    ) -> Option<(u32, &'k Key)> {
        let found = |digest: &KeyDigest, place| match overlay.says(digest) {
            Says::Nothing => self.base.record(digest, place),
            Says::Gone => None,
            Says::Is(index, added) => Some((self.base.end() + index, &added.key)),
        };
        let (first, place) = &search.first?;
        found(first, *place).or_else(|| {
            let mut others = self.base.others(search);
            others.find_map(|digest| found(&digest, self.base.place(&digest)))
        })
    }

    pub(in crate::policy) fn key(&self, number: u32) -> Option<&Key> {
        match number.checked_sub(self.base.end()) {
            None => self.base.key(number),
            Some(index) => Some(&self.overlay.as_ref()?.added(index)?.key),
        }
    }

    /// The id of the key of that number.
    pub(in crate::policy) fn id(&self, number: u32) -> &str {
        match number.checked_sub(self.base.end()) {
            None => self.base.id(number),
            Some(index) => {
                let added = self.overlay.as_ref().and_then(|overlay| overlay.added(index));
                added.map_or("", |added| &added.id)
            }
        }
    }

    pub(in crate::policy) fn ceiling(&self, key: &Key) -> Option<&Ceiling> {
        self.ceiling_at(key.ceiling)
    }

    /// The ceiling of a [`Key::ceiling_number`].
    pub(in crate::policy) fn ceiling_at(&self, number: u32) -> Option<&Ceiling> {
        let compiled = &self.base.ceilings;
        match (number as usize).checked_sub(compiled.len()) {
            None => compiled.get(number as usize),
            Some(index) => self.overlay.as_ref()?.ceilings.get(index),
        }
    }

    pub(in crate::policy) fn pepper(&self) -> Option<&Pepper> {
        self.base.pepper.as_ref()
    }

    pub(in crate::policy) fn iter(&self) -> impl Iterator<Item = &Key> {
        self.told().map(|told| told.key)
    }

    /// What the number of every record is below.
    pub(in crate::policy) fn numbers(&self) -> usize {
        let added = self.overlay.as_ref().map_or(0, |overlay| overlay.stands().len());
        self.base.end() as usize + added
    }

    pub(in crate::policy) fn len(&self) -> usize {
        self.overlay.as_ref().map_or(self.base.len(), |overlay| {
            self.base.len() - overlay.hidden().len() + overlay.count()
        })
    }

    /// The digest of the key that was the nth of those that the policy was compiled with.
    pub(super) fn digest_of_nth(&self, nth: usize) -> Option<KeyDigest> {
        self.base.digest_of_nth(nth)
    }
}
