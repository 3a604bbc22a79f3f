//! What every role may do on every route, as a file to review.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use sidegate::policy::{Decision, Query, Snapshot, Upgrade};

use crate::coverage::is_grantee;
use crate::example::{Example, key_of_account};

/// An example and the workspace that its matrix is of.
const WORKSPACES: [(&str, &str); 3] =
    [("alludium", "northwind"), ("atomicagi", "acme"), ("atomyx", "acme")];

const METHODS: [&str; 2] = ["GET", "POST"];

/// A column: its heading, and an account that has nothing else.
struct Probe {
    heading: String,
    account: Option<String>,
}

/// A line: a route and a target of it.
struct Asked {
    route: String,
    template: String,
    host: String,
    path: String,
    has_product: bool,
}

/// The policy with an account for each role of the workspace and each role of a product.
fn with_probes(example: &Example, workspace: &str) -> (String, Vec<Probe>, Vec<Probe>) {
    let table = example.table();
    let mut roles = vec![Probe { heading: "no key".to_owned(), account: None }];
    let mut members = format!("[workspace.{workspace}.members]\n");
    for role in table["role"].as_table().unwrap().keys() {
        writeln!(members, "probe-{role} = \"{role}\"").unwrap();
        roles.push(Probe { heading: role.clone(), account: Some(format!("probe-{role}")) });
    }
    let mut product_roles = Vec::new();
    let mut grants = String::new();
    for (product, described) in table["product"].as_table().unwrap() {
        for role in described.get("role").iter().flat_map(|roles| roles.as_table().unwrap().keys())
        {
            let account = format!("probe-{product}-{role}");
            writeln!(members, "{account} = \"member\"").unwrap();
            writeln!(
                grants,
                "[[workspace.{workspace}.grant]]\nto = \"account:{account}\"\nproduct = \"{product}\"\nrole = \"{role}\""
            )
            .unwrap();
            product_roles
                .push(Probe { heading: format!("{product} {role}"), account: Some(account) });
        }
    }
    let without_seats: Vec<_> =
        example.policy.lines().filter(|line| !line.starts_with("seats =")).collect();
    let header = format!("[workspace.{workspace}.members]");
    let policy = without_seats.join("\n");
    let rest = policy.split_once(&header).unwrap();
    let policy = format!("{}{members}#{}\n{grants}", rest.0, rest.1);
    (policy, roles, product_roles)
}

/// Members who have more than their role gives.
fn with_grants(example: &Example, workspace: &str) -> Vec<Probe> {
    let described = &example.table()["workspace"][workspace];
    let grants = described["grant"].as_array().unwrap();
    let members = described["members"].as_table().unwrap().keys();
    members
        .filter(|account| grants.iter().any(|grant| is_grantee(described, grant, account)))
        .map(|account| Probe {
            heading: account.split('@').next().unwrap().to_owned(),
            account: Some(account.clone()),
        })
        .collect()
}

/// Each route's targets; where it captures an account, an owner's and a member's.
fn asked(example: &Example, workspace: &str) -> Vec<Asked> {
    let fallback = format!("{}.example", example.name);
    let mut asked = Vec::new();
    for route in example.table()["route"].as_array().unwrap() {
        let text = |field: &str| route.get(field).map(|value| value.as_str().unwrap().to_owned());
        let prefix = text("prefix").unwrap();
        let template = format!("{}{prefix}", text("host").unwrap_or_default());
        let fill = |pattern: &str| pattern.replace("{workspace}", workspace).replace('*', "any");
        let accounts: &[&str] =
            if prefix.contains("{account}") { &["probe-member", "probe-owner"] } else { &[""] };
        for account in accounts {
            let name = text("name").unwrap();
            asked.push(Asked {
                route: if account.is_empty() { name } else { format!("{name} of {account}") },
                template: template.clone(),
                host: fill(&text("host").unwrap_or_else(|| fallback.clone())),
                path: fill(&prefix).replace("{account}", account),
                has_product: route.get("product").is_some(),
            });
        }
    }
    asked
}

fn answer(snapshot: &Snapshot, query: &Query<'_>, example: &Example) -> String {
    match snapshot.decide(query, example.cases.at()) {
        Decision::Allow(permit) => match snapshot.describe(&permit.facts()).level {
            Some(level) => format!("✔ {level}"),
            None => "✔ public".to_owned(),
        },
        Decision::Deny(denial) => format!("✘ {}", denial.reason),
    }
}

/// A line for each route and method, a column for each probe.
fn matrix(
    example: &Example,
    snapshot: &Snapshot,
    workspace: &str,
    probes: &[Probe],
    asked: &[&Asked],
) -> String {
    let mut lines = vec![vec!["route".to_owned(), "method".to_owned()]];
    lines[0].extend(probes.iter().map(|probe| probe.heading.clone()));
    lines[0].push("template".to_owned());
    for Asked { route, template, host, path, .. } in asked {
        for method in METHODS {
            let mut line = vec![route.clone(), method.to_owned()];
            for probe in probes {
                let key = probe.account.as_ref().map(|account| key_of_account(account, workspace));
                let credential = key.as_deref();
                let query = Query {
                    method,
                    host,
                    target: path,
                    credential,
                    upgrade: Upgrade::None,
                    preflight: false,
                };
                line.push(answer(snapshot, &query, example));
            }
            line.push(template.clone());
            lines.push(line);
        }
    }
    let widths: Vec<_> = (0..lines[0].len())
        .map(|column| lines.iter().map(|line| line[column].chars().count()).max().unwrap())
        .collect();
    let mut text = String::new();
    for line in lines {
        let cells = line.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}"));
        writeln!(text, "{}", cells.collect::<Vec<_>>().join("  ").trim_end()).unwrap();
    }
    text
}

#[test]
fn what_every_role_may_do_is_reviewed() {
    for (name, workspace) in WORKSPACES {
        let example = Example::open(name);
        let (policy, roles, product_roles) = with_probes(&example, workspace);
        let members = with_grants(&example, workspace);
        let accounts: BTreeSet<_> = [&roles, &product_roles, &members]
            .into_iter()
            .flatten()
            .filter_map(|probe| Some((probe.account.clone()?, workspace.to_owned())))
            .collect();
        let snapshot = example.load(&policy, &accounts).unwrap();
        let asked = asked(&example, workspace);
        let every: Vec<_> = asked.iter().collect();
        let of_products: Vec<_> = asked.iter().filter(|asked| asked.has_product).collect();
        let mut text = format!("roles of workspace `{workspace}`, without any grant\n\n");
        text += &matrix(&example, &snapshot, workspace, &roles, &every);
        if !product_roles.is_empty() {
            text += "\nroles of products, of a member without anything else\n\n";
            text += &matrix(&example, &snapshot, workspace, &product_roles, &of_products);
        }
        text += "\nmembers with grants\n\n";
        text += &matrix(&example, &snapshot, workspace, &members, &every);
        insta::assert_snapshot!(name, text);
    }
}
