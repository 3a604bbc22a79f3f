//! `sidegate key list` and `sidegate key show`

use std::io::{self, Write};

use clap::Args;

use crate::keystore::Record;
use crate::policy::{Place, Problem, UnixSeconds};

use super::outcome::Failure;
use super::view::View;
use super::{CommonArgs, Output, Terminal};

#[derive(Debug, Args)]
pub(super) struct ListArgs {
    /// Only keys of this workspace
    #[arg(long)]
    workspace: Option<String>,
    /// Only keys of this account
    #[arg(long)]
    account: Option<String>,
}

#[derive(Debug, Args)]
pub(super) struct ShowArgs {
    /// The key's id, k_…
    id: String,
}

pub(super) fn run(
    args: &ListArgs,
    common: &CommonArgs,
    terminal: &mut Terminal<'_>,
    now: UnixSeconds,
) -> Result<(), Failure> {
    let config = common.read_config()?;
    let mut records = common.records(&config, terminal)?;
    let wanted = |asked: &Option<String>, name: &str| asked.as_deref().is_none_or(|a| a == name);
    records.retain(|record| {
        wanted(&args.workspace, &record.workspace) && wanted(&args.account, &record.account)
    });
    match common.output {
        Output::Json => {
            let views: Vec<_> = records.iter().map(|record| View::new(record, now)).collect();
            write_json(&views, terminal.out)?;
        }
        Output::Text if records.is_empty() => writeln!(terminal.err, "no such key")?,
        Output::Text => write_table(&records, terminal.out, now)?,
    }
    Ok(())
}

pub(super) fn show(
    args: &ShowArgs,
    common: &CommonArgs,
    terminal: &mut Terminal<'_>,
    now: UnixSeconds,
) -> Result<(), Failure> {
    let config = common.read_config()?;
    let records = common.records(&config, terminal)?;
    let Some(record) = records.iter().find(|record| *record.id == *args.id) else {
        let message = format!("no key has the id `{}`", args.id.escape_debug());
        let problem = Problem::error(Place::default(), message)
            .hint("`sidegate key list` shows them all")
            .did_you_mean(&args.id, records.iter().map(|record| &*record.id));
        return Err(Failure::Invalid(problem.to_string()));
    };
    write_record(record, common.output, terminal, now)
}

pub(super) fn write_record(
    record: &Record<'_>,
    output: Output,
    terminal: &mut Terminal<'_>,
    now: UnixSeconds,
) -> Result<(), Failure> {
    let view = View::new(record, now);
    match output {
        Output::Json => write_json(&view, terminal.out)?,
        Output::Text => view.write_text(terminal.out)?,
    }
    Ok(())
}

pub(super) fn write_json(value: &impl serde::Serialize, out: &mut dyn Write) -> io::Result<()> {
    let mut json = serde_json::to_vec_pretty(value)?;
    json.push(b'\n');
    out.write_all(&json)
}

fn write_table(records: &[Record<'_>], out: &mut dyn Write, now: UnixSeconds) -> io::Result<()> {
    let header = ["id", "account", "workspace", "environment", "state", "expires", "label"];
    let mut rows = vec![header.map(str::to_owned)];
    rows.extend(records.iter().map(|record| {
        [
            record.id.to_string(),
            record.account.to_string(),
            record.workspace.to_string(),
            record.environment.to_string(),
            record.state(now).name().to_owned(),
            record.expires.map_or("never".to_owned(), |time| time.to_string()),
            record.label.as_ref().map_or("-".to_owned(), |label| label.to_string()),
        ]
    }));
    let mut widths = [0; 7];
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
