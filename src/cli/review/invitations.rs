//! Invitations that nobody has accepted: each is a seat, and a door that opens by one word.

use super::code::{Code, Severity};
use super::finding::{Findings, counted};
use super::material::Material;
use crate::keystore::Timestamp;

/// Seconds of a day.
const DAY: i64 = 86_400;

/// `longest` is for how many seconds one may wait. One without a day may have waited for ever.
pub(super) fn look(material: &Material<'_>, longest: i64, findings: &mut Findings) {
    let roles = material.draft.roles.iter();
    let bypassing: Vec<&str> =
        roles.filter(|role| role.bypass).map(|role| &*role.name.value).collect();
    for workspace in &material.workspaces {
        for pending in &workspace.draft.pending {
            let role = &*pending.role.value;
            let age = pending.invited.map(|since| material.now.0.saturating_sub(since.0));
            if age.is_some_and(|age| age < longest) {
                continue;
            }
            let days = age.and_then(|age| usize::try_from(age / DAY).ok()).unwrap_or_default();
            let since = match pending.invited.and_then(Timestamp::new) {
                Some(at) => format!(" since {at}, {}", counted(days, "day")),
                None => ", and nothing says since when".to_owned(),
            };
            let fact = format!("invited to {} as {role}{since}", workspace.name());
            let bypasses = bypassing.contains(&role);
            let severity = if bypasses { Severity::Medium } else { Severity::Low };
            let place = pending.account.place;
            findings.add(Code::StaleInvitation, severity, place, &pending.account.value, fact);
        }
    }
}
