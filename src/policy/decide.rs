//! May this request pass? One linear function, first failure wins (domain.md, "The order of
//! checks").

use super::host::Host;
use super::key;
use super::level::Level;
use super::method;
use super::reason::DenyReason;
use super::snapshot::{Key, KeyState, Route, RouteWorkspace, Scope, Search, Snapshot};
use super::target::Target;
use super::time::UnixSeconds;

/// A request as far as the policy is concerned: text as the client sent it. No `Debug`: it holds
/// the key.
#[derive(Clone, Copy)]
pub struct Query<'q> {
    /// The method, case and all.
    pub method: &'q str,
    /// The one `Host` (or `:authority`).
    pub host: &'q str,
    /// The target in origin-form, or `*`.
    pub target: &'q str,
    /// The key's text, where one was sent.
    pub credential: Option<&'q str>,
    /// Which other protocol the request asks for.
    pub upgrade: Upgrade,
    /// Whether a browser asks beforehand what a page may do: OPTIONS with `Origin` and
    /// `Access-Control-Request-Method` (Fetch, "CORS-preflight request").
    pub preflight: bool,
}

impl Query<'_> {
    /// Whether no route takes it.
    pub(super) fn is_refused_everywhere(&self) -> bool {
        let upgrade = match self.upgrade {
            Upgrade::None => false,
            Upgrade::Unknown => true,
            // RFC 6455 §4.1: a WebSocket is opened by GET.
            Upgrade::WebSocket => self.method != "GET",
        };
        upgrade || method::is_refused_everywhere(self.method)
    }

    /// Whether it is a preflight as a browser sends it, without a key. With one it is judged as any
    /// other request.
    pub(super) fn is_keyless_preflight(&self) -> bool {
        self.preflight && self.method == "OPTIONS" && self.credential.is_none()
    }
}

/// The other protocol that a request asks for (RFC 9110 §7.8).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Upgrade {
    /// None, or one that may be passed over.
    #[default]
    None,
    /// One that is not spoken here.
    Unknown,
    /// A WebSocket (RFC 6455).
    WebSocket,
}

/// What was decided.
#[derive(Debug)]
pub enum Decision<'s> {
    /// Forward it.
    Allow(Permit<'s>),
    /// Refuse it.
    Deny(Denial),
}

/// The right to forward one request, to be used up by forwarding it.
///
/// INVARIANT: only [`Snapshot::decide`] makes one.
#[derive(Debug)]
pub struct Permit<'s> {
    rewritten: Option<String>,
    upgrades: bool,
    route: &'s Route,
    facts: Facts,
}

impl<'s> Permit<'s> {
    /// The target to forward, where it is not byte for byte the one that came: the canonical form,
    /// without the route's prefix where the route strips it.
    pub fn rewritten_target(&self) -> Option<&str> {
        self.rewritten.as_deref()
    }

    /// The route that was judged.
    pub fn route(&self) -> &'s Route {
        self.route
    }

    /// What the decision was made of.
    pub fn facts(&self) -> Facts {
        self.facts
    }

    /// Whether a WebSocket was asked for and is permitted.
    pub fn upgrades(&self) -> bool {
        self.upgrades
    }

    fn new(target: &Target<'_>, route: &'s Route, facts: Facts, upgrade: Upgrade) -> Self {
        let as_sent = target.is_as_sent() && !route.strips();
        let rewritten = (!as_sent).then(|| {
            let path = route.forwarded(target.path());
            match target.query() {
                Some(query) => format!("{path}?{query}"),
                None => path.to_owned(),
            }
        });
        Self { rewritten, upgrades: upgrade == Upgrade::WebSocket, route, facts }
    }
}

/// A refusal and how far the checks came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Denial {
    /// Why.
    pub reason: DenyReason,
    /// What was known by then.
    pub facts: Facts,
}

/// What a decision was made of, as numbers of its snapshot: see [`Snapshot::describe`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Facts {
    pub(super) route: Option<u32>,
    pub(super) key: Option<u32>,
    pub(super) needed: Option<Level>,
    pub(super) level: Option<Level>,
}

impl Facts {
    /// The route's number in its snapshot: an index into [`Snapshot::routes`].
    pub fn route(&self) -> Option<usize> {
        self.route.map(|number| number as usize)
    }

    /// The key's number in its snapshot: see [`Snapshot::key_id`].
    pub fn key(&self) -> Option<usize> {
        self.key.map(|number| number as usize)
    }

    /// The level that the request needs on the route.
    pub fn needed(&self) -> Option<Level> {
        self.needed
    }
}

impl Snapshot {
    /// Judges a request at a time. Neither logs, counts, waits, locks nor reads a clock: the same
    /// snapshot, request and time give the same answer.
    pub fn decide(&self, query: &Query<'_>, now: UnixSeconds) -> Decision<'_> {
        let mut facts = Facts::default();
        match self.judge(query, now, &mut facts) {
            Ok((target, route)) => {
                Decision::Allow(Permit::new(&target, route, facts, query.upgrade))
            }
            Err(reason) => Decision::Deny(Denial { reason, facts }),
        }
    }

    fn judge<'s, 'q>(
        &'s self,
        query: &Query<'q>,
        now: UnixSeconds,
        facts: &mut Facts,
    ) -> Result<(Target<'q>, &'s Route), DenyReason> {
        // Its record is far: it is on its way while the rest is read.
        let search = query.credential.map(|text| (text, self.keys.seek(text)));
        let target = Target::parse(query.target).map_err(|_| DenyReason::BadTarget)?;
        let host = Host::parse(query.host).ok_or(DenyReason::BadTarget)?;
        let whole_server = target.path() == "*";
        if whole_server && query.method != "OPTIONS" {
            return Err(DenyReason::BadTarget);
        }
        let path = target.decoded();
        let found = if whole_server { None } else { self.routes.find(&host, &path) };
        let disputed = target.disputed();
        let keeps = |route: &Route| disputed.beyond(route.keeps()).is_nothing();
        if !disputed.is_nothing() && !found.is_some_and(|(_, route)| keeps(route)) {
            facts.route = found.map(|(number, _)| number);
            return Err(DenyReason::BadTarget);
        }
        if query.is_refused_everywhere() {
            return Err(DenyReason::MethodRefused);
        }
        facts.route = found.map(|(number, _)| number);
        if let Some((_, route)) = found {
            if query.is_keyless_preflight() && route.passes_preflights() {
                return Ok((target, route));
            }
            if route.scope == Scope::Public {
                return match route.takes(query) {
                    true => Ok((target, route)),
                    false => Err(DenyReason::MethodRefused),
                };
            }
        }
        let (number, key) = self.good_key(search, now, facts)?;
        facts.key = Some(number);
        let (_, route) = found.ok_or(DenyReason::RouteUnknown)?;
        if !route.takes(query) {
            return Err(DenyReason::MethodRefused);
        }
        let needed = route.needed(query);
        facts.needed = Some(needed);
        if !self.is_of_workspace(key, route, &host, &path) {
            return Err(DenyReason::WrongWorkspace);
        }
        self.check_level(key, route.scope, needed, now, facts)?;
        self.check_protection(key, route, &path, needed)?;
        drop(path);
        Ok((target, route))
    }

    fn good_key(
        &self,
        credential: Option<(&str, Search<'_>)>,
        now: UnixSeconds,
        facts: &mut Facts,
    ) -> Result<(u32, &Key), DenyReason> {
        let (text, search) = credential.ok_or(DenyReason::KeyMissing)?;
        if !key::is_well_formed(text) {
            return Err(DenyReason::KeyMalformed);
        }
        let (number, key) = self.keys.find(&search).ok_or(DenyReason::KeyUnknown)?;
        facts.key = Some(number);
        match key.state(now) {
            KeyState::Revoked => return Err(DenyReason::KeyRevoked),
            KeyState::NotYetValid => return Err(DenyReason::KeyNotYetValid),
            KeyState::Expired => return Err(DenyReason::KeyExpired),
            KeyState::Good => {}
        }
        if let Some(pin) = self.pin {
            let workspace = self.workspaces.workspace_at(key.workspace);
            if workspace.is_none_or(|workspace| workspace.environment != pin) {
                return Err(DenyReason::WrongEnvironment);
            }
        }
        Ok((number, key))
    }

    fn is_of_workspace(&self, key: &Key, route: &Route, host: &Host<'_>, path: &str) -> bool {
        match route.workspace {
            RouteWorkspace::Fixed(workspace) => key.workspace == workspace,
            RouteWorkspace::None => false,
            RouteWorkspace::Host | RouteWorkspace::Segment(_) => {
                self.workspaces.workspace_at(key.workspace).is_some()
                    && route.captures(host, path, self.workspaces.names.text(key.workspace))
            }
        }
    }

    /// Whether the key's account has the level on the scope, and if not, what it lacks.
    fn check_level(
        &self,
        key: &Key,
        scope: Scope,
        needed: Level,
        now: UnixSeconds,
        facts: &mut Facts,
    ) -> Result<(), DenyReason> {
        let workspace =
            self.workspaces.workspace_at(key.workspace).ok_or(DenyReason::WrongWorkspace)?;
        if workspace.suspended {
            return Err(DenyReason::WorkspaceSuspended);
        }
        if self.workspaces.accounts().is_suspended(key.account) {
            return Err(DenyReason::AccountSuspended);
        }
        let access = key.access.and_then(|id| self.tables.table(id));
        let access = access.ok_or(DenyReason::NotAMember)?;
        let ceiling = self.keys.ceiling(key).ok_or(DenyReason::KeyCeiling)?;
        let (held, subscribed, ceiling) = match scope {
            Scope::Area(area) => (access.area(area), Level::Full, ceiling.area(area)),
            Scope::Product(product, row) => {
                let subscription =
                    workspace.subscription(product).ok_or(DenyReason::ProductAbsent)?;
                (access.row(row), subscription.limit(now), ceiling.product(product))
            }
            Scope::Public => (Level::None, Level::None, Level::None),
        };
        facts.level = Some(held.min(subscribed).min(ceiling));
        if held == Level::None {
            return Err(DenyReason::NoAccess);
        }
        if subscribed < needed {
            return Err(DenyReason::SubscriptionInactive);
        }
        if held < needed {
            return Err(DenyReason::ViewOnly);
        }
        if ceiling < needed {
            return Err(DenyReason::KeyCeiling);
        }
        Ok(())
    }

    /// Where the route captures an account whose role is protected, the caller needs as much on
    /// the protecting area.
    fn check_protection(
        &self,
        key: &Key,
        route: &Route,
        path: &str,
        needed: Level,
    ) -> Result<(), DenyReason> {
        let Some(captured) = route.captured_account(path) else { return Ok(()) };
        let Some(area) = self.protecting_area(key, route, captured) else { return Ok(()) };
        let access = key.access.and_then(|id| self.tables.table(id));
        let held = access.map(|access| access.area(area)).unwrap_or_default();
        let ceiling = self.keys.ceiling(key).map(|ceiling| ceiling.area(area)).unwrap_or_default();
        if held.min(ceiling) < needed { Err(DenyReason::ProtectedAccount) } else { Ok(()) }
    }

    fn protecting_area(&self, key: &Key, route: &Route, captured: &str) -> Option<u32> {
        let account = self.workspaces.accounts().find(captured)?;
        let member = self.workspaces.workspace_at(key.workspace)?.member(account)?;
        route.protection(member.role)
    }

    /// Whether a level of none answers 404 instead of 403.
    pub fn hide_none(&self) -> bool {
        self.hide_none
    }

    /// What the `Allow` field lists for a request that came that far.
    pub fn allowed_methods(&self, facts: &Facts) -> &str {
        let route = facts.route.and_then(|number| self.routes.route(number));
        route.map_or(method::ALLOW_ALL, Route::allow)
    }
}
