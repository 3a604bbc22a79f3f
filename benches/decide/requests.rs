//! Requests of one outcome, each with another key and another route.

use std::ops::Range;

use sidegate::policy::{Decision, Query, Snapshot, UnixSeconds, Upgrade};

use super::world::{END, HOST, Holder, Place, START, key_text, owner, workspace_of};

/// More than any cache of one core remembers.
const MOST: usize = 1 << 17;

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

/// Texts of requests, in the order in which they are asked.
pub(crate) struct Requests {
    case: Case,
    texts: String,
    /// Key and target.
    ranges: Vec<(Option<Range<usize>>, Range<usize>)>,
}

impl Requests {
    pub(crate) fn new(case: Case, keys: usize, routes: usize) -> Self {
        let mut random = fastrand::Rng::with_seed(7);
        let fitting: Vec<_> = (0..keys).filter(|key| Holder::of(*key) == case.holder()).collect();
        let places: Vec<_> =
            (0..routes).filter(|route| Place::of(*route) == case.place()).collect();
        let mut requests = Self { case, texts: String::new(), ranges: Vec::new() };
        for _ in 0..keys.min(MOST) {
            let key = *random.choice(&fitting).unwrap();
            let route = *random.choice(&places).unwrap();
            let text = requests.key(key, keys).map(|text| requests.add(&text));
            let target = requests.target(key, route);
            let target = requests.add(&target);
            requests.ranges.push((text, target));
        }
        requests
    }

    fn key(&self, key: usize, keys: usize) -> Option<String> {
        match self.case {
            Case::KeyMissing | Case::Public => None,
            Case::KeyUnknown => Some(key_text(keys + key)),
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

    pub(crate) fn queries(&self) -> impl Iterator<Item = Query<'_>> + Clone {
        let method = self.case.method();
        self.ranges.iter().map(move |(key, target)| Query {
            method,
            host: HOST,
            target: self.texts.get(target.clone()).unwrap(),
            credential: key.clone().and_then(|key| self.texts.get(key)),
            upgrade: Upgrade::None,
            preflight: false,
        })
    }

    /// The one outcome of all of them.
    pub(crate) fn outcome(&self, snapshot: &Snapshot) -> &'static str {
        let outcomes = self.queries().map(|query| match snapshot.decide(&query, self.case.now()) {
            Decision::Allow(_) if self.case == Case::Public => "public",
            Decision::Allow(_) => "allow",
            Decision::Deny(denial) => denial.reason.code(),
        });
        outcomes.reduce(|one, other| if one == other { one } else { "several" }).unwrap()
    }
}
