//! Small random policies.

use proptest::collection::vec;
use proptest::option::{of, weighted as maybe};
use proptest::prelude::*;
use proptest::sample::{select, subsequence};
use sidegate::policy::draft::Subscription;

use crate::model::{
    ACCOUNTS, AREAS, Ceiling, ENVIRONMENTS, GROUPS, Given, Grant, HostRule, Key, LITERALS, Model,
    PERMISSIONS, PRODUCT_ROLES, PRODUCTS, ROLES, Rank, Role, Route, Rows, STRANGERS, Scope, Step,
    To, WORKSPACES, Workspace,
};

/// Every time is one of these seconds or the one before: ends are hit exactly.
pub(crate) const SECONDS: std::ops::Range<i64> = 0..6;

pub(crate) const METHODS: [&str; 7] = ["GET", "HEAD", "OPTIONS", "POST", "PUT", "DELETE", "get"];

pub(crate) fn policy() -> impl Strategy<Value = Model> {
    let names = (
        maybe(0.3, 0..ENVIRONMENTS.len()),
        any::<bool>(),
        vec(prop::bool::weighted(0.05), ACCOUNTS.len()),
    );
    let gives =
        ([role(0.5), role(0.15), role(0.0), role(0.0)], [[rows(), rows()], [rows(), rows()]]);
    let all = (vec(workspace(), 1..=3), vec(route(), 1..10), vec(key(), 1..12));
    (names, gives, all).prop_map(|((pin, hide_none, suspended), gives, all)| {
        let (roles, product_roles) = gives;
        let (workspaces, routes, keys) = all;
        let suspended = std::array::from_fn(|account| suspended[account]);
        let model =
            Model { pin, hide_none, roles, product_roles, suspended, workspaces, routes, keys };
        mended(model)
    })
}

/// The nearest policy that has no error.
pub(crate) fn mended(mut model: Model) -> Model {
    let count = model.workspaces.len();
    for workspace in &mut model.workspaces {
        let first = workspace.members.iter().position(Option::is_some).unwrap_or(0);
        workspace.members[first] = Some(0);
        let members = workspace.members;
        for group in &mut workspace.groups {
            group.retain(|account| members[*account].is_some());
        }
        let subscriptions = workspace.subscriptions;
        workspace.grants.retain(|grant| {
            let has = |product: usize| subscriptions[product].is_some();
            let to_member = match grant.to {
                To::Account(account) => members[account].is_some(),
                To::Group(_) => true,
            };
            to_member && grant.gives.product().is_none_or(has)
        });
    }
    for (account, suspended) in model.suspended.iter_mut().enumerate() {
        *suspended &= model.workspaces.iter().any(|w| w.members[account].is_some());
    }
    model.pin = model.pin.filter(|pin| model.workspaces.iter().any(|w| w.environment == *pin));
    for key in &mut model.keys {
        let there = WORKSPACES[..count].contains(&key.workspace);
        if !there && key.revoked.is_none() {
            key.workspace = WORKSPACES[0];
        }
    }
    let mut seen: Vec<(&str, u8, Vec<Option<usize>>)> = Vec::new();
    for route in &mut model.routes {
        route.workspace %= count;
    }
    model.routes.retain(|route| {
        let captures = |step| route.steps.iter().filter(|s| **s == step).count();
        let by_host = matches!(route.host, HostRule::WorkspaceBelow(_));
        let twice = captures(Step::Workspace) + usize::from(by_host) > 1;
        let (host, kind) = match route.host {
            HostRule::Every => ("", 0),
            HostRule::Exact(name) => (name, 1),
            HostRule::Below(domain) | HostRule::WorkspaceBelow(domain) => (domain, 2),
        };
        let shape = |step: &Step| match step {
            Step::Literal(literal) => Some(*literal),
            Step::Star | Step::Workspace | Step::Account => None,
        };
        let place = (host, kind, route.steps.iter().map(shape).collect());
        if twice || captures(Step::Account) > 1 || seen.contains(&place) {
            return false;
        }
        seen.push(place);
        true
    });
    model
}

fn rank() -> impl Strategy<Value = Rank> {
    0..=2_u8
}

fn rows<const N: usize>() -> impl Strategy<Value = Rows<N>>
where
    [proptest::option::OptionStrategy<std::ops::RangeInclusive<Rank>>; N]:
        Strategy<Value = [Option<Rank>; N]>,
{
    (maybe(0.4, rank()), std::array::from_fn::<_, N, _>(|_| of(0..=2_u8)))
        .prop_map(|(star, named)| Rows { star, named })
}

fn role(bypass: f64) -> impl Strategy<Value = Role> {
    (prop::bool::weighted(bypass), rows(), rank()).prop_map(|(bypass, areas, products)| Role {
        bypass,
        areas,
        products,
    })
}

fn workspace() -> impl Strategy<Value = Workspace> {
    let place = (0..ENVIRONMENTS.len(), prop::bool::weighted(0.05));
    let member = || maybe(0.85, 0..ROLES.len());
    let members = [member(), member(), member(), member(), member(), member()];
    let offered = || maybe(0.3, 0..ROLES.len());
    let pending = [offered(), offered(), offered(), offered(), offered(), offered()];
    let group = || subsequence((0..ACCOUNTS.len()).collect::<Vec<_>>(), 0..4);
    let subscription = || {
        let state = prop_oneof![
            4 => Just(Subscription::Active),
            1 => select(Subscription::ALL.to_vec()),
        ];
        maybe(0.8, (state, maybe(0.25, SECONDS)))
    };
    (
        (place, pending),
        members,
        [group(), group()],
        [subscription(), subscription()],
        vec(grant(), 0..10),
    )
        .prop_map(
            |(((environment, suspended), pending), members, groups, subscriptions, grants)| {
                Workspace {
                    environment,
                    suspended,
                    members,
                    pending,
                    groups,
                    subscriptions,
                    grants,
                }
            },
        )
}

fn grant() -> impl Strategy<Value = Grant> {
    let to = prop_oneof![
        (0..ACCOUNTS.len()).prop_map(To::Account),
        (0..GROUPS.len()).prop_map(To::Group),
    ];
    let product = || 0..PRODUCTS.len();
    let gives = prop_oneof![
        rows().prop_map(Given::Areas),
        (product(), rank()).prop_map(|(product, level)| Given::Level(product, level)),
        (product(), rows()).prop_map(|(product, rows)| Given::Permissions(product, rows)),
        (product(), 0..PRODUCT_ROLES.len()).prop_map(|(product, role)| Given::Role(product, role)),
    ];
    (to, gives).prop_map(|(to, gives)| Grant { to, gives })
}

fn route() -> impl Strategy<Value = Route> {
    let host = prop_oneof![
        6 => Just(HostRule::Every),
        1 => Just(HostRule::Exact("api.x.example")),
        1 => select(vec!["x.example", "y.example"]).prop_map(HostRule::Below),
        1 => select(vec!["x.example", "y.example"]).prop_map(HostRule::WorkspaceBelow),
    ];
    let step = prop_oneof![
        4 => (0..LITERALS.len()).prop_map(Step::Literal),
        1 => Just(Step::Star),
        2 => Just(Step::Workspace),
        4 => Just(Step::Account),
    ];
    let scope = prop_oneof![
        8 => (0..AREAS.len()).prop_map(Scope::Area),
        12 => (0..PRODUCTS.len(), of(0..PERMISSIONS.len())).prop_map(|(product, p)| Scope::Product(product, p)),
        1 => Just(Scope::Public),
    ];
    let methods = || subsequence(METHODS[..6].to_vec(), 0..=6);
    let protect = subsequence((0..ROLES.len()).collect::<Vec<_>>(), 0..=4).prop_flat_map(|roles| {
        let areas = vec(0..AREAS.len(), roles.len());
        areas.prop_map(move |areas| roles.iter().copied().zip(areas).collect())
    });
    (
        (host, vec(step, 0..4), 0..WORKSPACES.len(), scope),
        (maybe(0.25, methods()), maybe(0.25, methods()), protect, any::<bool>()),
        (rank(), any::<bool>(), any::<(bool, bool)>()),
    )
        .prop_map(
            |((host, steps, workspace, scope), (methods, view_methods, protect, strip), asks)| {
                Route {
                    host,
                    steps,
                    workspace,
                    scope,
                    methods,
                    view_methods,
                    protect,
                    strip,
                    upgrade: asks.0,
                    preflight: asks.1,
                    keeps: asks.2,
                }
            },
        )
}

fn key() -> impl Strategy<Value = Key> {
    let workspace = prop_oneof![20 => select(WORKSPACES.to_vec()), 1 => Just("gone")];
    let account = prop_oneof![
        12 => select(ACCOUNTS.to_vec()),
        1 => select(STRANGERS.to_vec()),
    ];
    let time = || maybe(0.1, SECONDS);
    let list = |count: usize| of(subsequence((0..count).collect::<Vec<_>>(), 0..=count));
    let ceiling = (prop_oneof![1 => Just(0), 2 => Just(1), 4 => Just(2)], list(2), list(3))
        .prop_map(|(level, products, areas)| Ceiling { level, products, areas });
    (0..3_usize, workspace, account, time(), time(), time(), maybe(0.3, ceiling)).prop_map(
        |(digest, workspace, account, not_before, expires, revoked, ceiling)| Key {
            digest,
            workspace,
            account,
            not_before,
            expires,
            revoked,
            ceiling,
        },
    )
}
