//! Workspaces: who is a member, what they reach, what is subscribed to.

use super::access::{AccessId, Interner};
use super::accounts::Accounts;
use super::catalog::Catalog;
use super::members::Membership;
use super::names::Names;
use crate::policy::draft::{DraftAccount, DraftSubscription, DraftWorkspace, Subscription};
use crate::policy::level::Level;
use crate::policy::lint::Lint;
use crate::policy::problem::{At, Problem};
use crate::policy::time::UnixSeconds;

/// Every workspace and every account.
#[derive(Debug, Default)]
pub(in crate::policy) struct Workspaces {
    pub(in crate::policy) names: Names,
    pub(in crate::policy) environments: Names,
    list: Vec<Workspace>,
    accounts: Accounts,
}

/// The isolation boundary.
#[derive(Debug)]
pub(in crate::policy) struct Workspace {
    pub(in crate::policy) environment: u32,
    pub(in crate::policy) suspended: bool,
    /// By account, in order.
    members: Box<[Member]>,
    /// By product, in order.
    subscriptions: Box<[(u32, Subscribed)]>,
}

/// An account in a workspace.
#[derive(Debug, Clone, Copy)]
pub(in crate::policy) struct Member {
    pub(in crate::policy) account: u32,
    pub(in crate::policy) role: u32,
    pub(in crate::policy) access: AccessId,
}

/// A workspace's product.
#[derive(Debug, Clone, Copy)]
pub(in crate::policy) struct Subscribed {
    state: Subscription,
    ends: UnixSeconds,
}

impl Subscribed {
    /// The level above which nothing goes at `now`.
    pub(in crate::policy) fn limit(self, now: UnixSeconds) -> Level {
        if now >= self.ends { Level::None } else { self.state.limit() }
    }

    /// The second from which on nothing goes.
    pub(in crate::policy) fn ends(self) -> UnixSeconds {
        self.ends
    }
}

impl Workspace {
    pub(in crate::policy) fn member(&self, account: u32) -> Option<Member> {
        let at = self.members.binary_search_by_key(&account, |member| member.account).ok()?;
        self.members.get(at).copied()
    }

    pub(in crate::policy) fn members(&self) -> impl Iterator<Item = Member> {
        self.members.iter().copied()
    }

    pub(in crate::policy) fn subscription(&self, product: u32) -> Option<Subscribed> {
        let at = self.subscriptions.binary_search_by_key(&product, |(product, _)| *product).ok()?;
        self.subscriptions.get(at).map(|(_, subscribed)| *subscribed)
    }
}

impl Workspaces {
    pub(super) fn compile(
        drafts: &[DraftWorkspace],
        accounts: &[DraftAccount],
        catalog: &Catalog,
        tables: &mut Interner,
        problems: &mut Vec<Problem>,
    ) -> Self {
        let mut workspaces = Self::default();
        for draft in drafts {
            let declared = workspaces.names.declare("workspace", &draft.name, problems).is_some();
            if let Some(workspace) = workspaces.workspace(draft, catalog, tables, problems)
                && declared
            {
                workspaces.list.push(workspace);
            }
        }
        for account in accounts {
            workspaces.accounts.suspend(account, problems);
        }
        workspaces
    }

    pub(in crate::policy) fn workspace_at(&self, workspace: u32) -> Option<&Workspace> {
        self.list.get(workspace as usize)
    }

    pub(in crate::policy) fn accounts(&self) -> &Accounts {
        &self.accounts
    }

    pub(super) fn accounts_mut(&mut self) -> &mut Accounts {
        &mut self.accounts
    }

    fn workspace(
        &mut self,
        draft: &DraftWorkspace,
        catalog: &Catalog,
        tables: &mut Interner,
        problems: &mut Vec<Problem>,
    ) -> Option<Workspace> {
        let subject = format!("workspace `{}`", draft.name.value);
        let environment = self.environment(&subject, &draft.environment, problems);
        let mut members = Membership::default();
        for (account, role) in &draft.members {
            let number = self.accounts.declare(account, problems);
            let role = catalog.role(&subject, role, problems);
            match (number, role) {
                (Some(number), Some(role)) => members.add(number, &account.value, role, catalog),
                (None, _) | (_, None) => members.add_unclear(&account.value),
            }
        }
        self.pending(draft, &members, catalog, problems);
        check_owners(draft, catalog, problems);
        check_seats(draft, &subject, problems);
        members.groups(draft, &subject, problems);
        let subscriptions = subscriptions(&draft.products, &subject, catalog, problems);
        for grant in &draft.grants {
            members.grant(grant, &subject, &subscriptions, catalog, problems);
        }
        Some(Workspace {
            environment: environment?,
            suspended: draft.suspended,
            members: members.finish(tables),
            subscriptions,
        })
    }

    /// Pending members are in no table: nothing is open to them.
    fn pending(
        &mut self,
        draft: &DraftWorkspace,
        members: &Membership<'_>,
        catalog: &Catalog,
        problems: &mut Vec<Problem>,
    ) {
        for pending in &draft.pending {
            let account = &pending.account;
            let subject =
                format!("workspace `{}`: pending member `{}`", draft.name.value, account.value);
            self.accounts.declare(account, problems);
            catalog.role(&subject, &pending.role, problems);
            if members.has(&account.value) {
                let problem = Problem::error(account.place, format!("{subject} is a member"));
                problems.push(problem.hint("take it out of `pending`"));
            }
        }
    }

    fn environment(
        &mut self,
        subject: &str,
        name: &At<String>,
        problems: &mut Vec<Problem>,
    ) -> Option<u32> {
        if let Some(known) = self.environments.number(&name.value) {
            return Some(known);
        }
        if !is_environment(&name.value) {
            problems.push(
                Problem::error(
                    name.place,
                    format!("{subject}: environment `{}` is not a name", name.value),
                )
                .hint("an environment has lower-case letters, digits and `-`: it stands in keys"),
            );
        }
        self.environments.insert(name).ok()
    }
}

/// The name of an environment stands between the `_` of a key.
pub(in crate::policy) fn is_environment(name: &str) -> bool {
    (1..=32).contains(&name.len())
        && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
}

fn subscriptions(
    drafts: &[DraftSubscription],
    subject: &str,
    catalog: &Catalog,
    problems: &mut Vec<Problem>,
) -> Box<[(u32, Subscribed)]> {
    let mut list: Vec<_> = drafts
        .iter()
        .filter_map(|draft| {
            let product = catalog.product(subject, &draft.product, problems)?;
            let ends = draft.ends.unwrap_or(UnixSeconds::DISTANT_FUTURE);
            Some((product, Subscribed { state: draft.state, ends }))
        })
        .collect();
    list.sort_unstable_by_key(|(product, _)| *product);
    list.into_boxed_slice()
}

fn check_owners(draft: &DraftWorkspace, catalog: &Catalog, problems: &mut Vec<Problem>) {
    let named = catalog.roles.number("owner").is_some();
    let is_owner = |role: &str| catalog.roles.number(role).is_some_and(|it| catalog.is_owner(it));
    let owners = draft.members.iter().filter(|(_, role)| is_owner(&role.value)).count();
    let subject = format!("workspace `{}`", draft.name.value);
    match owners {
        0 => problems.push(
            Problem::error(draft.name.place, format!("{subject} has no owner")).hint(if named {
                "give a member the role `owner`"
            } else {
                "declare a role `owner`, or one with `bypass = true`, and give it to a member"
            }),
        ),
        1 => problems.push(
            Problem::warning(Lint::OneOwner, draft.name.place, format!("{subject} has one owner"))
                .hint("a second one keeps it reachable when the first is away"),
        ),
        _ => {}
    }
}

fn check_seats(draft: &DraftWorkspace, subject: &str, problems: &mut Vec<Problem>) {
    let (members, pending) = (draft.members.len(), draft.pending.len());
    if let Some(seats) = &draft.seats
        && members + pending > seats.value as usize
    {
        let pending = if pending == 0 { String::new() } else { format!(" and {pending} pending") };
        problems.push(
            Problem::error(
                seats.place,
                format!("{subject} has {members} members{pending} on {} seats", seats.value),
            )
            .hint("raise `seats` or remove members"),
        );
    }
}
