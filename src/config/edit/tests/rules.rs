//! Who may do what, and what is refused.

use super::*;

#[test]
fn the_rules_of_administration_hold() {
    let (_folder, config) = place(POLICY);
    let vault = || grant("account:dan", Given::Level("vault".into(), Level::Full));
    for (workspace, change, by, expected) in [
        ("two", remove("ann@x"), None, "no: `ann@x` is the last owner of workspace `two`"),
        ("two", set_role("ann@x", "admin"), Some("ann@x"), "no: `ann@x` is the last owner"),
        ("one", set_role("ben@x", "admin"), Some("ann@x"), "done"),
        (
            "one",
            set_role("ben@x", "admin"),
            Some("cid"),
            "no: refused to `cid`: `ben@x` is an owner",
        ),
        ("one", remove("ben@x"), Some("cid"), "no: refused to `cid`: `ben@x` is an owner"),
        ("one", set_role("dan", "owner"), Some("cid"), "no: refused to `cid`: only an owner makes"),
        ("one", invite("eve", "owner"), Some("cid"), "no: refused to `cid`: only an owner makes"),
        ("one", invite("eve", "owner"), Some("ann@x"), "done"),
        ("one", invite("eve", "admin"), Some("cid"), "done"),
        ("one", set_role("dan", "admin"), Some("cid"), "done"),
        ("one", remove("dan"), Some("cid"), "done"),
        ("one", remove("dan"), Some("dan"), "no: refused to `dan`: it does not administer"),
        (
            "one",
            invite("eve", "member"),
            Some("dan"),
            "no: refused to `dan`: it does not administer",
        ),
        ("one", invite("eve", "member"), Some("eve"), "no: refused to `eve`: it is not an active"),
        ("one", vault(), Some("cid"), "no: refused to `cid`: it would give `dan` full on product"),
        ("one", vault(), Some("ben@x"), "done"),
        (
            "one",
            grant("account:cid", areas("ownership")),
            Some("cid"),
            "no: refused to `cid`: it would",
        ),
        ("two", accept("eve"), Some("eve"), "done"),
        ("two", accept("eve"), Some("cid"), "done"),
        ("two", accept("eve"), Some("dan"), "no: refused to `dan`: it is not an active"),
        ("two", remove("eve"), Some("cid"), "done"),
    ] {
        let told = refusal(&config, &wish(workspace, change.clone(), by));
        assert!(told.starts_with(expected), "{change:?} by {by:?}: {told}");
    }
}

/// An invitation counts as its acceptance for who is spoken of, never for who asks.
#[test]
fn who_is_invited_as_an_owner_is_none_yet() {
    let policy = POLICY.replace("eve = { role = \"member\"", "eve = { role = \"owner\"");
    let (_folder, config) = place(&policy);
    for (change, by, expected) in [
        (remove("cid"), "eve", "no: refused to `eve`: it is not an active member"),
        (invite("gus", "owner"), "eve", "no: refused to `eve`: it is not an active member"),
        (accept("eve"), "eve", "done"),
        (remove("eve"), "cid", "no: refused to `cid`: `eve` is an owner"),
    ] {
        let told = refusal(&config, &wish("two", change.clone(), Some(by)));
        assert!(told.starts_with(expected), "{change:?} by {by:?}: {told}");
    }
}

/// Without an area of that name the role says who administers; who is suspended does not.
#[test]
fn administrators_are_known_by_their_role_where_there_is_no_area() {
    let policy = POLICY.replace("\"members\", ", "").replace("members = \"full\"", "");
    let suspended = format!("{policy}[account.cid]\nsuspended = true\n");
    for (policy, by, expected) in [
        (&policy, "cid", "done"),
        (&policy, "dan", "no: refused to `dan`: it does not administer"),
        (&suspended, "cid", "no: refused to `cid`: it is not an active"),
    ] {
        let (_folder, config) = place(policy);
        let told = refusal(&config, &wish("one", invite("eve", "member"), Some(by)));
        assert!(told.starts_with(expected), "{by}: {told}");
    }
}

#[test]
fn what_would_not_compile_is_refused_with_its_places() {
    let (folder, config) = place(POLICY);
    for (workspace, change, expected) in [
        ("won", remove("dan"), "invalid: unknown workspace `won`"),
        ("one", remove("dann"), "invalid: account `dann` is not a member of workspace `one` — did"),
        (
            "one",
            set_role("dan", "membr"),
            // And not that the group has somebody who is no member.
            "invalid: workspace `one`: unknown role `membr` — did you mean `member`?\nthe change is",
        ),
        ("one", set_role("dan", "member"), "policy.toml:25:1: `dan` has the role `member` already"),
        ("one", invite("dan", "member"), "policy.toml:25:1: `dan` is a member of workspace `one`"),
        ("two", invite("eve", "member"), "was invited to workspace `two` already"),
        ("one", accept("eve"), "`eve` was not invited to workspace `one`"),
        ("one", invite("a b", "member"), "account `a b` is not a name"),
        ("one", invite("Dan", "member"), "account `Dan` differs from another only in case"),
        ("one", grant("group:tam", areas("members")), "unknown group `tam`"),
        ("one", grant("account:dan", areas("member")), "unknown area `member`"),
        (
            "one",
            grant("group:team", Given::Level("vault".into(), Level::View)),
            "policy.toml:35:1: this grant to `group:team` stands there already",
        ),
    ] {
        let told = refusal(&config, &wish(workspace, change.clone(), None));
        assert!(told.contains(expected) && !told.starts_with("done"), "{change:?}: {told}");
    }
    assert_eq!(fs::read_to_string(folder.path().join("policy.toml")).unwrap(), POLICY);
}

#[test]
fn seats_count_the_pending() {
    let (folder, config) = place(POLICY);
    for account in ["e1", "e2"] {
        Amendment::prepare(&config, &wish("one", invite(account, "member"), None))
            .unwrap()
            .write()
            .unwrap();
    }
    let told = refusal(&config, &wish("one", invite("e3", "member"), None));
    assert!(told.contains("has 4 members and 3 pending on 6 seats"), "{told}");
    let text = fs::read_to_string(folder.path().join("policy.toml")).unwrap();
    assert!(text.contains("e2 = { role = \"member\", invited = 2026-11-21 }\n"), "{text}");
}
