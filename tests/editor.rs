//! What an editor makes of `sidegate schema`: taplo, the TOML language server of most editors,
//! flags a wrong field and completes a right one.
//!
//! It needs taplo, which `.ci/run` installs where there is npm:
//! `cargo test --test editor -- --ignored`.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on should stop")]

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::json;

const SIDEGATE: &str = env!("CARGO_BIN_EXE_sidegate");

/// A folder with the schemas in it.
fn schemas() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let status = Command::new(SIDEGATE).args(["schema", "--dir"]).arg(folder.path()).status();
    assert!(status.unwrap().success());
    folder
}

/// Whether taplo finds the files fine, and what it prints.
fn lint(folder: &Path, schema: &str, files: &[PathBuf]) -> (bool, String) {
    let url = format!("file://{}", folder.join(schema).display());
    let mut taplo = Command::new("taplo");
    taplo.args(["lint", "--no-auto-config", "--schema", &url]).args(files).env("NO_COLOR", "1");
    let output = taplo.output().unwrap();
    let text = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
    (output.status.success(), text)
}

#[test]
#[ignore = "needs taplo; .ci/run installs it"]
fn taplo_flags_a_wrong_field_and_nothing_that_is_shipped() {
    let folder = schemas();
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let of_examples = |file: &str| {
        let folders = ["alludium", "atomicagi", "atomyx"].into_iter();
        folders.map(|it| root.join("config/examples").join(it).join(file)).collect::<Vec<_>>()
    };
    let sample = |file: &str| root.join("src/config/samples").join(file);
    let mut policies = of_examples("policy.toml");
    policies.extend([sample("domain.toml"), root.join("src/cli/starter/policy.toml")]);
    let mut settings = of_examples("sidegate.toml");
    settings.extend([sample("schema-settings.toml"), sample("schema-settings-tls.toml")]);
    settings.push(root.join("src/cli/starter/sidegate.toml"));
    let mut tests = of_examples("tests.toml");
    tests.push(sample("schema-tests.toml"));
    for (schema, files) in [
        ("policy.schema.json", policies),
        ("sidegate.schema.json", settings),
        ("tests.schema.json", tests),
    ] {
        let (fine, text) = lint(folder.path(), schema, &files);
        let found = format!("found files total={}", files.len());
        assert!(fine && text.contains(&found), "{schema}: {text}");
    }
    let wrong = folder.path().join("policy.toml");
    for (line, told) in [
        ("bypas = true", "bypas"),
        ("bypass = \"yes\"", "is not of type \"boolean\""),
        ("products = \"write\"", "\"write\" is not one of"),
    ] {
        fs::write(&wrong, format!("version = 1\n[role.owner]\n{line}\n")).unwrap();
        let (fine, text) = lint(folder.path(), "policy.schema.json", std::slice::from_ref(&wrong));
        println!("{line}:\n{text}");
        assert!(!fine && text.contains(told), "{line}: {text}");
    }
}

#[test]
#[ignore = "needs taplo; .ci/run installs it"]
fn taplo_completes_a_right_field() {
    let folder = schemas();
    let cases = [
        ("[role.owner]\nby", "bypass"),
        ("[[route]]\nprefix = \"/\"\n", "encoded_slash"),
        ("[workspace.acme]\nenv", "environment"),
        ("[[route]]\nupgrade = ", "\"deny\""),
    ];
    let texts =
        cases.map(|(text, _)| format!("#:schema ./policy.schema.json\nversion = 1\n{text}"));
    let taplo = Command::new("sh").args(["-c", "realpath \"$(command -v taplo)\""]).output();
    let taplo = String::from_utf8(taplo.unwrap().stdout).unwrap();
    let modules = Path::new(taplo.trim()).ancestors().nth(4).unwrap();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/editor/complete.mjs");
    let mut node = Command::new("node")
        .arg(script)
        .arg(modules)
        .arg(folder.path())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    node.stdin.take().unwrap().write_all(json!(texts).to_string().as_bytes()).unwrap();
    let output = node.wait_with_output().unwrap();
    assert!(output.status.success());
    let offered: Vec<Vec<String>> = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(offered.len(), cases.len());
    for ((text, wanted), offered) in cases.into_iter().zip(offered) {
        println!("after {:?}: {offered:?}", text.lines().last().unwrap());
        assert!(offered.iter().any(|label| label == wanted), "{text}: {offered:?}");
    }
}
