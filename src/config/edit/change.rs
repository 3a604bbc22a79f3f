//! What is to become of a workspace, and the text that says so.

use toml_edit::{Item, TableLike, Value};

use super::layout::{Layout, Splice, Workspace, spliced};
use super::{Unable, entries, grants, meaning};
use crate::policy::Level;
use crate::policy::draft::{DraftGrant, Gift, Grantee, Rows};

/// A change of one workspace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// A pending member becomes one.
    Accept {
        /// The account.
        account: String,
    },
    /// One more grant.
    Grant(NewGrant),
    /// One more pending member.
    Invite {
        /// The account.
        account: String,
        /// The role that it will have.
        role: String,
        /// Today, as a TOML date.
        invited: String,
    },
    /// No longer a member or a pending one, in no group, and without the grants to it alone.
    Remove {
        /// The account.
        account: String,
    },
    /// Without these grants: which one it is, counted from 0, and what stands there.
    Revoke(Vec<(usize, NewGrant)>),
    /// A member has another role.
    SetRole {
        /// The account.
        account: String,
        /// Its role from then on.
        role: String,
    },
}

/// A grant to be written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewGrant {
    /// `account:NAME` or `group:NAME`.
    pub to: String,
    /// What it gives.
    pub gives: Given,
}

/// What a new grant gives; each with names as they are written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Given {
    /// Levels on areas.
    Areas(Vec<(String, Level)>),
    /// A level on a product and all its permissions.
    Level(String, Level),
    /// Levels on permissions of a product.
    Permissions(String, Vec<(String, Level)>),
    /// A role of a product.
    Role(String, String),
}

impl NewGrant {
    /// One that stands there, as if it were new.
    pub fn of(grant: &DraftGrant) -> Self {
        let rows =
            |rows: &Rows| rows.iter().map(|(row, level)| (row.value.clone(), *level)).collect();
        let to = match &grant.to.value {
            Grantee::Account(name) => format!("account:{name}"),
            Grantee::Group(name) => format!("group:{name}"),
        };
        let gives = match &grant.gives {
            Gift::Areas(areas) => Given::Areas(rows(areas)),
            Gift::Level(product, level) => Given::Level(product.value.clone(), *level),
            Gift::Permissions(product, given) => {
                Given::Permissions(product.value.clone(), rows(given))
            }
            Gift::Role(product, role) => Given::Role(product.value.clone(), role.value.clone()),
        };
        Self { to, gives }
    }

    /// Whether it gives the same, in whatever order.
    pub(super) fn is_like(&self, other: &Self) -> bool {
        let sorted = |grant: &Self| {
            let mut grant = grant.clone();
            if let Given::Areas(rows) | Given::Permissions(_, rows) = &mut grant.gives {
                rows.sort_unstable();
            }
            grant
        };
        sorted(self) == sorted(other)
    }
}

/// The text in which `change` is made. What it means was read again and is exactly the change.
pub(super) fn apply(text: &str, workspace: &str, change: &Change) -> Result<String, Unable> {
    let mut new = text.to_owned();
    for step in steps(&new, workspace, change)? {
        let layout = Layout::parse(&new)?;
        let splices = step.splices(layout.workspace(workspace)?, workspace, &layout)?;
        new = spliced(&new, splices);
    }
    if meaning::is(text, &new, workspace, change)? { Ok(new) } else { Err(Unable::form()) }
}

/// One edit in one place.
enum Step<'c> {
    AddGrant(&'c NewGrant),
    AddMember(&'c str, String),
    AddPending(&'c str, String),
    RemoveFrom(&'static str, &'c str),
    RemoveFromGroup(String, &'c str),
    RemoveGrant(usize),
    SetRole(&'c str, &'c str),
}

fn steps<'c>(text: &str, named: &str, change: &'c Change) -> Result<Vec<Step<'c>>, Unable> {
    let layout = Layout::parse(text)?;
    let workspace = layout.workspace(named)?.table;
    Ok(match change {
        Change::Accept { account } => {
            let pending = table(workspace, "pending").and_then(|pending| pending.get(account));
            let role = pending.and_then(Item::as_table_like).and_then(|entry| entry.get("role"));
            let role = role.and_then(Item::as_str).ok_or_else(Unable::form)?;
            vec![
                Step::RemoveFrom("pending", account),
                Step::AddMember(account, entries::text(role)),
            ]
        }
        Change::Grant(grant) => vec![Step::AddGrant(grant)],
        Change::Invite { account, role, invited } => {
            let role = entries::text(role);
            let entry = format!("{{ role = {role}, invited = {invited} }}");
            vec![Step::AddPending(account, entry)]
        }
        Change::Remove { account } => {
            let to = format!("account:{account}");
            let grants = to_of_grants(workspace).into_iter().enumerate();
            let grants = grants.filter(|(_, name)| name.as_deref() == Some(&to));
            let mut grants: Vec<_> = grants.map(|(index, _)| Step::RemoveGrant(index)).collect();
            grants.reverse();
            let mut steps = grants;
            for (group, accounts) in table(workspace, "groups").into_iter().flat_map(|t| t.iter()) {
                let times = accounts.as_array().into_iter().flatten();
                let times = times.filter(|item| item.as_str() == Some(account)).count();
                let step = || Step::RemoveFromGroup(group.to_owned(), account);
                steps.extend(std::iter::repeat_with(step).take(times));
            }
            let tables = ["members", "pending"].into_iter();
            let stands =
                |name: &&str| table(workspace, name).is_some_and(|t| t.contains_key(account));
            steps.extend(tables.filter(stands).map(|name| Step::RemoveFrom(name, account)));
            steps
        }
        Change::Revoke(indices) => {
            let mut indices: Vec<_> = indices.iter().map(|(index, _)| *index).collect();
            indices.sort_unstable();
            indices.reverse();
            indices.into_iter().map(Step::RemoveGrant).collect()
        }
        Change::SetRole { account, role } => vec![Step::SetRole(account, role)],
    })
}

impl Step<'_> {
    fn splices(
        &self,
        found: Workspace<'_>,
        named: &str,
        layout: &Layout<'_>,
    ) -> Result<Vec<Splice>, Unable> {
        let workspace = found.table;
        let item = |name: &str| workspace.get(name).ok_or_else(Unable::form);
        match self {
            Self::AddGrant(grant) => grants::add(found, named, grant, layout),
            Self::AddMember(account, role) => entries::add(item("members")?, account, role, layout),
            Self::AddPending(account, entry) => match workspace.get("pending") {
                Some(pending) if pending.as_table().is_none_or(|table| !table.is_implicit()) => {
                    entries::add(pending, account, entry, layout)
                }
                _ => match found.in_braces() {
                    None => {
                        let pending = ("pending", *account, entry.as_str());
                        entries::add_table(workspace, "members", pending, layout)
                    }
                    Some(item) => {
                        let entry = format!("{{ {} = {entry} }}", entries::name(account));
                        entries::add(item, "pending", &entry, layout)
                    }
                },
            },
            Self::RemoveFrom(table, account) => match item(table)? {
                Item::Table(pending) if *table == "pending" => {
                    let only = pending.len() == 1 && pending.contains_key(account);
                    let section = only.then(|| entries::section_without_comments(pending, layout));
                    match section.flatten() {
                        Some(splices) => Ok(splices),
                        None => entries::remove(item(table)?, account, layout),
                    }
                }
                item => entries::remove(item, account, layout),
            },
            Self::RemoveFromGroup(group, account) => {
                let array = table(workspace, "groups").and_then(|groups| groups.get(group));
                let array = array.and_then(Item::as_array).ok_or_else(Unable::form)?;
                let index = array.iter().position(|item| item.as_str() == Some(account));
                Ok(grants::list(array)?.remove(index.ok_or_else(Unable::form)?, layout))
            }
            Self::RemoveGrant(index) => grants::remove(workspace, *index, layout),
            Self::SetRole(account, role) => {
                entries::set(item("members")?, account, &entries::text(role))
            }
        }
    }
}

fn table<'w>(workspace: &'w dyn TableLike, name: &str) -> Option<&'w dyn TableLike> {
    workspace.get(name).and_then(Item::as_table_like)
}

/// To whom each grant is.
fn to_of_grants(workspace: &dyn TableLike) -> Vec<Option<String>> {
    let text = |item: Option<&Item>| item.and_then(Item::as_str).map(str::to_owned);
    match workspace.get("grant") {
        Some(Item::ArrayOfTables(grants)) => {
            grants.iter().map(|grant| text(grant.get("to"))).collect()
        }
        Some(Item::Value(Value::Array(grants))) => grants
            .iter()
            .map(|grant| grant.as_inline_table()?.get("to")?.as_str().map(str::to_owned))
            .collect(),
        _ => Vec::new(),
    }
}
