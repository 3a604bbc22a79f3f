//! The command as a whole: the examples as they are, and with one thing planted at a time.

mod planted;

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use serde_json::Value;
use tempfile::TempDir;

use super::*;

const NOW: UnixSeconds = UnixSeconds(1_795_176_000); // 2026-11-20T12:00:00Z
const EXAMPLES: [&str; 3] = ["alludium", "atomicagi", "atomyx"];
const FILES: [&str; 4] = ["sidegate.toml", "policy.toml", "keys.jsonl", "tests.toml"];

/// A copy of an example.
fn copy(example: &str) -> TempDir {
    let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("config/examples").join(example);
    let folder = tempfile::tempdir().unwrap();
    for name in FILES {
        write(&folder, name, &fs::read_to_string(from.join(name)).unwrap());
    }
    folder
}

fn write(folder: &TempDir, name: &str, text: &str) {
    let path = folder.path().join(name);
    fs::write(&path, text).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
}

fn read(folder: &TempDir, name: &str) -> String {
    fs::read_to_string(folder.path().join(name)).unwrap_or_default()
}

/// Exit, standard output and standard error, without the folder's path.
fn reviewed(folder: &TempDir, options: &[&str]) -> (Exit, String, String) {
    shown(folder, options, false)
}

fn shown(folder: &TempDir, options: &[&str], colours: bool) -> (Exit, String, String) {
    let at = |name: &str| folder.path().join(name).display().to_string();
    let (config, tests) = (at("sidegate.toml"), at("tests.toml"));
    let line = [&["review", "-c", &config], options].concat();
    let line = line.into_iter().map(|word| if word == "TESTS" { tests.as_str() } else { word });
    let command = ReviewArgs::augment_args(clap::Command::new("review"));
    let matches = command.try_get_matches_from(line).unwrap();
    let args = <ReviewArgs as clap::FromArgMatches>::from_arg_matches(&matches).unwrap();
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let exit = print(&args, &mut out, &mut err, colours, NOW).unwrap();
    let prefix = format!("{}/", folder.path().display());
    let [out, err] = [out, err].map(|it| String::from_utf8(it).unwrap().replace(&prefix, ""));
    (exit, out, err)
}

fn findings(folder: &TempDir) -> Vec<Value> {
    let (exit, out, err) = reviewed(folder, &["--output", "json", "--tests", "TESTS"]);
    assert_eq!((exit, err.as_str()), (Exit::Fine, ""), "{out}");
    let view: Value = serde_json::from_str(&out).unwrap();
    view["findings"].as_array().unwrap().clone()
}

#[test]
fn the_examples_are_reviewed() {
    for example in EXAMPLES {
        let (exit, out, err) = reviewed(&copy(example), &["--tests", "TESTS"]);
        assert_eq!((exit, err.as_str()), (Exit::Fine, ""), "{example}");
        insta::assert_snapshot!(example, out);
    }
}

/// Both a seat that is taken, and the bound of what is stale.
#[test]
fn invitations_are_stale_after_as_long_as_is_said() {
    let folder = copy("atomyx");
    let text = read(&folder, "policy.toml");
    let pending = "seats = 3\n\n[workspace.globex.pending]\n\
                   \"gil@globex.example\" = { role = \"member\", invited = 2026-11-07 }\n\n\
                   [workspace.globex.members]\n";
    write(&folder, "policy.toml", &text.replacen("\n[workspace.globex.members]\n", pending, 1));
    for (span, told) in [("13d", true), ("324h", true), ("325h", false)] {
        let (exit, out, err) = reviewed(&folder, &["--pending-for", span]);
        assert_eq!((exit, err.as_str()), (Exit::Fine, ""), "{span}");
        assert_eq!(out.contains("stale_invitation"), told, "{span}: {out}");
        assert!(out.contains("3 of 3 seats are taken, 1 by invitations"), "{out}");
    }
}

#[test]
fn the_exit_code_is_that_of_the_most_urgent() {
    let folder = copy("alludium");
    for (least, expected) in
        [("info", Exit::No), ("low", Exit::No), ("medium", Exit::No), ("high", Exit::Fine)]
    {
        assert_eq!(reviewed(&folder, &["--fail-on", least]).0, expected, "{least}");
    }
}

#[test]
fn colours_add_nothing_but_colours() {
    let folder = copy("atomyx");
    let (_, plain, _) = reviewed(&folder, &[]);
    let (_, coloured, _) = shown(&folder, &[], true);
    assert!(coloured.starts_with("\u{1b}[1;33mMEDIUM\u{1b}[0m\n"), "{coloured}");
    let parts = coloured.split('\u{1b}');
    let bare = parts.map(|part| match part.split_once('m') {
        Some((code, rest)) if code.starts_with('[') => rest,
        _ => part,
    });
    assert_eq!(bare.collect::<String>(), plain);
}

#[test]
fn trackers_and_spreadsheets_read_it() {
    let folder = copy("alludium");
    write(&folder, "keys.jsonl", &read(&folder, "keys.jsonl").replace("former@", "=1+@"));
    let (_, markdown, _) = reviewed(&folder, &["--output", "markdown"]);
    insta::assert_snapshot!(markdown);
    let (_, csv, _) = reviewed(&folder, &["--output", "csv"]);
    assert_eq!(csv.lines().count(), 1 + findings(&folder).len(), "{csv}");
    assert!(csv.starts_with("severity,code,subject,place,fact,remedy\r\nmedium,"), "{csv}");
    let (_, json, _) = reviewed(&folder, &["--output", "json"]);
    let view: Value = serde_json::from_str(&json).unwrap();
    let expected = serde_json::json!({
        "workspace": "lab", "everything": false, "scopes": ["area agents", "work/*"],
        "accounts": ["moe@northwind.example"],
    });
    assert!(view["access"].as_array().unwrap().contains(&expected), "{json}");
    assert_eq!(view["counts"]["medium"], 2);
    assert_eq!((&view["check_warnings"], &view["at"]), (&0.into(), &"2026-11-20T12:00:00Z".into()));
}

#[test]
fn a_key_that_somebody_put_into_a_label_is_not_shown() {
    let folder = copy("atomyx");
    let text = read(&folder, "keys.jsonl");
    let looks_like_one = "sg_production_0123456789abcdefghij";
    let label = format!("\"{looks_like_one}\"");
    let text = text.replace("\"staging only\"", &label).replace("\"nightly export\"", &label);
    write(&folder, "keys.jsonl", &text);
    for output in ["text", "json", "markdown", "csv"] {
        let (_, out, err) = reviewed(&folder, &["--output", output]);
        assert_eq!(err, "");
        assert!(out.contains("the label of keys in"), "{output}: {out}");
        assert!(!out.contains(looks_like_one), "{out}");
    }
}

#[test]
fn what_is_not_known_of_use_is_said() {
    let folder = copy("alludium");
    let (exit, _, err) = reviewed(&folder, &["--unused", "30d"]);
    assert_eq!(exit, Exit::Usage);
    assert!(err.starts_with("--unused: nothing says when keys are used — set `last_used"), "{err}");
    let settings = read(&folder, "sidegate.toml");
    write(&folder, "sidegate.toml", &format!("last_used = \"uses\"\n{settings}"));
    let (exit, out, _) = reviewed(&folder, &[]);
    assert_eq!(exit, Exit::Fine);
    assert!(out.contains("note: uses is not there: no use of a key is known yet\n"), "{out}");
    write(&folder, "uses", "{\"since\":\"2026-11-10T00:00:00Z\"}\n");
    let (_, out, _) = reviewed(&folder, &[]);
    assert!(out.contains("is kept since 2026-11-10T00:00:00Z: those without a use"), "{out}");
    assert!(!out.contains("key_unused"), "{out}");
    let (_, out, _) = reviewed(&folder, &["--unused", "10d"]);
    let expected = "k_nw_digest  of svc-digest in northwind: not used since 2026-11-10T00:00:00Z";
    assert!(out.contains(expected), "{out}");
    for (damaged, line) in [("", "uses:"), ("{\"since\":\"2026-11-10T00:00:00Z\"}\nx\n", "uses:2:")]
    {
        write(&folder, "uses", damaged);
        let (exit, _, err) = reviewed(&folder, &[]);
        assert_eq!(exit, Exit::Invalid, "{err}");
        assert!(err.starts_with(line), "{err}");
    }
}

#[test]
fn wrong_files_are_told_as_check_tells_them() {
    let folder = copy("alludium");
    let policy = read(&folder, "policy.toml");
    write(&folder, "policy.toml", &policy.replacen("\"agent\"", "\"agnet\"", 1));
    let (exit, out, err) = reviewed(&folder, &[]);
    assert_eq!((exit, out.as_str()), (Exit::Invalid, ""));
    assert!(err.contains("unknown role `agnet` — did you mean `agent`?"), "{err}");
    write(&folder, "policy.toml", &policy);
    write(&folder, "tests.toml", "version = 1\nat = 2026-11-20T12:00:00Z\n");
    let (exit, _, err) = reviewed(&folder, &["--tests", "TESTS"]);
    assert_eq!((exit, err.as_str()), (Exit::Invalid, "tests.toml: no tests — add a `[[case]]`\n"));
}
