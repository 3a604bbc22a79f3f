mod create;
mod files;
mod hash;
mod import;
mod list;
mod prune;
mod revoke;
mod rotate;
mod sequence;
mod shapes;

mod verify;

use std::collections::BTreeSet;
use std::fs::{self, Permissions as Mode};
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;

use clap::{Command, FromArgMatches as _};
use serde_json::Value;
use tempfile::TempDir;

use super::*;
use crate::cli::plane::tests::{looked, serve};
use crate::keystore::ApiKey;
use crate::policy::key::{KeyDigest, is_well_formed, redacted};

/// 2026-11-20T10:00:00Z
const NOW: UnixSeconds = UnixSeconds(1_795_168_800);

const POLICY: &str = r#"
version = 1
areas = ["general", "members"]
[role.owner]
bypass = true
[role.member]
[product.vault]
permissions = ["reports"]
[account.svc-reporting]
suspended = false
[workspace.acme-prod]
environment = "production"
suspended = false
[workspace.acme-prod.members]
"alice@acme.example" = "owner"
"bob@acme.example" = "owner"
svc-reporting = "member"
[workspace.acme-prod.product.vault]
subscription = "active"
[workspace.acme-dev]
environment = "staging"
[workspace.acme-dev.members]
"alice@acme.example" = "owner"
"bob@acme.example" = "owner"
[[route]]
prefix = "/vault"
workspace = "acme-prod"
product = "vault"
upstream = "vault"
"#;

/// A folder with settings and a policy, and no key yet.
struct Place(TempDir);

#[derive(Debug)]
struct Done {
    code: u8,
    out: String,
    err: String,
}

impl Place {
    fn new(settings: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let settings = format!(
            "policy = \"policy.toml\"\nkeys = \"keys.jsonl\"\n{settings}\n\
             [upstream.vault]\nurls = [\"http://127.0.0.1:9000\"]\n"
        );
        fs::write(folder.path().join("sidegate.toml"), settings).unwrap();
        fs::write(folder.path().join("policy.toml"), POLICY).unwrap();
        fs::write(folder.path().join("pepper.bin"), [7; 32]).unwrap();
        for file in ["policy.toml", "pepper.bin"] {
            fs::set_permissions(folder.path().join(file), Mode::from_mode(0o600)).unwrap();
        }
        Self(folder)
    }

    fn keys(&self) -> PathBuf {
        self.0.path().join("keys.jsonl")
    }

    fn run(&self, line: &str) -> Done {
        self.run_with(line, b"", NOW)
    }

    fn run_with(&self, line: &str, mut input: &[u8], now: UnixSeconds) -> Done {
        let config = self.0.path().join("sidegate.toml");
        let words = line.split(' ').map(str::to_owned);
        let words = ["key".to_owned()].into_iter().chain(words);
        let words = words.chain(["--config".to_owned(), config.to_str().unwrap().to_owned()]);
        // Nobody else's sidegate is asked.
        let waits = ["create", "import", "prune", "revoke", "rotate"]
            .iter()
            .any(|command| line.starts_with(command))
            && !self.has_admin();
        let words = words.chain(waits.then(|| "--no-wait".to_owned()));
        let command = KeyArgs::augment_args(Command::new("key"));
        let args = match command.try_get_matches_from(words) {
            Ok(matches) => KeyArgs::from_arg_matches(&matches).unwrap(),
            Err(error) => {
                let code = u8::try_from(error.exit_code()).unwrap();
                return Done { code, out: String::new(), err: error.to_string() };
            }
        };
        let (mut out, mut err) = (Vec::new(), Vec::new());
        let mut terminal =
            Terminal { input: &mut input, out: &mut out, err: &mut err, watched: false };
        let code = match execute(&args, &mut terminal, now) {
            Ok(exit) => exit as u8,
            Err(failure) => {
                write!(terminal.err, "{failure}").unwrap();
                failure.exit() as u8
            }
        };
        let text = |bytes| String::from_utf8(bytes).unwrap();
        Done { code, out: text(out), err: text(err) }
    }

    /// Whether the settings say whom to ask.
    fn has_admin(&self) -> bool {
        fs::read_to_string(self.0.path().join("sidegate.toml")).unwrap().contains("admin.address")
    }

    /// Makes a key, and returns its text and id.
    fn create(&self, more: &str) -> (String, String) {
        let line =
            format!("create --workspace acme-prod --account svc-reporting --output json{more}");
        let done = self.run(&line);
        assert_eq!(done.code, 0, "{done:?}");
        let json: Value = serde_json::from_str(&done.out).unwrap();
        let text = |field: &str| json[field].as_str().unwrap().to_owned();
        (text("key"), text("id"))
    }

    /// The records, as they stand in the file.
    fn records(&self) -> Vec<Value> {
        let file = fs::read_to_string(self.keys()).unwrap();
        let lines = file.lines().filter(|line| !line.is_empty());
        lines.map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    fn edit_policy(&self, from: &str, to: &str) {
        let path = self.0.path().join("policy.toml");
        let policy = fs::read_to_string(&path).unwrap();
        assert!(policy.contains(from), "{from}");
        fs::write(path, policy.replace(from, to)).unwrap();
    }

    /// Gives the service something to reach.
    fn grant(&self) {
        self.edit_policy(
            "[workspace.acme-dev]",
            "[[workspace.acme-prod.grant]]\nto = \"account:svc-reporting\"\nproduct = \"vault\"\n\
             permissions = { reports = \"full\" }\n[[workspace.acme-prod.grant]]\n\
             to = \"account:svc-reporting\"\nareas = { members = \"view\" }\n[workspace.acme-dev]",
        );
    }

    /// What a command said, with ids and keys that are the same every time: those of the file are
    /// numbered in its order.
    fn shown(&self, done: &Done) -> String {
        let file = fs::read_to_string(self.keys()).unwrap_or_default();
        let mut text = format!("exit {}\n{}--\n{}", done.code, done.out, done.err);
        for (number, line) in file.lines().filter(|line| !line.is_empty()).enumerate() {
            let record: Value = serde_json::from_str(line).unwrap();
            let id = record["id"].as_str().unwrap();
            text = text.replace(id, &format!("k_{:010}", number + 1));
        }
        let folder = self.0.path().to_str().unwrap();
        redacted(&text).replace(folder, "FOLDER")
    }
}
