//! The command as a whole: the examples as they are, and with one thing planted at a time.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use serde_json::Value;
use tempfile::TempDir;

use super::code::Code;
use super::*;

const NOW: UnixSeconds = UnixSeconds(1_795_176_000); // 2026-11-20T12:00:00Z
const EXAMPLES: [&str; 3] = ["alludium", "atomicagi", "atomyx"];
const FILES: [&str; 4] = ["sidegate.toml", "policy.toml", "keys.jsonl", "tests.toml"];

/// One thing to be found that was not there before.
struct Planted {
    code: Code,
    severity: &'static str,
    subject: &'static str,
    /// A file and what stands in the line that is to be mended.
    place: (&'static str, &'static str),
    fact: &'static str,
    example: &'static str,
    /// File, what stands there, and what instead; nothing is the end of the file.
    edits: &'static [(&'static str, &'static str, &'static str)],
}

const PLANTED: [Planted; 28] = [
    Planted {
        code: Code::AccountReachesNothing,
        severity: "low",
        subject: "new@acme.example",
        place: ("policy.toml", "\"new@acme.example\""),
        fact: "member of acme, and reaches nothing there",
        example: "atomyx",
        edits: &[(
            "policy.toml",
            "svc-reporting = \"member\"\n",
            "svc-reporting = \"member\"\n\"new@acme.example\" = \"member\"\n",
        )],
    },
    Planted {
        code: Code::BypassingRole,
        severity: "medium",
        subject: "admin",
        place: ("policy.toml", "[role.admin]"),
        fact: "gives everything to 3 accounts: acme (adam@acme.example), \
               acme-eu (dora@acme.example), acme-staging (svc-payments)",
        example: "atomyx",
        edits: &[("policy.toml", "[role.admin]\n", "[role.admin]\nbypass = true\n")],
    },
    Planted {
        code: Code::EndedSubscriptionWithKeys,
        severity: "low",
        subject: "payments",
        place: ("policy.toml", "[workspace.acme.product.payments]"),
        fact: "canceled in acme, and keys are live: k_acme_reports, k_acme_payments, k_acme_go_live, \
               k_acme_watch",
        example: "atomyx",
        edits: &[("policy.toml", "subscription = \"active\"", "subscription = \"canceled\"")],
    },
    Planted {
        code: Code::GrantWiderThanTests,
        severity: "low",
        subject: "acme: account:dora@acme.example",
        place: ("policy.toml", "[[workspace.acme.grant]] #"),
        fact: "the tests use less: full on screening (used: view), full on screening/checks \
               (used: view)",
        example: "atomyx",
        edits: &[(
            "policy.toml",
            "[[workspace.acme.grant]]\nto = \"account:dora@acme.example\"\nproduct = \
             \"screening\"\nlevel = \"view\"",
            "[[workspace.acme.grant]] #\nto = \"account:dora@acme.example\"\nproduct = \
             \"screening\"\nlevel = \"full\"",
        )],
    },
    Planted {
        code: Code::GroupWithoutGrants,
        severity: "low",
        subject: "reviewers",
        place: ("policy.toml", "reviewers ="),
        fact: "group of lab with mel@northwind.example: nothing is granted to it",
        example: "alludium",
        edits: &[(
            "policy.toml",
            "[workspace.lab.groups]\n",
            "[workspace.lab.groups]\nreviewers = [\"mel@northwind.example\"]\n",
        )],
    },
    Planted {
        code: Code::HoldsFull,
        severity: "info",
        subject: "northwind",
        place: ("policy.toml", "[workspace.northwind]"),
        fact: "full on work/inbox, work/tasks, work/files, work/assistants: svc-digest",
        example: "alludium",
        edits: &[("policy.toml", "permissions.inbox = \"view\"", "permissions.inbox = \"full\"")],
    },
    Planted {
        code: Code::KeyExpiresSoon,
        severity: "medium",
        subject: "k_acme_payments",
        place: ("keys.jsonl", "\"k_acme_payments\""),
        fact: "of svc-payments in acme: expires 2026-11-25T00:00:00Z, in 4 days",
        example: "atomyx",
        edits: &[(
            "keys.jsonl",
            "\"created\":\"2026-11-12T07:25:00Z\",\"not_before\":null,\"expires\":null",
            "\"created\":\"2026-11-12T07:25:00Z\",\"not_before\":null,\
             \"expires\":\"2026-11-25T00:00:00Z\"",
        )],
    },
    Planted {
        code: Code::KeyLabelShared,
        severity: "medium",
        subject: "nightly export",
        place: ("keys.jsonl", "\"k_acme_reports\""),
        fact: "the label of keys in production (k_acme_reports), staging (k_acme_staging_payments)",
        example: "atomyx",
        edits: &[("keys.jsonl", "\"staging only\"", "\"nightly export\"")],
    },
    Planted {
        code: Code::KeyNeverExpires,
        severity: "medium",
        subject: "k_acme_crawl",
        place: ("keys.jsonl", "\"k_acme_crawl\""),
        fact: "of sam@agency.example in acme: full at most, without an end",
        example: "atomicagi",
        edits: &[("keys.jsonl", "\"2027-01-31T00:00:00Z\"", "null")],
    },
    Planted {
        code: Code::KeyOfNoMember,
        severity: "medium",
        subject: "k_nw_digest",
        place: ("keys.jsonl", "\"k_nw_digest\""),
        fact: "of svc-gone in northwind: the account is not a member",
        example: "alludium",
        edits: &[("keys.jsonl", "\"svc-digest\"", "\"svc-gone\"")],
    },
    Planted {
        code: Code::KeyReachesNothing,
        severity: "low",
        subject: "k_acme_watch",
        place: ("keys.jsonl", "\"k_acme_watch\""),
        fact: "of oleg@acme.example in acme: its ceiling leaves nothing of what the account reaches",
        example: "atomyx",
        edits: &[("keys.jsonl", "\"products\":[\"payments\"]", "\"areas\":[\"billing\"]")],
    },
    Planted {
        code: Code::KeyUnbounded,
        severity: "high",
        subject: "k_nw_roster",
        place: ("keys.jsonl", "\"k_nw_roster\""),
        fact: "of ola@northwind.example in northwind: full on everything, without an end",
        example: "alludium",
        edits: &[("keys.jsonl", "{\"level\":\"full\",\"areas\":[\"people\"]}", "null")],
    },
    Planted {
        code: Code::KeyUnused,
        severity: "medium",
        subject: "k_acme_dashboard",
        place: ("keys.jsonl", "\"k_acme_dashboard\""),
        fact: "of pia@agency.example in acme: last used 2026-08-01T10:59:59Z",
        example: "atomicagi",
        edits: &[
            ("sidegate.toml", "keys = ", "last_used = \"last-used.jsonl\"\nkeys = "),
            (
                "last-used.jsonl",
                "",
                "{\"since\":\"2026-01-01T00:00:00Z\"}\n\
                 {\"id\":\"k_acme_crawl\",\"used\":\"2026-11-20T10:00:00Z\"}\n\
                 {\"id\":\"k_acme_dashboard\",\"used\":\"2026-08-01T10:00:00Z\"}\n",
            ),
        ],
    },
    Planted {
        code: Code::NoActiveOwner,
        severity: "high",
        subject: "globex",
        place: ("policy.toml", "[workspace.globex]"),
        fact: "every owner is suspended: gina@globex.example, gus@globex.example",
        example: "atomyx",
        edits: &[(
            "policy.toml",
            "",
            "[account.\"gina@globex.example\"]\nsuspended = true\n\
             [account.\"gus@globex.example\"]\nsuspended = true\n",
        )],
    },
    Planted {
        code: Code::PastDueWithKeys,
        severity: "medium",
        subject: "payments",
        place: ("policy.toml", "[workspace.acme.product.payments]"),
        fact: "past_due in acme, and keys are live: k_acme_reports, k_acme_payments, k_acme_go_live, \
               k_acme_watch",
        example: "atomyx",
        edits: &[("policy.toml", "subscription = \"active\"", "subscription = \"past_due\"")],
    },
    Planted {
        code: Code::ProductWithoutMembers,
        severity: "low",
        subject: "ledger",
        place: ("policy.toml", "[workspace.acme-eu.product.ledger]"),
        fact: "active in acme-eu, where only bypassing roles reach it",
        example: "atomyx",
        edits: &[(
            "policy.toml",
            "to = \"account:dora@acme.example\"\nproduct = \"ledger\"",
            "to = \"account:alice@acme.example\"\nproduct = \"ledger\"",
        )],
    },
    Planted {
        code: Code::ProductWithoutWorkspace,
        severity: "low",
        subject: "spare",
        place: ("policy.toml", "[product.spare]"),
        fact: "no workspace has it",
        example: "atomyx",
        edits: &[("policy.toml", "", "[product.spare]\n")],
    },
    Planted {
        code: Code::PublicRoute,
        severity: "low",
        subject: "hooks",
        place: ("policy.toml", "[[route]] #"),
        fact: "/hooks takes every method without a key",
        example: "alludium",
        edits: &[(
            "policy.toml",
            "",
            "[[route]] #\nname = \"hooks\"\nprefix = \"/hooks\"\npublic = true\nupstream = \"app\"\n",
        )],
    },
    Planted {
        code: Code::RevokedOnlyAccount,
        severity: "low",
        subject: "arno@acme.example",
        place: ("policy.toml", "\"arno@acme.example\" ="),
        fact: "admin of acme, whose keys are all taken back or over: k_acme_roster",
        example: "atomicagi",
        edits: &[(
            "keys.jsonl",
            "\"revoked\":null,\"ceiling\":{\"level\":\"full\",\"areas\":[\"members\"]}",
            "\"revoked\":\"2026-11-19T00:00:00Z\",\"ceiling\":null",
        )],
    },
    Planted {
        code: Code::Seats,
        severity: "low",
        subject: "northwind",
        place: ("policy.toml", "seats = 7"),
        fact: "7 of 7 seats are taken",
        example: "alludium",
        edits: &[("policy.toml", "[workspace.northwind]\n", "[workspace.northwind]\nseats = 7\n")],
    },
    Planted {
        code: Code::SoleOwner,
        severity: "medium",
        subject: "ola@northwind.example",
        place: ("policy.toml", "[workspace.northwind]"),
        fact: "the only owner of northwind",
        example: "alludium",
        edits: &[(
            "policy.toml",
            "\"owen@northwind.example\" = \"owner\"",
            "\"owen@northwind.example\" = \"member\"",
        )],
    },
    Planted {
        code: Code::StaleInvitation,
        severity: "medium",
        subject: "gil@globex.example",
        place: ("policy.toml", "gil@globex.example"),
        fact: "invited to globex as owner, and nothing says since when",
        example: "atomyx",
        edits: &[(
            "policy.toml",
            "[workspace.globex.members]\n",
            "[workspace.globex.pending]\n\"gil@globex.example\" = { role = \"owner\" }\n\n\
             [workspace.globex.members]\n",
        )],
    },
    Planted {
        code: Code::StaleInvitation,
        severity: "low",
        subject: "gil@globex.example",
        place: ("policy.toml", "gil@globex.example"),
        fact: "invited to globex as member since 2026-11-06T00:00:00Z, 14 days",
        example: "atomyx",
        edits: &[(
            "policy.toml",
            "[workspace.globex.members]\n",
            "[workspace.globex.pending]\n\
             \"gil@globex.example\" = { role = \"member\", invited = 2026-11-06 }\n\
             \"gay@globex.example\" = { role = \"member\", invited = 2026-11-07 }\n\n\
             [workspace.globex.members]\n",
        )],
    },
    Planted {
        code: Code::SubscriptionEnds,
        severity: "info",
        subject: "work",
        place: ("policy.toml", "[workspace.lab.product.work]"),
        fact: "active in lab until 2026-12-20T12:00:00Z, in 30 days",
        example: "alludium",
        edits: &[(
            "policy.toml",
            "[workspace.lab.product.work]\n",
            "[workspace.lab.product.work]\nsubscription_ends = 2026-12-20T12:00:00Z\n",
        )],
    },
    Planted {
        code: Code::SuspendedAccountWithKeys,
        severity: "medium",
        subject: "svc-payments",
        place: ("policy.toml", "[account.svc-payments]"),
        fact: "suspended, and keys are live: k_acme_payments, k_acme_staging_payments",
        example: "atomyx",
        edits: &[("policy.toml", "", "[account.svc-payments]\nsuspended = true\n")],
    },
    Planted {
        code: Code::SuspendedMember,
        severity: "low",
        subject: "dora@acme.example",
        place: ("policy.toml", "[account.\"dora@acme.example\"]"),
        fact: "suspended, and still member of acme, admin of acme-eu",
        example: "atomyx",
        edits: &[("policy.toml", "", "[account.\"dora@acme.example\"]\nsuspended = true\n")],
    },
    Planted {
        code: Code::SuspendedWorkspaceWithKeys,
        severity: "medium",
        subject: "northwind",
        place: ("policy.toml", "[workspace.northwind]"),
        fact: "suspended, and keys are live: k_nw_digest, k_nw_roster, k_nw_former",
        example: "alludium",
        edits: &[(
            "policy.toml",
            "[workspace.northwind]\n",
            "[workspace.northwind]\nsuspended = true\n",
        )],
    },
    Planted {
        code: Code::WriteAsView,
        severity: "medium",
        subject: "blog-data",
        place: ("policy.toml", "view_methods ="),
        fact: "{workspace}.blog.atomicagi.example/data takes DELETE with view",
        example: "atomicagi",
        edits: &[(
            "policy.toml",
            "name = \"blog-data\"\n",
            "name = \"blog-data\"\nview_methods = [\"GET\", \"DELETE\"]\n",
        )],
    },
];

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

#[test]
fn what_is_planted_is_found_where_it_can_be_mended() {
    for planted in PLANTED {
        let Planted { code, severity, subject, place: (file, stands), fact, .. } = planted;
        let folder = copy(planted.example);
        let expected = [code.name(), subject, fact];
        let is_it = |it: &&Value| ["code", "subject", "fact"].map(|field| &it[field]) == expected;
        let before = findings(&folder);
        assert!(!before.iter().any(|it| is_it(&it)), "{code} is there before it is planted");
        for (name, from, to) in planted.edits {
            let text = read(&folder, name);
            assert!(text.contains(from), "{code}: {from}");
            let edited = if from.is_empty() { text + to } else { text.replacen(from, to, 1) };
            write(&folder, name, &edited);
        }
        let after = findings(&folder);
        let Some(found) = after.iter().find(is_it) else {
            let kind = after.iter().filter(|it| it["code"] == code.name());
            panic!("{code} is not found, but {:#?}", kind.collect::<Vec<_>>());
        };
        assert_eq!(found["severity"], severity, "{code}");
        let text = read(&folder, file);
        let line = text.lines().position(|line| line.contains(stands)).unwrap() + 1;
        let place = found["place"].as_str().unwrap();
        let is_there = place.split(':').take(2).eq([file, &line.to_string()]);
        assert!(is_there, "{code}: {place} is not line {line}");
        assert_eq!(found["remedy"], code.remedy());
    }
}

#[test]
fn every_code_is_planted_and_documented() {
    let planted: BTreeSet<_> = PLANTED.iter().map(|planted| planted.code).collect();
    assert_eq!(planted, Code::ALL.into_iter().collect());
    let readme = include_str!("../../../README.md");
    for code in Code::ALL {
        assert!(readme.contains(&format!("`{code}`")), "README does not have `{code}`");
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
