//! Nothing in a policy is without a case, and nothing of the pages.

use std::collections::BTreeSet;

use sidegate::policy::DenyReason;

use crate::cases::{Answer, Case};
use crate::example::{Example, folder};

/// Headings that say who may do what; the others are advice to people.
const HEADINGS: [(&str, &[&str]); 3] = [
    (
        "alludium",
        &[
            "Admin",
            "Changing Member Roles",
            "Member",
            "Owner",
            "Role Assignment Best Practices",
            "Roles and Permissions",
            "Shared Agent Permissions",
        ],
    ),
    (
        "atomicagi",
        &[
            "Before you use this page",
            "How to invite correctly",
            "Keep in mind",
            "Permission scopes explained",
            "Practical permission patterns",
            "Project feature permissions",
            "Project settings permissions",
            "Questions this page should answer",
            "Quick weekly checklist",
            "What you can edit",
            "Workspace-level permissions",
        ],
    ),
    (
        "atomyx",
        &[
            "Roles and Access / Group-based access",
            "Roles and Access / Practical advice",
            "Roles and Access / Product-level access",
            "Roles and Access / The access model",
            "Roles and Access / Why this matters",
            "Roles and Access / Workspace-level access",
            "Security, Access and Governance / API security",
            "Security, Access and Governance / Account security",
            "Security, Access and Governance / Controlled integration setup",
            "Security, Access and Governance / Environment separation",
            "Security, Access and Governance / Group-based access",
            "Security, Access and Governance / Identity and authentication",
            "Security, Access and Governance / Layered access control",
            "Security, Access and Governance / Least privilege",
            "Security, Access and Governance / Product-level roles",
            "Security, Access and Governance / Regular access review",
            "Security, Access and Governance / Traceable ownership",
            "Security, Access and Governance / Workspace isolation",
            "Security, Access and Governance / Workspace roles",
            "Workspaces / One user, many workspaces",
            "Workspaces / What a workspace represents",
            "Workspaces / Why workspaces matter",
        ],
    ),
];

#[test]
fn every_heading_has_a_case_and_every_case_a_heading() {
    for (name, headings) in HEADINGS {
        let example = Example::open(name);
        let named: BTreeSet<_> = example.cases.list.iter().map(|case| case.from.as_str()).collect();
        assert_eq!(named, headings.iter().copied().collect(), "{name}");
    }
}

#[test]
fn every_reason_that_a_case_can_ask_for_occurs() {
    let examples: Vec<_> = Example::all().collect();
    let occur: BTreeSet<_> = examples
        .iter()
        .flat_map(|example| example.cases.ask(&example.snapshot()))
        .filter_map(|answer| answer.denied)
        .collect();
    let expected: BTreeSet<_> =
        DenyReason::ALL.into_iter().filter(|reason| reason.is_of_policy()).collect();
    assert_eq!(occur, expected);
}

/// A case that came as far as its level: what was judged is what the roles and grants gave.
fn was_weighed(answer: &Answer<'_>) -> bool {
    answer.level.is_some()
}

#[test]
fn every_route_role_grant_and_key_has_a_case() {
    for example in Example::all() {
        let missing = without_case(&example);
        assert!(missing.is_empty(), "{}: no case for\n{}", example.name, missing.join("\n"));
    }
}

fn without_case(example: &Example) -> Vec<String> {
    let snapshot = example.snapshot();
    let policy = example.table();
    let answers = example.cases.ask(&snapshot);
    let mut missing = Vec::new();

    let allowed = |route: &str| {
        answers.iter().any(|a| a.denied.is_none() && a.route.as_deref() == Some(route))
    };
    let denied = |route: &str| {
        answers.iter().any(|a| a.denied.is_some() && a.route.as_deref() == Some(route))
    };
    for route in snapshot.routes() {
        if !allowed(route.name()) || !denied(route.name()) {
            missing.push(format!("route {} allowed and denied", route.name()));
        }
    }

    let weighed: BTreeSet<_> = answers.iter().filter(|a| was_weighed(a)).filter_map(who).collect();
    let roles: BTreeSet<_> = weighed
        .iter()
        .filter_map(|(account, workspace)| snapshot.workspace(workspace)?.role_of(account))
        .collect();
    let declared = policy["role"].as_table().unwrap().keys();
    missing.extend(declared.filter(|r| !roles.contains(r.as_str())).map(|r| format!("role {r}")));

    let used: BTreeSet<_> = example.cases.list.iter().filter_map(|c| c.key.as_deref()).collect();
    let keys = example.keys.iter().filter(|key| !used.contains(key.as_str()));
    missing.extend(keys.map(|key| format!("key {key}")));

    for (workspace, described) in policy["workspace"].as_table().unwrap() {
        let grants = described.get("grant").and_then(toml::Value::as_array);
        for grant in grants.into_iter().flatten() {
            let given = |answer: &Answer<'_>| {
                answer.denied.is_none()
                    && who(answer).is_some_and(|(account, of)| {
                        of == workspace && is_grantee(described, grant, account)
                    })
                    && is_on_route(&policy, grant, answer.route.as_deref())
            };
            if !answers.iter().any(given) {
                missing.push(format!("grant of {workspace}: {grant}"));
            }
        }
    }
    missing
}

/// Account and workspace of a case without a key record.
fn who<'a>(answer: &Answer<'a>) -> Option<(&'a str, &'a str)> {
    let Case { account, workspace, .. } = answer.case;
    account.as_deref().zip(workspace.as_deref())
}

/// Whether the grant of that workspace is the account's, by itself or by a group.
pub(crate) fn is_grantee(workspace: &toml::Value, grant: &toml::Value, account: &str) -> bool {
    match grant["to"].as_str().unwrap().split_once(':').unwrap() {
        ("account", name) => name == account,
        (_, group) => {
            let members = workspace["groups"][group].as_array().unwrap();
            members.iter().any(|member| member.as_str() == Some(account))
        }
    }
}

fn is_on_route(policy: &toml::Table, grant: &toml::Value, route: Option<&str>) -> bool {
    let routes = policy["route"].as_array().unwrap();
    let Some(route) = routes.iter().find(|r| r["name"].as_str() == route) else { return false };
    match grant.get("areas") {
        Some(areas) => {
            route.get("area").and_then(|area| areas.get(area.as_str().unwrap())).is_some()
        }
        None => route.get("product") == grant.get("product"),
    }
}

#[test]
fn the_command_finds_nothing_wrong_with_the_files_as_they_are() {
    for example in Example::all() {
        let settings = folder(example.name).join("sidegate.toml");
        let outcome = std::process::Command::new(env!("CARGO_BIN_EXE_sidegate"))
            .args(["check", "--insecure-permissions", "--config"])
            .arg(&settings)
            .output()
            .unwrap();
        let told = String::from_utf8(outcome.stderr).unwrap();
        assert_eq!(outcome.status.code(), Some(0), "{told}");
        // What is wanted: the file's mode, which git does not keep, and a key of a former member.
        let unexpected: Vec<_> = told
            .lines()
            .filter(|line| !line.contains("lets group or others read"))
            .filter(|line| !line.contains("is not a member of workspace"))
            .collect();
        assert!(unexpected.is_empty(), "{}", unexpected.join("\n"));
    }
}
