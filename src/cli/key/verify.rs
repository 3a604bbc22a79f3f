//! `sidegate key verify`

use clap::Args;
use serde::Serialize;

use crate::cli::Exit;
use crate::keystore::{ApiKey, Record};
use crate::policy::key::{DigestKind, Pepper};
use crate::policy::{DenyReason, UnixSeconds};

use super::hash::read_text;
use super::list::write_json;
use super::outcome::Failure;
use super::rules::Rules;
use super::view::View;
use super::{CommonArgs, Output, Terminal};

#[derive(Debug, Args)]
#[command(
    after_help = "Exits 4 where the key is refused whatever it asks for. Whether it may do what it asks for
is what `sidegate explain` says.

Examples:
  sidegate key verify < key.txt
  printf %s \"$KEY\" | sidegate key verify --output json | jq -r .reason"
)]
pub(super) struct VerifyArgs {}

/// Never the key: whoever reads this need not have it.
#[derive(Serialize)]
struct Verdict<'a> {
    valid: bool,
    reason: Option<&'static str>,
    key: Option<View<'a>>,
}

pub(super) fn run(
    VerifyArgs {}: &VerifyArgs,
    common: &CommonArgs,
    terminal: &mut Terminal<'_>,
    now: UnixSeconds,
) -> Result<Exit, Failure> {
    let text = read_text(terminal.input)?;
    if text.is_empty() {
        return Err(Failure::Usage("standard input: there is no key, only an empty line".into()));
    }
    let config = common.read_config()?;
    let rules = Rules::read(&config)?;
    let pepper = common.pepper(&config)?;
    let records = common.records(&config, terminal)?;
    let (reason, record) = match ApiKey::parse(text) {
        Err(_) => (Some(DenyReason::KeyMalformed), None),
        Ok(key) => match find(&key, pepper.as_ref(), &records) {
            None => (Some(DenyReason::KeyUnknown), None),
            Some(record) => (rules.refused(record, now), Some(record)),
        },
    };
    let view = record.map(|record| View::new(record, now, Some(&rules)));
    let verdict =
        Verdict { valid: reason.is_none(), reason: reason.map(DenyReason::code), key: view };
    match common.output {
        Output::Json => write_json(&verdict, terminal.out)?,
        Output::Text => {
            let subject = record.map_or_else(
                || "the key".to_owned(),
                |it| format!("key {} of {} in {}", it.id, it.account, it.workspace),
            );
            match reason {
                None => writeln!(terminal.out, "{subject} is valid")?,
                Some(reason) => {
                    let (code, why) = (reason.code(), why(reason));
                    writeln!(terminal.out, "{subject} is refused: {code}, {why}")?;
                }
            }
            if let Some(view) = &verdict.key {
                view.write_text(terminal.out)?;
            }
        }
    }
    Ok(if verdict.valid { Exit::Fine } else { Exit::No })
}

/// The record that a request with this key would be judged by.
fn find<'r>(
    key: &ApiKey,
    pepper: Option<&Pepper>,
    records: &'r [Record<'static>],
) -> Option<&'r Record<'static>> {
    DigestKind::ALL.into_iter().find_map(|kind| {
        let digest = key.digest_of(kind, pepper)?;
        records.iter().find(|record| record.hash == digest)
    })
}

/// What the code means, in words and with the way out.
fn why(reason: DenyReason) -> &'static str {
    match reason {
        DenyReason::AccountSuspended => "the policy has suspended the account",
        DenyReason::KeyExpired => "its time is over — `sidegate key create` makes another",
        DenyReason::KeyMalformed => "it is no whole key: its form or checksum is wrong",
        DenyReason::KeyNotYetValid => "its time has not come",
        DenyReason::KeyRevoked => "it was taken back — `sidegate key create` makes another",
        DenyReason::KeyUnknown => "no record has its hash",
        DenyReason::NotAMember => "the account is no member of the workspace",
        DenyReason::WorkspaceSuspended => "the policy has suspended the workspace",
        DenyReason::WrongEnvironment => "this sidecar takes keys of another environment only",
        DenyReason::WrongWorkspace => "the policy has no such workspace in its environment",
        _ => "it is refused",
    }
}
