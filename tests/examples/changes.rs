//! What the pages say of changes: a policy before and after.

use std::collections::BTreeSet;

use sidegate::policy::{Decision, Query, Snapshot, Upgrade};

use crate::example::{Example, key_of_account};

/// The policy with `from` in the place of `to`, which stands there once.
fn changed(example: &Example, from: &str, to: &str) -> String {
    assert_eq!(example.policy.matches(from).count(), 1, "{from}");
    example.policy.replacen(from, to, 1)
}

/// What the policy is refused for, without the place.
fn refusal(example: &Example, policy: &str) -> Vec<String> {
    let report = example.load(policy, &BTreeSet::new()).expect_err("it is refused");
    let lines = report.lines().into_iter().filter(|line| !line.contains(": warning: "));
    lines.map(|line| line.splitn(4, ':').last().unwrap().trim().to_owned()).collect()
}

fn ask(
    example: &Example,
    snapshot: &Snapshot,
    who: (&str, &str),
    method: &str,
    url: &str,
) -> String {
    let key = key_of_account(who.0, who.1);
    let (host, target) = url.split_at(url.find('/').unwrap());
    let query = Query {
        method,
        host,
        target,
        credential: Some(&key),
        upgrade: Upgrade::None,
        preflight: false,
    };
    match snapshot.decide(&query, example.cases.at()) {
        Decision::Allow(permit) => {
            let level = snapshot.describe(&permit.facts()).level.unwrap();
            format!("{level} {}", permit.rewritten_target().unwrap_or(target))
        }
        Decision::Deny(denial) => denial.reason.code().to_owned(),
    }
}

/// Alludium, Owner: every workspace must have at least one.
#[test]
fn a_workspace_never_loses_its_last_owner() {
    let example = Example::open("alludium");
    let members = "[workspace.northwind.members]\n";
    assert!(example.policy.contains(members));
    let ola = example.policy.lines().find(|line| line.starts_with("\"ola@northwind")).unwrap();
    let owen = "\"owen@northwind.example\" = \"owner\"\n";
    let one_left = changed(&example, owen, "");
    let snapshot = example.load(&one_left, &BTreeSet::new()).unwrap();
    let warnings: Vec<_> = snapshot.warnings().iter().map(|problem| problem.to_string()).collect();
    let expected = "workspace `northwind` has one owner — a second one keeps it reachable when the first is away [SG010]";
    assert!(warnings.iter().any(|warning| warning == expected), "{warnings:?}");

    let expected = ["workspace `northwind` has no owner — give a member the role `owner`"];
    let removed = one_left.replacen(&format!("{ola}\n"), "", 1);
    assert_eq!(refusal(&example, &removed), expected);
    let demoted = one_left.replacen(ola, &ola.replace("\"owner\"", "\"admin\""), 1);
    assert_eq!(refusal(&example, &demoted), expected);
}

/// Alludium, Changing Member Roles: changes take effect immediately.
#[test]
fn a_changed_role_acts_with_the_policy_that_says_it() {
    let example = Example::open("alludium");
    let mel = ("mel@northwind.example", "northwind");
    let accounts = example.cases.accounts();
    let line = "\"mel@northwind.example\" = \"member\"";
    let promoted = changed(&example, line, "\"mel@northwind.example\" = \"admin\"");
    let gone = changed(&example, &format!("{line}\n"), "");
    let [before, after, without] =
        [&example.policy, &promoted, &gone].map(|policy| example.load(policy, &accounts).unwrap());
    let rows = [
        ("POST", "a.example/w/northwind/agents", "no_access", "full /w/northwind/agents"),
        ("PUT", "a.example/w/northwind/settings", "view_only", "full /w/northwind/settings"),
        ("GET", "a.example/w/northwind/settings/billing", "no_access", "no_access"),
    ];
    for (method, url, member, admin) in rows {
        assert_eq!(ask(&example, &before, mel, method, url), member, "{method} {url}");
        assert_eq!(ask(&example, &after, mel, method, url), admin, "{method} {url}");
        assert_eq!(ask(&example, &without, mel, method, url), "not_a_member", "{method} {url}");
    }
}

/// AtomicAGI, Keep in mind: seats block a new member until there are more.
#[test]
fn a_member_without_a_seat_is_refused() {
    let example = Example::open("atomicagi");
    let header = "[workspace.acme.members]";
    let one_more =
        changed(&example, header, &format!("{header}\n\"new@acme.example\" = \"member\"\n#"));
    let expected =
        ["workspace `acme` has 11 members on 10 seats — raise `seats` or remove members"];
    assert_eq!(refusal(&example, &one_more), expected);
    let increased = one_more.replacen("seats = 10", "seats = 11", 1);
    example.load(&increased, &BTreeSet::new()).unwrap();
}

/// AtomicAGI, Keep in mind: Admin bypasses granular restrictions.
#[test]
fn an_admin_bypasses_the_rows_that_bound_a_member() {
    let example = Example::open("atomicagi");
    let accounts = example.cases.accounts();
    let otto = ("otto@acme.example", "acme");
    let line = "\"otto@acme.example\" = \"member\"";
    let admin = changed(&example, line, "\"otto@acme.example\" = \"admin\"");
    let [member, admin] =
        [&example.policy, &admin].map(|policy| example.load(policy, &accounts).unwrap());
    let rows = [
        ("acme.atomicagi.example/settings/organization/billing", "no_access"),
        ("acme.atomicagi.example/settings/organization/general", "view_only"),
        ("acme.shop.atomicagi.example/settings/project/publishing", "no_access"),
    ];
    for (url, as_member) in rows {
        assert_eq!(ask(&example, &member, otto, "POST", url), as_member, "{url}");
        let path = &url[url.find('/').unwrap()..];
        assert_eq!(ask(&example, &admin, otto, "POST", url), format!("full {path}"), "{url}");
    }
}

/// Atomyx: a customer's own domain names the workspace, and its prefix stays here.
#[test]
fn a_prefix_is_taken_off_before_forwarding() {
    let example = Example::open("atomyx");
    let snapshot = example.snapshot();
    let max = ("max@acme.example", "acme");
    let rows = [
        ("pay.acme.example/checkout", "full /"),
        ("pay.acme.example/checkout/17?state=open", "full /17?state=open"),
    ];
    for (url, expected) in rows {
        assert_eq!(ask(&example, &snapshot, max, "POST", url), expected, "{url}");
    }
}
