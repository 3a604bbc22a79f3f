//! `[[route]]`: where it matches, what it needs, where it goes.

use crate::config::fields::Fields;
use crate::config::limits::{MANY, duration, limit};
use crate::policy::draft::{DraftRoute, DraftScope};
use crate::policy::{At, Level, Place, Problem, RouteLimits};

/// What a WebSocket can need.
const UPGRADES: [Level; 3] = [Level::View, Level::Full, Level::None];

pub(super) fn read(mut fields: Fields<'_>) -> Option<DraftRoute> {
    let place = fields.place();
    let name = fields.text("name");
    let prefix = fields.required(&["prefix"], "`prefix = \"/\"` is every path");
    let label = name.as_ref().or(prefix.as_ref());
    fields.describe(label.map_or("route".to_owned(), |label| format!("route `{}`", label.value)));

    let host = fields.text("host");
    let workspace = fields.text("workspace");
    let scope = scope(&mut fields);
    let upstream = fields.required(&["upstream"], "name one of `sidegate.toml`");
    let view_methods = fields.texts("view_methods");
    let methods = fields.texts("methods");
    let upgrade = fields.choice("upgrade", &UPGRADES, DraftRoute::upgrade_name);
    let preflight = fields.choice("preflight", &[false, true], DraftRoute::preflight_name);
    let protect = protect(&mut fields);
    let strip_prefix = fields.flag("strip_prefix");
    let encoded_slash = kept(&mut fields, "encoded_slash");
    let path_params = kept(&mut fields, "path_params");
    let limits = limits(&mut fields);
    if matches!(scope, Some(DraftScope::Public)) {
        bounds_nobody(&fields);
    }
    let lacks_workspace = workspace.is_none() && fields.has("workspace");
    let guessed = fields.finish();

    // Without its workspace or permission it would be judged as another route.
    let needed = ["workspace", "permission", "host"];
    if lacks_workspace || needed.iter().any(|field| guessed.contains(field)) {
        return None;
    }
    Some(DraftRoute {
        place,
        name,
        host,
        prefix: prefix?,
        workspace,
        scope: scope?,
        upstream: upstream?,
        view_methods,
        methods,
        upgrade: upgrade.unwrap_or_default(),
        preflight: preflight.unwrap_or_default(),
        protect,
        strip_prefix,
        encoded_slash,
        path_params,
        limits,
    })
}

fn limits(fields: &mut Fields<'_>) -> RouteLimits {
    let Some(mut table) = fields.table("limits") else { return RouteLimits::default() };
    table.describe("`limits`");
    let requests = table.number("requests", 1..=MANY);
    let limits = RouteLimits {
        requests: requests.map(|number| u32::try_from(number.value).unwrap_or(u32::MAX)),
        body_bytes: limit(&mut table, "body_bytes", 0..=u64::MAX),
        timeout: duration(&mut table, "timeout"),
    };
    table.finish();
    limits
}

/// Where a field says `keep`.
fn kept(fields: &mut Fields<'_>, field: &'static str) -> Option<Place> {
    let keep = fields.choice(field, &[false, true], DraftRoute::keep_name)?;
    keep.then(|| fields.place_of_field(field))
}

fn scope(fields: &mut Fields<'_>) -> Option<DraftScope> {
    let public = fields.flag("public");
    let said_public = fields.value("public").is_some_and(|v| v.get_ref().as_bool() != Some(false));
    let product = fields.text("product");
    let permission = fields.text("permission");
    let area = fields.text("area");

    let given = |field: &'static str| fields.has(field).then_some(field);
    let scopes = [said_public.then_some("public"), given("product"), given("area")];
    let mut scopes = scopes.into_iter().flatten();
    match (scopes.next(), scopes.next(), fields.has("permission")) {
        (Some(one), Some(other), _) => return two_scopes(fields, one, other),
        (Some("public"), None, true) => return two_scopes(fields, "public", "permission"),
        (Some("area"), None, true) => return two_scopes(fields, "area", "permission"),
        (None, _, true) => {
            let place = fields.place_of_field("permission");
            let problem = Problem::error(place, "`permission` without its `product`");
            fields.absent(problem.hint("add `product = \"NAME\"`"), &["product"]);
        }
        (None, _, false) => {
            let problem = Problem::error(fields.place(), "a route without a scope");
            let hint = "add `product`, `area` or `public = true`";
            fields.absent(problem.hint(hint), &["product", "area", "public", "permission"]);
        }
        (Some(_), None, _) => {}
    }
    match (product, area) {
        _ if public => Some(DraftScope::Public),
        (Some(_), _) if permission.is_none() && fields.has("permission") => None,
        (Some(product), _) => Some(DraftScope::Product(product, permission)),
        (None, Some(area)) => Some(DraftScope::Area(area)),
        (None, None) => None,
    }
}

/// Fields that bound a caller, on a route that asks for none: whoever wrote them thinks it is closed.
fn bounds_nobody(fields: &Fields<'_>) {
    for field in ["protect", "view_methods"].into_iter().filter(|field| fields.has(field)) {
        let message = format!("`{field}` bounds nobody on a public route");
        let problem = Problem::error(fields.place_of_field(field), message);
        fields.report(problem.hint(format!("drop `{field}`, or `public` and name the scope")));
    }
}

fn two_scopes<T>(fields: &Fields<'_>, one: &str, other: &str) -> Option<T> {
    let problem = Problem::error(
        fields.place_of_field(other),
        format!("a route has one scope, not both `{one}` and `{other}`"),
    );
    fields.report(problem.hint("drop one, or write two routes"));
    None
}

fn protect(fields: &mut Fields<'_>) -> Vec<(At<String>, At<String>)> {
    let roles = fields.names("protect").into_iter();
    roles
        .filter_map(|(role, value)| Some((fields.as_text(&role.value, value)?, role)))
        .map(|(area, role)| (role, area))
        .collect()
}
