//! Which routes match a request, and why one of them is the most specific.

use std::cmp::Reverse;

use super::Reading;
use crate::policy::decide::{Query, Upgrade};
use crate::policy::draft::{Draft, DraftRoute, DraftScope};
use crate::policy::level::Level;
use crate::policy::method::{self, Methods};
use crate::policy::problem::At;
use crate::policy::segment::{decoded, segments};
use crate::policy::snapshot::{HostPattern, PathPattern, Step};

/// The route that a request belongs to.
#[derive(Debug)]
pub struct Matched<'a> {
    /// The route.
    pub route: &'a DraftRoute,
    /// The workspace that it names or that the request's path or host names; nothing where it is
    /// public and names none.
    pub workspace: Option<String>,
    /// The account that the path names.
    pub account: Option<String>,
    /// Whether it takes the method.
    pub takes_method: bool,
    /// The methods that it takes, as the `Allow` field lists them.
    pub allow: Box<str>,
    /// Whether it takes the upgrade, where the request asks for one.
    pub takes_upgrade: bool,
    /// The level that the request needs.
    pub needed: Level,
}

/// A route that another one was preferred to.
#[derive(Debug)]
pub struct PassedOver<'a> {
    /// The route.
    pub route: &'a DraftRoute,
    /// Why.
    pub why: Weaker,
}

/// Why a route is not the one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Weaker {
    /// It matches the path, but not the host.
    AnotherHost,
    /// Its host is less exact.
    Host,
    /// It has a pattern where the other one has this very segment; the number counts from 1.
    Pattern(usize),
    /// Its prefix is shorter.
    Shorter,
}

/// Routes of other hosts that are worth a word.
const MOST_NEAR: usize = 10;

/// The route of a request; and those that match, too, or else some that would on another host.
pub(super) fn find<'a>(
    draft: &'a Draft,
    query: &Query<'_>,
    reading: &Reading,
) -> (Option<Matched<'a>>, Vec<PassedOver<'a>>) {
    if reading.path == "*" {
        return (None, Vec::new());
    }
    let mut candidates: Vec<_> =
        draft.routes.iter().filter_map(|route| Candidate::new(route, &reading.path)).collect();
    candidates.sort_by_cached_key(|it| Reverse(it.specificity(&reading.host)));
    let winner = candidates.iter().position(|it| it.matches_host(&reading.host));
    let winner = winner.map(|at| candidates.remove(at));
    if winner.is_some() {
        candidates.retain(|it| it.matches_host(&reading.host));
    } else {
        candidates.truncate(MOST_NEAR);
    }
    let why = |it: &Candidate<'_>| it.weaker(winner.as_ref());
    let passed_over =
        candidates.iter().map(|it| PassedOver { route: it.route, why: why(it) }).collect();
    (winner.map(|it| it.matched(query, reading)), passed_over)
}

/// A route whose prefix matches.
struct Candidate<'a> {
    route: &'a DraftRoute,
    host: HostPattern,
    path: PathPattern,
}

impl<'a> Candidate<'a> {
    fn new(route: &'a DraftRoute, path: &str) -> Option<Self> {
        let host = match &route.host {
            Some(host) => HostPattern::parse(&host.value).ok()?,
            None => HostPattern::Every,
        };
        let pattern = PathPattern::parse(&route.prefix.value).ok()?;
        let mut rest = segments(path);
        let matches = pattern.steps.iter().all(|step| match (step, rest.next()) {
            (_, None) => false,
            (Step::Any, Some(_)) => true,
            (Step::Literal(literal), Some(segment)) => decoded(segment) == **literal,
        });
        matches.then_some(Self { route, host, path: pattern })
    }

    fn matches_host(&self, host: &str) -> bool {
        match &self.host {
            HostPattern::Every => true,
            HostPattern::Exact(name) => **name == *host,
            HostPattern::Below(domain, _) => {
                host.split_once('.').is_some_and(|(_, rest)| *rest == **domain)
            }
        }
    }

    fn host_rank(&self) -> u8 {
        match self.host {
            HostPattern::Every => 0,
            HostPattern::Below(..) => 1,
            HostPattern::Exact(_) => 2,
        }
    }

    /// The larger one wins: a host before a pattern before none, then from the left a segment
    /// before a pattern before nothing.
    fn specificity(&self, host: &str) -> (bool, u8, Vec<bool>) {
        let literal = |step: &Step| matches!(step, Step::Literal(_));
        let steps = self.path.steps.iter().map(literal).collect();
        (self.matches_host(host), self.host_rank(), steps)
    }

    fn weaker(&self, winner: Option<&Self>) -> Weaker {
        let Some(winner) = winner else { return Weaker::AnotherHost };
        if winner.host_rank() != self.host_rank() {
            return Weaker::Host;
        }
        let mut pairs = winner.path.steps.iter().zip(&self.path.steps);
        match pairs.position(|(theirs, ours)| theirs != ours) {
            Some(at) => Weaker::Pattern(at + 1),
            None => Weaker::Shorter,
        }
    }

    fn matched(self, query: &Query<'_>, reading: &Reading) -> Matched<'a> {
        let Self { route, host, path } = self;
        let Query { method, upgrade, .. } = *query;
        let names = |list: &Option<Vec<At<String>>>| {
            let list = list.as_ref()?.iter();
            Some(Methods::new(list.map(|name| name.value.clone())))
        };
        let methods = names(&route.methods);
        let by_method = match names(&route.view_methods) {
            None => method::needed_by_default(method),
            Some(view) if view.contains(method) => Level::View,
            Some(_) => Level::Full,
        };
        let by_upgrade = if upgrade == Upgrade::None { Level::None } else { route.upgrade };
        let segment = |at| segments(&reading.path).nth(at).map(|it| decoded(it).into_owned());
        let label = || Some(reading.host.split_once('.')?.0.to_owned());
        let workspace = match (&route.workspace, path.workspace, host) {
            (Some(name), ..) => Some(name.value.clone()),
            (None, Some(at), _) => segment(at),
            (None, None, HostPattern::Below(_, true)) => label(),
            (None, None, _) => None,
        };
        Matched {
            route,
            workspace,
            account: path.account.and_then(segment),
            takes_method: methods.as_ref().is_none_or(|methods| methods.contains(method)),
            allow: methods.as_ref().map_or(method::ALLOW_ALL.into(), Methods::allow),
            takes_upgrade: upgrade == Upgrade::None || route.upgrade > Level::None,
            needed: by_method.max(by_upgrade),
        }
    }
}

impl Matched<'_> {
    /// Whether it asks for no key.
    pub fn is_public(&self) -> bool {
        matches!(self.route.scope, DraftScope::Public)
    }
}
