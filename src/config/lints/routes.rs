//! Routes that are fine by themselves, and what they make of each other.

use crate::policy::draft::{DraftRoute, DraftScope};
use crate::policy::{Lint, Problem, Snapshot, Unheld};

/// Methods that write, so far as those who send them agree (RFC 9110 §9.2.1).
const WRITES: [&str; 4] = ["POST", "PUT", "PATCH", "DELETE"];

/// What is open under what is guarded and the other way round, and reads beside writes.
pub(super) fn check(routes: &[DraftRoute]) -> Vec<Problem> {
    let is_public = |route: &&DraftRoute| matches!(route.scope, DraftScope::Public);
    let areas: Vec<_> = routes.iter().map(Reach::of).collect();
    let (public, guarded): (Vec<_>, Vec<_>) =
        areas.iter().partition(|reach| is_public(&reach.route));
    let mut problems: Vec<_> = routes.iter().filter_map(reads_beside_writes).collect();
    for open in public {
        let name = open.route.label();
        if let Some(over) = guarded.iter().find(|over| over.covers(open)) {
            let over = over.route.label();
            let message = format!("route `{name}`: public, under route `{over}`, which is guarded");
            let problem = Problem::warning(Lint::PublicUnderGuarded, open.route.place, message);
            problems.push(problem.hint("whoever has no key reaches it: is that meant?"));
        }
        let under: Vec<_> = guarded.iter().filter(|under| open.covers(under)).collect();
        if let Some(first) = under.first() {
            let first = first.route.label();
            let message = match under.len() {
                1 => format!("route `{name}`: public, and route `{first}` under it is guarded"),
                more => format!(
                    "route `{name}`: public, and {more} routes under it are guarded, `{first}` first"
                ),
            };
            let problem = Problem::warning(Lint::GuardedUnderPublic, open.route.place, message);
            problems.push(problem.hint("what those do not match is open to everybody"));
        }
    }
    problems
}

/// Routes that nobody passes.
pub(super) fn unheld(routes: &[DraftRoute], snapshot: &Snapshot) -> Vec<Problem> {
    let unheld = snapshot.unheld_routes();
    unheld.filter_map(|(index, why)| Some(nobody(routes.get(index)?, why))).collect()
}

fn nobody(route: &DraftRoute, why: Unheld) -> Problem {
    let (why, hint) = match why {
        Unheld::NoProduct => (
            "no workspace that it is for has the product",
            "add `[workspace.NAME.product.PRODUCT]`, or drop the route",
        ),
        Unheld::Nobody => ("nobody has a level on its scope", "add a grant, or drop the route"),
    };
    let message = format!("route `{}`: {why}", route.label());
    Problem::warning(Lint::UnheldRoute, route.place, message).hint(hint)
}

fn reads_beside_writes(route: &DraftRoute) -> Option<Problem> {
    let views = route.view_methods.as_ref()?;
    let is_view = |method: &str| views.iter().any(|view| view.value == method);
    let takes = |method: &str| match &route.methods {
        Some(methods) => methods.iter().any(|taken| taken.value == method),
        None => true,
    };
    let read =
        views.iter().find(|view| WRITES.contains(&view.value.as_str()) && takes(&view.value))?;
    let writes: Vec<_> = WRITES.into_iter().filter(|it| takes(it) && !is_view(it)).collect();
    if writes.is_empty() {
        return None;
    }
    let (label, read_as, writes) = (route.label(), &read.value, writes.join(", "));
    let message =
        format!("route `{label}`: {read_as} passes with view, while {writes} on it need full");
    let problem = Problem::warning(Lint::WriteAsView, read.place, message);
    Some(problem.hint(format!("if it creates there, too, drop {read_as}; else limit `methods`")))
}

/// What a route matches.
struct Reach<'a> {
    route: &'a DraftRoute,
    segments: Vec<&'a str>,
}

impl<'a> Reach<'a> {
    fn of(route: &'a DraftRoute) -> Self {
        let segments =
            route.prefix.value.split('/').filter(|segment| !segment.is_empty()).collect();
        Self { route, segments }
    }

    /// Whether all that `other` matches would be matched by this one, were `other` not there.
    fn covers(&self, other: &Self) -> bool {
        let host = |reach: &Self| reach.route.host.as_ref().map(|it| it.value.to_lowercase());
        let is_over = |over: &&str, under: &&str| {
            over == under || *over == "*" || (over.starts_with('{') && over.ends_with('}'))
        };
        (self.route.host.is_none() || host(self) == host(other))
            && self.segments.len() <= other.segments.len()
            && self.segments.iter().zip(&other.segments).all(|(over, under)| is_over(over, under))
    }
}
