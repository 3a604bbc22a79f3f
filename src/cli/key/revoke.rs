//! `sidegate key revoke`

use clap::Args;

use crate::clock;
use crate::keystore::{Revocation, Store, Timestamp};
use crate::policy::UnixSeconds;

use super::list::write_record;
use super::outcome::Failure;
use super::wait::WaitArgs;
use super::{CommonArgs, Output, Terminal};

#[derive(Debug, Args)]
pub(super) struct RevokeArgs {
    /// The key's id, k_…
    id: String,
    #[command(flatten)]
    wait: WaitArgs,
}

/// The policy plays no part: a key can be taken back whatever is wrong with it.
pub(super) fn run(
    args: &RevokeArgs,
    common: &CommonArgs,
    terminal: &mut Terminal<'_>,
    now: UnixSeconds,
) -> Result<(), Failure> {
    let config = common.read_config()?;
    common.warn_if_open(&config.keys, terminal)?;
    let since = Timestamp::new(now).ok_or_else(|| Failure::Broke("the clock is off".into()))?;
    let revocation = Store::new(&config.keys, common.permissions())
        .revoke(&args.id, since)
        .map_err(|refusal| Failure::of_refusal(&config.keys, refusal))?;
    let written = clock::instant();
    let (record, had_been) = match revocation {
        Revocation::Already(record) => (record, true),
        Revocation::Done(record) => (record, false),
    };
    match (common.output, had_been) {
        (Output::Json, _) => write_record(&record, common.output, terminal, now)?,
        (Output::Text, true) => {
            let since = record.revoked.unwrap_or(since);
            writeln!(terminal.out, "key {} has been revoked since {since}", record.id)?;
        }
        (Output::Text, false) => {
            let (id, account, workspace) = (&record.id, &record.account, &record.workspace);
            writeln!(terminal.out, "key {id} of {account} in {workspace} is revoked")?;
        }
    }
    args.wait.wait(&config, written, terminal)
}
