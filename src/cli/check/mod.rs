//! `sidegate check`: every problem of every file, and all that somebody should look at, without
//! serving.

mod lints;
#[cfg(test)]
mod tests;

use std::io::{self, Write};

use clap::Args;
use serde::Serialize;

use super::{Exit, FileArgs, Output};
use crate::config::{self, Inspection, Report};
use crate::policy::Snapshot;

#[derive(Debug, Args)]
pub(super) struct CheckArgs {
    #[command(flatten)]
    files: FileArgs,
    /// Exit 3 on warnings, too
    #[arg(long)]
    deny_warnings: bool,
    /// Say what a warning is about, by its code, instead of checking; `list` names them all
    #[arg(long, value_name = "CODE")]
    explain: Option<String>,
    /// How the outcome is printed: problems to standard error, JSON to standard output
    #[arg(long, value_enum, default_value_t = Output::Text)]
    output: Output,
}

/// What a policy holds, as scripts read it.
#[derive(Debug, Serialize)]
struct Outcome<'a> {
    ok: bool,
    workspaces: Option<usize>,
    routes: Option<usize>,
    keys: Option<usize>,
    allowed: usize,
    #[serde(flatten)]
    report: &'a Report,
}

/// Checks and prints. Warnings are fine, unless they are denied.
pub(super) fn run(args: &CheckArgs) -> Exit {
    let (mut out, mut err) = (io::stdout().lock(), io::stderr().lock());
    let ended = match &args.explain {
        Some(code) => lints::print(code, args.output, &mut out, &mut err),
        None => print(args, &mut out, &mut err),
    };
    super::printed(ended, &mut err)
}

fn print(args: &CheckArgs, out: &mut impl Write, err: &mut impl Write) -> io::Result<Exit> {
    let found = config::inspect(&args.files.path(), args.files.permissions());
    let fine = match &found.snapshot {
        Some(_) => found.report.warnings() == 0 || !args.deny_warnings,
        None => false,
    };
    match args.output {
        Output::Text => text(&found, fine, out, err)?,
        Output::Json => {
            let Inspection { snapshot, report, allowed } = &found;
            let outcome = Outcome {
                ok: fine,
                workspaces: snapshot.as_ref().map(Snapshot::workspace_count),
                routes: snapshot.as_ref().map(Snapshot::route_count),
                keys: snapshot.as_ref().map(Snapshot::key_count),
                allowed: *allowed,
                report,
            };
            serde_json::to_writer_pretty(&mut *out, &outcome)?;
            writeln!(out)?;
        }
    }
    out.flush()?;
    Ok(if fine { Exit::Fine } else { Exit::Invalid })
}

fn text(
    found: &Inspection,
    fine: bool,
    out: &mut impl Write,
    err: &mut impl Write,
) -> io::Result<()> {
    let Inspection { snapshot, report, allowed } = found;
    write!(err, "{report}")?;
    let Some(snapshot) = snapshot.as_ref().filter(|_| fine) else {
        return writeln!(err, "{}", total(report));
    };
    let mut counts = vec![
        counted(snapshot.workspace_count(), "workspace"),
        counted(snapshot.route_count(), "route"),
        counted(snapshot.key_count(), "key"),
    ];
    if report.warnings() > 0 {
        counts.push(counted(report.warnings(), "warning"));
    }
    if *allowed > 0 {
        counts.push(format!("{allowed} allowed"));
    }
    writeln!(out, "ok: {}", counts.join(", "))
}

/// `5 errors`, `5 errors, 1 warning`, or `1 warning` where that is what is denied.
fn total(report: &Report) -> String {
    let errors = counted(report.errors(), "error");
    let warnings = counted(report.warnings(), "warning");
    match (report.errors(), report.warnings()) {
        (_, 0) => errors,
        (0, _) => warnings,
        (_, _) => format!("{errors}, {warnings}"),
    }
}

fn counted(number: usize, what: &str) -> String {
    match number {
        1 => format!("1 {what}"),
        number => format!("{number} {what}s"),
    }
}
