//! Keys: what they reach, for how long, and whether anybody uses them.

use std::collections::{BTreeMap, HashMap};

use super::code::{Code, Severity};
use super::finding::{Findings, some};
use super::material::{Key, Material, Workspace};
use super::used::Verdict;
use crate::keystore::State;
use crate::policy::Level;
use crate::policy::review::Holder;

/// What ends within it ends soon, whatever was asked for: a week is what alerts ask for, too.
const WEEK: i64 = 7 * 86_400;

pub(super) fn look(material: &Material<'_>, findings: &mut Findings) {
    for key in material.live_keys() {
        stands(material, key, findings);
        unused(material, key, findings);
    }
    labels(material, findings);
    revoked_only(material, findings);
}

/// What is said of a key whose account or workspace is suspended, is said of those.
fn stands(material: &Material<'_>, key: &Key<'_>, findings: &mut Findings) {
    let record = key.record;
    let Some(workspace) = material.workspace(&record.workspace) else { return };
    if workspace.draft.suspended || material.is_suspended(&record.account) {
        return;
    }
    let of = format!("of {} in {}", record.account, workspace.name());
    let mut found = |code, severity, fact: String| {
        findings.add(code, severity, key.place, &*record.id, format!("{of}: {fact}"));
    };
    let Some(holder) = workspace.holder(&record.account) else {
        let fact = "the account is not a member".to_owned();
        return found(Code::KeyOfNoMember, Severity::Medium, fact);
    };
    let reach = Reach::of(workspace, holder, key);
    if reach.nothing {
        // Of a member who reaches nothing it is said already.
        if reach.member_has_something {
            let fact = "its ceiling leaves nothing of what the account reaches".to_owned();
            found(Code::KeyReachesNothing, Severity::Low, fact);
        }
        return;
    }
    let expires = record.expires.map(|expires| (expires, expires.seconds()));
    let soon = expires.filter(|(_, at)| material.is_soon(*at));
    match (expires, soon) {
        (None, _) if reach.everything => {
            let fact = "full on everything, without an end".to_owned();
            found(Code::KeyUnbounded, Severity::High, fact);
        }
        (None, _) => {
            let (severity, level) = match reach.full {
                true => (Severity::Medium, Level::Full),
                false => (Severity::Low, Level::View),
            };
            let fact = format!("{level} at most, without an end");
            found(Code::KeyNeverExpires, severity, fact);
        }
        (Some((until, _)), _) if reach.everything => {
            let fact = format!("full on everything, until {until}");
            found(Code::KeyUnbounded, Severity::Medium, fact);
        }
        (Some(_), _) => {}
    }
    if let Some((until, at)) = soon {
        let week = at.0.saturating_sub(material.now.0) <= WEEK;
        let severity = if week { Severity::Medium } else { Severity::Low };
        let fact = format!("expires {until}, {}", material.until(at));
        found(Code::KeyExpiresSoon, severity, fact);
    }
}

struct Reach {
    nothing: bool,
    full: bool,
    everything: bool,
    member_has_something: bool,
}

impl Reach {
    fn of(workspace: &Workspace<'_>, holder: Holder<'_>, key: &Key<'_>) -> Self {
        let mut it =
            Self { nothing: true, full: false, everything: true, member_has_something: false };
        let held = workspace.holdings.levels(holder.table);
        let reached = workspace.reach(holder, key.record);
        for ((_, held), (_, level)) in held.zip(reached) {
            it.member_has_something |= held > Level::None;
            it.nothing &= level == Level::None;
            it.full |= level == Level::Full;
            it.everything &= level == Level::Full;
        }
        it
    }
}

fn unused(material: &Material<'_>, key: &Key<'_>, findings: &mut Findings) {
    let Some(used) = &material.used else { return };
    let fact = match used.verdict(key.record, material.now) {
        Verdict::Last(at) => format!("last used {at}"),
        Verdict::NeverSince(at) => format!("not used since {at}"),
        Verdict::TooEarly | Verdict::Used => return,
    };
    let of = format!("of {} in {}", key.record.account, key.record.workspace);
    let fact = format!("{of}: {fact}");
    findings.add(Code::KeyUnused, Severity::Medium, key.place, &*key.record.id, fact);
}

/// The same label in two environments: the same thing has a key of each, or a key of one is in the
/// other.
fn labels(material: &Material<'_>, findings: &mut Findings) {
    let mut labels: BTreeMap<&str, Vec<&Key<'_>>> = BTreeMap::new();
    for key in material.live_keys() {
        if let Some(label) = key.record.label.as_deref().filter(|label| !label.trim().is_empty()) {
            labels.entry(label).or_default().push(key);
        }
    }
    for (label, keys) in labels {
        let mut environments: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for key in &keys {
            environments.entry(&key.record.environment).or_default().push(&key.record.id);
        }
        if environments.len() < 2 {
            continue;
        }
        let Some(first) = keys.first() else { continue };
        let named = environments.iter().map(|(name, ids)| format!("{name} ({})", some(ids)));
        let named: Vec<_> = named.collect();
        let fact = format!("the label of keys in {}", some(&named));
        let code = Code::KeyLabelShared;
        findings.add(code, Severity::Medium, first.place, label, fact);
    }
}

/// Members whose keys were all taken back or are over: perhaps they are gone.
fn revoked_only(material: &Material<'_>, findings: &mut Findings) {
    let mut keys: HashMap<(&str, &str), (bool, Vec<&str>)> = HashMap::new();
    for key in &material.keys {
        let whose = (&*key.record.workspace, &*key.record.account);
        let (live, revoked) = keys.entry(whose).or_default();
        *live |= key.is_live();
        if key.state == State::Revoked {
            revoked.push(&key.record.id);
        }
    }
    for ((workspace, account), (live, revoked)) in keys {
        let Some(workspace) = material.workspace(workspace) else { continue };
        let gone = live || revoked.is_empty() || workspace.draft.suspended;
        if gone || material.is_suspended(account) {
            continue;
        }
        let Some(holder) = workspace.holder(account) else { continue };
        let fact = format!(
            "{} of {}, whose keys are all taken back or over: {}",
            holder.role,
            workspace.name(),
            some(&revoked)
        );
        let place = workspace.place_of(account);
        findings.add(Code::RevokedOnlyAccount, Severity::Low, place, account, fact);
    }
}
