//! The oracle: domain.md's "A level, computed" and "The order of checks", line by line.

use sidegate::policy::draft::Subscription;

use crate::model::{
    ACCOUNTS, Ceiling, ENVIRONMENTS, Given, HostRule, Key, LITERALS, Model, Rank, Request, Role,
    Route, Rows, Scope, Step, To, WORKSPACES, Workspace,
};
use crate::target::{self, Target};

const NONE: Rank = 0;
const VIEW: Rank = 1;
const FULL: Rank = 2;

/// What is told of one request.
#[derive(Debug, PartialEq)]
pub(crate) struct Answer {
    /// A level, `public`, or the code of a reason.
    pub(crate) code: &'static str,
    /// Where it is refused.
    pub(crate) status: Option<u16>,
    /// Where it is allowed: by which route, and as what.
    pub(crate) forwarded: Option<(String, String)>,
}

pub(crate) fn answer(model: &Model, request: &Request) -> Answer {
    match allowed(model, request) {
        Ok((code, route, forwarded)) => {
            Answer { code, status: None, forwarded: Some((format!("r{route}"), forwarded)) }
        }
        Err(code) => Answer { code, status: Some(status(model, code)), forwarded: None },
    }
}

fn status(model: &Model, code: &str) -> u16 {
    match code {
        "bad_target" => 400,
        "key_missing" | "key_malformed" | "key_unknown" | "key_revoked" | "key_not_yet_valid"
        | "key_expired" | "wrong_environment" => 401,
        "route_unknown" => 404,
        "method_refused" => 405,
        "wrong_workspace" | "product_absent" | "no_access" if model.hide_none => 404,
        _ => 403,
    }
}

type Allowed = (&'static str, usize, String);

fn allowed(model: &Model, request: &Request) -> Result<Allowed, &'static str> {
    // 1, 3
    let host = target::host(&request.host).ok_or("bad_target")?;
    let star = request.target == "*";
    if star && request.method != "OPTIONS" {
        return Err("bad_target");
    }
    let target = if star { None } else { Some(target::read(&request.target).ok_or("bad_target")?) };
    let found = target.as_ref().and_then(|target| {
        let number = best_route(model, &host, &target.segments())?;
        Some((number, &model.routes[number], target))
    });
    if let Some(target) = &target {
        let (slash, params) = found.map(|(_, route, _)| route.keeps).unwrap_or_default();
        if target.has_slash && !slash || target.has_params && !params {
            return Err("bad_target");
        }
    }
    let websocket = match request.upgrade {
        None => false,
        Some("websocket") if request.method == "GET" => true,
        Some(_) => return Err("method_refused"),
    };
    if ["TRACE", "CONNECT"].contains(&request.method) {
        return Err("method_refused");
    }
    // HEAD is GET.
    let takes = |list: &[&str]| {
        list.contains(&request.method) || request.method == "HEAD" && list.contains(&"GET")
    };
    if let Some((number, route, target)) = found
        && route.preflight
        && request.preflight
        && request.method == "OPTIONS"
        && request.credential.is_none()
    {
        return Ok(("public", number, forwarded(request, route, target)));
    }
    if let Some((number, route, target)) = found
        && matches!(route.scope, Scope::Public)
    {
        return match &route.methods {
            Some(methods) if !takes(methods) => Err("method_refused"),
            _ if websocket && route.upgrade == NONE => Err("method_refused"),
            _ => Ok(("public", number, forwarded(request, route, target))),
        };
    }
    // 4 to 10
    let key = good_key(model, request)?;
    let workspace = WORKSPACES.iter().position(|name| *name == key.workspace);
    let workspace = workspace.and_then(|at| model.workspaces.get(at));
    if let Some(pin) = model.pin
        && workspace.is_none_or(|w| ENVIRONMENTS[w.environment] != ENVIRONMENTS[pin])
    {
        return Err("wrong_environment");
    }
    // 11, 12
    let (number, route, target) = found.ok_or("route_unknown")?;
    if route.methods.as_ref().is_some_and(|methods| !takes(methods)) {
        return Err("method_refused");
    }
    if websocket && route.upgrade == NONE {
        return Err("method_refused");
    }
    let by_method = match &route.view_methods {
        Some(methods) if takes(methods) => VIEW,
        Some(_) => FULL,
        None if ["GET", "HEAD", "OPTIONS"].contains(&request.method) => VIEW,
        None => FULL,
    };
    let needed = if websocket { by_method.max(route.upgrade) } else { by_method };
    // 13
    let segments = target.segments();
    let asked_for = match (route.steps.iter().position(|s| *s == Step::Workspace), route.host) {
        (Some(at), _) => segments[at],
        (None, HostRule::WorkspaceBelow(_)) => host.split('.').next().unwrap(),
        (None, _) => WORKSPACES[route.workspace],
    };
    let workspace = workspace.filter(|_| asked_for == key.workspace).ok_or("wrong_workspace")?;
    // 14
    let account = ACCOUNTS.iter().position(|name| *name == key.account);
    if workspace.suspended {
        return Err("workspace_suspended");
    }
    if account.is_some_and(|account| model.suspended[account]) {
        return Err("account_suspended");
    }
    let account = account.ok_or("not_a_member")?;
    let role = &model.roles[workspace.members[account].ok_or("not_a_member")?];
    // 15 to 19
    let subscribed = match route.scope {
        Scope::Product(product, _) => {
            let (state, ends) = workspace.subscriptions[product].ok_or("product_absent")?;
            limit_of(state, ends, request.now)
        }
        Scope::Area(_) | Scope::Public => FULL,
    };
    let held = level(model, workspace, account, role, route.scope);
    let ceiling = key.ceiling.as_ref().map_or(FULL, |ceiling| limit(ceiling, route.scope));
    if held == NONE {
        return Err("no_access");
    }
    if subscribed < needed {
        return Err("subscription_inactive");
    }
    if held < needed {
        return Err("view_only");
    }
    if ceiling < needed {
        return Err("key_ceiling");
    }
    // 20
    if let Some(at) = route.steps.iter().position(|step| *step == Step::Account)
        && let Some(other) = ACCOUNTS.iter().position(|a| a.eq_ignore_ascii_case(segments[at]))
        && let Some(their_role) = workspace.members[other]
        && let Some((_, area)) = route.protect.iter().find(|(role, _)| *role == their_role)
    {
        let area = Scope::Area(*area);
        let reached = level(model, workspace, account, role, area);
        let reached = reached.min(key.ceiling.as_ref().map_or(FULL, |c| limit(c, area)));
        if reached < needed {
            return Err("protected_account");
        }
    }
    let code = ["none", "view", "full"][usize::from(held.min(subscribed).min(ceiling))];
    Ok((code, number, forwarded(request, route, target)))
}

fn good_key<'m>(model: &'m Model, request: &Request) -> Result<&'m Key, &'static str> {
    let text = request.credential.as_deref().ok_or("key_missing")?;
    // Of the generator's texts, these are the ones that are no key's form.
    if text.contains(' ') || text.is_empty() || text.starts_with("sg_") {
        return Err("key_malformed");
    }
    let number = (0..model.keys.len()).find(|number| Model::text_of(*number) == text);
    let key = &model.keys[number.ok_or("key_unknown")?];
    if key.revoked.is_some_and(|time| time <= request.now) {
        return Err("key_revoked");
    }
    if key.not_before.is_some_and(|time| request.now < time) {
        return Err("key_not_yet_valid");
    }
    if key.expires.is_some_and(|time| time <= request.now) {
        return Err("key_expired");
    }
    Ok(key)
}

fn limit_of(state: Subscription, ends: Option<i64>, now: i64) -> Rank {
    match state {
        _ if ends.is_some_and(|end| end <= now) => NONE,
        Subscription::Active | Subscription::Trialing => FULL,
        Subscription::PastDue => VIEW,
        Subscription::Canceled | Subscription::Suspended => NONE,
    }
}

fn limit(ceiling: &Ceiling, scope: Scope) -> Rank {
    let lists = ceiling.products.is_some() || ceiling.areas.is_some();
    let listed = match scope {
        Scope::Area(area) => ceiling.areas.as_ref().is_some_and(|list| list.contains(&area)),
        Scope::Product(product, _) => {
            ceiling.products.as_ref().is_some_and(|list| list.contains(&product))
        }
        Scope::Public => false,
    };
    if lists && !listed { NONE } else { ceiling.level }
}

/// `bypass ? full : max(role, granted)`
fn level(model: &Model, workspace: &Workspace, account: usize, role: &Role, scope: Scope) -> Rank {
    if role.bypass {
        return FULL;
    }
    let mut level = match scope {
        Scope::Area(area) => of_rows(&role.areas, Some(area)),
        Scope::Product(..) => role.products,
        Scope::Public => NONE,
    };
    for grant in &workspace.grants {
        let reaches = match grant.to {
            To::Account(to) => to == account,
            To::Group(group) => workspace.groups[group].contains(&account),
        };
        let given = match (&grant.gives, scope) {
            (Given::Areas(rows), Scope::Area(area)) => of_rows(rows, Some(area)),
            (Given::Level(of, level), Scope::Product(product, _)) if *of == product => *level,
            (Given::Permissions(of, rows), Scope::Product(product, permission))
                if *of == product =>
            {
                of_rows(rows, permission)
            }
            (Given::Role(of, role), Scope::Product(product, permission)) if *of == product => {
                of_rows(&model.product_roles[product][*role], permission)
            }
            _ => NONE,
        };
        if reaches && given > level {
            level = given;
        }
    }
    level
}

/// What rows say of a name; of the product itself, only `*` says anything.
fn of_rows<const N: usize>(rows: &Rows<N>, name: Option<usize>) -> Rank {
    name.and_then(|name| rows.named[name]).or(rows.star).unwrap_or(NONE)
}

fn forwarded(request: &Request, route: &Route, target: &Target) -> String {
    debug_assert_ne!(request.target, "*");
    target.forwarded(if route.strip { route.steps.len() } else { 0 })
}

/// An exact host before a label before none; then, segment by segment from the left, a literal
/// before any, and a longer prefix before a shorter.
fn best_route(model: &Model, host: &str, segments: &[&str]) -> Option<usize> {
    let below = |domain: &str| host.split_once('.').is_some_and(|(_, rest)| rest == domain);
    let matching = model.routes.iter().enumerate().filter_map(|(number, route)| {
        let host_rank = match route.host {
            HostRule::Exact(name) => (host == name).then_some(2),
            HostRule::Below(domain) | HostRule::WorkspaceBelow(domain) => {
                below(domain).then_some(1)
            }
            HostRule::Every => Some(0),
        }?;
        let fits = route.steps.len() <= segments.len()
            && route.steps.iter().zip(segments).all(|(step, segment)| match step {
                Step::Literal(literal) => LITERALS[*literal] == *segment,
                Step::Star | Step::Workspace | Step::Account => true,
            });
        // A prefix of another sorts before it.
        let rank: Vec<_> = route.steps.iter().map(|s| matches!(s, Step::Literal(_))).collect();
        fits.then_some((host_rank, rank, number))
    });
    matching.max().map(|(.., number)| number)
}
