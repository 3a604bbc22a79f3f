//! What the README says of the policy language is true of this binary.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;
use std::time::Duration;

use sidegate::clock;
use sidegate::current::{Certificate, Current};
use sidegate::policy::{Denial, DenyReason, Draft, Facts, compile};
use sidegate::telemetry::{Form, Limit, Telemetry};

const README: &str = include_str!("../README.md");

/// The fenced blocks of one kind, one after the other.
fn blocks(kind: &str) -> String {
    let fence = format!("```{kind}\n");
    let texts = README.split(&fence).skip(1).map(|rest| rest.split("```").next().unwrap());
    texts.collect::<Vec<_>>().join("\n")
}

#[test]
fn the_policy_compiles_and_its_cases_hold() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let settings = "[upstream.vault]\nurls = [\"http://127.0.0.1:9000\"]\n";
    fs::write(at("sidegate.toml"), settings).unwrap();
    fs::write(at("policy.toml"), blocks("toml policy")).unwrap();
    fs::write(at("tests.toml"), blocks("toml tests")).unwrap();
    fs::write(at("keys.jsonl"), "\n").unwrap();
    fs::set_permissions(at("keys.jsonl"), fs::Permissions::from_mode(0o600)).unwrap();

    let run = |arguments: &[&str]| {
        let sidegate = env!("CARGO_BIN_EXE_sidegate");
        let output = Command::new(sidegate).args(arguments).current_dir(&folder).output().unwrap();
        let text = String::from_utf8([output.stderr, output.stdout].concat()).unwrap();
        if !output.status.success() {
            panic!("{arguments:?}: {text}");
        }
        text
    };
    let checked = run(&["check", "-c", "sidegate.toml"]);
    assert_eq!(checked, "ok: 1 workspace, 5 routes, 0 keys, 1 allowed\n");
    let tested = run(&["test", "tests.toml"]);
    let said = README.split("$ sidegate test tests.toml\n").nth(1).unwrap();
    let said = said.split("```").next().unwrap();
    assert!(tested.starts_with(said), "said:\n{said}\nprinted:\n{tested}");
}

#[test]
fn every_command_is_named() {
    let help = Command::new(env!("CARGO_BIN_EXE_sidegate")).arg("--help").output().unwrap();
    let help = String::from_utf8(help.stdout).unwrap();
    let commands = help.split("Commands:").nth(1).unwrap().split("Options:").next().unwrap();
    for line in commands.lines().filter(|line| line.starts_with("  ") && !line.starts_with("   ")) {
        let name = line.split_whitespace().next().unwrap();
        let named = name == "help" || README.contains(&format!("`{name}"));
        assert!(named, "README does not name the command `{name}`");
    }
}

/// Each metric with its labels, as far as one process that has met everything shows them.
fn metrics() -> BTreeMap<String, BTreeSet<String>> {
    let (telemetry, upstream) = (Telemetry::new("test").unwrap(), "app".to_owned());
    let current = Current::new(compile(Draft::default()).unwrap(), None, clock::now());
    let generation = current.load();
    let (number, snapshot) = (generation.number, &generation.snapshot);
    let denial = Denial { reason: DenyReason::KeyMissing, facts: Facts::default() };
    let mut worker = telemetry.worker(std::slice::from_ref(&upstream));
    worker.denied(number, snapshot, &denial);
    worker.answered(number, snapshot, &denial.facts, 401, Duration::ZERO);
    worker.exceeded(number, snapshot, &denial.facts, Limit::Headers);
    worker.enter(number, snapshot, &denial.facts, 1).unwrap();
    worker.stream_terminated("idle");
    worker.pool(&upstream).endpoint("http://a");
    telemetry.endpoint(&upstream, "http://a", true);
    let certificate = Certificate { file: "a.pem".to_owned(), expires: clock::now() };
    current.show([certificate].into());

    let mut metrics: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let text = telemetry.render(&current, Form::Text, clock::now());
    let mut name = String::new();
    for line in text.lines() {
        if let Some(told) = line.strip_prefix("# TYPE ") {
            name = told.split(' ').next().unwrap().to_owned();
            metrics.entry(name.clone()).or_default();
        } else if let Some((_, labels)) = line.split_once('{') {
            let names = labels.split("\",").map(|pair| pair.split('=').next().unwrap().to_owned());
            metrics.get_mut(&name).unwrap().extend(names.filter(|label| label != "le"));
        }
    }
    metrics
}

/// The names between backticks in one cell.
fn quoted(cell: &str) -> Vec<String> {
    cell.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

#[test]
fn every_metric_is_in_the_table_with_its_labels() {
    let rows =
        README.lines().skip_while(|line| *line != "| metric | labels | what it is |").skip(2);
    let mut told = BTreeMap::new();
    for row in rows.take_while(|row| row.starts_with('|')) {
        let cells: Vec<_> = row.split('|').collect();
        let labels: BTreeSet<_> = quoted(cells.get(2).unwrap()).into_iter().collect();
        for name in quoted(cells.get(1).unwrap()) {
            assert_eq!(told.insert(name, labels.clone()), None, "{row}");
        }
    }
    assert_eq!(told, metrics());
}

/// Who looks there is in a hurry.
#[test]
fn what_is_looked_up_first_names_commands_that_are_there() {
    let chapter = README.split("## Operating it\n\n").nth(1).unwrap();
    let rows = chapter.lines().take_while(|line| line.starts_with('|')).skip(2);
    let mut named = 0;
    for row in rows {
        for command in row.split('`').filter_map(|part| part.strip_prefix("sidegate ")) {
            let is_word = |word: &&str| word.bytes().all(|letter| letter.is_ascii_lowercase());
            let options = command.split(' ').filter(|word| word.starts_with("--"));
            let words: Vec<_> = command.split(' ').take_while(is_word).collect();
            let mut help = Command::new(env!("CARGO_BIN_EXE_sidegate"));
            let help = help.args(&words).arg("--help").output().unwrap().stdout;
            let help = String::from_utf8(help).unwrap();
            assert!(help.contains(&format!("Usage: sidegate {}", words.join(" "))), "{command}");
            for option in options {
                assert!(help.contains(option), "{command}: {option}");
            }
            named += 1;
        }
    }
    assert!(named >= 10, "{named}");
}

#[test]
fn every_command_for_keys_is_in_the_table() {
    let help = Command::new(env!("CARGO_BIN_EXE_sidegate")).args(["key", "--help"]).output();
    let help = String::from_utf8(help.unwrap().stdout).unwrap();
    let commands = help.split("Commands:").nth(1).unwrap().split("Options:").next().unwrap();
    let mut named = 0;
    for line in commands.lines().filter(|line| line.starts_with("  ") && !line.starts_with("   ")) {
        let name = line.split_whitespace().next().unwrap();
        let row = README.lines().any(|row| row.starts_with(&format!("| `key {name}")));
        assert!(row || name == "help", "README does not have `key {name}`");
        named += usize::from(row);
    }
    assert!(named >= 9, "{help}");
}

#[test]
fn every_reason_is_in_the_table() {
    for reason in sidegate::policy::DenyReason::ALL {
        let code = format!("`{}`", reason.code());
        assert!(README.contains(&code), "README does not have {code}");
    }
}

#[test]
fn every_lint_is_in_the_table() {
    for lint in sidegate::policy::Lint::ALL {
        let row = format!("| `{}` | {} |", lint.code(), lint.title());
        assert!(README.contains(&row), "README does not have {row}");
    }
}

/// Colours are said to be for terminals, and not where `NO_COLOR` stands.
#[test]
fn colours_can_be_turned_off() {
    let coloured = |names: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_sidegate"));
        command.arg("--help").env_remove("NO_COLOR").env_remove("CLICOLOR_FORCE");
        command.envs(names.iter().map(|name| (*name, "1")));
        command.output().unwrap().stdout.contains(&0x1b)
    };
    assert!(!coloured(&[]), "no terminal");
    assert!(coloured(&["CLICOLOR_FORCE"]), "as a terminal");
    assert!(!coloured(&["CLICOLOR_FORCE", "NO_COLOR"]));
}
