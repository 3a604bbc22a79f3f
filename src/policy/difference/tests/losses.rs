//! What of many keys changed, and what is lost altogether.

use proptest::prelude::*;

use super::*;

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
