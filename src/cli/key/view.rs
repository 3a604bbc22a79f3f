//! A record as it is shown: without the hash, which tells a reader nothing and a guesser of weak
//! keys from elsewhere something.

use std::io::{self, Write};

use serde::Serialize;

use crate::keystore::{Ceiling, Record, State, Text, Timestamp};
use crate::policy::UnixSeconds;

use super::rules::{self, Reach, Rules};
use super::when::rough;

/// Seconds of a day.
const DAY: i64 = 86_400;

/// A record for JSON, and for people as `name  value` lines. The README has its shape.
#[derive(Debug, Serialize)]
pub(super) struct View<'a> {
    id: &'a Text<'a>,
    workspace: &'a Text<'a>,
    account: &'a Text<'a>,
    environment: &'a Text<'a>,
    label: Option<&'a Text<'a>>,
    owner: Option<&'a Text<'a>>,
    state: &'static str,
    /// The reason that every request with it is refused for, at this time.
    refused: Option<&'static str>,
    created: Timestamp,
    age_days: i64,
    not_before: Option<Timestamp>,
    expires: Option<Timestamp>,
    /// Whole days until it expires; 0 where it is over.
    days_left: Option<i64>,
    revoked: Option<Timestamp>,
    reason: Option<&'a Text<'a>>,
    ceiling: Option<&'a Ceiling>,
    hash_kind: &'static str,
    /// Nothing where the policy was not asked.
    reaches: Option<Vec<Reach<'a>>>,
    #[serde(skip)]
    age: String,
    #[serde(skip)]
    left: String,
}

impl<'a> View<'a> {
    /// What is shown of a record at `now`; what it reaches only where there are `rules`.
    pub(super) fn new(record: &'a Record<'a>, now: UnixSeconds, rules: Option<&'a Rules>) -> Self {
        let refused = match rules {
            Some(rules) => rules.refused(record, now),
            None => rules::refused_by_time(record, now),
        };
        let state = record.state(now);
        let over = matches!(state, State::Revoked | State::Expired);
        let age = now.0.saturating_sub(record.created.seconds().0).max(0);
        let left = record.ends().map(|end| match over {
            true => 0,
            false => end.seconds().0.saturating_sub(now.0),
        });
        Self {
            id: &record.id,
            workspace: &record.workspace,
            account: &record.account,
            environment: &record.environment,
            label: record.label.as_ref(),
            owner: record.owner.as_ref(),
            state: state.name(),
            refused: refused.map(|reason| reason.code()),
            created: record.created,
            age_days: age / DAY,
            not_before: record.not_before,
            expires: record.expires,
            days_left: left.map(|left| left / DAY),
            revoked: record.revoked,
            reason: record.reason.as_ref(),
            ceiling: record.ceiling.as_ref(),
            hash_kind: record.hash.kind.name(),
            reaches: rules.map(|rules| rules.reaches(record, now)),
            age: rough(age),
            left: match left {
                _ if over => "-".to_owned(),
                None => "never".to_owned(),
                Some(left) => rough(left),
            },
        }
    }

    /// [`View::new`] of each.
    pub(super) fn all(
        records: &'a [Record<'a>],
        now: UnixSeconds,
        rules: Option<&'a Rules>,
    ) -> Vec<Self> {
        records.iter().map(|record| Self::new(record, now, rules)).collect()
    }

    pub(super) fn write_text(&self, out: &mut dyn Write) -> io::Result<()> {
        let time = |time: Option<Timestamp>| time.map_or("-".to_owned(), |time| time.to_string());
        let expires = match (self.expires, self.days_left) {
            (None, _) => "never".to_owned(),
            (Some(expires), Some(_)) if self.left != "-" => {
                format!("{expires}, in {}", self.left)
            }
            (Some(expires), _) => expires.to_string(),
        };
        let revoked = match (self.revoked, self.reason) {
            (Some(revoked), Some(reason)) => format!("{revoked}: {reason}"),
            (revoked, _) => time(revoked),
        };
        let state = match self.refused {
            Some(code) => format!("{} ({code})", self.state),
            None => self.state.to_owned(),
        };
        let mut rows = vec![
            ("id", self.id.to_string()),
            ("account", self.account.to_string()),
            ("workspace", self.workspace.to_string()),
            ("environment", self.environment.to_string()),
            ("label", text(self.label)),
            ("owner", text(self.owner)),
            ("state", state),
            ("created", format!("{}, {} ago", self.created, self.age)),
            ("not before", time(self.not_before)),
            ("expires", expires),
            ("revoked", revoked),
            ("ceiling", self.ceiling.map_or("-".to_owned(), ceiling)),
            ("stored as", self.hash_kind.to_owned()),
        ];
        let lines = self.reaches.as_deref().map(rules::lines).unwrap_or_default();
        rows.extend(["reaches"].into_iter().chain(std::iter::repeat("")).zip(lines));
        rows.iter().try_for_each(|(name, value)| writeln!(out, "{name:<13}{value}"))
    }

    /// What a table of records is headed with.
    pub(super) const HEADER: [&'static str; 9] =
        ["id", "account", "workspace", "state", "age", "left", "ceiling", "reaches", "label"];

    /// The cells of its row.
    pub(super) fn row(&self) -> [String; 9] {
        [
            self.id.to_string(),
            self.account.to_string(),
            self.workspace.to_string(),
            self.state.to_owned(),
            self.age.clone(),
            self.left.clone(),
            self.ceiling.map_or("-".to_owned(), ceiling),
            self.reaches.as_deref().map_or("-".to_owned(), rules::counted),
            text(self.label),
        ]
    }
}

fn text(text: Option<&Text<'_>>) -> String {
    text.map_or("-".to_owned(), |text| text.to_string())
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
