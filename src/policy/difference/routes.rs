//! Routes: which came, went or moved.

use super::Side;
use super::row::{Effect, Field, Kind, Row, Subject, Value};
use crate::policy::draft::DraftRoute;
use crate::policy::snapshot::{Map, Route, Told};
use crate::policy::{Level, Snapshot};

pub(super) fn compare<'s>(was: Side<'s>, is: Side<'s>) -> Vec<Row<'s>> {
    let mut names: Map<&str, &Route> = Map::default();
    let mut templates: Map<&str, &Route> = Map::default();
    let after: Map<&str, &Route> =
        is.snapshot.routes().map(|route| (route.name(), route)).collect();
    for route in was.snapshot.routes() {
        names.insert(route.name(), route);
        if !after.contains_key(route.name()) {
            templates.insert(route.template(), route);
        }
    }
    let mut rows = Vec::new();
    for route in is.snapshot.routes() {
        // One that has another name and stands where it stood was renamed.
        let before = names.get(route.name()).copied();
        let before = before.or_else(|| templates.remove(route.template()));
        match before {
            Some(before) => rows.extend(changed(was, before, is, route)),
            None => rows.push(whole(route, Kind::Came)),
        }
    }
    rows.extend(templates.into_values().map(|route| whole(route, Kind::Went)));
    rows
}

/// A route shadows others and is shadowed: that one comes or goes can do both.
fn whole<'s>(route: &'s Route, kind: Kind) -> Row<'s> {
    Row::new(Subject::Route(route.name()), kind, Effect::BOTH, Vec::new())
}

fn changed<'s>(
    was: Side<'s>,
    before: &'s Route,
    is: Side<'s>,
    after: &'s Route,
) -> Option<Row<'s>> {
    let told = |snapshot: &'s Snapshot, route: &'s Route| route.told(snapshot);
    let (old, new) = (told(was.snapshot, before), told(is.snapshot, after));
    let mut changes = Changes { fields: Vec::new(), effect: Effect::NONE };
    let upstream =
        |side: Side<'s>, route: &Route| side.upstreams.get(route.upstream()).map(String::as_str);
    changes.note("name", before.name(), after.name(), Effect::NONE);
    changes.note("place", before.template(), after.template(), Effect::BOTH);
    changes.note("workspace", old.workspace, new.workspace, Effect::BOTH);
    changes.note("scope", text(&old.scope), text(&new.scope), Effect::BOTH);
    changes.note("upstream", upstream(was, before), upstream(is, after), Effect::NONE);
    changes.note("methods", methods(&old), methods(&new), of_methods(&old, &new));
    let effect = Effect {
        gained: !new.view_methods.is_subset(&old.view_methods),
        lost: !old.view_methods.is_subset(&new.view_methods),
    };
    changes.note("view_methods", view_methods(&old), view_methods(&new), effect);
    let effect = of_upgrade(old.upgrade, new.upgrade);
    let name = DraftRoute::upgrade_name;
    changes.note("upgrade", name(old.upgrade), name(new.upgrade), effect);
    let effect = Effect { gained: new.preflight, lost: old.preflight };
    let name = DraftRoute::preflight_name;
    changes.note("preflight", name(old.preflight), name(new.preflight), effect);
    let name = DraftRoute::keep_name;
    let (was_kept, is_kept) = (old.keeps, new.keeps);
    for (field, was, is) in [
        ("encoded_slash", was_kept.encoded_slash, is_kept.encoded_slash),
        ("path_params", was_kept.path_params, is_kept.path_params),
    ] {
        changes.note(field, name(was), name(is), Effect { gained: is, lost: was });
    }
    changes.note("protect", protect(&old), protect(&new), Effect::BOTH);
    let strips = |told: &Told<'_>| if told.strips { "true" } else { "false" };
    changes.note("strip_prefix", strips(&old), strips(&new), Effect::NONE);
    let limits = |told: &Told<'_>| text(&told.limits.to_string());
    changes.note("limits", limits(&old), limits(&new), Effect::NONE);
    let Changes { fields, effect } = changes;
    let subject = Subject::Route(after.name());
    (!fields.is_empty()).then(|| Row::new(subject, Kind::Changed, effect, fields))
}

struct Changes<'s> {
    fields: Vec<Field<'s>>,
    effect: Effect,
}

impl<'s> Changes<'s> {
    /// `effect` counts where the field changed.
    fn note(
        &mut self,
        name: &'static str,
        was: impl Into<Value<'s>>,
        is: impl Into<Value<'s>>,
        effect: Effect,
    ) {
        let (was, is) = (was.into(), is.into());
        if was != is {
            self.fields.push(Field { name, was, is });
            self.effect = self.effect | effect;
        }
    }
}

fn text<'s>(text: &str) -> Value<'s> {
    Value::Text(text.to_owned().into())
}

fn joined<'s, T: AsRef<str>>(names: impl IntoIterator<Item = T>) -> Value<'s> {
    let names: Vec<_> = names.into_iter().collect();
    let names: Vec<_> = names.iter().map(AsRef::as_ref).collect();
    if names.is_empty() { Value::Nothing } else { text(&names.join(" ")) }
}

fn methods<'s>(told: &Told<'_>) -> Value<'s> {
    told.methods.as_ref().map_or_else(|| "all".into(), joined)
}

fn view_methods<'s>(told: &Told<'_>) -> Value<'s> {
    joined(&told.view_methods)
}

fn protect<'s>(told: &Told<'_>) -> Value<'s> {
    joined(told.protect.iter().map(|(role, area)| format!("{role}={area}")))
}

fn of_methods(was: &Told<'_>, is: &Told<'_>) -> Effect {
    match (&was.methods, &is.methods) {
        (None, None) => Effect::NONE,
        (None, Some(_)) => Effect { gained: false, lost: true },
        (Some(_), None) => Effect { gained: true, lost: false },
        (Some(was), Some(is)) => Effect { gained: !is.is_subset(was), lost: !was.is_subset(is) },
    }
}

/// What a WebSocket needs; none refuses it, so that view is the most open.
fn of_upgrade(was: Level, is: Level) -> Effect {
    let openness = |needed: Level| match needed {
        Level::None => 0,
        Level::Full => 1,
        Level::View => 2,
    };
    Effect { gained: openness(is) > openness(was), lost: openness(is) < openness(was) }
}
