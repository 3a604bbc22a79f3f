//! Loading only what changed of the keys, or all but the keys, comes to what loading everything comes
//! to, or is given up.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test that cannot go on should stop"
)]

use std::fmt::Write as _;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use sidegate::config::{self, Loaded, Loader};
use sidegate::keystore::Permissions;
use sidegate::policy::difference::{Side, difference, loss};
use sidegate::policy::key::{KeyDigest, Pepper};
use sidegate::policy::{Decision, Query, Snapshot, UnixSeconds, Upgrade};
use tempfile::TempDir;

const POLICY: &str = r#"
version = 1
areas = ["general", "billing"]
[role.owner]
bypass = true
[role.member]
areas = { general = "view" }
[product.vault]
permissions = ["reports"]
[product.mail]
[account.mallory]
suspended = true
[workspace.acme]
environment = "production"
[workspace.acme.members]
alice = "owner"
bob = "owner"
carol = "member"
mallory = "member"
[workspace.acme.product.vault]
subscription = "active"
[[workspace.acme.grant]]
to = "account:carol"
product = "vault"
level = "view"
[workspace.other]
environment = "staging"
[workspace.other.members]
alice = "owner"
dave = "owner"
[[route]]
name = "vault"
prefix = "/vault"
workspace = "acme"
product = "vault"
upstream = "app"
[[route]]
name = "reports"
prefix = "/vault/reports"
workspace = "acme"
product = "vault"
permission = "reports"
upstream = "app"
[[route]]
name = "general"
prefix = "/{workspace}/general"
area = "general"
upstream = "app"
"#;
const URLS: [&str; 4] = ["/vault/x", "/vault/reports", "/acme/general", "/other/general"];
const NOW: UnixSeconds = UnixSeconds(1_800_000_000);
/// Of several pieces.
const KEYS: u32 = 400;
/// Accounts of `acme`, in turn: the last one is no member of it.
const ACCOUNTS: [&str; 4] = ["alice", "bob", "carol", "mallory"];
/// Of these are the texts of keys that come.
const TEXTS: u32 = KEYS + 100;
const CASES: u32 = 20;

#[derive(Debug, Clone, PartialEq)]
struct Record {
    id: String,
    kind: &'static str,
    text: u32,
    workspace: &'static str,
    account: &'static str,
    environment: &'static str,
    not_before: Option<&'static str>,
    expires: Option<&'static str>,
    revoked: Option<&'static str>,
    ceiling: &'static str,
}

impl Record {
    fn new(number: u32) -> Self {
        Self {
            id: format!("k_{number}"),
            kind: if number % 7 == 3 { "sha256" } else { "blake3" },
            text: number,
            workspace: "acme",
            account: ACCOUNTS[number as usize % ACCOUNTS.len()],
            environment: "production",
            not_before: None,
            expires: number.is_multiple_of(5).then_some("2028-01-01T00:00:00Z"),
            revoked: number.is_multiple_of(11).then_some("2026-01-01T00:00:00Z"),
            ceiling: if number % 6 == 1 { r#"{"level":"view"}"# } else { "null" },
        }
    }

    fn line(&self) -> String {
        let Self { id, workspace, account, environment, ceiling, .. } = self;
        let text = text_of(self.text);
        let hash = match self.kind {
            "sha256" => KeyDigest::sha256(&text),
            "blake3-keyed" => KeyDigest::blake3_keyed(&text, &Pepper::new([7; 32])),
            _ => KeyDigest::blake3(&text),
        };
        let time =
            |time: Option<&str>| time.map_or("null".to_owned(), |time| format!("\"{time}\""));
        let (begins, ends, revoked) =
            (time(self.not_before), time(self.expires), time(self.revoked));
        format!(
            concat!(
                r#"{{"id":"{}","hash":"{}","workspace":"{}","account":"{}","environment":"{}","#,
                r#""label":null,"created":"2026-01-01T00:00:00Z","not_before":{},"expires":{},"#,
                r#""revoked":{},"ceiling":{}}}"#,
            ),
            id, hash, workspace, account, environment, begins, ends, revoked, ceiling
        )
    }
}

fn text_of(number: u32) -> String {
    format!("key-{number}")
}

/// The files, and who loads them again and again.
struct Bench {
    folder: TempDir,
    loader: Loader,
}

impl Bench {
    fn new(records: &[Record]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let settings = "policy = \"policy.toml\"\nkeys = \"keys.jsonl\"\n\
                        [upstream.app]\nurls = [\"http://127.0.0.1:9\"]\n";
        fs::write(folder.path().join("sidegate.toml"), settings).unwrap();
        fs::write(folder.path().join("policy.toml"), POLICY).unwrap();
        write(folder.path(), &text(records));
        let config = config::read(&folder.path().join("sidegate.toml")).unwrap();
        Self { folder, loader: Loader::new(config, Permissions::Private) }
    }

    fn whole(&self) -> Result<Snapshot, String> {
        let loaded = config::load(self.loader.config(), Permissions::Private);
        loaded.map(|loaded| loaded.snapshot).map_err(|report| report.to_string())
    }

    fn load(&mut self) -> Snapshot {
        self.loader.load().unwrap().snapshot
    }

    fn keys(&mut self) -> Option<Snapshot> {
        let (loaded, _) = self.loader.load_keys();
        loaded.map(|Loaded { snapshot, .. }| snapshot)
    }

    fn policy(&mut self) -> Option<Snapshot> {
        self.loader.load_policy().map(|Loaded { snapshot, .. }| snapshot)
    }

    fn write(&self, text: &str) {
        write(self.folder.path(), text);
    }

    fn write_policy(&self, text: &str) {
        fs::write(self.folder.path().join("policy.toml"), text).unwrap();
    }
}

fn write(folder: &Path, text: &str) {
    let path = folder.join("keys.jsonl");
    fs::write(&path, text).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
}

fn text(records: &[Record]) -> String {
    records.iter().map(|record| record.line() + "\n").collect()
}

/// All that is said of a policy, of keys whose text is one of so many.
fn said(snapshot: &Snapshot, texts: u32) -> String {
    let mut said = format!("{} keys\n", snapshot.key_count());
    let mut expiries: Vec<_> = snapshot.key_expiries().map(|at| at.0).collect();
    expiries.sort_unstable();
    let mut warnings: Vec<_> = snapshot.warnings().iter().map(ToString::to_string).collect();
    warnings.sort_unstable();
    writeln!(said, "{expiries:?}\n{warnings:#?}").unwrap();
    for text in (0..texts).map(text_of) {
        for (method, url) in ["GET", "POST"].iter().flat_map(|m| URLS.map(|url| (*m, url))) {
            let credential = Some(text.as_str());
            let (upgrade, preflight) = (Upgrade::None, false);
            let query = Query { method, host: "h", target: url, credential, upgrade, preflight };
            let (reason, facts) = match snapshot.decide(&query, NOW) {
                Decision::Allow(permit) => (None, permit.facts()),
                Decision::Deny(denial) => (Some(denial.reason), denial.facts),
            };
            let workspace = snapshot.workspace_number(&facts);
            let words = snapshot.describe(&facts);
            writeln!(said, "{text} {method} {url} {reason:?} {workspace:?} {words:?}").unwrap();
        }
    }
    said
}

fn rows(was: &Snapshot, is: &Snapshot) -> Vec<String> {
    let side = |snapshot| Side { snapshot, upstreams: &[] };
    let found = difference(side(was), side(is), NOW);
    found.rows().iter().map(|row| row.words(100, |time| time.0.to_string())).collect()
}

/// What a guard rail is told: how many keys work, how many would not; which, where none is left out.
fn lost(was: &Snapshot, is: &Snapshot) -> (usize, usize, Vec<String>) {
    let found = loss(was, is, NOW);
    assert_eq!((found.orphaned.len(), found.removed.len()), (0, 0));
    let mut named: Vec<_> = found.named.iter().map(ToString::to_string).collect();
    named.retain(|_| found.keys == found.named.len());
    named.sort_unstable();
    (found.working(|_| false), found.keys, named)
}

/// Of two snapshots of the same files.
fn assert_same(amended: &Snapshot, whole: &Snapshot, texts: u32) {
    assert_eq!(rows(amended, whole), Vec::<String>::new());
    let (one, other) = (said(amended, texts), said(whole, texts));
    let differing = one.lines().zip(other.lines()).find(|(one, other)| one != other);
    assert_eq!(differing, None);
    assert_eq!(one.len(), other.len());
}

type Edit = fn(&mut Vec<Record>);

/// What it is called, how the records change, whether that can be told without loading everything.
const EDITS: [(&str, bool, Edit); 27] = [
    ("nothing", true, |_| {}),
    ("revoke", true, |records| records[200].revoked = Some("2026-02-01T00:00:00Z")),
    ("revoke later", true, |records| records[200].revoked = Some("2099-02-01T00:00:00Z")),
    ("take a revocation back", true, |records| records[220].revoked = None),
    ("append", true, |records| records.push(Record::new(KEYS))),
    ("put first", true, |records| records.insert(0, Record::new(KEYS))),
    ("delete", true, |records| _ = records.remove(123)),
    ("delete the first and the last", true, |records| {
        records.remove(0);
        records.pop();
    }),
    ("reverse", true, |records| records.reverse()),
    ("swap two", true, |records| records.swap(7, 307)),
    ("begin later", true, |records| records[5].not_before = Some("2027-06-01T00:00:00Z")),
    ("end sooner", true, |records| records[5].expires = Some("2026-06-01T00:00:00Z")),
    ("another ceiling", true, |records| {
        records[9].ceiling = r#"{"level":"full","products":["vault"]}"#;
    }),
    ("another account", true, |records| records[9].account = "carol"),
    ("another workspace", true, |records| {
        (records[8].workspace, records[8].environment) = ("other", "staging");
    }),
    ("another id", true, |records| records[9].id = "k_another".into()),
    ("another text", true, |records| records[9].text = KEYS),
    ("exchange of ids", true, |records| {
        (records[3].id, records[300].id) = (records[300].id.clone(), records[3].id.clone());
    }),
    ("a revoked key of a workspace that is gone", true, |records| {
        records[11].workspace = "gone";
        records[11].revoked = Some("2026-01-01T00:00:00Z");
    }),
    ("none at all", false, |records| records.clear()),
    ("an id twice", false, |records| records[9].id = "k_300".into()),
    ("a text twice", false, |records| records[9].text = 300),
    ("a line twice", false, |records| records.push(records[30].clone())),
    ("a live key of a workspace that is gone", false, |records| records[9].workspace = "gone"),
    ("a name that is nobody's", false, |records| {
        records[9].account = "nobody";
        records[9].revoked = Some("2026-01-01T00:00:00Z");
    }),
    ("no member", false, |records| records[9].account = "dave"),
    ("a kind of hash that no key has", false, |records| records[9].kind = "blake3-keyed"),
];

#[test]
fn every_edit_is_told_or_given_up() {
    let before: Vec<Record> = (0..KEYS).map(Record::new).collect();
    for (name, told, edit) in EDITS {
        let mut bench = Bench::new(&before);
        let was = bench.load();
        let mut after = before.clone();
        edit(&mut after);
        bench.write(&text(&after));
        let (is, whole) = (bench.keys(), bench.whole());
        assert_eq!(is.is_some(), told, "{name}");
        let Some(is) = is else { continue };
        let whole = whole.unwrap();
        assert_same(&is, &whole, KEYS + 1);
        assert_eq!(rows(&was, &is), rows(&was, &whole), "{name}");
        assert_eq!(lost(&was, &is), lost(&was, &whole), "{name}");
        // And back, from a snapshot that was amended itself.
        bench.write(&text(&before));
        let again = bench.keys().unwrap_or_else(|| panic!("{name}: back"));
        assert_same(&again, &was, KEYS + 1);
        assert_eq!(rows(&is, &again), rows(&whole, &was), "{name}: back");
        assert_eq!(rows(&was, &again), Vec::<String>::new(), "{name}");
    }
}

type Rule = fn(&str) -> String;

/// What it is called, how the policy changes, whether the keys can stay what they are.
const RULES: [(&str, bool, Rule); 25] = [
    ("nothing", true, str::to_owned),
    ("a member first", true, |text| {
        text.replace("alice = \"owner\"\nbob", "al = \"owner\"\nalice = \"owner\"\nbob")
    }),
    ("members the other way round", true, |text| {
        text.replace("alice = \"owner\"\nbob = \"owner\"", "bob = \"owner\"\nalice = \"owner\"")
    }),
    ("another role", true, |text| text.replace("bob = \"owner\"", "bob = \"member\"")),
    ("another grant", true, |text| text.replace("level = \"view\"", "level = \"full\"")),
    ("no grant", true, |text| {
        text.replace("level = \"view\"", "permissions = { reports = \"view\" }")
    }),
    ("another level of a role", true, |text| {
        text.replace("general = \"view\"", "general = \"full\"")
    }),
    ("suspended", true, |text| {
        text.replace("[account.mallory]", "[account.carol]\nsuspended = true\n[account.mallory]")
    }),
    ("no longer suspended", true, |text| text.replace("suspended = true", "suspended = false")),
    ("a workspace first", true, |text| {
        text.replace("[workspace.acme]\n", "[workspace.aa]\nenvironment = \"staging\"\n[workspace.aa.members]\ndave = \"owner\"\nzoe = \"owner\"\n[workspace.acme]\n")
    }),
    ("a route", true, |text| {
        text.replace("[[route]]\nname = \"vault\"", "[[route]]\nprefix = \"/more\"\npublic = true\nupstream = \"app\"\n[[route]]\nname = \"vault\"")
    }),
    ("hidden", true, |text| text.replace("version = 1", "version = 1\nhide_none = true")),
    ("no subscription", true, |text| text.replace("\"active\"", "\"canceled\"")),
    ("a warning of something else", true, |text| text.replace("dave = \"owner\"\n", "")),
    ("a product first", false, |text| {
        text.replace("[product.vault]", "[product.aa]\n[product.vault]")
    }),
    ("an area first", false, |text| text.replace("[\"general\"", "[\"aa\", \"general\"")),
    ("an area more", false, |text| text.replace("\"billing\"]", "\"billing\", \"zz\"]")),
    ("a workspace of keys is gone", false, |text| {
        text.replace("workspace.other", "workspace.another")
    }),
    ("another environment", false, |text| text.replace("\"staging\"", "\"testing\"")),
    ("no member", false, |text| {
        text.replace("carol = \"member\"\n", "").replace("account:carol", "account:bob")
    }),
    ("pending", false, |text| {
        text.replace("carol = \"member\"\n", "").replace("account:carol", "account:bob").replace(
            "[workspace.acme.product.vault]",
            "[workspace.acme.pending]\ncarol = { role = \"member\" }\n[workspace.acme.product.vault]",
        )
    }),
    ("a name in another case", false, |text| text.replace("carol", "Carol")),
    ("an error", false, |text| text.replace("upstream = \"app\"", "upstream = \"ap\"")),
    ("no toml", false, |text| format!("{text}[")),
    ("nothing there", false, |_| String::new()),
];

/// Those of which policies say most: beside the others, a revoked one of an account that there is not.
fn of_all_kinds() -> Vec<Record> {
    let mut records: Vec<Record> = (0..KEYS).map(Record::new).collect();
    records[9].ceiling = r#"{"level":"full","products":["vault"],"areas":["general"]}"#;
    (records[8].workspace, records[8].environment) = ("other", "staging");
    let revoked = Some("2026-01-01T00:00:00Z");
    (records[13].account, records[13].revoked) = ("nobody", revoked);
    records
}

#[test]
fn under_every_other_policy_the_keys_are_what_they_are_or_read_again() {
    let before = of_all_kinds();
    for (name, told, rule) in RULES {
        let mut bench = Bench::new(&before);
        let was = bench.load();
        bench.write_policy(&rule(POLICY));
        let (is, whole) = (bench.policy(), bench.whole());
        assert_eq!(is.is_some(), told, "{name}");
        let Some(is) = is else {
            assert!(bench.policy().is_none(), "{name}: nothing is known any more");
            continue;
        };
        let whole = whole.unwrap();
        assert_same(&is, &whole, KEYS + 1);
        assert_eq!(rows(&was, &is), rows(&was, &whole), "{name}");
        assert_eq!(lost(&was, &is), lost(&was, &whole), "{name}");
        // Then keys come, go and change, and after them the policy again.
        let mut after = before.clone();
        after[20].revoked = Some("2026-02-01T00:00:00Z");
        after[21].account = "bob";
        _ = after.remove(8);
        after.push(Record { ceiling: before[9].ceiling, ..Record::new(KEYS) });
        bench.write(&text(&after));
        let amended = bench.keys().unwrap_or_else(|| panic!("{name}: keys"));
        assert_same(&amended, &bench.whole().unwrap(), KEYS + 1);
        assert_eq!(rows(&was, &amended), rows(&was, &bench.whole().unwrap()), "{name}: keys");
        bench.write_policy(POLICY);
        let again = bench.policy().unwrap_or_else(|| panic!("{name}: back"));
        let whole = bench.whole().unwrap();
        assert_same(&again, &whole, KEYS + 1);
        assert_eq!(rows(&amended, &again), rows(&amended, &whole), "{name}: back");
        assert_eq!(lost(&amended, &again), lost(&amended, &whole), "{name}: back");
        assert_eq!(rows(&was, &again), rows(&was, &whole), "{name}: back");
        // What was known of the file is known still.
        bench.write(&text(&before));
        assert_same(&bench.keys().unwrap_or_else(|| panic!("{name}: all")), &was, KEYS + 1);
    }
}

/// Its workspace may come to be: nobody remembers which it is.
#[test]
fn a_key_of_no_workspace_is_read_again_where_there_are_others() {
    let mut records = of_all_kinds();
    (records[11].workspace, records[11].revoked) = ("gone", Some("2026-01-01T00:00:00Z"));
    let mut bench = Bench::new(&records);
    bench.load();
    for (more, told) in [("", true), ("aa", false), ("gone", false)] {
        let workspace = format!(
            "[workspace.{more}]\nenvironment = \"production\"\n[workspace.{more}.members]\n\
             alice = \"owner\"\nbob = \"owner\"\n[workspace.other]\n"
        );
        let with = POLICY.replace("[workspace.other]\n", &workspace);
        bench.write_policy(if more.is_empty() { POLICY } else { &with });
        let is = bench.policy();
        assert_eq!(is.is_some(), told, "{more}");
        assert_same(&is.unwrap_or_else(|| bench.load()), &bench.whole().unwrap(), KEYS + 1);
    }
}

#[test]
fn a_key_that_is_gone_has_no_say() {
    let before: Vec<Record> = (0..KEYS).map(Record::new).collect();
    let mut bench = Bench::new(&before);
    bench.load();
    let mut after = before.clone();
    after.retain(|record| record.account != "carol");
    bench.write(&text(&after));
    bench.keys().unwrap();
    let left = POLICY.replace("carol = \"member\"\n", "").replace("account:carol", "account:bob");
    bench.write_policy(&left);
    let is = bench.policy().unwrap();
    assert_same(&is, &bench.whole().unwrap(), KEYS + 1);
}

#[test]
fn a_key_file_that_others_can_read_is_not_kept() {
    let mut bench = Bench::new(&of_all_kinds());
    bench.load();
    let path = bench.folder.path().join("keys.jsonl");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
    assert!(bench.policy().is_none());
}

type Damage = fn(&str) -> String;

/// What it is called, and how the text changes.
const DAMAGES: [(&str, Damage); 8] = [
    ("an empty file", |_| String::new()),
    ("a newline alone", |_| "\n".into()),
    ("no newline at the end", |text| text.trim_end().into()),
    ("a blank line at the end", |text| format!("{text}\n")),
    ("a blank line", |text| text.replacen("}\n", "}\n\n", 1)),
    ("half a line", |text| text.replacen("\"workspace\"", "\n\"workspace\"", 1)),
    ("a byte that no record has", |text| text.replacen("alice", "al\0ice", 1)),
    ("a line without end", |text| text.replacen("alice", &"x".repeat(2_000_000), 1)),
];

#[test]
fn all_damage_is_given_up() {
    let before: Vec<Record> = (0..KEYS).map(Record::new).collect();
    for (name, damage) in DAMAGES {
        let mut bench = Bench::new(&before);
        bench.load();
        bench.write(&damage(&text(&before)));
        assert!(bench.keys().is_none(), "{name}");
        assert!(bench.keys().is_none(), "{name}: nothing is known any more");
    }
    let mut bench = Bench::new(&before);
    bench.load();
    let path = bench.folder.path().join("keys.jsonl");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
    assert!(bench.keys().is_none(), "others can read it");
}

#[test]
fn many_changes_are_compiled_anew() {
    let before: Vec<Record> = (0..5000).map(Record::new).collect();
    let mut bench = Bench::new(&before);
    bench.load();
    let mut after = before.clone();
    // Of every piece one key and then another, until they are more than a hundredth and a thousand.
    for round in 0..30 {
        for record in after.iter_mut().skip(round).step_by(50) {
            record.not_before = Some("2026-06-01T00:00:00Z");
        }
        bench.write(&text(&after));
        match bench.keys() {
            Some(_) => assert!(round < 11, "{round}"),
            None => return assert!(round >= 9, "{round}"),
        }
    }
    panic!("all was told");
}

/// One edit, at a place that is drawn.
#[derive(Debug, Clone, Copy)]
enum Draw {
    Append,
    Insert,
    Revoke,
    Delete,
    Swap,
    Times,
    Ceiling,
    Account,
    Workspace,
    Restore,
    SameId,
    SameText,
    Rename,
    Damage,
}

fn draws() -> impl Strategy<Value = (Draw, usize, usize)> {
    use Draw::*;
    let likely = [
        Append, Insert, Revoke, Revoke, Delete, Swap, Times, Ceiling, Account, Workspace, Restore,
        Rename,
    ];
    let all = [&likely[..], &likely[..], &[SameId, SameText, Damage]].concat();
    (proptest::sample::select(all), any::<usize>(), any::<usize>())
}

/// Changes `records`, and returns whether the file is to be damaged besides.
fn apply((draw, one, other): (Draw, usize, usize), records: &mut Vec<Record>) -> bool {
    if records.len() < 2 {
        records.extend((0..3).map(Record::new));
    }
    let (at, there) = (one % records.len(), other % records.len());
    let fresh = Record::new(other as u32 % TEXTS);
    match draw {
        Draw::Append => records.push(fresh),
        Draw::Insert => records.insert(at, fresh),
        Draw::Revoke => records[at].revoked = Some("2026-02-01T00:00:00Z"),
        Draw::Delete => _ = records.remove(at),
        Draw::Swap => records.swap(at, there),
        Draw::Times => records[at].expires = Some("2027-03-01T00:00:00Z"),
        Draw::Ceiling => {
            let known = [
                "null",
                r#"{"level":"view","products":["vault"]}"#,
                r#"{"level":"view","products":["vault"],"areas":["general"]}"#,
                r#"{"level":"full","products":["gone"]}"#,
            ];
            records[at].ceiling = known[other % known.len()];
        }
        Draw::Account => {
            let known = ["alice", "carol", "dave", "nobody", "Nobody", "ALICE"];
            records[at].account = known[other % known.len()];
        }
        Draw::Workspace => {
            let known = [("acme", "production"), ("other", "staging"), ("gone", "production")];
            (records[at].workspace, records[at].environment) = known[other % known.len()];
        }
        Draw::Restore => records[at] = Record::new(records[at].text),
        Draw::SameId => records[at].id = records[there].id.clone(),
        Draw::SameText => records[at].text = records[there].text,
        Draw::Rename => records[at].id = format!("k_{}", other as u32 % TEXTS),
        Draw::Damage => return true,
    }
    false
}

#[test]
fn for_every_series_of_edits_it_comes_to_the_same() {
    let config = Config { cases: CASES, failure_persistence: None, ..Config::default() };
    let steps = vec(vec(draws(), 1..4), 1..8);
    let (told, given_up) = (std::cell::Cell::new(0), std::cell::Cell::new(0));
    let run = TestRunner::new(config).run(&steps, |steps| {
        let mut good: Vec<Record> = (0..KEYS).map(Record::new).collect();
        let mut bench = Bench::new(&good);
        let mut was = (bench.load(), bench.whole().unwrap());
        for step in steps {
            let mut records = good.clone();
            let edits: Vec<bool> = step.into_iter().map(|draw| apply(draw, &mut records)).collect();
            let mut text = text(&records);
            if edits.contains(&true) {
                text.insert(text.len() / 2, '{');
            }
            bench.write(&text);
            let whole = bench.whole();
            match (bench.keys(), whole) {
                (Some(is), Ok(whole)) => {
                    told.set(told.get() + 1);
                    assert_same(&is, &whole, TEXTS);
                    assert_eq!(rows(&was.0, &is), rows(&was.1, &whole));
                    assert_eq!(lost(&was.0, &is), lost(&was.1, &whole));
                    (good, was) = (records, (is, whole));
                }
                (Some(_), Err(report)) => panic!("what is refused was let through: {report}"),
                (None, Ok(whole)) => {
                    given_up.set(given_up.get() + 1);
                    (good, was) = (records, (bench.load(), whole));
                }
                (None, Err(_)) => {
                    given_up.set(given_up.get() + 1);
                    assert!(bench.loader.load().is_err());
                    assert!(bench.keys().is_none(), "of a failed load nothing is known");
                    bench.write(&self::text(&good));
                    was = (bench.load(), bench.whole().unwrap());
                }
            }
        }
        Ok(())
    });
    run.unwrap_or_else(|error| panic!("{error}"));
    let (told, given_up) = (told.get(), given_up.get());
    println!("{CASES} series of edits: {told} told, {given_up} given up");
    assert!(told >= 10 && given_up >= 10, "the generator misses it: {told}, {given_up}");
}
