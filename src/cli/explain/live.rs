//! The same answer for a policy that is in force, whatever the files say by now: what the operators'
//! page asks.

use std::sync::Arc;

use serde_json::Value;
use zeroize::Zeroizing;

use super::policy::{Credential, Policy, Request};
use super::url::Address;
use super::view::View;
use crate::admin::{Question, Who};
use crate::config::Report;
use crate::current::Generation;
use crate::policy::draft::DraftKey;
use crate::policy::key::{KeyDigest, redacted};
use crate::policy::{
    KeyView, Place, Problem, Rules, Snapshot, UnixSeconds, Upgrade, compile_with, nearest,
};

/// What is sent as the key: nobody's, since nothing but this knows the text.
const STAND_IN: &str = "stand-in:page";
/// Its id in the snapshot that decides; what is shown has the record's own.
const STAND_IN_ID: &str = "stand-in-of-the-page";

/// Why the request would pass or not, as `sidegate explain --output json` says it, with its lines as
/// `steps`.
///
/// # Errors
///
/// In the reader's words, what is wrong with the question.
pub(in crate::cli) fn answer(
    question: &Question,
    generation: &Generation,
    now: UnixSeconds,
) -> Result<Value, String> {
    let Question { method, host, target, who, websocket } = question;
    let address = Address::read(target, Some(host)).map_err(|wrong| format!("the path {wrong}"))?;
    let (policy, credential) = Policy::in_force(&generation.snapshot, who)?;
    let upgrade = if *websocket { Upgrade::WebSocket } else { Upgrade::None };
    let request = Request { method, address: &address, credential, upgrade, preflight: false };
    let view = View::new(&policy, &request, now, &policy.ask(&request, now));
    let steps = view.steps();
    let broken = |error: serde_json::Error| error.to_string();
    let mut answer = serde_json::to_value(&view).map_err(broken)?;
    if let Some(answer) = answer.as_object_mut() {
        answer.insert("steps".to_owned(), serde_json::to_value(steps).map_err(broken)?);
    }
    // What was asked is repeated, and may have a key in it.
    serde_json::from_str(&redacted(&answer.to_string())).map_err(broken)
}

impl Policy {
    fn in_force(snapshot: &Snapshot, who: &Who) -> Result<(Self, Option<Credential>), String> {
        let rules = snapshot.rules().ok_or("the rules of this policy were not kept")?;
        let report = Report::of_files(rules.files());
        let key = match who {
            Who::Nobody => None,
            Who::Key(id) => {
                Some(snapshot.key_view(id).map(of_record).ok_or_else(|| unknown("key", id))?)
            }
            Who::Account { account, workspace } => Some(of_account(snapshot, account, workspace)?),
        };
        let decides = match &key {
            None => snapshot.clone(),
            Some(key) => with_stand_in(snapshot, rules, key)?,
        };
        let sent = key.map(|key| (Zeroizing::new(STAND_IN.to_owned()), Some(key)));
        Ok(Self::of_rules(Arc::clone(rules), decides, report, sent))
    }
}

/// A record as it was written, but for its digest.
fn of_record(key: KeyView<'_>) -> DraftKey {
    DraftKey {
        place: Place::default(),
        id: key.id().into(),
        digest: KeyDigest::blake3(STAND_IN),
        workspace: key.workspace().unwrap_or_default().into(),
        account: key.account().into(),
        environment: key.environment().unwrap_or_default().into(),
        not_before: key.not_before(),
        expires: key.expires(),
        revoked: key.revoked(),
        ceiling: key.ceiling(),
    }
}

fn of_account(snapshot: &Snapshot, account: &str, workspace: &str) -> Result<DraftKey, String> {
    let Some(home) = snapshot.workspace(workspace) else {
        let near = nearest(workspace, snapshot.workspaces());
        let hint = near.map_or(String::new(), |near| format!(" — did you mean `{near}`?"));
        return Err(unknown("workspace", workspace) + &hint);
    };
    Ok(DraftKey {
        place: Place::default(),
        id: "(any)".into(),
        digest: KeyDigest::blake3(STAND_IN),
        workspace: workspace.into(),
        account: account.into(),
        environment: home.environment().into(),
        not_before: None,
        expires: None,
        revoked: None,
        ceiling: None,
    })
}

fn unknown(kind: &str, name: &str) -> String {
    format!("unknown {kind} `{name}`")
}

/// The same policy, in which [`STAND_IN`] is that key. Where the snapshot cannot just be amended, which
/// has nothing to say of warnings, the rules are compiled once more.
fn with_stand_in(snapshot: &Snapshot, rules: &Rules, key: &DraftKey) -> Result<Snapshot, String> {
    let of = |digest| DraftKey { id: STAND_IN_ID.into(), digest, ..key.clone() };
    let digests = [KeyDigest::blake3(STAND_IN), KeyDigest::sha256(STAND_IN)];
    let amended = digests.into_iter().find_map(|digest| snapshot.amended(&[], &[of(digest)]));
    let first = |problems: Vec<Problem>| {
        problems.first().map_or_else(String::new, |problem| problem.message.clone())
    };
    match amended {
        Some(amended) => Ok(amended),
        None => compile_with(rules.draft(), vec![of(KeyDigest::blake3(STAND_IN))]).map_err(first),
    }
}
