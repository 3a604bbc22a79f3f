use std::collections::BTreeSet;
use std::fs::{self, Permissions as Mode};
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;

use clap::{Command, FromArgMatches as _};
use serde_json::Value;
use tempfile::TempDir;

use super::*;
use crate::cli::plane::tests::{looked, serve};
use crate::policy::key::{KeyDigest, Pepper, is_well_formed};

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
[workspace.acme-prod]
environment = "production"
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
        let waits = ["create", "revoke"].iter().any(|command| line.starts_with(command))
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
        let mut terminal = Terminal { input: &mut input, out: &mut out, err: &mut err };
        let code = match execute(&args, &mut terminal, now) {
            Ok(()) => 0,
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
}

#[test]
fn create_prints_the_key_alone_and_once() {
    let place = Place::new("");
    let done = place.run(
        "create --workspace acme-prod --account svc-reporting --label nightly --expires 90d \
         --level view --product vault"
            .trim(),
    );
    assert_eq!(done.code, 0, "{done:?}");
    let key = done.out.strip_suffix('\n').unwrap();
    assert!(is_well_formed(key) && key.starts_with("sg_production_"), "{key}");
    let file = fs::read_to_string(place.keys()).unwrap();
    assert!(!file.contains(key) && !done.err.contains(key), "{done:?}");
    let json: Value = serde_json::from_str(&file).unwrap();
    assert_eq!(json["hash"], KeyDigest::blake3(key).to_string());
    assert_eq!(json["created"], "2026-11-20T10:00:00Z");
    assert_eq!(json["expires"], "2027-02-18T10:00:00Z");
    assert_eq!(json["ceiling"], serde_json::json!({"level": "view", "products": ["vault"]}));
    let expected = format!(
        "key {id} of svc-reporting in acme-prod (production)\n  at most view on product vault\n  \
         expires 2027-02-18T10:00:00Z\nit is shown this once: keys.jsonl keeps its blake3 hash\n\
         next: send it as `Authorization: Bearer …`; take it back with `sidegate key revoke {id}`\n",
        id = json["id"].as_str().unwrap()
    );
    assert_eq!(done.err, expected);
}

#[test]
fn create_uses_the_pepper_where_there_is_one() {
    let place = Place::new("pepper = \"pepper.bin\"");
    let (key, _) = place.create("");
    let file = fs::read_to_string(place.keys()).unwrap();
    let digest = KeyDigest::blake3_keyed(&key, &Pepper::new([7; 32]));
    assert!(file.contains(&digest.to_string()), "{file}");
}

#[test]
fn create_warns_of_a_key_that_will_be_refused_here() {
    let place = Place::new("environment = \"production\"");
    let done = place.run("create --workspace acme-dev --account alice@acme.example");
    assert_eq!(done.code, 0);
    let warning = "warning: this sidecar only takes keys of `production` and will refuse it\n";
    assert!(done.out.starts_with("sg_staging_") && done.err.contains(warning), "{done:?}");
}

#[test]
fn create_refuses_what_cannot_be() {
    let cases = [
        (
            "--workspace acme-prd --account svc-reporting",
            3,
            "unknown workspace `acme-prd` — did you mean `acme-prod`?\n",
        ),
        (
            "--workspace acme-prod --account svc-reportin",
            3,
            "account `svc-reportin` is not a member of workspace `acme-prod` — did you mean \
             `svc-reporting`?\n",
        ),
        (
            "--workspace acme-dev --account svc-reporting",
            3,
            "account `svc-reporting` is not a member of workspace `acme-dev`\n",
        ),
        (
            "--workspace acme-prod --account svc-reporting --product valt --area member --area x",
            3,
            "unknown product `valt` — did you mean `vault`?\nunknown area `member` — did you mean \
             `members`?\nunknown area `x`\n",
        ),
        (
            "--workspace acme-prod --account svc-reporting --expires 2026-11-20",
            2,
            "--expires: 2026-11-20T00:00:00Z is not in the future\n",
        ),
        (
            "--workspace acme-prod --account svc-reporting --expires 0d",
            2,
            "--expires: 2026-11-20T10:00:00Z is not in the future\n",
        ),
        (
            "--workspace acme-prod --account svc-reporting --expires 1d --not-before 2d",
            2,
            "--expires: 2026-11-21T10:00:00Z is not after --not-before, 2026-11-22T10:00:00Z\n",
        ),
        (
            "--workspace acme-prod --account svc-reporting --expires 9999999w",
            2,
            "--expires: that is after the year 9999\n",
        ),
        ("--workspace acme-prod --account svc-reporting --expires soon", 2, "soon"),
        (
            "--workspace acme-prod --account svc-reporting --level none",
            2,
            "[possible values: view, full]",
        ),
        ("--workspace acme-prod", 2, "--account"),
        ("--workspace acme-prod --account svc-reporting sg_production_x", 2, "unexpected argument"),
    ];
    let place = Place::new("");
    for (line, code, expected) in cases {
        let done = place.run(&format!("create {line}"));
        assert_eq!((done.code, &*done.out), (code, ""), "{line}: {done:?}");
        let whole = expected.ends_with('\n');
        assert!(if whole { done.err == expected } else { done.err.contains(expected) }, "{done:?}");
        assert!(!place.keys().exists());
    }
}

#[test]
fn a_key_can_be_made_and_revoked_whatever_is_wrong_with_the_others() {
    let place = Place::new("");
    let (_, id) = place.create("");
    let gone = fs::read_to_string(place.keys()).unwrap().replace("svc-reporting", "gone");
    fs::write(place.keys(), gone).unwrap();
    place.create("");
    fs::write(place.0.path().join("policy.toml"), "not a policy").unwrap();
    assert_eq!(place.run(&format!("revoke {id}")).code, 0);
}

#[test]
fn list_shows_states_and_takes_filters() {
    let place = Place::new("");
    let (key, active) = place.create(" --label nightly");
    let (_, expired) = place.create(" --expires 1h");
    let (_, early) = place.create(" --not-before 2026-11-25");
    let (_, revoked) = place.create("");
    assert_eq!(place.run(&format!("revoke {revoked}")).code, 0);
    let other = place.run("create --workspace acme-dev --account alice@acme.example");
    assert_eq!(other.code, 0);
    let later = UnixSeconds(NOW.0 + 7_200);
    let done = place.run_with("list --workspace acme-prod", b"", later);
    let expected = format!(
        "id            account        workspace  environment  state          expires               \
         label\n\
         {active}  svc-reporting  acme-prod  production   active         never                 \
         nightly\n\
         {expired}  svc-reporting  acme-prod  production   expired        2026-11-20T11:00:00Z  -\n\
         {early}  svc-reporting  acme-prod  production   not yet valid  never                 -\n\
         {revoked}  svc-reporting  acme-prod  production   revoked        never                 -\n"
    );
    assert_eq!(done.out, expected);
    let json = |line: &str| -> Vec<Value> {
        serde_json::from_str(&place.run(&format!("{line} --output json")).out).unwrap()
    };
    assert_eq!(json("list").len(), 5);
    assert_eq!(json("list --account alice@acme.example").len(), 1);
    assert_eq!(json("list --workspace acme-dev --account svc-reporting").len(), 0);
    assert_eq!(place.run("list --workspace absent").err, "no such key\n");
    let all = place.run("list --output json").out;
    assert!(!all.contains(&key) && !all.contains("blake3:"), "{all}");
}

#[test]
fn show_says_all_but_the_hash() {
    let place = Place::new("");
    let (_, id) = place.create(" --level view --area members --area general --expires 90d");
    let done = place.run(&format!("show {id}"));
    let expected = format!(
        "id           {id}\naccount      svc-reporting\nworkspace    acme-prod\nenvironment  \
         production\nlabel        -\nstate        active\ncreated      2026-11-20T10:00:00Z\nnot \
         before   -\nexpires      2027-02-18T10:00:00Z\nrevoked      -\nceiling      view on areas \
         members, general\nstored as    blake3\n"
    );
    assert_eq!(done.out, expected);
    let unknown = place.run(&format!("show {}", &id[..id.len() - 1]));
    let expected = format!("no key has the id `{}` — did you mean `{id}`?\n", &id[..id.len() - 1]);
    assert_eq!((unknown.code, unknown.err), (3, expected));
}

#[test]
fn revoke_is_done_once_and_says_since_when() {
    let place = Place::new("");
    let (_, id) = place.create("");
    let done = place.run(&format!("revoke {id}"));
    let expected = format!("key {id} of svc-reporting in acme-prod is revoked\n");
    assert_eq!((done.code, done.out), (0, expected));
    let file = fs::read(place.keys()).unwrap();
    let again = place.run_with(&format!("revoke {id}"), b"", UnixSeconds(NOW.0 + 60));
    let expected = format!("key {id} has been revoked since 2026-11-20T10:00:00Z\n");
    assert_eq!((again.code, again.out), (0, expected));
    assert_eq!(fs::read(place.keys()).unwrap(), file);
    let unknown = place.run("revoke k_nothing");
    let expected = "no key has the id `k_nothing` — `sidegate key list` shows them all\n";
    assert_eq!((unknown.code, &*unknown.err), (3, expected));
}

#[test]
fn a_damaged_file_is_refused_by_every_command() {
    let place = Place::new("");
    let (_, id) = place.create("");
    let whole = fs::read_to_string(place.keys()).unwrap();
    fs::write(place.keys(), format!("{whole}{{\"id\":\n")).unwrap();
    let create = "create --workspace acme-prod --account svc-reporting".to_owned();
    for line in [create, "list".into(), format!("show {id}"), format!("revoke {id}")] {
        let done = place.run(&line);
        assert_eq!((done.code, &*done.out), (3, ""), "{line}");
        let expected = "keys.jsonl:2:6: the record is cut off before its end";
        assert!(done.err.contains(expected), "{line}: {}", done.err);
    }
    assert_eq!(fs::read_to_string(place.keys()).unwrap().lines().count(), 2);
}

#[test]
fn a_file_that_others_can_read_needs_a_flag_and_is_warned_of() {
    let place = Place::new("");
    let (_, id) = place.create("");
    fs::set_permissions(place.keys(), Mode::from_mode(0o644)).unwrap();
    for line in ["list".to_owned(), format!("show {id}"), format!("revoke {id}")] {
        let refused = place.run(&line);
        let expected = "mode 0644 lets group or others read or write it — `chmod 600 ";
        assert!(refused.code == 3 && refused.err.contains(expected), "{refused:?}");
        let warned = place.run(&format!("{line} --insecure-permissions"));
        assert!(warned.code == 0 && warned.err.contains("warning: mode 0644"), "{warned:?}");
    }
}

#[test]
fn hash_reads_a_key_and_prints_what_is_stored_of_it() {
    let place = Place::new("pepper = \"pepper.bin\"");
    let (key, _) = place.create("");
    let pepper = Pepper::new([7; 32]);
    let cases = [
        ("hash", &*key, KeyDigest::blake3(&key)),
        ("hash --keyed", &key, KeyDigest::blake3_keyed(&key, &pepper)),
        ("hash --sha256", &key, KeyDigest::sha256(&key)),
        ("hash --sha256", "tk_elsewhere", KeyDigest::sha256("tk_elsewhere")),
    ];
    for (line, key, expected) in cases {
        for end in ["", "\n", "\r\n"] {
            let done = place.run_with(line, format!("{key}{end}").as_bytes(), NOW);
            assert_eq!((done.code, done.out), (0, format!("{expected}\n")), "{line}");
        }
    }
    let cases = [
        ("hash", "", 2, "standard input: there is no key, only an empty line\n"),
        ("hash", "sg_production_x", 2, "its form or checksum is wrong\n"),
        ("hash", "one\ntwo\n", 2, "without spaces\n"),
        ("hash", &*"x".repeat(5_000), 2, "a key has at most 512 visible ASCII characters"),
        ("hash --sha256 --keyed", &key, 2, "cannot be used with"),
        (&*format!("hash {key}"), "", 2, "unexpected argument"),
    ];
    for (line, input, code, expected) in cases {
        let done = place.run_with(line, input.as_bytes(), NOW);
        assert_eq!((done.code, &*done.out), (code, ""), "{line}");
        assert!(done.err.contains(expected), "{line}: {}", done.err);
    }
    let without = Place::new("").run_with("hash --keyed", key.as_bytes(), NOW);
    assert!(without.code == 3 && without.err.starts_with("no pepper is configured"), "{without:?}");
}

#[test]
fn every_id_is_another() {
    let place = Place::new("");
    let ids: BTreeSet<_> = (0..20).map(|_| place.create("").1).collect();
    assert_eq!(ids.len(), 20);
}

#[test]
fn a_revocation_waits_until_it_is_in_force() {
    let fine = looked(true, None);
    let refused = looked(true, Some("policy.toml:1:2: no"));
    for (answers, code, told) in [
        (vec![], 0, "no sidegate runs at "),
        (
            vec![(202, looked(false, None)), (200, fine.clone())],
            0,
            "in force in its generation 8 after",
        ),
        (vec![(200, refused)], 3, "policy.toml:1:2: no\nnot in force: the files are refused"),
        (vec![(404, String::new())], 1, "not known to be in force: "),
    ] {
        let (address, server) = serve(answers);
        let place = Place::new(&format!("admin.address = \"{address}\""));
        let (_, id) = place.create(" --no-wait");
        let done = place.run(&format!("revoke {id}"));
        server.join().unwrap();
        assert_eq!((done.code, done.err.contains(told)), (code, true), "{done:?}");
        assert!(done.out.ends_with(" is revoked\n"), "{done:?}");
        let file = fs::read_to_string(place.keys()).unwrap();
        assert!(file.contains("\"revoked\":\"2026-11-20T10:00:00Z\""), "{file}");
    }
}

/// A script that stops at a failure would lose the key.
#[test]
fn a_key_that_is_not_in_force_yet_is_no_failure() {
    let (address, server) = serve(vec![(200, looked(true, Some("policy.toml:1:2: no")))]);
    let place = Place::new(&format!("admin.address = \"{address}\""));
    let done = place.run("create --workspace acme-prod --account svc-reporting");
    server.join().unwrap();
    assert_eq!(done.code, 0, "{done:?}");
    assert!(done.err.contains("warning: policy.toml:1:2: no\nnot in force"), "{done:?}");
}
