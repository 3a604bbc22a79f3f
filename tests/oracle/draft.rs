//! The model as `policy` is told it.

use sidegate::policy::draft::{
    Draft, DraftAccount, DraftCeiling, DraftGrant, DraftKey, DraftPending, DraftProduct, DraftRole,
    DraftRoute, DraftScope, DraftSubscription, DraftWorkspace, Gift, Grantee,
};
use sidegate::policy::key::{KeyDigest, Pepper};
use sidegate::policy::{At, Level, Place, RouteLimits, UnixSeconds};

use crate::model::{
    ACCOUNTS, AREAS, ENVIRONMENTS, GROUPS, Given, Grant, HostRule, Key, LITERALS, Model,
    PERMISSIONS, PRODUCT_ROLES, PRODUCTS, ROLES, Rank, Role, Route, Rows, Scope, Step, To,
    WORKSPACES, Workspace,
};

const PEPPER: [u8; 32] = [7; 32];

impl Model {
    pub(crate) fn draft(&self) -> Draft {
        Draft {
            allows: Vec::new(),
            environment: self.pin.map(|pin| ENVIRONMENTS[pin].to_owned()),
            pepper: Some(Pepper::new(PEPPER)),
            upstreams: vec!["app".to_owned()],
            hide_none: self.hide_none,
            areas: AREAS.iter().map(|area| at(area)).collect(),
            roles: ROLES
                .iter()
                .zip(&self.roles)
                .map(|(name, role)| draft_role(name, role))
                .collect(),
            products: (0..PRODUCTS.len()).map(|product| self.draft_product(product)).collect(),
            accounts: ACCOUNTS
                .iter()
                .zip(self.suspended)
                .filter(|(_, suspended)| *suspended)
                .map(|(name, suspended)| DraftAccount { name: at(name), suspended })
                .collect(),
            workspaces: WORKSPACES
                .iter()
                .zip(&self.workspaces)
                .map(|(name, workspace)| draft_workspace(name, workspace))
                .collect(),
            routes: self
                .routes
                .iter()
                .enumerate()
                .map(|(n, route)| draft_route(n, route))
                .collect(),
            keys: self.keys.iter().enumerate().map(|(n, key)| self.draft_key(n, key)).collect(),
        }
    }

    fn draft_product(&self, product: usize) -> DraftProduct {
        let roles = PRODUCT_ROLES.iter().zip(&self.product_roles[product]);
        DraftProduct {
            name: at(PRODUCTS[product]),
            permissions: PERMISSIONS.iter().map(|name| at(name)).collect(),
            roles: roles.map(|(name, rows)| (at(name), draft_rows(rows, &PERMISSIONS))).collect(),
        }
    }

    fn draft_key(&self, number: usize, key: &Key) -> DraftKey {
        let text = Self::text_of(number);
        let workspace = WORKSPACES.iter().position(|name| *name == key.workspace);
        let environment =
            workspace.and_then(|at| self.workspaces.get(at)).map_or(0, |w| w.environment);
        let names =
            |pool: &[&str], list: &[usize]| list.iter().map(|n| pool[*n].to_owned()).collect();
        DraftKey {
            place: Place::default(),
            id: format!("k_{number}").into(),
            digest: match key.digest {
                0 => KeyDigest::blake3(&text),
                1 => KeyDigest::blake3_keyed(&text, &Pepper::new(PEPPER)),
                _ => KeyDigest::sha256(&text),
            },
            workspace: key.workspace.into(),
            account: key.account.into(),
            environment: ENVIRONMENTS[environment].into(),
            not_before: key.not_before.map(UnixSeconds),
            expires: key.expires.map(UnixSeconds),
            revoked: key.revoked.map(UnixSeconds),
            ceiling: key.ceiling.as_ref().map(|ceiling| DraftCeiling {
                level: draft_level(ceiling.level),
                products: ceiling.products.as_ref().map(|list| names(&PRODUCTS, list)),
                areas: ceiling.areas.as_ref().map(|list| names(&AREAS, list)),
            }),
        }
    }
}

fn at(name: &str) -> At<String> {
    At::new(name.to_owned(), Place::default())
}

fn draft_level(rank: Rank) -> Level {
    Level::ALL[usize::from(rank)]
}

fn draft_rows<const N: usize>(rows: &Rows<N>, names: &[&str; N]) -> Vec<(At<String>, Level)> {
    let named = names.iter().zip(rows.named).filter_map(|(name, level)| Some((*name, level?)));
    let star = rows.star.map(|level| ("*", level));
    named.chain(star).map(|(name, level)| (at(name), draft_level(level))).collect()
}

fn draft_role(name: &str, role: &Role) -> DraftRole {
    DraftRole {
        name: at(name),
        bypass: role.bypass,
        areas: draft_rows(&role.areas, &AREAS),
        products: draft_level(role.products),
    }
}

fn draft_workspace(name: &str, workspace: &Workspace) -> DraftWorkspace {
    let members = ACCOUNTS.iter().zip(workspace.members);
    let pending = ACCOUNTS.iter().zip(workspace.pending.iter().zip(workspace.members));
    let pending = pending.filter_map(|(name, (offered, member))| {
        let role = offered.filter(|_| member.is_none())?;
        Some(DraftPending { account: at(name), role: at(ROLES[role]), invited: None })
    });
    let groups = GROUPS.iter().zip(&workspace.groups);
    let products = PRODUCTS.iter().zip(workspace.subscriptions);
    DraftWorkspace {
        name: at(name),
        environment: at(ENVIRONMENTS[workspace.environment]),
        suspended: workspace.suspended,
        seats: None,
        pending: pending.collect(),
        members: members.filter_map(|(name, role)| Some((at(name), at(ROLES[role?])))).collect(),
        groups: groups
            .map(|(name, list)| (at(name), list.iter().map(|n| at(ACCOUNTS[*n])).collect()))
            .collect(),
        products: products
            .filter_map(|(name, subscription)| {
                let (state, ends) = subscription?;
                Some(DraftSubscription { product: at(name), state, ends: ends.map(UnixSeconds) })
            })
            .collect(),
        grants: workspace.grants.iter().map(draft_grant).collect(),
    }
}

fn draft_grant(grant: &Grant) -> DraftGrant {
    let to = match grant.to {
        To::Account(account) => Grantee::Account(ACCOUNTS[account].to_owned()),
        To::Group(group) => Grantee::Group(GROUPS[group].to_owned()),
    };
    let gives = match &grant.gives {
        Given::Areas(rows) => Gift::Areas(draft_rows(rows, &AREAS)),
        Given::Level(product, level) => Gift::Level(at(PRODUCTS[*product]), draft_level(*level)),
        Given::Permissions(product, rows) => {
            Gift::Permissions(at(PRODUCTS[*product]), draft_rows(rows, &PERMISSIONS))
        }
        Given::Role(product, role) => Gift::Role(at(PRODUCTS[*product]), at(PRODUCT_ROLES[*role])),
    };
    DraftGrant { place: Place::default(), to: At::new(to, Place::default()), gives }
}

fn draft_route(number: usize, route: &Route) -> DraftRoute {
    let steps = route.steps.iter().map(|step| match step {
        Step::Literal(literal) => LITERALS[*literal].replace('é', "%C3%A9"),
        Step::Star => "*".to_owned(),
        Step::Workspace => "{workspace}".to_owned(),
        Step::Account => "{account}".to_owned(),
    });
    let named = !route.captures_workspace() && !matches!(route.scope, Scope::Public);
    let methods =
        |list: &Option<Vec<&str>>| list.as_ref().map(|l| l.iter().map(|m| at(m)).collect());
    let protects = route.steps.contains(&Step::Account);
    DraftRoute {
        place: Place::default(),
        name: Some(at(&format!("r{number}"))),
        host: match route.host {
            HostRule::Every => None,
            HostRule::Exact(name) => Some(at(name)),
            HostRule::Below(domain) => Some(at(&format!("*.{domain}"))),
            HostRule::WorkspaceBelow(domain) => Some(at(&format!("{{workspace}}.{domain}"))),
        },
        prefix: at(&format!("/{}", steps.collect::<Vec<_>>().join("/"))),
        workspace: named.then(|| at(WORKSPACES[route.workspace])),
        scope: match route.scope {
            Scope::Area(area) => DraftScope::Area(at(AREAS[area])),
            Scope::Product(product, permission) => DraftScope::Product(
                at(PRODUCTS[product]),
                permission.map(|permission| at(PERMISSIONS[permission])),
            ),
            Scope::Public => DraftScope::Public,
        },
        upstream: at("app"),
        view_methods: methods(&route.view_methods),
        methods: methods(&route.methods),
        protect: route
            .protect
            .iter()
            .filter(|_| protects)
            .map(|(role, area)| (at(ROLES[*role]), at(AREAS[*area])))
            .collect(),
        strip_prefix: route.strip,
        upgrade: draft_level(route.upgrade),
        preflight: route.preflight,
        encoded_slash: route.keeps.0.then(Place::default),
        path_params: route.keeps.1.then(Place::default),
        limits: RouteLimits::default(),
    }
}
