//! Routes: where a request belongs, what it needs, where it goes.

mod reader;
mod told;

use super::branches::Branches;
use super::catalog::{Catalog, Row};
use super::names::{Map, Names};
use super::pattern::Capture;
use super::trie::Trie;
use crate::policy::decide::{Query, Upgrade};
use crate::policy::disputed::Disputed;
use crate::policy::draft::DraftRoute;
use crate::policy::host::Host;
use crate::policy::level::Level;
use crate::policy::limits::RouteLimits;
use crate::policy::lint::Lint;
use crate::policy::method::{self, Common, Methods};
use crate::policy::problem::{Place, Problem};
use reader::Reader;
pub(in crate::policy) use told::Told;

/// Every route.
#[derive(Debug, Default)]
pub(in crate::policy) struct Routes {
    trie: Trie,
    list: Vec<Route>,
}

/// A host and path prefix, mapped to a scope and an upstream. What a decision asks of it, and
/// who forwards by it, lies on its first cache line of 64 bytes: of many routes, each line is far.
#[derive(Debug)]
#[repr(C, align(64))]
pub struct Route {
    pub(in crate::policy) scope: Scope,
    pub(in crate::policy) workspace: RouteWorkspace,
    account: Option<Capture>,
    /// How many segments are taken off before forwarding.
    strip: u16,
    common_view: Common,
    common: Common,
    /// What a WebSocket needs; none refuses it.
    upgrade: Level,
    preflight: bool,
    view_methods: Option<Methods>,
    methods: Option<Methods>,
    limits: Option<Box<RouteLimits>>,
    upstream: u32,
    keeps: Disputed,
    name: Box<str>,
    template: Box<str>,
    allow: Box<str>,
    /// By role: the area that is asked for in addition.
    protect: Box<[(u32, u32)]>,
}

/// What a route needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(in crate::policy) enum Scope {
    /// An area of the workspace.
    Area(u32),
    /// A row of a product.
    Product(u32, Row),
    /// Nothing, not even a key.
    Public,
}

/// Whose route it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::policy) enum RouteWorkspace {
    /// This workspace's.
    Fixed(u32),
    /// That of the host's first label.
    Host,
    /// Nobody's: a public route.
    None,
    /// That of a segment of the path.
    Segment(Capture),
}

impl Route {
    /// The label in metrics and logs.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Host and prefix as the policy writes them: what a log shows instead of a path.
    pub fn template(&self) -> &str {
        &self.template
    }

    /// Where it goes: an index into the upstreams that the policy was compiled with.
    pub fn upstream(&self) -> usize {
        self.upstream as usize
    }

    /// What bounds its requests, if anything does.
    pub fn limits(&self) -> Option<&RouteLimits> {
        self.limits.as_deref()
    }

    /// The methods that it takes, as the `Allow` field lists them.
    pub fn allow(&self) -> &str {
        &self.allow
    }

    /// Whether it takes the method, and the upgrade.
    pub(in crate::policy) fn takes(&self, query: &Query<'_>) -> bool {
        self.methods.as_ref().is_none_or(|it| it.contains_by(self.common, query.method))
            && (query.upgrade == Upgrade::None || self.upgrade > Level::None)
    }

    pub(in crate::policy) fn needed(&self, query: &Query<'_>) -> Level {
        let by_method = match &self.view_methods {
            Some(view) if view.contains_by(self.common_view, query.method) => Level::View,
            Some(_) => Level::Full,
            None => method::needed_by_default(query.method),
        };
        match query.upgrade {
            Upgrade::None => by_method,
            Upgrade::Unknown | Upgrade::WebSocket => by_method.max(self.upgrade),
        }
    }

    /// The level without which no method passes.
    pub(in crate::policy) fn least(&self) -> Level {
        let views = |method: &str| match &self.view_methods {
            Some(view) => view.contains(method),
            None => method::needed_by_default(method) == Level::View,
        };
        let taken = match (&self.methods, &self.view_methods) {
            (Some(taken), _) => taken.iter().any(views),
            (None, Some(view)) => view.iter().next().is_some(),
            (None, None) => true,
        };
        if taken { Level::View } else { Level::Full }
    }

    /// Whether preflights without a key go on.
    pub(in crate::policy) fn passes_preflights(&self) -> bool {
        self.preflight
    }

    /// What it lets through of what readers of paths do not agree on.
    pub(in crate::policy) fn keeps(&self) -> Disputed {
        self.keeps
    }

    /// The account that a decoded path captures.
    pub(in crate::policy) fn captured_account<'p>(&self, path: &'p str) -> Option<&'p str> {
        self.account?.of(path)
    }

    pub(in crate::policy) fn protection(&self, role: u32) -> Option<u32> {
        self.protect.iter().find(|(protected, _)| *protected == role).map(|(_, area)| *area)
    }

    /// The areas that `protect` may ask for.
    pub(in crate::policy) fn protecting_areas(&self) -> impl Iterator<Item = u32> {
        self.protect.iter().map(|(_, area)| *area)
    }

    /// Whether the name that a decoded path captures is `name`. Fixed workspaces are compared by
    /// number before this is asked.
    pub(in crate::policy) fn captures(&self, host: &Host<'_>, path: &str, name: &str) -> bool {
        match self.workspace {
            RouteWorkspace::Fixed(_) | RouteWorkspace::None => false,
            RouteWorkspace::Host => {
                host.as_str().split_once('.').is_some_and(|(label, _)| label == name)
            }
            RouteWorkspace::Segment(capture) => capture.of(path) == Some(name),
        }
    }

    pub(in crate::policy) fn strips(&self) -> bool {
        self.strip > 0
    }

    /// The path to forward: whole segments, with their params, taken off where the route strips its prefix.
    pub(in crate::policy) fn forwarded<'p>(&self, path: &'p str) -> &'p str {
        let mut rest = path;
        for _ in 0..self.strip {
            let inner = rest.strip_prefix('/').unwrap_or(rest);
            rest = inner.find('/').and_then(|slash| inner.get(slash..)).unwrap_or("/");
        }
        rest
    }
}

impl Routes {
    pub(super) fn compile(
        drafts: &[DraftRoute],
        upstreams: &[String],
        catalog: &Catalog,
        workspaces: &Names,
        problems: &mut Vec<Problem>,
    ) -> Self {
        let mut routes = Self::default();
        let mut branches = Branches::default();
        let mut names: Map<Box<str>, u32> = Map::default();
        for (number, draft) in drafts.iter().enumerate() {
            let name = draft.label();
            if let Some(first) = names.insert(name.as_str().into(), draft.place.line) {
                problems.push(Problem::error(
                    draft.name.as_ref().map_or(draft.place, |name| name.place),
                    format!("route `{name}` is declared twice, first in line {first}"),
                ));
            }
            let reader =
                Reader { name: name.clone(), draft, catalog, workspaces, upstreams, problems };
            let Some((host, path, route)) = reader.read() else { continue };
            // A route with a fault of its own has a place, too. Where it is not in the list, its
            // fault keeps the list from being used.
            routes.list.extend(route);
            if let Err(before) = branches.insert(&host, &path, number as u32) {
                let before = drafts.get(before as usize).map(DraftRoute::label).unwrap_or_default();
                problems.push(
                    Problem::error(
                        draft.prefix.place,
                        format!("route `{name}`: no order can separate it from route `{before}`"),
                    )
                    .hint("give one of them another host or prefix, or join them"),
                );
            }
        }
        if drafts.is_empty() {
            problems.push(
                Problem::warning(
                    Lint::NoRoute,
                    Place::default(),
                    "the policy has no route: every request is refused",
                )
                .hint("add a `[[route]]`"),
            );
        }
        routes.trie = branches.finish();
        routes
    }

    /// The route of a canonical host and a canonical path, decoded.
    pub(in crate::policy) fn find(&self, host: &Host<'_>, path: &str) -> Option<(u32, &Route)> {
        let number = self.trie.find(host, path)?;
        Some((number, self.list.get(number as usize)?))
    }

    pub(in crate::policy) fn route(&self, number: u32) -> Option<&Route> {
        self.list.get(number as usize)
    }

    pub(in crate::policy) fn iter(&self) -> impl Iterator<Item = &Route> {
        self.list.iter()
    }

    pub(in crate::policy) fn len(&self) -> usize {
        self.list.len()
    }
}

#[cfg(test)]
mod tests {
    use std::mem::offset_of;

    use super::*;

    #[test]
    fn what_a_request_asks_of_a_route_is_one_cache_line() {
        assert_eq!((align_of::<Route>(), offset_of!(Route, name)), (64, 64));
    }
}
