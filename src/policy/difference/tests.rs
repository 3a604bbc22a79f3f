//! Small changes and what is told of them, and a few among many keys.

use proptest::prelude::*;

use super::*;
use crate::policy::draft::{
    Draft, DraftAccount, DraftCeiling, DraftGrant, DraftKey, DraftProduct, DraftRole, DraftRoute,
    DraftScope, DraftSubscription, DraftWorkspace, Gift, Grantee, Subscription,
};
use crate::policy::key::KeyDigest;
use crate::policy::{At, Level, Place, RouteLimits, compile};

const NOW: UnixSeconds = UnixSeconds(1000);

fn at<T>(value: T) -> At<T> {
    At::new(value, Place::default())
}

fn name(text: &str) -> At<String> {
    at(text.to_owned())
}

fn role(text: &str, bypass: bool) -> DraftRole {
    DraftRole { name: name(text), bypass, areas: Vec::new(), products: Level::None }
}

fn workspace(text: &str, members: Vec<(At<String>, At<String>)>) -> DraftWorkspace {
    DraftWorkspace {
        name: name(text),
        environment: name("production"),
        suspended: false,
        seats: None,
        members,
        pending: Vec::new(),
        groups: vec![(name("team"), vec![name("ann")])],
        products: vec![DraftSubscription {
            product: name("vault"),
            state: Subscription::Active,
            ends: None,
        }],
        grants: vec![DraftGrant {
            place: Place::default(),
            to: at(Grantee::Group("team".to_owned())),
            gives: Gift::Permissions(name("vault"), vec![(name("reports"), Level::View)]),
        }],
    }
}

fn key(id: &str, text: &str, workspace: &str, account: &str) -> DraftKey {
    DraftKey {
        place: Place::default(),
        id: id.into(),
        digest: KeyDigest::blake3(text),
        workspace: workspace.into(),
        account: account.into(),
        environment: "production".into(),
        not_before: None,
        expires: None,
        revoked: None,
        ceiling: None,
    }
}

fn route(label: &str, prefix: &str) -> DraftRoute {
    DraftRoute {
        place: Place::default(),
        name: Some(name(label)),
        host: None,
        prefix: name(prefix),
        workspace: Some(name("acme")),
        scope: DraftScope::Product(name("vault"), Some(name("reports"))),
        upstream: name("app"),
        view_methods: None,
        methods: None,
        upgrade: Level::None,
        preflight: false,
        encoded_slash: None,
        path_params: None,
        limits: RouteLimits::default(),
        protect: Vec::new(),
        strip_prefix: false,
    }
}

fn policy() -> Draft {
    let members = [("olga", "owner"), ("ann", "member"), ("bob", "member")];
    Draft {
        upstreams: vec!["app".to_owned(), "other".to_owned()],
        areas: vec![name("billing")],
        roles: vec![role("owner", true), role("member", false)],
        products: vec![DraftProduct {
            name: name("vault"),
            permissions: vec![name("reports"), name("keys")],
            roles: Vec::new(),
        }],
        workspaces: vec![workspace(
            "acme",
            members.map(|(account, role)| (name(account), name(role))).into(),
        )],
        routes: vec![route("reports", "/reports")],
        keys: vec![key("k_1", "one", "acme", "ann"), key("k_2", "two", "acme", "olga")],
        ..Draft::default()
    }
}

/// Sign and words of every row, and the effects of all.
fn told(was: Draft, is: Draft) -> (Vec<String>, Effect) {
    let (before, after) = (was.upstreams.clone(), is.upstreams.clone());
    let (was, is) = (compile(was).unwrap(), compile(is).unwrap());
    let was = Side { snapshot: &was, upstreams: &before };
    let found = difference(was, Side { snapshot: &is, upstreams: &after }, NOW);
    let words = |row: &Row<'_>| {
        let words = row.words(3, |time| format!("t{}", time.0));
        format!("{} {words}", row.sign())
    };
    (found.rows().iter().map(words).collect(), found.effect())
}

const GAINED: Effect = Effect { gained: true, lost: false };
const LOST: Effect = Effect { gained: false, lost: true };

type Case = (fn(&mut Draft), &'static [&'static str], Effect);

#[test]
fn every_kind_of_change_is_told_in_words() {
    let cases: &[Case] = &[
        (|_| {}, &[], Effect::NONE),
        (
            |is| is.keys[0].revoked = Some(UnixSeconds(999)),
            &["- key k_1 of ann in acme: revoked t999, vault/reports view → none"],
            LOST,
        ),
        (
            |is| is.keys[0].revoked = Some(UnixSeconds(2000)),
            &["- key k_1 of ann in acme: revoked t2000, \
               vault/reports view → view until t2000"],
            LOST,
        ),
        (
            |is| {
                is.keys[1].ceiling = Some(DraftCeiling {
                    level: Level::View,
                    products: Some(Vec::new()),
                    areas: None,
                })
            },
            &["- key k_2 of olga in acme: area billing full → none, vault full → none, \
               vault/keys full → none, 1 more"],
            LOST,
        ),
        (
            |is| is.keys.truncate(1),
            &["- key k_2 of olga in acme: went, area billing full → none, vault full → none, \
               vault/keys full → none, 1 more"],
            LOST,
        ),
        (
            |is| is.keys.push(key("k_3", "three", "acme", "ann")),
            &["+ key k_3 of ann in acme: came, vault/reports none → view"],
            GAINED,
        ),
        (
            |is| is.keys[0].digest = KeyDigest::blake3("another"),
            &["~ key k_1 of ann in acme: hash one → another"],
            Effect::BOTH,
        ),
        (
            |is| is.keys[0].digest.kind = crate::policy::key::DigestKind::Sha256,
            &["~ key k_1 of ann in acme: hash one → another"],
            Effect::BOTH,
        ),
        (
            |is| is.keys[0].account = "bob".into(),
            &["- key k_1 of bob in acme: account ann → bob, vault/reports view → none"],
            LOST,
        ),
        // What is over changes nothing but the record.
        (
            |is| is.keys[0].not_before = Some(UnixSeconds(1)),
            &["~ key k_1 of ann in acme: not_before none → t1"],
            Effect::NONE,
        ),
        (
            |is| is.workspaces[0].groups[0].1.push(name("bob")),
            &["+ member bob of acme: vault/reports none → view"],
            GAINED,
        ),
        (
            |is| is.workspaces[0].members[1].1 = name("owner"),
            &[
                "+ member ann of acme: role member → owner, area billing none → full, \
                 vault none → full, vault/keys none → full, 1 more",
                "+ key k_1 of ann in acme: area billing none → full, vault none → full, \
                 vault/keys none → full, 1 more",
            ],
            GAINED,
        ),
        (
            |is| is.workspaces[0].products[0].state = Subscription::PastDue,
            &[
                "- member olga of acme: vault full → view, vault/keys full → view, \
                 vault/reports full → view",
                "- key k_2 of olga in acme: vault full → view, vault/keys full → view, \
                 vault/reports full → view",
            ],
            LOST,
        ),
        (
            |is| is.workspaces[0].products[0].ends = Some(UnixSeconds(NOW.0 - 1)),
            &[
                "- member ann of acme: vault/reports view → none",
                "- member olga of acme: vault full → none, vault/keys full → none, \
                 vault/reports full → none",
                "- key k_1 of ann in acme: vault/reports view → none",
                "- key k_2 of olga in acme: vault full → none, vault/keys full → none, \
                 vault/reports full → none",
            ],
            LOST,
        ),
        (|is| is.hide_none = true, &["~ setting hide_none: value false → true"], Effect::NONE),
        (
            |is| {
                is.routes[0].upstream = name("other");
                is.routes[0].methods = Some(vec![name("GET"), name("POST")]);
            },
            &["- route reports: upstream app → other, methods all → GET HEAD POST"],
            LOST,
        ),
        (
            |is| is.routes[0].upgrade = Level::View,
            &["+ route reports: upgrade deny → view"],
            GAINED,
        ),
        (
            |is| is.routes[0].limits.requests = Some(5),
            &["~ route reports: limits none → requests=5"],
            Effect::NONE,
        ),
        (
            |is| is.routes[0].view_methods = Some(["OPTIONS", "GET"].map(name).into()),
            &[],
            Effect::NONE,
        ),
        (
            |is| is.routes[0].name = Some(name("papers")),
            &["~ route papers: name reports → papers"],
            Effect::NONE,
        ),
        (|is| is.routes.push(route("more", "/more")), &["+ route more: came"], Effect::BOTH),
        (
            |is| is.routes[0].prefix = name("/papers"),
            &["~ route reports: place /reports → /papers"],
            Effect::BOTH,
        ),
        (|is| is.upstreams.reverse(), &[], Effect::NONE),
    ];
    for (number, (change, rows, effect)) in cases.iter().enumerate() {
        let mut is = policy();
        change(&mut is);
        let (found, of_all) = told(policy(), is);
        assert_eq!(found, *rows, "case {number}");
        assert_eq!(of_all, *effect, "case {number}: {found:?}");
    }
}

/// What is changed, how, and the rows of it.
type Many = (&'static str, fn(&mut Draft), usize);

#[test]
fn of_many_keys_those_that_changed_are_told() {
    const WORKSPACES: usize = 200;
    const KEYS: usize = 20_000;
    let members = || -> Vec<_> {
        let accounts = (0..9).map(|n| (name(&format!("svc-{n}")), name("member")));
        [(name("olga"), name("owner")), (name("ann"), name("member"))]
            .into_iter()
            .chain(accounts)
            .collect()
    };
    let many = || {
        let workspaces = (0..WORKSPACES).map(|n| workspace(&format!("w{n}"), members())).collect();
        let key = |n: usize| {
            let account = ["olga", "ann", "svc-1", "svc-2"][n / WORKSPACES % 4];
            key(&format!("k_{n}"), &n.to_string(), &format!("w{}", n % WORKSPACES), account)
        };
        let keys = (0..KEYS).map(key).collect();
        Draft { workspaces, keys, routes: Vec::new(), ..policy() }
    };
    let before = many();
    let was = compile(before).unwrap();
    let changes: [Many; 4] = [
        ("nothing", |_| {}, 0),
        ("one revoked", |is| is.keys[5].revoked = Some(NOW), 1),
        ("one went, one came", |is| is.keys[7].id = "k_new".into(), 2),
        // A quarter of the keys are those of ann, and she in every workspace.
        (
            "a group's level everywhere",
            |is| {
                for workspace in &mut is.workspaces {
                    workspace.grants[0].gives = Gift::Level(name("vault"), Level::Full);
                }
            },
            KEYS / 4 + WORKSPACES,
        ),
    ];
    let upstreams = policy().upstreams;
    for (what, change, rows) in changes {
        let mut is = many();
        change(&mut is);
        let is = compile(is).unwrap();
        let side = |snapshot| Side { snapshot, upstreams: &upstreams };
        let found = difference(side(&was), side(&is), NOW);
        assert_eq!(found.rows().len(), rows, "{what}: {}", found.summary());
    }
}

type Edit = fn(&mut Draft);

/// Keys that work, those of them that would not, workspaces without their owners, and those gone.
type Lost = (usize, usize, &'static [&'static str], &'static [(&'static str, usize)]);

#[test]
fn what_is_lost_altogether_is_counted() {
    let cases: &[(Edit, Edit, Lost)] = &[
        (|_| {}, |_| {}, (2, 0, &[], &[])),
        (|_| {}, |is| is.keys[0].revoked = Some(UnixSeconds(999)), (2, 1, &[], &[])),
        (|_| {}, |is| is.keys[0].revoked = Some(UnixSeconds(1001)), (2, 0, &[], &[])),
        (|_| {}, |is| is.keys[0].expires = Some(UnixSeconds(1000)), (2, 1, &[], &[])),
        (|_| {}, |is| is.keys.clear(), (2, 2, &[], &[])),
        // Neither an id nor a place in the file makes it another key.
        (|_| {}, |is| is.keys[0].id = "k_9".into(), (2, 0, &[], &[])),
        (|_| {}, |is| is.keys.reverse(), (2, 0, &[], &[])),
        (|_| {}, |is| is.keys[0].digest = KeyDigest::blake3("another"), (2, 1, &[], &[])),
        // What worked no more is no loss, and neither is what only gets less.
        (
            |was| was.keys[0].revoked = Some(UnixSeconds(999)),
            |is| is.keys.clear(),
            (1, 1, &[], &[]),
        ),
        (|was| was.keys[0].account = "bob".into(), |is| is.keys.clear(), (1, 1, &[], &[])),
        (|_| {}, |is| is.workspaces[0].grants.clear(), (2, 1, &[], &[])),
        (|_| {}, |is| is.workspaces[0].products[0].state = Subscription::PastDue, (2, 0, &[], &[])),
        (
            |_| {},
            |is| is.workspaces[0].products[0].ends = Some(UnixSeconds(1000)),
            (2, 2, &[], &[]),
        ),
        // Without a route that they may pass, they do not work.
        (|_| {}, |is| is.routes.clear(), (2, 2, &[], &[])),
        (|_| {}, |is| is.routes[0].methods = Some(vec![name("POST")]), (2, 1, &[], &[])),
        (|_| {}, |is| is.routes[0].view_methods = Some(Vec::new()), (2, 1, &[], &[])),
        (
            |_| {},
            |is| {
                is.routes[0].workspace = None;
                is.routes[0].prefix = name("/{workspace}/reports");
            },
            (2, 0, &[], &[]),
        ),
        (|_| {}, |is| is.workspaces[0].suspended = true, (2, 2, &[], &[])),
        (|_| {}, |is| is.workspaces[0].members[1].1 = name("owner"), (2, 0, &[], &[])),
        (
            |_| {},
            |is| {
                is.workspaces[0].members.remove(0);
                is.workspaces[0].members[1].1 = name("owner");
            },
            (2, 1, &["acme"], &[]),
        ),
        (
            |_| {},
            |is| {
                is.accounts.push(DraftAccount { name: name("olga"), suspended: true });
            },
            (2, 1, &["acme"], &[]),
        ),
        (
            |_| {},
            |is| {
                is.workspaces[0].members.push((name("eve"), name("owner")));
                is.accounts.push(DraftAccount { name: name("olga"), suspended: true });
            },
            (2, 1, &["acme"], &[]),
        ),
        (
            |was| {
                was.workspaces.push(workspace("idle", vec![(name("olga"), name("owner"))]));
                was.workspaces[1].groups.clear();
                was.workspaces[1].grants.clear();
            },
            |is| {
                is.workspaces[0].name = name("acme-2");
                is.routes[0].workspace = Some(name("acme-2"));
                is.keys.clear();
            },
            (2, 2, &[], &[("acme", 2)]),
        ),
    ];
    for (number, (before, change, expected)) in cases.iter().enumerate() {
        let (mut was, mut is) = (policy(), policy());
        before(&mut was);
        change(&mut is);
        let (was, is) = (compile(was).unwrap(), compile(is).unwrap());
        let found = loss(&was, &is, NOW);
        let orphaned: Vec<_> = found.orphaned.iter().map(|(workspace, _)| *workspace).collect();
        let counted = (found.working(|_| false), found.keys, &*orphaned, &*found.removed);
        assert_eq!(counted, *expected, "case {number}");
        assert_eq!(found.named.len(), found.keys, "case {number}");
    }
}

/// A key of the acme's, of an account that reaches something or nothing, that is good or not.
fn any_key() -> impl Strategy<Value = DraftKey> {
    let time = || prop::option::of((NOW.0 - 3..NOW.0 + 4).prop_map(UnixSeconds));
    let ceiling = prop::option::of(prop::sample::select(vec![Level::None, Level::View]));
    let accounts = prop::sample::select(vec!["ann", "bob", "olga"]);
    let what = (0..40_u32, accounts, ceiling);
    (what, time(), time(), time()).prop_map(|(what, not_before, expires, revoked)| {
        let (number, account, ceiling) = what;
        let ceiling = ceiling.map(|level| DraftCeiling { level, products: None, areas: None });
        let key = key(&format!("k_{number}"), &number.to_string(), "acme", account);
        DraftKey { not_before, expires, revoked, ceiling, ..key }
    })
}

/// No two of one text.
fn any_keys(most: usize) -> impl Strategy<Value = Vec<DraftKey>> {
    let by_id = prop::collection::btree_map(0..40_u32, any_key(), 0..most);
    by_id.prop_map(|keys| {
        let named = keys.into_iter().map(|(number, key)| DraftKey {
            id: format!("k_{number}").into(),
            digest: KeyDigest::blake3(&number.to_string()),
            ..key
        });
        named.collect()
    })
}

proptest! {
    /// However often it was amended: as many are lost, and the same, as where all are looked at.
    #[test]
    fn for_every_amendment_the_loss_is_that_of_all_keys(
        keys in any_keys(40),
        changes in prop::collection::vec((any_keys(12), 0..40_u32), 1..4),
        later in 0..3_i64,
    ) {
        let first = compile(Draft { keys, ..policy() }).unwrap();
        let mut was = first.clone();
        for (came, gone) in changes {
            let left = (gone..gone + 16).map(|number| KeyDigest::blake3(&number.to_string()));
            let gone = came.iter().map(|key| key.digest).chain(left);
            let has = |digest: &KeyDigest| was.keys.has(digest);
            let gone: Vec<_> = gone.filter(has).collect();
            // A warning is the compiler's to tell.
            let Some(is) = was.amended(&gone, &came) else { continue };
            for (was, is) in [(&was, &is), (&is, &was), (&first, &is), (&is, &first)] {
                let now = UnixSeconds(NOW.0 + later);
                let (found, all) = (loss(was, is, now), loss::of_all(was, is, now));
                prop_assert_eq!(found.keys, all.keys);
                prop_assert_eq!(&found.named, &all.named);
                prop_assert_eq!((&found.orphaned, &found.removed), (&all.orphaned, &all.removed));
                let working = all.working(|_| true);
                prop_assert_eq!(found.working(|_| false), working);
                for enough in 0..working + 2 {
                    let counted = found.working(|count| count >= enough);
                    prop_assert_eq!(counted, working.min(enough));
                }
            }
            was = is;
        }
    }
}
