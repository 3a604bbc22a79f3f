//! `sidegate key revoke`

use std::io;

use clap::Args;
use serde::Serialize;

use crate::cli::audited::{Audited, Deed, Effect, ids};
use crate::clock;
use crate::keystore::{Refusal, Revocation, Revoked, Store, Text, Timestamp, Whom};
use crate::policy::UnixSeconds;

use super::create::text;
use super::list::write_json;
use super::named::Named;
use super::outcome::Failure;
use super::view::View;
use super::wait::WaitArgs;
use super::{CommonArgs, Output, Terminal};

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  sidegate key revoke k_7Q2M0aZ91x --reason 'found in a log'
  sidegate key revoke --account svc-deploy --workspace acme --reason 'left'")]
pub(super) struct RevokeArgs {
    /// Ids of keys, k_…
    #[arg(required_unless_present_any = ["account", "workspace"], value_name = "ID")]
    ids: Vec<String>,
    /// All keys of this account
    #[arg(long, conflicts_with = "ids")]
    account: Option<String>,
    /// All keys of this workspace; with --account, those of the account in it
    #[arg(long, conflicts_with = "ids")]
    workspace: Option<String>,
    /// Why, to be kept in the record
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
    #[command(flatten)]
    wait: WaitArgs,
}

#[derive(Serialize)]
struct Shown<'a> {
    revoked: Vec<View<'a>>,
    already: Vec<View<'a>>,
}

/// The policy plays no part: a key can be taken back whatever is wrong with it.
pub(super) fn run(
    args: &RevokeArgs,
    common: &CommonArgs,
    terminal: &mut Terminal<'_>,
    now: UnixSeconds,
) -> Result<(), Failure> {
    let reason = args.reason.clone().map(|reason| text("--reason", reason)).transpose()?;
    let config = common.read_config()?;
    common.warn_if_open(&config.keys, terminal)?;
    let since = Timestamp::new(now).ok_or_else(|| Failure::Broke("the clock is off".into()))?;
    let store = Store::new(&config.keys, common.permissions());
    let deed = Deed {
        command: "key revoke",
        workspace: args.workspace.as_deref(),
        account: args.account.as_deref(),
        ids: args.ids.clone(),
        ..Deed::default()
    };
    let audited = Audited::begin(&config, Effect::Takes, deed)?;
    let revoked = args
        .revoke(&store, since, reason)
        .map_err(|refusal| Failure::of_refusal(&config.keys, refusal));
    let (revoked, told) = audited.done(revoked, |revoked| ids(&revoked.done))?;
    let written = clock::instant();
    if revoked.done.is_empty() && revoked.already.is_empty() {
        let records = common.records(&config, terminal)?;
        args.named().known(&records, &config)?;
        return Err(Failure::Invalid(args.nobody()));
    }
    match common.output {
        Output::Json => {
            let revoked_now = View::all(&revoked.done, now, None);
            let already = View::all(&revoked.already, now, None);
            write_json(&Shown { revoked: revoked_now, already }, terminal.out)?;
        }
        Output::Text => args.tell(&revoked, terminal)?,
    }
    args.wait.wait(&config, written, terminal)?;
    told.whole()
}

impl RevokeArgs {
    fn revoke(
        &self,
        store: &Store,
        now: Timestamp,
        reason: Option<Text<'static>>,
    ) -> Result<Revoked, Refusal> {
        // Of one key alone nothing else need be read closely.
        if let [id] = &*self.ids {
            let mut revoked = Revoked::default();
            match store.revoke(id, now, reason)? {
                Revocation::Already(record) => revoked.already.push(record),
                Revocation::Done(record) => revoked.done.push(record),
            }
            return Ok(revoked);
        }
        let whom = match &*self.ids {
            [] => {
                Whom::Of { account: self.account.as_deref(), workspace: self.workspace.as_deref() }
            }
            ids => Whom::Ids(ids),
        };
        store.revoke_all(whom, now, reason.as_ref())
    }

    fn named(&self) -> Named<'_> {
        Named { workspace: self.workspace.as_deref(), account: self.account.as_deref() }
    }

    /// That nobody has such a key.
    fn nobody(&self) -> String {
        let account = self.account.as_ref().map(|name| format!(" of account `{name}`"));
        let workspace = self.workspace.as_ref().map(|name| format!(" in workspace `{name}`"));
        format!(
            "there is no key{}{} — `sidegate key list` shows them all",
            account.unwrap_or_default(),
            workspace.unwrap_or_default()
        )
    }

    fn tell(&self, revoked: &Revoked, terminal: &mut Terminal<'_>) -> io::Result<()> {
        for record in &revoked.done {
            let (id, account, workspace) = (&record.id, &record.account, &record.workspace);
            writeln!(terminal.out, "key {id} of {account} in {workspace} is revoked")?;
        }
        for record in &revoked.already {
            let since = record.revoked.map_or_else(String::new, |since| format!(" since {since}"));
            writeln!(terminal.out, "key {} has been revoked{since}", record.id)?;
        }
        let several = !matches!(&*self.ids, [_]);
        if several {
            let (done, already) = (revoked.done.len(), revoked.already.len());
            writeln!(terminal.out, "{done} revoked, {already} had been")?;
        }
        Ok(())
    }
}
