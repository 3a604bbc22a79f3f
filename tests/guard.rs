//! What `[reload]` holds back, what lets it in, and what is served where the files are bad at the
//! start: the whole program, over real files.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test that cannot go on should stop"
)]

#[expect(dead_code, reason = "other tests use the rest of it")]
mod harness;

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::Duration;

use serde_json::Value;
use sidegate::clock;
use tempfile::TempDir;

use harness::{Gate, Running, ask, record, until};

/// Nobody listens there: who may pass gets 502.
const UPSTREAM: u16 = 9;
const PASSED: u16 = 502;
const ROUNDS: u32 = 40;

const POLICY: &str = r#"
version = 1
[role.owner]
bypass = true
[role.member]
[product.app]
permissions = []
[workspace.main]
environment = "production"
[workspace.main.members]
olga = "owner"
otto = "owner"
reader = "member"
[workspace.main.product.app]
subscription = "active"
[[workspace.main.grant]]
to = "account:reader"
product = "app"
level = "view"
[[route]]
name = "app"
prefix = "/app"
workspace = "main"
product = "app"
upstream = "app"
"#;

/// Ten keys: k_0 to k_7 of the reader, k_8 and k_9 of an owner.
fn keys() -> Vec<Value> {
    let account = |number| if number < 8 { "reader" } else { "olga" };
    (0..10).map(|number| record(&number.to_string(), account(number))).collect()
}

fn reload_rules(last_good: &str) -> String {
    format!("reload = {{ max_revoked = \"20%\", keep_owners = true{last_good} }}\n")
}

struct Site {
    folder: TempDir,
    gate: Gate,
}

/// What a command said, and its exit code.
#[derive(Debug)]
struct Said {
    code: i32,
    text: String,
}

impl Site {
    fn start(lines: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("policy.toml"), POLICY).unwrap();
        let gate = Gate::start_with(folder.path(), UPSTREAM, &keys(), lines);
        Self { folder, gate }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn run(&self, arguments: &[&str]) -> Said {
        run(self.folder.path(), arguments)
    }

    fn put(&self, name: &str, text: &str) {
        put(&self.path(name), text);
    }

    fn put_keys(&self, keys: &[Value]) {
        self.put("keys.jsonl", &lines(keys));
    }

    fn status(&self) -> Value {
        serde_json::from_str(&self.gate.page("/status")).unwrap()
    }

    fn failing(&self) -> Value {
        self.status()["last_reload"]["failing"].clone()
    }

    fn generation(&self) -> u64 {
        self.status()["generation"]["number"].as_u64().unwrap()
    }

    /// What a key gets.
    fn asks(&self, key: u32) -> u16 {
        let header = format!("X-API-Key: key-{key}\r\n");
        ask(self.gate.port, "GET", "/app", &header).unwrap().status
    }

    /// Waits until the log says it: it is written beside what it tells of.
    fn logs(&self, text: &str) {
        let log = || fs::read_to_string(self.path("sidegate.log")).unwrap();
        until(text, || log().contains(text));
    }

    /// The id of the change that waits.
    fn waiting(&self) -> String {
        self.failing()["waiting"].as_str().unwrap().to_owned()
    }

    /// Ends the process and leaves its files.
    fn stop(mut self) -> TempDir {
        self.gate.running.signal("TERM");
        self.folder
    }

    /// Starts again over the same files.
    fn again(folder: TempDir) -> Self {
        let gate = resume(folder.path());
        Self { folder, gate }
    }
}

/// Starts the gate over the files that another one has left, on its ports.
fn resume(folder: &Path) -> Gate {
    let settings = fs::read_to_string(folder.join("sidegate.toml")).unwrap();
    let port = |field: &str| {
        let rest = settings.split_once(&format!("{field}.address = \"127.0.0.1:")).unwrap().1;
        rest.split_once('"').unwrap().0.parse().unwrap()
    };
    let (port, admin) = (port("listen"), port("admin"));
    let program = env!("CARGO_BIN_EXE_sidegate");
    let running = Running::start(program, &["serve", "-c", "sidegate.toml"], folder, "sidegate");
    until("it to be ready", || {
        ask(admin, "GET", "/readyz", "").is_ok_and(|answer| answer.status == 200)
    });
    Gate { port, admin, running }
}

fn run(folder: &Path, arguments: &[&str]) -> Said {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sidegate"));
    let output = command.args(arguments).current_dir(folder).output().unwrap();
    let text = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
    Said { code: output.status.code().unwrap(), text }
}

fn put(path: &Path, text: &str) {
    let new = path.with_extension("new");
    fs::write(&new, text).unwrap();
    fs::set_permissions(&new, fs::Permissions::from_mode(0o600)).unwrap();
    fs::rename(new, path).unwrap();
}

fn lines(keys: &[Value]) -> String {
    keys.iter().map(|key| format!("{key}\n")).collect()
}

/// The manifest of the last good copy, once it is of another content than `before`.
fn kept(folder: &Path, before: &str) -> String {
    let manifest = folder.join("kept/manifest");
    let read = || fs::read_to_string(&manifest).unwrap_or_default();
    until("a copy to be kept", || read() != before);
    read()
}

#[test]
fn too_many_lost_keys_are_held_back_until_somebody_consents() {
    let site = Site::start(&reload_rules(""));
    site.put_keys(&keys()[3..]);
    let said = site.run(&["reload", "-c", "sidegate.toml"]);
    assert_eq!(said.code, 3, "{said:?}");
    let why = "`max_revoked` is 20%: 3 of 10 working keys would stop working: key k_";
    let id = site.waiting();
    for told in [why, &format!("`sidegate reload --accept {id}` lets in exactly this change")] {
        assert!(said.text.contains(told), "{said:?}");
        site.logs(told);
    }
    assert_eq!((site.asks(0), site.asks(9), site.generation()), (PASSED, PASSED, 1));
    assert_eq!(site.gate.metric("sidegate_policy_change_held_back", ""), 1.0);
    assert_eq!(site.gate.metric("sidegate_policy_last_reload_successful", ""), 0.0);
    let status = site.run(&["status", "-c", "sidegate.toml"]);
    assert!(status.text.contains("a change waits for somebody's consent"), "{status:?}");
    assert!(status.text.contains(why) && status.text.contains(&id), "{status:?}");

    let said = site.run(&["reload", "--accept", &id, "-c", "sidegate.toml"]);
    assert_eq!(said.code, 0, "{said:?}");
    assert_eq!((site.asks(0), site.asks(9), site.generation()), (401, PASSED, 2));
    site.logs("a change that was held back was accepted");
    assert_eq!(site.gate.metric("sidegate_policy_change_held_back", ""), 0.0);
    assert_eq!(site.failing(), Value::Null);
}

#[test]
fn consent_is_to_one_content_and_not_to_the_next_edit() {
    let site = Site::start(&reload_rules(""));
    site.put_keys(&keys()[3..]);
    site.run(&["reload", "-c", "sidegate.toml"]);
    let seen = site.waiting();
    // Edited between the refusal and the consent.
    site.put_keys(&keys()[4..]);
    let said = site.run(&["reload", "--accept", &seen, "-c", "sidegate.toml"]);
    assert_eq!(said.code, 3, "{said:?}");
    let why = format!("the files are not what {seen} stands for any more, and were refused again");
    assert!(said.text.contains(&why), "{said:?}");
    assert!(said.text.contains("4 of 10 working keys"), "{said:?}");
    let other = site.waiting();
    assert_ne!(other, seen);
    // The same content, written anew, has the same id; whatever its file is.
    site.put_keys(&keys()[3..]);
    site.run(&["reload", "-c", "sidegate.toml"]);
    assert_eq!(site.waiting(), seen);
    let said = site.run(&["reload", "-c", "sidegate.toml", "--accept"]);
    assert_eq!(said.code, 0, "{said:?}");
    assert_eq!((site.asks(2), site.asks(3), site.generation()), (401, PASSED, 2));
    // An old consent opens nothing: the same loss comes up again.
    site.put_keys(&keys());
    assert_eq!(site.run(&["reload", "-c", "sidegate.toml"]).code, 0);
    site.put_keys(&keys()[3..]);
    assert_eq!(site.run(&["reload", "-c", "sidegate.toml"]).code, 3);
    for (word, code) in [("12", 2), ("accept", 2)] {
        let said = site.run(&["reload", "-c", "sidegate.toml", "--accept", word]);
        assert_eq!(said.code, code, "{said:?}");
    }
}

#[test]
fn a_few_keys_and_any_one_key_are_never_held_back() {
    let site = Site::start("reload = { max_revoked = \"1%\" }\n");
    let said = site.run(&["key", "revoke", "k_0", "-c", "sidegate.toml"]);
    assert!(said.code == 0 && said.text.contains("in force in generation "), "{said:?}");
    assert_eq!(site.asks(0), 401);
    // What only gets less, or broke by its own, is not lost by the change.
    site.put("policy.toml", &POLICY.replace("\"active\"", "\"past_due\""));
    assert_eq!(site.run(&["reload", "-c", "sidegate.toml"]).code, 0);
    site.put_keys(&keys()[2..]);
    let said = site.run(&["reload", "-c", "sidegate.toml"]);
    assert_eq!(said.code, 0, "{said:?}");
    site.put("policy.toml", &POLICY.replace("\"active\"", "\"canceled\""));
    let said = site.run(&["reload", "-c", "sidegate.toml"]);
    assert!(said.code == 3 && said.text.contains("8 of 8 working keys"), "{said:?}");
    // Mended, and nothing waits any more.
    site.put("policy.toml", POLICY);
    assert_eq!(site.run(&["reload", "-c", "sidegate.toml"]).code, 0);
    assert_eq!(site.failing(), Value::Null);
    let said = site.run(&["reload", "-c", "sidegate.toml", "--accept"]);
    assert_eq!(said.code, 0, "{said:?}");
}

#[test]
fn no_share_at_all_holds_back_one_key_too() {
    let site = Site::start("reload = { max_revoked = \"0%\" }\n");
    let said = site.run(&["key", "revoke", "k_0", "-c", "sidegate.toml"]);
    assert_eq!(said.code, 3, "{said:?}");
    assert!(said.text.contains("1 of 10 working keys would stop working: key k_0"), "{said:?}");
    assert_eq!(site.run(&["reload", "-c", "sidegate.toml", "--accept"]).code, 0);
    assert_eq!(site.asks(0), 401);
}

#[test]
fn owners_and_workspaces_stay() {
    let site = Site::start("reload = { keep_owners = true }\n");
    let one_left = POLICY.replace("olga = \"owner\"", "olga = \"member\"");
    site.put("policy.toml", &one_left);
    assert_eq!(site.run(&["reload", "-c", "sidegate.toml"]).code, 0);
    site.put("policy.toml", &one_left.replace("otto =", "oskar ="));
    let said = site.run(&["reload", "-c", "sidegate.toml"]);
    assert_eq!(said.code, 3, "{said:?}");
    let why = "`keep_owners`: workspace `main` would lose all its owners: `otto`";
    assert!(said.text.contains(why), "{said:?}");
    let moved: Vec<_> = keys()
        .into_iter()
        .map(|mut key| {
            key["workspace"] = "other".into();
            key
        })
        .collect();
    site.put_keys(&moved);
    site.put(
        "policy.toml",
        &POLICY.replace("workspace.main", "workspace.other").replace("\"main\"", "\"other\""),
    );
    let said = site.run(&["reload", "-c", "sidegate.toml"]);
    assert_eq!(said.code, 3, "{said:?}");
    let why = "`keep_owners`: workspace `main` would be gone, 8 keys of it work";
    assert!(said.text.contains(why), "{said:?}");
    assert_eq!(site.run(&["reload", "-c", "sidegate.toml", "--accept"]).code, 0);
}

#[test]
fn where_the_files_are_bad_at_the_start_the_last_good_copy_is_served() {
    let rules = "reload = { last_good = \"kept\" }\n";
    let site = Site::start(rules);
    let first = kept(site.folder.path(), "");
    assert_eq!(site.run(&["key", "revoke", "k_0", "-c", "sidegate.toml"]).code, 0);
    kept(site.folder.path(), &first);
    for path in ["kept", "kept/manifest"] {
        let mode = fs::metadata(site.path(path)).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode & 0o077, 0, "{path}: {mode:o}");
    }
    // Bad while it runs, then it is started again.
    site.put("policy.toml", "version = 1\nnonsense = 1\n");
    assert_eq!(site.run(&["reload", "-c", "sidegate.toml"]).code, 3);
    let site = Site::again(site.stop());
    // What was revoked in what was in force last stays so.
    assert_eq!((site.asks(0), site.asks(1), site.asks(9)), (401, PASSED, PASSED));
    assert_eq!(site.gate.metric("sidegate_policy_last_reload_successful", ""), 0.0);
    assert_eq!(site.gate.metric("sidegate_policy_from_last_good", ""), 1.0);
    site.logs("the files are refused, what is served is the last good copy");
    let status = site.run(&["status", "-c", "sidegate.toml"]);
    assert!(status.text.contains("what is in force is the last good copy on disk"), "{status:?}");
    assert!(status.text.contains("unknown field `nonsense`"), "{status:?}");
    let said = site.run(&["status", "--ready", "-c", "sidegate.toml"]);
    assert_eq!(said.text, "ready: the files are refused, the last good copy is in force\n");
    assert_eq!(said.code, 0);
    // Mended, it is the files again.
    site.put("policy.toml", POLICY);
    assert_eq!(site.run(&["reload", "-c", "sidegate.toml"]).code, 0);
    assert_eq!(site.gate.metric("sidegate_policy_from_last_good", ""), 0.0);
    assert_eq!(site.status()["last_reload"]["last_good"], Value::Null);
    assert_eq!(site.asks(0), 401);
}

#[test]
fn what_is_held_back_stays_so_over_a_new_start() {
    let site = Site::start(&reload_rules(", last_good = \"kept\""));
    kept(site.folder.path(), "");
    site.put_keys(&keys()[5..]);
    assert_eq!(site.run(&["reload", "-c", "sidegate.toml"]).code, 3);
    let id = site.waiting();
    let site = Site::again(site.stop());
    assert_eq!((site.asks(0), site.waiting()), (PASSED, id.clone()));
    assert_eq!(site.gate.metric("sidegate_policy_change_held_back", ""), 1.0);
    let before = kept(site.folder.path(), "");
    assert_eq!(site.run(&["reload", "--accept", &id, "-c", "sidegate.toml"]).code, 0);
    assert_eq!(site.asks(0), 401);
    kept(site.folder.path(), &before);
    let site = Site::again(site.stop());
    assert_eq!((site.asks(0), site.asks(9), site.failing()), (401, PASSED, Value::Null));
}

/// The copy of one file among all, wherever it is.
fn copy_of(folder: &Path, name: &str) -> PathBuf {
    let sets = fs::read_dir(folder.join("kept")).unwrap().map(|entry| entry.unwrap().path());
    let mut copies = sets.map(|set| set.join(name)).filter(|path| path.exists());
    copies.next().unwrap()
}

#[test]
fn a_copy_that_is_not_whole_is_never_served() {
    type Damage = fn(&Path);
    let damages: [(&str, Damage, &str); 8] = [
        ("no copy", |f| fs::remove_dir_all(f.join("kept")).unwrap(), "nothing was kept yet"),
        (
            "cut manifest",
            |f| {
                let text = fs::read_to_string(f.join("kept/manifest")).unwrap();
                fs::write(f.join("kept/manifest"), text.split_at(text.len() / 2).0).unwrap();
            },
            "kept/manifest: is damaged",
        ),
        (
            "edited manifest",
            |f| {
                let text = fs::read_to_string(f.join("kept/manifest")).unwrap();
                fs::write(f.join("kept/manifest"), text.replace("keys.jsonl", "keys.jsonm"))
                    .unwrap();
            },
            "kept/manifest: is damaged",
        ),
        ("empty manifest", |f| fs::write(f.join("kept/manifest"), "").unwrap(), "is damaged"),
        (
            "cut keys",
            |f| {
                let path = copy_of(f, "keys.jsonl");
                let text = fs::read_to_string(&path).unwrap();
                fs::write(path, text.split_inclusive('\n').skip(1).collect::<String>()).unwrap();
            },
            "is not what was kept",
        ),
        (
            "edited policy",
            |f| {
                let path = copy_of(f, "policy.toml");
                fs::write(&path, POLICY.replace("view", "full")).unwrap();
            },
            "is not what was kept",
        ),
        ("no keys", |f| fs::remove_file(copy_of(f, "keys.jsonl")).unwrap(), "No such file"),
        (
            "another pepper",
            |f| put(&f.join("pepper.bin"), &"q".repeat(32)),
            "the pepper is not the one",
        ),
    ];
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    fs::write(root.join("policy.toml"), POLICY).unwrap();
    put(&root.join("pepper.bin"), &"p".repeat(32));
    let rules = "pepper = \"pepper.bin\"\nreload = { last_good = \"kept\" }\n";
    for (what, damage, why) in damages {
        put(&root.join("policy.toml"), POLICY);
        put(&root.join("pepper.bin"), &"p".repeat(32));
        _ = fs::remove_dir_all(root.join("kept"));
        let gate = Gate::start_with(root, UPSTREAM, &keys(), rules);
        kept(root, "");
        drop(gate);
        // What a killed process leaves behind is in nobody's way.
        fs::create_dir(root.join("kept/set-half")).unwrap();
        fs::write(root.join("kept/set-half/half"), "half").unwrap();
        put(&root.join("policy.toml"), "version = 2\n");
        damage(root);
        let program = env!("CARGO_BIN_EXE_sidegate");
        let mut running = Running::start(program, &["serve", "-c", "sidegate.toml"], root, "again");
        let code = running.end();
        let said = fs::read_to_string(root.join("again.log")).unwrap();
        assert_eq!(code, Some(3), "{what}: {said}");
        assert!(said.contains("no last good copy can be served: "), "{what}: {said}");
        assert!(said.contains(why), "{what}: {said}");
    }
    // Without damage it is served, and no pepper is in it.
    put(&root.join("policy.toml"), POLICY);
    put(&root.join("pepper.bin"), &"p".repeat(32));
    _ = fs::remove_dir_all(root.join("kept"));
    drop(Gate::start_with(root, UPSTREAM, &keys(), rules));
    put(&root.join("policy.toml"), "version = 2\n");
    let gate = resume(root);
    assert_eq!(gate.metric("sidegate_policy_from_last_good", ""), 1.0);
    for entry in fs::read_dir(copy_of(root, "keys.jsonl").parent().unwrap()).unwrap() {
        let text = fs::read_to_string(entry.unwrap().path()).unwrap();
        assert!(!text.contains("pppp"), "{text}");
    }
}

#[test]
fn a_folder_of_policies_is_kept_as_one() {
    let folder = tempfile::tempdir().unwrap();
    let policy = folder.path().join("policy.toml");
    fs::create_dir(&policy).unwrap();
    let (rest, routes) = POLICY.split_once("[[route]]").unwrap();
    fs::write(policy.join("a.toml"), rest).unwrap();
    fs::write(policy.join("b.toml"), format!("version = 1\n[[route]]{routes}")).unwrap();
    let rules = "reload = { last_good = \"kept\" }\n";
    let gate = Gate::start_with(folder.path(), UPSTREAM, &keys(), rules);
    let site = Site { folder, gate };
    let first = kept(site.folder.path(), "");
    put(&policy.join("a.toml"), &rest.replace("view", "full"));
    kept(site.folder.path(), &first);
    let entries = || fs::read_dir(site.path("kept")).unwrap().count();
    until("the manifest and one set", || entries() == 2);
    put(&policy.join("b.toml"), "nonsense");
    let site = Site::again(site.stop());
    assert_eq!(site.asks(0), PASSED);
    assert_eq!(site.gate.metric("sidegate_policy_from_last_good", ""), 1.0);
}

#[test]
fn a_copy_that_cannot_be_kept_is_told_and_nothing_else_fails() {
    let site = Site::start("reload = { last_good = \"policy.toml\" }\n");
    site.logs("the last good copy cannot be kept: it is older");
    assert_eq!(site.run(&["key", "revoke", "k_0", "-c", "sidegate.toml"]).code, 0);
    assert_eq!((site.asks(0), site.asks(1)), (401, PASSED));
}

/// Whoever is killed while a copy is made leaves the one before or the new one.
#[test]
fn killed_at_any_moment_a_copy_is_whole() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    let policy = root.join("policy.toml");
    fs::write(&policy, POLICY).unwrap();
    let rules = "reload = { last_good = \"kept\" }\n";
    let mut gate = Gate::start_with(root, UPSTREAM, &keys(), rules);
    kept(root, "");
    for round in 0..ROUNDS {
        put(&policy, &format!("{POLICY}# {round}\n"));
        put(&root.join("keys.jsonl"), &lines(&keys()[usize::from(round % 2 == 0)..]));
        let due = clock::instant() + Duration::from_micros(500) * round;
        while clock::instant() < due {
            thread::yield_now();
        }
        gate.running.signal("KILL");
        put(&policy, "nonsense");
        gate = resume(root);
        let header = "X-API-Key: key-9\r\n";
        assert_eq!(ask(gate.port, "GET", "/app", header).unwrap().status, PASSED, "{round}");
        assert_eq!(gate.metric("sidegate_policy_from_last_good", ""), 1.0, "{round}");
    }
}
