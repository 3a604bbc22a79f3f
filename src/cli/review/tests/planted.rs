//! One thing to be found at a time, in examples that do not have it.

use std::collections::BTreeSet;

use super::*;
use crate::cli::review::code::Code;

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
    let readme = include_str!("../../../../README.md");
    for code in Code::ALL {
        assert!(readme.contains(&format!("`{code}`")), "README does not have `{code}`");
    }
}
