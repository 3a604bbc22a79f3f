//! `sidegate key rotate`

use std::io::{self, Write};

use clap::Args;

use crate::cli::audited::{Audited, Deed, Effect, ids};
use crate::clock;
use crate::keystore::{ApiKey, NewRecord, Record, Rotated, State, Store, Timestamp};
use crate::policy::UnixSeconds;

use super::create::{Created, explain, next, warn_of_nothing};
use super::known::{Names, admit};
use super::outcome::Failure;
use super::rules::Rules;
use super::show::find;
use super::view::View;
use super::wait::WaitArgs;
use super::when::When;
use super::{CommonArgs, Terminal};

#[derive(Debug, Args)]
#[command(
    after_help = "The new key is of the same account and workspace, with the same ceiling, label and owner.
Both pass during the overlap.

Examples:
  KEY=$(sidegate key rotate k_7Q2M0aZ91x --overlap 7d)
  sidegate key rotate k_7Q2M0aZ91x --overlap 0h --expires 90d --output json"
)]
pub(super) struct RotateArgs {
    /// The old key's id, k_…
    id: String,
    /// How long the old key stays good, or until when; never longer than it would have
    #[arg(long, value_name = "WHEN", default_value = "7d")]
    overlap: When,
    /// When the new key ends: 12h, 90d, 6w, or a date [default: it lives as long as the old one was
    /// to live]
    #[arg(long, value_name = "WHEN")]
    expires: Option<When>,
    #[command(flatten)]
    wait: WaitArgs,
}

pub(super) fn run(
    args: &RotateArgs,
    common: &CommonArgs,
    terminal: &mut Terminal<'_>,
    now: UnixSeconds,
) -> Result<(), Failure> {
    let created = Timestamp::new(now).ok_or_else(|| Failure::Broke("the clock is off".into()))?;
    let config = common.read_config()?;
    let rules = Rules::read(&config)?;
    let pepper = common.pepper(&config)?;
    let records = common.records(&config, terminal)?;
    let old = find(&args.id, &records)?;
    refuse_what_is_over(old, now)?;
    let until = args.until(now)?;
    let expires = args.expires(old, now)?;
    let names =
        Names { workspace: &old.workspace, account: &old.account, ceiling: old.ceiling.as_ref() };
    let environment = admit(names, rules.snapshot(), now).map_err(Failure::of_names)?;
    let key = ApiKey::generate(&environment).map_err(Failure::Broke)?;
    let new = NewRecord {
        hash: key.digest(pepper.as_ref()),
        workspace: old.workspace.clone(),
        account: old.account.clone(),
        environment: old.environment.clone(),
        label: old.label.clone(),
        owner: old.owner.clone(),
        created,
        not_before: old.not_before.filter(|begins| *begins > created),
        expires,
        ceiling: old.ceiling.clone(),
    };
    let store = Store::new(&config.keys, common.permissions());
    let deed = Deed {
        command: "key rotate",
        workspace: Some(&old.workspace),
        account: Some(&old.account),
        ids: vec![old.id.to_string()],
        ..Deed::default()
    };
    let audited = Audited::begin(&config, Effect::Gives, deed)?;
    let rotated =
        store.rotate(old, until, new).map_err(|refusal| Failure::of_refusal(&config.keys, refusal));
    let (rotated, told) = audited.done(rotated, |it| ids([&it.old, &it.new]))?;
    let written = clock::instant();
    let Rotated { old, new } = &rotated;
    let shown = Created {
        key: key.expose(),
        record: View::new(new, now, Some(&rules)),
        replaces: Some(View::new(old, now, Some(&rules))),
    };
    shown.write(common.output, terminal).map_err(|error| {
        let (lost, ends) = (&new.id, end(old));
        Failure::Broke(format!(
            "cannot print the key: {error} — it is lost: `sidegate key revoke {lost}`; the old one \
             ends {ends}, rotate it again before"
        ))
    })?;
    // As in `create`: the key is out by now.
    let _ = explain(new, &config, terminal.err);
    let _ = warn_of_nothing(new, &rules, terminal.err, now);
    let _ = tell_of_old(old, terminal.err);
    let _ = next(new, &config, terminal.err);
    if let Err(failure) = args.wait.wait(&config, written, terminal) {
        let _ = write!(terminal.err, "warning: {failure}");
    }
    told.whole()
}

fn refuse_what_is_over(old: &Record<'_>, now: UnixSeconds) -> Result<(), Failure> {
    let Record { id, account, workspace, .. } = old;
    let over = match (old.state(now), old.revoked) {
        (State::Expired, _) => format!("expired {}", end(old)),
        // One that is yet to be revoked would live on in the new key.
        (State::Revoked, Some(revoked)) => format!("was revoked {revoked}"),
        (_, Some(revoked)) => format!("is to be revoked {revoked}"),
        _ => return Ok(()),
    };
    Err(Failure::Invalid(format!(
        "key `{id}` {over} — make a new one: `sidegate key create --workspace {workspace} --account \
         {account}`"
    )))
}

fn tell_of_old(old: &Record<'_>, err: &mut dyn Write) -> io::Result<()> {
    writeln!(err, "the old key, {}, ends {}", old.id, end(old))
}

fn end(old: &Record<'_>) -> String {
    old.expires.map_or_else(|| "never".to_owned(), |expires| expires.to_string())
}

impl RotateArgs {
    fn until(&self, now: UnixSeconds) -> Result<Timestamp, Failure> {
        let Some(until) = self.overlap.from(now) else {
            return Err(Failure::Usage("--overlap: that is after the year 9999".into()));
        };
        match until.seconds() < now {
            true => Err(Failure::Usage(format!("--overlap: {until} is in the past"))),
            false => Ok(until),
        }
    }

    /// That long from now on as the old key was to live, unless somebody says otherwise.
    fn expires(&self, old: &Record<'_>, now: UnixSeconds) -> Result<Option<Timestamp>, Failure> {
        let begins = old.not_before.map_or(now, |begins| begins.seconds().max(now));
        let expires = match (self.expires, old.expires) {
            (Some(when), _) => when.from(now),
            (None, None) => return Ok(None),
            (None, Some(expires)) => {
                let began = old.not_before.unwrap_or(old.created).seconds();
                let life = expires.seconds().0.saturating_sub(began.0);
                Timestamp::new(UnixSeconds(begins.0.saturating_add(life)))
            }
        };
        let Some(expires) = expires else {
            return Err(Failure::Usage("--expires: that is after the year 9999".into()));
        };
        match expires.seconds() <= begins {
            true => Err(Failure::Usage(format!("--expires: {expires} is over before it begins"))),
            false => Ok(Some(expires)),
        }
    }
}
