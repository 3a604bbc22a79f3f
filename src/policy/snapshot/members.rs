//! The members of one workspace: what their roles, groups and grants give them.

use super::access::{Draft, Interner};
use super::catalog::{Catalog, Row};
use super::names::Map;
use super::workspaces::{Member, Subscribed};
use crate::policy::draft::{DraftGrant, DraftWorkspace, Gift, Grantee};
use crate::policy::level::Level;
use crate::policy::problem::{At, Problem};

/// The members of one workspace in the making.
#[derive(Debug, Default)]
pub(super) struct Membership<'d> {
    members: Vec<(u32, u32, Draft)>,
    numbers: Map<&'d str, usize>,
    groups: Map<&'d str, Vec<usize>>,
    /// Members of whom something else is wrong, which is told by itself.
    unclear: Vec<&'d str>,
}

impl<'d> Membership<'d> {
    pub(super) fn add(&mut self, account: u32, name: &'d str, role: u32, catalog: &Catalog) {
        if let Some(levels) = catalog.levels_of(role) {
            self.numbers.insert(name, self.members.len());
            self.members.push((account, role, Draft::of_role(levels)));
        }
    }

    /// A member whose name or role is not known.
    pub(super) fn add_unclear(&mut self, name: &'d str) {
        self.unclear.push(name);
    }

    pub(super) fn has(&self, account: &str) -> bool {
        self.numbers.contains_key(account) || self.unclear.contains(&account)
    }

    pub(super) fn groups(
        &mut self,
        draft: &'d DraftWorkspace,
        subject: &str,
        problems: &mut Vec<Problem>,
    ) {
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
        if !self.has(account) {
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

    pub(super) fn grant(
        &mut self,
        grant: &'d DraftGrant,
        subject: &str,
        subscriptions: &[(u32, Subscribed)],
        catalog: &Catalog,
        problems: &mut Vec<Problem>,
    ) {
        let subject = format!("{subject}: grant");
        let who = self.grantees(&subject, &grant.to, problems);
        check_product(&subject, &grant.gives, subscriptions, catalog, problems);
        let (areas, rows) = gift(&subject, &grant.gives, catalog, problems);
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

    pub(super) fn finish(self, tables: &mut Interner) -> Box<[Member]> {
        let mut members: Vec<_> = self
            .members
            .into_iter()
            .map(|(account, role, draft)| Member { account, role, access: tables.intern(draft) })
            .collect();
        members.sort_unstable_by_key(|member| member.account);
        members.into_boxed_slice()
    }
}

type Rows = Vec<(Row, Level)>;

/// A workspace without the product has nothing to be granted of it.
fn check_product(
    subject: &str,
    gift: &Gift,
    subscriptions: &[(u32, Subscribed)],
    catalog: &Catalog,
    problems: &mut Vec<Problem>,
) {
    let (Gift::Level(product, _) | Gift::Permissions(product, _) | Gift::Role(product, _)) = gift
    else {
        return;
    };
    let Some(number) = catalog.products.number(&product.value) else { return };
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
}

/// What a grant gives: a level for each area, and levels of rows.
pub(super) fn gift(
    subject: &str,
    gift: &Gift,
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
