//! A policy as it was written: names instead of ids, each with its place, nothing checked yet.
//!
//! Whoever reads files fills a [`Draft`]; [`compile`](super::compile) is the only reader.

use super::disputed::Disputed;
use super::key::{KeyDigest, Pepper};
use super::level::Level;
use super::limits::RouteLimits;
use super::lint::Allow;
use super::problem::{At, Place};
use super::time::UnixSeconds;

/// Rows of a table of levels as written: name (or `*`) and level.
pub type Rows = Vec<(At<String>, Level)>;

/// Everything that a snapshot is compiled from.
#[derive(Debug, Default)]
pub struct Draft {
    /// The sidecar's pin: keys of any other environment are refused.
    pub environment: Option<String>,
    /// The secret of `blake3-keyed` records.
    pub pepper: Option<Pepper>,
    /// Names of the upstreams; a route's upstream becomes its index here.
    pub upstreams: Vec<String>,
    /// Whether a level of none answers 404 instead of 403.
    pub hide_none: bool,
    /// Every area that is spoken of.
    pub areas: Vec<At<String>>,
    /// Workspace roles.
    pub roles: Vec<DraftRole>,
    /// Products with their permissions and product roles.
    pub products: Vec<DraftProduct>,
    /// Accounts of which something is to be said as a whole.
    pub accounts: Vec<DraftAccount>,
    /// Workspaces.
    pub workspaces: Vec<DraftWorkspace>,
    /// Routes, in the order of the files.
    pub routes: Vec<DraftRoute>,
    /// Warnings that may stay.
    pub allows: Vec<Allow>,
    /// Key records, in the order of the file.
    pub keys: Vec<DraftKey>,
}

/// `[role.NAME]`
#[derive(Debug)]
pub struct DraftRole {
    /// The role.
    pub name: At<String>,
    /// Full on every area and product of the workspace.
    pub bypass: bool,
    /// Levels by area; `*` is every area not named.
    pub areas: Rows,
    /// The level that the role gives on every product.
    pub products: Level,
}

/// `[product.NAME]`
#[derive(Debug)]
pub struct DraftProduct {
    /// The product.
    pub name: At<String>,
    /// Its permissions.
    pub permissions: Vec<At<String>>,
    /// `[product.NAME.role.ROLE]`: levels by permission; `*` is every one not named and the product.
    pub roles: Vec<(At<String>, Rows)>,
}

/// `[account."NAME"]`
#[derive(Debug)]
pub struct DraftAccount {
    /// The account.
    pub name: At<String>,
    /// Closed everywhere.
    pub suspended: bool,
}

/// `[workspace.NAME]`
#[derive(Debug)]
pub struct DraftWorkspace {
    /// The workspace.
    pub name: At<String>,
    /// The environment that it lives in.
    pub environment: At<String>,
    /// Closed to everybody.
    pub suspended: bool,
    /// More members, pending ones among them, than this is an error.
    pub seats: Option<At<u32>>,
    /// Account and role.
    pub members: Vec<(At<String>, At<String>)>,
    /// Who was invited and has not accepted: they have a seat and reach nothing.
    pub pending: Vec<DraftPending>,
    /// Group and its accounts.
    pub groups: Vec<(At<String>, Vec<At<String>>)>,
    /// `[workspace.NAME.product.PRODUCT]`
    pub products: Vec<DraftSubscription>,
    /// `[[workspace.NAME.grant]]`
    pub grants: Vec<DraftGrant>,
}

/// `[workspace.NAME.pending]`: a member to be.
#[derive(Debug)]
pub struct DraftPending {
    /// The account.
    pub account: At<String>,
    /// The role that it will have.
    pub role: At<String>,
    /// When it was invited.
    pub invited: Option<UnixSeconds>,
}

/// A workspace's subscription to a product.
#[derive(Debug)]
pub struct DraftSubscription {
    /// The product.
    pub product: At<String>,
    /// Its state.
    pub state: Subscription,
    /// From this second on it is over.
    pub ends: Option<UnixSeconds>,
}

/// The state of a subscription, and the limit that it sets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Subscription {
    /// No limit.
    #[default]
    Active,
    /// Nothing.
    Canceled,
    /// View at most.
    PastDue,
    /// Nothing.
    Suspended,
    /// No limit.
    Trialing,
}

impl Subscription {
    /// Every state.
    pub const ALL: [Self; 5] =
        [Self::Active, Self::Canceled, Self::PastDue, Self::Suspended, Self::Trialing];

    /// As it is written.
    pub fn name(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Canceled => "canceled",
            Self::PastDue => "past_due",
            Self::Suspended => "suspended",
            Self::Trialing => "trialing",
        }
    }

    /// The level above which nothing goes while it lasts.
    pub fn limit(self) -> Level {
        match self {
            Self::Active | Self::Trialing => Level::Full,
            Self::PastDue => Level::View,
            Self::Canceled | Self::Suspended => Level::None,
        }
    }
}

/// `[[workspace.NAME.grant]]`
#[derive(Debug)]
pub struct DraftGrant {
    /// Where the grant stands.
    pub place: Place,
    /// Who gets it.
    pub to: At<Grantee>,
    /// What they get.
    pub gives: Gift,
}

/// Who gets a grant: `account:NAME` or `group:NAME`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Grantee {
    /// One account.
    Account(String),
    /// Every account of a group.
    Group(String),
}

/// What a grant gives.
#[derive(Debug)]
pub enum Gift {
    /// `areas = { … }`
    Areas(Rows),
    /// `product` and `level`: the product and all its permissions.
    Level(At<String>, Level),
    /// `product` and `permissions = { … }`
    Permissions(At<String>, Rows),
    /// `product` and `role`: a product role.
    Role(At<String>, At<String>),
}

/// `[[route]]`
#[derive(Debug)]
pub struct DraftRoute {
    /// Where the route stands.
    pub place: Place,
    /// Its label; without one, host and prefix.
    pub name: Option<At<String>>,
    /// Host pattern; none is every host.
    pub host: Option<At<String>>,
    /// Path pattern.
    pub prefix: At<String>,
    /// The workspace, where the pattern does not capture it.
    pub workspace: Option<At<String>>,
    /// What it needs.
    pub scope: DraftScope,
    /// Where it goes.
    pub upstream: At<String>,
    /// Methods for which view is enough; none is the safe methods of RFC 9110.
    pub view_methods: Option<Vec<At<String>>>,
    /// Methods that are taken; none is all but TRACE and CONNECT.
    pub methods: Option<Vec<At<String>>>,
    /// The level that a WebSocket needs; none refuses it.
    pub upgrade: Level,
    /// Whether CORS preflights without a key are forwarded.
    pub preflight: bool,
    /// Role of the captured account → area that is asked for in addition.
    pub protect: Vec<(At<String>, At<String>)>,
    /// Whether the matched prefix is taken off before forwarding.
    pub strip_prefix: bool,
    /// Where it says that encoded slashes are kept; none refuses them.
    pub encoded_slash: Option<Place>,
    /// Where it says that params of segments are kept; none refuses them.
    pub path_params: Option<Place>,
    /// What bounds its requests.
    pub limits: RouteLimits,
}

impl DraftRoute {
    /// Its name; without one, host and prefix.
    pub fn label(&self) -> String {
        self.name.as_ref().map_or_else(|| self.template(), |name| name.value.clone())
    }

    /// What a WebSocket needs, as it is written: not `none`, as if nothing were needed.
    pub fn upgrade_name(upgrade: Level) -> &'static str {
        match upgrade {
            Level::None => "deny",
            Level::View | Level::Full => upgrade.name(),
        }
    }

    /// What becomes of preflights without a key, as it is written.
    pub fn preflight_name(preflight: bool) -> &'static str {
        if preflight { "forward" } else { "deny" }
    }

    /// What is done with a disputed part of a path, as it is written.
    pub fn keep_name(keep: bool) -> &'static str {
        if keep { "keep" } else { "refuse" }
    }

    /// What it lets through of what readers of paths do not agree on.
    pub fn keeps(&self) -> Disputed {
        Disputed {
            encoded_slash: self.encoded_slash.is_some(),
            path_params: self.path_params.is_some(),
        }
    }

    /// Host and prefix as they are written.
    pub fn template(&self) -> String {
        let host = self.host.as_ref().map_or("", |host| &host.value);
        format!("{host}{}", self.prefix.value)
    }
}

/// What a route needs.
#[derive(Debug)]
pub enum DraftScope {
    /// `area = …`
    Area(At<String>),
    /// `product = …`, and `permission = …`
    Product(At<String>, Option<At<String>>),
    /// `public = true`
    Public,
}

/// One line of the key file.
#[derive(Debug, Clone)]
pub struct DraftKey {
    /// Where the record stands.
    pub place: Place,
    /// `k_…`
    pub id: Box<str>,
    /// What is kept of the key.
    pub digest: KeyDigest,
    /// The workspace that the key is of.
    pub workspace: Box<str>,
    /// The account that it speaks for.
    pub account: Box<str>,
    /// Its workspace's environment, said again.
    pub environment: Box<str>,
    /// Not valid before.
    pub not_before: Option<UnixSeconds>,
    /// Not valid from this second on.
    pub expires: Option<UnixSeconds>,
    /// Not valid from this second on, by somebody's word.
    pub revoked: Option<UnixSeconds>,
    /// What it can reach at most.
    pub ceiling: Option<DraftCeiling>,
}

/// What a key can reach at most.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct DraftCeiling {
    /// The level above which it does not go.
    pub level: Level,
    /// If this or `areas` stands, what is on neither is closed.
    pub products: Option<Vec<String>>,
    /// If this or `products` stands, what is on neither is closed.
    pub areas: Option<Vec<String>>,
}
