//! Requests of one outcome, each with a key and a route drawn at random from all.

use std::iter::repeat_with;
use std::ops::Range;

use sidegate::policy::{Decision, Query, Snapshot, UnixSeconds, Upgrade};

use super::world::{END, HOST, Holder, Place, START, key_text, owner, workspace_of};

/// Requests of a batch: their texts fit into the first cache of a core, where a request that was
/// just read from its socket is.
const BATCH: usize = 64;

/// An outcome.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Case {
    Allow,
    Public,
    AccountSuspended,
    BadTarget,
    KeyCeiling,
    KeyExpired,
    KeyMalformed,
    KeyMissing,
    KeyNotYetValid,
    KeyRevoked,
    KeyUnknown,
    MethodRefused,
    NoAccess,
    NotAMember,
    ProductAbsent,
    ProtectedAccount,
    RouteUnknown,
    SubscriptionInactive,
    ViewOnly,
    WorkspaceSuspended,
    WrongEnvironment,
    WrongWorkspace,
}

impl Case {
    pub(crate) const ALL: [Self; 22] = [
        Self::Allow,
        Self::Public,
        Self::AccountSuspended,
        Self::BadTarget,
        Self::KeyCeiling,
        Self::KeyExpired,
        Self::KeyMalformed,
        Self::KeyMissing,
        Self::KeyNotYetValid,
        Self::KeyRevoked,
        Self::KeyUnknown,
        Self::MethodRefused,
        Self::NoAccess,
        Self::NotAMember,
        Self::ProductAbsent,
        Self::ProtectedAccount,
        Self::RouteUnknown,
        Self::SubscriptionInactive,
        Self::ViewOnly,
        Self::WorkspaceSuspended,
        Self::WrongEnvironment,
        Self::WrongWorkspace,
    ];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Allow => "allow",
            Self::Public => "public",
            Self::AccountSuspended => "account_suspended",
            Self::BadTarget => "bad_target",
            Self::KeyCeiling => "key_ceiling",
            Self::KeyExpired => "key_expired",
            Self::KeyMalformed => "key_malformed",
            Self::KeyMissing => "key_missing",
            Self::KeyNotYetValid => "key_not_yet_valid",
            Self::KeyRevoked => "key_revoked",
            Self::KeyUnknown => "key_unknown",
            Self::MethodRefused => "method_refused",
            Self::NoAccess => "no_access",
            Self::NotAMember => "not_a_member",
            Self::ProductAbsent => "product_absent",
            Self::ProtectedAccount => "protected_account",
            Self::RouteUnknown => "route_unknown",
            Self::SubscriptionInactive => "subscription_inactive",
            Self::ViewOnly => "view_only",
            Self::WorkspaceSuspended => "workspace_suspended",
            Self::WrongEnvironment => "wrong_environment",
            Self::WrongWorkspace => "wrong_workspace",
        }
    }

    pub(crate) fn now(self) -> UnixSeconds {
        match self {
            Self::KeyNotYetValid => UnixSeconds(START.0 - 1),
            Self::KeyExpired => END,
            _ => START,
        }
    }

    fn holder(self) -> Holder {
        match self {
            Self::AccountSuspended => Holder::Suspended,
            Self::KeyCeiling => Holder::Ceiling,
            Self::KeyRevoked => Holder::Revoked,
            Self::NoAccess => Holder::Idle,
            Self::NotAMember => Holder::Stranger,
            Self::ViewOnly => Holder::Viewer,
            Self::WorkspaceSuspended => Holder::OfClosed,
            Self::WrongEnvironment => Holder::OfStaging,
            _ => Holder::Worker,
        }
    }

    fn place(self) -> Place {
        match self {
            Self::ProductAbsent => Place::Absent,
            Self::ProtectedAccount => Place::Members,
            Self::Public => Place::Public,
            Self::SubscriptionInactive => Place::Canceled,
            _ => Place::Permission,
        }
    }

    fn method(self) -> &'static str {
        if self == Self::MethodRefused { "DELETE" } else { "POST" }
    }
}

/// Draws requests, a batch at a time, into one buffer. Nothing else is remembered of them: a pool of
/// texts would take the caches that the snapshot has in a process that serves.
pub(crate) struct Requests {
    case: Case,
    keys: usize,
    routes: usize,
    random: fastrand::Rng,
    texts: String,
    /// Key and target.
    ranges: Vec<(Option<Range<usize>>, Range<usize>)>,
}

impl Requests {
    pub(crate) fn new(case: Case, keys: usize, routes: usize) -> Self {
        let random = fastrand::Rng::with_seed(7);
        Self { case, keys, routes, random, texts: String::new(), ranges: Vec::new() }
    }

    /// Draws the next `most` requests, or fewer: as many as are warm at once.
    pub(crate) fn batch(&mut self, most: usize) -> impl ExactSizeIterator<Item = Query<'_>> {
        self.texts.clear();
        self.ranges.clear();
        for _ in 0..most.min(BATCH) {
            let random = &mut self.random;
            let key = draw(random, self.keys, |key| Holder::of(key) == self.case.holder());
            let route = draw(random, self.routes, |route| Place::of(route) == self.case.place());
            let text = self.key(key).map(|text| self.add(&text));
            let target = self.target(key, route);
            let target = self.add(&target);
            self.ranges.push((text, target));
        }
        let (method, texts) = (self.case.method(), &self.texts);
        self.ranges.iter().map(move |(key, target)| Query {
            method,
            host: HOST,
            target: texts.get(target.clone()).unwrap(),
            credential: key.clone().and_then(|key| texts.get(key)),
            upgrade: Upgrade::None,
            preflight: false,
        })
    }

    fn key(&self, key: usize) -> Option<String> {
        match self.case {
            Case::KeyMissing | Case::Public => None,
            Case::KeyUnknown => Some(key_text(self.keys + key)),
            Case::KeyMalformed => {
                let mut text = key_text(key);
                let last = text.pop();
                text.push(if last == Some('0') { '1' } else { '0' });
                Some(text)
            }
            _ => Some(key_text(key)),
        }
    }

    fn target(&self, key: usize, route: usize) -> String {
        let workspace = workspace_of(key);
        let start = match self.case {
            Case::RouteUnknown => format!("/nowhere-{route}/v1"),
            Case::BadTarget => format!("/service-{route}/../v1"),
            _ => format!("/service-{route}/v1"),
        };
        match self.case {
            Case::WrongWorkspace => format!("{start}/closed/reports/{key}?page=2"),
            Case::ProtectedAccount => format!("{start}/{workspace}/{}", owner(&workspace)),
            _ => format!("{start}/{workspace}/reports/{key}?page=2"),
        }
    }

    fn add(&mut self, text: &str) -> Range<usize> {
        let start = self.texts.len();
        self.texts.push_str(text);
        start..self.texts.len()
    }

    /// The one outcome of the next batch.
    pub(crate) fn outcome(&mut self, snapshot: &Snapshot) -> &'static str {
        let (public, now) = (self.case == Case::Public, self.case.now());
        let outcomes = self.batch(BATCH).map(|query| match snapshot.decide(&query, now) {
            Decision::Allow(_) if public => "public",
            Decision::Allow(_) => "allow",
            Decision::Deny(denial) => denial.reason.code(),
        });
        outcomes.reduce(|one, other| if one == other { one } else { "several" }).unwrap()
    }
}

/// One of the numbers below `end` that fit.
fn draw(random: &mut fastrand::Rng, end: usize, fits: impl Fn(usize) -> bool) -> usize {
    repeat_with(|| random.usize(..end)).find(|number| fits(*number)).unwrap()
}
