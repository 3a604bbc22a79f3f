//! Members and keys: who they are, and what they reach.

use super::known::Known;
use super::pairs::pairs;
use super::reach::{Class, Life, Tables};
use super::row::{Effect, Field, Kind, Levels, Row, Subject};
use crate::policy::snapshot::{Key, Member, Snapshot, Times, ToldKey};
use crate::policy::time::UnixSeconds;

/// Both snapshots' members and keys.
pub(super) struct Holders<'s> {
    was: Half<'s>,
    is: Half<'s>,
    now: UnixSeconds,
    tables: Tables<'s>,
}

/// One snapshot's, and the numbers that its names have in the other.
struct Half<'s> {
    snapshot: &'s Snapshot,
    there: Option<Numbers>,
}

/// What the numbers of one snapshot are in another.
struct Numbers {
    workspaces: Vec<Option<u32>>,
    accounts: Vec<Option<u32>>,
}

impl Numbers {
    fn new(snapshot: &Snapshot, other: &Snapshot) -> Self {
        let names = &other.workspaces.names;
        let (accounts, others) = (snapshot.workspaces.accounts(), other.workspaces.accounts());
        let exact = |name: &str| others.find(name).filter(|number| others.name(*number) == name);
        Self {
            workspaces: snapshot.workspaces().map(|name| names.number(name)).collect(),
            accounts: accounts.iter().map(exact).collect(),
        }
    }
}

impl<'s> Half<'s> {
    fn new(snapshot: &'s Snapshot, other: &Snapshot) -> Self {
        let there = (!snapshot.shares_policy(other)).then(|| Numbers::new(snapshot, other));
        Self { snapshot, there }
    }

    fn account_there(&self, number: u32) -> Option<u32> {
        match &self.there {
            Some(there) => there.accounts.get(number as usize).copied().flatten(),
            None => Some(number),
        }
    }

    fn workspace_there(&self, number: u32) -> Option<u32> {
        match &self.there {
            Some(there) => there.workspaces.get(number as usize).copied().flatten(),
            None => Some(number),
        }
    }

    fn class(&self, key: &Key) -> Option<Class> {
        Class::of(self.snapshot, key.workspace, key.account, key.access)
            .map(|class| class.under(key.ceiling_number()))
    }

    fn account(&self, number: u32) -> &'s str {
        self.snapshot.workspaces.accounts().name(number)
    }

    fn workspace(&self, number: u32) -> &'s str {
        self.snapshot.workspaces.names.text(number)
    }

    fn is_suspended(&self, workspace: u32, account: u32) -> bool {
        let workspaces = &self.snapshot.workspaces;
        workspaces.accounts().is_suspended(account)
            || workspaces.workspace_at(workspace).is_some_and(|workspace| workspace.suspended)
    }

    fn members(&self) -> impl Iterator<Item = (u32, Member)> + use<'s> {
        let workspaces = &self.snapshot.workspaces;
        (0..workspaces.names.len() as u32).flat_map(|number| {
            let members = workspaces.workspace_at(number).into_iter().flat_map(|w| w.members());
            members.map(move |member| (number, member))
        })
    }

    fn member(&self, workspace: Option<u32>, account: Option<u32>) -> Option<(u32, Member)> {
        let found = self.snapshot.workspaces.workspace_at(workspace?)?;
        Some((workspace?, found.member(account?)?))
    }
}

impl<'s> Holders<'s> {
    pub(super) fn new(was: &'s Snapshot, is: &'s Snapshot, now: UnixSeconds) -> Self {
        Self {
            was: Half::new(was, is),
            is: Half::new(is, was),
            now,
            tables: Tables::new(was, is, now),
        }
    }

    pub(super) fn members(&mut self) -> Vec<Row<'s>> {
        let mut rows = Vec::new();
        for (number, member) in self.was.members() {
            let there = self.was.workspace_there(number);
            let is = self.is.member(there, self.was.account_there(member.account));
            rows.extend(self.member(Some((number, member)), is));
        }
        for (number, member) in self.is.members() {
            let there = self.is.workspace_there(number);
            let was = self.was.member(there, self.is.account_there(member.account));
            if was.is_none() {
                rows.extend(self.member(None, Some((number, member))));
            }
        }
        rows
    }

    fn member(&mut self, was: Option<(u32, Member)>, is: Option<(u32, Member)>) -> Option<Row<'s>> {
        let class = |half: &Half<'_>, (workspace, member): (u32, Member)| {
            Class::of(half.snapshot, workspace, member.account, Some(member.access))
        };
        let before = was.and_then(|was| class(&self.was, was));
        let after = is.and_then(|is| class(&self.is, is));
        let compared = self.tables.compare(before, after);
        let subject = |half: &Half<'s>, (workspace, member): (u32, Member)| Subject::Member {
            workspace: half.workspace(workspace),
            account: half.account(member.account),
        };
        let (subject, kind) = match (was, is) {
            (Some(_), Some(is)) => (subject(&self.is, is), Kind::Changed),
            (None, Some(is)) => (subject(&self.is, is), Kind::Came),
            (Some(was), None) => (subject(&self.was, was), Kind::Went),
            (None, None) => return None,
        };
        let mut fields = Vec::new();
        if let Some((was, is)) = was.zip(is) {
            let told = |half: &Half<'s>, (workspace, member): (u32, Member)| {
                let suspended = half.is_suspended(workspace, member.account);
                let role = half.snapshot.catalog.roles.text(member.role);
                [("role", role), ("suspended", if suspended { "true" } else { "false" })]
            };
            let both = told(&self.was, was).into_iter().zip(told(&self.is, is));
            let changed = both.filter(|((_, was), (_, is))| was != is);
            fields.extend(changed.map(|((name, was), (_, is))| Field {
                name,
                was: was.into(),
                is: is.into(),
            }));
        }
        if kind == Kind::Changed && fields.is_empty() && !compared.differ() {
            return None;
        }
        let levels = Levels { compared: vec![compared], was: Life::ENDLESS, is: Life::ENDLESS };
        Some(Row::new(subject, kind, Effect::NONE, fields).with_levels(levels))
    }

    pub(super) fn keys(&mut self) -> Vec<Row<'s>> {
        let (before, after) = (&self.was.snapshot.keys, &self.is.snapshot.keys);
        let apart = match self.was.there {
            None => before.apart(after),
            Some(_) => {
                let mut known = Known::new();
                before.apart_unless(after, |was, is| known.of(was, is, || self.is_alike(was, is)))
            }
        };
        let (was, is) = apart.unwrap_or_else(|| (before.told().collect(), after.told().collect()));
        let named = |told: Vec<ToldKey<'s>>| -> Vec<(&'s str, ToldKey<'s>)> {
            told.into_iter().map(|told| (told.id, told)).collect()
        };
        let (was, is) = (named(was), named(is));
        let mut rows = Vec::new();
        pairs(&was, &is, |was, is| rows.extend(self.key(was, is)));
        rows
    }

    /// Of two records of one text and the same times: whether nothing changes.
    fn is_alike(&mut self, was: &Key, is: &Key) -> bool {
        self.is_same_workspace(was, is)
            && self.is_same_account(was, is)
            && !self.tables.compare(self.was.class(was), self.is.class(is)).differ()
    }

    fn key(&mut self, was: Option<ToldKey<'s>>, is: Option<ToldKey<'s>>) -> Option<Row<'s>> {
        let before = was.and_then(|told| self.was.class(told.key));
        let after = is.and_then(|told| self.is.class(told.key));
        let both = was.zip(is);
        let moved = both.is_some_and(|(was, is)| !self.is_same_workspace(was.key, is.key));
        let compared = if moved {
            vec![self.tables.compare(before, None), self.tables.compare(None, after)]
        } else {
            vec![self.tables.compare(before, after)]
        };
        if let Some((was, is)) = both
            && !moved
            && was.is_same_text(is)
            && was.key.times() == is.key.times()
            && self.is_same_account(was.key, is.key)
            && !compared.iter().any(|compared| compared.differ())
        {
            return None;
        }
        let life = |told: Option<ToldKey<'_>>| {
            told.map_or(Life::NONE, |told| {
                let Times { not_before, expires, revoked } = told.key.times();
                Life::new(not_before, [expires, revoked].into_iter().flatten().min(), self.now)
            })
        };
        let levels = Levels { compared, was: life(was), is: life(is) };
        let (mut kind, half, told) = match (was, is) {
            (Some(_), Some(is)) => (Kind::Changed, &self.is, is),
            (None, Some(is)) => (Kind::Came, &self.is, is),
            (Some(was), None) => (Kind::Went, &self.was, was),
            (None, None) => return None,
        };
        let (mut fields, mut effect) = (Vec::new(), Effect::NONE);
        if let Some((was, is)) = both {
            fields = self.fields(was, is);
            // Who had the old text has nothing of the new.
            let rehashed = !was.is_same_text(is);
            effect = Effect {
                gained: rehashed && levels.is != Life::NONE && after.is_some(),
                lost: rehashed && levels.was != Life::NONE && before.is_some(),
            };
            if is.key.times().revoked.is_some() && was.key.times().revoked.is_none() {
                kind = Kind::Revoked;
            }
        }
        let subject = Subject::Key {
            id: told.id,
            account: half.account(told.key.account),
            workspace: half.workspace(told.key.workspace),
        };
        let row = Row::new(subject, kind, effect, fields).with_levels(levels);
        // A change of levels that its own end comes before is none.
        let idle =
            kind == Kind::Changed && row.fields().is_empty() && row.levels().next().is_none();
        (!idle).then_some(row)
    }

    fn is_same_account(&self, was: &Key, is: &Key) -> bool {
        was.account == u32::MAX && is.account == u32::MAX
            || self.was.account_there(was.account) == Some(is.account)
    }

    fn is_same_workspace(&self, was: &Key, is: &Key) -> bool {
        was.workspace == u32::MAX && is.workspace == u32::MAX
            || self.was.workspace_there(was.workspace) == Some(is.workspace)
    }

    fn fields(&self, was: ToldKey<'s>, is: ToldKey<'s>) -> Vec<Field<'s>> {
        let hash = if was.is_same_text(is) { "one" } else { "another" };
        let (was, is) = (was.key, is.key);
        let (before, after) = (was.times(), is.times());
        let fields = [
            (
                "workspace",
                self.was.workspace(was.workspace).into(),
                self.is.workspace(is.workspace).into(),
            ),
            ("account", self.was.account(was.account).into(), self.is.account(is.account).into()),
            ("not_before", before.not_before.into(), after.not_before.into()),
            ("expires", before.expires.into(), after.expires.into()),
            ("revoked", before.revoked.into(), after.revoked.into()),
            ("hash", "one".into(), hash.into()),
        ];
        let changed = fields.into_iter().filter(|(_, was, is)| was != is);
        changed.map(|(name, was, is)| Field { name, was, is }).collect()
    }
}
