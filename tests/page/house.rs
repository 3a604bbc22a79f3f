//! A process with a policy to look at, its keys, and requests that it refuses.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use serde_json::{Value, json};
use sidegate::clock;
use sidegate::keystore::Timestamp;
use sidegate::policy::UnixSeconds;
use sidegate::policy::key::KeyDigest;
use tempfile::TempDir;

use crate::harness::{Answer, Gate, ask, until};

const POLICY: &str = include_str!("policy.toml");
/// What nobody may see on a page, whatever it is that runs it.
pub(crate) const HOSTILE: &str =
    "<script>window.owned = 1</script><img src=x onerror=window.owned=1>";

pub(crate) struct House {
    pub(crate) gate: Gate, // Before the folder: that goes when the process has.
    pub(crate) folder: TempDir,
}

impl House {
    /// With more lines for the top of `sidegate.toml`.
    pub(crate) fn new(lines: &str) -> Self {
        Self::of(POLICY, lines)
    }

    pub(crate) fn of(policy: &str, lines: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("policy.toml"), policy).unwrap();
        let token = folder.path().join("admin.token");
        fs::write(&token, format!("{TOKEN}\n")).unwrap();
        fs::set_permissions(&token, fs::Permissions::from_mode(0o600)).unwrap();
        let lines = format!("workers = 2\ntimeouts.linger = \"100ms\"\n{lines}\n");
        let gate = Gate::start_with(folder.path(), 9, &keys(), &lines);
        Self { gate, folder }
    }

    /// Where the page is.
    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}/", self.gate.admin)
    }

    pub(crate) fn look(&self, target: &str, headers: &str) -> Answer {
        ask(self.gate.admin, "GET", target, headers).unwrap()
    }

    pub(crate) fn json(&self, target: &str) -> Value {
        let answer = self.look(target, "");
        assert_eq!(answer.status, 200, "{target}: {}", answer.body);
        serde_json::from_str(&answer.body).unwrap()
    }

    /// What becomes of a request with the key of that id.
    pub(crate) fn request(&self, method: &str, target: &str, key: &str) -> u16 {
        let headers = match key {
            "" => String::new(),
            key => format!("Authorization: Bearer key-{key}\r\n"),
        };
        // The harness says `localhost`; the target names the host that routes are of.
        ask(self.gate.port, method, target, &headers).unwrap().status
    }

    /// Changes the policy and waits until that is in force.
    pub(crate) fn change(&self, from: &str, to: &str) {
        let before = self.json("/api/overview")["generation"]["number"].clone();
        let path = self.path().join("policy.toml");
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.contains(from), "{from}");
        fs::write(self.path().join("new.toml"), text.replacen(from, to, 1)).unwrap();
        fs::rename(self.path().join("new.toml"), &path).unwrap();
        until("a new generation", || self.json("/api/overview")["generation"]["number"] != before);
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }
}

pub(crate) const TOKEN: &str = "0123456789abcdef0123456789abcdef";

fn keys() -> Vec<Value> {
    const DAY: i64 = 86_400;
    let UnixSeconds(now) = clock::now();
    let at = |days: i64| Timestamp::new(UnixSeconds(now + days * DAY + 3_600)).unwrap().to_string();
    let key = |id: &str, workspace: &str, account: &str, label: &str| {
        json!({
            "id": format!("k_{id}"), "hash": KeyDigest::sha256(&format!("key-{id}")).to_string(),
            "workspace": workspace, "account": account, "environment": "production",
            "label": label, "created": "2026-01-01T00:00:00Z", "not_before": null, "expires": null,
            "revoked": null, "ceiling": null,
        })
    };
    let with = |mut key: Value, field: &str, value: Value| {
        key[field] = value;
        key
    };
    vec![
        key("alice", "acme", "alice@acme.example", "alice's laptop"),
        with(key("report", "acme", "svc-reporting", "nightly export"), "expires", at(5).into()),
        with(key("deploy", "acme", "svc-deploy", "deploys"), "expires", at(21).into()),
        with(key("erin", "acme", "erin@acme.example", "a review"), "expires", at(200).into()),
        with(key("old", "acme", "svc-reporting", "last year's export"), "expires", at(-40).into()),
        with(
            key("lost", "acme", "carol@acme.example", "lost on a train"),
            "revoked",
            at(-2).into(),
        ),
        with(key("next", "acme", "svc-deploy", "from next week on"), "not_before", at(7).into()),
        key("mallory", "acme", "mallory@acme.example", HOSTILE),
        with(
            key("sync", "globex", "globex-sync", "sync"),
            "ceiling",
            json!({ "level": "view", "products": ["vault"] }),
        ),
    ]
}
