//! The room as a whole: files in, drafts and problems out.

mod bytes;
mod files;
mod process;

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;

use tempfile::TempDir;

use super::*;
use crate::policy::Draft;

const DOMAIN: &str = include_str!("samples/domain.toml");
const SETTINGS: &str = "[upstream.vault]\nurls = [\"http://127.0.0.1:9000\"]\n";

/// Names and bytes of files.
type Listing<'a> = &'a [(&'a str, &'a [u8])];

/// A folder with these files; settings are added.
fn folder(files: Listing<'_>) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("sidegate.toml"), SETTINGS).unwrap();
    for (name, bytes) in files {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }
    folder
}

/// What is printed of the problems of a folder, but for the key file: that has tests of its own.
fn told(folder: &TempDir) -> String {
    let config = folder.path().join("sidegate.toml");
    let report = match open(&config, Permissions::Private) {
        Ok((_, loaded)) => loaded.report,
        Err(report) => report,
    };
    let prefix = format!("{}/", folder.path().display());
    let lines = report.lines().into_iter().map(|line| line.replace(&prefix, "") + "\n");
    lines.filter(|line| !line.starts_with("keys.jsonl:")).collect()
}

fn draft_of(path: PathBuf) -> (Draft, Vec<String>) {
    let mut files = Files::default();
    let (draft, notes) = draft::read(&path, None, &mut files);
    (draft, Report::new(files, notes.problems).lines())
}

#[test]
fn the_whole_language_becomes_a_draft() {
    let folder = folder(&[("policy.toml", DOMAIN.as_bytes())]);
    let (draft, problems) = draft_of(folder.path().join("policy.toml"));
    assert_eq!(problems, Vec::<String>::new());
    // One line a place, so that the file can be read.
    let shown = format!("{draft:#?}");
    insta::assert_snapshot!(compact(&shown));
}

/// A pretty `Debug` with each place as `line:column` and each value at its place on one line.
fn compact(shown: &str) -> String {
    let lines: Vec<_> = shown.lines().collect();
    let number = |line: &str| line.rsplit(' ').next().unwrap().trim_end_matches(',').to_owned();
    let mut placed = Vec::new();
    let mut rest = lines.as_slice();
    while let [line, after @ ..] = rest {
        rest = after;
        let Some(start) = line.strip_suffix("Place {") else {
            placed.push((*line).to_owned());
            continue;
        };
        // file: FileId(0,), line, column
        placed.push(format!("{start}{}:{},", number(rest[3]), number(rest[4])));
        rest = &rest[6..];
    }
    let mut out = String::new();
    let mut rest = placed.as_slice();
    while let [line, after @ ..] = rest {
        rest = after;
        out.push_str(line);
        if let (true, [value, place, _, after @ ..]) = (line.ends_with("At {"), rest)
            && let Some(place) = place.trim().strip_prefix("place: ")
        {
            out.truncate(out.len() - "At {".len());
            let value = value.trim().trim_start_matches("value: ").trim_end_matches(',');
            out.push_str(&format!("{value} @ {place}"));
            rest = after;
        }
        out.push('\n');
    }
    out
}

#[test]
fn every_mistake_of_a_policy_is_told() {
    let mistakes = include_bytes!("samples/mistakes.toml");
    insta::assert_snapshot!(told(&folder(&[("policy.toml", mistakes)])));
}

#[test]
fn what_can_never_act_is_warned_of() {
    let idle = include_bytes!("samples/idle.toml");
    insta::assert_snapshot!(told(&folder(&[("policy.toml", idle)])));
}

#[test]
fn what_not_every_reader_reads_alike_is_kept_with_a_warning_and_in_no_prefix() {
    let policy = |prefix: &str, fields: &str| {
        let route = "[[route]]\npublic = true\nupstream = \"vault\"";
        let policy = format!("version = 1\n{route}\nprefix = \"{prefix}\"\n{fields}\n");
        told(&folder(&[("policy.toml", policy.as_bytes())]))
    };
    let slash = "policy.toml:6:17: warning: route `/a`: `%2F` is let through, and is no `/` here — \
                 an upstream that decodes it before it splits reads another path than was judged: \
                 keep it only where it does not [SG027]";
    let params = "policy.toml:7:15: warning: route `/a`: `;` and what follows it in a segment is let \
                  through, and not looked at — an upstream that does not cut it off reads another \
                  path than was judged: keep it only where it does [SG028]";
    let both = "encoded_slash = \"keep\"\npath_params = \"keep\"";
    assert_eq!(policy("/a", &both.replace("keep", "refuse")), "");
    assert_eq!(policy("/a", both), format!("{slash}\n{params}\n"));
    for (prefix, what) in [("/a%2Fb", "an encoded slash"), ("/a;b", "a `;`")] {
        let error = format!("prefix `{prefix}` is no path: it has {what}: ");
        assert!(policy(prefix, both).contains(&error), "{prefix}");
    }
}

#[test]
fn a_route_has_limits_of_its_own() {
    let limits = |written: &str| {
        let route = "[[route]]\nprefix = \"/a\"\npublic = true\nupstream = \"vault\"";
        let policy = format!("version = 1\n{route}\n{written}\n");
        let folder = folder(&[("policy.toml", policy.as_bytes())]);
        let (draft, _) = draft_of(folder.path().join("policy.toml"));
        (draft.routes.first().map(|route| route.limits.to_string()), told(&folder))
    };
    for (written, read) in [
        ("", "none"),
        ("limits = {}", "none"),
        ("limits = { requests = 100 }", "requests=100"),
        (
            "[route.limits]\nbody_bytes = \"1MiB\"\ntimeout = \"5s\"",
            "body_bytes=1048576 timeout=5000ms",
        ),
        ("limits = { requests = 1, body_bytes = 0 }", "requests=1 body_bytes=0"),
    ] {
        assert_eq!(limits(written), (Some(read.to_owned()), String::new()), "{written}");
    }
    for (written, problem) in [
        ("limits = { requests = 0 }", "`requests` must be between 1 and 10000000"),
        ("limits = { requests = \"many\" }", "`requests` must be a whole number"),
        (
            "limits = { timeout = 5 }",
            "`timeout` has no unit — write `timeout = \"5s\"` for seconds",
        ),
        ("limits = { timeout = \"0s\" }", "`timeout`: `0s` is no time at all"),
        ("limits = { body_bytes = \"1MB\" }", "`body_bytes`: `1MB` is not a size"),
        ("limits = { request = 1 }", "unknown field `request` — did you mean `requests`?"),
        ("limits = 5", "`limits` must be a table"),
    ] {
        let (_, told) = limits(written);
        assert!(told.contains(problem) && told.contains("route `/a`"), "{written}: {told}");
    }
}

#[test]
fn no_route_has_the_name_that_metrics_give_to_none() {
    let route = |name: &str| {
        format!(
            "version = 1\n[[route]]\nname = \"{name}\"\nprefix = \"/\"\npublic = true\nupstream = \"vault\"\n"
        )
    };
    let expected = "policy.toml:3:8: route `none`: it cannot be named `none` — metrics say `none` \
                    where there is no route: choose another name\n";
    assert_eq!(told(&folder(&[("policy.toml", route("none").as_bytes())])), expected);
    assert_eq!(told(&folder(&[("policy.toml", route("None").as_bytes())])), "");
}

#[test]
fn a_product_whose_subscription_nobody_states_is_an_error() {
    let missing = "`subscription` is missing — such as `subscription = \"active\"`";
    let typo = "unknown field `subscripton` — did you mean `subscription`?";
    for (table, expected) in [
        ("[workspace.a.product.vault]\n", Some(missing)),
        ("[workspace.a.product.vault]\nsubscription_ends = 2027-03-31T00:00:00Z\n", Some(missing)),
        ("[workspace.a.product.vault]\nsubscripton = \"suspended\"\n", Some(typo)),
        ("[workspace.a.product.vault]\nsubscription = \"suspended\"\n", None),
    ] {
        let policy = format!("version = 1\n[workspace.a]\nenvironment = \"e\"\n{table}");
        let folder = folder(&[("policy.toml", policy.as_bytes())]);
        let (_, problems) = draft_of(folder.path().join("policy.toml"));
        let found: Vec<_> = problems
            .iter()
            .filter_map(|problem| problem.split_once("workspace `a`: product `vault`: "))
            .map(|(_, message)| message)
            .collect();
        assert_eq!(found, Vec::from_iter(expected), "{table}");
        assert_eq!(problems.len(), found.len(), "{problems:?}");
    }
}

#[test]
fn what_bounds_a_caller_is_an_error_on_a_public_route() {
    let (public, area) = ("public = true", "area = \"a\"\nworkspace = \"w\"");
    for (scope, field, expected) in [
        (public, "protect = { owner = \"ownership\" }", Some("`protect` bounds nobody")),
        (public, "view_methods = [\"GET\"]", Some("`view_methods` bounds nobody")),
        (public, "methods = [\"GET\"]", None),
        (area, "protect = { owner = \"ownership\" }", None),
        (area, "view_methods = [\"GET\"]", None),
    ] {
        let route = "[[route]]\nprefix = \"/{account}\"\nupstream = \"vault\"";
        let policy = format!("version = 1\n{route}\n{scope}\n{field}\n");
        let folder = folder(&[("policy.toml", policy.as_bytes())]);
        let (_, problems) = draft_of(folder.path().join("policy.toml"));
        assert_eq!(problems.len(), usize::from(expected.is_some()), "{problems:?}");
        let told = |expected| problems.iter().any(|problem| problem.contains(expected));
        assert!(expected.is_none_or(told), "{problems:?}");
    }
}

#[test]
fn pending_members_have_a_seat_and_a_role_and_are_no_members() {
    let policy = |seats: &str, pending: &str| {
        format!(
            "version = 1\n[role.owner]\nbypass = true\n[role.member]\n[workspace.w]\n\
             environment = \"production\"\n{seats}\n[workspace.w.members]\nann = \"owner\"\n\
             ben = \"owner\"\n[workspace.w.pending]\n{pending}\n"
        )
    };
    let cid = "cid = { role = \"member\", invited = 2026-11-21 }";
    for (seats, pending, expected) in [
        ("", cid.to_owned(), ""),
        ("seats = 3", cid.to_owned(), ""),
        (
            "seats = 2",
            cid.to_owned(),
            "policy.toml:7:9: workspace `w` has 2 members and 1 pending on 2 seats — raise",
        ),
        ("", "cid = { role = \"mmber\" }".into(), "unknown role `mmber` — did you mean `member`?"),
        (
            "",
            "ben = { role = \"member\" }".into(),
            "policy.toml:12:1: workspace `w`: pending member `ben` is a member",
        ),
        (
            "",
            "Ben = { role = \"member\" }".into(),
            "account `Ben` differs from another only in case",
        ),
        (
            "",
            format!("{cid}\n[workspace.w.groups]\ng = [\"cid\"]"),
            "account `cid` is not a member",
        ),
    ] {
        let told = told(&folder(&[("policy.toml", policy(seats, pending.as_str()).as_bytes())]));
        assert!(
            if expected.is_empty() {
                !told.contains("workspace `w`")
            } else {
                told.contains(expected)
            },
            "{told}"
        );
    }
}
