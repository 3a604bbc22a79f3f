//! The text of an edit, in every form that a policy can be written in.

use super::*;

fn patch(before: &str, after: &str) -> String {
    TextDiff::from_lines(before, after).unified_diff().context_radius(1).to_string()
}

/// Every kind of edit in one of the examples: only the lines that it means differ.
#[test]
fn a_long_policy_keeps_every_other_line() {
    let policy = include_str!("../../../../config/examples/atomyx/policy.toml");
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
