//! `sidegate key list`

use std::io::{self, Write};

use clap::Args;

use crate::policy::UnixSeconds;

use super::outcome::Failure;
use super::rules::Rules;
use super::select::Select;
use super::view::View;
use super::{CommonArgs, Output, Terminal};

#[derive(Debug, Args)]
#[command(after_help = "Keys stand in the order in which they were made.

Examples:
  sidegate key list --workspace acme --expires-within 30d
  sidegate key list --account svc-deploy --state active --output json | jq -r '.[].id'")]
pub(super) struct ListArgs {
    #[command(flatten)]
    select: Select,
}

pub(super) fn run(
    args: &ListArgs,
    common: &CommonArgs,
    terminal: &mut Terminal<'_>,
    now: UnixSeconds,
) -> Result<(), Failure> {
    let config = common.read_config()?;
    let mut records = common.records(&config, terminal)?;
    args.select.named().known(&records, &config)?;
    args.select.retain(&mut records, now)?;
    let rules = Rules::read_or_warn(&config, terminal)?;
    let views = View::all(&records, now, rules.as_ref());
    match common.output {
        Output::Json => write_json(&views, terminal.out)?,
        Output::Text if records.is_empty() => writeln!(terminal.err, "no such key")?,
        Output::Text => write_table(&views, terminal.out)?,
    }
    Ok(())
}

pub(super) fn write_json(value: &impl serde::Serialize, out: &mut dyn Write) -> io::Result<()> {
    let mut json = serde_json::to_vec_pretty(value)?;
    json.push(b'\n');
    out.write_all(&json)
}

pub(super) fn write_table(views: &[View<'_>], out: &mut dyn Write) -> io::Result<()> {
    let mut rows = vec![View::HEADER.map(str::to_owned)];
    rows.extend(views.iter().map(View::row));
    let mut widths = [0; View::HEADER.len()];
    for row in &rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = cell.chars().count().max(*width);
        }
    }
    let mut table = String::new();
    for row in &rows {
        let mut line = String::new();
        for (width, cell) in widths.iter().zip(row) {
            line.push_str(&format!("{cell:<width$}  "));
        }
        table.push_str(line.trim_end());
        table.push('\n');
    }
    out.write_all(table.as_bytes())
}
