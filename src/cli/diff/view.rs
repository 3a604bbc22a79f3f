//! A difference for scripts.

use serde::ser::{Serialize, Serializer};

use super::rfc3339;
use crate::cli::scope::ScopeView;
use crate::keystore::Timestamp;
use crate::policy::UnixSeconds;
use crate::policy::difference::{
    Counts, Difference, Field, LevelChange, Reach, Row, Subject, Value,
};

/// ```json
/// {
///   "at": "2026-11-21T10:00:00Z", "gained": false, "lost": true,
///   "summary": "keys: 1 revoked (1 lost)", "counts": { "keys": { "came": 0, … }, … },
///   "rows": [{
///     "subject": "key", "id": "k_2", "account": "svc-deploy", "workspace": "acme",
///     "kind": "revoked", "gained": false, "lost": true,
///     "fields": [{ "name": "revoked", "was": null, "is": "2026-11-21T09:59:00Z" }],
///     "levels": [{ "workspace": "acme", "product": "vault", "permission": "reports",
///       "was": { "level": "view" }, "is": { "level": "none" }, "gained": false, "lost": true }]
///   }]
/// }
/// ```
#[derive(Debug, serde::Serialize)]
pub(in crate::cli) struct View<'d> {
    at: Timestamp,
    gained: bool,
    lost: bool,
    summary: String,
    counts: CountsView,
    rows: Rows<'d>,
}

impl<'d> View<'d> {
    pub(in crate::cli) fn of(found: &'d Difference<'d>, at: Timestamp) -> Self {
        let (effect, summary) = (found.effect(), found.summary());
        Self {
            at,
            gained: effect.gained,
            lost: effect.lost,
            summary: summary.to_string(),
            counts: CountsView(summary.kinds()),
            rows: Rows(found.rows()),
        }
    }
}

#[derive(Debug)]
struct CountsView([(&'static str, Counts); 4]);

impl Serialize for CountsView {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(name, counts)| {
            let Counts { came, went, revoked, changed, gained, lost } = counts;
            let counts = serde_json::json!({
                "came": came, "went": went, "revoked": revoked, "changed": changed,
                "gained": gained, "lost": lost,
            });
            (name, counts)
        }))
    }
}

/// Made one by one as they are written: there may be many.
#[derive(Debug)]
struct Rows<'d>(&'d [Row<'d>]);

impl Serialize for Rows<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.iter().map(RowView::of))
    }
}

#[derive(Debug, serde::Serialize)]
struct RowView<'d> {
    subject: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<&'d str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'d str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    account: Option<&'d str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    workspace: Option<&'d str>,
    kind: &'static str,
    gained: bool,
    lost: bool,
    fields: Vec<FieldView>,
    levels: Vec<LevelView<'d>>,
}

impl<'d> RowView<'d> {
    fn of(row: &'d Row<'d>) -> Self {
        let mut view = Self {
            subject: "",
            id: None,
            name: None,
            account: None,
            workspace: None,
            kind: row.kind().name(),
            gained: row.effect().gained,
            lost: row.effect().lost,
            fields: row.fields().iter().map(FieldView::of).collect(),
            levels: row.levels().map(LevelView::of).collect(),
        };
        match *row.subject() {
            Subject::Setting(name) => (view.subject, view.name) = ("setting", Some(name)),
            Subject::Route(name) => (view.subject, view.name) = ("route", Some(name)),
            Subject::Member { workspace, account } => {
                view.subject = "member";
                (view.account, view.workspace) = (Some(account), Some(workspace));
            }
            Subject::Key { id, account, workspace } => {
                (view.subject, view.id) = ("key", Some(id));
                (view.account, view.workspace) = (Some(account), Some(workspace));
            }
        }
        view
    }
}

#[derive(Debug, serde::Serialize)]
struct FieldView {
    name: &'static str,
    was: Option<String>,
    is: Option<String>,
}

impl FieldView {
    fn of(field: &Field<'_>) -> Self {
        let value = |value: &Value<'_>| match value {
            Value::Nothing => None,
            Value::Text(text) => Some(text.clone().into_owned()),
            Value::Time(time) => Some(rfc3339(*time)),
        };
        Self { name: field.name, was: value(&field.was), is: value(&field.is) }
    }
}

#[derive(Debug, serde::Serialize)]
struct LevelView<'d> {
    workspace: &'d str,
    #[serde(flatten)]
    scope: ScopeView<'d>,
    was: ReachView,
    is: ReachView,
    gained: bool,
    lost: bool,
}

impl<'d> LevelView<'d> {
    fn of(change: LevelChange<'d>) -> Self {
        let effect = change.effect();
        Self {
            workspace: change.workspace,
            scope: ScopeView::of(change.scope),
            was: ReachView::of(change.was),
            is: ReachView::of(change.is),
            gained: effect.gained,
            lost: effect.lost,
        }
    }
}

/// A level, and where it does not always hold, from when and until when.
#[derive(Debug, serde::Serialize)]
struct ReachView {
    level: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    from: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    until: Option<String>,
}

impl ReachView {
    fn of(reach: Reach) -> Self {
        let time = |time: Option<UnixSeconds>| time.map(rfc3339);
        Self { level: reach.level().name(), from: time(reach.from()), until: time(reach.until()) }
    }
}
