//! The files of certificates: what is wrong with them is told, and they are hot.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

use rcgen::date_time_ymd;

use crate::authority::{Authority, write};
use crate::harness::until;
use crate::secure::Secure;

/// What `check` says of the files in `folder`, without its name.
fn checked(folder: &Path, more: &[&str]) -> (Option<i32>, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_sidegate"))
        .args(["check", "-c", "sidegate.toml"])
        .args(more)
        .current_dir(folder)
        .output()
        .unwrap();
    let text = String::from_utf8([output.stderr, output.stdout].concat()).unwrap();
    (output.status.code(), text)
}

#[test]
fn what_is_wrong_is_told_with_its_file_and_the_way_out() {
    let (authority, folder) = (Authority::new(), tempfile::tempdir().unwrap());
    let at = folder.path();
    let policy = "version = 1\n[role.owner]\nbypass = true\n";
    fs::write(at.join("policy.toml"), policy).unwrap();
    write(at, "keys.jsonl", "\n");
    let good = authority.issue(&["localhost"]);
    let other = authority.issue(&["localhost"]);
    let nameless = authority.issue(&[]);
    let old = authority.issue_with(&["localhost"], |params| {
        params.not_before = date_time_ymd(2019, 1, 1);
        params.not_after = date_time_ymd(2020, 1, 1);
    });
    let early = authority.issue_with(&["localhost"], |params| {
        params.not_before = date_time_ymd(3000, 1, 1);
        params.not_after = date_time_ymd(3001, 1, 1);
    });
    let locked =
        "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n";
    let pair = "certificate = \"a.pem\"\nkey = \"a.key\"\n";
    let more = "certificate = \"a.pem\"\nkey = \"a.key\"\n[[listen.tls.certificates]]\n";
    let cases: &[(&str, &str, &str, Option<&str>)] = &[
        (pair, &good.certificate, &good.key, None),
        (
            pair,
            &good.certificate,
            &other.key,
            Some("a.key: is not the key of a.pem — the certificate's own key is needed"),
        ),
        (pair, "hello\n", &good.key, Some("a.pem: has no certificate in it — certificates stand")),
        (pair, &good.key, &good.key, Some("a.pem: has no certificate in it")),
        (pair, &good.certificate, "hello\n", Some("a.key: has no key in it — a key stands")),
        (pair, &good.certificate, &good.certificate, Some("a.key: has no key in it")),
        (pair, &good.certificate, locked, Some("a.key: the key is encrypted — `openssl pkey")),
        (
            pair,
            "-----BEGIN CERTIFICATE-----\nAAAA\n",
            &good.key,
            Some("a.pem: is not PEM: a section has no end"),
        ),
        (
            pair,
            "-----BEGIN CERTIFICATE-----\n!!!!\n-----END CERTIFICATE-----\n",
            &good.key,
            Some("a.pem: is not PEM: a section has something else than base64 in it"),
        ),
        (
            pair,
            "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
            &good.key,
            Some("a.pem: the first certificate cannot be read — an X.509"),
        ),
        (
            pair,
            &old.certificate,
            &old.key,
            Some(
                "a.pem: warning: the certificate expired at 2020-01-01T00:00:00Z — clients refuse",
            ),
        ),
        (
            pair,
            &early.certificate,
            &early.key,
            Some("a.pem: warning: the certificate is not good before 3000-01-01T00:00:00Z"),
        ),
        (pair, &nameless.certificate, &nameless.key, None),
        (
            &format!("{more}{pair}"),
            &nameless.certificate,
            &nameless.key,
            Some("a.pem: the certificate is for no host name — only the first one"),
        ),
        (
            "certificate = \"b.pem\"\nkey = \"a.key\"\n",
            "",
            &good.key,
            Some("b.pem: no such file — `[listen.tls]`"),
        ),
        (
            "certificate = \"a.pem\"\n",
            &good.certificate,
            &good.key,
            Some("sidegate.toml:5:1: `[listen]`: `tls`: `key` is missing — such as"),
        ),
        (
            &format!("{pair}client_ca = \"a.key\"\n"),
            &good.certificate,
            &good.key,
            Some("a.key: has no certificate in it"),
        ),
        (
            &format!("{pair}clientca = \"a.pem\"\n"),
            &good.certificate,
            &good.key,
            Some("unknown field `clientca` — did you mean `client_ca`?"),
        ),
        (
            &format!("{more}certificate = \"a.pem\"\n"),
            &good.certificate,
            &good.key,
            Some("`[listen]`: `tls`: certificate: `key` is missing"),
        ),
    ];
    for (table, certificate, key, expected) in cases {
        let settings = format!(
            "[upstream.app]\nurls = [\"http://127.0.0.1:9000\"]\n[listen]\naddress = \
             \"127.0.0.1:0\"\n[listen.tls]\n{table}"
        );
        fs::write(at.join("sidegate.toml"), settings).unwrap();
        write(at, "a.pem", certificate);
        write(at, "a.key", key);
        let (code, told) = checked(at, &[]);
        let fine = expected.is_none_or(|expected| expected.contains("warning"));
        assert_eq!(code, Some(if fine { 0 } else { 3 }), "{table}: {told}");
        match expected {
            Some(expected) => assert!(told.contains(expected), "{expected}\nis not in\n{told}"),
            None => assert!(!told.contains("a.pem"), "{told}"),
        }
    }
}

#[test]
fn a_key_that_others_can_read_is_refused() {
    let secure = Secure::new("");
    let folder = secure.rig.folder.path();
    let key = secure.files.path().join("server.key");
    fs::set_permissions(&key, Permissions::from_mode(0o644)).unwrap();
    let (code, told) = checked(folder, &[]);
    assert_eq!(code, Some(3), "{told}");
    assert!(told.contains("server.key: mode 0644 lets group or others read"), "{told}");
    let (code, told) = checked(folder, &["--insecure-permissions"]);
    assert_eq!(code, Some(0), "{told}");
    assert!(told.contains("server.key: warning: mode 0644"), "{told}");
}

#[test]
fn a_new_certificate_is_in_force_and_a_bad_one_is_not() {
    let secure = Secure::new("");
    let (port, at) = (secure.rig.gate.port, secure.files.path());
    let shown = || secure.client().connect(port, "localhost").unwrap().certificate();
    let first = shown();
    let ending = |year| {
        secure.authority.issue_with(&["localhost"], |params| {
            params.not_after = date_time_ymd(year, 1, 1);
        })
    };
    let ends = |year| {
        let name = "sidegate_certificate_expiry_timestamp_seconds";
        let seconds = secure.rig.gate.metric(name, "server.pem\"");
        seconds == date_time_ymd(year, 1, 1).unix_timestamp() as f64
    };
    let second = ending(2040);
    second.write(at, "server");
    until("the second", || shown() == second.chain[0]);
    assert_ne!(first, second.chain[0]);
    until("the second's end", || ends(2040));

    let successful = "sidegate_policy_last_reload_successful";
    let third = ending(2041);
    write(at, "server.pem", &third.certificate);
    until("the refusal", || secure.rig.gate.metric(successful, "") == 0.0);
    assert_eq!(shown(), second.chain[0]);
    assert!(ends(2040), "what is in force is told");
    let status = secure.rig.gate.page("/status");
    assert!(status.contains("server.key: is not the key of"), "{status}");
    until("the log", || secure.rig.log().contains("is not the key of"));
    // All or nothing: nor is anything else that is changed meanwhile.
    let policy = secure.rig.folder.path().join("policy.toml");
    let text = fs::read_to_string(&policy).unwrap();
    let before = secure.rig.gate.metric("sidegate_policy_generation", "");
    fs::write(&policy, text + "\n# changed\n").unwrap();
    secure.rig.gate.running.send("HUP");
    assert_eq!(secure.rig.gate.metric("sidegate_policy_generation", ""), before);

    write(at, "server.key", &third.key);
    until("the third", || shown() == third.chain[0]);
    until("the success", || secure.rig.gate.metric(successful, "") == 1.0);
    until("the third's end", || ends(2041));
}
