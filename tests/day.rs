//! An operator's day as README.md tells it: every command in its blocks ` ```console day `, in their
//! order, in one folder and one shell, and every answer to the letter.
//!
//! What is another on every day is made alike on both sides before they are compared
//! ([`alike`](story::alike)); a key's id, which later commands name, is taken for the one that this
//! day has in its place. `SNAPSHOTS=overwrite cargo test --test day` writes into README.md what was
//! answered. A new command that names an id needs the answer that has it first.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    reason = "a test that cannot go on should stop"
)]

#[path = "day/client.rs"]
mod client;
#[expect(dead_code, reason = "nginx and its like are for the tests with peers")]
mod harness;
#[path = "day/shell.rs"]
mod shell;
#[path = "day/story.rs"]
mod story;
#[path = "day/upstream.rs"]
mod upstream;

use std::collections::BTreeSet;
use std::fs;

use serde_json::Value;
use snapbox::assert::Action;

use shell::Shell;
use story::{Ids, Step, alike, parse, retold};

const README: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/README.md");

#[test]
fn every_command_answers_as_the_readme_says() {
    let overwrite = matches!(Action::with_env_var("SNAPSHOTS"), Some(Action::Overwrite));
    let text = fs::read_to_string(README).unwrap();
    let told = parse(&text);
    let steps = told.iter().flat_map(|block| &block.steps);
    let (mut shell, mut ids) = (Shell::open(), Ids::default());
    let mut lived = Vec::new();
    for step in steps {
        let command = ids.today(&step.command);
        let answer = shell.run(&command);
        ids.learn(&step.answer, &answer);
        let (said, is) = (Step { command, answer }, ids.today(&step.shown()));
        if !overwrite {
            snapbox::assert_data_eq!(alike(&said.shown()), snapbox::Data::text(alike(&is)).raw());
        }
        lived.push((said, is));
    }
    if lived.iter().any(|(said, is)| alike(&said.shown()) != alike(is)) {
        let steps = lived.into_iter().map(|(said, _)| said);
        fs::write(README, retold(&text, &told, steps)).unwrap();
    }
}

/// The lines that give each command of the README's table of JSON.
const JSON: [(&str, &str); 13] = [
    ("`init`", "init other"),
    ("`check`", "check"),
    ("`check --explain`", "check --explain list"),
    ("`explain`", "explain GET /vault --host localhost"),
    ("`test`", "test config/tests.toml"),
    ("`diff`", "diff config other"),
    ("`status`", "status"),
    ("`status --ready`", "status --ready"),
    ("`reload`", "reload"),
    ("`version`", "version"),
    ("`member list`", "member list"),
    ("`grant list`", "grant list"),
    ("`member`, `grant` otherwise", "member set-role --workspace acme svc-nightly owner --dry-run"),
];

#[test]
fn json_has_the_fields_that_the_readme_says() {
    let text = fs::read_to_string(README).unwrap();
    let table = text.split("| `--output json` of | has |\n|---|---|\n").nth(1).unwrap();
    let rows: Vec<_> = table.lines().take_while(|line| line.starts_with("| ")).collect();
    assert_eq!(rows.len(), JSON.len());
    let mut shell = Shell::open();
    shell.run("sidegate init config");
    let case = "[[case]]\nname = 'a'\naccount = 'svc-nightly'\nworkspace = 'acme'\nmethod = 'GET'\n\
                url = 'http://h/vault/reports'\nexpect = 'allow'";
    let tests = format!("version = 1\nat = 2027-01-01T00:00:00Z\n{case}");
    shell.run(&format!("cat > config/tests.toml <<END\n{tests}\nEND"));
    shell.run("sidegate serve > sidegate.log &");
    for (row, (named, line)) in rows.iter().zip(JSON) {
        let (name, fields) = row.trim_matches(['|', ' ']).split_once(" | ").unwrap();
        assert_eq!(name, named);
        let json = shell.run(&format!("sidegate {line} --output json 2>/dev/null; true"));
        let json: Value = serde_json::from_str(&json).unwrap_or_else(|_| panic!("{line}: {json}"));
        let object = json.as_array().map_or(Some(&json), |array| array.first());
        let is: BTreeSet<_> = object.unwrap().as_object().unwrap().keys().cloned().collect();
        // What stands in parentheses is said of the field before.
        let outer = fields.split('(').map(|part| part.split_once(')').map_or(part, |it| it.1));
        let outer = outer.collect::<String>();
        let told = outer.split('`').skip(1).step_by(2).map(str::to_owned).collect();
        assert_eq!(is, told, "{named}");
    }
}

/// The issue's list, so that no part of the day is lost by an edit of the README.
#[test]
fn the_day_has_every_part() {
    let text = fs::read_to_string(README).unwrap();
    let told = parse(&text);
    let mut commands = told.iter().flat_map(|block| &block.steps).map(|step| &step.command);
    for part in [
        "init",
        "member invite",
        "member accept",
        "grant add",
        "key create",
        "check",
        "test",
        "serve",
        "curl",
        "key rotate",
        "review",
        "key revoke",
        "curl",
    ] {
        let found = commands.any(|command| match part {
            "curl" => command.starts_with("curl "),
            _ => command.contains(&format!("sidegate {part}")),
        });
        assert!(found, "`{part}` is not told in its turn");
    }
}
