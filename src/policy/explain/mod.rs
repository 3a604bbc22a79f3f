//! Why a decision is what it is: the rules of one request, walked as they are written.
//!
//! The decision is [`Snapshot::decide`](super::Snapshot::decide)'s alone. The snapshot keeps levels
//! and forgets the rules that gave them; this walks the [`Draft`], which has roles, groups and
//! grants with their places. It does not stop at the first check that fails, so that a person hears
//! at once of everything that is in the way.
//!
//! INVARIANT, held by a property test: [`Explanation::blockers`] is empty where `decide` allows, and
//! begins with its reason where it denies; wherever `decide` knows a level, it is the same.
//!
//! Start at [`explain`].

mod access;
mod route;
#[cfg(test)]
mod tests;

use super::decide::Query;
use super::disputed::Disputed;
use super::draft::{Draft, DraftKey, DraftScope, DraftWorkspace};
use super::host::Host;
use super::key;
use super::level::Level;
use super::reason::DenyReason;
use super::target::{Target, TargetError};
use super::time::UnixSeconds;
pub use access::{Access, Origin, Protection, Scope, Source};
pub use route::{Matched, PassedOver, Weaker};

/// A request, and the rules that it is judged by.
#[derive(Clone, Copy)]
pub struct Question<'a, 'q> {
    /// The rules. They are those of a draft that compiled; its keys are not looked at.
    pub draft: &'a Draft,
    /// The request.
    pub query: Query<'q>,
    /// The record of the query's credential, where there is one.
    pub key: Option<&'a DraftKey>,
    /// When.
    pub now: UnixSeconds,
}

/// What was looked at, in the order of the checks. What could not be known is nothing.
#[derive(Debug)]
pub struct Explanation<'a> {
    /// The one reading of host and target, or why there is none.
    pub reading: Result<Reading, Unreadable>,
    /// The most specific route that matches.
    pub route: Option<Matched<'a>>,
    /// What of the path not every reader reads alike and the route does not keep.
    pub disputed: Disputed,
    /// Routes that match, too; where none does, some that would if the host were another.
    pub passed_over: Vec<PassedOver<'a>>,
    /// Whether the route forwards it as a preflight, without a key.
    pub preflight: bool,
    /// The key, unless the route is public or forwards a preflight.
    pub key: Option<Credential<'a>>,
    /// What the key's account has on the route's scope.
    pub access: Option<Access<'a>>,
    /// What the captured account's role asks for in addition.
    pub protection: Option<Protection<'a>>,
    /// Everything that is in the way, in the order of the checks.
    pub blockers: Vec<DenyReason>,
}

/// A host and a target in canonical form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reading {
    /// The host, as routes match it.
    pub host: String,
    /// The path that is judged and forwarded.
    pub path: String,
    /// What came after the first `?`.
    pub query: Option<String>,
    /// Whether the path is, byte for byte, what was sent.
    pub as_sent: bool,
    /// What of the path not every reader reads alike.
    pub disputed: Disputed,
}

/// Why a request has no single reading.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unreadable {
    /// Its host.
    Host,
    /// Its target.
    Target(TargetError),
    /// `*` is for OPTIONS alone.
    WholeServer,
}

/// What was sent as a key.
#[derive(Debug, Clone, Copy)]
pub struct Credential<'a> {
    /// Its record.
    pub record: Option<&'a DraftKey>,
    /// Why it is no good at that time.
    pub fault: Option<DenyReason>,
}

/// Walks the rules of one request.
pub fn explain<'a>(question: Question<'a, '_>) -> Explanation<'a> {
    let Question { draft, query, .. } = question;
    let mut blockers = Vec::new();
    let reading = Reading::of(&query);
    let (route, passed_over) = match &reading {
        Ok(reading) => route::find(draft, &query, reading),
        Err(_) => (None, Vec::new()),
    };
    let kept = route.as_ref().map(|it| it.route.keeps()).unwrap_or_default();
    let disputed = reading.as_ref().map(|it| it.disputed.beyond(kept)).unwrap_or_default();
    let bad_target = reading.is_err() || !disputed.is_nothing();
    blockers.extend(bad_target.then_some(DenyReason::BadTarget));
    let refused_everywhere = query.is_refused_everywhere();
    blockers.extend(refused_everywhere.then_some(DenyReason::MethodRefused));

    let preflight = !refused_everywhere
        && query.is_keyless_preflight()
        && route.as_ref().is_some_and(|it| it.route.preflight);
    let public = route.as_ref().is_some_and(|it| matches!(it.route.scope, DraftScope::Public));
    let key = (!public && !preflight).then(|| Credential::of(question));
    blockers.extend(key.and_then(|key| key.fault));
    match &route {
        None if reading.is_ok() => blockers.push(DenyReason::RouteUnknown),
        Some(_) if refused_everywhere || preflight => {}
        Some(route) if !route.takes_method || !route.takes_upgrade => {
            blockers.push(DenyReason::MethodRefused);
        }
        Some(_) | None => {}
    }

    let mut explanation = Explanation {
        reading,
        route,
        disputed,
        passed_over,
        preflight,
        key,
        access: None,
        protection: None,
        blockers,
    };
    let record = key.and_then(|key| key.record);
    if let (Some(record), Some(route)) = (record, &explanation.route) {
        let mut found = access::Walk { draft, record, route, now: question.now }.walk();
        explanation.blockers.append(&mut found.blockers);
        (explanation.access, explanation.protection) = (found.access, found.protection);
    }
    explanation
}

impl Reading {
    fn of(query: &Query<'_>) -> Result<Self, Unreadable> {
        let target = Target::parse(query.target).map_err(Unreadable::Target)?;
        let host = Host::parse(query.host).ok_or(Unreadable::Host)?;
        if target.path() == "*" && query.method != "OPTIONS" {
            return Err(Unreadable::WholeServer);
        }
        Ok(Self {
            host: host.as_str().to_owned(),
            path: target.path().to_owned(),
            query: target.query().map(str::to_owned),
            as_sent: target.is_as_sent(),
            disputed: target.disputed(),
        })
    }
}

impl<'a> Credential<'a> {
    fn of(question: Question<'a, '_>) -> Self {
        let Question { draft, query, key: record, now } = question;
        let fault = match (query.credential, record) {
            (None, _) => Some(DenyReason::KeyMissing),
            (Some(text), _) if !key::is_well_formed(text) => Some(DenyReason::KeyMalformed),
            (Some(_), None) => Some(DenyReason::KeyUnknown),
            (Some(_), Some(record)) => fault(draft, record, now),
        };
        Self { record, fault }
    }
}

fn fault(draft: &Draft, record: &DraftKey, now: UnixSeconds) -> Option<DenyReason> {
    if record.revoked.is_some_and(|revoked| now >= revoked) {
        return Some(DenyReason::KeyRevoked);
    }
    if record.not_before.is_some_and(|not_before| now < not_before) {
        return Some(DenyReason::KeyNotYetValid);
    }
    if record.expires.is_some_and(|expires| now >= expires) {
        return Some(DenyReason::KeyExpired);
    }
    let pin = draft.environment.as_ref()?;
    let lives_there = home(draft, record).is_some_and(|home| home.environment.value == *pin);
    (!lives_there).then_some(DenyReason::WrongEnvironment)
}

/// A key's workspace; none where it is gone, or of another environment than the key. The latter
/// compiles only where somebody has revoked the key, for now or for later.
fn home<'a>(draft: &'a Draft, record: &DraftKey) -> Option<&'a DraftWorkspace> {
    let workspace = draft.workspaces.iter().find(|it| *it.name.value == *record.workspace)?;
    (*workspace.environment.value == *record.environment).then_some(workspace)
}

/// The level of a row: the one that names it, or else the one of `*`.
fn level_of(rows: &super::draft::Rows, name: Option<&str>) -> Level {
    let of = |wanted: &str| rows.iter().find(|(row, _)| row.value == wanted).map(|(_, it)| *it);
    name.and_then(of).or_else(|| of("*")).unwrap_or_default()
}
