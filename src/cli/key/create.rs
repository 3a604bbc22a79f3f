//! `sidegate key create`

use std::io::{self, Write};
use std::path::Path;

use clap::Args;
use clap::builder::{PossibleValuesParser, TypedValueParser as _};
use serde::Serialize;
use zeroize::Zeroizing;

use crate::cli::audited::{Audited, Deed, Effect, ids};
use crate::clock;
use crate::config::Config;
use crate::keystore::{ApiKey, Ceiling, NewRecord, Record, Store, Text, Timestamp};
use crate::policy::key::Pepper;
use crate::policy::{Level, UnixSeconds};

use super::known::{Names, admit};
use super::outcome::Failure;
use super::rules::Rules;
use super::view::{View, ceiling};
use super::wait::WaitArgs;
use super::when::When;
use super::{CommonArgs, Output, Terminal};

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  KEY=$(sidegate key create --workspace acme --account svc-deploy --expires 90d)
  sidegate key create --workspace acme --account svc-deploy --level view --product vault \\
      --label 'nightly export' --owner team-data --output json")]
pub(super) struct CreateArgs {
    /// The workspace that the key is of
    #[arg(long)]
    workspace: String,
    /// The account that it speaks for: a member of the workspace
    #[arg(long)]
    account: String,
    /// A name for people
    #[arg(long)]
    label: Option<String>,
    /// Who is asked about it: a person or a team; it gives nobody anything
    #[arg(long)]
    owner: Option<String>,
    /// When it ends: 12h, 90d, 6w, or a date; a date alone is its first second in UTC
    #[arg(long, value_name = "WHEN")]
    expires: Option<When>,
    /// When it begins, likewise
    #[arg(long, value_name = "WHEN")]
    not_before: Option<When>,
    /// The level above which it does not go
    #[arg(long, value_parser = PossibleValuesParser::new(["view", "full"])
        .map(|name| Level::parse(&name).unwrap_or_default()))]
    level: Option<Level>,
    /// A product that it reaches: what is not named is closed; may be repeated
    #[arg(long = "product", value_name = "PRODUCT")]
    products: Vec<String>,
    /// An area that it reaches: what is not named is closed; may be repeated
    #[arg(long = "area", value_name = "AREA")]
    areas: Vec<String>,
    #[command(flatten)]
    wait: WaitArgs,
}

pub(super) fn run(
    args: &CreateArgs,
    common: &CommonArgs,
    terminal: &mut Terminal<'_>,
    now: UnixSeconds,
) -> Result<(), Failure> {
    let (not_before, expires) = args.times(now)?;
    let label = args.label.clone().map(|label| text("label", label)).transpose()?;
    let owner = args.owner.clone().map(|owner| text("owner", owner)).transpose()?;
    let config = common.read_config()?;
    let rules = Rules::read(&config)?;
    let ceiling = args.ceiling();
    let names =
        Names { workspace: &args.workspace, account: &args.account, ceiling: ceiling.as_ref() };
    let environment = admit(names, rules.snapshot(), now).map_err(Failure::of_names)?;
    let pepper = common.pepper(&config)?;
    common.warn_if_open(&config.keys, terminal)?;

    let wanted = Wanted {
        workspace: &args.workspace,
        account: &args.account,
        environment: &environment,
        label,
        owner,
        not_before,
        expires,
        ceiling,
    };
    let store = Store::new(&config.keys, common.permissions());
    let deed = Deed {
        command: "key create",
        workspace: Some(&args.workspace),
        account: Some(&args.account),
        ..Deed::default()
    };
    let audited = Audited::begin(&config, Effect::Gives, deed)?;
    let made = wanted.make(&store, pepper.as_ref(), now);
    let ((key, record), told) = audited.done(made, |(_, record)| ids([record]))?;
    let written = clock::instant();
    let shown = Created {
        key: key.expose(),
        record: View::new(&record, now, Some(&rules)),
        replaces: None,
    };
    shown.write(common.output, terminal).map_err(|error| {
        let id = &record.id;
        Failure::Broke(format!(
            "cannot print the key: {error} — it is lost: `sidegate key revoke {id}`"
        ))
    })?;
    // The key is out by now: that it could not be explained, or is not in force yet, is no reason to
    // say that making it failed.
    let _ = explain(&record, &config, terminal.err);
    let _ = warn_of_nothing(&record, &rules, terminal.err, now);
    let _ = next(&record, &config, terminal.err);
    if let Err(failure) = args.wait.wait(&config, written, terminal) {
        let _ = write!(terminal.err, "warning: {failure}");
    }
    told.whole()
}

/// A key that is to be made. Its names are known to the policy.
#[derive(Debug, Default)]
pub(in crate::cli) struct Wanted<'a> {
    pub(in crate::cli) workspace: &'a str,
    pub(in crate::cli) account: &'a str,
    pub(in crate::cli) environment: &'a str,
    pub(in crate::cli) label: Option<Text<'static>>,
    pub(in crate::cli) owner: Option<Text<'static>>,
    pub(in crate::cli) not_before: Option<Timestamp>,
    pub(in crate::cli) expires: Option<Timestamp>,
    pub(in crate::cli) ceiling: Option<Ceiling>,
}

impl Wanted<'_> {
    /// Makes the key and records it.
    pub(in crate::cli) fn make(
        self,
        store: &Store,
        pepper: Option<&Pepper>,
        now: UnixSeconds,
    ) -> Result<(ApiKey, Record<'static>), Failure> {
        let key = ApiKey::generate(self.environment).map_err(Failure::Broke)?;
        let created =
            Timestamp::new(now).ok_or_else(|| Failure::Broke("the clock is off".into()))?;
        let new = NewRecord {
            hash: key.digest(pepper),
            workspace: text("workspace", self.workspace.to_owned())?,
            account: text("account", self.account.to_owned())?,
            environment: text("environment", self.environment.to_owned())?,
            label: self.label,
            owner: self.owner,
            created,
            not_before: self.not_before,
            expires: self.expires,
            ceiling: self.ceiling,
        };
        let record =
            store.add(new).map_err(|refusal| Failure::of_refusal(store.path(), refusal))?;
        Ok((key, record))
    }
}

impl CreateArgs {
    fn times(&self, now: UnixSeconds) -> Result<(Option<Timestamp>, Option<Timestamp>), Failure> {
        let resolve = |flag: &str, when: Option<When>| match when.map(|when| when.from(now)) {
            Some(None) => Err(Failure::Usage(format!("{flag}: that is after the year 9999"))),
            time => Ok(time.flatten()),
        };
        let not_before = resolve("--not-before", self.not_before)?;
        let expires = resolve("--expires", self.expires)?;
        if let Some(expires) = expires {
            if expires.seconds() <= now {
                let message = format!("--expires: {expires} is not in the future");
                return Err(Failure::Usage(message));
            }
            if let Some(begins) = not_before.filter(|begins| expires <= *begins) {
                let message = format!("--expires: {expires} is not after --not-before, {begins}");
                return Err(Failure::Usage(message));
            }
        }
        Ok((not_before, expires))
    }

    fn ceiling(&self) -> Option<Ceiling> {
        let named = |names: &[String]| (!names.is_empty()).then(|| names.to_vec());
        let (products, areas) = (named(&self.products), named(&self.areas));
        if self.level.is_none() && products.is_none() && areas.is_none() {
            return None;
        }
        Some(Ceiling { level: self.level.unwrap_or(Level::Full), products, areas })
    }
}

pub(super) fn text(what: &str, value: String) -> Result<Text<'static>, Failure> {
    Text::parse(value).map_err(|why| Failure::Usage(format!("{what}: {why}")))
}

/// A key that was made: its text alone, or all that is known of it.
#[derive(Serialize)]
pub(super) struct Created<'a> {
    pub(super) key: &'a str,
    #[serde(flatten)]
    pub(super) record: View<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) replaces: Option<View<'a>>,
}

impl Created<'_> {
    pub(super) fn write(&self, output: Output, terminal: &mut Terminal<'_>) -> io::Result<()> {
        // Room for all of it at once: a buffer that grows leaves copies of the key behind. The key
        // comes first in JSON, so that no scope, of which there may be many, is written before it.
        let mut shown = Zeroizing::new(Vec::with_capacity(64 * 1024));
        match output {
            Output::Text => shown.extend_from_slice(self.key.as_bytes()),
            Output::Json => serde_json::to_writer_pretty(&mut *shown, self)?,
        }
        shown.push(b'\n');
        terminal.out.write_all(&shown)?;
        terminal.out.flush()
    }
}

/// Says so where no request with it would be let through, as things are.
pub(super) fn warn_of_nothing(
    record: &Record<'_>,
    rules: &Rules,
    err: &mut dyn Write,
    now: UnixSeconds,
) -> io::Result<()> {
    if !rules.reaches(record, now).is_empty() {
        return Ok(());
    }
    let account = &record.account;
    writeln!(
        err,
        "warning: account {account} reaches nothing yet: a grant in the policy gives it something"
    )
}

pub(super) fn explain(record: &Record<'_>, config: &Config, err: &mut dyn Write) -> io::Result<()> {
    let Record { id, account, workspace, environment, .. } = record;
    writeln!(err, "key {id} of {account} in {workspace} ({environment})")?;
    if let Some(highest) = &record.ceiling {
        writeln!(err, "  at most {}", ceiling(highest))?;
    }
    if let Some(begins) = record.not_before {
        writeln!(err, "  not before {begins}")?;
    }
    match record.expires {
        Some(expires) => writeln!(err, "  expires {expires}")?,
        None => writeln!(err, "  never expires")?,
    }
    if let Some(pinned) = config.environment.as_deref().filter(|pinned| **pinned != **environment) {
        writeln!(err, "warning: this sidecar only takes keys of `{pinned}` and will refuse it")?;
    }
    Ok(())
}

pub(super) fn next(record: &Record<'_>, config: &Config, err: &mut dyn Write) -> io::Result<()> {
    let id = &record.id;
    writeln!(
        err,
        "it is shown this once: {} keeps its {} hash\n\
         next: send it as `Authorization: Bearer …`; take it back with `sidegate key revoke {id}`",
        file_name(&config.keys),
        record.hash.kind.name(),
    )
}

fn file_name(path: &Path) -> std::path::Display<'_> {
    path.file_name().map_or(path, Path::new).display()
}
