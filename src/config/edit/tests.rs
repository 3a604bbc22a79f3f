use std::cell::Cell;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use similar::TextDiff;
use tempfile::TempDir;

use super::change::apply;
use super::*;
use crate::config::{self, Config};
use crate::policy::Level;

fn patch(before: &str, after: &str) -> String {
    TextDiff::from_lines(before, after).unified_diff().context_radius(1).to_string()
}

fn set_role(account: &str, role: &str) -> Change {
    Change::SetRole { account: account.into(), role: role.into() }
}

fn invite(account: &str, role: &str) -> Change {
    let (account, role) = (account.into(), role.into());
    Change::Invite { account, role, invited: "2026-11-21".into() }
}

fn accept(account: &str) -> Change {
    Change::Accept { account: account.into() }
}

fn remove(account: &str) -> Change {
    Change::Remove { account: account.into() }
}

fn grant(to: &str, gives: Given) -> Change {
    Change::Grant(NewGrant { to: to.into(), gives })
}

fn areas(row: &str) -> Given {
    Given::Areas(vec![(row.into(), Level::View)])
}

fn revoke(index: usize) -> Change {
    Change::Revoke(vec![(index, NewGrant { to: String::new(), gives: areas("") })])
}

/// Every kind of edit in one of the examples: only the lines that it means differ.
#[test]
fn a_long_policy_keeps_every_other_line() {
    let policy = include_str!("../../../config/examples/atomyx/policy.toml");
    assert!(policy.lines().count() > 300);
    let permissions = vec![("transactions".into(), Level::View), ("a b".into(), Level::Full)];
    let changes = [
        ("acme-staging", set_role("svc-payments", "member")),
        ("acme", invite("new@acme.example", "member")),
        ("acme", remove("max@acme.example")),
        ("acme", remove("ana@acme.example")),
        ("acme", grant("group:g", Given::Permissions("payments".into(), permissions))),
        ("acme-eu", grant("account:erik@acme.example", areas("users"))),
        ("globex", grant("account:gus@globex.example", Given::Role("a".into(), "b".into()))),
        ("acme", revoke(0)),
        ("acme-eu", revoke(0)),
    ];
    let mut told = String::new();
    for (workspace, change) in changes {
        let after = apply(policy, workspace, &change)
            .unwrap_or_else(|unable| panic!("{change:?}: {unable}"));
        told.push_str(&format!("{workspace}: {change:?}\n{}\n", patch(policy, &after)));
    }
    insta::assert_snapshot!(told);
}

/// The text before, the change, and the text after.
#[test]
fn every_form_is_edited_as_it_is_written() {
    const LINES: &str =
        "[workspace.w]\n[workspace.w.members]\n  a = \"owner\" # she\n\n# end\n[x]\n";
    const BRACES: &str =
        "[workspace.w]\nmembers = { a = \"owner\", b = \"member\" } # all\nx = 1\n";
    const TALL: &str =
        "[workspace.w]\nmembers = {\n  a = \"owner\", # she\n  # he\n  b = \"member\"\n}\n";
    const DOTTED: &str =
        "[workspace]\nw.members.a = \"owner\"\nw.members.\"b@x\" = \"member\"\nv.x = 1\n";
    const WHOLE: &str = "workspace.w = { members = { a = \"owner\" } }\n";
    const PENDING: &str =
        "[workspace.w.members]\na = \"owner\"\n[workspace.w.pending]\nb = { role = \"member\" }";
    const GROUPS: &str = "[workspace.w.members]\na = \"owner\"\nb = \"m\"\n[workspace.w.groups]\n\
                          g = [\"b\", \"a\"]\nh = [\n  \"a\",\n  \"b\" # he\n]\ni = [\"b\"]\n";
    let cases = [
        (LINES, set_role("a", "it"), LINES.replace("\"owner\"", "\"it\"")),
        (BRACES, set_role("b", "it"), BRACES.replace("\"member\"", "\"it\"")),
        (TALL, set_role("b", "it"), TALL.replace("\"member\"", "\"it\"")),
        (DOTTED, set_role("b@x", "it"), DOTTED.replace("\"member\"", "\"it\"")),
        (WHOLE, set_role("a", "it"), WHOLE.replace("owner", "it")),
        (
            LINES,
            invite("b@x", "member"),
            LINES.replace(
                "# she\n",
                "# she\n[workspace.w.pending]\n\"b@x\" = { role = \"member\", invited = 2026-11-21 }\n",
            ),
        ),
        (
            BRACES,
            invite("c", "m"),
            BRACES.replace(
                "# all\n",
                "# all\npending = { c = { role = \"m\", invited = 2026-11-21 } }\n",
            ),
        ),
        (
            DOTTED,
            invite("c", "m"),
            DOTTED.replace(
                "v.x",
                "w.pending.c = { role = \"m\", invited = 2026-11-21 }\nv.x",
            ),
        ),
        (
            WHOLE,
            invite("c", "m"),
            WHOLE.replace(
                " } }",
                " }, pending = { c = { role = \"m\", invited = 2026-11-21 } } }",
            ),
        ),
        (
            PENDING,
            invite("c", "m"),
            format!("{PENDING}\nc = {{ role = \"m\", invited = 2026-11-21 }}\n"),
        ),
        (
            PENDING,
            accept("b"),
            PENDING
                .replace("\"owner\"\n", "\"owner\"\nb = \"member\"\n")
                .replace("[workspace.w.pending]\nb = { role = \"member\" }", ""),
        ),
        (
            PENDING,
            remove("b"),
            PENDING.replace("[workspace.w.pending]\nb = { role = \"member\" }", ""),
        ),
        (BRACES, remove("b"), BRACES.replace(", b = \"member\"", "")),
        (BRACES, remove("a"), BRACES.replace("a = \"owner\", ", "")),
        (TALL, remove("b"), TALL.replace("  b = \"member\"\n", "").replace("\", #", "\" #")),
        (TALL, remove("a"), TALL.replace("  a = \"owner\", # she\n", "")),
        (DOTTED, remove("b@x"), DOTTED.replace("w.members.\"b@x\" = \"member\"\n", "")),
        (
            GROUPS,
            remove("b"),
            GROUPS
                .replace("b = \"m\"\n", "")
                .replace("[\"b\", \"a\"]", "[\"a\"]")
                .replace("\"a\",\n  \"b\" # he\n", "\"a\"\n")
                .replace("i = [\"b\"]", "i = []"),
        ),
        (
            LINES,
            grant("account:a", areas("x y")),
            LINES.replace(
                "# she\n",
                "# she\n[[workspace.w.grant]]\nto = \"account:a\"\nareas = { \"x y\" = \"view\" }\n",
            ),
        ),
        (
            DOTTED,
            grant("account:a", areas("m")),
            format!(
                "{DOTTED}\n[[workspace.w.grant]]\nto = \"account:a\"\nareas = {{ m = \"view\" }}\n"
            ),
        ),
        (
            WHOLE,
            grant("account:a", areas("m")),
            WHOLE.replace(
                " } }",
                " }, grant = [{ to = \"account:a\", areas = { m = \"view\" } }] }",
            ),
        ),
    ];
    for (before, change, expected) in cases {
        for (from, to) in [("\n", "\n"), ("\n", "\r\n")] {
            let [before, expected] = [before, &expected].map(|text| text.replace(from, to));
            match apply(&before, "w", &change) {
                Ok(after) => assert_eq!(after, expected, "{change:?} of\n{before}"),
                Err(unable) => panic!("{change:?} of\n{before}\n{unable}"),
            }
        }
    }
}

#[test]
fn grants_are_put_and_taken_in_their_form() {
    const ARRAY: &str =
        "[workspace.w]\ngrant = [{ to = \"account:a\", areas = { m = \"view\" } }]\n";
    const EMPTY: &str = "[workspace.w]\ngrant = []\n";
    const TABLES: &str = "[workspace.w]\nx = 1\n\n# first\n[[workspace.w.grant]] # it\nto = \"account:a\"\n\
                          [workspace.w.grant.areas]\nm = \"view\"\n\n# rest\n[y]\nz = 1\n";
    const BEHIND: &str =
        "\n[[workspace.w.grant]] # it\nto = \"account:a\"\nareas = { m = \"view\" }\n";
    let new = || grant("account:a", areas("m"));
    let inline = "{ to = \"account:a\", areas = { m = \"view\" } }";
    let tables =
        TABLES.replace("\n\n# rest", &format!("\n{}\n# rest", BEHIND.replace(" # it", "")));
    let without = "[workspace.w]\nx = 1\n\n# first\n\n# rest\n[y]\nz = 1\n";
    for (before, change, expected) in [
        (EMPTY, new(), EMPTY.replace("[]", &format!("[{inline}]"))),
        (ARRAY, new(), ARRAY.replace("}]", &format!("}}, {inline}]"))),
        (ARRAY, revoke(0), EMPTY.to_owned()),
        (TABLES, new(), tables),
        (TABLES, revoke(0), without.to_owned()),
    ] {
        match apply(before, "w", &change) {
            Ok(after) => assert_eq!(after, expected, "{change:?} of\n{before}"),
            Err(unable) => panic!("{change:?} of\n{before}\n{unable}"),
        }
    }
}

#[test]
fn what_is_not_understood_is_refused() {
    for (before, change) in [
        ("[workspace.v]\n", set_role("a", "b")),
        ("[workspace.w.members]\n", set_role("a", "b")),
        ("[workspace.w]\nmembers = [\"a\"]\n", set_role("a", "b")),
        ("[workspace]\nw = { members.a = \"b\" }\n", invite("c", "d")),
        ("[workspace.w]\ngrant = 1\n", grant("account:a", areas("m"))),
        ("[workspace.w]\n", revoke(0)),
        ("[workspace.w", set_role("a", "b")),
    ] {
        assert!(apply(before, "w", &change).is_err(), "{change:?} of {before}");
    }
}

const POLICY: &str = r#"# who may do what
version = 1
areas = ["members", "ownership"]

[role.owner]
bypass = true
[role.admin]
areas = { members = "full" } # but not ownership
products = "view"
[role.member]

[product.vault]
permissions = ["reports"]

# --- one ---
[workspace.one]
environment = "production"
seats = 6

[workspace.one.members]
# the founders
"ann@x" = "owner"
"ben@x" = "owner" # on leave
cid = "admin"
dan = "member"

[workspace.one.groups]
# analysts
team = ["dan"]

[workspace.one.product.vault]
subscription = "active"

# the team reads
[[workspace.one.grant]]
to = "group:team"
product = "vault"
level = "view"

# --- two ---
[workspace.two]
environment = "staging"
members = { "ann@x" = "owner", cid = "admin" }
pending = { eve = { role = "member", invited = 2026-11-01 } }
product.vault.subscription = "active"
grant = [{ to = "account:cid", product = "vault", level = "full" }]

# the end
"#;

/// A folder with settings and this policy.
fn place(policy: &str) -> (TempDir, Config) {
    let folder = tempfile::tempdir().unwrap();
    let settings = folder.path().join("sidegate.toml");
    let text = "policy = \"policy.toml\"\n[upstream.u]\nurls = [\"http://127.0.0.1:9000\"]\n";
    fs::write(&settings, text).unwrap();
    fs::write(folder.path().join("policy.toml"), policy).unwrap();
    (folder, config::read(&settings).unwrap())
}

fn wish<'a>(workspace: &'a str, change: Change, by: Option<&'a str>) -> Wish<'a> {
    Wish { workspace, change, by, write: true }
}

fn refusal(config: &Config, wish: &Wish<'_>) -> String {
    match Amendment::prepare(config, wish) {
        Ok(amendment) => format!("done: {}", amendment.after()),
        Err(Obstacle::Broke(lines)) => format!("broke: {lines}"),
        Err(Obstacle::Invalid(lines)) => format!("invalid: {lines}"),
        Err(Obstacle::No(lines)) => format!("no: {lines}"),
    }
}

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
            "policy.toml:25:7: workspace `one`: unknown role `membr`",
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

#[test]
fn a_file_that_changed_meanwhile_is_not_written() {
    let (folder, config) = place(POLICY);
    let path = folder.path().join("policy.toml");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
    let amendment =
        Amendment::prepare(&config, &wish("one", set_role("dan", "admin"), None)).unwrap();
    let other = format!("{POLICY}# somebody else\n");
    fs::write(&path, &other).unwrap();
    let told = amendment.write().unwrap_err();
    assert!(
        matches!(&told, Obstacle::Broke(lines) if lines.contains("changed meanwhile")),
        "{told:?}"
    );
    assert_eq!(fs::read_to_string(&path).unwrap(), other);
    let again = Amendment::prepare(&config, &wish("one", set_role("dan", "admin"), None)).unwrap();
    again.write().unwrap();
    let expected = other.replace("dan = \"member\"", "dan = \"admin\"");
    assert_eq!(fs::read_to_string(&path).unwrap(), expected);
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o644);
}

#[test]
fn a_directory_is_edited_in_the_file_where_the_workspace_stands() {
    let (folder, _) = place(POLICY);
    let policies = folder.path().join("policies");
    fs::create_dir(&policies).unwrap();
    let (rest, two) = POLICY.split_once("# --- two ---\n").unwrap();
    fs::write(policies.join("a.toml"), rest).unwrap();
    fs::write(policies.join("b.toml"), format!("version = 1\n{two}")).unwrap();
    let settings = folder.path().join("sidegate.toml");
    let text = fs::read_to_string(&settings).unwrap().replace("policy.toml", "policies");
    fs::write(&settings, text).unwrap();
    let config = config::read(&settings).unwrap();
    let amendment = Amendment::prepare(&config, &wish("two", accept("eve"), None)).unwrap();
    assert_eq!(amendment.file(), policies.join("b.toml"));
    amendment.write().unwrap();
    assert_eq!(fs::read_to_string(policies.join("a.toml")).unwrap(), rest);
    let text = fs::read_to_string(policies.join("b.toml")).unwrap();
    assert!(text.contains("cid = \"admin\", eve = \"member\" }\npending = {}\n"), "{text}");
}

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

#[test]
fn a_policy_that_is_named_through_a_link_stays_one() {
    let (folder, config) = place(POLICY);
    let (path, real) = (folder.path().join("policy.toml"), folder.path().join("real.toml"));
    fs::rename(&path, &real).unwrap();
    std::os::unix::fs::symlink(&real, &path).unwrap();
    Amendment::prepare(&config, &wish("one", remove("dan"), None)).unwrap().write().unwrap();
    assert!(fs::symlink_metadata(Path::new(&path)).unwrap().is_symlink());
    assert!(!fs::read_to_string(&real).unwrap().contains("dan ="));
}
