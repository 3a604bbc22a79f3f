//! Explanations and decisions of random policies agree.

use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;

use proptest::collection::vec;
use proptest::prelude::any;
use proptest::test_runner::{Config, RngAlgorithm, TestCaseError, TestRng, TestRunner};

use super::*;
use crate::policy::difference::loss;
use crate::policy::draft::*;
use crate::policy::key::KeyDigest;
use crate::policy::{At, Decision, Place, RouteLimits, Upgrade, compile_with};

const ACCOUNTS: [&str; 4] = ["boss", "u1", "u2@x", "Gone"];
const AREAS: [&str; 2] = ["members", "ownership"];
const PRODUCTS: [&str; 2] = ["vault", "crm"];
const PERMISSIONS: [&str; 2] = ["reports", "keys"];
const METHODS: [&str; 6] = ["GET", "HEAD", "POST", "DELETE", "OPTIONS", "TRACE"];
const NOW: UnixSeconds = UnixSeconds(1000);

/// Choices, one a byte; where they end, the first of each list.
struct Tape<'t>(Cell<&'t [u8]>);

impl Tape<'_> {
    fn below(&self, bound: usize) -> usize {
        let Some((first, rest)) = self.0.get().split_first() else { return 0 };
        self.0.set(rest);
        usize::from(*first) % bound
    }

    fn pick<T: Copy>(&self, list: &[T]) -> T {
        list[self.below(list.len())]
    }

    /// True once in `times`.
    fn seldom(&self, times: usize) -> bool {
        self.below(times) == times - 1
    }

    fn level(&self) -> Level {
        self.pick(&Level::ALL)
    }

    fn time(&self) -> Option<UnixSeconds> {
        self.pick(&[None, None, Some(UnixSeconds(999)), Some(NOW), Some(UnixSeconds(1001))])
    }

    fn some_of(&self, list: &[&str]) -> Vec<At<String>> {
        list.iter().filter(|_| self.below(2) == 1).map(|name| at(name)).collect()
    }

    fn rows(&self, names: &[&str]) -> Rows {
        let names = self.some_of(&[names, &["*"]].concat());
        names.into_iter().map(|name| (name, self.level())).collect()
    }

    fn draft(&self) -> Draft {
        let role = |name, bypass| DraftRole {
            name: at(name),
            bypass,
            areas: self.rows(&AREAS),
            products: self.pick(&[Level::None, Level::None, Level::View, Level::Full]),
        };
        let product = |name| DraftProduct {
            name: at(name),
            permissions: PERMISSIONS.map(at).into(),
            roles: vec![(at("analyst"), self.rows(&PERMISSIONS))],
        };
        Draft {
            environment: self.pick(&[None, None, Some("e0"), Some("e1")]).map(str::to_owned),
            upstreams: vec!["up".into()],
            areas: AREAS.map(at).into(),
            roles: vec![
                role("owner", self.below(2) == 0),
                role("member", false),
                role("guest", self.seldom(8)),
            ],
            products: PRODUCTS.map(product).into(),
            accounts: ACCOUNTS
                .map(|name| DraftAccount { name: at(name), suspended: self.seldom(8) })
                .into_iter()
                .filter(|account| account.name.value != "Gone")
                .collect(),
            workspaces: vec![self.workspace("acme", "e0"), self.workspace("globex", "e1")],
            routes: self.routes(),
            ..Draft::default()
        }
    }

    fn workspace(&self, name: &str, environment: &str) -> DraftWorkspace {
        let mut members = vec![(at("boss"), at("owner"))];
        for account in ["u1", "u2@x"] {
            if name == "acme" || self.below(2) == 0 {
                members.push((at(account), at(self.pick(&["member", "guest", "owner"]))));
            }
        }
        let names: Vec<_> = members.iter().map(|(name, _)| name.value.as_str()).collect();
        let groups = vec![(at("group"), self.some_of(&names))];
        let subscription = |product: &&str| DraftSubscription {
            product: at(product),
            state: self.pick(&[&[Subscription::Active; 6][..], &Subscription::ALL].concat()),
            ends: self.time(),
        };
        let products: Vec<_> =
            PRODUCTS.iter().filter(|_| !self.seldom(4)).map(subscription).collect();
        let grant = |_| {
            let product = || {
                let has = products.iter().map(|it| it.product.value.as_str());
                self.pick(&has.collect::<Vec<_>>())
            };
            let areas = products.is_empty() || self.below(4) == 0;
            DraftGrant {
                place: Place::default(),
                to: At::new(
                    match self.below(2) {
                        0 => Grantee::Group("group".into()),
                        _ => Grantee::Account(self.pick(&names).into()),
                    },
                    Place::default(),
                ),
                gives: match self.below(3) {
                    _ if areas => Gift::Areas(self.rows(&AREAS)),
                    0 => Gift::Level(at(product()), self.level()),
                    1 => Gift::Permissions(at(product()), self.rows(&PERMISSIONS)),
                    _ => Gift::Role(at(product()), at("analyst")),
                },
            }
        };
        let grants = (0..self.below(4)).map(grant).collect();
        let is_member = |name: &str| members.iter().any(|(it, _)| it.value == name);
        let others = ACCOUNTS.iter().filter(|name| !is_member(name) && self.seldom(2));
        let pending = others.map(|name| DraftPending {
            account: at(name),
            role: at(self.pick(&["member", "guest", "owner"])),
            invited: self.time(),
        });
        let pending = pending.collect();
        DraftWorkspace {
            name: at(name),
            environment: at(environment),
            suspended: self.seldom(12),
            seats: None,
            grants,
            members,
            pending,
            groups,
            products,
        }
    }

    fn routes(&self) -> Vec<DraftRoute> {
        const HOSTS: [Option<&str>; 6] = [
            None,
            None,
            None,
            Some("acme.example"),
            Some("*.example"),
            Some("{workspace}.example"),
        ];
        const PREFIXES: [&str; 10] = [
            "/",
            "/a",
            "/a/b",
            "/*",
            "/a/*",
            "/w/{workspace}/b",
            "/{workspace}/{account}",
            "/{workspace}/{account}",
            "/a/{account}",
            "/a/{account}",
        ];
        let mut places = BTreeSet::new();
        let mut routes = Vec::new();
        for number in 0..2 + self.below(6) {
            let (host, prefix) = (self.pick(&HOSTS), self.pick(&PREFIXES));
            let any = prefix.replace("{workspace}", "*").replace("{account}", "*");
            let below = host.map(|host| host.replace("{workspace}", "*"));
            let by_host = host.is_some_and(|host| host.starts_with('{'));
            let by_path = prefix.contains("{workspace}");
            if (by_host && by_path) || !places.insert((below, any)) {
                continue;
            }
            let list = |all: &[&str]| all.iter().map(|name| at(name)).collect::<Vec<_>>();
            let protects = prefix.contains("{account}") && self.below(2) == 0;
            routes.push(DraftRoute {
                place: Place::default(),
                name: Some(at(&format!("route-{number}"))),
                host: host.map(at),
                prefix: at(prefix),
                workspace: (!by_host && !by_path)
                    .then(|| at(self.pick(&["acme", "acme", "globex"]))),
                scope: match self.below(8) {
                    0..3 => DraftScope::Area(at(self.pick(&AREAS))),
                    3..5 => DraftScope::Product(at(self.pick(&PRODUCTS)), None),
                    5..7 => {
                        let permission = Some(at(self.pick(&PERMISSIONS)));
                        DraftScope::Product(at(self.pick(&PRODUCTS)), permission)
                    }
                    _ => DraftScope::Public,
                },
                upstream: at("up"),
                view_methods: self.seldom(4).then(|| list(&["GET", "POST"])),
                methods: self.seldom(4).then(|| list(&["GET", "DELETE"])),
                upgrade: self.level(),
                preflight: self.below(2) == 1,
                protect: protects.then(|| (at("owner"), at("ownership"))).into_iter().collect(),
                strip_prefix: self.seldom(4),
                encoded_slash: (self.below(2) == 1).then(Place::default),
                path_params: (self.below(2) == 1).then(Place::default),
                limits: RouteLimits::default(),
            });
        }
        routes
    }

    /// One that a route is for, more often than not.
    fn path(&self, draft: &Draft) -> String {
        const SEGMENTS: [&str; 10] =
            ["a", "b", "w", "acme", "globex", "boss", "BOSS", "u2%40x", "..", "%61"];
        if draft.routes.is_empty() || self.seldom(3) {
            let path: String =
                (0..self.below(4)).map(|_| format!("/{}", self.pick(&SEGMENTS))).collect();
            return if path.is_empty() { self.pick(&["/", "*"]).to_owned() } else { path };
        }
        let prefix = &draft.routes[self.below(draft.routes.len())].prefix.value;
        let account = self.pick(&["boss", "Boss", "u2%40x", "u1"]);
        let path = prefix.replace("{workspace}", "acme").replace("{account}", account);
        let more = self.pick(&[&[""; 16][..], &[";v=1", ";v/x", "%2fx", ";%2F", "%2F.."]].concat());
        path.replace('*', "c") + if prefix == "/" { "" } else { more }
    }

    fn key(&self) -> DraftKey {
        let workspace = self.pick(&["acme", "acme", "globex"]);
        let revoked = self.time().filter(|_| self.seldom(4));
        // Only who is revoked, now or later, may be of another environment than its workspace.
        let astray = revoked.is_some() && self.below(2) == 1;
        let lists = |all: &[&str]| {
            let list = || self.some_of(all).into_iter().map(|name| name.value).collect();
            self.pick(&[true, false]).then(list)
        };
        DraftKey {
            place: Place::default(),
            id: "k".into(),
            digest: KeyDigest::blake3("good"),
            workspace: workspace.into(),
            account: self.pick(&["u1", "u1", "u2@x", "boss", "Gone", "U1"]).into(),
            environment: if (workspace == "acme") != astray { "e0" } else { "e1" }.into(),
            not_before: self.time().filter(|_| self.seldom(4)),
            expires: self.time().filter(|_| self.seldom(4)),
            revoked,
            ceiling: self.seldom(3).then(|| DraftCeiling {
                level: self.level(),
                products: lists(&PRODUCTS),
                areas: lists(&AREAS),
            }),
        }
    }
}

fn at(name: &str) -> At<String> {
    At::new(name.to_owned(), Place::default())
}

/// Decides and explains one random request to one random policy.
fn agree(tape: &Tape<'_>) -> Result<Option<DenyReason>, TestCaseError> {
    let (draft, key) = (tape.draft(), tape.key());
    let snapshot = compile_with(&draft, vec![key.clone()])
        .map_err(|problems| TestCaseError::fail(format!("{problems:?}")))?;
    let path = &tape.path(&draft);
    let upgrades = [&[Upgrade::None; 24][..], &[Upgrade::WebSocket; 4], &[Upgrade::Unknown]];
    let (method, upgrade) = (tape.pick(&METHODS), tape.pick(&upgrades.concat()));
    let preflight = tape.below(2) == 0;
    let credential = tape.pick(&[&[Some("good"); 12][..], &[None, Some("bad"), Some("")]].concat());
    let host = tape.pick(&["acme.example", "ACME.example.", "globex.example", "x.y.example", "/"]);
    let query = Query { method, host, target: path, credential, upgrade, preflight };
    let record = (credential == Some("good")).then_some(&key);

    let decision = snapshot.decide(&query, NOW);
    let question = Question { draft: &draft, query, key: record, now: NOW };
    let explanation = explain(question);
    let (reason, facts) = match &decision {
        Decision::Allow(permit) => (None, permit.facts()),
        Decision::Deny(denial) => (Some(denial.reason), denial.facts),
    };
    let words = snapshot.describe(&facts);
    let about = || format!("{method} {host} {path}: {decision:?}\n{explanation:#?}\n{draft:#?}");
    proptest::prop_assert_eq!(explanation.blockers.first().copied(), reason, "{}", about());
    if let Some(name) = words.route {
        let route = explanation.route.as_ref().map(|matched| matched.route.label());
        proptest::prop_assert_eq!(route.as_deref(), Some(name), "{}", about());
    }
    if let Some(needed) = words.needed {
        let route = explanation.route.as_ref().map(|matched| matched.needed);
        proptest::prop_assert_eq!(route, Some(needed), "{}", about());
    }
    if let Some(level) = words.level {
        let access = explanation.access.as_ref().and_then(|access| access.level);
        proptest::prop_assert_eq!(access, Some(level), "{}", about());
        // Whatever passes by its key is a key that a guard rail counts.
        let working = loss(&snapshot, &snapshot, NOW).working(|_| false);
        proptest::prop_assert!(reason.is_some() || working == 1, "{}", about());
    }
    Ok(reason)
}

#[test]
fn explanations_agree_with_decisions_for_every_policy() {
    let seen = RefCell::new(BTreeSet::new());
    let (cases, algorithm) = (Config::with_cases(10_000), RngAlgorithm::ChaCha);
    let rng = TestRng::deterministic_rng(algorithm);
    let mut runner = TestRunner::new_with_rng(cases, rng);
    let outcome = runner.run(&vec(any::<u8>(), 400), |bytes| {
        seen.borrow_mut().insert(agree(&Tape(Cell::new(&bytes)))?);
        Ok(())
    });
    outcome.unwrap();
    let reasons = DenyReason::ALL.into_iter().filter(|reason| reason.is_of_policy());
    let expected: BTreeSet<_> = reasons.map(Some).chain([None]).collect();
    assert_eq!(seen.into_inner(), expected);
}
