//! A policy of any size. What happens to a request follows from the number of its key and of its
//! route: see [`Holder`] and [`Place`].

use sidegate::policy::draft::{
    Draft, DraftAccount, DraftCeiling, DraftKey, DraftProduct, DraftRole, DraftRoute, DraftScope,
    DraftSubscription, DraftWorkspace, Subscription,
};
use sidegate::policy::key::{BASE62, KeyDigest, RANDOM_CHARACTERS, checksum};
use sidegate::policy::{At, Level, RouteLimits, UnixSeconds};

pub(crate) const HOST: &str = "api.acme.example";
/// Every key is good from `START`, and no longer at `END`.
pub(crate) const START: UnixSeconds = UnixSeconds(1_000);
pub(crate) const END: UnixSeconds = UnixSeconds(2_000);

const WORKSPACES: usize = 100;
const ACCOUNTS_OF_A_KIND: usize = 10;
const ID_CHARACTERS: usize = 10;

/// Whose key it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Holder {
    Worker,
    Ceiling,
    Idle,
    OfClosed,
    OfStaging,
    Revoked,
    Stranger,
    Suspended,
    Viewer,
}

impl Holder {
    /// In the order of the keys' numbers: eight workers to one of each other.
    pub(crate) const CYCLE: [Self; 16] = {
        use Holder::*;
        [
            Worker, Ceiling, Worker, Idle, Worker, OfClosed, Worker, OfStaging, Worker, Revoked,
            Worker, Stranger, Worker, Suspended, Worker, Viewer,
        ]
    };

    pub(crate) fn of(key: usize) -> Self {
        Self::CYCLE.get(key % Self::CYCLE.len()).copied().unwrap()
    }

    fn role(self) -> Option<&'static str> {
        match self {
            Self::Stranger => None,
            Self::Idle => Some("idle"),
            Self::Viewer => Some("viewer"),
            _ => Some("worker"),
        }
    }
}

/// What a route is: of ten, one is of each other kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    Permission,
    Absent,
    Canceled,
    Members,
    Public,
}

impl Place {
    pub(crate) fn of(route: usize) -> Self {
        match route % 10 {
            1 => Self::Absent,
            2 => Self::Canceled,
            3 => Self::Members,
            4 => Self::Public,
            _ => Self::Permission,
        }
    }
}

pub(crate) fn workspace_of(key: usize) -> String {
    match Holder::of(key) {
        Holder::OfClosed => "closed".to_owned(),
        Holder::OfStaging => "staging".to_owned(),
        _ => workspace(key / 16 % WORKSPACES),
    }
}

pub(crate) fn owner(workspace: &str) -> String {
    format!("owner@{workspace}.example")
}

fn workspace(number: usize) -> String {
    format!("workspace-{number}")
}

fn account(holder: Holder, workspace: &str, number: usize) -> String {
    format!("{holder:?}-{number}@{workspace}.example")
}

/// The text of a key, in our own form.
pub(crate) fn key_text(key: usize) -> String {
    let mut random = fastrand::Rng::with_seed(key as u64);
    let body = format!("sg_production_{}_", base62(&mut random, RANDOM_CHARACTERS));
    let sum = checksum(&body);
    format!("{body}{}", std::str::from_utf8(&sum).unwrap())
}

fn base62(random: &mut fastrand::Rng, characters: usize) -> String {
    (0..characters).map(|_| char::from(*random.choice(BASE62).unwrap())).collect()
}

pub(crate) fn draft(keys: usize, routes: usize) -> Draft {
    let open = (0..WORKSPACES).map(workspace).map(|name| draft_workspace(&name, "production"));
    let closed = DraftWorkspace { suspended: true, ..draft_workspace("closed", "production") };
    let suspended = (0..WORKSPACES).flat_map(|w| (0..ACCOUNTS_OF_A_KIND).map(move |n| (w, n)));
    Draft {
        environment: Some("production".to_owned()),
        upstreams: vec!["app".to_owned()],
        areas: vec![at("members"), at("ownership")],
        roles: roles(),
        products: ["vault", "absent", "canceled"].map(product).into(),
        accounts: suspended
            .map(|(w, n)| account(Holder::Suspended, &workspace(w), n))
            .map(|name| DraftAccount { name: at(&name), suspended: true })
            .collect(),
        workspaces: open.chain([closed, draft_workspace("staging", "staging")]).collect(),
        routes: (0..routes).map(route).collect(),
        keys: (0..keys).map(draft_key).collect(),
        ..Draft::default()
    }
}

fn at(text: &str) -> At<String> {
    At::new(text.to_owned(), Default::default())
}

fn roles() -> Vec<DraftRole> {
    let role = |name, bypass, level| DraftRole {
        name: at(name),
        bypass,
        areas: vec![(at("members"), level)],
        products: level,
    };
    vec![
        role("owner", true, Level::Full),
        role("worker", false, Level::Full),
        role("viewer", false, Level::View),
        role("idle", false, Level::None),
    ]
}

fn product(name: &str) -> DraftProduct {
    DraftProduct { name: at(name), permissions: vec![at("reports")], roles: Vec::new() }
}

fn draft_workspace(name: &str, environment: &str) -> DraftWorkspace {
    let mut members = vec![(at(&owner(name)), at("owner"))];
    for holder in Holder::CYCLE
        .into_iter()
        .skip(1)
        .filter(|holder| *holder != Holder::Worker)
        .chain([Holder::Worker])
    {
        let accounts = (0..ACCOUNTS_OF_A_KIND).map(|number| at(&account(holder, name, number)));
        members.extend(accounts.filter_map(|account| Some((account, at(holder.role()?)))));
    }
    let subscription =
        |product, state| DraftSubscription { product: at(product), state, ends: None };
    DraftWorkspace {
        name: at(name),
        environment: at(environment),
        suspended: false,
        seats: None,
        members,
        pending: Vec::new(),
        groups: Vec::new(),
        products: vec![
            subscription("vault", Subscription::Active),
            subscription("canceled", Subscription::Canceled),
        ],
        grants: Vec::new(),
    }
}

fn route(number: usize) -> DraftRoute {
    let place = Place::of(number);
    let end = if place == Place::Members { "{account}" } else { "reports" };
    let start = if place == Place::Public { "*" } else { "{workspace}" };
    let product = |name| DraftScope::Product(at(name), Some(at("reports")));
    let protects = place == Place::Members;
    DraftRoute {
        place: Default::default(),
        name: None,
        host: None,
        prefix: at(&format!("/service-{number}/v1/{start}/{end}")),
        workspace: None,
        scope: match place {
            Place::Permission => product("vault"),
            Place::Absent => product("absent"),
            Place::Canceled => product("canceled"),
            Place::Members => DraftScope::Area(at("members")),
            Place::Public => DraftScope::Public,
        },
        upstream: at("app"),
        view_methods: None,
        methods: Some(vec![at("GET"), at("POST")]),
        protect: protects.then(|| (at("owner"), at("ownership"))).into_iter().collect(),
        strip_prefix: false,
        upgrade: Level::None,
        preflight: false,
        encoded_slash: None,
        path_params: None,
        limits: RouteLimits::default(),
    }
}

fn draft_key(number: usize) -> DraftKey {
    let holder = Holder::of(number);
    let workspace = workspace_of(number);
    let mut random = fastrand::Rng::with_seed(!(number as u64));
    let ceiling = DraftCeiling { level: Level::View, products: None, areas: None };
    DraftKey {
        place: Default::default(),
        id: format!("k_{}", base62(&mut random, ID_CHARACTERS)).into(),
        digest: KeyDigest::blake3(&key_text(number)),
        environment: if holder == Holder::OfStaging { "staging" } else { "production" }.into(),
        account: account(holder, &workspace, random.usize(..ACCOUNTS_OF_A_KIND)).into(),
        workspace: workspace.into(),
        not_before: Some(START),
        expires: Some(END),
        revoked: (holder == Holder::Revoked).then_some(START),
        ceiling: (holder == Holder::Ceiling).then_some(ceiling),
    }
}
