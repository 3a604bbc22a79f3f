//! Workspaces: owners, seats, groups, products and their subscriptions.

use std::collections::{BTreeMap, BTreeSet};

use super::code::{Code, Severity};
use super::finding::{Findings, some};
use super::material::{Material, Workspace};
use crate::keystore::Timestamp;
use crate::policy::Level;
use crate::policy::difference::ScopeName;
use crate::policy::draft::{DraftSubscription, Grantee, Subscription};

pub(super) fn look(material: &Material<'_>, findings: &mut Findings) {
    for workspace in &material.workspaces {
        if !workspace.draft.suspended {
            owners(material, workspace, findings);
            products(material, workspace, findings);
        }
        seats(workspace, findings);
        groups(workspace, findings);
    }
    subscribed_by_nobody(material, findings);
    suspended_members(material, findings);
}

/// The place is that of `check`'s warning.
fn owners(material: &Material<'_>, workspace: &Workspace<'_>, findings: &mut Findings) {
    let members = workspace.draft.members.iter();
    let owners = members.filter(|(_, role)| material.is_owner_role(&role.value));
    let owners: Vec<&str> = owners.map(|(account, _)| &*account.value).collect();
    let is_active = |owner: &&&str| !material.is_suspended(owner);
    let active: Vec<&str> = owners.iter().filter(is_active).copied().collect();
    let place = workspace.draft.name.place;
    match active.as_slice() {
        [] => {
            let fact = format!("every owner is suspended: {}", some(&owners));
            findings.add(Code::NoActiveOwner, Severity::High, place, workspace.name(), fact);
        }
        [owner] => {
            let fact = format!("the only owner of {}", workspace.name());
            let rest = owners.len() - 1;
            let fact = if rest > 0 { format!("{fact} who is not suspended") } else { fact };
            findings.add(Code::SoleOwner, Severity::Medium, place, owner, fact);
        }
        _ => {}
    }
}

fn seats(workspace: &Workspace<'_>, findings: &mut Findings) {
    let Some(seats) = &workspace.draft.seats else { return };
    let (members, invited) = (workspace.draft.members.len(), workspace.draft.pending.len());
    let (taken, most) = (members + invited, seats.value as usize);
    let severity = match () {
        () if taken >= most => Severity::Low,
        () if taken * 10 >= most * 9 => Severity::Info,
        () => return,
    };
    let by = if invited == 0 { String::new() } else { format!(", {invited} by invitations") };
    let fact = format!("{taken} of {most} seats are taken{by}");
    findings.add(Code::Seats, severity, seats.place, workspace.name(), fact);
}

/// A group that is empty and granted something is `check`'s to say.
fn groups(workspace: &Workspace<'_>, findings: &mut Findings) {
    let granted = workspace.draft.grants.iter().filter_map(|grant| match &grant.to.value {
        Grantee::Account(_) => None,
        Grantee::Group(name) => Some(name.as_str()),
    });
    let granted: BTreeSet<_> = granted.collect();
    let idle = workspace.draft.groups.iter().filter(|(name, _)| !granted.contains(&*name.value));
    for (group, members) in idle {
        let who: Vec<_> = members.iter().map(|member| &member.value).collect();
        let who = if who.is_empty() { "nobody".to_owned() } else { some(&who) };
        let fact = format!("group of {} with {who}: nothing is granted to it", workspace.name());
        findings.add(Code::GroupWithoutGrants, Severity::Low, group.place, &group.value, fact);
    }
}

fn products(material: &Material<'_>, workspace: &Workspace<'_>, findings: &mut Findings) {
    let reached = reached_by_role_or_grant(material, workspace);
    let keys = keys_by_product(material, workspace);
    for subscription in &workspace.draft.products {
        let DraftSubscription { product, state, ends } = subscription;
        let over = ends.is_some_and(|ends| material.now >= ends);
        let keys = keys.get(&*product.value).map(Vec::as_slice).unwrap_or_default();
        let in_workspace = format!("in {}", workspace.name());
        let live = match state {
            _ if over => None,
            Subscription::Active | Subscription::Trialing => Some(false),
            Subscription::PastDue => Some(true),
            Subscription::Canceled | Subscription::Suspended => None,
        };
        let why = if over { "over" } else { state.name() };
        let held = || format!("{why} {in_workspace}, and keys are live: {}", some(keys));
        match live {
            None if !keys.is_empty() => {
                let code = Code::EndedSubscriptionWithKeys;
                findings.add(code, Severity::Low, product.place, &product.value, held());
            }
            Some(true) if !keys.is_empty() => {
                let code = Code::PastDueWithKeys;
                findings.add(code, Severity::Medium, product.place, &product.value, held());
            }
            None | Some(_) => {}
        }
        if live.is_some() && !reached.contains(&*product.value) {
            let fact =
                format!("{} {in_workspace}, where only bypassing roles reach it", state.name());
            let code = Code::ProductWithoutMembers;
            findings.add(code, Severity::Low, product.place, &product.value, fact);
        }
        if let Some(ends) = ends.filter(|ends| live.is_some() && material.is_soon(*ends))
            && let Some(at) = Timestamp::new(ends)
        {
            let fact =
                format!("{} {in_workspace} until {at}, {}", state.name(), material.until(ends));
            let code = Code::SubscriptionEnds;
            findings.add(code, Severity::Info, product.place, &product.value, fact);
        }
    }
}

/// Products of which a member without a bypassing role holds something.
fn reached_by_role_or_grant<'a>(
    material: &Material<'a>,
    workspace: &Workspace<'a>,
) -> BTreeSet<&'a str> {
    let bypassing = material.draft.roles.iter().filter(|role| role.bypass);
    let bypassing: BTreeSet<_> = bypassing.map(|role| &*role.name.value).collect();
    let holders = workspace.holdings.holders().iter();
    let holders =
        holders.filter(|it| !bypassing.contains(it.role) && !material.is_suspended(it.account));
    let tables: BTreeSet<_> = holders.map(|holder| holder.table).collect();
    let levels = tables.into_iter().flat_map(|table| workspace.holdings.levels(table));
    levels
        .filter_map(|(scope, level)| match scope {
            ScopeName::Product(product, _) if level > Level::None => Some(product),
            ScopeName::Product(..) | ScopeName::Area(_) => None,
        })
        .collect()
}

/// Ids of the live keys that would reach something of a product if its subscription let them.
fn keys_by_product<'a>(
    material: &Material<'a>,
    workspace: &Workspace<'a>,
) -> BTreeMap<&'a str, Vec<&'a str>> {
    let mut keys: BTreeMap<_, Vec<_>> = BTreeMap::new();
    let is_limited = |it: &DraftSubscription| {
        it.state.limit() < Level::Full || it.ends.is_some_and(|ends| material.now >= ends)
    };
    if !workspace.draft.products.iter().any(is_limited) {
        return keys;
    }
    for key in material.keys_of(workspace.name()) {
        let account = &*key.record.account;
        let Some(holder) = workspace.holder(account) else { continue };
        if material.is_suspended(account) {
            continue;
        }
        let reach = workspace.reach(holder, key.record).filter(|(_, level)| *level > Level::None);
        let products = reach.filter_map(|(scope, _)| match scope {
            ScopeName::Area(_) => None,
            ScopeName::Product(product, _) => Some(product),
        });
        for product in products.collect::<BTreeSet<_>>() {
            keys.entry(product).or_default().push(&*key.record.id);
        }
    }
    keys
}

fn subscribed_by_nobody(material: &Material<'_>, findings: &mut Findings) {
    for product in &material.draft.products {
        let name = &product.name;
        if material.workspaces.iter().all(|it| it.subscription(&name.value).is_none()) {
            let code = Code::ProductWithoutWorkspace;
            findings.add(code, Severity::Low, name.place, &name.value, "no workspace has it");
        }
    }
}

fn suspended_members(material: &Material<'_>, findings: &mut Findings) {
    let mut keys: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for key in material.live_keys().filter(|key| material.is_suspended(&key.record.account)) {
        keys.entry(&key.record.account).or_default().push(&key.record.id);
    }
    for account in material.draft.accounts.iter().filter(|account| account.suspended) {
        let name = &*account.name.value;
        let is_here = |it: &&Workspace<'_>| it.holder(name).is_some();
        let at = material.workspaces.iter().filter(is_here).map(|it| {
            let role = it.holder(name).map_or("", |holder| holder.role);
            format!("{role} of {}", it.name())
        });
        let at: Vec<_> = at.collect();
        let place = account.name.place;
        if let Some(keys) = keys.get(name) {
            let fact = format!("suspended, and keys are live: {}", some(keys));
            let code = Code::SuspendedAccountWithKeys;
            findings.add(code, Severity::Medium, place, name, fact);
        }
        if !at.is_empty() {
            let fact = format!("suspended, and still {}", some(&at));
            findings.add(Code::SuspendedMember, Severity::Low, place, name, fact);
        }
    }
    for workspace in material.workspaces.iter().filter(|it| it.draft.suspended) {
        let keys: Vec<_> = material.keys_of(workspace.name()).map(|key| &*key.record.id).collect();
        if !keys.is_empty() {
            let fact = format!("suspended, and keys are live: {}", some(&keys));
            let code = Code::SuspendedWorkspaceWithKeys;
            let (severity, place) = (Severity::Medium, workspace.draft.name.place);
            findings.add(code, severity, place, workspace.name(), fact);
        }
    }
}
