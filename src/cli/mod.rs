//! The commands. `serve` is the only place where all rooms meet; everything else asks one of them
//! and prints what it says.
//!
//! Exit codes (`Exit`) are the same everywhere, and so are `-c`, `--output` and
//! `--insecure-permissions`. What is for scripts goes to standard output, what explains it to
//! standard error.

mod amend;
mod audited;
mod check;
mod demo;
mod desk;
mod diff;
mod examples;
mod explain;
mod grant;
mod handover;
mod inherit;
mod init;
mod key;
mod life;
mod listing;
mod manager;
mod member;
mod plane;
mod reload;
mod review;
mod schema;
mod scope;
mod serve;
mod shell;
mod sockets;
mod status;
mod test;
#[cfg(test)]
mod tests;
mod uses;
mod version;

use std::borrow::Cow;
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, CommandFactory as _, FromArgMatches as _, Parser, Subcommand, ValueEnum};

use crate::config;
use crate::keystore::Permissions;
use crate::policy::key::redacted;

/// An authorizing reverse proxy beside your service: API keys, view or full, by host and path
#[derive(Debug, Parser)]
#[command(name = "sidegate", version, max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve: judge requests and forward those that may pass
    Serve(serve::ServeArgs),
    /// Try it: an upstream, a policy and three keys, with nothing else installed
    Demo(demo::DemoArgs),
    /// Write files to start from
    Init(init::InitArgs),
    /// Say everything that is wrong with settings, policy and keys
    Check(check::CheckArgs),
    /// Say what would become of a request, and why: exits 4 if it is denied
    Explain(explain::ExplainArgs),
    /// Say what a change of policy changes, exactly: exits 4 if it is what `--fail-on` names
    Diff(diff::DiffArgs),
    /// Make, show, rotate, revoke, verify, import and prune keys
    Key(key::KeyArgs),
    /// Invite, accept and remove members, and change their roles, in the policy's file
    Member(member::MemberArgs),
    /// Add, revoke and list grants, in the policy's file
    Grant(grant::GrantArgs),
    /// Say who holds what, and what of it somebody should look at: exits 4 at `--fail-on` or above
    Review(review::ReviewArgs),
    /// Test a policy: exits 4 if it does not do what the tests say
    Test(test::TestArgs),
    /// Have a running sidegate look at its files now, and wait until they are in force
    ///
    /// It is asked on the `[admin] address` of the settings. Others that share its files cannot be
    /// known, and take them up by themselves, as this one does when nobody asks.
    Reload(reload::ReloadArgs),
    /// Print the JSON Schema of a file, so that editors complete and check it
    Schema(schema::SchemaArgs),
    /// Print a script that completes commands in a shell
    Completions(shell::CompletionsArgs),
    /// Write man pages
    Man(shell::ManArgs),
    /// Say which sidegate this is
    Version(version::VersionArgs),
    /// Ask a running sidegate how it is
    Status(status::StatusArgs),
}

/// How a command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Exit {
    /// Fine.
    Fine = 0,
    /// It broke: a file, the network, the system.
    Broke = 1,
    /// Arguments that are wrong by themselves.
    Usage = 2,
    /// Settings, policy or keys are wrong.
    Invalid = 3,
    /// The answer is no.
    No = 4,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// How something is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Output {
    /// For people
    Text,
    /// For scripts
    Json,
}

/// How a command ended whose words could not all be printed: said, because what was lost may be a
/// verdict. A reader that has gone, as `head` does, wants no words.
fn printed(ended: io::Result<Exit>, err: &mut impl Write) -> Exit {
    ended.unwrap_or_else(|error| {
        if error.kind() != io::ErrorKind::BrokenPipe {
            // Where nothing can be said either, the exit code says it.
            let _ = writeln!(err, "cannot print: {error}");
        }
        Exit::Broke
    })
}

/// Why a file could not be read or written, with the way out where there is one.
fn trouble(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::NotFound => "no such file or directory".to_owned(),
        io::ErrorKind::NotADirectory => "a part of its path is not a directory".to_owned(),
        io::ErrorKind::PermissionDenied => {
            "permission denied — run as a user that may, or change its mode".to_owned()
        }
        io::ErrorKind::ReadOnlyFilesystem => "the file system is read-only".to_owned(),
        _ => error.to_string(),
    }
}

/// Which files, and how strictly.
#[derive(Debug, Clone, Default, Args)]
struct FileArgs {
    /// Settings [default: config/sidegate.toml, then /etc/sidegate/sidegate.toml]
    #[arg(short, long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Use key and pepper files that others can read, with a warning
    #[arg(long, global = true)]
    insecure_permissions: bool,
}

impl FileArgs {
    fn path(&self) -> PathBuf {
        config::locate(self.config.as_deref())
    }

    fn permissions(&self) -> Permissions {
        if self.insecure_permissions { Permissions::Insecure } else { Permissions::Private }
    }
}

/// Runs the command line.
pub fn main() -> ExitCode {
    let read = command().try_get_matches().and_then(|matches| Cli::from_arg_matches(&matches));
    let cli = match read {
        Ok(cli) => cli,
        Err(error) => return refused(&error).into(),
    };
    match cli.command {
        Command::Serve(args) => serve::run(&args),
        Command::Demo(args) => demo::run(&args),
        Command::Init(args) => init::run(&args),
        Command::Check(args) => check::run(&args),
        Command::Explain(args) => explain::run(&args),
        Command::Diff(args) => diff::run(&args),
        Command::Key(args) => key::run(&args),
        Command::Member(args) => member::run(&args),
        Command::Grant(args) => grant::run(&args),
        Command::Review(args) => review::run(&args),
        Command::Test(args) => test::run(&args),
        Command::Reload(args) => reload::run(&args),
        Command::Schema(args) => schema::run(&args),
        Command::Completions(args) => shell::completions(&args),
        Command::Man(args) => shell::man(&args),
        Command::Version(args) => version::run(&args),
        Command::Status(args) => status::run(&args),
    }
    .into()
}

/// The command line, with examples.
fn command() -> clap::Command {
    examples::add(Cli::command())
}

/// Says what is wrong with the arguments, or the help that was asked for.
fn refused(error: &clap::Error) -> Exit {
    let text = error.to_string();
    // Where it would repeat a key, it is said without colours.
    let told = match redacted(&text) {
        Cow::Borrowed(_) => error.print(),
        Cow::Owned(text) => write!(io::stderr(), "{text}"),
    };
    match (error.exit_code(), told) {
        (0, Ok(())) => Exit::Fine,
        (0, Err(_)) => Exit::Broke,
        _ => Exit::Usage,
    }
}
