//! The difference between two snapshots against a walk over every key, scope, level and second.

use std::collections::BTreeSet;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestCaseError, TestError, TestRunner};
use sidegate::policy::difference::{Difference, Row, ScopeName, Side, Subject, difference};
use sidegate::policy::draft::{Draft, DraftRoute, DraftScope};
use sidegate::policy::{
    At, Decision, Level, Place, Query, RouteLimits, Snapshot, UnixSeconds, Upgrade, compile,
};

use crate::model::{AREAS, Model, PERMISSIONS, PRODUCTS, WORKSPACES};
use crate::random::{self, SECONDS};

const PAIRS: u32 = 400;
const KEYS: usize = 12;

/// Key, workspace and scope.
type Spot = (usize, &'static str, usize);

/// For each spot: whether it gained, whether it lost.
type Moves = BTreeSet<(Spot, bool, bool)>;

#[test]
fn the_difference_is_what_a_walk_over_everything_finds() {
    let config = Config { cases: PAIRS, failure_persistence: None, ..Config::default() };
    let blends =
        (random::policy(), random::policy(), vec(any::<bool>(), 6), vec(any::<bool>(), KEYS));
    let (same, gained, lost) =
        (std::cell::Cell::new(0), std::cell::Cell::new(0), std::cell::Cell::new(0));
    let run =
        TestRunner::new(config).run(&(blends, SECONDS), |((was, other, parts, keys), now)| {
            let is = blended(&was, other, &parts, &keys);
            let (was, is) = (snapshot(&was, false)?, snapshot(&is, true)?);
            let upstreams = ["app".to_owned()];
            let side = |snapshot| Side { snapshot, upstreams: &upstreams };
            let found = difference(side(&was), side(&is), UnixSeconds(now));
            let (told, walked) = (told(&found), walk(&was, &is, now));
            if told != walked {
                let only =
                    |one: &Moves, other: &Moves| one.difference(other).cloned().collect::<Vec<_>>();
                let (more, less) = (only(&told, &walked), only(&walked, &told));
                return Err(TestCaseError::fail(format!(
                    "at {now}: too many {more:?}, missed {less:?}"
                )));
            }
            if found.is_empty() {
                same.set(same.get() + 1);
            }
            gained.set(gained.get() + walked.iter().filter(|(_, gained, _)| *gained).count());
            lost.set(lost.get() + walked.iter().filter(|(.., lost)| *lost).count());
            Ok(())
        });
    match run {
        Ok(()) => {}
        Err(TestError::Fail(why, case)) => panic!("{why}\nof {case:#?}"),
        Err(TestError::Abort(why)) => panic!("{why}"),
    }
    let (same, gained, lost) = (same.get(), gained.get(), lost.get());
    println!("{PAIRS} pairs of policies: {gained} scopes gained, {lost} lost, {same} pairs equal");
    assert!(gained >= 1000 && lost >= 1000 && same >= 20, "the generator misses it");
}

/// `was` with some parts of `other`.
fn blended(was: &Model, other: Model, parts: &[bool], keys: &[bool]) -> Model {
    let mut is = was.clone();
    // Half of the pairs change keys alone.
    if parts[0] {
        for (workspace, theirs) in is.workspaces.iter_mut().zip(other.workspaces) {
            if parts[1] {
                *workspace = theirs;
            } else {
                workspace.subscriptions = theirs.subscriptions;
            }
        }
        if parts[2] {
            is.roles = other.roles;
        }
        if parts[3] {
            (is.product_roles, is.suspended) = (other.product_roles, other.suspended);
        }
        if parts[4] {
            is.pin = other.pin;
        }
    }
    for ((key, theirs), changes) in is.keys.iter_mut().zip(other.keys).zip(keys) {
        if *changes && parts[5] {
            // The text stays: of which kind its digest is says nothing of what it reaches.
            *key = crate::model::Key { digest: key.digest, ..theirs };
        }
    }
    random::mended(is)
}

/// With a route for every scope, and if `turned` with everything in another order.
fn snapshot(model: &Model, turned: bool) -> Result<Snapshot, TestCaseError> {
    let mut draft: Draft = model.draft();
    draft.hide_none = false;
    draft.routes = (0..scopes().len()).map(route).collect();
    if turned {
        draft.areas.reverse();
        draft.roles.reverse();
        draft.products.reverse();
        draft.products.iter_mut().for_each(|product| product.permissions.reverse());
        draft.workspaces.reverse();
        draft.workspaces.iter_mut().for_each(|workspace| workspace.members.reverse());
        draft.keys.reverse();
        draft.routes.reverse();
    }
    compile(draft).map_err(|problems| TestCaseError::fail(format!("not a policy: {problems:?}")))
}

fn scopes() -> Vec<ScopeName<'static>> {
    let areas = AREAS.iter().map(|area| ScopeName::Area(area));
    let products = PRODUCTS.iter().flat_map(|product| {
        let permissions = PERMISSIONS.iter().map(|permission| Some(*permission));
        std::iter::once(None).chain(permissions).map(|row| ScopeName::Product(product, row))
    });
    areas.chain(products).collect()
}

fn route(number: usize) -> DraftRoute {
    let at = |name: &str| At::new(name.to_owned(), Place::default());
    DraftRoute {
        place: Place::default(),
        name: Some(at(&format!("walk{number}"))),
        host: None,
        prefix: at(&format!("/{number}/{{workspace}}")),
        workspace: None,
        scope: match scopes()[number] {
            ScopeName::Area(area) => DraftScope::Area(at(area)),
            ScopeName::Product(product, row) => DraftScope::Product(at(product), row.map(at)),
        },
        upstream: at("app"),
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

/// What `decide` says of every key on every scope, at every second from `now` on.
fn walk(was: &Snapshot, is: &Snapshot, now: i64) -> Moves {
    let mut moves = Moves::new();
    for key in 0..KEYS {
        for workspace in WORKSPACES {
            for scope in 0..scopes().len() {
                let spot = (key, workspace, scope);
                let (mut gained, mut lost) = (false, false);
                for second in now..=SECONDS.end {
                    let (before, after) = (level(was, spot, second), level(is, spot, second));
                    gained |= after > before;
                    lost |= after < before;
                }
                if gained || lost {
                    moves.insert((spot, gained, lost));
                }
            }
        }
    }
    moves
}

fn level(snapshot: &Snapshot, (key, workspace, scope): Spot, second: i64) -> Level {
    let passes = |method| {
        let query = Query {
            method,
            host: "walk.example",
            target: &format!("/{scope}/{workspace}"),
            credential: Some(&Model::text_of(key)),
            upgrade: Upgrade::None,
            preflight: false,
        };
        matches!(snapshot.decide(&query, UnixSeconds(second)), Decision::Allow(_))
    };
    match (passes("POST"), passes("GET")) {
        (true, _) => Level::Full,
        (false, true) => Level::View,
        (false, false) => Level::None,
    }
}

/// What the difference says of keys.
fn told(found: &Difference<'_>) -> Moves {
    let of_key = |row: &Row<'_>| {
        let Subject::Key { id, .. } = *row.subject() else { return Vec::new() };
        let key: usize = id.strip_prefix("k_").unwrap().parse().unwrap();
        let levels = row.levels().map(|change| {
            let workspace = WORKSPACES.into_iter().find(|name| *name == change.workspace).unwrap();
            let scope = scopes().iter().position(|scope| *scope == change.scope).unwrap();
            let effect = change.effect();
            ((key, workspace, scope), effect.gained, effect.lost)
        });
        levels.collect()
    };
    found.rows().iter().flat_map(of_key).collect()
}
