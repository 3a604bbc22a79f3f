//! `sidegate test FILE…`: what a policy should do, held against what it does.
//!
//! A file of tests is about the `sidegate.toml` beside it, or about that of `-c`. Its cases are
//! decided by the policy core, at the times that they say; the keys' texts and the pepper play no
//! part, and neither do the files' modes, for nothing is served.
//!
//! Exit codes: 3 where a file is wrong, 4 where a case fails or, under `--require-coverage`, where
//! no case touches a route, a role or a grant.

mod coverage;
mod junit;
mod outcome;
mod run;
#[cfg(test)]
mod tests;
mod text;

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};

use super::Exit;
use super::explain::Answer;
use crate::config::{self, Config, Report};

use outcome::Outcome;

#[derive(Debug, Args)]
pub(super) struct TestArgs {
    /// Files of tests
    #[arg(required = true, value_name = "FILE")]
    tests: Vec<PathBuf>,
    /// Settings of the policy [default: the `sidegate.toml` beside each file of tests]
    #[arg(short, long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// How the outcome is printed
    #[arg(long, value_enum, default_value_t = Form::Text)]
    output: Form,
    /// Exit with 4 where no case touches a route, a role or a grant
    #[arg(long)]
    require_coverage: bool,
}

/// How the outcome is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Form {
    /// For people
    Text,
    /// For scripts
    Json,
    /// JUnit's XML, for CI
    Junit,
}

pub(super) fn run(args: &TestArgs) -> Exit {
    let mut err = io::stderr().lock();
    super::printed(print(args, &mut io::stdout().lock(), &mut err), &mut err)
}

fn print(args: &TestArgs, out: &mut impl Write, err: &mut impl Write) -> io::Result<Exit> {
    let mut outcome = Outcome::default();
    let mut invalid = false;
    for (config, tests) in by_policy(args) {
        match of_policy(&config, &tests) {
            Ok(part) => outcome.append(part),
            Err(reports) => {
                invalid = true;
                reports.iter().try_for_each(|report| write!(err, "{report}"))?;
            }
        }
    }
    outcome.count();
    match args.output {
        Form::Text => text::write(&outcome, out)?,
        Form::Json => {
            serde_json::to_writer_pretty(&mut *out, &outcome)?;
            writeln!(out)?;
        }
        Form::Junit => junit::write(&outcome, out)?,
    }
    out.flush()?;
    let gaps = args.require_coverage && outcome.has_gaps();
    Ok(match () {
        () if invalid => Exit::Invalid,
        () if outcome.failed > 0 || gaps => Exit::No,
        () => Exit::Fine,
    })
}

/// Files of tests with the settings that they are about, which are read once.
fn by_policy(args: &TestArgs) -> Vec<(PathBuf, Vec<&Path>)> {
    let mut groups: Vec<(PathBuf, Vec<&Path>)> = Vec::new();
    for path in &args.tests {
        let beside = || path.with_file_name("sidegate.toml");
        let config = args.config.clone().unwrap_or_else(beside);
        match groups.iter_mut().find(|(known, _)| *known == config) {
            Some((_, tests)) => tests.push(path),
            None => groups.push((config, vec![path])),
        }
    }
    groups
}

fn of_policy(path: &Path, tests: &[&Path]) -> Result<Outcome, Vec<Report>> {
    let (suites, mut wrong) = read(tests);
    match config::read(path) {
        Ok(config) => match run::run(&config, suites) {
            Ok(outcome) if wrong.is_empty() => return Ok(outcome),
            Ok(_) => {}
            Err(reports) => wrong.extend(reports),
        },
        Err(report) => wrong.push(report),
    }
    Err(wrong)
}

/// The files that can be read, and what is wrong with the others.
fn read<'a>(tests: &[&'a Path]) -> (Vec<run::Read<'a>>, Vec<Report>) {
    let (mut suites, mut wrong) = (Vec::new(), Vec::new());
    for path in tests {
        match config::read_suite(path) {
            Ok((suite, report)) => suites.push(run::Read { path, suite, report }),
            Err(report) => wrong.push(report),
        }
    }
    (suites, wrong)
}

/// Asks the policy of `config` what every case of some files asks that expects to be allowed.
///
/// # Errors
///
/// Every problem of the files and of the policy, and every name that the policy does not have.
pub(super) fn ask_allowed(
    config: &Config,
    tests: &[PathBuf],
    each: impl FnMut(&Answer<'_>),
) -> Result<(), Vec<Report>> {
    let tests: Vec<&Path> = tests.iter().map(PathBuf::as_path).collect();
    let (suites, wrong) = read(&tests);
    if wrong.is_empty() { run::ask(config, suites, each) } else { Err(wrong) }
}
