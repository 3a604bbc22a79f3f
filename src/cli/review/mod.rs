//! `sidegate review`: who holds what, and what of it somebody should look at.
//!
//! "Review roles regularly", as a report over the policy as it is compiled and the key records: every finding with a code, a severity, the place where it can be mended and a
//! sentence that says what to do. What makes a policy wrong or suspicious by itself is
//! [`check`](super::check)'s to say; here it is counted only.
//!
//! JSON has the shape of [`view::View`]. Exit codes: 3 where the files are wrong, 4 where there is a
//! finding of `--fail-on` or above.
//!
//! Absent: what requests ask for. Which keys are in use is known where `last_used` is set, which
//! grants are, where there are tests of them.

mod access;
mod code;
mod csv;
mod finding;
mod grants;
mod invitations;
mod keys;
mod markdown;
mod material;
mod routes;
#[cfg(test)]
mod tests;
mod text;
mod used;
mod view;
mod workspaces;

use std::io::{self, IsTerminal as _, Write};
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};

use super::key::span;
use super::{Exit, FileArgs};
use crate::config::{self, Config, Report};
use crate::keystore::{self, LastUsed, Record, Timestamp};
use crate::policy::draft::Draft;
use crate::policy::key::Pepper;
use crate::policy::{FileId, Snapshot, UnixSeconds, compile_with};
use crate::{clock, policy};

use code::Severity;
use finding::Findings;
use grants::Usage;
use material::Material;
use used::Use;
use view::View;

/// Seconds after which a key counts as unused, unless `--unused` says otherwise: 90 days.
const UNUSED: i64 = 90 * 86_400;

#[derive(Debug, Args)]
pub(super) struct ReviewArgs {
    #[command(flatten)]
    files: FileArgs,
    /// Exit with 4 where there is a finding of that severity or above
    #[arg(long, value_enum, value_name = "SEVERITY")]
    fail_on: Option<Severity>,
    /// Tell keys and subscriptions that end within it
    #[arg(long, value_parser = span, default_value = "30d", value_name = "SPAN")]
    expires_within: i64,
    /// Tell keys that were not used for so long; needs `last_used` in the settings [default: 90d]
    #[arg(long, value_parser = span, value_name = "SPAN")]
    unused: Option<i64>,
    /// Tell invitations that were not accepted for so long
    #[arg(long, value_parser = span, default_value = "14d", value_name = "SPAN")]
    pending_for: i64,
    /// Files of tests of this policy: tell grants that give more than they use
    #[arg(long, num_args = 1.., value_name = "FILE")]
    tests: Vec<PathBuf>,
    /// For people, for scripts, for an issue tracker, or for a spreadsheet
    #[arg(long, value_enum, default_value_t = Format::Text)]
    output: Format,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For people
    Text,
    /// For scripts
    Json,
    /// For an issue tracker
    Markdown,
    /// A row a finding
    Csv,
}

/// Why nothing could be reviewed.
enum Refusal {
    Broke(String),
    Invalid(Vec<Report>),
    Usage(String),
}

/// What was found, and where its places are.
struct Review {
    findings: Findings,
    report: Report,
    at: Option<Timestamp>,
    /// Warnings of `check` that no finding speaks of.
    warnings: usize,
}

pub(super) fn run(args: &ReviewArgs) -> Exit {
    let (out, mut err) = (io::stdout().lock(), io::stderr().lock());
    let plain = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty())
        || std::env::var_os("TERM").is_some_and(|value| value == "dumb");
    let colours = out.is_terminal() && !plain;
    let mut out = io::BufWriter::new(out);
    super::printed(print(args, &mut out, &mut err, colours, clock::now()), &mut err)
}

fn print(
    args: &ReviewArgs,
    out: &mut impl Write,
    err: &mut impl Write,
    colours: bool,
    now: UnixSeconds,
) -> io::Result<Exit> {
    let review = match review(args, now) {
        Ok(review) => review,
        Err(Refusal::Broke(what)) => {
            writeln!(err, "{what}")?;
            return Ok(Exit::Broke);
        }
        Err(Refusal::Usage(what)) => {
            writeln!(err, "{what}")?;
            return Ok(Exit::Usage);
        }
        Err(Refusal::Invalid(reports)) => {
            reports.iter().try_for_each(|report| write!(err, "{report}"))?;
            return Ok(Exit::Invalid);
        }
    };
    match args.output {
        Format::Text => text::write(&review, colours, out)?,
        Format::Json => {
            serde_json::to_writer_pretty(&mut *out, &View::of(&review))?;
            writeln!(out)?;
        }
        Format::Markdown => markdown::write(&review, out)?,
        Format::Csv => csv::write(&review, out)?,
    }
    out.flush()?;
    let no = args
        .fail_on
        .is_some_and(|least| review.findings.list.iter().any(|finding| finding.severity >= least));
    Ok(if no { Exit::No } else { Exit::Fine })
}

fn review(args: &ReviewArgs, now: UnixSeconds) -> Result<Review, Refusal> {
    let invalid = |report| Refusal::Invalid(vec![report]);
    let config = config::read(&args.files.path()).map_err(invalid)?;
    let (draft, mut report, records) = read(&config, args)?;
    let snapshot = match compile_with(&draft, draft.keys.clone()) {
        Ok(snapshot) => snapshot,
        Err(problems) => {
            report.extend(problems);
            return Err(invalid(report));
        }
    };
    let mut findings = Findings::default();
    let last = last_used(&config, args, &mut findings)?;
    let unused = args.unused.unwrap_or(UNUSED);
    if let Some(last) = &last
        && now.0.saturating_sub(last.since().seconds().0) < unused
    {
        let note = "when keys are used is kept since {}: those without a use are not judged yet";
        findings.notes.push(note.replace("{}", &last.since().to_string()));
    }
    let used = last.as_ref().map(|last| Use { last, unused });
    let soon = args.expires_within;
    let material = Material::new(&draft, &snapshot, &records, used, now, soon);
    access::look(&material, &mut findings);
    workspaces::look(&material, &mut findings);
    invitations::look(&material, args.pending_for, &mut findings);
    keys::look(&material, &mut findings);
    routes::look(&material, &mut findings);
    if !args.tests.is_empty() {
        let usage = Usage::of(&config, &args.tests).map_err(Refusal::Invalid)?;
        grants::look(&material, &usage, &mut findings);
    }
    findings.sort();
    let warnings = report.warnings() + unspoken(&snapshot, &findings);
    Ok(Review { findings, report, at: Timestamp::new(now), warnings })
}

/// The policy, and the key records with what a draft of them leaves out.
fn read(
    config: &Config,
    args: &ReviewArgs,
) -> Result<(Draft, Report, Vec<Record<'static>>), Refusal> {
    let permissions = args.files.permissions();
    // Nobody's key is looked at: who reviews needs no pepper.
    let unpeppered = Config { pepper: None, ..config.clone() };
    let read = config::load_draft(&unpeppered, permissions);
    let (mut draft, report) = read.map_err(|report| Refusal::Invalid(vec![report]))?;
    draft.pepper = Some(Pepper::new([0; 32]));
    let (records, _) = keystore::records(&config.keys, FileId::default(), permissions);
    let ids = records.iter().map(|record| &*record.id);
    if !ids.eq(draft.keys.iter().map(|key| &*key.id)) {
        let file = config.keys.display();
        return Err(Refusal::Broke(format!("{file} changed while it was read: try again")));
    }
    Ok((draft, report, records))
}

fn last_used(
    config: &Config,
    args: &ReviewArgs,
    findings: &mut Findings,
) -> Result<Option<LastUsed>, Refusal> {
    let Some(path) = &config.last_used else {
        if args.unused.is_some() {
            let way_out = "set `last_used = \"last-used.jsonl\"` in `sidegate.toml`";
            let what = format!("--unused: nothing says when keys are used — {way_out}");
            return Err(Refusal::Usage(what));
        }
        return Ok(None);
    };
    if !Path::try_exists(path).unwrap_or(true) {
        let note = format!("{} is not there: no use of a key is known yet", path.display());
        findings.notes.push(note);
        return Ok(None);
    }
    config::read_last_used(path, args.files.permissions())
        .map(Some)
        .map_err(|report| Refusal::Invalid(vec![report]))
}

/// How many of `check`'s warnings no finding speaks of.
fn unspoken(snapshot: &Snapshot, findings: &Findings) -> usize {
    let places = findings.places();
    let is_new = |problem: &&policy::Problem| !places.contains(&problem.place);
    snapshot.warnings().iter().filter(is_new).count()
}
