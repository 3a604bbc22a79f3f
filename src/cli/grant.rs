//! `sidegate grant …`: what members are granted, edited in the policy's file.

use clap::{Args, Subcommand};
use serde::Serialize;

use super::amend::{AmendArgs, CommonArgs, on_terminal};
use super::key::{Failure, Terminal};
use super::{Exit, listing};
use crate::config::{self, Change, Given, NewGrant, Report};
use crate::policy::draft::DraftGrant;
use crate::policy::{Level, UnixSeconds};

#[derive(Debug, Args)]
pub(super) struct GrantArgs {
    #[command(subcommand)]
    command: GrantCommand,
    #[command(flatten)]
    common: CommonArgs,
}

#[derive(Debug, Subcommand)]
enum GrantCommand {
    /// Grant an account or a group one thing: a role, a level or permissions of a product, or areas
    Add(AddArgs),
    /// Take a grant out: the one that these arguments describe
    Revoke(RevokeArgs),
    /// List grants
    List(ListArgs),
}

#[derive(Debug, Args)]
struct AddArgs {
    /// To whom: account:NAME or group:NAME
    #[arg(long, value_name = "WHOM", value_parser = grantee)]
    to: String,
    #[command(flatten)]
    gives: GiftArgs,
    #[command(flatten)]
    amend: AmendArgs,
}

#[derive(Debug, Args)]
struct RevokeArgs {
    /// To whom: account:NAME or group:NAME
    #[arg(long, value_name = "WHOM", value_parser = grantee)]
    to: String,
    #[command(flatten)]
    gives: GiftArgs,
    /// Every grant that these arguments describe, where there are several
    #[arg(long)]
    all: bool,
    #[command(flatten)]
    amend: AmendArgs,
}

#[derive(Debug, Args)]
struct GiftArgs {
    /// The product
    #[arg(long)]
    product: Option<String>,
    /// A role of the product
    #[arg(long, requires = "product", conflicts_with_all = ["level", "permissions", "areas"])]
    role: Option<String>,
    /// A level on the product and all its permissions: view or full
    #[arg(long, requires = "product", value_parser = level,
        conflicts_with_all = ["permissions", "areas"])]
    level: Option<Level>,
    /// A level on one permission of the product, such as reports=view; may be repeated
    #[arg(long = "permission", value_name = "NAME=LEVEL", requires = "product",
        value_parser = row, conflicts_with = "areas")]
    permissions: Vec<(String, Level)>,
    /// A level on one area, such as members=view; may be repeated
    #[arg(long = "area", value_name = "NAME=LEVEL", value_parser = row,
        conflicts_with = "product")]
    areas: Vec<(String, Level)>,
}

#[derive(Debug, Args)]
struct ListArgs {
    /// Only of this workspace
    #[arg(long)]
    workspace: Option<String>,
}

/// Runs `sidegate grant …`.
pub(super) fn run(args: &GrantArgs) -> Exit {
    on_terminal(|terminal, now| execute(args, terminal, now))
}

pub(super) fn execute(
    args: &GrantArgs,
    terminal: &mut Terminal<'_>,
    now: UnixSeconds,
) -> Result<(), Failure> {
    let common = &args.common;
    match &args.command {
        GrantCommand::Add(AddArgs { to, gives, amend }) => {
            let Some(gives) = gives.given() else {
                return Err(Failure::Usage(
                    "a grant that gives nothing: add --area, or --product with --role, --level or \
                     --permission"
                        .to_owned(),
                ));
            };
            let words = format!("{to} is granted {} in {}", words(&gives), amend.workspace);
            let grant = NewGrant { to: to.clone(), gives };
            amend.amend(common, (Change::Grant(grant), words), terminal, now)
        }
        GrantCommand::Revoke(args) => revoke(args, common, terminal, now),
        GrantCommand::List(args) => list(args, common, terminal),
    }
}

fn revoke(
    args: &RevokeArgs,
    common: &CommonArgs,
    terminal: &mut Terminal<'_>,
    now: UnixSeconds,
) -> Result<(), Failure> {
    let (draft, report) = draft(common)?;
    let name = args.amend.workspace.as_str();
    let workspace = listing::workspaces(&draft, Some(name))?;
    let grants = workspace.iter().flat_map(|workspace| workspace.grants.iter().enumerate());
    let found: Vec<_> = grants.filter(|(_, grant)| args.describe(grant)).collect();
    match found.len() {
        0 => Err(Failure::Invalid(format!(
            "no grant to `{}` in workspace `{name}` is like that — `sidegate grant list` shows them \
             all",
            args.to
        ))),
        2.. if !args.all => {
            let place = |grant: &DraftGrant| report.place(grant.place);
            let line = |(_, grant): &(usize, &DraftGrant)| {
                format!("{}: {}", place(grant), words(&NewGrant::of(grant).gives))
            };
            let lines: Vec<_> = found.iter().map(line).collect();
            Err(Failure::Invalid(format!(
                "{}\n{} grants are like that — say more of the one, or `--all`",
                lines.join("\n"),
                found.len()
            )))
        }
        _ => {
            let given = found.iter().map(|(_, grant)| words(&NewGrant::of(grant).gives));
            let given = given.collect::<Vec<_>>().join("; ");
            let words = format!("{} is no longer granted {given} in {name}", args.to);
            let indices =
                found.iter().map(|(index, grant)| (*index, NewGrant::of(grant))).collect();
            args.amend.amend(common, (Change::Revoke(indices), words), terminal, now)
        }
    }
}

#[derive(Debug, Serialize)]
struct Row<'a> {
    workspace: &'a str,
    to: String,
    gives: String,
    place: String,
}

fn list(args: &ListArgs, common: &CommonArgs, terminal: &mut Terminal<'_>) -> Result<(), Failure> {
    let (draft, report) = draft(common)?;
    let workspaces = listing::workspaces(&draft, args.workspace.as_deref())?;
    let rows = workspaces.into_iter().flat_map(|workspace| {
        workspace.grants.iter().map(|grant| Row {
            workspace: &workspace.name.value,
            to: NewGrant::of(grant).to,
            gives: words(&NewGrant::of(grant).gives),
            place: report.place(grant.place),
        })
    });
    let cells = |row: &Row<'_>| {
        [row.workspace.to_owned(), row.to.clone(), row.gives.clone(), row.place.clone()]
    };
    let head = ["workspace", "to", "gives", "place"];
    listing::print(&rows.collect::<Vec<_>>(), head, cells, common.output, terminal)
}

fn draft(common: &CommonArgs) -> Result<(crate::policy::Draft, Report), Failure> {
    let config = common.read_config()?;
    config::load_policy_draft(&config).map_err(|report| Failure::Invalid(report.to_string()))
}

impl GiftArgs {
    fn given(&self) -> Option<Given> {
        let product = || self.product.clone();
        match (&self.role, self.level, &*self.permissions, &*self.areas) {
            (Some(role), ..) => Some(Given::Role(product()?, role.clone())),
            (_, Some(level), ..) => Some(Given::Level(product()?, level)),
            (_, _, rows @ [_, ..], _) => Some(Given::Permissions(product()?, rows.to_vec())),
            (_, _, _, rows @ [_, ..]) => Some(Given::Areas(rows.to_vec())),
            _ => None,
        }
    }
}

impl RevokeArgs {
    fn describe(&self, grant: &DraftGrant) -> bool {
        let NewGrant { to, gives: old } = NewGrant::of(grant);
        let gives = match (self.gives.given(), &self.gives.product) {
            (Some(Given::Permissions(product, rows)), _) => {
                matches!(&old, Given::Permissions(of, old)
                    if *of == product && rows.iter().all(|row| old.contains(row)))
            }
            (Some(Given::Areas(rows)), _) => {
                matches!(&old, Given::Areas(old) if rows.iter().all(|row| old.contains(row)))
            }
            (Some(given), _) => given == old,
            (None, Some(product)) => match &old {
                Given::Areas(_) => false,
                Given::Level(of, _) | Given::Permissions(of, _) | Given::Role(of, _) => {
                    of == product
                }
            },
            (None, None) => true,
        };
        gives && to == self.to
    }
}

/// What a grant gives, for people.
fn words(given: &Given) -> String {
    let rows = |rows: &[(String, Level)]| {
        let rows = rows.iter().map(|(row, level)| format!("{row} = {}", level.name()));
        rows.collect::<Vec<_>>().join(", ")
    };
    match given {
        Given::Areas(areas) => format!("areas {}", rows(areas)),
        Given::Level(product, level) => format!("{} on {product}", level.name()),
        Given::Permissions(product, given) => format!("{} on {product}", rows(given)),
        Given::Role(product, role) => format!("role {role} of {product}"),
    }
}

fn grantee(text: &str) -> Result<String, &'static str> {
    match text.split_once(':') {
        Some(("account" | "group", name)) if !name.is_empty() => Ok(text.to_owned()),
        _ => Err("write account:NAME or group:NAME"),
    }
}

fn level(text: &str) -> Result<Level, &'static str> {
    Level::parse(text).filter(|level| *level > Level::None).ok_or("a level is view or full")
}

fn row(text: &str) -> Result<(String, Level), &'static str> {
    let (name, written) = text.split_once('=').ok_or("write NAME=LEVEL")?;
    // `none` in a grant is what `*` leaves out.
    let level = Level::parse(written).ok_or("a level is none, view or full")?;
    Ok((name.to_owned(), level))
}
