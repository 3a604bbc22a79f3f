//! Whether a change speaks of what is there, told with places before anything is edited.

use super::Obstacle;
use super::change::{Change, NewGrant};
use crate::config::Report;
use crate::policy::draft::DraftWorkspace;
use crate::policy::{Draft, Place, Problem, Snapshot};

/// The workspace of this name.
pub(super) fn workspace<'d>(draft: &'d Draft, name: &str) -> Result<&'d DraftWorkspace, Obstacle> {
    let known = || draft.workspaces.iter().map(|workspace| workspace.name.value.as_str());
    draft.workspaces.iter().find(|workspace| workspace.name.value == name).ok_or_else(|| {
        let problem = Problem::error(Place::default(), format!("unknown workspace `{name}`"));
        Obstacle::Invalid(problem.did_you_mean(name, known()).to_string())
    })
}

/// Refuses a change of what is not there, to what is there, and of the last owner.
pub(super) fn check(
    draft: &Draft,
    snapshot: &Snapshot,
    report: &Report,
    name: &str,
    change: &Change,
) -> Result<(), Obstacle> {
    let found = workspace(draft, name)?;
    let member = |account: &str| found.members.iter().find(|(name, _)| name.value == account);
    let pending = |account: &str| found.pending.iter().find(|it| it.account.value == account);
    let invalid = |text: String| Err(Obstacle::Invalid(text));
    let last_owner = |account: &String| match snapshot.is_last_owner(name, account) {
        true => Err(Obstacle::No(format!(
            "`{account}` is the last owner of workspace `{name}` — make another one first"
        ))),
        false => Ok(()),
    };
    match change {
        Change::Accept { account } => match pending(account) {
            Some(_) => Ok(()),
            None if member(account).is_some() => {
                invalid(format!("`{account}` is a member of workspace `{name}` already"))
            }
            None => {
                let known = found.pending.iter().map(|it| it.account.value.as_str());
                absent(format!("`{account}` was not invited to workspace `{name}`"), account, known)
            }
        },
        Change::Invite { account, .. } => {
            let (what, place) = match (member(account), pending(account)) {
                (Some((at, _)), _) => ("is a member of", at.place),
                (_, Some(it)) => ("was invited to", it.account.place),
                (None, None) => return Ok(()),
            };
            let place = report.place(place);
            invalid(format!("{place}: `{account}` {what} workspace `{name}` already"))
        }
        Change::SetRole { account, role } => match member(account) {
            None => not_a_member(found, name, account),
            Some((at, old)) if old.value == *role => {
                let place = report.place(at.place);
                invalid(format!("{place}: `{account}` has the role `{role}` already"))
            }
            Some(_) if snapshot.makes_owner(role) => Ok(()),
            Some(_) => last_owner(account),
        },
        Change::Remove { account } => match (member(account), pending(account)) {
            (None, None) => not_a_member(found, name, account),
            _ => last_owner(account),
        },
        Change::Grant(grant) => {
            let same = found.grants.iter().find(|it| NewGrant::of(it).is_like(grant));
            match same {
                Some(it) => {
                    let place = report.place(it.place);
                    invalid(format!("{place}: this grant to `{}` stands there already", grant.to))
                }
                None => Ok(()),
            }
        }
        Change::Revoke(named) => {
            let stands = |(index, grant): &(usize, NewGrant)| {
                found.grants.get(*index).is_some_and(|it| NewGrant::of(it) == *grant)
            };
            match named.iter().all(stands) {
                true => Ok(()),
                false => Err(Obstacle::Broke(
                    "the grants changed meanwhile: nothing is written — try again".to_owned(),
                )),
            }
        }
    }
}

fn not_a_member(found: &DraftWorkspace, name: &str, account: &str) -> Result<(), Obstacle> {
    let known = found.members.iter().map(|(account, _)| account.value.as_str());
    absent(format!("account `{account}` is not a member of workspace `{name}`"), account, known)
}

fn absent<'a>(
    message: String,
    account: &str,
    known: impl Iterator<Item = &'a str>,
) -> Result<(), Obstacle> {
    let problem = Problem::error(Place::default(), message);
    let problem = problem.hint("`sidegate member list` shows who is in it, and who is invited");
    let problem = problem.did_you_mean(account, known);
    Err(Obstacle::Invalid(problem.to_string()))
}
