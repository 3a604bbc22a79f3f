//! `sidegate key create`

use std::io::{self, Write};
use std::path::Path;

use clap::Args;
use clap::builder::{PossibleValuesParser, TypedValueParser as _};
use serde::Serialize;
use zeroize::Zeroizing;

use crate::clock;
use crate::config::{self, Config};
use crate::keystore::{ApiKey, Ceiling, NewRecord, Record, Store, Text, Timestamp};
use crate::policy::key::Pepper;
use crate::policy::{Level, UnixSeconds};

use super::known::{Names, environment_of};
use super::outcome::Failure;
use super::view::{View, ceiling};
use super::wait::WaitArgs;
use super::when::When;
use super::{CommonArgs, Output, Terminal};

#[derive(Debug, Args)]
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
    let config = common.read_config()?;
    let names = Names {
        workspace: &args.workspace,
        account: &args.account,
        products: &args.products,
        areas: &args.areas,
    };
    let environment = environment_of(&names, &config)?;
    let pepper = config.pepper.as_deref();
    let pepper = pepper.map(|path| config::read_pepper(path, common.permissions())).transpose();
    let pepper = pepper.map_err(|report| Failure::Invalid(report.to_string()))?;
    common.warn_if_open(&config.keys, terminal)?;

    let wanted = Wanted {
        workspace: &args.workspace,
        account: &args.account,
        environment: &environment,
        label,
        not_before,
        expires,
        ceiling: args.ceiling(),
    };
    let store = Store::new(&config.keys, common.permissions());
    let (key, record) = wanted.make(&store, pepper.as_ref(), now)?;
    let written = clock::instant();
    show(&key, &record, common.output, terminal, now).map_err(|error| {
        let id = &record.id;
        Failure::Broke(format!(
            "cannot print the key: {error} — it is lost: `sidegate key revoke {id}`"
        ))
    })?;
    // The key is out by now: that it could not be explained, or is not in force yet, is no reason to
    // say that making it failed.
    let _ = explain(&record, &config, terminal.err);
    if let Err(failure) = args.wait.wait(&config, written, terminal) {
        let _ = write!(terminal.err, "warning: {failure}");
    }
    Ok(())
}

/// A key that is to be made. Its names are known to the policy.
#[derive(Debug, Default)]
pub(in crate::cli) struct Wanted<'a> {
    pub(in crate::cli) workspace: &'a str,
    pub(in crate::cli) account: &'a str,
    pub(in crate::cli) environment: &'a str,
    pub(in crate::cli) label: Option<Text<'static>>,
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

fn text(what: &str, value: String) -> Result<Text<'static>, Failure> {
    Text::parse(value).map_err(|why| Failure::Usage(format!("{what}: {why}")))
}

#[derive(Serialize)]
struct Created<'a> {
    key: &'a str,
    #[serde(flatten)]
    record: View<'a>,
}

fn show(
    key: &ApiKey,
    record: &Record<'_>,
    output: Output,
    terminal: &mut Terminal<'_>,
    now: UnixSeconds,
) -> io::Result<()> {
    // Room for all of it at once: a buffer that grows leaves copies of the key behind.
    let mut shown = Zeroizing::new(Vec::with_capacity(16 * 1024));
    match output {
        Output::Text => shown.extend_from_slice(key.expose().as_bytes()),
        Output::Json => {
            let created = Created { key: key.expose(), record: View::new(record, now) };
            serde_json::to_writer_pretty(&mut *shown, &created)?;
        }
    }
    shown.push(b'\n');
    terminal.out.write_all(&shown)?;
    terminal.out.flush()
}

fn explain(record: &Record<'_>, config: &Config, err: &mut dyn Write) -> io::Result<()> {
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
