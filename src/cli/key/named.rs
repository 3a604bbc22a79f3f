//! Workspaces and accounts that a command names and nobody has: mistyped, more likely than gone.

use crate::config::{self, Config};
use crate::keystore::Record;
use crate::policy::{Draft, Place, Problem};

use super::outcome::Failure;

/// Whose keys are asked for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Named<'a> {
    pub(super) workspace: Option<&'a str>,
    pub(super) account: Option<&'a str>,
}

impl Named<'_> {
    /// Refuses names that neither a record nor the policy has. A policy that cannot be read is asked
    /// nothing: who names what is wrong with it is somebody else.
    pub(super) fn known(self, records: &[Record<'_>], config: &Config) -> Result<(), Failure> {
        let workspace =
            self.workspace.filter(|name| records.iter().all(|it| *it.workspace != **name));
        let account = self.account.filter(|name| records.iter().all(|it| *it.account != **name));
        if workspace.is_none() && account.is_none() {
            return Ok(());
        }
        let Ok((draft, _)) = config::load_policy_draft(config) else { return Ok(()) };
        let mut workspaces = workspaces(&draft);
        workspaces.extend(records.iter().map(|record| &*record.workspace));
        let mut accounts = accounts(&draft);
        accounts.extend(records.iter().map(|record| &*record.account));
        let lines: Vec<_> = [("workspace", workspace, workspaces), ("account", account, accounts)]
            .into_iter()
            .filter_map(|(kind, name, known)| Some(absent(kind, name?, &known)?.to_string()))
            .collect();
        if lines.is_empty() { Ok(()) } else { Err(Failure::Invalid(lines.join("\n"))) }
    }
}

fn absent(kind: &str, name: &str, known: &[&str]) -> Option<Problem> {
    if known.contains(&name) {
        return None;
    }
    let message =
        format!("the policy has no {kind} `{}`, and no key is of one", name.escape_debug());
    let problem =
        Problem::error(Place::default(), message).hint("`sidegate key list` shows all keys");
    Some(problem.did_you_mean(name, known.iter().copied()))
}

fn workspaces(draft: &Draft) -> Vec<&str> {
    draft.workspaces.iter().map(|workspace| workspace.name.value.as_str()).collect()
}

/// Members, those to be, and accounts that are spoken of.
fn accounts(draft: &Draft) -> Vec<&str> {
    let spoken_of = draft.accounts.iter().map(|account| account.name.value.as_str());
    let members = draft.workspaces.iter().flat_map(|workspace| {
        let pending = workspace.pending.iter().map(|pending| pending.account.value.as_str());
        workspace.members.iter().map(|(account, _)| account.value.as_str()).chain(pending)
    });
    spoken_of.chain(members).collect()
}
