//! The command as a whole, on a small policy.

use std::fs;
use std::path::Path;

use clap::Parser;
use tempfile::TempDir;

use super::*;

const TESTS: &str = include_str!("sample/tests.toml");
/// One failure of each kind, among them a level that is too high, and text that XML must escape.
const FAILING: &str = r#"
[[case]]
name = "svc & <friends> write"
from = "Roles / Analyst"
account = "svc"
workspace = "acme"
method = "POST"
url = "/vault/reports"
expect = "allow"

[[case]]
name = "the level is more"
account = "alice"
workspace = "acme"
method = "GET"
url = "/vault/reports"
expect = "allow"
level = "view"

[[case]]
name = "another status"
account = "svc"
workspace = "acme"
method = "GET"
url = "/members"
expect = "deny"
reason = "no_access"
status = 403
"#;
/// What the other cases leave untouched, but for what cannot be touched.
const REST: &str = r#"
[[case]]
name = "an owner has everything"
account = "alice"
workspace = "acme"
methods = ["GET", "DELETE"]
url = "/members"
expect = "allow"
level = "full"
"#;
/// Rules of the sample that no case can touch.
const DEAD: [&str; 3] = [
    "[role.guest]\n",
    "[product.vault.role.spare]\nreports = \"full\"\n",
    "[[workspace.acme.grant]]\nto = \"account:alice\"\nproduct = \"vault\"\nlevel = \"view\"\n",
];

#[derive(Debug, Parser)]
struct Line {
    #[command(flatten)]
    test: TestArgs,
}

/// The sample with these tests; the key file is one that others can read, and nobody has its pepper.
fn folder(tests: &str) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let key = serde_json::json!({
        "id": "k_svc", "hash": format!("blake3-keyed:{}", "0".repeat(64)), "workspace": "acme",
        "account": "svc", "environment": "production", "label": null,
        "created": "2026-01-01T00:00:00Z", "not_before": null, "expires": "2027-01-01T00:00:00Z",
        "revoked": null, "ceiling": null,
    });
    for (name, text) in [
        (
            "sidegate.toml",
            "pepper = \"absent.bin\"\n[upstream.vault]\nurls = [\"http://127.0.0.1:9\"]\n",
        ),
        ("policy.toml", include_str!("sample/policy.toml")),
        ("keys.jsonl", &format!("{key}\n")),
        ("tests.toml", tests),
    ] {
        fs::write(folder.path().join(name), text).unwrap();
    }
    folder
}

/// Exit, standard output and standard error, without the folder's path.
fn test(folder: &TempDir, options: &[&str]) -> (Exit, String, String) {
    let tests = folder.path().join("tests.toml");
    let line = [&["test", tests.to_str().unwrap()], options].concat();
    let args = Line::try_parse_from(line).unwrap().test;
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let exit = print(&args, &mut out, &mut err).unwrap();
    let prefix = format!("{}/", folder.path().display());
    let [out, err] = [out, err].map(|it| String::from_utf8(it).unwrap().replace(&prefix, ""));
    (exit, out, err)
}

#[test]
fn what_passes_is_counted_and_what_no_case_touches_is_listed() {
    let folder = folder(TESTS);
    let (exit, out, err) = test(&folder, &[]);
    assert_eq!((exit, err.as_str()), (Exit::Fine, ""));
    insta::assert_snapshot!(out);
    assert_eq!(test(&folder, &["--require-coverage"]).0, Exit::No);
}

#[test]
fn failures_are_explained() {
    let folder = folder(&format!("{TESTS}{FAILING}"));
    let (exit, out, _) = test(&folder, &[]);
    assert_eq!(exit, Exit::No);
    insta::assert_snapshot!(out);
    let (exit, xml, _) = test(&folder, &["--output", "junit"]);
    assert_eq!(exit, Exit::No);
    insta::assert_snapshot!(xml);
    let (exit, json, _) = test(&folder, &["--output", "json"]);
    assert_eq!(exit, Exit::No);
    let outcome: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!((&outcome["passed"], &outcome["failed"]), (&8.into(), &3.into()));
    let case = &outcome["policies"][0]["files"][0]["cases"][8];
    assert_eq!(case["failure"]["explanation"]["reason"], "view_only");
    assert_eq!(outcome["policies"][0]["untouched"][0]["name"], "guest");
}

#[test]
fn all_can_be_touched() {
    let folder = folder(&format!("{TESTS}{REST}"));
    let policy = folder.path().join("policy.toml");
    let mut text = fs::read_to_string(&policy).unwrap();
    for dead in DEAD {
        assert!(text.contains(dead), "{dead}");
        text = text.replace(dead, "");
    }
    fs::write(&policy, text).unwrap();
    let (exit, out, err) = test(&folder, &["--require-coverage"]);
    assert_eq!((exit, err.as_str()), (Exit::Fine, ""), "{out}");
    assert_eq!(out, "tests.toml: 10 passed, 0 failed\n10 passed, 0 failed\n");
}

#[test]
fn a_grant_that_only_opens_a_protected_account_is_touched() {
    let case = |expect: &str| {
        format!(
            "version = 1\nat = 2026-11-20T12:00:00Z\n[[case]]\nname = \"x\"\naccount = \"svc\"\n\
             workspace = \"acme\"\nmethod = \"GET\"\nurl = \"https://a/m/bob\"\n{expect}\n"
        )
    };
    let folder = folder(&case("expect = \"allow\""));
    let policy = "version = 1\nareas = [\"members\", \"ownership\"]\n[role.owner]\nbypass = true\n\
         [role.member]\nareas = { members = \"view\" }\n[workspace.acme]\n\
         environment = \"production\"\nmembers = { alice = \"owner\", bob = \"owner\", svc = \"member\" }\n\
         [[workspace.acme.grant]]\nto = \"account:svc\"\nareas = { ownership = \"view\" }\n\
         [[route]]\nprefix = \"/m/{account}\"\nworkspace = \"acme\"\narea = \"members\"\n\
         protect = { owner = \"ownership\" }\nupstream = \"vault\"\n";
    fs::write(folder.path().join("policy.toml"), policy).unwrap();
    let (exit, out, err) = test(&folder, &[]);
    assert_eq!((exit, err.as_str()), (Exit::Fine, ""), "{out}");
    assert!(!out.contains("grant") && out.contains("no case touches role owner"), "{out}");
}

#[test]
fn names_that_the_policy_does_not_have_are_told() {
    let case = |who: &str, url: &str| {
        format!(
            "[[case]]\nname = \"x\"\n{who}\nmethod = \"GET\"\nurl = \"{url}\"\nexpect = \"allow\"\n"
        )
    };
    let tests = [
        "version = 1\nat = 2026-11-20T12:00:00Z\n".to_owned(),
        case("key = \"k_svv\"", "https://a/"),
        case("account = \"svc\"\nworkspace = \"acne\"", "https://a/"),
        case("", "/x"),
    ];
    let (exit, out, err) = test(&folder(&tests.concat()), &[]);
    assert_eq!((exit, out.as_str()), (Exit::Invalid, ""));
    insta::assert_snapshot!(err);
}

#[test]
fn problems_of_tests_and_policy_are_told_at_once() {
    let folder = folder("version = 1\nat = 2026-11-20T12:00:00Z\n[[case]]\nname = \"x\"\n");
    let policy = folder.path().join("policy.toml");
    let text = fs::read_to_string(&policy).unwrap();
    fs::write(policy, text.replace("role = \"analyst\"", "role = \"analist\"")).unwrap();
    let (exit, _, err) = test(&folder, &[]);
    assert_eq!(exit, Exit::Invalid);
    assert!(err.contains("tests.toml:3:1: case `x`: `expect` is missing"), "{err}");
    assert!(
        err.contains("policy.toml:28:8: workspace `acme`: grant: unknown role `analist`"),
        "{err}"
    );
}

#[test]
fn files_of_one_policy_are_taken_together() {
    let args = |line: &[&str]| Line::try_parse_from(line).unwrap().test;
    let beside = args(&["test", "a/one.toml", "b/tests.toml", "a/two.toml"]);
    let (a, b) = (Path::new("a/sidegate.toml"), Path::new("b/sidegate.toml"));
    let expected = [
        (a.to_owned(), vec![Path::new("a/one.toml"), Path::new("a/two.toml")]),
        (b.to_owned(), vec![Path::new("b/tests.toml")]),
    ];
    assert_eq!(by_policy(&beside), expected);
    let named = by_policy(&args(&["test", "a/one.toml", "b/tests.toml", "-c", "c.toml"])).len();
    assert_eq!(named, 1);
}

#[test]
fn cases_ask_for_websockets_and_preflights_and_send_made_up_keys() {
    let case = |asks: &str, expect: &str| {
        format!(
            "[[case]]\nname = \"x\"\n{asks}\nurl = \"https://a/vault/reports\"\nexpect = {expect}\n"
        )
    };
    let denied = |reason: &str| format!("\"deny\"\nreason = \"{reason}\"");
    let svc = "account = \"svc\"\nworkspace = \"acme\"\nmethod = \"GET\"";
    let preflight = "method = \"OPTIONS\"\npreflight = true";
    let sent = |text: &str| format!("method = \"GET\"\nsend_key = \"{text}\"");
    let tests = [
        "version = 1\nat = 2026-11-20T12:00:00Z\n".to_owned(),
        case(svc, "\"allow\"\nlevel = \"view\""),
        case(&format!("{svc}\nupgrade = \"websocket\""), &denied("view_only")),
        case(preflight, "\"allow\""),
        case("method = \"OPTIONS\"", &denied("key_missing")),
        case(&sent("nobody"), &denied("key_unknown")),
        case(&sent("sg_production_x"), &denied("key_malformed")),
    ];
    let folder = folder(&tests.concat());
    let policy = folder.path().join("policy.toml");
    let text = fs::read_to_string(&policy).unwrap();
    let route = "upgrade = \"full\"\npreflight = \"forward\"\npermission = \"reports\"\n";
    fs::write(policy, text.replacen("permission = \"reports\"\n", route, 1)).unwrap();
    let (exit, out, err) = test(&folder, &[]);
    assert_eq!((exit, err.as_str()), (Exit::Fine, ""), "{out}");
    assert!(out.starts_with("tests.toml: 6 passed, 0 failed\n"), "{out}");
}

#[test]
fn a_key_that_opens_something_is_not_for_files() {
    let case = |who: &str| {
        format!(
            "[[case]]\nname = \"x\"\n{who}\nmethod = \"GET\"\nurl = \"https://a/\"\n\
             expect = \"deny\"\nreason = \"route_unknown\"\n"
        )
    };
    let [by_id, by_text] = [case("key = \"k_svc\""), case("send_key = \"its key\"")];
    let folder = folder("");
    let keys = folder.path().join("keys.jsonl");
    let digest = crate::policy::key::KeyDigest::sha256("its key").to_string();
    let keyed = format!("blake3-keyed:{}", "0".repeat(64));
    fs::write(&keys, fs::read_to_string(&keys).unwrap().replace(&keyed, &digest)).unwrap();
    for cases in [[&by_id, &by_text], [&by_text, &by_id]] {
        let text = cases.map(String::as_str).concat();
        let text = format!("version = 1\nat = 2026-11-20T12:00:00Z\n{text}");
        fs::write(folder.path().join("tests.toml"), text).unwrap();
        let (exit, _, err) = test(&folder, &[]);
        assert_eq!(exit, Exit::Invalid, "{err}");
        let told = "case `x`: `send_key` is the key of record `k_svc` — a key is not for files";
        assert!(err.contains(told) && !err.contains("its key"), "{err}");
    }
}
