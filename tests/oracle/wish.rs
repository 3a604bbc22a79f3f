//! Requests that come true against a policy, so that they hit it.

use proptest::collection::vec;
use proptest::option::weighted as maybe;
use proptest::prelude::*;
use proptest::sample::{Index, select};

use crate::model::{ACCOUNTS, HostRule, Key, LITERALS, Model, Request, Route, Step, WORKSPACES};
use crate::random::{METHODS, SECONDS};

const HOSTS: [&str; 11] = [
    "api.x.example",
    "API.X.example:8080",
    "acme.x.example",
    "beta-1.x.example.",
    "acme.y.example",
    "Gamma.y.example",
    "deep.acme.y.example",
    "x.example",
    "elsewhere:80",
    "acme.x.example,api.x.example",
    "acme;a='b'.y.example:80",
];
const BAD_HOSTS: [&str; 5] = ["", "a..b", "a b", "a@b", "a:70000"];
/// A request in the making: which route it aims at, and how far it misses.
#[derive(Debug, Clone)]
pub(crate) struct Wish {
    method: &'static str,
    host: Option<&'static str>,
    route: Index,
    /// For each segment: what it is where the route leaves it open, and how it is spelled.
    fill: Vec<(Index, Spelling)>,
    /// Segments after the prefix; a negative one takes a segment off.
    more: i8,
    damage: Option<&'static str>,
    key: Credential,
    own_workspace: bool,
    upgrade: Option<&'static str>,
    preflight: bool,
    now: i64,
}

#[derive(Debug, Clone)]
enum Credential {
    Missing,
    Text(&'static str),
    Any(Index),
    /// One of the route's workspace, where there is one.
    Fitting(Index),
}

#[derive(Debug, Clone, Copy)]
enum Spelling {
    Plain,
    Encoded,
    EncodedInLowerCase,
    OtherCase,
    WithParams,
}

pub(crate) fn wish() -> impl Strategy<Value = Wish> {
    let method = prop_oneof![
        10 => Just("GET"),
        10 => select(METHODS.to_vec()),
        1 => select(vec!["TRACE", "CONNECT", "PROPFIND", "GET", "POST"]),
    ];
    let host = prop_oneof![
        25 => Just(None),
        10 => select(HOSTS.to_vec()).prop_map(Some),
        1 => select(BAD_HOSTS.to_vec()).prop_map(Some),
    ];
    let spelling = prop_oneof![
        24 => Just(Spelling::Plain),
        4 => Just(Spelling::Encoded),
        4 => Just(Spelling::EncodedInLowerCase),
        4 => Just(Spelling::OtherCase),
        1 => Just(Spelling::WithParams),
    ];
    let damage = select(vec![
        "/",
        "/..",
        "/%2e",
        "//x",
        "/x%2Fy",
        "/x%5c",
        "/x%00",
        "/x%0d%0Ay",
        "%09",
        "%7f/",
        "/\t",
        "/%252e",
        "/x;y",
        "%2fx",
        "%2F",
        "/%2f",
        "/x%2f..%2fy",
        "/..;y",
        "/x%2Fy;z/%2E.",
        "/;y",
        "/x#y",
        "/é",
        "/%e9",
        "/%zz",
        "/%4",
        "?q=/../%zz",
        "?q#f",
        "/%3Bx",
        "/%7Ex%25",
        "/...",
        "/%20",
        "*",
    ]);
    // Where it is kept; behind a prefix without a segment it is refused.
    let disputed = select(vec!["/x%2Fy", "/x%2f", ";y", ";y/x", ";%2fy;", "/x;y%2fz/%41"]);
    let damage = prop_oneof![1 => damage, 2 => disputed];
    let key = prop_oneof![
        1 => Just(Credential::Missing),
        1 => select(vec!["", "with space", "sg_", "sg_production_0_000000"]).prop_map(Credential::Text),
        1 => select(vec!["nobody's", "key-999"]).prop_map(Credential::Text),
        4 => any::<Index>().prop_map(Credential::Any),
        30 => any::<Index>().prop_map(Credential::Fitting),
    ];
    let upgrade = prop_oneof![
        20 => Just(None),
        3 => Just(Some("websocket")),
        1 => Just(Some("other")),
    ];
    let asks = (upgrade, any::<bool>());
    (
        (method, host, any::<Index>(), vec((any::<Index>(), spelling), 5)),
        (prop_oneof![3 => Just(0_i8), 1 => -1..=2_i8], maybe(0.2, damage)),
        (key, prop::bool::weighted(0.9), asks, -1..SECONDS.end),
    )
        .prop_map(|((method, host, route, fill), (more, damage), last)| {
            let (key, own_workspace, (upgrade, preflight), now) = last;
            Wish {
                method,
                host,
                route,
                fill,
                more,
                damage,
                key,
                own_workspace,
                upgrade,
                preflight,
                now,
            }
        })
}

impl Wish {
    pub(crate) fn come_true(&self, model: &Model) -> Request {
        let route = model.routes.get(self.route.index(model.routes.len().max(1)));
        let key = self.key(model, route);
        let workspace =
            key.filter(|_| self.own_workspace).map(|number| model.keys[number].workspace);
        let steps = route.map(|route| route.steps.as_slice()).unwrap_or_default();
        let length = (steps.len() as i8 + self.more).max(0) as usize;
        let mut target = String::new();
        for (at, (index, spelling)) in self.fill.iter().enumerate().take(length) {
            let word = match steps.get(at) {
                Some(Step::Literal(literal)) => LITERALS[*literal],
                Some(Step::Workspace) => workspace.unwrap_or_else(|| WORKSPACES[index.index(3)]),
                Some(Step::Account) => index.get(&ACCOUNTS),
                Some(Step::Star) | None => index.get(&LITERALS),
            };
            target.push('/');
            target.push_str(&spelled(word, *spelling));
        }
        match self.damage {
            Some("*") => target = "*".to_owned(),
            Some(damage) => target.push_str(damage),
            None => {}
        }
        if target.is_empty() || target.starts_with('?') {
            target.insert(0, '/');
        }
        let credential = match (key, &self.key) {
            (Some(number), _) => Some(Model::text_of(number)),
            (None, Credential::Text(text)) => Some((*text).to_owned()),
            (None, _) => None,
        };
        let host = self.host(route, workspace);
        let Self { method, upgrade, preflight, now, .. } = *self;
        Request { method, host, target, credential, upgrade, preflight, now }
    }

    fn key(&self, model: &Model, route: Option<&Route>) -> Option<usize> {
        let fits = |key: &Key| {
            let fixed = route.filter(|route| !route.captures_workspace());
            fixed.is_none_or(|route| key.workspace == WORKSPACES[route.workspace])
        };
        let fitting = (0..model.keys.len()).filter(|number| fits(&model.keys[*number]));
        let fitting: Vec<_> = fitting.collect();
        match &self.key {
            Credential::Fitting(index) if !fitting.is_empty() => Some(*index.get(&fitting)),
            Credential::Any(index) | Credential::Fitting(index) => {
                Some(index.index(model.keys.len()))
            }
            Credential::Missing | Credential::Text(_) => None,
        }
    }

    fn host(&self, route: Option<&Route>, workspace: Option<&str>) -> String {
        let label = workspace.unwrap_or("other");
        match (self.host, route.map(|route| route.host)) {
            (Some(host), _) => host.to_owned(),
            (None, Some(HostRule::Exact(name))) => name.to_owned(),
            (None, Some(HostRule::Below(domain) | HostRule::WorkspaceBelow(domain))) => {
                format!("{label}.{domain}")
            }
            (None, Some(HostRule::Every) | None) => "elsewhere".to_owned(),
        }
    }
}

fn spelled(word: &str, spelling: Spelling) -> String {
    let reserved = |byte: u8| !(byte.is_ascii_alphanumeric() || b"-._~@+".contains(&byte));
    let other_case = |c: char| {
        if c.is_ascii_lowercase() { c.to_ascii_uppercase() } else { c.to_ascii_lowercase() }
    };
    let word = match spelling {
        Spelling::OtherCase => word.chars().map(other_case).collect(),
        Spelling::Plain
        | Spelling::Encoded
        | Spelling::EncodedInLowerCase
        | Spelling::WithParams => word.to_owned(),
    };
    let odd = |at: usize, byte: u8| at.is_multiple_of(2) || !byte.is_ascii_alphanumeric();
    let byte = |(at, byte): (usize, u8)| match spelling {
        Spelling::Encoded if odd(at, byte) => format!("%{byte:02X}"),
        Spelling::EncodedInLowerCase if odd(at, byte) => format!("%{byte:02x}"),
        _ if reserved(byte) => format!("%{byte:02X}"),
        _ => char::from(byte).to_string(),
    };
    let params = if matches!(spelling, Spelling::WithParams) { ";v=%7e" } else { "" };
    word.bytes().enumerate().map(byte).collect::<String>() + params
}
