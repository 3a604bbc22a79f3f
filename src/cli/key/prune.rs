//! `sidegate key prune`

use clap::Args;
use serde::Serialize;

use crate::cli::audited::{Audited, Deed, Effect, Told, ids};
use crate::clock;
use crate::keystore::{Record, Store};
use crate::policy::UnixSeconds;

use super::list::write_json;
use super::outcome::Failure;
use super::view::View;
use super::wait::WaitArgs;
use super::when::Ago;
use super::{CommonArgs, Output, Terminal};

#[derive(Debug, Args)]
#[command(
    after_help = "A key whose record is gone is refused as `key_unknown`, not as `key_revoked` or
`key_expired`.

Examples:
  sidegate key prune --dry-run
  sidegate key prune --older-than 26w"
)]
pub(super) struct PruneArgs {
    /// How long ago it was revoked or expired at least: 12h, 90d, 6w
    #[arg(long, value_name = "SPAN", default_value = "90d")]
    older_than: Ago,
    /// Say what would go, and remove nothing
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    wait: WaitArgs,
}

#[derive(Serialize)]
struct Shown<'a> {
    dry_run: bool,
    removed: Vec<View<'a>>,
}

/// The policy plays no part, as none of these keys is good for anything.
pub(super) fn run(
    args: &PruneArgs,
    common: &CommonArgs,
    terminal: &mut Terminal<'_>,
    now: UnixSeconds,
) -> Result<(), Failure> {
    let Some(until) = args.older_than.from(now) else {
        return Err(Failure::Usage("--older-than: that is before the year 0".into()));
    };
    let config = common.read_config()?;
    let (gone, told): (Vec<Record<'static>>, _) = if args.dry_run {
        let mut records = common.records(&config, terminal)?;
        records.retain(|record| record.ends().is_some_and(|end| end <= until));
        (records, None)
    } else {
        common.warn_if_open(&config.keys, terminal)?;
        let deed = Deed { command: "key prune", ..Deed::default() };
        let audited = Audited::begin(&config, Effect::Gives, deed)?;
        let gone = Store::new(&config.keys, common.permissions())
            .prune(until)
            .map_err(|refusal| Failure::of_refusal(&config.keys, refusal));
        let (gone, told) = audited.done(gone, |gone| ids(gone))?;
        (gone, Some(told))
    };
    let written = clock::instant();
    match common.output {
        Output::Json => {
            let removed = View::all(&gone, now, None);
            write_json(&Shown { dry_run: args.dry_run, removed }, terminal.out)?;
        }
        Output::Text => {
            for Record { id, account, workspace, revoked, expires, .. } in &gone {
                let end = match (revoked, expires) {
                    (Some(revoked), _) => format!("revoked {revoked}"),
                    (None, Some(expires)) => format!("expired {expires}"),
                    (None, None) => String::new(),
                };
                writeln!(terminal.out, "{id} of {account} in {workspace}, {end}")?;
            }
            let would = if args.dry_run { "would be removed" } else { "removed" };
            writeln!(terminal.out, "{} {would}", gone.len())?;
        }
    }
    match args.dry_run || gone.is_empty() {
        true => Ok(()),
        false => args.wait.wait(&config, written, terminal),
    }?;
    told.map_or(Ok(()), Told::whole)
}
