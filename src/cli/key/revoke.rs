//! `sidegate key revoke`

use clap::Args;

use crate::keystore::{Revocation, Store, Timestamp};
use crate::policy::UnixSeconds;

use super::list::write_record;
use super::outcome::Failure;
use super::{CommonArgs, Output, Terminal};

#[derive(Debug, Args)]
pub(super) struct RevokeArgs {
    /// The key's id, k_…
    id: String,
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
    let (record, had_been) = match revocation {
        Revocation::Already(record) => (record, true),
        Revocation::Done(record) => (record, false),
    };
    if common.output == Output::Json {
        return write_record(&record, common.output, terminal, now);
    }
    let since = record.revoked.unwrap_or(since);
    let (id, account, workspace) = (&record.id, &record.account, &record.workspace);
    match had_been {
        true => writeln!(terminal.out, "key {id} has been revoked since {since}")?,
        false => writeln!(terminal.out, "key {id} of {account} in {workspace} is revoked")?,
    }
    Ok(())
}
