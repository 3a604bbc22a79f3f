//! The same keys under another policy, without their records.
//!
//! What a record says of a policy is four numbers: where they mean the same by name, they are all
//! that changes. What a record has said and is not kept (a name that the policy did not have) cannot
//! be asked again: then, and where there would be something to say of a key, the records are needed.

use std::sync::Arc;

use super::super::catalog::Catalog;
use super::super::ceiling::Ceiling;
use super::super::holder::Holder;
use super::super::record::Key;
use super::super::workspaces::Workspaces;
use super::Keys;
use super::overlay::{Added, Overlay, Stand};
use crate::policy::key::Pepper;

impl Keys {
    /// These keys, which were compiled under `was`, under another policy: what compiling their
    /// records would make of them. Nothing where it is for that to say what is so: where a key would
    /// have a problem, were it a warning, or may mean what the policy did not have before.
    pub(in super::super) fn carried(
        &self,
        was: (&Catalog, &Workspaces),
        (catalog, workspaces): (&Catalog, &mut Workspaces),
        pepper: Option<&Pepper>,
    ) -> Option<Self> {
        // Without what is known, a name means one thing or another by what other keys there are.
        let is_known = self.base.known.is_some() && self.pepper() == pepper;
        if !is_known || !self.ceilings_stay(was.0, catalog) {
            return None;
        }
        let accounts = self.accounts(was.1, workspaces)?;
        let carry = Carry::new(was.1, workspaces, accounts);
        let mut records: Option<Vec<Key>> = None;
        for (key, number) in self.compiled() {
            let holder = carry.holder(key)?;
            if !key.is_of(holder) {
                let records = records.get_or_insert_with(|| self.base.records().to_vec());
                *records.get_mut(number)? = key.clone().of(holder);
            }
        }
        let base = match records {
            Some(records) => Arc::new(self.base.with_records(records)),
            None => Arc::clone(&self.base),
        };
        let overlay = match self.overlay.as_deref() {
            Some(overlay) => Some(Arc::new(carry.overlay(overlay)?)),
            None => None,
        };
        Some(Self { base, overlay })
    }

    /// The compiled records that there still are, with their numbers.
    fn compiled(&self) -> impl Iterator<Item = (&Key, usize)> {
        let mut hidden = self.overlay.as_deref().map(Overlay::hidden).unwrap_or_default().iter();
        let mut next = hidden.next();
        self.base.records().iter().zip(0..).filter(move |(key, number)| {
            let is_hidden = next.is_some_and(|hidden| *hidden as usize == *number);
            if is_hidden {
                next = hidden.next();
            }
            !is_hidden && !key.is_vacant()
        })
    }

    /// Whether every ceiling means under the other policy what it does under its own.
    fn ceilings_stay(&self, was: &Catalog, is: &Catalog) -> bool {
        let added = self.overlay.iter().flat_map(|overlay| &overlay.ceilings);
        let mut all = self.base.ceilings.iter().chain(added);
        let is_bare = |ceiling: &Ceiling| ceiling.only.is_none();
        let same =
            was.areas.iter().eq(is.areas.iter()) && was.products.iter().eq(is.products.iter());
        same || all.all(is_bare)
    }

    /// The numbers that the accounts of keys have under the other policy, by those that they had.
    fn accounts(&self, was: &Workspaces, is: &mut Workspaces) -> Option<Vec<Option<u32>>> {
        let mut are_keys: Vec<bool> = was.accounts().iter().map(|_| false).collect();
        let added = self.overlay.iter().flat_map(|overlay| overlay.told()).map(|told| told.key);
        for key in self.compiled().map(|(key, _)| key).chain(added) {
            *are_keys.get_mut(key.account as usize)? = true;
        }
        let number = |(name, is_keys)| match is_keys {
            false => Some(None),
            // What differs from a name only in case is nobody's, and there is no telling of which.
            true => Some(is.accounts_mut().of_key(name)).filter(|it| *it != u32::MAX).map(Some),
        };
        was.accounts().iter().zip(are_keys).map(number).collect()
    }
}

/// From the numbers of one policy to those of another.
struct Carry<'p> {
    is: &'p Workspaces,
    /// Nothing where there is none of that name and environment.
    workspaces: Vec<Option<u32>>,
    /// Nothing where no key is of it.
    accounts: Vec<Option<u32>>,
    /// Whether both have the same workspaces, in the same environments.
    has_same: bool,
}

impl<'p> Carry<'p> {
    fn new(was: &Workspaces, is: &'p Workspaces, accounts: Vec<Option<u32>>) -> Self {
        let environment = |of: &Workspaces, number| {
            of.workspace_at(number).map(|it| of.environments.text(it.environment).to_owned())
        };
        let there = |(name, before): (&str, u32)| {
            let number = is.names.number(name)?;
            (environment(was, before) == environment(is, number)).then_some(number)
        };
        let workspaces: Vec<_> = was.names.iter().zip(0..).map(there).collect();
        let has_same = workspaces.len() == is.names.len() && workspaces.iter().all(Option::is_some);
        Self { is, workspaces, accounts, has_same }
    }

    /// Nothing where there would be something to say of the key.
    fn holder(&self, key: &Key) -> Option<Holder> {
        let account = (*self.accounts.get(key.account as usize)?)?;
        let workspace = match key.workspace {
            // Of none of those that there were.
            u32::MAX => self.has_same.then_some(u32::MAX)?,
            number => (*self.workspaces.get(number as usize)?)?,
        };
        let member = self.is.workspace_at(workspace).and_then(|it| it.member(account));
        let access = member.map(|member| member.access);
        (access.is_some() || !key.is_live()).then_some(Holder { workspace, account, access })
    }

    fn overlay(&self, overlay: &Overlay) -> Option<Overlay> {
        let stand = |stand: &Stand| {
            let added = match &stand.added {
                None => None,
                Some(Added { key, id }) => {
                    Some(Added { key: key.clone().of(self.holder(key)?), id: id.clone() })
                }
            };
            Some(Stand { added, ..stand.clone() })
        };
        let stands = overlay.stands().iter().map(stand).collect::<Option<_>>()?;
        Some(Overlay::new(stands, overlay.ceilings.clone()))
    }
}
