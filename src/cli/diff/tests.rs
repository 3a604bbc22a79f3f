use std::fs;

use serde_json::Value;
use tempfile::TempDir;

use super::*;
use crate::cli::init::{self, InitArgs};

const NOW: UnixSeconds = UnixSeconds(1_795_168_800); // 2026-11-20T10:00:00Z

/// The starter's files twice; `change` edits the second.
struct Pair {
    folder: TempDir,
}

impl Pair {
    fn new(change: impl Fn(&str, &str) -> String) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let args =
            InitArgs { directory: folder.path().join("old"), output: crate::cli::Output::Text };
        init::print(&args, &mut io::sink(), &mut io::sink()).unwrap();
        let keys = args.directory.join("keys.jsonl");
        let mut record: Value = serde_json::from_str(&fs::read_to_string(&keys).unwrap()).unwrap();
        // An end that depends on when the test runs would be in what is said.
        record["expires"] = Value::Null;
        fs::write(&keys, format!("{record}\n")).unwrap();
        fs::create_dir(folder.path().join("new")).unwrap();
        for name in ["sidegate.toml", "policy.toml", "keys.jsonl"] {
            let (old, new) = (args.directory.join(name), folder.path().join("new").join(name));
            // With its permissions.
            fs::copy(&old, &new).unwrap();
            let text = fs::read_to_string(&old).unwrap();
            fs::write(&new, change(name, &text)).unwrap();
        }
        Self { folder }
    }

    fn diff(&self, more: &str) -> (Exit, String, String) {
        let at = |name: &str| self.folder.path().join(name).display().to_string();
        let line = ["diff".to_owned(), at("old"), at("new/sidegate.toml")];
        let words = line.into_iter().chain(more.split_whitespace().map(str::to_owned));
        let command = DiffArgs::augment_args(clap::Command::new("diff"));
        let matches = command.try_get_matches_from(words).unwrap();
        let args = <DiffArgs as clap::FromArgMatches>::from_arg_matches(&matches).unwrap();
        let (mut out, mut err) = (Vec::new(), Vec::new());
        let exit = print(&args, &mut out, &mut err, NOW).unwrap();
        let [out, err] = [out, err].map(|bytes| String::from_utf8(bytes).unwrap());
        (exit, out, err)
    }

    /// The id of the first key, which is another each time.
    fn id(&self) -> String {
        let keys = fs::read_to_string(self.folder.path().join("old/keys.jsonl")).unwrap();
        let record: Value = serde_json::from_str(&keys).unwrap();
        record["id"].as_str().unwrap().to_owned()
    }
}

/// One key revoked, one group that gains, one route that moves.
fn changed(name: &str, text: &str) -> String {
    let swap = |from: &str, to: &str| {
        assert!(text.contains(from), "{from}");
        text.replacen(from, to, 1)
    };
    match name {
        "keys.jsonl" => swap("\"revoked\":null", "\"revoked\":\"2026-11-20T09:00:00Z\""),
        "policy.toml" => {
            let text = swap("reports = \"view\"", "reports = \"full\"");
            text.replacen("prefix = \"/vault/reports\"", "prefix = \"/vault/papers\"", 1)
        }
        _ => text.to_owned(),
    }
}

#[test]
fn nothing_is_nothing() {
    let pair = Pair::new(|_, text| text.to_owned());
    for fail_on in ["", "--fail-on any", "--fail-on gained", "--no-keys"] {
        let (exit, out, err) = pair.diff(fail_on);
        assert_eq!((exit, &*out, &*err), (Exit::Fine, "nothing changed\n", ""), "{fail_on}");
    }
}

#[test]
fn people_scripts_and_reviewers_are_told_the_same() {
    let pair = Pair::new(changed);
    let id = pair.id();
    let (exit, out, err) = pair.diff("");
    assert_eq!((exit, &*err), (Exit::Fine, ""));
    insta::assert_snapshot!("text", out.replace(&id, "k_1"));
    let (_, out, _) = pair.diff("--output markdown");
    insta::assert_snapshot!("markdown", out.replace(&id.replace('_', "\\_"), "k_1"));
    let (_, out, _) = pair.diff("--output json");
    let json: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(json["counts"]["keys"]["revoked"], 1);
    insta::assert_snapshot!("json", out.replace(&id, "k_1"));
    let (_, out, _) = pair.diff("--no-keys");
    assert!(out.contains("member svc-nightly of acme") && !out.contains("key "), "{out}");
}

#[test]
fn the_answer_is_no_where_it_is_what_was_asked_for() {
    let revoked = Pair::new(|name, text| match name {
        "keys.jsonl" => changed(name, text),
        _ => text.to_owned(),
    });
    let raised = Pair::new(|name, text| {
        text.replacen(
            "reports = \"view\"",
            "reports = \"full\"",
            usize::from(name == "policy.toml"),
        )
    });
    for (pair, fail_on, exit) in [
        (&revoked, "gained", Exit::Fine),
        (&revoked, "lost", Exit::No),
        (&revoked, "any", Exit::No),
        (&raised, "gained", Exit::No),
        (&raised, "lost", Exit::Fine),
        (&raised, "any", Exit::No),
    ] {
        assert_eq!(pair.diff(&format!("--fail-on {fail_on}")).0, exit, "{fail_on}");
    }
    // Before it is revoked, it is yet to lose; long after, too.
    assert_eq!(revoked.diff("--fail-on lost --at 2026-01-01").0, Exit::No);
    assert_eq!(revoked.diff("--fail-on lost --at 2030-01-01").0, Exit::No);
}

#[test]
fn a_side_that_is_wrong_is_told() {
    let pair = Pair::new(|name, text| match name {
        "policy.toml" => text.replacen("bypass", "bypas", 1),
        _ => text.to_owned(),
    });
    let (exit, out, err) = pair.diff("");
    assert_eq!((exit, &*out), (Exit::Invalid, ""));
    assert!(err.contains("unknown field `bypas` — did you mean `bypass`?"), "{err}");
}

#[test]
#[ignore = "a measurement"]
fn a_hundred_thousand_keys() {
    const KEYS: usize = 100_000;
    let many = |revoked: &[usize]| {
        let line = |n: usize| {
            let hash = crate::policy::key::KeyDigest::blake3(&n.to_string());
            let account = ["alice@acme.example", "bob@acme.example", "svc-nightly"][n % 3];
            let revoked = if revoked.contains(&n) { "\"2026-11-20T09:00:00Z\"" } else { "null" };
            format!(
                "{{\"id\":\"k_{n}\",\"hash\":\"{hash}\",\"workspace\":\"acme\",\
                 \"account\":\"{account}\",\"environment\":\"production\",\"label\":null,\
                 \"created\":\"2026-11-20T10:00:00Z\",\"not_before\":null,\"expires\":null,\
                 \"revoked\":{revoked},\"ceiling\":null}}\n"
            )
        };
        (0..KEYS).map(line).collect::<String>()
    };
    for (what, revoked, role) in
        [("one revoked", &[5][..], "view"), ("a role of a third of the keys", &[], "full")]
    {
        let pair = Pair::new(|name, text| match name {
            "keys.jsonl" => many(revoked),
            _ => text.replacen("reports = \"view\"", &format!("reports = \"{role}\""), 1),
        });
        fs::write(pair.folder.path().join("old/keys.jsonl"), many(&[])).unwrap();
        let files = ["old", "new"].map(|side| {
            let (config, loaded) = config::open(
                &pair.folder.path().join(side).join("sidegate.toml"),
                Permissions::Private,
            )
            .unwrap();
            drop(config);
            Files { snapshot: loaded.snapshot, upstreams: Vec::new() }
        });
        let began = clock::instant();
        let rows = difference(files[0].side(), files[1].side(), NOW).rows().len();
        let compared = clock::instant() - began;
        let (exit, out, _) = pair.diff("--fail-on any");
        let whole = clock::instant() - began - compared;
        println!(
            "{what}: {rows} rows of {KEYS} keys compared in {compared:?}, with files {whole:?}"
        );
        assert_eq!((exit, out.lines().count()), (Exit::No, rows + 1));
    }
}
