//! What is looked at: the policy as written and as compiled, and the key records.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::used::Use;
use crate::keystore::{Record, State};
use crate::policy::difference::ScopeName;
use crate::policy::draft::{Draft, DraftSubscription, DraftWorkspace};
use crate::policy::review::{Holder, Holdings, holdings};
use crate::policy::{Level, Place, Snapshot, UnixSeconds};

/// Everything that findings are made of.
pub(super) struct Material<'a> {
    pub(super) draft: &'a Draft,
    pub(super) now: UnixSeconds,
    /// Seconds from `now` in which what ends ends soon.
    pub(super) soon: i64,
    /// When keys were used, where that is kept.
    pub(super) used: Option<Use<'a>>,
    pub(super) workspaces: Vec<Workspace<'a>>,
    pub(super) keys: Vec<Key<'a>>,
    by_name: HashMap<&'a str, usize>,
    /// Numbers of live keys by workspace.
    live: HashMap<&'a str, Vec<usize>>,
    suspended: HashSet<&'a str>,
}

/// A workspace, its members by name and what they hold.
pub(super) struct Workspace<'a> {
    pub(super) draft: &'a DraftWorkspace,
    pub(super) holdings: Holdings<'a>,
    holders: HashMap<&'a str, Holder<'a>>,
    places: HashMap<&'a str, Place>,
}

/// A key record and where it stands.
#[derive(Clone, Copy)]
pub(super) struct Key<'a> {
    pub(super) record: &'a Record<'static>,
    pub(super) place: Place,
    pub(super) state: State,
}

impl<'a> Material<'a> {
    /// `records` are those of the draft's keys, in the same order.
    pub(super) fn new(
        draft: &'a Draft,
        snapshot: &'a Snapshot,
        records: &'a [Record<'static>],
        used: Option<Use<'a>>,
        now: UnixSeconds,
        soon: i64,
    ) -> Self {
        let workspaces: Vec<_> = draft
            .workspaces
            .iter()
            .zip(holdings(snapshot))
            .map(|(draft, holdings)| Workspace::new(draft, holdings))
            .collect();
        let by_name = workspaces.iter().zip(0..).map(|(it, at)| (&*it.draft.name.value, at));
        let keys = records.iter().zip(&draft.keys).map(|(record, key)| Key {
            record,
            place: key.place,
            state: record.state(now),
        });
        let keys: Vec<_> = keys.collect();
        let mut live: HashMap<&str, Vec<usize>> = HashMap::new();
        for (key, number) in keys.iter().zip(0..).filter(|(key, _)| key.is_live()) {
            live.entry(&key.record.workspace).or_default().push(number);
        }
        let suspended = draft.accounts.iter().filter(|account| account.suspended);
        Self {
            draft,
            now,
            soon,
            used,
            by_name: by_name.collect(),
            keys,
            live,
            suspended: suspended.map(|account| &*account.name.value).collect(),
            workspaces,
        }
    }

    pub(super) fn workspace(&self, name: &str) -> Option<&Workspace<'a>> {
        self.workspaces.get(*self.by_name.get(name)?)
    }

    pub(super) fn is_suspended(&self, account: &str) -> bool {
        self.suspended.contains(account)
    }

    /// Keys that are good, or will be.
    pub(super) fn live_keys(&self) -> impl Iterator<Item = &Key<'a>> {
        self.keys.iter().filter(|key| key.is_live())
    }

    /// The live keys of a workspace.
    pub(super) fn keys_of(&self, workspace: &str) -> impl Iterator<Item = &Key<'a>> {
        let numbers = self.live.get(workspace).map(Vec::as_slice).unwrap_or_default();
        numbers.iter().filter_map(|number| self.keys.get(*number))
    }

    /// Whether it is no more than [`soon`](Self::soon) from now.
    pub(super) fn is_soon(&self, time: UnixSeconds) -> bool {
        time > self.now && time.0.saturating_sub(self.now.0) <= self.soon
    }

    /// `in 11 days`
    pub(super) fn until(&self, time: UnixSeconds) -> String {
        match time.0.saturating_sub(self.now.0) / 86_400 {
            0 => "in less than a day".to_owned(),
            1 => "in 1 day".to_owned(),
            days => format!("in {days} days"),
        }
    }

    /// What bypasses in place of an owner where a policy has no role of that name.
    pub(super) fn is_owner_role(&self, role: &str) -> bool {
        let mut roles = self.draft.roles.iter();
        if roles.clone().any(|role| role.name.value == "owner") {
            return role == "owner";
        }
        roles.any(|it| it.bypass && it.name.value == role)
    }
}

impl<'a> Workspace<'a> {
    fn new(draft: &'a DraftWorkspace, holdings: Holdings<'a>) -> Self {
        let holders = holdings.holders().iter().map(|it| (it.account, *it)).collect();
        let places = draft.members.iter().map(|(name, _)| (&*name.value, name.place)).collect();
        Self { draft, holdings, holders, places }
    }

    pub(super) fn name(&self) -> &'a str {
        &self.draft.name.value
    }

    pub(super) fn holder(&self, account: &str) -> Option<Holder<'a>> {
        self.holders.get(account).copied()
    }

    /// Where a member stands; the workspace itself for anybody else.
    pub(super) fn place_of(&self, account: &str) -> Place {
        self.places.get(account).copied().unwrap_or(self.draft.name.place)
    }

    /// What a key reaches when no subscription stands in its way, on every scope of the workspace.
    pub(super) fn reach(
        &self,
        holder: Holder<'a>,
        record: &Record<'_>,
    ) -> impl Iterator<Item = (ScopeName<'a>, Level)> {
        let levels = self.holdings.levels(holder.table);
        levels.map(move |(scope, level)| (scope, level.min(ceiling(record, scope))))
    }

    pub(super) fn subscription(&self, product: &str) -> Option<&'a DraftSubscription> {
        self.draft.products.iter().find(|it| it.product.value == product)
    }

    /// Its members' names by role.
    pub(super) fn roles(&self) -> BTreeMap<&'a str, Vec<&'a str>> {
        let mut roles: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for (account, role) in &self.draft.members {
            roles.entry(&*role.value).or_default().push(&*account.value);
        }
        roles
    }
}

impl Key<'_> {
    pub(super) fn is_live(&self) -> bool {
        matches!(self.state, State::Active | State::NotYetValid)
    }
}

/// The level that a key's ceiling lets through.
fn ceiling(record: &Record<'_>, scope: ScopeName<'_>) -> Level {
    let Some(ceiling) = &record.ceiling else { return Level::Full };
    let has = |list: &Option<Vec<String>>, name: &str| {
        list.as_deref().unwrap_or_default().iter().any(|it| it == name)
    };
    let open = match scope {
        _ if ceiling.products.is_none() && ceiling.areas.is_none() => true,
        ScopeName::Area(area) => has(&ceiling.areas, area),
        ScopeName::Product(product, _) => has(&ceiling.products, product),
    };
    if open { ceiling.level } else { Level::None }
}
