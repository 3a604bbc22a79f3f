use std::path::{Path, PathBuf};

use super::*;
use crate::cli::init;

fn check(config: &Path, output: Output) -> (Exit, String, String) {
    check_with(config, output, false)
}

fn check_with(config: &Path, output: Output, deny_warnings: bool) -> (Exit, String, String) {
    let files = FileArgs { config: Some(config.to_owned()), ..FileArgs::default() };
    let args = CheckArgs { files, output, deny_warnings, explain: None };
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let code = print(&args, &mut out, &mut err).unwrap();
    let [out, err] = [out, err].map(|bytes| String::from_utf8(bytes).unwrap());
    (code, out, err)
}

fn starter() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let args = init::InitArgs { directory: folder.path().to_owned(), output: Output::Text };
    assert_eq!(init::print(&args, &mut Vec::new(), &mut Vec::new()).unwrap(), Exit::Fine);
    let config = folder.path().join("sidegate.toml");
    (folder, config)
}

#[test]
fn a_starter_is_fine() {
    let (_folder, config) = starter();
    let (code, out, err) = check(&config, Output::Text);
    assert_eq!((code, err.as_str()), (Exit::Fine, ""), "{out}");
    assert!(out.starts_with("ok: "), "{out}");
    let (code, out, _) = check(&config, Output::Json);
    let outcome: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!((code, &outcome["ok"], &outcome["errors"]), (Exit::Fine, &true.into(), &0.into()));
}

#[test]
fn problems_are_printed_and_counted() {
    let (folder, config) = starter();
    let policy = folder.path().join("policy.toml");
    let text = std::fs::read_to_string(&policy).unwrap();
    std::fs::write(&policy, text.replacen("bypass = true", "bypas = true", 1)).unwrap();
    let (code, out, err) = check(&config, Output::Text);
    assert_eq!((code, out.as_str()), (Exit::Invalid, ""));
    assert!(err.contains("unknown field `bypas` — did you mean `bypass`?"), "{err}");
    assert!(err.ends_with("\n1 error\n"), "{err}");
    let (code, out, err) = check(&config, Output::Json);
    let outcome: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!((code, err.as_str(), &outcome["ok"]), (Exit::Invalid, "", &false.into()));
    assert_eq!(outcome["problems"][0]["hint"], "did you mean `bypass`?");
    assert_eq!(outcome["problems"][0]["severity"], "error");
}

/// A route with a fault of its own once hid that no order could separate it from another.
#[test]
fn five_mistakes_of_five_kinds_are_told_together() {
    let (folder, config) = starter();
    let change = |file: &str, changes: &[(&str, &str)]| {
        let path = folder.path().join(file);
        let mut text = std::fs::read_to_string(&path).unwrap();
        for (from, to) in changes {
            assert!(text.contains(from), "{from}");
            text = text.replacen(from, to, 1);
        }
        std::fs::write(path, text).unwrap();
    };
    let mistakes = [
        ("name = \"members\"", "nmae = \"members\""),
        ("permission = \"reports\"", "permission = \"report\""),
        ("to = \"group:analysts\"", "to = \"account:svc-nigthly\""),
        ("prefix = \"/vault/reports\"", "prefix = \"/vault\""),
    ];
    change("policy.toml", &mistakes);
    change("keys.jsonl", &[("\"environment\":\"production\"", "\"environment\":\"staging\"")]);
    let (code, out, err) = check(&config, Output::Text);
    assert_eq!((code, out.as_str()), (Exit::Invalid, ""));
    let told = [
        "account `svc-nigthly` is not a member of the workspace — did you mean `svc-nightly`?",
        "no order can separate it from route `vault`",
        "unknown permission `report` of product `vault` — did you mean `reports`?",
        "unknown field `nmae` — did you mean `name`?",
        "environment `staging` is not that of workspace `acme` (`production`)",
    ];
    for (line, told) in err.lines().zip(told) {
        assert!(line.contains(told), "{line}");
    }
    assert!(err.ends_with("\n5 errors\n"), "{err}");
}

#[test]
fn no_configuration_is_invalid() {
    let folder = tempfile::tempdir().unwrap();
    let (code, _, err) = check(&folder.path().join("sidegate.toml"), Output::Text);
    assert_eq!(code, Exit::Invalid);
    assert!(err.contains("no such file — name it with `-c FILE`, or"), "{err}");
}

#[test]
fn warnings_have_codes_and_can_be_denied_and_allowed() {
    let (folder, config) = starter();
    let policy = folder.path().join("policy.toml");
    let text = std::fs::read_to_string(&policy).unwrap() + "\n[role.guest]\n";
    std::fs::write(&policy, &text).unwrap();
    let (code, out, err) = check(&config, Output::Text);
    assert_eq!((code, &*out), (Exit::Fine, "ok: 1 workspace, 3 routes, 1 key, 1 warning\n"));
    assert!(err.ends_with("role `guest` is nobody's — give it to a member, or drop it [SG014]\n"));
    let (code, out, err) = check_with(&config, Output::Text, true);
    assert_eq!((code, &*out), (Exit::Invalid, ""));
    assert!(err.ends_with("[SG014]\n1 warning\n"), "{err}");
    let (code, out, _) = check_with(&config, Output::Json, true);
    let outcome: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!((code, &outcome["ok"]), (Exit::Invalid, &false.into()));
    assert_eq!(outcome["problems"][0]["code"], "SG014");

    let allow = "[[allow]]\nlint = \"SG014\"\nreason = \"for later\"\n";
    std::fs::write(&policy, text + allow).unwrap();
    let (code, out, err) = check_with(&config, Output::Text, true);
    let expected = "ok: 1 workspace, 3 routes, 1 key, 1 allowed\n";
    assert_eq!((code, &*out, &*err), (Exit::Fine, expected, ""));
}

#[test]
fn a_code_is_explained() {
    let explain = |code: &str, output| {
        let (mut out, mut err) = (Vec::new(), Vec::new());
        let exit = lints::print(code, output, &mut out, &mut err).unwrap();
        let [out, err] = [out, err].map(|bytes| String::from_utf8(bytes).unwrap());
        (exit, out, err)
    };
    let (exit, out, _) = explain("sg023", Output::Text);
    assert_eq!(exit, Exit::Fine);
    insta::assert_snapshot!(out);
    let (exit, out, _) = explain("list", Output::Text);
    assert_eq!((exit, out.lines().count()), (Exit::Fine, crate::policy::Lint::ALL.len()));
    let (_, out, _) = explain("list", Output::Json);
    let list: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!(list[0]["code"], "SG001");
    let (exit, _, err) = explain("SG23", Output::Text);
    assert_eq!((exit, &*err), (Exit::Usage, "no such lint — did you mean `SG023`?\n"));
}
