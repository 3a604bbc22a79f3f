//! `/api/routes`: what a host and a path need, and where they go.

use serde::Serialize;

use super::query::Fields;
use super::{Viewed, has};
use crate::admin::status::Generation;
use crate::policy::At;
use crate::policy::draft::{DraftRoute, DraftScope};

#[derive(Debug, Serialize)]
pub(super) struct Routes {
    generation: Generation,
    /// How many there are.
    total: usize,
    /// How many of them are asked for.
    matched: usize,
    /// By host, then by prefix.
    rows: Vec<Row>,
    next: Option<usize>,
}

#[derive(Debug, Serialize)]
struct Row {
    name: String,
    /// Null where every host is meant.
    host: Option<String>,
    prefix: String,
    /// Null where the request names it, or where none is asked for.
    workspace: Option<String>,
    /// `area`, `product` or `public`.
    kind: &'static str,
    /// The area, or the product.
    scope: Option<String>,
    permission: Option<String>,
    upstream: String,
    /// Null where all but TRACE and CONNECT are taken.
    methods: Option<Vec<String>>,
    /// Methods that view is enough for; null where they are GET, HEAD and OPTIONS.
    view_methods: Option<Vec<String>>,
    /// What a WebSocket needs: `view`, `full` or `deny`.
    upgrade: &'static str,
    /// `deny` or `forward`.
    preflight: &'static str,
    /// By role of the captured account, the area that is asked for in addition.
    protect: Vec<(String, String)>,
    strip_prefix: bool,
}

pub(super) fn answer(view: &Viewed<'_>, fields: &mut Fields) -> Result<Routes, String> {
    let (text, limit) = (fields.part("text"), fields.limit()?);
    let after = fields.number("after", usize::MAX)?.unwrap_or(0);
    let rules = view.generation.snapshot.rules();
    let draft = rules.ok_or("the rules were not kept")?.draft();
    let mut found: Vec<_> = draft.routes.iter().filter(|route| matches(route, &text)).collect();
    found.sort_by(|one, other| {
        host(one).cmp(&host(other)).then_with(|| segments(one).cmp(segments(other)))
    });
    let rows: Vec<_> = found.iter().skip(after).take(limit).map(|route| row(route)).collect();
    let next = Some(after.saturating_add(rows.len())).filter(|next| *next < found.len());
    Ok(Routes {
        generation: view.generation(),
        total: draft.routes.len(),
        matched: found.len(),
        rows,
        next,
    })
}

/// Hosts in order, those of none first.
fn host(route: &DraftRoute) -> Option<&str> {
    route.host.as_ref().map(|host| &*host.value)
}

fn segments(route: &DraftRoute) -> std::str::Split<'_, char> {
    route.prefix.value.split('/')
}

fn matches(route: &DraftRoute, text: &str) -> bool {
    let (kind, scope, permission) = scope(&route.scope);
    let workspace = route.workspace.as_ref().map(|it| &*it.value);
    has(&route.template(), text)
        || has(&route.upstream.value, text)
        || route.name.as_ref().is_some_and(|name| has(&name.value, text))
        || [Some(kind), scope, permission, workspace].into_iter().flatten().any(|it| has(it, text))
}

fn scope(scope: &DraftScope) -> (&'static str, Option<&str>, Option<&str>) {
    match scope {
        DraftScope::Area(area) => ("area", Some(&area.value), None),
        DraftScope::Product(product, permission) => {
            ("product", Some(&product.value), permission.as_ref().map(|it| &*it.value))
        }
        DraftScope::Public => ("public", None, None),
    }
}

fn row(route: &DraftRoute) -> Row {
    let (kind, scope, permission) = scope(&route.scope);
    let names = |list: &Option<Vec<At<String>>>| {
        list.as_ref().map(|list| list.iter().map(|it| it.value.clone()).collect())
    };
    let pair = |(role, area): &(At<String>, At<String>)| (role.value.clone(), area.value.clone());
    Row {
        name: route.label(),
        host: route.host.as_ref().map(|host| host.value.clone()),
        prefix: route.prefix.value.clone(),
        workspace: route.workspace.as_ref().map(|it| it.value.clone()),
        kind,
        scope: scope.map(str::to_owned),
        permission: permission.map(str::to_owned),
        upstream: route.upstream.value.clone(),
        methods: names(&route.methods),
        view_methods: names(&route.view_methods),
        upgrade: DraftRoute::upgrade_name(route.upgrade),
        preflight: DraftRoute::preflight_name(route.preflight),
        protect: route.protect.iter().map(pair).collect(),
        strip_prefix: route.strip_prefix,
    }
}
