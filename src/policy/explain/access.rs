//! What an account has on a scope: every rule that was considered, and what it gave.

use super::route::Matched;
use super::{home, level_of};
use crate::policy::draft::{
    Draft, DraftCeiling, DraftGrant, DraftKey, DraftPending, DraftRole, DraftScope,
    DraftSubscription, DraftWorkspace, Gift, Grantee,
};
use crate::policy::level::Level;
use crate::policy::problem::{At, Place};
use crate::policy::reason::DenyReason;
use crate::policy::time::UnixSeconds;

/// What the key's account has on the route's scope.
#[derive(Debug)]
pub struct Access<'a> {
    /// The key's workspace.
    pub workspace: &'a DraftWorkspace,
    /// Where it says that the account is suspended.
    pub suspended: Option<Place>,
    /// What the route asks for.
    pub scope: Scope<'a>,
    /// The account as a member, and its role there; nothing where it is none.
    pub member: Option<(&'a At<String>, &'a At<String>)>,
    /// The account's invitation that waits to be accepted.
    pub pending: Option<&'a DraftPending>,
    /// The groups that the account is in.
    pub groups: Vec<&'a At<String>>,
    /// The role and every grant to the account or to a group of it, with what each gives here.
    pub sources: Vec<Source<'a>>,
    /// Whether the role gives everything, whatever the grants say.
    pub bypass: bool,
    /// What the account has, before subscription and ceiling.
    pub held: Level,
    /// The workspace's subscription, where the scope is of a product that it has.
    pub subscription: Option<&'a DraftSubscription>,
    /// What the subscription lets through at that time.
    pub subscribed: Level,
    /// What the key lets through.
    pub ceiling: Level,
    /// The lowest of the three; nothing where no one can say.
    pub level: Option<Level>,
}

/// A row that levels are levels on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope<'a> {
    /// An area of the workspace.
    Area(&'a str),
    /// A product, or one of its permissions.
    Product(&'a str, Option<&'a str>),
}

/// A rule that was considered.
#[derive(Debug, Clone, Copy)]
pub struct Source<'a> {
    /// The rule.
    pub origin: Origin<'a>,
    /// What it gives on the scope.
    pub gives: Level,
}

/// What gives a level.
#[derive(Debug, Clone, Copy)]
pub enum Origin<'a> {
    /// A grant.
    Grant(&'a DraftGrant),
    /// The member's role.
    Role(&'a DraftRole),
}

/// The path names an account whose role is protected: the caller needs as much on an area.
#[derive(Debug)]
pub struct Protection<'a> {
    /// The account that the path names, and its role.
    pub member: (&'a At<String>, &'a At<String>),
    /// The area.
    pub area: &'a At<String>,
    /// What the caller has on it, and what gave it.
    pub sources: Vec<Source<'a>>,
    /// What the caller has on it, before the ceiling.
    pub held: Level,
    /// What the key lets through.
    pub ceiling: Level,
}

/// The checks from the workspace on.
pub(super) struct Walk<'a, 'm> {
    pub(super) draft: &'a Draft,
    pub(super) record: &'a DraftKey,
    pub(super) route: &'m Matched<'a>,
    pub(super) now: UnixSeconds,
}

/// What they found.
#[derive(Default)]
pub(super) struct Found<'a> {
    pub(super) access: Option<Access<'a>>,
    pub(super) protection: Option<Protection<'a>>,
    pub(super) blockers: Vec<DenyReason>,
}

impl<'a> Walk<'a, '_> {
    pub(super) fn walk(&self) -> Found<'a> {
        let mut found = Found::default();
        let Some(scope) = Scope::of(&self.route.route.scope) else { return found };
        let named = self.route.workspace.as_deref();
        let Some(workspace) =
            home(self.draft, self.record).filter(|it| named == Some(&*it.name.value))
        else {
            found.blockers.push(DenyReason::WrongWorkspace);
            return found;
        };
        let access = self.access(workspace, scope, &mut found.blockers);
        if access.member.is_some() {
            found.protection = self.protection(workspace, &mut found.blockers);
        }
        found.access = Some(access);
        found
    }

    fn access(
        &self,
        workspace: &'a DraftWorkspace,
        scope: Scope<'a>,
        blockers: &mut Vec<DenyReason>,
    ) -> Access<'a> {
        let account = &*self.record.account;
        let is_account = |name: &At<String>| *name.value == *account;
        let suspended = self.draft.accounts.iter().find(|it| it.suspended && is_account(&it.name));
        let member = workspace.members.iter().find(|(name, _)| is_account(name));
        let pending = workspace.pending.iter().find(|it| is_account(&it.account));
        let standing = self.standing(workspace, scope);
        let subscription = workspace.products.iter().find(|it| scope.is_of(&it.product.value));
        let subscribed = match (scope, subscription) {
            (Scope::Area(_), _) => Level::Full,
            (Scope::Product(..), None) => Level::None,
            (Scope::Product(..), Some(it)) if it.ends.is_some_and(|end| self.now >= end) => {
                Level::None
            }
            (Scope::Product(..), Some(it)) => it.state.limit(),
        };
        let ceiling = ceiling(self.record.ceiling.as_ref(), scope);
        let absent = matches!(scope, Scope::Product(..)) && subscription.is_none();

        blockers.extend(workspace.suspended.then_some(DenyReason::WorkspaceSuspended));
        blockers.extend(suspended.map(|_| DenyReason::AccountSuspended));
        if member.is_none() {
            blockers.push(DenyReason::NotAMember);
        } else if absent {
            blockers.push(DenyReason::ProductAbsent);
        }
        let level = (member.is_some() && !absent)
            .then(|| self.levels(standing.held, subscribed, ceiling, blockers));
        Access {
            workspace,
            suspended: suspended.map(|it| it.name.place),
            scope,
            member: member.map(|(name, role)| (name, role)),
            pending,
            groups: groups(workspace, account),
            sources: standing.sources,
            bypass: standing.bypass,
            held: standing.held,
            subscription: subscription.filter(|_| matches!(scope, Scope::Product(..))),
            subscribed,
            ceiling,
            level,
        }
    }

    fn levels(
        &self,
        held: Level,
        subscribed: Level,
        ceiling: Level,
        blockers: &mut Vec<DenyReason>,
    ) -> Level {
        let needed = self.route.needed;
        blockers.extend((held == Level::None).then_some(DenyReason::NoAccess));
        blockers.extend((subscribed < needed).then_some(DenyReason::SubscriptionInactive));
        blockers.extend((held != Level::None && held < needed).then_some(DenyReason::ViewOnly));
        blockers.extend((ceiling < needed).then_some(DenyReason::KeyCeiling));
        held.min(subscribed).min(ceiling)
    }

    fn protection(
        &self,
        workspace: &'a DraftWorkspace,
        blockers: &mut Vec<DenyReason>,
    ) -> Option<Protection<'a>> {
        let captured = self.route.account.as_deref()?;
        let is_captured = |name: &At<String>| name.value.eq_ignore_ascii_case(captured);
        let (account, role) = workspace.members.iter().find(|(name, _)| is_captured(name))?;
        let protect = &self.route.route.protect;
        let (_, area) = protect.iter().find(|(protected, _)| protected.value == role.value)?;
        let scope = Scope::Area(&area.value);
        let standing = self.standing(workspace, scope);
        let ceiling = ceiling(self.record.ceiling.as_ref(), scope);
        let reached = standing.held.min(ceiling) >= self.route.needed;
        blockers.extend((!reached).then_some(DenyReason::ProtectedAccount));
        let Standing { sources, held, .. } = standing;
        Some(Protection { member: (account, role), area, sources, held, ceiling })
    }

    /// What role and grants give the key's account on a scope.
    fn standing(&self, workspace: &'a DraftWorkspace, scope: Scope<'a>) -> Standing<'a> {
        let account = &*self.record.account;
        let member = workspace.members.iter().find(|(name, _)| *name.value == *account);
        let role = member
            .and_then(|(_, role)| self.draft.roles.iter().find(|it| it.name.value == role.value));
        let bypass = role.is_some_and(|role| role.bypass);
        let groups = groups(workspace, account);
        let is_to = |to: &Grantee| match to {
            Grantee::Account(name) => **name == *account,
            Grantee::Group(name) => groups.iter().any(|group| group.value == *name),
        };
        let grants = workspace.grants.iter().filter(|grant| is_to(&grant.to.value));
        let grants = grants.map(|grant| Source {
            origin: Origin::Grant(grant),
            gives: gives(self.draft, &grant.gives, scope),
        });
        let role = role.map(|role| Source {
            origin: Origin::Role(role),
            gives: match scope {
                _ if role.bypass => Level::Full,
                Scope::Area(area) => level_of(&role.areas, Some(area)),
                Scope::Product(..) => role.products,
            },
        });
        let sources: Vec<_> = role.into_iter().chain(grants).collect();
        let held = sources.iter().map(|source| source.gives).max().unwrap_or_default();
        Standing { sources, bypass, held }
    }
}

struct Standing<'a> {
    sources: Vec<Source<'a>>,
    bypass: bool,
    held: Level,
}

impl<'a> Scope<'a> {
    fn of(scope: &'a DraftScope) -> Option<Self> {
        match scope {
            DraftScope::Public => None,
            DraftScope::Area(area) => Some(Self::Area(&area.value)),
            DraftScope::Product(product, permission) => {
                let permission = permission.as_ref().map(|permission| &*permission.value);
                Some(Self::Product(&product.value, permission))
            }
        }
    }

    fn is_of(self, name: &str) -> bool {
        matches!(self, Self::Product(product, _) if product == name)
    }
}

impl Source<'_> {
    /// Where the rule stands.
    pub fn place(&self) -> Place {
        match self.origin {
            Origin::Grant(grant) => grant.place,
            Origin::Role(role) => role.name.place,
        }
    }
}

impl<'a> Access<'a> {
    /// The rules that the level held comes from: the role, or else every grant that gives as much.
    pub fn decisive(&self) -> impl Iterator<Item = &Source<'a>> {
        decisive(&self.sources, self.held)
    }
}

impl<'a> Protection<'a> {
    /// The rules that the level held comes from: the role, or else every grant that gives as much.
    pub fn decisive(&self) -> impl Iterator<Item = &Source<'a>> {
        decisive(&self.sources, self.held)
    }
}

fn decisive<'s, 'a>(
    sources: &'s [Source<'a>],
    held: Level,
) -> impl Iterator<Item = &'s Source<'a>> {
    let is_role = |source: &Source<'_>| matches!(source.origin, Origin::Role(_));
    let by_role = sources.iter().any(|it| is_role(it) && it.gives == held);
    sources.iter().filter(move |source| {
        held > Level::None && source.gives == held && (!by_role || is_role(source))
    })
}

fn groups<'a>(workspace: &'a DraftWorkspace, account: &str) -> Vec<&'a At<String>> {
    let has = |accounts: &[At<String>]| accounts.iter().any(|it| *it.value == *account);
    let groups = workspace.groups.iter().filter(|(_, accounts)| has(accounts));
    groups.map(|(group, _)| group).collect()
}

fn gives(draft: &Draft, gift: &Gift, scope: Scope<'_>) -> Level {
    match (gift, scope) {
        (Gift::Areas(rows), Scope::Area(area)) => level_of(rows, Some(area)),
        (Gift::Areas(_), Scope::Product(..)) => Level::None,
        (Gift::Level(product, _) | Gift::Permissions(product, _) | Gift::Role(product, _), _)
            if !scope.is_of(&product.value) =>
        {
            Level::None
        }
        (Gift::Level(_, level), _) => *level,
        (Gift::Permissions(_, rows), Scope::Product(_, permission)) => level_of(rows, permission),
        (Gift::Role(product, role), Scope::Product(_, permission)) => {
            let product = draft.products.iter().find(|it| it.name.value == product.value);
            let roles = product.map(|product| product.roles.as_slice()).unwrap_or_default();
            let rows = roles.iter().find(|(name, _)| name.value == role.value);
            rows.map(|(_, rows)| level_of(rows, permission)).unwrap_or_default()
        }
        (Gift::Permissions(..) | Gift::Role(..), Scope::Area(_)) => Level::None,
    }
}

fn ceiling(written: Option<&DraftCeiling>, scope: Scope<'_>) -> Level {
    let Some(ceiling) = written else { return Level::Full };
    let DraftCeiling { level, products, areas } = ceiling;
    let has = |list: &Option<Vec<String>>, name: &str| {
        list.as_deref().unwrap_or_default().iter().any(|it| it == name)
    };
    let open = match scope {
        _ if products.is_none() && areas.is_none() => true,
        Scope::Area(area) => has(areas, area),
        Scope::Product(product, _) => has(products, product),
    };
    if open { *level } else { Level::None }
}
