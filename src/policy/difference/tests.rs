//! Small changes and what is told of them, and a few among many keys.

mod losses;

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

type Edit = fn(&mut Draft);
