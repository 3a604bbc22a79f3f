//! Explanations of one policy, reviewed as files: each reason in text, some in JSON.

use std::fs;

use clap::Parser;
use tempfile::TempDir;

use super::*;
use crate::policy::DenyReason;

const NOW: &str = "2026-11-20T12:00:00Z";

#[derive(Debug, Parser)]
struct Line {
    #[command(flatten)]
    explain: ExplainArgs,
}

/// The sample, with a key file that only we can read.
fn folder() -> TempDir {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in [
        ("sidegate.toml", include_str!("sample/sidegate.toml")),
        ("policy.toml", include_str!("sample/policy.toml")),
        ("keys.jsonl", include_str!("sample/keys.jsonl")),
    ] {
        let path = folder.path().join(name);
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    }
    folder
}

/// Exit, standard output and standard error of `sidegate explain` in `folder`.
fn explain(folder: &TempDir, arguments: &[&str], input: &str) -> (Exit, String, String) {
    let config = folder.path().join("sidegate.toml").display().to_string();
    let at: &[&str] = if arguments.contains(&"--at") { &[] } else { &["--at", NOW] };
    let line = [&["explain", "-c", &config], at, arguments].concat();
    let args = Line::try_parse_from(line).unwrap().explain;
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let exit = print(&args, &mut input.as_bytes(), &mut out, &mut err, UnixSeconds(0));
    let exit = exit.unwrap_or_else(|failure| {
        write!(err, "{failure}").unwrap();
        failure.exit()
    });
    let prefix = format!("{}/", folder.path().display());
    let [out, err] = [out, err].map(|it| String::from_utf8(it).unwrap().replace(&prefix, ""));
    (exit, out, err)
}

const API: &str = "https://api.acme.example";

/// Method, URL without its host, other arguments, and the reason.
type Question = (&'static str, &'static str, &'static [&'static str], Option<DenyReason>);

#[rustfmt::skip]
const QUESTIONS: &[Question] = &[
    ("GET", "/vault/reports/2026?page=1", &["--key-id", "k_svc"], None),
    ("POST", "/vault/%6Beys/new", &["--key-id", "k_svc"], None),
    ("GET", "/health", &[], None),
    ("DELETE", "/w/acme/members/bob@acme.example", &["--key-id", "k_owner"], None),
    ("GET", "/w/../vault", &["--key-id", "k_svc"], Some(DenyReason::BadTarget)),
    ("GET", "/w/acme/members;v=1/bob@acme.example;v=1", &["--key-id", "k_owner"], None),
    ("GET", "/w/acme/members/bob%2fx;v=1", &["--key-id", "k_owner"], Some(DenyReason::BadTarget)),
    ("PUT", "/vault/reports;x%2Fy", &[], Some(DenyReason::BadTarget)),
    ("GET", "/nowhere;x", &["--key-id", "k_owner"], Some(DenyReason::BadTarget)),
    ("GET", "/vault", &["--key-id", "k_svc", "--header", "Upgrade: websocket"], Some(DenyReason::MethodRefused)),
    ("GET", "/vault", &["--key-id", "k_owner", "--header", "Upgrade: websocket", "--header", "Connection: upgrade"], Some(DenyReason::MethodRefused)),
    ("GET", "/vault/keys", &["--key-id", "k_svc", "--header", "Upgrade: websocket", "--header", "Connection: upgrade"], None),
    ("GET", "/vault/reports", &["--key-id", "k_svc", "--header", "Upgrade: websocket", "--header", "Connection: upgrade"], Some(DenyReason::ViewOnly)),
    ("PUT", "/vault/keys", &["--key-id", "k_svc", "--header", "Upgrade: websocket", "--header", "Connection: upgrade"], Some(DenyReason::MethodRefused)),
    ("OPTIONS", "/vault/keys", &["--header", "Origin: https://a.example", "--header", "Access-Control-Request-Method: POST"], None),
    ("OPTIONS", "/vault", &["--header", "Origin: https://a.example", "--header", "Access-Control-Request-Method: POST"], Some(DenyReason::KeyMissing)),
    ("OPTIONS", "/vault/keys", &["--key-id", "k_owner", "--header", "Origin: https://a.example", "--header", "Access-Control-Request-Method: POST"], Some(DenyReason::MethodRefused)),
    ("DELETE", "/vault/keys/1", &["--key-id", "k_svc"], Some(DenyReason::MethodRefused)),
    ("TRACE", "/vault", &["--key-id", "k_owner"], Some(DenyReason::MethodRefused)),
    ("GET", "/vault", &[], Some(DenyReason::KeyMissing)),
    ("GET", "/vault/reports", &["--key-id", "k_revoked"], Some(DenyReason::KeyRevoked)),
    ("GET", "/vault/reports", &["--key-id", "k_future"], Some(DenyReason::KeyNotYetValid)),
    ("POST", "/vault/reports", &["--key-id", "k_old"], Some(DenyReason::KeyExpired)),
    ("GET", "/w/staging/members", &["--key-id", "k_staging"], Some(DenyReason::WrongEnvironment)),
    ("GET", "/nowhere", &["--key-id", "k_svc"], Some(DenyReason::RouteUnknown)),
    ("GET", "/w/closed/members", &["--key-id", "k_svc"], Some(DenyReason::WrongWorkspace)),
    ("GET", "/w/nosuch/members", &["--key-id", "k_svc"], Some(DenyReason::WrongWorkspace)),
    ("GET", "/w/closed/members", &["--key-id", "k_closed"], Some(DenyReason::WorkspaceSuspended)),
    ("GET", "/w/acme/members", &["--key-id", "k_mallory"], Some(DenyReason::AccountSuspended)),
    ("GET", "/w/acme/members", &["--key-id", "k_gone"], Some(DenyReason::NotAMember)),
    ("GET", "/w/acme/members", &["--key-id", "k_invited"], Some(DenyReason::NotAMember)),
    ("GET", "/archive", &["--key-id", "k_owner"], Some(DenyReason::ProductAbsent)),
    ("GET", "/vault", &["--key-id", "k_svc"], Some(DenyReason::NoAccess)),
    ("GET", "/vault/keys", &["--key-id", "k_svc", "--at", "2027-03-31"], Some(DenyReason::SubscriptionInactive)),
    ("PUT", "/vault/reports/1", &["--key-id", "k_svc"], Some(DenyReason::ViewOnly)),
    ("GET", "/w/acme/members", &["--key-id", "k_narrow"], Some(DenyReason::KeyCeiling)),
    ("DELETE", "/w/acme/members/Bob@acme.example", &["--key-id", "k_admin"], Some(DenyReason::ProtectedAccount)),
];

#[test]
fn each_reason_is_explained() {
    let folder = folder();
    let mut all = String::new();
    for (method, url, arguments, reason) in QUESTIONS {
        let url = format!("{API}{url}");
        let arguments = [&[*method, &url], *arguments].concat();
        let (exit, out, _) = ask(&folder, &arguments);
        let expected = if reason.is_none() { Exit::Fine } else { Exit::No };
        assert_eq!(exit, expected, "{arguments:?}\n{out}");
        let decision = match reason {
            None => "✔ decision     allow".to_owned(),
            Some(reason) => format!("✘ decision     deny: {reason} ("),
        };
        assert!(out.contains(&decision), "{arguments:?}\n{out}");
        all += &format!("$ sidegate explain {}\n{out}\n", arguments.join(" "));
    }
    insta::assert_snapshot!(all);
}

fn ask(folder: &TempDir, arguments: &[&str]) -> (Exit, String, String) {
    explain(folder, arguments, "")
}

#[test]
fn routes_of_other_hosts_are_named_where_none_matches() {
    let arguments = ["GET", "https://other.example/vault/reports", "--key-id", "k_owner"];
    let (exit, out, _) = ask(&folder(), &arguments);
    assert_eq!(exit, Exit::No);
    let told = "a `[[route]]` for this host: for others there is `";
    assert!(out.contains(told), "{out}");
    assert!(out.contains("api.acme.example/vault/reports is for another host"), "{out}");
}

#[test]
fn scripts_read_json() {
    let folder = folder();
    let mut all = String::new();
    // Every other one: the file is for reading.
    for (method, url, arguments, reason) in QUESTIONS.iter().step_by(2) {
        let url = format!("{API}{url}");
        let arguments = [&[*method, &url], *arguments, &["--output", "json"]].concat();
        let (_, out, _) = ask(&folder, &arguments);
        let value: serde_json::Value = serde_json::from_str(&out).unwrap();
        assert_eq!(value["reason"].as_str(), reason.map(DenyReason::code), "{arguments:?}");
        assert_eq!(value["needed"][0]["reason"], value["reason"], "the first in the way is it");
        all += &format!("$ sidegate explain {}\n{out}\n", arguments.join(" "));
    }
    insta::assert_snapshot!(all);
}

#[test]
fn a_key_that_somebody_holds_is_read_from_standard_input() {
    let folder = folder();
    let url = format!("{API}/vault/reports");
    // The sample's hashes are SHA-256 of the ids.
    for (input, exit, expected) in [
        ("k_svc\n", Exit::Fine, "✔ key          k_svc (keys.jsonl:1) of svc in acme"),
        ("nobodys", Exit::No, "deny: key_unknown (401)"),
        ("sg_production_short", Exit::No, "deny: key_malformed (401)"),
        ("", Exit::No, "deny: key_malformed (401)"),
    ] {
        let (seen, out, err) = explain(&folder, &["GET", &url, "--key-stdin"], input);
        assert_eq!(seen, exit, "{input}: {err}");
        assert!(out.contains(expected), "{input}: {out}");
        assert!(input == "k_svc\n" || input.is_empty() || !out.contains(input), "{out}");
    }
}

#[test]
fn wrong_arguments_are_told() {
    let folder = folder();
    let key = "unknown key `k_svv` — did you mean `k_svc`?";
    let header = "a key is not for arguments, which other processes can read";
    for (arguments, exit, expected) in [
        (&["GET", "/vault"][..], Exit::Usage, "`/vault` is only a path, and no host is named"),
        (&["GET", "vault"], Exit::Usage, "`vault` is neither `https://host/path` nor a path"),
        (&["GET", "https://a/", "--key-id", "k_svv"], Exit::Invalid, key),
        (&["GET", "https://a/", "--header", "Authorization: Bearer x"], Exit::Usage, header),
        (&["GET", "https://a/", "--header", "x"], Exit::Usage, "a header reads `NAME: VALUE`"),
    ] {
        let (seen, out, err) = ask(&folder, arguments);
        assert_eq!((seen, out.as_str()), (exit, ""), "{err}");
        assert!(err.contains(expected), "{err}");
    }
    fs::write(folder.path().join("policy.toml"), "version = 1\n[role.a]\nbypas = true\n").unwrap();
    let (exit, _, err) = ask(&folder, &["GET", "/", "--host", "a"]);
    assert_eq!(exit, Exit::Invalid);
    assert!(err.contains("did you mean `bypass`?"), "{err}");
    assert!(err.contains("unknown workspace `acme`"), "problems of all files at once: {err}");
}

#[test]
fn headers_without_a_say_are_named() {
    let folder = folder();
    let arguments = ["GET", "/health", "--host", "a", "--header", "X-HTTP-Method-Override: DELETE"];
    let (exit, _, err) = ask(&folder, &arguments);
    assert_eq!(exit, Exit::Fine);
    assert!(err.contains("header `X-HTTP-Method-Override` has no influence\n"), "{err}");
}

#[test]
fn headers_ask_for_what_the_proxy_reads_in_them() {
    let read = |method: &str, headers: &[&str]| {
        let headers: Vec<_> = headers.iter().map(|header| (*header).to_owned()).collect();
        Headers::read(method, &headers).map(|read| (read.upgrade, read.preflight))
    };
    let (websocket, connection) = ("upgrade: WebSocket", "Connection: keep-alive, upgrade");
    let (origin, method) = ("Origin: https://a.example", "Access-Control-Request-Method: PUT");
    for (headers, expected) in [
        (&[][..], (Upgrade::None, false)),
        (&[websocket, connection], (Upgrade::WebSocket, false)),
        (&[websocket], (Upgrade::Unknown, false)),
        (&["upgrade: H2C"], (Upgrade::None, false)),
        (&[origin, method], (Upgrade::None, true)),
        (&[origin, method, "Cookie: a=b"], (Upgrade::None, false)),
        (&["Sec-WebSocket-Protocol: chat"], (Upgrade::None, false)),
    ] {
        assert_eq!(read("OPTIONS", headers), Ok(expected), "{headers:?}");
    }
    assert_eq!(read("GET", &[origin, method]), Ok((Upgrade::None, false)));
    for (header, expected) in [
        ("Connection: host", "the proxy answers `bad_request`"),
        ("Sec-WebSocket-Protocol: bearer, k", "a key is not for arguments"),
        ("a b: c", "`a b` is no name of a header"),
        ("a: \u{7f}", "what header `a` says is no value of one"),
    ] {
        let told = read("GET", &[header]).unwrap_err();
        assert!(told.contains(expected), "{told}");
    }
}
