//! `sidegate member …`: who is in a workspace, edited in the policy's file.

mod list;
#[cfg(test)]
mod tests;

use clap::{Args, Subcommand};

use super::Exit;
use super::amend::{AmendArgs, CommonArgs, on_terminal};
use super::key::{Failure, Terminal};
use crate::config::Change;
use crate::keystore::Timestamp;
use crate::policy::UnixSeconds;

#[derive(Debug, Args)]
pub(super) struct MemberArgs {
    #[command(subcommand)]
    command: MemberCommand,
    #[command(flatten)]
    common: CommonArgs,
}

#[derive(Debug, Subcommand)]
enum MemberCommand {
    /// Add a pending member: it has a seat, and reaches nothing until it is accepted
    Invite(RoleArgs),
    /// Make a pending member one, with the role that it was invited to
    Accept(AccountArgs),
    /// Give a member another role
    SetRole(RoleArgs),
    /// Take out a member or a pending one, its grants and its places in groups
    Remove(AccountArgs),
    /// List members and pending ones
    List(list::ListArgs),
}

#[derive(Debug, Args)]
struct RoleArgs {
    /// The account
    account: String,
    /// The role
    role: String,
    #[command(flatten)]
    amend: AmendArgs,
}

#[derive(Debug, Args)]
struct AccountArgs {
    /// The account
    account: String,
    #[command(flatten)]
    amend: AmendArgs,
}

/// Runs `sidegate member …`.
pub(super) fn run(args: &MemberArgs) -> Exit {
    on_terminal(|terminal, now| execute(args, terminal, now))
}

fn execute(
    args: &MemberArgs,
    terminal: &mut Terminal<'_>,
    now: UnixSeconds,
) -> Result<(), Failure> {
    let common = &args.common;
    let (amend, change) = match &args.command {
        MemberCommand::List(args) => return list::run(args, common, terminal),
        MemberCommand::Invite(RoleArgs { account, role, amend }) => {
            let (account, role) = (account.clone(), role.clone());
            let words = format!("{account} is invited to {} as {role}", amend.workspace);
            let change = Change::Invite { account, role, invited: today(now)? };
            (amend, (change, words))
        }
        MemberCommand::Accept(AccountArgs { account, amend }) => {
            let words = format!("{account} is a member of {}", amend.workspace);
            (amend, (Change::Accept { account: account.clone() }, words))
        }
        MemberCommand::SetRole(RoleArgs { account, role, amend }) => {
            let (account, role) = (account.clone(), role.clone());
            let words = format!("{account} is {role} of {}", amend.workspace);
            (amend, (Change::SetRole { account, role }, words))
        }
        MemberCommand::Remove(AccountArgs { account, amend }) => {
            let words = format!("{account} is no longer in {}", amend.workspace);
            (amend, (Change::Remove { account: account.clone() }, words))
        }
    };
    amend.amend(common, change, terminal, now)
}

/// The day in UTC, as TOML writes it.
fn today(now: UnixSeconds) -> Result<String, Failure> {
    let time = Timestamp::new(now).map(|time| time.to_string());
    let day = time.as_deref().and_then(|time| time.split_once('T')).map(|(day, _)| day.to_owned());
    day.ok_or_else(|| Failure::Broke("the clock is off".into()))
}
