//! An explanation as scripts read it. The shape is stable: fields are added, none is renamed or
//! taken away. What is not known is null; levels, states and reasons are domain.md's words; times
//! are RFC 3339; places are `file:line:column`.

use serde::Serialize;

use crate::keystore::Ceiling;

/// The whole answer.
#[derive(Debug, Serialize)]
pub(in crate::cli) struct View {
    /// `allow` or `deny`.
    pub(in crate::cli) decision: &'static str,
    /// The reason of a denial.
    pub(in crate::cli) reason: Option<&'static str>,
    /// The status of a denial.
    pub(in crate::cli) status: Option<u16>,
    /// What would have to be otherwise for the request to be allowed: all of it.
    pub(in crate::cli) needed: Vec<NeededView>,
    /// The time of the decision.
    pub(in crate::cli) at: String,
    pub(in crate::cli) request: RequestView,
    pub(in crate::cli) target: TargetView,
    /// The most specific route that matches.
    pub(in crate::cli) route: Option<RouteView>,
    /// Other routes of the path, and why they are not the one.
    pub(in crate::cli) passed_over: Vec<PassedOverView>,
    /// The key; null where none is asked for: on a public route, or of a preflight that goes on.
    pub(in crate::cli) key: Option<KeyView>,
    /// What the key's account has on the route's scope.
    pub(in crate::cli) access: Option<AccessView>,
    /// What a protected account asks for in addition.
    pub(in crate::cli) protection: Option<ProtectionView>,
}

/// A step in words, as the text has it.
#[derive(Debug, Serialize)]
pub(super) struct StepView {
    /// `good`, `bad` where it is in the way, or `detail`.
    pub(super) mark: &'static str,
    pub(super) name: &'static str,
    pub(super) says: String,
}

/// One thing that is in the way.
#[derive(Debug, Serialize)]
pub(in crate::cli) struct NeededView {
    pub(in crate::cli) reason: &'static str,
    /// The way out, in words.
    pub(in crate::cli) needed: String,
}

/// What was asked.
#[derive(Debug, Serialize)]
pub(in crate::cli) struct RequestView {
    pub(in crate::cli) method: String,
    pub(in crate::cli) host: String,
    pub(in crate::cli) target: String,
    /// Whether it asks for another protocol.
    pub(in crate::cli) upgrade: bool,
    /// Which one: `websocket` or `unknown`.
    pub(in crate::cli) protocol: Option<&'static str>,
    /// Whether it is a CORS preflight.
    pub(in crate::cli) preflight: bool,
}

/// The one reading of the request, or why there is none.
#[derive(Debug, Serialize)]
pub(in crate::cli) struct TargetView {
    pub(in crate::cli) host: Option<String>,
    pub(in crate::cli) path: Option<String>,
    pub(in crate::cli) query: Option<String>,
    /// Whether the path is, byte for byte, what was sent.
    pub(in crate::cli) as_sent: bool,
    pub(in crate::cli) problem: Option<String>,
    /// The target that an allowed request is forwarded with.
    pub(in crate::cli) forwarded: Option<String>,
}

#[derive(Debug, Serialize)]
pub(in crate::cli) struct RouteView {
    pub(in crate::cli) name: String,
    pub(in crate::cli) place: Option<String>,
    /// Host and prefix.
    pub(in crate::cli) template: String,
    pub(in crate::cli) upstream: String,
    pub(in crate::cli) public: bool,
    /// The workspace that it names, or that the request names.
    pub(in crate::cli) workspace: Option<String>,
    /// The methods that it takes.
    pub(in crate::cli) methods: String,
    pub(in crate::cli) takes_method: bool,
    /// What a WebSocket needs: `view`, `full`, or `deny` where none is let through.
    pub(in crate::cli) upgrade: &'static str,
    /// What becomes of preflights without a key: `deny` or `forward`.
    pub(in crate::cli) preflight: &'static str,
    /// Whether the request goes on as a preflight, without a key.
    pub(in crate::cli) forwards_preflight: bool,
    /// The level that the request needs; null where no key is asked for.
    pub(in crate::cli) needs: Option<&'static str>,
}

#[derive(Debug, Serialize)]
pub(in crate::cli) struct PassedOverView {
    pub(in crate::cli) name: String,
    pub(in crate::cli) place: Option<String>,
    pub(in crate::cli) template: String,
    /// `another_host`, `host`, `pattern` or `shorter`.
    pub(in crate::cli) why: &'static str,
    /// The segment that a pattern stands for, counted from 1.
    pub(in crate::cli) segment: Option<usize>,
}

/// What was sent as a key. Fields of its record are null where it has none.
#[derive(Debug, Serialize)]
pub(in crate::cli) struct KeyView {
    /// Why it is no good: a reason.
    pub(in crate::cli) fault: Option<&'static str>,
    pub(in crate::cli) id: Option<String>,
    pub(in crate::cli) place: Option<String>,
    pub(in crate::cli) account: Option<String>,
    pub(in crate::cli) workspace: Option<String>,
    pub(in crate::cli) environment: Option<String>,
    pub(in crate::cli) not_before: Option<String>,
    pub(in crate::cli) expires: Option<String>,
    pub(in crate::cli) revoked: Option<String>,
    pub(in crate::cli) ceiling: Option<Ceiling>,
}

/// A level, computed.
#[derive(Debug, Serialize)]
pub(in crate::cli) struct AccessView {
    pub(in crate::cli) workspace: String,
    pub(in crate::cli) workspace_place: Option<String>,
    pub(in crate::cli) workspace_suspended: bool,
    /// Where the policy suspends the account.
    pub(in crate::cli) account_suspended: Option<String>,
    pub(in crate::cli) product: Option<String>,
    pub(in crate::cli) permission: Option<String>,
    pub(in crate::cli) area: Option<String>,
    /// The role of the account in the workspace; null where it is no member.
    pub(in crate::cli) role: Option<String>,
    /// The invitation of an account that is no member yet.
    pub(in crate::cli) pending: Option<PendingView>,
    /// Groups that the account is in.
    pub(in crate::cli) groups: Vec<GroupView>,
    /// The role and every grant to the account or to a group of it.
    pub(in crate::cli) sources: Vec<SourceView>,
    /// Whether the role gives everything.
    pub(in crate::cli) bypass: bool,
    /// The highest of what the sources give.
    pub(in crate::cli) held: &'static str,
    pub(in crate::cli) subscription: Option<SubscriptionView>,
    /// What the key's ceiling lets through here.
    pub(in crate::cli) ceiling: &'static str,
    /// The lowest of held, subscription and ceiling.
    pub(in crate::cli) level: Option<&'static str>,
}

/// Who was invited, and has not accepted.
#[derive(Debug, Serialize)]
pub(in crate::cli) struct PendingView {
    /// The role that it will have.
    pub(in crate::cli) role: String,
    /// Since when, where somebody wrote that down.
    pub(in crate::cli) invited: Option<String>,
    pub(in crate::cli) place: Option<String>,
}

#[derive(Debug, Serialize)]
pub(in crate::cli) struct GroupView {
    pub(in crate::cli) name: String,
    pub(in crate::cli) place: Option<String>,
}

/// A rule that was considered.
#[derive(Debug, Serialize)]
pub(in crate::cli) struct SourceView {
    /// `role` or `grant`.
    pub(in crate::cli) kind: &'static str,
    pub(in crate::cli) place: Option<String>,
    /// A role's name, or to whom a grant is.
    pub(in crate::cli) name: String,
    /// What it says, in words.
    pub(in crate::cli) says: String,
    /// The level that it gives on the scope.
    pub(in crate::cli) gives: &'static str,
}

#[derive(Debug, Serialize)]
pub(in crate::cli) struct SubscriptionView {
    pub(in crate::cli) state: &'static str,
    pub(in crate::cli) place: Option<String>,
    pub(in crate::cli) ends: Option<String>,
    /// What it lets through at the time of the decision.
    pub(in crate::cli) limit: &'static str,
}

/// The path names an account whose role is protected by an area.
#[derive(Debug, Serialize)]
pub(in crate::cli) struct ProtectionView {
    pub(in crate::cli) account: String,
    pub(in crate::cli) role: String,
    pub(in crate::cli) area: String,
    pub(in crate::cli) place: Option<String>,
    /// What the caller has on that area.
    pub(in crate::cli) held: &'static str,
    pub(in crate::cli) ceiling: &'static str,
    pub(in crate::cli) sources: Vec<SourceView>,
}
