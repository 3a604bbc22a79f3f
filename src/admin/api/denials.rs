//! `/api/denials`: who is refused, why, since when.

use serde::Serialize;

use super::Viewed;
use crate::admin::status::{Generation, rfc3339};
use crate::policy::{DenyReason, Level};
use crate::telemetry::{Example, Refused};

#[derive(Debug, Serialize)]
pub(super) struct Denials {
    generation: Generation,
    /// When this was so.
    at: String,
    /// Since when it is counted.
    since: String,
    /// By reason; one that there was none of is left out.
    rows: Vec<Row>,
}

#[derive(Debug, Serialize)]
struct Row {
    reason: &'static str,
    /// What it means.
    about: &'static str,
    total: u64,
    last: String,
    /// How many in each of the last thirty minutes; the last one is not over.
    minutes: Vec<u32>,
    /// Some of them, the latest first.
    examples: Vec<Shown>,
}

/// Refusals that are alike. What was not known is null.
#[derive(Debug, Serialize)]
struct Shown {
    last: String,
    count: u64,
    generation: u64,
    method: String,
    status: u16,
    route: Option<String>,
    template: Option<String>,
    workspace: Option<String>,
    account: Option<String>,
    key_id: Option<String>,
    scope: Option<String>,
    needed: Option<&'static str>,
    level: Option<&'static str>,
    request_id: String,
    peer: String,
}

pub(super) fn answer(view: &Viewed<'_>) -> Denials {
    let Viewed { state, now, .. } = view;
    Denials {
        generation: view.generation(),
        at: rfc3339(*now),
        since: rfc3339(state.started),
        rows: state.telemetry.refusals(*now).into_iter().map(row).collect(),
    }
}

fn row(refused: Refused) -> Row {
    Row {
        reason: refused.reason.code(),
        about: about(refused.reason),
        total: refused.total,
        last: rfc3339(refused.last),
        minutes: refused.minutes.to_vec(),
        examples: refused.examples.into_iter().map(shown).collect(),
    }
}

fn shown(it: Example) -> Shown {
    let text = |text: Option<Box<str>>| text.map(String::from);
    Shown {
        last: rfc3339(it.last),
        count: it.count,
        generation: it.generation,
        method: it.method.into(),
        status: it.status,
        route: text(it.route),
        template: text(it.template),
        workspace: text(it.workspace),
        account: text(it.account),
        key_id: text(it.key_id),
        scope: text(it.scope),
        needed: it.needed.map(Level::name),
        level: it.level.map(Level::name),
        request_id: it.request_id.into(),
        peer: it.peer.into(),
    }
}

/// What a reason means, for who does not know the table by heart.
fn about(reason: DenyReason) -> &'static str {
    match reason {
        DenyReason::AccountSuspended => "the account is suspended",
        DenyReason::BadRequest => "the request has two readings, or none",
        DenyReason::BadTarget => "host or path have no single reading",
        DenyReason::KeyCeiling => "the account could, the key's ceiling keeps it back",
        DenyReason::KeyExpired => "the key's time is over",
        DenyReason::KeyMalformed => "what was sent cannot be a key",
        DenyReason::KeyMissing => "no key was sent",
        DenyReason::KeyNotYetValid => "the key's time has not come",
        DenyReason::KeyRevoked => "the key was revoked",
        DenyReason::KeyUnknown => "no record has this key",
        DenyReason::MethodRefused => "the route does not take the method or the upgrade",
        DenyReason::NoAccess => "the account has no level there",
        DenyReason::NotAMember => "the account is no member of the workspace",
        DenyReason::ProductAbsent => "the workspace does not have the product",
        DenyReason::ProtectedAccount => "the account that the path names is protected",
        DenyReason::RateLimited => "the key asks too often",
        DenyReason::RouteUnknown => "no route matches",
        DenyReason::SubscriptionInactive => "the subscription does not let it through",
        DenyReason::ViewOnly => "the account may read there, not write",
        DenyReason::WorkspaceSuspended => "the workspace is suspended",
        DenyReason::WrongEnvironment => "the key is of another environment",
        DenyReason::WrongWorkspace => "the key is of another workspace",
    }
}
