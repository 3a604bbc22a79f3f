//! Edits as commands make them: the text, the rules, the file.

mod files;
mod forms;
mod rules;
mod sequences;

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use similar::TextDiff;
use tempfile::TempDir;

use super::change::apply;
use super::*;
use crate::config::{self, Config};
use crate::policy::Level;

fn set_role(account: &str, role: &str) -> Change {
    Change::SetRole { account: account.into(), role: role.into() }
}

fn invite(account: &str, role: &str) -> Change {
    let (account, role) = (account.into(), role.into());
    Change::Invite { account, role, invited: "2026-11-21".into() }
}

fn accept(account: &str) -> Change {
    Change::Accept { account: account.into() }
}

fn remove(account: &str) -> Change {
    Change::Remove { account: account.into() }
}

fn grant(to: &str, gives: Given) -> Change {
    Change::Grant(NewGrant { to: to.into(), gives })
}

fn areas(row: &str) -> Given {
    Given::Areas(vec![(row.into(), Level::View)])
}

fn revoke(index: usize) -> Change {
    Change::Revoke(vec![(index, NewGrant { to: String::new(), gives: areas("") })])
}

const POLICY: &str = r#"# who may do what
version = 1
areas = ["members", "ownership"]

[role.owner]
bypass = true
[role.admin]
areas = { members = "full" } # but not ownership
products = "view"
[role.member]

[product.vault]
permissions = ["reports"]

# --- one ---
[workspace.one]
environment = "production"
seats = 6

[workspace.one.members]
# the founders
"ann@x" = "owner"
"ben@x" = "owner" # on leave
cid = "admin"
dan = "member"

[workspace.one.groups]
# analysts
team = ["dan"]

[workspace.one.product.vault]
subscription = "active"

# the team reads
[[workspace.one.grant]]
to = "group:team"
product = "vault"
level = "view"

# --- two ---
[workspace.two]
environment = "staging"
members = { "ann@x" = "owner", cid = "admin" }
pending = { eve = { role = "member", invited = 2026-11-01 } }
product.vault.subscription = "active"
grant = [{ to = "account:cid", product = "vault", level = "full" }]

# the end
"#;

/// A folder with settings and this policy.
fn place(policy: &str) -> (TempDir, Config) {
    let folder = tempfile::tempdir().unwrap();
    let settings = folder.path().join("sidegate.toml");
    let text = "policy = \"policy.toml\"\n[upstream.u]\nurls = [\"http://127.0.0.1:9000\"]\n";
    fs::write(&settings, text).unwrap();
    fs::write(folder.path().join("policy.toml"), policy).unwrap();
    (folder, config::read(&settings).unwrap())
}

fn wish<'a>(workspace: &'a str, change: Change, by: Option<&'a str>) -> Wish<'a> {
    Wish { workspace, change, by, write: true }
}

fn refusal(config: &Config, wish: &Wish<'_>) -> String {
    match Amendment::prepare(config, wish) {
        Ok(amendment) => format!("done: {}", amendment.after()),
        Err(Obstacle::Broke(lines)) => format!("broke: {lines}"),
        Err(Obstacle::Invalid(lines)) => format!("invalid: {lines}"),
        Err(Obstacle::No(lines)) => format!("no: {lines}"),
    }
}
