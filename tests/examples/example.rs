//! A copy of an example's folder whose keys the tests have.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use sidegate::config::{self, Config, Report};
use sidegate::keystore::Permissions;
use sidegate::policy::Snapshot;
use sidegate::policy::key::KeyDigest;

use crate::cases::Cases;

/// Every example.
pub(crate) const NAMES: [&str; 3] = ["alludium", "atomicagi", "atomyx"];

/// An example, its files as text, and a folder to load it from.
pub(crate) struct Example {
    pub(crate) name: &'static str,
    pub(crate) policy: String,
    pub(crate) cases: Cases,
    /// Ids of the key records.
    pub(crate) keys: Vec<String>,
    records: Vec<serde_json::Value>,
    config: Config,
    folder: tempfile::TempDir,
}

/// Where the example stands.
pub(crate) fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("config/examples").join(name)
}

/// The text of the key of that record.
pub(crate) fn key_of_record(id: &str) -> String {
    format!("test-{id}")
}

/// The text of a key of that account that nothing bounds.
pub(crate) fn key_of_account(account: &str, workspace: &str) -> String {
    format!("test-{workspace}-{account}")
}

impl Example {
    pub(crate) fn open(name: &'static str) -> Self {
        let read = |file| fs::read_to_string(folder(name).join(file)).unwrap();
        let copy = tempfile::tempdir().unwrap();
        let settings = copy.path().join("sidegate.toml");
        fs::write(&settings, read("sidegate.toml")).unwrap();
        let mut records: Vec<serde_json::Value> =
            read("keys.jsonl").lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let mut keys = Vec::new();
        for record in &mut records {
            let id = record["id"].as_str().unwrap().to_owned();
            record["hash"] = KeyDigest::blake3(&key_of_record(&id)).to_string().into();
            keys.push(id);
        }
        Self {
            name,
            policy: read("policy.toml"),
            cases: Cases::parse(&read("tests.toml")),
            keys,
            records,
            config: config::read(&settings).unwrap(),
            folder: copy,
        }
    }

    pub(crate) fn all() -> impl Iterator<Item = Self> {
        NAMES.into_iter().map(Self::open)
    }

    /// The policy as it is, with a key for every account that the cases speak of.
    pub(crate) fn snapshot(&self) -> Snapshot {
        self.load(&self.policy, &self.cases.accounts()).unwrap()
    }

    /// Another policy in the place of this one, with a key for each of `accounts`: account and
    /// workspace. A workspace that is gone has no keys.
    pub(crate) fn load(
        &self,
        policy: &str,
        accounts: &BTreeSet<(String, String)>,
    ) -> Result<Snapshot, Report> {
        let keys = self.folder.path().join("keys.jsonl");
        let table: Option<toml::Table> = toml::from_str(policy).ok();
        let mut lines: String = self.records.iter().map(|record| format!("{record}\n")).collect();
        for (number, (account, workspace)) in accounts.iter().enumerate() {
            let described = table.as_ref().and_then(|t| t.get("workspace")?.get(workspace));
            let Some(described) = described else { continue };
            let record = serde_json::json!({
                "id": format!("k_test_{number}"),
                "hash": KeyDigest::blake3(&key_of_account(account, workspace)).to_string(),
                "workspace": workspace,
                "account": account,
                "environment": described["environment"].as_str().unwrap(),
                "label": null,
                "created": "2026-01-01T00:00:00Z",
                "not_before": null,
                "expires": null,
                "revoked": null,
                "ceiling": null,
            });
            lines.push_str(&format!("{record}\n"));
        }
        fs::write(&keys, lines).unwrap();
        fs::set_permissions(&keys, fs::Permissions::from_mode(0o600)).unwrap();
        fs::write(self.folder.path().join("policy.toml"), policy).unwrap();
        config::load(&self.config, Permissions::Private).map(|loaded| loaded.snapshot)
    }

    /// The policy as a table.
    pub(crate) fn table(&self) -> toml::Table {
        toml::from_str(&self.policy).unwrap()
    }
}
