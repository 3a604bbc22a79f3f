//! A record as it is shown: without the hash, which tells a reader nothing and a guesser of weak
//! keys from elsewhere something.

use std::io::{self, Write};

use serde::Serialize;

use crate::keystore::{Ceiling, Record, Text, Timestamp};
use crate::policy::UnixSeconds;

/// A record for JSON, and for people as `name  value` lines.
#[derive(Debug, Serialize)]
pub(super) struct View<'a> {
    id: &'a Text<'a>,
    workspace: &'a Text<'a>,
    account: &'a Text<'a>,
    environment: &'a Text<'a>,
    label: Option<&'a Text<'a>>,
    state: &'static str,
    created: Timestamp,
    not_before: Option<Timestamp>,
    expires: Option<Timestamp>,
    revoked: Option<Timestamp>,
    ceiling: Option<&'a Ceiling>,
    hash_kind: &'static str,
}

impl<'a> View<'a> {
    pub(super) fn new(record: &'a Record<'a>, now: UnixSeconds) -> Self {
        Self {
            id: &record.id,
            workspace: &record.workspace,
            account: &record.account,
            environment: &record.environment,
            label: record.label.as_ref(),
            state: record.state(now).name(),
            created: record.created,
            not_before: record.not_before,
            expires: record.expires,
            revoked: record.revoked,
            ceiling: record.ceiling.as_ref(),
            hash_kind: record.hash.kind.name(),
        }
    }

    pub(super) fn write_text(&self, out: &mut dyn Write) -> io::Result<()> {
        let time = |time: Option<Timestamp>| time.map_or("-".to_owned(), |time| time.to_string());
        let rows = [
            ("id", self.id.to_string()),
            ("account", self.account.to_string()),
            ("workspace", self.workspace.to_string()),
            ("environment", self.environment.to_string()),
            ("label", self.label.map_or("-".to_owned(), |label| label.to_string())),
            ("state", self.state.to_owned()),
            ("created", self.created.to_string()),
            ("not before", time(self.not_before)),
            ("expires", time(self.expires)),
            ("revoked", time(self.revoked)),
            ("ceiling", self.ceiling.map_or("-".to_owned(), ceiling)),
            ("stored as", self.hash_kind.to_owned()),
        ];
        rows.iter().try_for_each(|(name, value)| writeln!(out, "{name:<13}{value}"))
    }
}

/// A ceiling in words: `view on product vault and area members`.
pub(in crate::cli) fn ceiling(ceiling: &Ceiling) -> String {
    let named = |one: &str, many: &str, names: &Option<Vec<String>>| {
        let names = names.as_deref().unwrap_or_default();
        let what = if names.len() == 1 { one } else { many };
        // What a file holds may drive a terminal.
        let names = names.join(", ").escape_debug().to_string();
        (!names.is_empty()).then(|| format!("{what} {names}"))
    };
    let scopes =
        [named("product", "products", &ceiling.products), named("area", "areas", &ceiling.areas)];
    let scopes: Vec<_> = scopes.into_iter().flatten().collect();
    match (scopes.is_empty(), ceiling.products.is_some() || ceiling.areas.is_some()) {
        (true, false) => format!("{} on all that the account reaches", ceiling.level),
        (true, true) => "nothing".to_owned(),
        (false, _) => format!("{} on {}", ceiling.level, scopes.join(" and ")),
    }
}
