//! `sidegate key show`

use clap::Args;

use crate::keystore::Record;
use crate::policy::{Place, Problem, UnixSeconds};

use super::list::write_json;
use super::outcome::Failure;
use super::rules::Rules;
use super::view::View;
use super::{CommonArgs, Output, Terminal};

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  sidegate key show k_7Q2M0aZ91x
  sidegate key show k_7Q2M0aZ91x --output json | jq .reaches")]
pub(super) struct ShowArgs {
    /// The key's id, k_…
    id: String,
}

pub(super) fn run(
    args: &ShowArgs,
    common: &CommonArgs,
    terminal: &mut Terminal<'_>,
    now: UnixSeconds,
) -> Result<(), Failure> {
    let config = common.read_config()?;
    let records = common.records(&config, terminal)?;
    let record = find(&args.id, &records)?;
    let rules = Rules::read_or_warn(&config, terminal)?;
    let view = View::new(record, now, rules.as_ref());
    match common.output {
        Output::Json => write_json(&view, terminal.out)?,
        Output::Text => view.write_text(terminal.out)?,
    }
    Ok(())
}

/// The record with this id.
pub(super) fn find<'r, 'a>(id: &str, records: &'r [Record<'a>]) -> Result<&'r Record<'a>, Failure> {
    records.iter().find(|record| *record.id == *id).ok_or_else(|| {
        let message = format!("no key has the id `{}`", id.escape_debug());
        let problem = Problem::error(Place::default(), message)
            .hint("`sidegate key list` shows them all")
            .did_you_mean(id, records.iter().map(|record| &*record.id));
        Failure::Invalid(problem.to_string())
    })
}
