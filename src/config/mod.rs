//! Text to settings and draft: `sidegate.toml`, the policy, and what they name.
//!
//! Every problem of every file is told in one run, each with its place and, where one can be
//! guessed, the way out. Syntax and shape are judged here, names by
//! [`compile`](crate::policy::compile), keys by [`keystore`].
//!
//! INVARIANT: what comes out is whole. A draft may have gaps while problems are collected, but it
//! becomes a [`Loaded`] only where there is no error.
//!
//! What is absent: nothing here watches, retries or falls back, and no environment variable is
//! read.
//!
//! Start at [`open`], or, for a change of the policy's text, at [`Amendment::prepare`]; a table is
//! read by `fields`, the policy by `draft`, the settings by `settings`.

mod allow;
mod audit;
mod draft;
mod edit;
mod fields;
mod files;
mod handover;
mod inspect;
mod limits;
mod lints;
mod listen;
mod loader;
mod page;
mod pepper;
mod reload;
mod report;
mod schema;
mod settings;
mod suite;
#[cfg(test)]
mod tests;
mod time;
mod tls;
mod token;
mod tracing;
mod trusted;
mod units;
mod upstream;
mod validity;
mod value;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

pub use self::edit::{Amendment, Change, Given, NewGrant, Obstacle, Wish};
pub use self::inspect::{Inspection, inspect};
pub use self::loader::Loader;
pub use self::reload::{Percent, ReloadRules};
pub use self::report::Report;
pub use self::schema::Schema;
pub use self::suite::{Case, Expect, Suite, Who, read_suite};
pub use self::tls::{CertificateFiles, TlsFiles, TrustFiles};
pub use self::token::read_token;

use self::files::Files;
use self::page::Notes;
use self::tls::Told;
use crate::current::Certificate;
use crate::keystore::{self, LastUsed, Ledger, Permissions};
use crate::policy::draft::DraftKey;
use crate::policy::key::Pepper;
use crate::policy::{Allow, Draft, Problem, Rules, Severity, Snapshot, compile_with};
use crate::proxy::{Tls, Trust};
use crate::{admin, proxy, telemetry};

/// Where `sidegate.toml` is looked for when nobody says where it is, in this order.
pub const PLACES: [&str; 2] = ["config/sidegate.toml", "/etc/sidegate/sidegate.toml"];

/// What `sidegate.toml` says.
#[derive(Debug, Clone, PartialEq)]
pub struct Config {
    /// The file itself.
    pub path: PathBuf,
    /// The policy: a file, or a directory of `*.toml`.
    pub policy: PathBuf,
    /// The key records.
    pub keys: PathBuf,
    /// The secret of `blake3-keyed` records.
    pub pepper: Option<PathBuf>,
    /// Where it is kept when keys were last used.
    pub last_used: Option<PathBuf>,
    /// The pin: keys of any other environment are refused.
    pub environment: Option<String>,
    /// The certificates, where clients speak TLS.
    pub tls: Option<TlsFiles>,
    /// Whom to believe, and what to show, for each upstream that speaks TLS.
    pub trusts: Vec<Option<TrustFiles>>,
    /// Which changes are refused, and what is kept on disk.
    pub reload: ReloadRules,
    /// What the data plane is told.
    pub proxy: proxy::Settings,
    /// What the operator's plane is told.
    pub admin: admin::Settings,
    /// Where a process that is to follow this one asks for its sockets.
    pub handover: Option<PathBuf>,
    /// What the log is told.
    pub log: telemetry::Settings,
    /// The audit log, where there is to be one.
    pub audit: Option<telemetry::AuditSettings>,
    /// Where spans go, where they go anywhere.
    pub tracing: Option<telemetry::TracingSettings>,
    /// Warnings that may stay.
    pub allows: Vec<Allow>,
}

/// A policy that can be put in force.
#[derive(Debug)]
pub struct Loaded {
    /// The compiled policy.
    pub snapshot: Snapshot,
    /// What a handshake needs, where clients speak TLS.
    pub tls: Option<Tls>,
    /// The trust of each upstream, in their order, where it speaks TLS.
    pub trusts: Vec<Option<Trust>>,
    /// The files of certificates behind these.
    pub certificates: Arc<[Certificate]>,
    /// What somebody should look at: warnings only.
    pub report: Report,
}

/// The file that is meant where nobody names one: the first of [`PLACES`] that is there, or the
/// first of them.
pub fn locate(named: Option<&Path>) -> PathBuf {
    let standard = || PLACES.iter().map(Path::new).find(|path| path.exists());
    let first = Path::new(PLACES[0]);
    named.or_else(standard).unwrap_or(first).to_owned()
}

/// Reads `sidegate.toml`. Paths in it are relative to it.
///
/// # Errors
///
/// Every problem of that file.
pub fn read(path: &Path) -> Result<Config, Report> {
    let mut files = Files::default();
    let (config, notes) = settings::read(path, &mut files);
    let report = Report::new(files, notes.problems);
    config.filter(|_| report.errors() == 0).ok_or(report)
}

/// Reads policy, keys, pepper and certificates, and compiles them.
///
/// # Errors
///
/// Every problem of those files, warnings included.
pub fn load(config: &Config, permissions: Permissions) -> Result<Loaded, Report> {
    let read = gather(config, Some(permissions.into()), &Notes::default());
    whole(read, certificates(config, permissions))
}

/// Reads policy, keys and pepper without compiling them, for who asks why a decision is what it is.
/// The report knows where the draft's places are.
///
/// # Errors
///
/// Every problem of those files, warnings included.
pub fn load_draft(config: &Config, permissions: Permissions) -> Result<(Draft, Report), Report> {
    let (draft, notes, files) = collect(config, Some(permissions.into()), &Notes::default());
    if notes.hollow || notes.problems.iter().any(is_error) {
        return Err(judge(draft, notes, files).1);
    }
    Ok((draft, Report::new(files, notes.problems)))
}

/// Reads and compiles the policy alone, for who asks it about names: it has no keys and no pin.
///
/// # Errors
///
/// Every problem of the policy, warnings included.
pub fn load_policy(config: &Config) -> Result<Snapshot, Report> {
    let unpinned = Config { environment: None, ..config.clone() };
    let read = gather(&unpinned, None, &Notes::default());
    whole(read, (Secured::default(), Report::default())).map(|loaded| loaded.snapshot)
}

/// Reads the policy alone without compiling it, for who lists what stands in it. The report knows
/// where the draft's places are.
///
/// # Errors
///
/// Every problem of the policy, warnings included.
pub fn load_policy_draft(config: &Config) -> Result<(Draft, Report), Report> {
    let unpinned = Config { environment: None, ..config.clone() };
    let (draft, notes, files) = collect(&unpinned, None, &Notes::default());
    match compile_with(&draft, Vec::new()) {
        Ok(_) if !notes.hollow && notes.problems.is_empty() => {
            Ok((draft, Report::new(files, Vec::new())))
        }
        _ => Err(judge(draft, notes, files).1),
    }
}

/// Reads the secret of `blake3-keyed` records.
///
/// # Errors
///
/// What is wrong with the file.
pub fn read_pepper(path: &Path, permissions: Permissions) -> Result<Pepper, Report> {
    let mut files = Files::default();
    let file = files.add(path);
    let (pepper, problems) = pepper::read(path, file, permissions);
    pepper.ok_or_else(|| Report::new(files, problems))
}

/// Reads when keys were last used.
///
/// # Errors
///
/// What is wrong with the file.
pub fn read_last_used(path: &Path, permissions: Permissions) -> Result<LastUsed, Report> {
    let mut files = Files::default();
    let file = files.add(path);
    LastUsed::read(path, file, permissions).map_err(|problem| Report::new(files, vec![problem]))
}

/// [`read`] and [`load`] in one: with the problems of all files at once.
///
/// # Errors
///
/// Every problem of every file, warnings included.
pub fn open(path: &Path, permissions: Permissions) -> Result<(Config, Loaded), Report> {
    let mut files = Files::default();
    let (config, mut notes) = settings::read(path, &mut files);
    let mut problems = std::mem::take(&mut notes.problems);
    // What else is said of settings, `inspect` says.
    problems.retain(is_error);
    let mut report = Report::new(files, problems);
    let Some(config) = config else { return Err(report) };
    let (snapshot, rest) = gather(&config, Some(permissions.into()), &notes);
    report.append(rest);
    let loaded = whole((snapshot, report), certificates(&config, permissions))?;
    Ok((config, loaded))
}

fn whole(
    (snapshot, mut report): (Option<Snapshot>, Report),
    (secured, rest): (Secured, Report),
) -> Result<Loaded, Report> {
    report.append(rest);
    match snapshot {
        Some(snapshot) if report.errors() == 0 => {
            let Secured { tls, trusts, certificates } = secured;
            let certificates = certificates.into();
            Ok(Loaded { snapshot, tls, trusts, certificates, report })
        }
        _ => Err(report),
    }
}

/// How keys and pepper are read.
#[derive(Debug)]
struct Secrets<'l> {
    permissions: Permissions,
    records: Records<'l>,
}

/// What is read of the key file.
#[derive(Debug)]
enum Records<'l> {
    All,
    /// All of it; and here goes what is needed to find later what changed.
    AllToFollow(&'l mut Option<Ledger>),
    /// Nothing: it holds the keys that are known.
    None,
}

impl From<Permissions> for Secrets<'_> {
    fn from(permissions: Permissions) -> Self {
        Self { permissions, records: Records::All }
    }
}

/// Reads what `config` names, as far as it can be read, and compiles it, as far as that says
/// anything; keys and pepper only under `secrets`. `before` is what was noticed in `sidegate.toml`.
fn gather(
    config: &Config,
    secrets: Option<Secrets<'_>>,
    before: &Notes,
) -> (Option<Snapshot>, Report) {
    let (draft, notes, files) = collect(config, secrets, before);
    judge(draft, notes, files)
}

/// What TLS needs, on both sides.
#[derive(Default)]
struct Secured {
    tls: Option<Tls>,
    trusts: Vec<Option<Trust>>,
    certificates: Vec<Certificate>,
}

/// Reads the certificates that `config` names.
fn certificates(config: &Config, permissions: Permissions) -> (Secured, Report) {
    let mut files = Files::default();
    let read = config.tls.as_ref().map(|named| tls::read(named, &mut files, permissions));
    let (tls, Told { mut problems, mut certificates }) = read.unwrap_or_default();
    let mut trust = |named: &TrustFiles| {
        let (trust, told) = tls::read_trust(named, &mut files, permissions);
        problems.extend(told.problems);
        certificates.extend(told.certificates);
        trust
    };
    let trusts = config.trusts.iter().map(|named| named.as_ref().and_then(&mut trust)).collect();
    (Secured { tls, trusts, certificates }, Report::new(files, problems))
}

/// Reads what `config` names.
fn collect(config: &Config, secrets: Option<Secrets<'_>>, before: &Notes) -> (Draft, Notes, Files) {
    let mut files = Files::default();
    let (mut draft, mut notes) = draft::read(&config.policy, None, &mut files);
    notes.lost.extend(before.lost.iter().cloned());
    notes.hollow |= before.hollow;

    let permissions = secrets.as_ref().map(|secrets| secrets.permissions);
    if let Some(Secrets { permissions, records }) = secrets {
        let (path, file) = (&config.keys, files.add(&config.keys));
        let (keys, wrong) = match records {
            Records::All => keystore::read(path, file, permissions),
            Records::AllToFollow(ledger) => {
                let (keys, wrong, read) = keystore::read_to_follow(path, file, permissions);
                *ledger = read;
                (keys, wrong)
            }
            Records::None => (Vec::new(), keystore::look(path, file, permissions)),
        };
        draft.keys = keys;
        notes.problems.extend(wrong);
    }
    if let Some((path, permissions)) = config.pepper.as_ref().zip(permissions) {
        let (pepper, wrong) = pepper::read(path, files.add(path), permissions);
        // Without it, every key under it would be told, too.
        notes.hollow |= pepper.is_none();
        draft.pepper = pepper;
        notes.problems.extend(wrong);
    }
    draft.environment.clone_from(&config.environment);
    draft.upstreams = config.proxy.upstreams.iter().map(|upstream| upstream.name.clone()).collect();
    (draft, notes, files)
}

fn judge(mut draft: Draft, notes: Notes, files: Files) -> (Option<Snapshot>, Report) {
    let keys = std::mem::take(&mut draft.keys);
    let (snapshot, problems) = weigh(&draft, keys, notes);
    (snapshot.map(|it| with_rules(it, draft, &files)), Report::new(files, problems))
}

fn with_rules(snapshot: Snapshot, draft: Draft, files: &Files) -> Snapshot {
    snapshot.with_rules(Rules::new(draft, files.names().to_vec()))
}

fn is_error(problem: &Problem) -> bool {
    problem.severity == Severity::Error
}

/// Compiles what was read, unless nothing can be said of it.
fn weigh(draft: &Draft, keys: Vec<DraftKey>, notes: Notes) -> (Option<Snapshot>, Vec<Problem>) {
    let (snapshot, wrong) = match notes.hollow {
        true => (None, Vec::new()),
        false => match compile_with(draft, keys) {
            Ok(snapshot) => {
                let warnings = snapshot.warnings().to_vec();
                (Some(snapshot), warnings)
            }
            Err(wrong) => (None, wrong),
        },
    };
    (snapshot, together(notes, wrong))
}

/// What was noticed, and what compiling found wrong that does not only follow from it.
fn together(Notes { mut problems, lost, .. }: Notes, wrong: Vec<Problem>) -> Vec<Problem> {
    let told: BTreeSet<_> = problems.iter().map(|problem| problem.place).collect();
    let follows = |p: &Problem| told.contains(&p.place) || speaks_of(p, &lost);
    problems.extend(wrong.into_iter().filter(|problem| !follows(problem)));
    problems
}

/// Whether a problem is about one of `names`: in backticks, alone or as `account:NAME` and the like.
fn speaks_of(problem: &Problem, names: &BTreeSet<String>) -> bool {
    problem.message.split('`').skip(1).step_by(2).any(|quoted| {
        let name = quoted.split_once(':').map_or(quoted, |(_, name)| name);
        names.contains(quoted) || names.contains(name)
    })
}
