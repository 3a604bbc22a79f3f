//! `sidegate key import`

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};

use crate::cli::audited::{Audited, Deed, Effect, Told};
use crate::cli::trouble;
use crate::clock;
use crate::keystore::{
    Column, Format, Imported, Refusal, Row, Store, Terms, Text, Timestamp, Wrong,
};
use crate::policy::{Problem, UnixSeconds, nearest};

use super::known::{About, Names, admit};
use super::list::write_json;
use super::outcome::Failure;
use super::progress::Progress;
use super::rules::Rules;
use super::wait::WaitArgs;
use super::{CommonArgs, Output, Terminal};

#[derive(Debug, Args)]
#[command(
    after_help = "A row has `key` (as it is sent, in any spelling; only its hash is kept) or `hash`
(sha256:HEX or blake3:HEX of it), `workspace`, `account` and, where there is something to
say, `label`, `owner`, `created`, `not_before` and `expires`; in JSON also `ceiling`. CSV
begins with a header. All rows are taken up or, where anything is wrong with one, none.

Examples:
  sidegate key import keys.csv --dry-run
  pg_dump_keys | sidegate key import - --format jsonl --skip-existing

  hash,workspace,account,label,expires
  sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08,acme,svc-deploy,ci,2027-02-18"
)]
pub(super) struct ImportArgs {
    /// The rows; - is standard input
    file: PathBuf,
    /// How they are written [default: as the name of the file says]
    #[arg(long, value_enum)]
    format: Option<Written>,
    /// Leave out rows whose key is there already, of the same account and workspace
    #[arg(long)]
    skip_existing: bool,
    /// Check everything, and write nothing
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    wait: WaitArgs,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Written {
    /// Comma-separated, the first line names the columns
    Csv,
    /// A JSON object a line
    Jsonl,
}

pub(super) fn run(
    args: &ImportArgs,
    common: &CommonArgs,
    terminal: &mut Terminal<'_>,
    now: UnixSeconds,
) -> Result<(), Failure> {
    let format = args.format()?;
    let since = Timestamp::new(now).ok_or_else(|| Failure::Broke("the clock is off".into()))?;
    let config = common.read_config()?;
    let rules = Rules::read(&config)?;
    let pepper = common.pepper(&config)?;
    common.warn_if_open(&config.keys, terminal)?;
    let store = Store::new(&config.keys, common.permissions());
    let terms = Terms {
        format,
        pepper: pepper.as_ref(),
        skip_existing: args.skip_existing,
        dry_run: args.dry_run,
        now: since,
    };
    let (input, total): (Box<dyn Read + '_>, _) = match args.is_standard_input() {
        true => (Box::new(&mut *terminal.input), None),
        false => {
            let (file, total) = args.open()?;
            (Box::new(file), Some(total))
        }
    };
    let line = if terminal.watched { Some(&mut *terminal.err as _) } else { None };
    let input = Progress::new(input, "importing", total, line);
    let mut admitted = Admitted { rules: &rules, now, environments: HashMap::new() };
    let deed = Deed { command: "key import", ..Deed::default() };
    let audited = match args.dry_run {
        true => None,
        false => Some(Audited::begin(&config, Effect::Gives, deed)?),
    };
    let imported = store
        .import(input, terms, |row| admitted.environment(row))
        .map_err(|refusal| args.failure(&config.keys, refusal));
    let (imported, told) = match audited {
        None => (imported?, None),
        Some(audited) => {
            let (imported, told) = audited.done(imported, |_| Vec::new())?;
            (imported, Some(told))
        }
    };
    let written = clock::instant();
    args.tell(&imported, common.output, terminal)?;
    match args.dry_run || imported.added == 0 {
        true => Ok(()),
        false => args.wait.wait(&config, written, terminal),
    }?;
    told.map_or(Ok(()), Told::whole)
}

/// What the policy said to the names of rows, each asked once.
struct Admitted<'a> {
    rules: &'a Rules,
    now: UnixSeconds,
    environments: HashMap<String, HashMap<String, Text<'static>>>,
}

impl Admitted<'_> {
    fn environment(&mut self, row: &Row) -> Result<Text<'static>, Wrong> {
        let of_workspace = self.environments.get(&*row.workspace);
        if let Some(known) = of_workspace.and_then(|accounts| accounts.get(&*row.account))
            && row.ceiling.is_none()
        {
            return Ok(known.clone());
        }
        let ceiling = row.ceiling.as_ref();
        self.check_unnamed(row)?;
        let names = Names { workspace: &row.workspace, account: &row.account, ceiling };
        let environment = admit(names, self.rules.snapshot(), self.now).map_err(wrong)?;
        let environment =
            Text::parse(environment).map_err(|why| Wrong::new(Column::Workspace, why))?;
        let accounts = self.environments.entry(row.workspace.to_string()).or_default();
        accounts.insert(row.account.to_string(), environment.clone());
        Ok(environment)
    }
}

impl Admitted<'_> {
    /// Names that are not even nearly the policy's are not repeated: where columns are mixed up, one
    /// of them may be a key.
    fn check_unnamed(&self, row: &Row) -> Result<(), Wrong> {
        let snapshot = self.rules.snapshot();
        let name = &*row.workspace;
        let Some(workspace) = snapshot.workspace(name) else {
            return match nearest(name, snapshot.workspaces()) {
                Some(_) => Ok(()),
                None => Err(Wrong::new(Column::Workspace, "the policy has no such workspace")),
            };
        };
        let is_known = workspace.role_of(&row.account).is_some()
            || nearest(&row.account, workspace.members()).is_some();
        if is_known {
            return Ok(());
        }
        Err(Wrong::new(Column::Account, format!("it is not a member of workspace `{name}`"))
            .hint(format!("give it a role under `[workspace.{name}.members]` of the policy")))
    }
}

/// Of several problems with a row the first: the others may come of it.
fn wrong(problems: Vec<(About, Problem)>) -> Wrong {
    let Some((about, problem)) = problems.into_iter().next() else {
        return Wrong::new(Column::Workspace, "the policy refuses it");
    };
    let column = match about {
        About::Account => Column::Account,
        About::Ceiling => Column::Ceiling,
        About::Workspace => Column::Workspace,
    };
    let wrong = Wrong::new(column, problem.message);
    problem.hint.into_iter().fold(wrong, Wrong::hint)
}

impl ImportArgs {
    fn is_standard_input(&self) -> bool {
        self.file == Path::new("-")
    }

    fn format(&self) -> Result<Format, Failure> {
        let extension = self.file.extension().and_then(|extension| extension.to_str());
        match (self.format, extension) {
            (Some(Written::Csv), _) | (None, Some("csv")) => Ok(Format::Csv),
            (Some(Written::Jsonl), _) | (None, Some("jsonl" | "ndjson")) => Ok(Format::JsonLines),
            (None, _) => Err(Failure::Usage(
                "--format: csv or jsonl, which the name of the file does not say".into(),
            )),
        }
    }

    fn open(&self) -> Result<(File, u64), Failure> {
        let open = || {
            let file = File::open(&self.file)?;
            let length = file.metadata()?.len();
            io::Result::Ok((file, length))
        };
        let file = self.file.display();
        open()
            .map_err(|error| Failure::Broke(format!("{file}: cannot be read: {}", trouble(&error))))
    }

    fn failure(&self, keys: &Path, refusal: Refusal) -> Failure {
        match refusal {
            Refusal::Foreign(_) if self.is_standard_input() => {
                Failure::of_refusal(Path::new("standard input"), refusal)
            }
            Refusal::Foreign(_) => Failure::of_refusal(&self.file, refusal),
            refusal => Failure::of_refusal(keys, refusal),
        }
    }

    fn tell(
        &self,
        imported: &Imported,
        output: Output,
        terminal: &mut Terminal<'_>,
    ) -> io::Result<()> {
        let Imported { added, skipped, expired, plain } = *imported;
        match output {
            Output::Json => {
                let dry_run = self.dry_run;
                let shown = serde_json::json!({
                    "dry_run": dry_run, "imported": added, "skipped": skipped, "expired": expired,
                });
                write_json(&shown, terminal.out)?;
            }
            Output::Text => {
                let would = if self.dry_run { "would be imported" } else { "imported" };
                let skipped =
                    if skipped > 0 { format!(", {skipped} were there") } else { String::new() };
                let keys = if added == 1 { "key" } else { "keys" };
                writeln!(terminal.out, "{added} {keys} {would}{skipped}")?;
            }
        }
        if expired > 0 {
            writeln!(terminal.err, "warning: {expired} of them have expired")?;
        }
        if plain > 0 && !self.dry_run && !self.is_standard_input() {
            let file = self.file.display();
            writeln!(terminal.err, "warning: {file} has keys in plain text: delete it")?;
        }
        Ok(())
    }
}
