//! Which rules the cases touched.
//!
//! A route is touched by a case that is judged by it. A role is touched by a case whose level its
//! member's was part of, allowed or not: that a role gives nothing is worth a case. A grant is
//! touched where an allowed case's level came from it, on the route's scope or on the area that
//! protects an account, and a product role with its grant.

use std::collections::BTreeSet;

use crate::cli::explain::{Answer, Policy, grantee};
use crate::policy::draft::Gift;
use crate::policy::explain::Origin;
use crate::policy::{Decision, Place};

use super::outcome::Untouched;

/// What was touched so far: routes by number, the rest by place.
pub(super) struct Coverage {
    routes: Vec<bool>,
    places: BTreeSet<Place>,
}

impl Coverage {
    pub(super) fn new(policy: &Policy) -> Self {
        let routes = vec![false; policy.snapshot().route_count()];
        Self { routes, places: BTreeSet::new() }
    }

    pub(super) fn touch(&mut self, policy: &Policy, answer: &Answer<'_>) {
        let (allowed, facts) = match &answer.decision {
            Decision::Allow(permit) => (true, permit.facts()),
            Decision::Deny(denial) => (false, denial.facts),
        };
        if let Some(route) = facts.route().and_then(|number| self.routes.get_mut(number)) {
            *route = true;
        }
        let level = policy.snapshot().describe(&facts).level;
        let Some(access) = answer.explanation.access.as_ref().filter(|_| level.is_some()) else {
            return;
        };
        for source in &access.sources {
            if let Origin::Role(role) = source.origin {
                self.places.insert(role.name.place);
            }
        }
        let protection = answer.explanation.protection.iter();
        let sources = access.decisive().chain(protection.flat_map(|it| it.decisive()));
        for source in sources.filter(|_| allowed) {
            let Origin::Grant(grant) = source.origin else { continue };
            self.places.insert(grant.place);
            if let Gift::Role(product, role) = &grant.gives {
                let products = policy.draft().products.iter();
                let roles = products.filter(|it| it.name.value == product.value);
                let mut roles = roles.flat_map(|product| &product.roles);
                let given = roles.find(|(name, _)| name.value == role.value);
                self.places.extend(given.map(|(name, _)| name.place));
            }
        }
    }

    /// In the order of the policy: routes, roles, product roles, grants.
    pub(super) fn untouched(&self, policy: &Policy) -> Vec<Untouched> {
        let draft = policy.draft();
        let untouched = |kind, name, place| Untouched { kind, name, place: policy.place(place) };
        let routes = draft.routes.iter().zip(&self.routes).filter(|(_, touched)| !**touched);
        let routes = routes.map(|(route, _)| untouched("route", route.label(), route.place));
        let is_new = |place: Place| !self.places.contains(&place);
        let roles = draft.roles.iter().filter(|role| is_new(role.name.place));
        let roles = roles.map(|it| untouched("role", it.name.value.clone(), it.name.place));
        let bundles = draft.products.iter().flat_map(|product| {
            product.roles.iter().map(move |(role, _)| (&product.name.value, role))
        });
        let bundles = bundles.filter(|(_, role)| is_new(role.place)).map(|(product, role)| {
            untouched("product role", format!("{product}.{}", role.value), role.place)
        });
        let grants = draft.workspaces.iter().flat_map(|workspace| {
            workspace.grants.iter().map(move |grant| (&workspace.name.value, grant))
        });
        let grants = grants.filter(|(_, grant)| is_new(grant.place)).map(|(workspace, grant)| {
            let name = format!("{workspace}: to {}", grantee(&grant.to.value));
            untouched("grant", name, grant.place)
        });
        routes.chain(roles).chain(bundles).chain(grants).collect()
    }
}
