//! `/api/keys`: keys and their states; never what a key reads, nor a hash of it.

use std::collections::{BTreeSet, BinaryHeap, HashMap, HashSet};

use serde::Serialize;

use super::query::Fields;
use super::{Viewed, has};
use crate::admin::status::{Generation, rfc3339};
use crate::policy::draft::DraftCeiling;
use crate::policy::{DenyReason, KeyView, UnixSeconds};

/// Keys that are found by their labels, at most.
const BY_LABEL: usize = 1000;
const DAY: i64 = 86_400;

#[derive(Debug, Serialize)]
pub(super) struct Keys {
    generation: Generation,
    /// Of all keys.
    counts: Counts,
    /// Who ends first comes first; what never ends comes last.
    rows: Vec<Row>,
    next: Option<String>,
    /// Null, or why labels are missing: they are read from the file, all else is what is in force.
    labels: Option<String>,
}

#[derive(Debug, Default, Serialize)]
struct Counts {
    active: usize,
    not_yet_valid: usize,
    expired: usize,
    revoked: usize,
}

#[derive(Debug, Serialize)]
struct Row {
    id: String,
    label: Option<String>,
    workspace: Option<String>,
    environment: Option<String>,
    account: String,
    /// `active`, `not yet valid`, `expired` or `revoked`.
    state: &'static str,
    not_before: Option<String>,
    expires: Option<String>,
    revoked: Option<String>,
    /// Whole days until it ends; null where it never does, or no longer works.
    days_left: Option<i64>,
    ceiling: Option<Ceiling>,
}

#[derive(Debug, Serialize)]
struct Ceiling {
    level: &'static str,
    products: Option<Vec<String>>,
    areas: Option<Vec<String>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Active,
    Expired,
    NotYetValid,
    Revoked,
}

const STATES: [(&str, State); 4] = [
    ("active", State::Active),
    ("expired", State::Expired),
    ("not_yet_valid", State::NotYetValid),
    ("revoked", State::Revoked),
];

/// Who is asked for.
struct Wanted {
    text: String,
    workspace: Option<String>,
    state: Option<State>,
    /// Live ones that end before that.
    before: Option<i64>,
    /// Ids of keys whose labels have the text in them.
    labelled: HashSet<String>,
}

/// When a key ends, and its id.
type Place<'k> = (i64, &'k str);

pub(super) fn answer(view: &Viewed<'_>, fields: &mut Fields) -> Result<Keys, String> {
    let (snapshot, UnixSeconds(now)) = (&view.generation.snapshot, view.now);
    let days = fields.number("days", 100_000)?;
    let mut wanted = Wanted {
        text: fields.part("text"),
        workspace: fields.take("workspace"),
        state: fields.choice("state", &STATES)?,
        before: days.map(|days| now.saturating_add(days as i64 * DAY)),
        labelled: HashSet::new(),
    };
    let limit = fields.limit()?;
    let after = fields.take("after");
    let after = after.as_deref().map(place).transpose()?;
    let mut unread = None;
    if !wanted.text.is_empty() {
        let Wanted { text, labelled, .. } = &mut wanted;
        unread = (view.state.desk.labels)(&mut |id, label| {
            if labelled.len() < BY_LABEL && has(label, text) {
                labelled.insert(id.to_owned());
            }
        })
        .err();
    }

    let mut counts = Counts::default();
    // The last of those kept is on top.
    let mut first: BinaryHeap<Place<'_>> = BinaryHeap::new();
    for key in snapshot.key_views() {
        let state = State::of(key, view.now);
        counts.add(state);
        let place = (key.expires().map_or(i64::MAX, |end| end.0), key.id());
        if after.is_some_and(|after| place <= after) || !wanted.is(key, state) {
            continue;
        }
        if first.len() <= limit {
            first.push(place);
        } else if first.peek().is_some_and(|last| place < *last) {
            first.pop();
            first.push(place);
        }
    }
    let more = first.len() > limit;
    let mut first = first.into_sorted_vec();
    first.truncate(limit);
    let next = first.last().filter(|_| more).map(|(end, id)| format!("{end}.{id}"));

    let ids: BTreeSet<_> = first.iter().map(|(_, id)| *id).collect();
    let (views, labels, wrong) = (of_ids(view, &ids), labels(view, &ids), unread);
    let (labels, wrong) = match labels {
        Ok(labels) => (labels, wrong),
        Err(wrong) => (HashMap::new(), Some(wrong)),
    };
    let rows = first.iter().filter_map(|(_, id)| views.get(id));
    Ok(Keys {
        generation: view.generation(),
        counts,
        rows: rows.map(|key| Row::of(*key, labels.get(key.id()), view.now)).collect(),
        next,
        labels: wrong,
    })
}

fn of_ids<'v>(view: &'v Viewed<'_>, ids: &BTreeSet<&str>) -> HashMap<&'v str, KeyView<'v>> {
    let keys = view.generation.snapshot.key_views().filter(|key| ids.contains(key.id()));
    keys.map(|key| (key.id(), key)).collect()
}

fn labels(view: &Viewed<'_>, ids: &BTreeSet<&str>) -> Result<HashMap<String, String>, String> {
    let mut labels = HashMap::new();
    if !ids.is_empty() {
        (view.state.desk.labels)(&mut |id, label| {
            if ids.contains(id) {
                labels.insert(id.to_owned(), label.to_owned());
            }
        })?;
    }
    Ok(labels)
}

fn place(text: &str) -> Result<Place<'_>, String> {
    let read = text.split_once('.').and_then(|(end, id)| Some((end.parse().ok()?, id)));
    read.ok_or_else(|| "`after` is what `next` was".to_owned())
}

impl Wanted {
    fn is(&self, key: KeyView<'_>, state: State) -> bool {
        let ends_before = |before: i64| {
            let live = matches!(state, State::Active | State::NotYetValid);
            live && key.expires().is_some_and(|end| end.0 < before)
        };
        self.state.is_none_or(|wanted| wanted == state)
            && self.before.is_none_or(ends_before)
            && self.workspace.as_deref().is_none_or(|it| key.workspace() == Some(it))
            && (has(key.id(), &self.text)
                || has(key.account(), &self.text)
                || key.workspace().is_some_and(|it| has(it, &self.text))
                || self.labelled.contains(key.id()))
    }
}

impl State {
    fn of(key: KeyView<'_>, now: UnixSeconds) -> Self {
        match key.fault(now) {
            Some(DenyReason::KeyRevoked) => Self::Revoked,
            Some(DenyReason::KeyNotYetValid) => Self::NotYetValid,
            Some(_) => Self::Expired,
            None => Self::Active,
        }
    }

    /// As `sidegate key` shows it.
    fn name(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Expired => "expired",
            Self::NotYetValid => "not yet valid",
            Self::Revoked => "revoked",
        }
    }
}

impl Counts {
    fn add(&mut self, state: State) {
        match state {
            State::Active => self.active += 1,
            State::Expired => self.expired += 1,
            State::NotYetValid => self.not_yet_valid += 1,
            State::Revoked => self.revoked += 1,
        }
    }
}

impl Row {
    fn of(key: KeyView<'_>, label: Option<&String>, now: UnixSeconds) -> Self {
        let state = State::of(key, now);
        let text = |text: Option<&str>| text.map(str::to_owned);
        let left = key.expires().map(|end| (end.0 - now.0).div_euclid(DAY));
        Self {
            id: key.id().to_owned(),
            label: label.cloned(),
            workspace: text(key.workspace()),
            environment: text(key.environment()),
            account: key.account().to_owned(),
            state: state.name(),
            not_before: key.not_before().map(rfc3339),
            expires: key.expires().map(rfc3339),
            revoked: key.revoked().map(rfc3339),
            days_left: left.filter(|_| matches!(state, State::Active | State::NotYetValid)),
            ceiling: key.ceiling().map(|DraftCeiling { level, products, areas }| Ceiling {
                level: level.name(),
                products,
                areas,
            }),
        }
    }
}
