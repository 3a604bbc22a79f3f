//! Who holds what: everything, full, nothing.

use std::collections::{BTreeMap, BTreeSet};

use super::code::{Code, Severity};
use super::finding::{Findings, Holding, counted, some};
use super::material::{Material, Workspace};
use crate::policy::Level;
use crate::policy::difference::ScopeName;

pub(super) fn look(material: &Material<'_>, findings: &mut Findings) {
    bypassing(material, findings);
    for workspace in material.workspaces.iter().filter(|it| !it.draft.suspended) {
        full(material, workspace, findings);
        nothing(material, workspace, findings);
    }
}

fn bypassing(material: &Material<'_>, findings: &mut Findings) {
    for role in material.draft.roles.iter().filter(|role| role.bypass) {
        let name = &*role.name.value;
        let mut holders = Vec::new();
        let mut accounts = BTreeSet::new();
        for workspace in &material.workspaces {
            let Some(members) = workspace.roles().remove(name) else { continue };
            holders.push(format!("{} ({})", workspace.name(), some(&members)));
            accounts.extend(members);
        }
        let fact = match accounts.len() {
            0 => "gives everything; nobody has it".to_owned(),
            count => {
                format!("gives everything to {}: {}", counted(count, "account"), some(&holders))
            }
        };
        // Owners are meant to; whoever else does is easily forgotten.
        let owners = material.is_owner_role(name) || accounts.is_empty();
        let severity = if owners { Severity::Info } else { Severity::Medium };
        findings.add(Code::BypassingRole, severity, role.name.place, name, fact);
    }
}

fn full(material: &Material<'_>, workspace: &Workspace<'_>, findings: &mut Findings) {
    let tables: Vec<_> = (0..workspace.holdings.table_count())
        .map(|table| {
            let levels: Vec<_> = workspace.holdings.levels(table).collect();
            (levels.iter().all(|(_, level)| *level == Level::Full), named_full(&levels))
        })
        .collect();
    let mut groups: BTreeMap<_, Vec<&str>> = BTreeMap::new();
    for holder in workspace.holdings.holders() {
        let Some((everything, scopes)) = tables.get(holder.table) else { continue };
        if !scopes.is_empty() && !material.is_suspended(holder.account) {
            // Those who hold more come first.
            let rank = (!everything, std::cmp::Reverse(scopes.len()), scopes);
            groups.entry(rank).or_default().push(holder.account);
        }
    }
    let place = workspace.draft.name.place;
    for ((partly, _, scopes), accounts) in groups {
        let on = if partly { words(scopes) } else { "everything".to_owned() };
        let fact = format!("full on {on}: {}", some(&accounts));
        findings.add(Code::HoldsFull, Severity::Info, place, workspace.name(), fact);
        findings.access.push(Holding {
            workspace: workspace.name().to_owned(),
            everything: !partly,
            scopes: scopes.clone(),
            accounts: accounts.into_iter().map(str::to_owned).collect(),
        });
    }
}

/// `areas general, members; vault/*`
fn words(scopes: &[String]) -> String {
    let (mut areas, mut rest) = (Vec::new(), Vec::new());
    for scope in scopes {
        match scope.strip_prefix("area ") {
            Some(area) => areas.push(area),
            None => rest.push(scope.as_str()),
        }
    }
    let kind = if areas.len() == 1 { "area" } else { "areas" };
    let areas = (!areas.is_empty()).then(|| format!("{kind} {}", some(&areas)));
    let rest = (!rest.is_empty()).then(|| some(&rest));
    areas.into_iter().chain(rest).collect::<Vec<_>>().join("; ")
}

/// The scopes with full, and `product/*` for a product with all its permissions.
pub(super) fn named_full(levels: &[(ScopeName<'_>, Level)]) -> Vec<String> {
    let mut names = Vec::new();
    let product = |scope: &ScopeName<'_>| match scope {
        ScopeName::Area(_) => None,
        ScopeName::Product(product, _) => Some((*product).to_owned()),
    };
    for rows in levels
        .chunk_by(|(one, _), (other, _)| product(one).is_some() && product(one) == product(other))
    {
        let full = || rows.iter().filter(|(_, level)| *level == Level::Full);
        match rows {
            [(scope, _), _, ..] if full().count() == rows.len() => names.push(format!("{scope}/*")),
            _ => names.extend(full().map(|(scope, _)| scope.to_string())),
        }
    }
    names
}

/// Members who hold no level on anything: they are there for nothing.
fn nothing(material: &Material<'_>, workspace: &Workspace<'_>, findings: &mut Findings) {
    for holder in workspace.holdings.holders() {
        let mut levels = workspace.holdings.levels(holder.table);
        if material.is_suspended(holder.account) || levels.any(|(_, level)| level > Level::None) {
            continue;
        }
        let (place, name) = (workspace.place_of(holder.account), workspace.name());
        let fact = format!("{} of {name}, and reaches nothing there", holder.role);
        let severity = Severity::Low;
        findings.add(Code::AccountReachesNothing, severity, place, holder.account, fact);
    }
}
