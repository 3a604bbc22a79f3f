//! `sidegate member list`: an array of `workspace`, `account`, `role`, `state` (`member` or
//! `pending`), `invited` and `place` as JSON.

use clap::Args;
use serde::Serialize;

use crate::cli::amend::CommonArgs;
use crate::cli::key::{Failure, Terminal};
use crate::cli::listing;
use crate::config;
use crate::keystore::Timestamp;

#[derive(Debug, Args)]
pub(super) struct ListArgs {
    /// Only of this workspace
    #[arg(long)]
    workspace: Option<String>,
}

#[derive(Debug, Serialize)]
struct Row<'a> {
    workspace: &'a str,
    account: &'a str,
    role: &'a str,
    state: &'static str,
    invited: Option<Timestamp>,
    place: String,
}

pub(super) fn run(
    args: &ListArgs,
    common: &CommonArgs,
    terminal: &mut Terminal<'_>,
) -> Result<(), Failure> {
    let config = common.read_config()?;
    let (draft, report) = config::load_policy_draft(&config)
        .map_err(|report| Failure::Invalid(report.to_string()))?;
    let mut rows = Vec::new();
    for workspace in listing::workspaces(&draft, args.workspace.as_deref())? {
        let name = workspace.name.value.as_str();
        rows.extend(workspace.members.iter().map(|(account, role)| Row {
            workspace: name,
            account: &account.value,
            role: &role.value,
            state: "member",
            invited: None,
            place: report.place(account.place),
        }));
        rows.extend(workspace.pending.iter().map(|pending| Row {
            workspace: name,
            account: &pending.account.value,
            role: &pending.role.value,
            state: "pending",
            invited: pending.invited.and_then(Timestamp::new),
            place: report.place(pending.account.place),
        }));
    }
    let cells = |row: &Row<'_>| {
        let state = match row.invited {
            Some(since) => format!("{} since {since}", row.state),
            None => row.state.to_owned(),
        };
        [row.workspace, row.account, row.role, &state, &row.place].map(str::to_owned)
    };
    let head = ["workspace", "account", "role", "state", "place"];
    listing::print(&rows, head, cells, common.output, terminal)
}
