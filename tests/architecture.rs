//! Holds the import rule of the house: reads `src/` and fails where a room names what it must not.
//!
//! What it reads is tokens, without comments and literals. Every path counts, in a `use` or not,
//! relative or not, and under the name that an import gave it.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::string_slice,
    reason = "a test that cannot read the sources should stop"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

/// Rooms from left to right; those of one rank never import each other.
const RANKS: [(&str, u8); 10] = [
    ("policy", 0),
    ("clock", 1),
    ("current", 2),
    ("telemetry", 3),
    ("proxy", 4),
    ("admin", 4),
    ("keystore", 5),
    ("config", 6),
    ("reload", 7),
    ("cli", 8),
];
const ORDER: &str =
    "policy < clock < current < telemetry < proxy | admin < keystore < config < reload < cli";

/// What only one room may name.
const KEEPERS: [(&str, &str); 8] = [
    ("arc_swap", "current"),
    ("clap", "cli"),
    ("clap_complete", "cli"),
    ("clap_mangen", "cli"),
    ("notify", "reload"),
    ("prometheus", "telemetry"),
    ("toml", "config"),
    ("toml_edit", "config"),
];

/// The dependencies that the decision core may name; a new one is refused until it stands here.
const POLICY_MAY: [&str; 8] =
    ["blake3", "crc32fast", "foldhash", "hashbrown", "prefetch_index", "sha2", "strsim", "zeroize"];
/// What the decision core may not name of `std`.
const POLICY_MAY_NOT: [&str; 8] = [
    "std::env",
    "std::fs",
    "std::io",
    "std::net",
    "std::process",
    "std::thread",
    "std::time::Instant",
    "std::time::SystemTime",
];

/// Lines of a file without its tests.
const LONGEST_FILE: usize = 400;

#[test]
fn rooms_import_only_to_their_left() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let manifest: toml::Table =
        toml::from_str(&fs::read_to_string(root.join("Cargo.toml")).unwrap()).unwrap();
    let dependencies: BTreeSet<String> =
        manifest["dependencies"].as_table().unwrap().keys().map(|k| k.replace('-', "_")).collect();

    let mut files = Vec::new();
    collect(&root.join("src"), &mut files);
    let rooms: BTreeSet<_> = files
        .iter()
        .filter_map(|file| {
            module_of(file.strip_prefix(root).unwrap().to_str().unwrap()).first().cloned()
        })
        .collect();
    let expected: BTreeSet<_> = RANKS.iter().map(|(room, _)| (*room).to_owned()).collect();
    assert_eq!(rooms, expected, "the rooms in `src/` are not those of this test");

    let mut broken = Vec::new();
    for file in &files {
        let name = file.strip_prefix(root).unwrap().to_str().unwrap();
        broken.extend(check(name, &fs::read_to_string(file).unwrap(), &dependencies));
    }
    assert!(broken.is_empty(), "the house rules are broken:\n{}\n", broken.join("\n"));
}

fn collect(folder: &Path, files: &mut Vec<std::path::PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    files.sort();
}

/// `src/policy/key.rs` → `["policy", "key"]`; the roots of the two crates are `[]`.
fn module_of(file: &str) -> Vec<String> {
    let path = file.strip_prefix("src/").unwrap().strip_suffix(".rs").unwrap();
    let path = path.strip_suffix("/mod").unwrap_or(path);
    match path {
        "lib" | "main" => Vec::new(),
        _ => path.split('/').map(str::to_owned).collect(),
    }
}

/// Every break of the rules in one file, as `file:line: what: which rule`.
fn check(file: &str, source: &str, dependencies: &BTreeSet<String>) -> Vec<String> {
    let module = module_of(file);
    let blanked = blank(source);
    let tokens = tokens(&blanked);
    let mut broken: Vec<String> = paths(&module, &tokens)
        .iter()
        .filter_map(|(line, path)| {
            let rule = broken_rule(&module, path, dependencies)?;
            Some(format!("{file}:{line}: `{}`: {rule}", path.join("::")))
        })
        .collect();
    broken.dedup();
    for four in tokens.windows(4) {
        if ["#", "[", "path", "="] == [four[0].text, four[1].text, four[2].text, four[3].text] {
            broken.push(format!(
                "{file}:{}: `#[path]`: a file stands where its module is",
                four[0].line
            ));
        }
    }
    let only_tests = module.iter().any(|name| name == "tests");
    let lines = source.lines().count() - lines_of_tests(&tokens);
    if lines > LONGEST_FILE && !only_tests {
        broken.push(format!(
            "{file}:1: {lines} lines without its tests: a file has at most {LONGEST_FILE}"
        ));
    }
    broken
}

/// The rule that `path`, resolved, breaks in `module`.
fn broken_rule(
    module: &[String],
    path: &[String],
    dependencies: &BTreeSet<String>,
) -> Option<String> {
    let room = module.first()?.as_str(); // The two roots only hang the rooms up.
    let first = path[0].as_str();
    if first == "crate" {
        let rank = |name: &str| RANKS.iter().find(|(room, _)| *room == name).map(|(_, rank)| *rank);
        let Some(target) = path.get(1).filter(|name| *name != "*") else {
            return Some("the root of the crate opens every room at once".into());
        };
        let Some(theirs) = rank(target) else { return Some(format!("`{target}` is not a room")) };
        return (target != room && Some(theirs) >= rank(room))
            .then(|| format!("room `{room}` imports to its right: {ORDER}"));
    }
    for (name, keeper) in KEEPERS {
        if first == name && room != keeper {
            return Some(format!("only `{keeper}` names `{name}`, this is `{room}`"));
        }
    }
    if room != "clock" && path.windows(2).any(|two| two == ["SystemTime", "now"]) {
        return Some(format!("only `clock` reads the wall clock, this is `{room}`"));
    }
    if room == "policy" {
        if dependencies.contains(first) && !POLICY_MAY.contains(&first) {
            return Some(format!(
                "`policy` decides with {} and no other crate",
                POLICY_MAY.join(", ")
            ));
        }
        // A glob names all that is behind it. `core::net` has addresses and no sockets.
        let written = path.join("::");
        let opened = written.strip_suffix('*');
        let forbidden = POLICY_MAY_NOT.iter().find(|name| {
            written == **name
                || written.starts_with(&format!("{name}::"))
                || opened.is_some_and(|opened| name.starts_with(opened))
        });
        return forbidden
            .map(|name| format!("`policy` does no I/O and reads no clock: no `{name}`"));
    }
    None
}

#[derive(Debug, Clone, Copy, PartialEq)]
struct Token<'a> {
    text: &'a str,
    line: usize,
}

impl Token<'_> {
    fn is_name(self) -> bool {
        self.text.starts_with(|c: char| c.is_alphanumeric() || c == '_')
    }
}

/// The source with comments and the insides of literals gone; lines stay where they are.
fn blank(source: &str) -> String {
    let mut rest = source;
    let mut kept = String::new();
    let mut before = ' ';
    while let Some(c) = rest.chars().next() {
        let length = match literal(rest, before) {
            0 => {
                kept.push(c);
                before = c;
                rest = &rest[c.len_utf8()..];
                continue;
            }
            length => length,
        };
        kept.extend(rest[..length].chars().map(|c| if c == '\n' { '\n' } else { ' ' }));
        before = ' ';
        rest = &rest[length..];
    }
    kept
}

/// Bytes of the comment or literal that `rest` begins with; 0 if it does not.
fn literal(rest: &str, before: char) -> usize {
    let to = |end: &str, from: usize| {
        rest[from..].find(end).map_or(rest.len(), |at| from + at + end.len())
    };
    if rest.starts_with("//") {
        return rest.find('\n').unwrap_or(rest.len());
    }
    if rest.starts_with("/*") {
        let (mut depth, mut at) = (0, 0);
        while at < rest.len() {
            match rest.as_bytes().get(at..at + 2) {
                Some(b"/*") => (depth, at) = (depth + 1, at + 2),
                Some(b"*/") => (depth, at) = (depth - 1, at + 2),
                _ => at += 1,
            }
            if depth == 0 {
                return at;
            }
        }
        return rest.len();
    }
    if !(before.is_alphanumeric() || before == '_') {
        let raw = rest.trim_start_matches(['b', 'c']);
        if let Some(raw) = raw.strip_prefix('r') {
            let hashes = raw.len() - raw.trim_start_matches('#').len();
            if raw[hashes..].starts_with('"') {
                let from = rest.len() - raw.len() + hashes + 1;
                return to(&format!("\"{}", "#".repeat(hashes)), from);
            }
        }
    }
    let quote = match rest.as_bytes()[0] {
        b'"' => b'"',
        // A lifetime has no second quote right after its first character.
        b'\'' if rest[1..].starts_with('\\') => b'\'',
        b'\'' => {
            let character = rest[1..].chars().next().map_or(0, char::len_utf8);
            return if rest[1 + character..].starts_with('\'') { character + 2 } else { 0 };
        }
        _ => return 0,
    };
    let mut at = 1;
    while let Some(byte) = rest.as_bytes().get(at) {
        match *byte {
            b'\\' => at += 2,
            byte if byte == quote => return at + 1,
            _ => at += 1,
        }
    }
    rest.len()
}

fn tokens(blanked: &str) -> Vec<Token<'_>> {
    let mut found = Vec::new();
    for (number, line) in blanked.lines().enumerate() {
        let mut rest = line.trim_start();
        while let Some(c) = rest.chars().next() {
            let word = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
            let length = match word {
                0 if rest.starts_with("::") => 2,
                0 => c.len_utf8(),
                word => word,
            };
            found.push(Token { text: &rest[..length], line: number + 1 });
            rest = rest[length..].trim_start();
        }
    }
    found
}

/// Lines that stand in `#[cfg(test)] mod name { … }`.
fn lines_of_tests(tokens: &[Token<'_>]) -> usize {
    let heads = ["#", "[", "cfg", "(", "test", ")", "]"];
    let mut lines = 0;
    for at in 0..tokens.len() {
        let rest = &tokens[at..];
        if !rest.iter().map(|token| token.text).take(heads.len()).eq(heads) {
            continue;
        }
        let end = rest.iter().position(|token| token.text == ";" || token.text == "{");
        let Some(open) = end.filter(|end| rest[*end].text == "{") else { continue };
        if !rest[..open].iter().any(|token| token.text == "mod") {
            continue;
        }
        let mut depth = 0;
        let close = rest[open..].iter().find(|token| {
            depth += i32::from(token.text == "{") - i32::from(token.text == "}");
            depth == 0
        });
        lines += close.map_or(0, |close| close.line + 1 - rest[0].line);
    }
    lines
}

/// Every path of a file, absolute where it can be told: of this crate it begins with `crate`.
fn paths(module: &[String], tokens: &[Token<'_>]) -> Vec<(usize, Vec<String>)> {
    let mut found = Vec::new();
    let mut names: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut plain = Vec::new();
    let mut inside: Vec<(String, usize)> = Vec::new(); // Inline modules and where they were opened.
    let (mut depth, mut at) = (0, 0);
    while at < tokens.len() {
        let here: Vec<String> =
            module.iter().cloned().chain(inside.iter().map(|(name, _)| name.clone())).collect();
        let token = tokens[at];
        match token.text {
            "{" => depth += 1,
            "}" => {
                depth = usize::saturating_sub(depth, 1);
                inside.retain(|(_, opened)| *opened < depth + 1);
            }
            "mod" if tokens.get(at + 2).is_some_and(|open| open.text == "{") => {
                depth += 1;
                inside.push((tokens[at + 1].text.to_owned(), depth));
                at += 2;
            }
            // `use<'a>` in a type is no import.
            "use" if tokens.get(at + 1).is_some_and(|next| next.text != "<") => {
                at += 1;
                for (line, path, name) in use_tree(tokens, &mut at, &[]) {
                    let path = absolute(&here, path);
                    names.insert(name, path.clone());
                    found.push((line, path));
                }
            }
            "extern" if tokens.get(at + 1).is_some_and(|next| next.text == "crate") => {
                at += 2;
                found.push((tokens[at].line, vec![tokens[at].text.to_owned()]));
            }
            _ if token.is_name() => {
                let mut path = vec![token.text.to_owned()];
                while tokens.get(at + 1).is_some_and(|next| next.text == "::")
                    && tokens.get(at + 2).is_some_and(|next| next.is_name())
                {
                    at += 2;
                    path.push(tokens[at].text.to_owned());
                }
                if path.len() > 1 {
                    plain.push((token.line, absolute(&here, path)));
                }
            }
            _ => {}
        }
        at += 1;
    }
    for (line, path) in plain {
        let imported = names.get(&path[0]).filter(|imported| **imported != path[..1]);
        found.push((line, imported.map_or_else(|| path.clone(), |to| [to, &path[1..]].concat())));
    }
    found
}

/// The leaves of a `use` tree that begins at `at`: line, path, and the name that it gets here.
fn use_tree(
    tokens: &[Token<'_>],
    at: &mut usize,
    before: &[String],
) -> Vec<(usize, Vec<String>, String)> {
    let mut path = before.to_vec();
    let mut found = Vec::new();
    while let Some(token) = tokens.get(*at) {
        match token.text {
            "::" => {}
            "{" => {
                *at += 1;
                while tokens.get(*at).is_some_and(|token| token.text != "}") {
                    found.extend(use_tree(tokens, at, &path));
                    *at += usize::from(tokens.get(*at).is_some_and(|token| token.text == ","));
                }
                *at += 1;
                return found;
            }
            "," | "}" | ";" => break,
            "as" => {
                *at += 2;
                let name = tokens[*at - 1].text.to_owned();
                return vec![(token.line, path, name)];
            }
            "self" if !before.is_empty() => {}
            text => path.push(text.to_owned()),
        }
        *at += 1;
    }
    let name = path.last().cloned().unwrap_or_default();
    vec![(tokens[*at - 1].line, path, name)]
}

/// `path` as seen from the root; paths that begin with neither `crate`, `self` nor `super` stay.
fn absolute(here: &[String], mut path: Vec<String>) -> Vec<String> {
    let mut base = here.to_vec();
    let ups = path.iter().take_while(|name| ["self", "super"].contains(&name.as_str())).count();
    match path[0].as_str() {
        "crate" | "sidegate" => path[0] = "crate".into(),
        _ if ups == 0 => {}
        _ => {
            let supers = path[..ups].iter().filter(|name| *name == "super").count();
            base.truncate(here.len().saturating_sub(supers));
            path.splice(..ups, ["crate".to_owned()].into_iter().chain(base));
        }
    }
    path
}

#[test]
fn planted_breaks_are_found() {
    // File, source, and the line and a part of the message; none: the source is fine.
    #[rustfmt::skip]
    let cases = [
        ("src/policy/a.rs", "use crate::proxy::Settings;", Some((1, "imports to its right"))),
        ("src/policy/a.rs", "use crate::{\n    clock,\n    policy::Level,\n};", Some((2, "right"))),
        ("src/policy/a.rs", "use super::super::config;", Some((1, "`crate::config`"))),
        ("src/policy/mod.rs", "use super::config;", Some((1, "`crate::config`"))),
        ("src/policy/a.rs", "mod tests {\n use super::super::super::cli::run;\n}", Some((2, "right"))),
        ("src/policy/a.rs", "mod b { fn c() {} }\nuse super::super::cli;", Some((2, "right"))),
        ("src/policy/a.rs", "fn f() -> crate::reload::Load { todo() }", Some((1, "right"))),
        ("src/policy/a.rs", "fn f() { g::<crate::cli::X>() }", Some((1, "right"))),
        ("src/policy/a.rs", "fn f<'a>() -> impl A + use<'a> {\n crate::cli::x() }", Some((2, "right"))),
        ("src/policy/a.rs", "use crate as all;", Some((1, "opens every room"))),
        ("src/clock.rs", "use super::*;", Some((1, "opens every room"))),
        ("src/clock.rs", "use crate::Shortcut;", Some((1, "not a room"))),
        ("src/proxy/a.rs", "use crate::admin::Settings;", Some((1, "`proxy` imports to its right"))),
        ("src/admin/mod.rs", "use crate::proxy::Pool;", Some((1, "`admin` imports to its right"))),
        ("src/current.rs", "use arc_swap::ArcSwap;", None),
        ("src/proxy/a.rs", "struct A(arc_swap::ArcSwap<u8>);", Some((1, "only `current` names"))),
        ("src/cli/a.rs", "use toml::Table;", Some((1, "only `config` names `toml`"))),
        ("src/config/a.rs", "use toml::Table;", None),
        ("src/config/a.rs", "use clap::Parser;", Some((1, "only `cli` names `clap`"))),
        ("src/cli/a.rs", "#[derive(clap::Parser)]\nstruct A;", None),
        ("src/cli/a.rs", "extern crate notify as n;", Some((1, "only `reload` names `notify`"))),
        ("src/reload/a.rs", "use ::notify::Watcher;", None),
        ("src/admin/a.rs", "use prometheus as p;", Some((1, "only `telemetry` names"))),
        ("src/proxy/a.rs", "fn f() { std::time::SystemTime::now(); }", Some((1, "only `clock` reads"))),
        ("src/proxy/a.rs", "use std::time::SystemTime as T;\nfn f() { T::now(); }", Some((2, "clock"))),
        ("src/proxy/a.rs", "use std::time;\nfn f() { time::SystemTime::now(); }", Some((2, "clock"))),
        ("src/clock.rs", "use std::time::SystemTime;\nfn f() { SystemTime::now(); }", None),
        ("src/policy/a.rs", "use serde::Serialize;", Some((1, "no other crate"))),
        ("src/policy/a.rs", "#[derive(serde::Serialize)]\nstruct A;", Some((1, "no other crate"))),
        ("src/policy/a.rs", "fn f() { tracing::info!(\"x\") }", Some((1, "no other crate"))),
        ("src/policy/a.rs", "use http::Method;\nuse blake3::Hash;", Some((1, "no other crate"))),
        ("src/policy/a.rs", "use hashbrown::HashTable;\nuse std::time::Duration;", None),
        ("src/policy/a.rs", "use std::{fmt, fs};", Some((1, "no `std::fs`"))),
        ("src/policy/a.rs", "use std::time::*;", Some((1, "no `std::time::Instant`"))),
        ("src/policy/a.rs", "use std::net::IpAddr;", Some((1, "no `std::net`"))),
        ("src/policy/a.rs", "use core::net::IpAddr;", None),
        ("src/policy/a.rs", "use std::time;\nstruct A(time::Instant);", Some((2, "reads no clock"))),
        ("src/cli/a.rs", "use crate::{admin, config, policy::{self, Level}};\nuse super::b;", None),
        ("src/policy/a/b.rs", "use super::c;\nuse super::super::d;\nuse self::e;", None),
        ("src/policy/a.rs", "// use crate::cli;\n/* a /* b */ use crate::cli; */", None),
        ("src/policy/a.rs", "const A: &str = \"\\\" crate::cli::x\";\nconst B: char = '\"';", None),
        ("src/policy/a.rs", "const A: &str = r#\"\" crate::cli::x\"#;", None),
        ("src/policy/a.rs", "fn f<'a>(a: &'a str) {}\nuse crate::cli; // '", Some((2, "right"))),
        ("src/policy/a.rs", "const A: char = '\\'';\nuse crate::cli;", Some((2, "right"))),
        ("src/policy/a.rs", "const A: &[u8] = br\"\\\";\nuse crate::cli;", Some((2, "right"))),
        ("src/policy/a.rs", "#[path = \"../cli/x.rs\"]\nmod x;", Some((1, "a file stands where"))),
        ("src/lib.rs", "pub mod cli;\npub use cli::main;", None),
        ("src/main.rs", "fn main() { sidegate::cli::main() }", None),
    ];
    let dependencies: BTreeSet<String> =
        ["blake3", "hashbrown", "http", "serde", "tracing"].map(str::to_owned).into();
    for (file, source, expected) in cases {
        let broken = check(file, source, &dependencies);
        match expected {
            None => assert!(broken.is_empty(), "{source}\n{broken:?}"),
            Some((line, part)) => {
                assert_eq!(broken.len(), 1, "{source}\n{broken:?}");
                assert!(broken[0].starts_with(&format!("{file}:{line}: ")), "{source}\n{broken:?}");
                assert!(broken[0].contains(part), "{source}\n{broken:?}");
            }
        }
    }
}

#[test]
fn long_files_are_found_and_tests_do_not_count() {
    let code = "fn f() {}\n".repeat(LONGEST_FILE);
    let tests = format!("#[cfg(test)]\nmod tests {{\n{}}}\n", "fn t() {}\n".repeat(100));
    let none = BTreeSet::new();
    assert_eq!(check("src/proxy/a.rs", &format!("{code}{tests}"), &none), [""; 0]);
    assert_eq!(check("src/proxy/tests.rs", &code.repeat(2), &none), [""; 0]);
    let broken = check("src/proxy/a.rs", &format!("{code}fn g() {{}}\n{tests}"), &none);
    assert_eq!(broken, ["src/proxy/a.rs:1: 401 lines without its tests: a file has at most 400"]);
}
