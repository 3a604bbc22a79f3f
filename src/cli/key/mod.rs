//! `sidegate key …`: make, show and take back keys.
//!
//! A key's text is printed once, by `create`, alone on standard output; everything that explains it
//! goes to standard error, so that `KEY=$(sidegate key create …)` works. No command takes a key as
//! an argument, where the process list would show it.
//!
//! Exit codes: 1 where the system refused, 2 for arguments that are wrong by themselves, 3 where the
//! files are wrong or do not have what the arguments name, 4 where `verify` says no.
//!
//! Whatever writes waits until it is in force (`wait`). Revoking and pruning ask no policy: a key can
//! be taken back whatever is wrong with it.

mod create;
mod hash;
mod import;
mod known;
mod list;
mod named;
mod outcome;
mod progress;
mod prune;
mod revoke;
mod rotate;
mod rules;
mod select;
mod show;
mod verify;
mod view;
mod wait;
mod when;

use std::fs::{self, File};
use std::io::{self, IsTerminal as _, Read, Write};
use std::os::fd::AsFd;
use std::path::Path;

use clap::{Args, Subcommand};

use super::{Exit, FileArgs, Output};
use crate::config::{self, Config};
use crate::keystore::Permissions;
use crate::policy::key::Pepper;
use crate::policy::{FileId, UnixSeconds};
use crate::{clock, keystore};

pub(super) use create::Wanted;
pub(super) use hash::read_text;
pub(super) use outcome::Failure;
pub(super) use view::ceiling;
pub(super) use wait::WaitArgs;
pub(super) use when::{When, span};

#[derive(Debug, Args)]
pub(super) struct KeyArgs {
    #[command(subcommand)]
    command: KeyCommand,
    #[command(flatten)]
    common: CommonArgs,
}

#[derive(Debug, Subcommand)]
enum KeyCommand {
    /// Make a key and print it, once
    Create(create::CreateArgs),
    /// List the keys
    List(list::ListArgs),
    /// Show one key's record, and what it reaches
    Show(show::ShowArgs),
    /// Make a new key in the place of one, which ends after a while; print it, once
    Rotate(rotate::RotateArgs),
    /// Revoke keys from now on
    Revoke(revoke::RevokeArgs),
    /// Say whose key it is that is read from standard input, and whether it is valid: exits 4 if not
    Verify(verify::VerifyArgs),
    /// Print what is stored of a key that is read from standard input
    Hash(hash::HashArgs),
    /// Take up keys from elsewhere: all of them, or none where anything is wrong with one
    Import(import::ImportArgs),
    /// Remove records of keys that were revoked or have expired long ago
    Prune(prune::PruneArgs),
}

#[derive(Debug, Args)]
struct CommonArgs {
    #[command(flatten)]
    files: FileArgs,
    /// How to print
    #[arg(long, global = true, value_enum, default_value_t = Output::Text)]
    output: Output,
}

/// Where a command reads and writes.
pub(super) struct Terminal<'a> {
    pub(super) input: &'a mut dyn Read,
    pub(super) out: &'a mut dyn Write,
    pub(super) err: &'a mut dyn Write,
    /// Whether `err` is a terminal, where somebody may want to see how far long work is.
    pub(super) watched: bool,
}

/// Runs `sidegate key …` on the process's own input and output.
pub(super) fn run(args: &KeyArgs) -> Exit {
    // Past the standard library's buffers, which would keep a copy of the key.
    let unbuffered = |fd: &dyn AsFd| fd.as_fd().try_clone_to_owned().map(File::from);
    let (input, out) = (unbuffered(&io::stdin()), unbuffered(&io::stdout()));
    let (Ok(mut input), Ok(mut out)) = (input, out) else {
        eprintln!("standard input or output is closed");
        return Exit::Broke;
    };
    let mut err = io::stderr();
    let watched = err.is_terminal();
    let mut terminal = Terminal { input: &mut input, out: &mut out, err: &mut err, watched };
    match execute(args, &mut terminal, clock::now()) {
        Ok(exit) => exit,
        Err(failure) => {
            let _ = write!(terminal.err, "{failure}");
            failure.exit()
        }
    }
}

fn execute(args: &KeyArgs, terminal: &mut Terminal<'_>, now: UnixSeconds) -> Result<Exit, Failure> {
    let common = &args.common;
    let done = match &args.command {
        KeyCommand::Create(args) => create::run(args, common, terminal, now),
        KeyCommand::List(args) => list::run(args, common, terminal, now),
        KeyCommand::Show(args) => show::run(args, common, terminal, now),
        KeyCommand::Rotate(args) => rotate::run(args, common, terminal, now),
        KeyCommand::Revoke(args) => revoke::run(args, common, terminal, now),
        KeyCommand::Verify(args) => return verify::run(args, common, terminal, now),
        KeyCommand::Hash(args) => hash::run(args, common, terminal),
        KeyCommand::Import(args) => import::run(args, common, terminal, now),
        KeyCommand::Prune(args) => prune::run(args, common, terminal, now),
    };
    done.map(|()| Exit::Fine)
}

impl CommonArgs {
    fn permissions(&self) -> Permissions {
        self.files.permissions()
    }

    fn read_config(&self) -> Result<Config, Failure> {
        config::read(&self.files.path()).map_err(|report| Failure::Invalid(report.to_string()))
    }

    /// The pepper that the settings name.
    fn pepper(&self, config: &Config) -> Result<Option<Pepper>, Failure> {
        let path = config.pepper.as_deref();
        path.map(|path| config::read_pepper(path, self.permissions()))
            .transpose()
            .map_err(|report| Failure::Invalid(report.to_string()))
    }

    /// Says so where the key file is one that others can read.
    fn warn_if_open(&self, keys: &Path, terminal: &mut Terminal<'_>) -> Result<(), Failure> {
        let Ok(metadata) = fs::metadata(keys) else { return Ok(()) };
        match (self.permissions(), self.permissions().judge(keys, &metadata, FileId::default())) {
            (Permissions::Insecure, Some(problem)) => {
                Ok(writeln!(terminal.err, "{}: warning: {problem}", keys.display())?)
            }
            _ => Ok(()),
        }
    }

    /// Every record, if all of the file is whole.
    fn records(
        &self,
        config: &Config,
        terminal: &mut Terminal<'_>,
    ) -> Result<Vec<keystore::Record<'static>>, Failure> {
        self.warn_if_open(&config.keys, terminal)?;
        let (records, problems) =
            keystore::records(&config.keys, FileId::default(), self.permissions());
        Failure::of_problems(&config.keys, &problems).map_or(Ok(records), Err)
    }
}

#[cfg(test)]
#[expect(clippy::string_slice, reason = "the texts are ASCII")]
mod tests;
