//! For every sequence of edits.

use std::cell::Cell;

use proptest::prelude::*;
use proptest::test_runner::TestRunner;

use super::*;

/// The comments that stand on lines of their own.
fn comments(text: &str) -> Vec<&str> {
    text.lines().filter(|line| line.trim_start().starts_with('#')).collect()
}

/// Who owns a workspace, or would once accepted.
fn owners(config: &Config, workspace: &str) -> Vec<String> {
    let (draft, _) = config::load_policy_draft(config).unwrap();
    let found = draft.workspaces.iter().find(|it| it.name.value == workspace).unwrap();
    let members = found.members.iter().map(|(account, role)| (&account.value, &role.value));
    let pending = found.pending.iter().map(|it| (&it.account.value, &it.role.value));
    let mut owners: Vec<_> = members
        .chain(pending)
        .filter(|(_, role)| *role == "owner")
        .map(|(it, _)| it.clone())
        .collect();
    owners.sort();
    owners
}

fn any_change() -> impl Strategy<Value = Change> {
    let account = || {
        prop::sample::select(vec!["ann@x", "ben@x", "cid", "dan", "eve", "eve", "f.g", "no one"])
    };
    let role =
        || prop::sample::select(vec!["owner", "admin", "member", "admin", "member", "nobody"]);
    let to = prop::sample::select(vec!["group:team", "account:cid", "account:dan", "account:eve"]);
    let given = prop_oneof![
        Just(areas("members")),
        Just(areas("ownership")),
        Just(Given::Level("vault".into(), Level::View)),
        Just(Given::Permissions("vault".into(), vec![("reports".into(), Level::Full)])),
        Just(Given::Role("vault".into(), "none".into())),
    ];
    prop_oneof![
        prop::sample::select(vec!["eve", "f.g"]).prop_map(accept),
        (account(), role()).prop_map(|(account, role)| invite(account, role)),
        account().prop_map(remove),
        (account(), role()).prop_map(|(account, role)| set_role(account, role)),
        (to, given).prop_map(|(to, given)| grant(to, given)),
        (0_usize..2).prop_map(revoke),
    ]
}

/// Fills in what stands at the index of a grant that is to be revoked.
fn named(change: Change, config: &Config, workspace: &str) -> Change {
    let Change::Revoke(grants) = change else { return change };
    let (draft, _) = config::load_policy_draft(config).unwrap();
    let found = draft.workspaces.iter().find(|it| it.name.value == workspace).unwrap();
    let name = |(index, new): (usize, NewGrant)| {
        (index, found.grants.get(index).map_or(new, NewGrant::of))
    };
    Change::Revoke(grants.into_iter().map(name).collect())
}

fn by() -> impl Strategy<Value = Option<&'static str>> {
    let asks =
        [None, None, None, Some("ann@x"), Some("ann@x"), Some("cid"), Some("dan"), Some("eve")];
    prop::sample::select(asks.to_vec())
}

/// For every sequence of changes, done or refused, the policy loads, every workspace has an owner,
/// and every comment on a line of its own stays; and only owners change who owns.
#[test]
fn every_sequence_of_edits_leaves_a_policy_with_its_owners() {
    let (folder, config) = place(POLICY);
    let path = folder.path().join("policy.toml");
    let workspace = prop::sample::select(vec!["one", "two"]);
    let steps = prop::collection::vec((any_change(), workspace, by()), 1..6);
    let settings =
        ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(1_000) };
    let (done, refused) = (Cell::new(0), Cell::new(0));
    let told = TestRunner::new(settings).run(&steps, |steps| {
        fs::write(&path, POLICY).unwrap();
        for (change, workspace, by) in steps {
            let change = named(change, &config, workspace);
            let wish = Wish { write: false, ..wish(workspace, change.clone(), by) };
            let Ok(amendment) = Amendment::prepare(&config, &wish) else {
                refused.set(refused.get() + 1);
                continue;
            };
            done.set(done.get() + 1);
            let is_owner = by.is_none_or(|by| {
                amendment.was().workspace(workspace).unwrap().owners().any(|owner| owner == by)
            });
            let own = matches!(&change, Change::Accept { account } if Some(&**account) == by);
            let owned = owners(&config, workspace);
            prop_assert_eq!(comments(amendment.after()), comments(POLICY));
            fs::write(&path, amendment.after()).unwrap();
            prop_assert!(is_owner || own || owners(&config, workspace) == owned, "{:?}", change);
        }
        let snapshot = config::load_policy(&config).unwrap();
        for name in ["one", "two"] {
            prop_assert!(snapshot.workspace(name).unwrap().owners().next().is_some());
        }
        Ok(())
    });
    told.unwrap();
    let (done, refused) = (done.get(), refused.get());
    assert!(done > 500 && refused > 500, "{done} done, {refused} refused");
}
