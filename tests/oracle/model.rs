//! A policy and a request as both sides are told them. Names come from small pools, so that a name
//! is hit often; an index is one of its pool.

use sidegate::policy::draft::Subscription;

pub(crate) const ACCOUNTS: [&str; 6] = ["ann", "Bob@acme.example", "svc-c", "dora", "Eve", "f+g"];
/// Whose keys there are, too: somebody, and one that is another's name in another case.
pub(crate) const STRANGERS: [&str; 2] = ["nobody", "ANN"];
pub(crate) const WORKSPACES: [&str; 3] = ["acme", "beta-1", "Gamma"];
pub(crate) const ENVIRONMENTS: [&str; 2] = ["production", "staging"];
pub(crate) const ROLES: [&str; 4] = ["owner", "admin", "member", "reader"];
pub(crate) const AREAS: [&str; 3] = ["general", "members", "ownership"];
pub(crate) const PRODUCTS: [&str; 2] = ["vault", "chat"];
pub(crate) const PERMISSIONS: [&str; 2] = ["reports", "keys"];
pub(crate) const PRODUCT_ROLES: [&str; 2] = ["analyst", "editor"];
pub(crate) const GROUPS: [&str; 2] = ["red", "blue"];
pub(crate) const LITERALS: [&str; 4] = ["a", "b", "café", "me@x"];

/// 0 is none, 1 is view, 2 is full: the oracle's own levels.
pub(crate) type Rank = u8;

/// Levels by name; `star` is for each that is not named.
#[derive(Debug, Clone)]
pub(crate) struct Rows<const N: usize> {
    pub(crate) star: Option<Rank>,
    pub(crate) named: [Option<Rank>; N],
}

#[derive(Debug, Clone)]
pub(crate) struct Role {
    pub(crate) bypass: bool,
    pub(crate) areas: Rows<3>,
    pub(crate) products: Rank,
}

#[derive(Debug, Clone)]
pub(crate) struct Workspace {
    pub(crate) environment: usize,
    pub(crate) suspended: bool,
    /// By account: the role of a member.
    pub(crate) members: [Option<usize>; 6],
    /// By account: the role that was offered; only read where it is no member.
    pub(crate) pending: [Option<usize>; 6],
    /// By group: its accounts.
    pub(crate) groups: [Vec<usize>; 2],
    /// By product: state and last second.
    pub(crate) subscriptions: [Option<(Subscription, Option<i64>)>; 2],
    pub(crate) grants: Vec<Grant>,
}

#[derive(Debug, Clone)]
pub(crate) struct Grant {
    pub(crate) to: To,
    pub(crate) gives: Given,
}

#[derive(Debug, Clone, Copy)]
pub(crate) enum To {
    Account(usize),
    Group(usize),
}

#[derive(Debug, Clone)]
pub(crate) enum Given {
    Areas(Rows<3>),
    Level(usize, Rank),
    Permissions(usize, Rows<2>),
    Role(usize, usize),
}

impl Given {
    pub(crate) fn product(&self) -> Option<usize> {
        match self {
            Self::Areas(_) => None,
            Self::Level(product, _) | Self::Permissions(product, _) | Self::Role(product, _) => {
                Some(*product)
            }
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Step {
    Literal(usize),
    Star,
    Workspace,
    Account,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum HostRule {
    Every,
    Exact(&'static str),
    /// `*.DOMAIN`
    Below(&'static str),
    /// `{workspace}.DOMAIN`
    WorkspaceBelow(&'static str),
}

#[derive(Debug, Clone, Copy)]
pub(crate) enum Scope {
    Area(usize),
    Product(usize, Option<usize>),
    Public,
}

#[derive(Debug, Clone)]
pub(crate) struct Route {
    pub(crate) host: HostRule,
    pub(crate) steps: Vec<Step>,
    /// Only read where nothing captures it.
    pub(crate) workspace: usize,
    pub(crate) scope: Scope,
    pub(crate) methods: Option<Vec<&'static str>>,
    pub(crate) view_methods: Option<Vec<&'static str>>,
    /// Role and area; only read where an account is captured.
    pub(crate) protect: Vec<(usize, usize)>,
    pub(crate) strip: bool,
    /// Encoded slashes, and params.
    pub(crate) keeps: (bool, bool),
    pub(crate) upgrade: Rank,
    pub(crate) preflight: bool,
}

impl Route {
    pub(crate) fn captures_workspace(&self) -> bool {
        matches!(self.host, HostRule::WorkspaceBelow(_)) || self.steps.contains(&Step::Workspace)
    }
}

#[derive(Debug, Clone)]
pub(crate) struct Key {
    /// Of blake3, blake3-keyed and sha256.
    pub(crate) digest: usize,
    /// One of `WORKSPACES`, or a name that is gone: then it is revoked at some time.
    pub(crate) workspace: &'static str,
    pub(crate) account: &'static str,
    pub(crate) not_before: Option<i64>,
    pub(crate) expires: Option<i64>,
    pub(crate) revoked: Option<i64>,
    pub(crate) ceiling: Option<Ceiling>,
}

#[derive(Debug, Clone)]
pub(crate) struct Ceiling {
    pub(crate) level: Rank,
    pub(crate) products: Option<Vec<usize>>,
    pub(crate) areas: Option<Vec<usize>>,
}

#[derive(Debug, Clone)]
pub(crate) struct Model {
    pub(crate) pin: Option<usize>,
    pub(crate) hide_none: bool,
    pub(crate) roles: [Role; 4],
    /// By product, by product role.
    pub(crate) product_roles: [[Rows<2>; 2]; 2],
    pub(crate) suspended: [bool; 6],
    pub(crate) workspaces: Vec<Workspace>,
    pub(crate) routes: Vec<Route>,
    pub(crate) keys: Vec<Key>,
}

#[derive(Debug, Clone)]
pub(crate) struct Request {
    pub(crate) method: &'static str,
    pub(crate) host: String,
    pub(crate) target: String,
    pub(crate) credential: Option<String>,
    pub(crate) upgrade: Option<&'static str>,
    pub(crate) preflight: bool,
    pub(crate) now: i64,
}

impl Model {
    /// The text of a key.
    pub(crate) fn text_of(number: usize) -> String {
        format!("key-{number}")
    }
}
