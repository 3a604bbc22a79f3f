//! Workspaces: who is a member, what they reach, what is subscribed to.

use super::access::{AccessId, Draft, Interner};
use super::catalog::Catalog;
use super::names::{Map, Names, is_account};
use crate::policy::draft::{
    DraftAccount, DraftGrant, DraftSubscription, DraftWorkspace, Gift, Grantee, Subscription,
};
use crate::policy::level::Level;
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

/// Accounts by name. Names that differ only in case are refused, so that a name captured from a
/// path finds its account however the client spelled it.
#[derive(Debug, Default)]
pub(in crate::policy) struct Accounts {
    names: Vec<Box<str>>,
    suspended: Vec<bool>,
    by_lower_case: Map<Box<str>, u32>,
}

impl Accounts {
    pub(in crate::policy) fn name(&self, account: u32) -> &str {
        self.names.get(account as usize).map_or("", |name| name)
    }

    pub(in crate::policy) fn is_suspended(&self, account: u32) -> bool {
        self.suspended.get(account as usize).copied().unwrap_or(false)
    }

    /// The account of that name, in any case.
    pub(in crate::policy) fn find(&self, name: &str) -> Option<u32> {
        self.by_lower_case.get(name.to_ascii_lowercase().as_str()).copied()
    }

    fn exact(&self, name: &str) -> Option<u32> {
        self.find(name).filter(|account| self.name(*account) == name)
    }

    fn declare(&mut self, name: &At<String>, problems: &mut Vec<Problem>) -> Option<u32> {
        if let Some(account) = self.find(&name.value) {
            if self.name(account) != name.value {
                problems.push(
                    Problem::error(
                        name.place,
                        format!("account `{}` differs from another only in case", name.value),
                    )
                    .hint(format!("write `{}`", self.name(account))),
                );
                return None;
            }
            return Some(account);
        }
        if !is_account(&name.value) {
            problems.push(
                Problem::error(name.place, format!("account `{}` is not a name", name.value)).hint(
                    "an account has 1 to 254 visible ASCII characters without quotes, commas, slashes and backslashes",
                ),
            );
        }
        let account = self.names.len() as u32;
        self.names.push(name.value.as_str().into());
        self.suspended.push(false);
        self.by_lower_case.insert(name.value.to_ascii_lowercase().into_boxed_str(), account);
        Some(account)
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
            workspaces.suspend(account, problems);
        }
        workspaces
    }

    pub(in crate::policy) fn workspace_at(&self, workspace: u32) -> Option<&Workspace> {
        self.list.get(workspace as usize)
    }

    pub(in crate::policy) fn accounts(&self) -> &Accounts {
        &self.accounts
    }

    pub(super) fn account(&mut self, name: &str) -> u32 {
        let place = crate::policy::problem::Place::default();
        self.accounts.declare(&At::new(name.to_owned(), place), &mut Vec::new()).unwrap_or(u32::MAX)
    }

    fn suspend(&mut self, account: &DraftAccount, problems: &mut Vec<Problem>) {
        match self.accounts.exact(&account.name.value) {
            Some(number) => {
                if let Some(suspended) = self.accounts.suspended.get_mut(number as usize) {
                    *suspended = account.suspended;
                }
            }
            None => problems.push(
                Problem::error(
                    account.name.place,
                    format!("account `{}` is a member of no workspace", account.name.value),
                )
                .did_you_mean(&account.name.value, self.accounts.names.iter().map(|name| &**name)),
            ),
        }
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
            let account = self.account_of(account, problems);
            let role = catalog.role(&subject, role, problems);
            if let (Some((account, name)), Some(role)) = (account, role) {
                members.add(account, name, role, catalog);
            }
        }
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

    fn account_of<'d>(
        &mut self,
        name: &'d At<String>,
        problems: &mut Vec<Problem>,
    ) -> Option<(u32, &'d str)> {
        self.accounts.declare(name, problems).map(|account| (account, name.value.as_str()))
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

/// The members of one workspace in the making.
#[derive(Debug, Default)]
struct Membership<'d> {
    members: Vec<(u32, u32, Draft)>,
    numbers: Map<&'d str, usize>,
    groups: Map<&'d str, Vec<usize>>,
}

impl<'d> Membership<'d> {
    fn add(&mut self, account: u32, name: &'d str, role: u32, catalog: &Catalog) {
        if let Some(levels) = catalog.levels_of(role) {
            self.numbers.insert(name, self.members.len());
            self.members.push((account, role, Draft::of_role(levels)));
        }
    }

    fn groups(&mut self, draft: &'d DraftWorkspace, subject: &str, problems: &mut Vec<Problem>) {
        for (group, accounts) in &draft.groups {
            let subject = format!("{subject}: group `{}`", group.value);
            let members = accounts
                .iter()
                .filter_map(|account| self.member(&subject, account, &account.value, problems))
                .collect();
            self.groups.insert(&group.value, members);
        }
    }

    fn member<T>(
        &self,
        subject: &str,
        at: &At<T>,
        account: &str,
        problems: &mut Vec<Problem>,
    ) -> Option<usize> {
        let member = self.numbers.get(account).copied();
        if member.is_none() {
            problems.push(
                Problem::error(
                    at.place,
                    format!("{subject}: account `{account}` is not a member of the workspace"),
                )
                .did_you_mean(account, self.numbers.keys().copied()),
            );
        }
        member
    }

    fn grant(
        &mut self,
        grant: &'d DraftGrant,
        subject: &str,
        subscriptions: &[(u32, Subscribed)],
        catalog: &Catalog,
        problems: &mut Vec<Problem>,
    ) {
        let subject = format!("{subject}: grant");
        let who = self.grantees(&subject, &grant.to, problems);
        let (areas, rows) = gift(&subject, &grant.gives, subscriptions, catalog, problems);
        for member in who {
            if let Some((_, _, access)) = self.members.get_mut(member) {
                access.grant_areas(&areas);
                rows.iter().for_each(|(row, level)| access.grant_row(*row, *level));
            }
        }
    }

    fn grantees(&self, subject: &str, to: &At<Grantee>, problems: &mut Vec<Problem>) -> Vec<usize> {
        match &to.value {
            Grantee::Account(account) => {
                self.member(subject, to, account, problems).into_iter().collect()
            }
            Grantee::Group(group) => match self.groups.get(group.as_str()) {
                Some(members) => members.clone(),
                None => {
                    problems.push(
                        Problem::error(to.place, format!("{subject}: unknown group `{group}`"))
                            .did_you_mean(group, self.groups.keys().copied()),
                    );
                    Vec::new()
                }
            },
        }
    }

    fn finish(self, tables: &mut Interner) -> Box<[Member]> {
        let mut members: Vec<_> = self
            .members
            .into_iter()
            .map(|(account, role, draft)| Member { account, role, access: tables.intern(draft) })
            .collect();
        members.sort_unstable_by_key(|member| member.account);
        members.into_boxed_slice()
    }
}

type Rows = Vec<(super::catalog::Row, Level)>;

fn gift(
    subject: &str,
    gift: &Gift,
    subscriptions: &[(u32, Subscribed)],
    catalog: &Catalog,
    problems: &mut Vec<Problem>,
) -> (Box<[Level]>, Rows) {
    let product = match gift {
        Gift::Areas(rows) => {
            return (catalog.area_levels(subject, rows, problems), Rows::new());
        }
        Gift::Level(product, _) | Gift::Permissions(product, _) | Gift::Role(product, _) => product,
    };
    let Some(number) = catalog.product(subject, product, problems) else {
        return (Box::default(), Rows::new());
    };
    if subscriptions.binary_search_by_key(&number, |(product, _)| *product).is_err() {
        problems.push(
            Problem::error(
                product.place,
                format!("{subject}: the workspace does not have product `{}`", product.value),
            )
            .did_you_mean(
                &product.value,
                subscriptions.iter().map(|(product, _)| catalog.products.text(*product)),
            ),
        );
    }
    let Some(rows) = catalog.rows_of(number) else { return (Box::default(), Rows::new()) };
    let name = &product.value;
    let rows = match gift {
        Gift::Areas(_) => Rows::new(),
        Gift::Level(_, level) => rows.all().map(|row| (row, *level)).collect(),
        Gift::Permissions(_, levels) => rows.levels(subject, name, levels, problems),
        Gift::Role(_, role) => {
            rows.role(subject, name, role, problems).map(<[_]>::to_vec).unwrap_or_default()
        }
    };
    (Box::default(), rows)
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

/// An owner is a member with the role `owner`; where the policy has no role of that name, a member
/// whose role bypasses (AtomicAGI's Admin).
fn check_owners(draft: &DraftWorkspace, catalog: &Catalog, problems: &mut Vec<Problem>) {
    let named = catalog.roles.number("owner").is_some();
    let is_owner = |role: &str| {
        if named {
            return role == "owner";
        }
        let number = catalog.roles.number(role);
        number.and_then(|number| catalog.levels_of(number)).is_some_and(|levels| levels.bypass)
    };
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
            Problem::warning(draft.name.place, format!("{subject} has one owner"))
                .hint("a second one keeps it reachable when the first is away"),
        ),
        _ => {}
    }
}

fn check_seats(draft: &DraftWorkspace, subject: &str, problems: &mut Vec<Problem>) {
    if let Some(seats) = &draft.seats
        && draft.members.len() > seats.value as usize
    {
        problems.push(
            Problem::error(
                seats.place,
                format!("{subject} has {} members on {} seats", draft.members.len(), seats.value),
            )
            .hint("raise `seats` or remove members"),
        );
    }
}
