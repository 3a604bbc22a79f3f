//! `sidegate diff OLD NEW`: what a change of files changes, exactly, without serving.
//!
//! Both sides are compiled as `serve` would compile them; the difference is that of
//! [`policy::difference`](crate::policy::difference). JSON has the shape of [`view::View`].
//! Exit codes: 0 fine, 3 one side is wrong, 4 it differs in the way that `--fail-on` names.

mod markdown;
#[cfg(test)]
mod tests;
mod view;

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};

use super::Exit;
use super::key::When;
use crate::clock;
use crate::config;
use crate::keystore::{Permissions, Timestamp};
use crate::policy::difference::{Difference, Side, difference};
use crate::policy::{Snapshot, UnixSeconds};

pub(super) use markdown::escaped;
pub(super) use view::View;

/// Say what a change of policy changes, exactly: which keys and members reach more or less on which
/// scope, and which routes came, went or moved
#[derive(Debug, Args)]
pub(super) struct DiffArgs {
    /// What was: a sidegate.toml, or a folder with one
    #[arg(value_name = "OLD")]
    old: PathBuf,
    /// What is to be: likewise
    #[arg(value_name = "NEW")]
    new: PathBuf,
    /// Exit with 4 where anybody gained, anybody lost, or anything changed; a route that came, went
    /// or moved counts as both
    #[arg(long, value_enum, value_name = "HOW")]
    fail_on: Option<FailOn>,
    /// When the change would be made: a date and time, or how long from now (90d) [default: now]
    #[arg(long, value_name = "TIME")]
    at: Option<When>,
    /// Leave the keys out, where the files are not those of a host: members and routes are compared
    #[arg(long)]
    no_keys: bool,
    /// Use key and pepper files that others can read
    #[arg(long)]
    insecure_permissions: bool,
    /// For people, for scripts, or for a pull request
    #[arg(long, value_enum, default_value_t = Format::Text)]
    output: Format,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For people
    Text,
    /// For scripts
    Json,
    /// For a pull request
    Markdown,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum FailOn {
    /// Somebody reaches more, at any time from then on
    Gained,
    /// Somebody reaches less
    Lost,
    /// Anything changed
    Any,
}

/// One side's files.
struct Files {
    snapshot: Snapshot,
    upstreams: Vec<String>,
}

pub(super) fn run(args: &DiffArgs) -> Exit {
    let (out, mut err) = (io::stdout().lock(), io::stderr().lock());
    let mut out = io::BufWriter::new(out);
    super::printed(print(args, &mut out, &mut err, clock::now()), &mut err)
}

fn print(
    args: &DiffArgs,
    out: &mut impl Write,
    err: &mut impl Write,
    now: UnixSeconds,
) -> io::Result<Exit> {
    let Some(at) = args.at.map_or_else(|| Timestamp::new(now), |when| when.from(now)) else {
        writeln!(err, "--at: that is after the year 9999")?;
        return Ok(Exit::Usage);
    };
    let (old, new) = (args.read(&args.old), args.read(&args.new));
    let (old, new) = match (old, new) {
        (Ok(old), Ok(new)) => (old, new),
        (old, new) => {
            for report in [old.err(), new.err()].into_iter().flatten() {
                write!(err, "{report}")?;
            }
            return Ok(Exit::Invalid);
        }
    };
    let found = difference(old.side(), new.side(), at.seconds());
    match args.output {
        Format::Text => text(&found, out)?,
        Format::Json => {
            serde_json::to_writer_pretty(&mut *out, &View::of(&found, at))?;
            writeln!(out)?;
        }
        Format::Markdown => markdown::write(&found, out)?,
    }
    out.flush()?;
    let effect = found.effect();
    let no = match args.fail_on {
        None => false,
        Some(FailOn::Gained) => effect.gained,
        Some(FailOn::Lost) => effect.lost,
        Some(FailOn::Any) => !found.is_empty(),
    };
    Ok(if no { Exit::No } else { Exit::Fine })
}

pub(super) fn text(found: &Difference<'_>, out: &mut (impl Write + ?Sized)) -> io::Result<()> {
    for row in found.rows() {
        writeln!(out, "{} {}", row.sign(), row.words(usize::MAX, rfc3339))?;
    }
    writeln!(out, "{}", found.summary())
}

/// Times that no four-digit year holds are shown as seconds from 1970.
fn rfc3339(time: UnixSeconds) -> String {
    Timestamp::new(time).map_or_else(|| time.0.to_string(), |time| time.to_string())
}

impl DiffArgs {
    fn read(&self, path: &Path) -> Result<Files, config::Report> {
        let path = if path.is_dir() { path.join("sidegate.toml") } else { path.to_owned() };
        let (config, snapshot) = if self.no_keys {
            let config = config::read(&path)?;
            let snapshot = config::load_policy(&config)?;
            (config, snapshot)
        } else {
            let permissions = match self.insecure_permissions {
                true => Permissions::Insecure,
                false => Permissions::Private,
            };
            let (config, loaded) = config::open(&path, permissions)?;
            (config, loaded.snapshot)
        };
        let upstreams = config.proxy.upstreams.iter().map(|upstream| upstream.name.clone());
        Ok(Files { snapshot, upstreams: upstreams.collect() })
    }
}

impl Files {
    fn side(&self) -> Side<'_> {
        Side { snapshot: &self.snapshot, upstreams: &self.upstreams }
    }
}
