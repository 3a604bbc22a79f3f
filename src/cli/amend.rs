//! An edit of the policy's file, as `member` and `grant` make it: what it changes is shown before
//! it is written, and then whether a running sidegate has it in force.
//!
//! JSON is one object: `change` (what was done, in words), `file`, `written`, `access` (as `diff`
//! prints it), `patch` (a unified diff of the file) and `warnings`. Exit codes: 0 done, 1 it broke or
//! somebody else changed the file meanwhile, 3 the policy is wrong, or would be, or does not have what
//! is named, 4 the rules of administration refuse it.

use std::fmt;
use std::io;

use clap::Args;
use serde::Serialize;
use similar::TextDiff;

use super::audited::{Audited, Deed, Effect};
use super::diff::{self, View};
use super::key::{Failure, Terminal, WaitArgs};
use super::{Exit, FileArgs, Output};
use crate::clock;
use crate::config::{self, Amendment, Change, Config, Obstacle, Wish};
use crate::keystore::Timestamp;
use crate::policy::UnixSeconds;
use crate::policy::difference::{Side, difference};

/// Lines of the file around a change.
const CONTEXT: usize = 3;

/// What every edit takes.
#[derive(Debug, Args)]
pub(super) struct AmendArgs {
    /// The workspace
    #[arg(long, value_name = "WORKSPACE")]
    pub(super) workspace: String,
    /// Ask for this account, and refuse what it may not do. Without it, the operator asks, who may do
    /// all but leave a workspace without an owner
    #[arg(long = "as", value_name = "ACCOUNT")]
    by: Option<String>,
    /// Show what would change, and write nothing
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    wait: WaitArgs,
}

/// What every command of `member` and `grant` takes.
#[derive(Debug, Args)]
pub(super) struct CommonArgs {
    #[command(flatten)]
    pub(super) files: FileArgs,
    /// How to print
    #[arg(long, global = true, value_enum, default_value_t = Output::Text)]
    pub(super) output: Output,
}

/// An edit as scripts read it.
#[derive(Debug, Serialize)]
struct Edit<'a> {
    change: &'a str,
    file: String,
    written: bool,
    access: View<'a>,
    patch: String,
    warnings: &'a [String],
}

/// Runs a command on the process's own output.
pub(super) fn on_terminal(
    execute: impl FnOnce(&mut Terminal<'_>, UnixSeconds) -> Result<(), Failure>,
) -> Exit {
    let (mut input, mut out, mut err) = (io::empty(), io::stdout(), io::stderr());
    let mut terminal = Terminal { input: &mut input, out: &mut out, err: &mut err, watched: false };
    match execute(&mut terminal, clock::now()) {
        Ok(()) => Exit::Fine,
        Err(failure) => {
            let _ = write!(terminal.err, "{failure}");
            failure.exit()
        }
    }
}

impl CommonArgs {
    pub(super) fn read_config(&self) -> Result<Config, Failure> {
        config::read(&self.files.path()).map_err(|report| Failure::Invalid(report.to_string()))
    }
}

impl AmendArgs {
    /// Makes the change and shows it; `words` say what is done.
    pub(super) fn amend(
        &self,
        common: &CommonArgs,
        (change, words): (Change, impl fmt::Display),
        terminal: &mut Terminal<'_>,
        now: UnixSeconds,
    ) -> Result<(), Failure> {
        let config = common.read_config()?;
        let (by, write) = (self.by.as_deref(), !self.dry_run);
        let words = words.to_string();
        let (command, effect) = command(&change);
        let deed = || Deed {
            command,
            by,
            workspace: Some(&self.workspace),
            change: Some(&words),
            ..Deed::default()
        };
        let wish = Wish { workspace: &self.workspace, change, by, write };
        let amendment = Amendment::prepare(&config, &wish).map_err(|obstacle| {
            if write && matches!(obstacle, Obstacle::No(_)) {
                Audited::refused(&config, deed());
            }
            obstacle
        })?;
        for warning in amendment.warnings() {
            writeln!(terminal.err, "{warning}")?;
        }
        let write = |amendment: Amendment| match self.dry_run {
            true => Ok(None),
            false => {
                let audited = Audited::begin(&config, effect, deed())?;
                let written = amendment.write().map_err(Failure::from);
                audited.done(written, |()| Vec::new()).map(|((), told)| Some(told))
            }
        };
        let told = match common.output {
            Output::Text => {
                self.text(&amendment, &config, terminal, now)?;
                let file = shown(&amendment);
                let told = write(amendment)?;
                match self.dry_run {
                    true => writeln!(terminal.out, "not written: {file}: {words}")?,
                    false => writeln!(terminal.out, "{file}: {words}")?,
                }
                told
            }
            Output::Json => {
                let json = self.json(&amendment, &words, &config, now)?;
                let told = write(amendment)?;
                writeln!(terminal.out, "{json}")?;
                told
            }
        };
        match told {
            None => Ok(()),
            Some(told) => {
                self.wait.wait(&config, clock::instant(), terminal)?;
                told.whole()
            }
        }
    }

    fn text(
        &self,
        amendment: &Amendment,
        config: &Config,
        terminal: &mut Terminal<'_>,
        now: UnixSeconds,
    ) -> Result<(), Failure> {
        let upstreams = upstreams(config);
        let [was, is] = [amendment.was(), amendment.is()]
            .map(|snapshot| Side { snapshot, upstreams: &upstreams });
        let found = difference(was, is, now);
        match found.is_empty() {
            true => writeln!(terminal.out, "nobody reaches more or less")?,
            false => diff::text(&found, terminal.out)?,
        }
        if self.dry_run {
            write!(terminal.out, "{}", patch(amendment))?;
        }
        Ok(terminal.out.flush()?)
    }

    fn json(
        &self,
        amendment: &Amendment,
        words: &str,
        config: &Config,
        now: UnixSeconds,
    ) -> Result<String, Failure> {
        let upstreams = upstreams(config);
        let [was, is] = [amendment.was(), amendment.is()]
            .map(|snapshot| Side { snapshot, upstreams: &upstreams });
        let found = difference(was, is, now);
        let at = Timestamp::new(now).ok_or_else(|| Failure::Broke("the clock is off".into()))?;
        let edit = Edit {
            change: words,
            file: shown(amendment),
            written: !self.dry_run,
            access: View::of(&found, at),
            patch: patch(amendment),
            warnings: amendment.warnings(),
        };
        serde_json::to_string_pretty(&edit).map_err(|error| Failure::Broke(error.to_string()))
    }
}

/// What a change is called, and which way it goes.
fn command(change: &Change) -> (&'static str, Effect) {
    match change {
        Change::Accept { .. } => ("member accept", Effect::Gives),
        Change::Grant(_) => ("grant add", Effect::Gives),
        Change::Invite { .. } => ("member invite", Effect::Gives),
        Change::Remove { .. } => ("member remove", Effect::Takes),
        Change::Revoke(_) => ("grant revoke", Effect::Takes),
        Change::SetRole { .. } => ("member set-role", Effect::Gives),
    }
}

fn upstreams(config: &Config) -> Vec<String> {
    config.proxy.upstreams.iter().map(|upstream| upstream.name.clone()).collect()
}

fn shown(amendment: &Amendment) -> String {
    amendment.file().display().to_string()
}

/// What changes of the file's text, as `patch` takes it.
fn patch(amendment: &Amendment) -> String {
    let name = shown(amendment);
    let diff = TextDiff::from_lines(amendment.before(), amendment.after());
    diff.unified_diff().context_radius(CONTEXT).header(&name, &name).to_string()
}
