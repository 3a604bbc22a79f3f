//! Names that are declared, and what they are used for.

use std::collections::BTreeSet;

use crate::policy::draft::{Draft, DraftRole, DraftScope, DraftWorkspace, Grantee};
use crate::policy::{Level, Lint, Place, Problem};

/// Roles whose holders look after the workspace, whatever areas there are.
const ADMINISTRATORS: [&str; 3] = ["owner", "admin", "administrator"];

/// Roles, groups and products.
pub(super) fn check(draft: &Draft) -> Vec<Problem> {
    let mut problems = Vec::new();
    roles(draft, &mut problems);
    draft.workspaces.iter().for_each(|workspace| groups(workspace, &mut problems));
    products(draft, &mut problems);
    problems
}

fn roles(draft: &Draft, problems: &mut Vec<Problem>) {
    let members = draft.workspaces.iter().flat_map(|workspace| &workspace.members);
    let had: BTreeSet<_> = members.map(|(_, role)| role.value.as_str()).collect();
    for role in &draft.roles {
        let name = &role.name.value;
        if !had.contains(name.as_str()) {
            let message = format!("role `{name}` is nobody's");
            let problem = Problem::warning(Lint::UnusedRole, role.name.place, message);
            problems.push(problem.hint("give it to a member, or drop it"));
        }
        if let Some(problem) = wildcard(role) {
            problems.push(problem);
        }
    }
}

fn wildcard(role: &DraftRole) -> Option<Problem> {
    let name = &role.name.value;
    if role.bypass || ADMINISTRATORS.contains(&name.as_str()) {
        return None;
    }
    let (star, level) =
        role.areas.iter().find(|(area, level)| area.value == "*" && *level > Level::None)?;
    let message = format!(
        "role `{name}`: `\"*\"` gives {} on areas that are yet to be declared",
        level.name()
    );
    let problem = Problem::warning(Lint::WildcardAreas, star.place, message);
    Some(problem.hint("name the areas that it is to give"))
}

fn groups(workspace: &DraftWorkspace, problems: &mut Vec<Problem>) {
    let grantees = workspace.grants.iter().filter_map(|grant| match &grant.to.value {
        Grantee::Group(name) => Some(name.as_str()),
        Grantee::Account(_) => None,
    });
    let granted: BTreeSet<_> = grantees.collect();
    for (group, _) in &workspace.groups {
        if !granted.contains(group.value.as_str()) {
            let workspace = &workspace.name.value;
            let message =
                format!("workspace `{workspace}`: group `{}` is granted nothing", group.value);
            let problem = Problem::warning(Lint::IdleGroup, group.place, message);
            problems.push(problem.hint("add a grant to it, or drop it"));
        }
    }
}

fn products(draft: &Draft, problems: &mut Vec<Problem>) {
    let asked: BTreeSet<_> = draft
        .routes
        .iter()
        .filter_map(|route| match &route.scope {
            DraftScope::Product(product, _) => Some(product.value.as_str()),
            DraftScope::Area(_) | DraftScope::Public => None,
        })
        .collect();
    // Without any route, that is what is told.
    let products = draft.products.iter().filter(|_| !draft.routes.is_empty());
    for product in products.filter(|product| !asked.contains(product.name.value.as_str())) {
        let message = format!("no route asks for product `{}`", product.name.value);
        let problem = Problem::warning(Lint::UnroutedProduct, product.name.place, message);
        problems.push(problem.hint("add a `[[route]]` with it, or drop it"));
    }
}

/// Upstreams that no route names.
pub(super) fn unrouted_upstreams(draft: &Draft) -> impl Iterator<Item = Problem> {
    let named: BTreeSet<_> = draft.routes.iter().map(|it| it.upstream.value.as_str()).collect();
    let upstreams = draft.upstreams.iter().filter(|_| !draft.routes.is_empty());
    upstreams.filter(move |name| !named.contains(name.as_str())).map(|name| {
        let message = format!("no route goes to upstream `{name}`");
        Problem::warning(Lint::UnroutedUpstream, Place::default(), message)
            .hint("add a `[[route]]` to it, or drop it")
    })
}

/// Several environments in one policy, and nothing that says which is served.
pub(super) fn unpinned(draft: &Draft) -> Option<Problem> {
    let workspaces = draft.workspaces.iter();
    let environments: BTreeSet<_> = workspaces.map(|it| it.environment.value.as_str()).collect();
    if draft.environment.is_some() || environments.len() < 2 {
        return None;
    }
    let named: Vec<_> = environments.iter().map(|name| format!("`{name}`")).collect();
    let message = format!("keys of every environment are good here: {}", named.join(", "));
    let problem = Problem::warning(Lint::NoPin, Place::default(), message);
    Some(problem.hint("say with `environment` which one is served"))
}
