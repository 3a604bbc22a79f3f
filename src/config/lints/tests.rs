//! Each lint is told where it should be, is silent on what is shipped, and can be allowed.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use crate::config::inspect;
use crate::keystore::Permissions;
use crate::policy::Lint;

const SETTINGS: &str = "environment = \"production\"\n[upstream.u]\nurls = [\"unix:/run/u\"]\n";
const POLICY: &str = r#"version = 1
areas = ["general"]
[role.owner]
bypass = true
[role.member]
[product.p]
permissions = ["r"]
[workspace.w]
environment = "production"
members = { a = "owner", b = "owner", c = "member" }
groups = { g = ["c"] }
product.p.subscription = "active"
[[workspace.w.grant]]
to = "group:g"
product = "p"
level = "view"
[[route]]
name = "p"
prefix = "/p"
workspace = "w"
product = "p"
upstream = "u"
"#;

/// What is told of files: by code, without the folder.
fn told(settings: &str, policy: &str, keys: &str, modes: [u32; 3]) -> (Vec<String>, usize) {
    let folder = tempfile::tempdir().unwrap();
    let files = [("sidegate.toml", settings), ("policy.toml", policy), ("keys.jsonl", keys)];
    for ((name, text), mode) in files.into_iter().zip(modes) {
        let path = folder.path().join(name);
        fs::write(&path, text).unwrap();
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    }
    let found = inspect(&folder.path().join("sidegate.toml"), Permissions::Insecure);
    let prefix = format!("{}/", folder.path().display());
    let lines = found.report.lines().into_iter().map(|line| line.replace(&prefix, ""));
    (lines.collect(), found.allowed)
}

fn key(id: &str, account: &str, expires: &str) -> String {
    let hash = blake3::hash(id.as_bytes()).to_hex();
    format!(
        "{{\"id\":\"{id}\",\"hash\":\"blake3:{hash}\",\"workspace\":\"w\",\"account\":\"{account}\",\
         \"environment\":\"production\",\"label\":null,\"created\":\"2026-01-01T00:00:00Z\",\
         \"not_before\":null,\"expires\":{expires},\"revoked\":null,\"ceiling\":null}}\n"
    )
}

#[test]
fn each_is_told_and_can_be_allowed() {
    const WELL: [u32; 3] = [0o644, 0o644, 0o600];
    let with = |text: &str, from: &str, to: &str| {
        assert!(text.contains(from), "{from}");
        text.replacen(from, to, 1)
    };
    let policy = |from: &str, to: &str| (SETTINGS.to_owned(), with(POLICY, from, to));
    let settings = |from: &str, to: &str| (with(SETTINGS, from, to), POLICY.to_owned());
    let route = |more: &str| policy("prefix = \"/p\"", &format!("prefix = \"/p\"\n{more}"));
    let end = |more: &str| (SETTINGS.to_owned(), format!("{POLICY}{more}"));
    let other = "\n[[route]]\nname = \"x\"\nupstream = \"u\"\n";
    let allow = "\n[[allow]]\nreason = \"a test\"\n";
    let cases = [
        (Lint::UnknownLint, end(&format!("{allow}lint = \"SG10\""))),
        (Lint::IdleAllow, end(&format!("{allow}lint = \"SG010\""))),
        (Lint::OneOwner, policy("b = \"owner\"", "b = \"member\"")),
        (Lint::IdleGrant, policy("level = \"view\"", "level = \"none\"")),
        (Lint::AccountNowhere, end("[account.elsewhere]\nsuspended = true")),
        (Lint::IdleGroup, policy("groups = { g", "groups = { h = [\"b\"], g")),
        (Lint::UnusedRole, end("[role.visitor]")),
        (
            Lint::WildcardAreas,
            policy("[role.member]", "[role.member]\nareas = { \"*\" = \"view\" }"),
        ),
        (Lint::UnroutedProduct, end("[product.q]")),
        (
            Lint::NoRoute,
            (
                SETTINGS.to_owned(),
                POLICY
                    .split("[[workspace.w.grant]]")
                    .next()
                    .unwrap()
                    .replace("groups = { g = [\"c\"] }", ""),
            ),
        ),
        (Lint::PublicUnderGuarded, end(&format!("{other}prefix = \"/p/x\"\npublic = true"))),
        (Lint::GuardedUnderPublic, end(&format!("{other}prefix = \"/\"\npublic = true"))),
        (Lint::WriteAsView, route("view_methods = [\"GET\", \"POST\"]")),
        (Lint::ViewNotTaken, route("methods = [\"GET\"]\nview_methods = [\"GET\", \"PROPFIND\"]")),
        (Lint::TakesNothing, route("methods = []")),
        (Lint::UpgradeWithoutGet, route("methods = [\"POST\"]\nupgrade = \"full\"")),
        (Lint::EncodedSlash, route("encoded_slash = \"keep\"")),
        (Lint::PathParams, route("path_params = \"keep\"")),
        (
            Lint::UnheldRoute,
            end(&format!(
                "{other}prefix = \"/q\"\nworkspace = \"w\"\nproduct = \"q\"\n[product.q]"
            )),
        ),
        (
            Lint::AdminReachable,
            settings("[upstream", "[admin]\naddress = \"0.0.0.0:9464\"\n[upstream"),
        ),
        (Lint::PlainUpstream, settings("\"unix:/run/u\"", "\"http://10.0.0.1\"")),
        (Lint::WideProxies, settings("[upstream", "trusted_proxies = [\"8.0.0.0/8\"]\n[upstream")),
        (
            Lint::UnroutedUpstream,
            settings("[upstream.u]", "[upstream.v]\nurls = [\"unix:/run/v\"]\n[upstream.u]"),
        ),
        (
            Lint::Unwritable,
            settings("[upstream.u]", "[audit]\nfile = \"none/audit.jsonl\"\n[upstream.u]"),
        ),
        (
            Lint::NoPin,
            (
                SETTINGS.replace("environment = \"production\"", ""),
                format!(
                    "{POLICY}[workspace.x]\nenvironment = \"staging\"\nmembers = {{ a = \"owner\", b = \"owner\" }}"
                ),
            ),
        ),
    ];
    let mut cases: Vec<_> = cases
        .map(|(lint, (settings, policy))| (lint, settings, policy, "\n".to_owned(), WELL))
        .into();
    let files = |keys: String, modes| (SETTINGS.to_owned(), POLICY.to_owned(), keys, modes);
    for (lint, (settings, policy, keys, modes)) in [
        (Lint::KeyOfNobody, files(key("k_1", "nobody", "\"2999-01-01T00:00:00Z\""), WELL)),
        (Lint::EndlessKeys, files(key("k_1", "c", "null"), WELL)),
        (Lint::OthersRead, files("\n".to_owned(), [0o644, 0o644, 0o640])),
        (Lint::OthersWrite, files("\n".to_owned(), [0o644, 0o664, 0o600])),
    ] {
        cases.push((lint, settings, policy, keys, modes));
    }
    assert_eq!(told(SETTINGS, POLICY, "\n", WELL), (vec![], 0));

    let mut seen = BTreeSet::new();
    let mut lines = String::new();
    for (lint, settings, policy, keys, modes) in cases {
        let (found, allowed) = told(&settings, &policy, &keys, modes);
        let code = format!("[{}]", lint.code());
        assert!(
            found.len() == 1 && found[0].ends_with(&code) && allowed == 0,
            "{lint:?}: {found:#?}"
        );
        lines.push_str(&format!("{}\n", found[0]));
        seen.insert(lint);
        if matches!(lint, Lint::UnknownLint | Lint::IdleAllow) {
            continue;
        }
        let allow = format!("{policy}{allow}lint = \"{}\"", lint.code());
        assert_eq!(told(&settings, &allow, &keys, modes), (vec![], 1), "{lint:?} in the policy");
        let allow =
            format!("{settings}{}lint = \"{}\"", "\n[[allow]]\nreason = \"a test\"\n", lint.code());
        assert_eq!(told(&allow, &policy, &keys, modes), (vec![], 1), "{lint:?} in the settings");
    }
    insta::assert_snapshot!(lines);
    // Certificates have times of their own: `config::tls` holds that. Not every build tells of spans.
    seen.extend([Lint::CertificateTime, Lint::SpansNotBuilt]);
    assert_eq!(seen, Lint::ALL.into());
}

#[test]
fn spans_are_missed_where_the_build_has_none() {
    let settings = format!("{SETTINGS}[tracing]\ncollector = \"http://127.0.0.1:4318\"\n");
    let (found, _) = told(&settings, POLICY, "\n", [0o644, 0o644, 0o600]);
    let said = found.iter().filter(|line| line.ends_with("[SG045]")).count();
    assert_eq!(
        (found.len(), said),
        if cfg!(feature = "otlp") { (0, 0) } else { (1, 1) },
        "{found:?}"
    );
}

#[test]
fn what_serve_is_to_write_is_looked_at_and_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().display();
    let settings = format!(
        "last_used = \"{path}/none/used\"\n{SETTINGS}[audit]\nfile = \"{path}/audit\"\n\
         [reload]\nlast_good = \"{path}/good\"\n"
    );
    let (found, _) = told(&settings, POLICY, "\n", [0o644, 0o644, 0o600]);
    assert!(
        found.len() == 1 && found[0].contains("`last_used`") && found[0].ends_with("[SG053]"),
        "{found:?}"
    );
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[test]
fn an_allowance_is_for_a_part_and_has_a_reason() {
    const WELL: [u32; 3] = [0o644, 0o644, 0o600];
    let policy = format!("{POLICY}[role.x]\n[role.y]\n");
    let of = |where_: &str| {
        let allow = "[[allow]]\nlint = \"SG014\"\nreason = \"kept for later\"\n";
        told(SETTINGS, &format!("{policy}{allow}{where_}"), "\n", WELL)
    };
    assert_eq!(of("").1, 2);
    let (left, allowed) = of("where = \"role `x`\"");
    assert_eq!((left.len(), allowed), (1, 1));
    assert!(left[0].contains("role `y` is nobody's"), "{left:?}");
    let (left, allowed) = of("where = \"role `z`\"");
    assert_eq!((left.len(), allowed), (3, 0));
    assert!(left[2].ends_with("or `where` is no part of it: drop or mend it [SG002]"), "{left:?}");

    let text = format!("{POLICY}[[allow]]\nlint = \"SG014\"\n");
    let (left, _) = told(SETTINGS, &text, "\n", WELL);
    let told = "allow `SG014`: `reason` is missing — say why it may stay";
    assert!(left.len() == 1 && left[0].contains(told), "{left:?}");
}

#[test]
fn what_is_shipped_is_silent() {
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("config/examples");
    for example in ["alludium", "atomicagi", "atomyx"] {
        let settings = examples.join(example).join("sidegate.toml");
        let found = inspect(&settings, Permissions::Insecure);
        assert!(found.snapshot.is_some(), "{}", found.report);
        // How files are checked out is not theirs.
        let modes = [Lint::OthersRead, Lint::OthersWrite].map(|lint| format!("[{}]", lint.code()));
        let lines = found.report.lines();
        let left: Vec<_> =
            lines.iter().filter(|line| !modes.iter().any(|mode| line.ends_with(mode))).collect();
        assert!(left.is_empty(), "{example}: {left:#?}");
    }
}
