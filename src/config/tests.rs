//! The room as a whole: files in, drafts and problems out.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;

use proptest::prelude::*;
use tempfile::TempDir;

use super::*;
use crate::policy::Draft;

const DOMAIN: &str = include_str!("samples/domain.toml");
const SETTINGS: &str = "[upstream.vault]\nurls = [\"http://127.0.0.1:9000\"]\n";

/// Names and bytes of files.
type Listing<'a> = &'a [(&'a str, &'a [u8])];

/// A folder with these files; settings are added.
fn folder(files: Listing<'_>) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("sidegate.toml"), SETTINGS).unwrap();
    for (name, bytes) in files {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }
    folder
}

/// What is printed of the problems of a folder, but for the key file: that has tests of its own.
fn told(folder: &TempDir) -> String {
    let config = folder.path().join("sidegate.toml");
    let report = match open(&config, Permissions::Private) {
        Ok((_, loaded)) => loaded.report,
        Err(report) => report,
    };
    let prefix = format!("{}/", folder.path().display());
    let lines = report.lines().into_iter().map(|line| line.replace(&prefix, "") + "\n");
    lines.filter(|line| !line.starts_with("keys.jsonl:")).collect()
}

fn draft_of(path: PathBuf) -> (Draft, Vec<String>) {
    let mut files = Files::default();
    let (draft, notes) = draft::read(&path, None, &mut files);
    (draft, Report::new(files, notes.problems).lines())
}

#[test]
fn the_whole_language_becomes_a_draft() {
    let folder = folder(&[("policy.toml", DOMAIN.as_bytes())]);
    let (draft, problems) = draft_of(folder.path().join("policy.toml"));
    assert_eq!(problems, Vec::<String>::new());
    // One line a place, so that the file can be read.
    let shown = format!("{draft:#?}");
    insta::assert_snapshot!(compact(&shown));
}

/// A pretty `Debug` with each place as `line:column` and each value at its place on one line.
fn compact(shown: &str) -> String {
    let lines: Vec<_> = shown.lines().collect();
    let number = |line: &str| line.rsplit(' ').next().unwrap().trim_end_matches(',').to_owned();
    let mut placed = Vec::new();
    let mut rest = lines.as_slice();
    while let [line, after @ ..] = rest {
        rest = after;
        let Some(start) = line.strip_suffix("Place {") else {
            placed.push((*line).to_owned());
            continue;
        };
        // file: FileId(0,), line, column
        placed.push(format!("{start}{}:{},", number(rest[3]), number(rest[4])));
        rest = &rest[6..];
    }
    let mut out = String::new();
    let mut rest = placed.as_slice();
    while let [line, after @ ..] = rest {
        rest = after;
        out.push_str(line);
        if let (true, [value, place, _, after @ ..]) = (line.ends_with("At {"), rest)
            && let Some(place) = place.trim().strip_prefix("place: ")
        {
            out.truncate(out.len() - "At {".len());
            let value = value.trim().trim_start_matches("value: ").trim_end_matches(',');
            out.push_str(&format!("{value} @ {place}"));
            rest = after;
        }
        out.push('\n');
    }
    out
}

#[test]
fn connections_begin_with_a_header_where_somebody_may_send_one() {
    let read = |lines: &str| {
        let text = format!("{lines}\n{}", SETTINGS.replace("[listen]", "[ignored]"));
        let folder = folder(&[("sidegate.toml", text.as_bytes())]);
        let (config, told) = match super::read(&folder.path().join("sidegate.toml")) {
            Ok(config) => (Some(config), String::new()),
            Err(report) => (None, report.to_string()),
        };
        (config.map(|config| config.proxy.proxy_protocol), told)
    };
    const TRUSTED: &str = "trusted_proxies = [\"10.0.0.0/8\"]\n";
    const V2: &str = "listen.proxy_protocol = \"v2\"";
    let cases = [
        (TRUSTED.to_owned(), Some(false), ""),
        (format!("{TRUSTED}listen.proxy_protocol = \"off\""), Some(false), ""),
        (format!("{TRUSTED}{V2}"), Some(true), ""),
        (format!("{V2}\nlisten.address = \"unix:a.sock\""), Some(true), ""),
        (V2.to_owned(), None, "1:25: `proxy_protocol` without `trusted_proxies`"),
        (format!("trusted_proxies = []\n{V2}"), None, "2:25: `proxy_protocol` without"),
        (
            format!("trusted_proxis = [\"10.0.0.0/8\"]\n{V2}"),
            None,
            "did you mean `trusted_proxies`?",
        ),
        (format!("{V2}\nlisten.address = \"unix:@a\""), None, "1:25: `[listen]`: anybody here"),
        (format!("{TRUSTED}listen.proxy_protocol = \"v1\""), None, "`v1`"),
        (format!("{TRUSTED}listen.proxy_protocol = true"), None, "`proxy_protocol`"),
    ];
    for (lines, expected, said) in cases {
        let (seen, told) = read(&lines);
        assert_eq!(seen, expected, "{lines}: {told}");
        assert!(told.contains(said), "{lines}: {told}");
        assert!(told.lines().filter(|line| line.contains(": ")).count() <= 1, "{told}");
    }
}

#[test]
fn trusted_proxies_are_networks_and_never_everybody() {
    let read = |list: &str| {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("sidegate.toml");
        fs::write(&path, format!("trusted_proxies = {list}\n{SETTINGS}")).unwrap();
        let mut files = Files::default();
        let (config, notes) = settings::read(&path, &mut files);
        let problems = Report::new(files, notes.problems).lines();
        let prefix = format!("{}:1:", path.display());
        (config.unwrap().proxy.trusted_proxies.len(), problems.join("\n").replace(&prefix, ""))
    };
    for (list, count, told) in [
        ("[]", 0, ""),
        (r#"["10.0.0.0/8", "::1"]"#, 2, ""),
        (
            r#"["0.0.0.0/0", "127.0.0.1"]"#,
            1,
            "20: `trusted_proxies`: `0.0.0.0/0` is everybody — name the proxies that stand before this one",
        ),
        (
            r#"["::/0"]"#,
            0,
            "20: `trusted_proxies`: `::/0` is everybody — name the proxies that stand before this one",
        ),
        (
            r#"["10.0.0.1/8"]"#,
            0,
            "20: `trusted_proxies`: `10.0.0.1/8` has bits set behind its length — set them to zero, or leave the length away",
        ),
        (
            r#"["proxy.example"]"#,
            0,
            "20: `trusted_proxies`: `proxy.example` is not a network — write an address and a length: `10.0.0.0/8`, `fd00::/8`",
        ),
    ] {
        assert_eq!(read(list), (count, told.to_owned()), "{list}");
    }
}

#[test]
fn every_mistake_of_a_policy_is_told() {
    let mistakes = include_bytes!("samples/mistakes.toml");
    insta::assert_snapshot!(told(&folder(&[("policy.toml", mistakes)])));
}

#[test]
fn what_can_never_act_is_warned_of() {
    let idle = include_bytes!("samples/idle.toml");
    insta::assert_snapshot!(told(&folder(&[("policy.toml", idle)])));
}

#[test]
fn what_not_every_reader_reads_alike_is_kept_with_a_warning_and_in_no_prefix() {
    let policy = |prefix: &str, fields: &str| {
        let route = "[[route]]\npublic = true\nupstream = \"vault\"";
        let policy = format!("version = 1\n{route}\nprefix = \"{prefix}\"\n{fields}\n");
        told(&folder(&[("policy.toml", policy.as_bytes())]))
    };
    let slash = "policy.toml:6:17: warning: route `/a`: `%2F` is let through, and is no `/` here — \
                 an upstream that decodes it before it splits reads another path than was judged: \
                 keep it only where it does not [SG027]";
    let params = "policy.toml:7:15: warning: route `/a`: `;` and what follows it in a segment is let \
                  through, and not looked at — an upstream that does not cut it off reads another \
                  path than was judged: keep it only where it does [SG028]";
    let both = "encoded_slash = \"keep\"\npath_params = \"keep\"";
    assert_eq!(policy("/a", &both.replace("keep", "refuse")), "");
    assert_eq!(policy("/a", both), format!("{slash}\n{params}\n"));
    for (prefix, what) in [("/a%2Fb", "an encoded slash"), ("/a;b", "a `;`")] {
        let error = format!("prefix `{prefix}` is no path: it has {what}: ");
        assert!(policy(prefix, both).contains(&error), "{prefix}");
    }
}

#[test]
fn a_route_has_limits_of_its_own() {
    let limits = |written: &str| {
        let route = "[[route]]\nprefix = \"/a\"\npublic = true\nupstream = \"vault\"";
        let policy = format!("version = 1\n{route}\n{written}\n");
        let folder = folder(&[("policy.toml", policy.as_bytes())]);
        let (draft, _) = draft_of(folder.path().join("policy.toml"));
        (draft.routes.first().map(|route| route.limits.to_string()), told(&folder))
    };
    for (written, read) in [
        ("", "none"),
        ("limits = {}", "none"),
        ("limits = { requests = 100 }", "requests=100"),
        (
            "[route.limits]\nbody_bytes = \"1MiB\"\ntimeout = \"5s\"",
            "body_bytes=1048576 timeout=5000ms",
        ),
        ("limits = { requests = 1, body_bytes = 0 }", "requests=1 body_bytes=0"),
    ] {
        assert_eq!(limits(written), (Some(read.to_owned()), String::new()), "{written}");
    }
    for (written, problem) in [
        ("limits = { requests = 0 }", "`requests` must be between 1 and 10000000"),
        ("limits = { requests = \"many\" }", "`requests` must be a whole number"),
        (
            "limits = { timeout = 5 }",
            "`timeout` has no unit — write `timeout = \"5s\"` for seconds",
        ),
        ("limits = { timeout = \"0s\" }", "`timeout`: `0s` is no time at all"),
        ("limits = { body_bytes = \"1MB\" }", "`body_bytes`: `1MB` is not a size"),
        ("limits = { request = 1 }", "unknown field `request` — did you mean `requests`?"),
        ("limits = 5", "`limits` must be a table"),
    ] {
        let (_, told) = limits(written);
        assert!(told.contains(problem) && told.contains("route `/a`"), "{written}: {told}");
    }
}

#[test]
fn no_route_has_the_name_that_metrics_give_to_none() {
    let route = |name: &str| {
        format!(
            "version = 1\n[[route]]\nname = \"{name}\"\nprefix = \"/\"\npublic = true\nupstream = \"vault\"\n"
        )
    };
    let expected = "policy.toml:3:8: route `none`: it cannot be named `none` — metrics say `none` \
                    where there is no route: choose another name\n";
    assert_eq!(told(&folder(&[("policy.toml", route("none").as_bytes())])), expected);
    assert_eq!(told(&folder(&[("policy.toml", route("None").as_bytes())])), "");
}

#[test]
fn a_product_whose_subscription_nobody_states_is_an_error() {
    let missing = "`subscription` is missing — such as `subscription = \"active\"`";
    let typo = "unknown field `subscripton` — did you mean `subscription`?";
    for (table, expected) in [
        ("[workspace.a.product.vault]\n", Some(missing)),
        ("[workspace.a.product.vault]\nsubscription_ends = 2027-03-31T00:00:00Z\n", Some(missing)),
        ("[workspace.a.product.vault]\nsubscripton = \"suspended\"\n", Some(typo)),
        ("[workspace.a.product.vault]\nsubscription = \"suspended\"\n", None),
    ] {
        let policy = format!("version = 1\n[workspace.a]\nenvironment = \"e\"\n{table}");
        let folder = folder(&[("policy.toml", policy.as_bytes())]);
        let (_, problems) = draft_of(folder.path().join("policy.toml"));
        let found: Vec<_> = problems
            .iter()
            .filter_map(|problem| problem.split_once("workspace `a`: product `vault`: "))
            .map(|(_, message)| message)
            .collect();
        assert_eq!(found, Vec::from_iter(expected), "{table}");
        assert_eq!(problems.len(), found.len(), "{problems:?}");
    }
}

#[test]
fn what_bounds_a_caller_is_an_error_on_a_public_route() {
    let (public, area) = ("public = true", "area = \"a\"\nworkspace = \"w\"");
    for (scope, field, expected) in [
        (public, "protect = { owner = \"ownership\" }", Some("`protect` bounds nobody")),
        (public, "view_methods = [\"GET\"]", Some("`view_methods` bounds nobody")),
        (public, "methods = [\"GET\"]", None),
        (area, "protect = { owner = \"ownership\" }", None),
        (area, "view_methods = [\"GET\"]", None),
    ] {
        let route = "[[route]]\nprefix = \"/{account}\"\nupstream = \"vault\"";
        let policy = format!("version = 1\n{route}\n{scope}\n{field}\n");
        let folder = folder(&[("policy.toml", policy.as_bytes())]);
        let (_, problems) = draft_of(folder.path().join("policy.toml"));
        assert_eq!(problems.len(), usize::from(expected.is_some()), "{problems:?}");
        let told = |expected| problems.iter().any(|problem| problem.contains(expected));
        assert!(expected.is_none_or(told), "{problems:?}");
    }
}

#[test]
fn every_mistake_of_the_settings_is_told_together_with_those_of_the_policy() {
    insta::assert_snapshot!(told(&folder(&[
        ("sidegate.toml", include_bytes!("samples/sidegate-mistakes.toml")),
        ("policy.toml", b"version = 1\nrouts = []\n"),
    ])));
}

#[test]
fn syntax_errors_do_not_hide_other_problems_or_cause_them() {
    let text = "version = 1\nareas = [\"general\"]\n[[route]]\nname = x\nprefix = \"/a\"\n\
                areaa = \"general\"\nupstream = vault\n[role.a]\nbypass = 1\n[role.a]\n[rle.b]\n";
    insta::assert_snapshot!(told(&folder(&[("policy.toml", text.as_bytes())])));
}

#[test]
fn bad_files_are_told_with_the_way_out() {
    let cases: &[(&str, Listing<'_>)] = &[
        ("policy missing", &[]),
        ("policy empty", &[("policy.toml", b" \n")]),
        ("policy only a comment", &[("policy.toml", b"# nothing\n")]),
        ("policy not UTF-8", &[("policy.toml", b"version = 1\n# \xc3\xbc\xff\n")]),
        ("policy of another version", &[("policy.toml", b"version = 2\nfuture = 1\n")]),
        ("policy version with a typo", &[("policy.toml", b"verson = 1\n")]),
        ("policy version is a text", &[("policy.toml", b"version = \"1\"\n")]),
        ("settings empty", &[("sidegate.toml", b"")]),
        ("settings not UTF-8", &[("sidegate.toml", b"\xff")]),
        ("settings without upstream", &[("sidegate.toml", b"workers = 1\n")]),
        ("settings too large", &[("sidegate.toml", &[b'#'; (1 << 20) + 1])]),
        ("settings half-written", &[("sidegate.toml", b"[upstream.vault]\nurls = [\"http://1")]),
        ("settings with a typo", &[("sidegate.toml", b"polcy = \"p.toml\"\n[upstrem.a]\n")]),
        ("empty directory", &[("sidegate.toml", b"policy = \"p\"\n"), ("p/README", b"")]),
        (
            "one port twice",
            &[("sidegate.toml", b"[listen]\naddress=\"[::]:1\"\n[admin]\naddress=\"[::1]:1\"\n")],
        ),
    ];
    let mut out = String::new();
    for (name, files) in cases {
        out.push_str(&format!("--- {name}\n{}", told(&folder(files))));
    }
    insta::assert_snapshot!(out);
}

#[test]
fn what_is_no_file_is_told() {
    let folder = folder(&[("policy.toml/x/y", b"")]);
    assert!(told(&folder).contains("no `*.toml` file in this directory"));
    let report = read(folder.path()).unwrap_err();
    assert!(report.to_string().ends_with("is a directory — name a file\n"), "{report}");
    let report = read(Path::new("/dev/null")).unwrap_err();
    assert_eq!(report.to_string(), "/dev/null: is not a regular file — name a file\n");
}

#[test]
fn a_policy_file_of_more_than_16_mib_is_not_read() {
    let folder = folder(&[]);
    let policy = fs::File::create(folder.path().join("policy.toml")).unwrap();
    policy.set_len((16 << 20) + 1).unwrap();
    let expected = "policy.toml: is larger than 16 MiB — a policy can be a directory of smaller \
                    files\n";
    assert_eq!(told(&folder), expected);
}

#[test]
fn a_directory_is_read_as_one_in_the_order_of_names() {
    let route = |prefix: &str| {
        format!(
            "version = 1\n[[route]]\nprefix = \"{prefix}\"\npublic = true\nupstream = \"vault\"\n"
        )
    };
    let (one, two) = (route("/1"), route("/2"));
    let folder = folder(&[
        ("p/20.toml", two.as_bytes()),
        ("p/.hidden.toml", b"broken"),
        ("p/..data/10.toml", one.as_bytes()),
        ("p/notes.txt", b"broken"),
    ]);
    let link = folder.path().join("p/10.toml");
    std::os::unix::fs::symlink("..data/10.toml", link).unwrap();
    let (draft, problems) = draft_of(folder.path().join("p"));
    let prefixes: Vec<_> = draft.routes.iter().map(|route| route.prefix.value.as_str()).collect();
    assert_eq!((prefixes, problems), (vec!["/1", "/2"], vec![]));
}

#[test]
fn a_table_in_two_files_is_told_with_both_places() {
    let one = "version = 1\nareas = [\"a\"]\nhide_none = true\n[role.a]\n[product.a]\n\
               [account.a]\n[workspace.a]\nenvironment = \"e\"\n";
    let two = format!("{one}[role.b]\n");
    let folder = folder(&[
        ("sidegate.toml", format!("policy = \"p\"\n{SETTINGS}").as_bytes()),
        ("p/1.toml", one.as_bytes()),
        ("p/2.toml", two.as_bytes()),
        ("p/3.toml", b"[role.c]\n"),
    ]);
    insta::assert_snapshot!(told(&folder));
}

#[test]
fn settings_have_their_defaults_and_paths_are_relative_to_the_file() {
    let folder = folder(&[]);
    let path = folder.path().join("sidegate.toml");
    let config = read(&path).unwrap();
    assert_eq!(config.policy, folder.path().join("policy.toml"));
    assert_eq!(config.keys, folder.path().join("keys.jsonl"));
    assert_eq!((config.pepper, config.environment), (None, None));
    assert_eq!(config.proxy.listen.to_string(), "0.0.0.0:8080");
    assert_eq!(config.admin.listen.to_string(), "127.0.0.1:9464");
    assert_eq!(config.proxy.timeouts, proxy::Timeouts::default());
    assert_eq!(config.proxy.limits, proxy::Limits::default());
    assert_eq!(config.log, telemetry::Settings::default());
    assert!(config.proxy.workers >= 1);
    let vault = &config.proxy.upstreams[0];
    assert_eq!(vault.endpoints[0].url, "http://127.0.0.1:9000");
    assert_eq!((vault.idle_connections, vault.requests, vault.eject_after), (64, 10_000, 3));
}

#[test]
fn every_setting_can_be_set() {
    let settings = br#"
        policy = "/etc/p"
        keys = "k/keys.jsonl"
        pepper = "pepper.bin"
        last_used = "uses"
        environment = "staging"
        workers = 3
        trusted_proxies = ["10.0.0.0/8", "::1"]
        listen.address = "[::1]:1"
        listen.proxy_protocol = "v2"
        listen.tls = { certificate = "a.pem", key = "a.key", client_ca = "ca.pem", certificates = [{ certificate = "b.pem", key = "/b.key" }] }
        admin = { address = "127.0.0.1:2", token = "admin.token", hosts = ["ops.example"] }
        upstream.z = { urls = ["http://z:1", "unix:/run/z"], idle_connections = 0, requests = 1, eject_after = 0, dns_refresh = "1m" }
        upstream.a = { urls = ["http://[::1]"], health = { path = "/h", interval = "1s", timeout = "2s", after = 3, host = "a:1" } }
        timeouts = { handshake = "9s", header = "1s", connect = "2ms", upstream = "3m", body = "4h", idle = "5s", tunnel = "7s", drain_delay = "8s", linger = "10s", drain = "6s" }
        handover = { socket = "handover.sock" }
        limits = { connections = 1, requests = 2, streams = 4, headers = 3, header_bytes = "8KiB", target_bytes = 100, body_bytes = "2GiB", key_rate = 5, key_burst = 6 }
        log = { format = "text", level = "debug", sample = 1, denials_per_second = 7, buffer = 99 }
        tracing = { collector = "http://[::1]/spans", ratio = 0.25, service = "s", buffer = 64 }
        audit = { file = "audit.jsonl", writes = true, on_failure = "deny", buffer = 32 }
        reload = { max_revoked = "2.5%", keep_owners = true, last_good = "kept" }
    "#;
    let folder = folder(&[("sidegate.toml", settings)]);
    let config = read(&folder.path().join("sidegate.toml")).unwrap();
    let shown = format!("{config:#?}").replace(&folder.path().display().to_string(), "FOLDER");
    insta::assert_snapshot!(shown);
}

#[test]
fn settings_of_tls_are_judged_with_their_files() {
    let (made, other) = (self_signed(), self_signed());
    let cases = [
        ("urls = [\"https://a\"]\nca = \"a.pem\"", ""),
        ("urls = [\"https://a\"]\nca = \"a.pem\"\ncertificate = \"a.pem\"\nkey = \"a.key\"", ""),
        ("urls = [\"https://a\"]\nca = \"none.pem\"", "none.pem: "),
        ("urls = [\"https://a\"]\nca = \"a.key\"", "a.key: has no certificate in it"),
        (
            "urls = [\"https://a\"]\nca = \"a.pem\"\ncertificate = \"a.pem\"\nkey = \"open.key\"",
            "open.key: mode 0640 lets group or others read or write it",
        ),
        ("urls = [\"https://a\"]\ncertificate = \"a.pem\"", "`certificate` and `key` go together"),
        (
            "urls = [\"https://a\"]\nca = \"a.pem\"\ncertificate = \"a.pem\"\nkey = \"b.key\"",
            "b.key: is not the key of a.pem",
        ),
        ("urls = [\"http://a\"]\nca = \"a.pem\"", "are for `https://` urls"),
        ("urls = [\"http://a\"]\nserver_name = \"a\"", "are for `https://` urls"),
        ("urls = [\"https://a\"]\nca = \"a.pem\"\nserver_name = \"a b\"", "is no host name"),
        ("urls = [\"https://a_.-\"]\nca = \"a.pem\"", "3:9: upstream `a`: `https://a_.-`"),
    ];
    for (lines, expected) in cases {
        let settings = format!("policy = \"p\"\n[upstream.a]\n{lines}\n");
        let folder = folder(&[
            ("sidegate.toml", settings.as_bytes()),
            ("a.pem", made.0.as_bytes()),
            ("a.key", made.1.as_bytes()),
            ("b.key", other.1.as_bytes()),
            ("open.key", made.1.as_bytes()),
        ]);
        for (key, mode) in [("a.key", 0o600), ("b.key", 0o600), ("open.key", 0o640)] {
            let mode = std::fs::Permissions::from_mode(mode);
            std::fs::set_permissions(folder.path().join(key), mode).unwrap();
        }
        let read = read(&folder.path().join("sidegate.toml"));
        let report = read.map(|config| certificates(&config, Permissions::Private).1);
        let told = report.unwrap_or_else(|report| report).lines().join("\n");
        let told = told.replace(&format!("{}/", folder.path().display()), "");
        assert_eq!(told.is_empty(), expected.is_empty(), "{lines}: {told}");
        assert!(told.contains(expected), "{lines}: {told}");
    }
}

/// A certificate and its key, in PEM.
fn self_signed() -> (String, String) {
    let made = rcgen::generate_simple_self_signed(["a".to_owned()]).unwrap();
    (made.cert.pem(), made.signing_key.serialize_pem())
}

#[test]
fn what_follows_from_a_lost_name_is_recognised() {
    let problem = |message: &str| Problem::error(crate::policy::Place::default(), message);
    let lost = BTreeSet::from(["acme".to_owned()]);
    let cases = [
        ("unknown workspace `acme`", true),
        ("grant to `group:acme`", true),
        ("unknown workspace `acme-prod`", false),
        ("acme", false),
    ];
    for (message, expected) in cases {
        assert_eq!(speaks_of(&problem(message), &lost), expected, "{message}");
    }
}

/// Reads bytes as settings and as a policy.
fn read_both(bytes: &[u8]) {
    let folder = folder(&[("bytes.toml", bytes)]);
    let path = folder.path().join("bytes.toml");
    if let Err(report) = read(&path) {
        assert!(report.errors() > 0 && !report.lines().is_empty());
    }
    let _ = draft_of(path);
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..Default::default() })]

    #[test]
    fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        read_both(&bytes);
    }

    #[test]
    fn no_toml_like_text_panics(text in "([a-z\\[\\]{}=\"'.,#\\-0-9T:Z\\\\ü \n]|\\[\\[route\\]\\]\n|version = 1\n|areas = ){0,60}") {
        read_both(text.as_bytes());
    }

    #[test]
    fn no_mutation_of_a_good_policy_panics(
        at in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>(), 0..4_u8), 1..6),
    ) {
        for sample in [DOMAIN, include_str!("samples/sidegate-mistakes.toml")] {
            let mut bytes = sample.as_bytes().to_vec();
            for (index, byte, how) in &at {
                if bytes.is_empty() {
                    break;
                }
                let index = index.index(bytes.len());
                match how {
                    0 => bytes[index] = *byte,
                    1 => bytes.insert(index, *byte),
                    2 => drop(bytes.remove(index)),
                    _ => bytes.truncate(index),
                }
            }
            read_both(&bytes);
        }
    }
}

#[test]
fn pending_members_have_a_seat_and_a_role_and_are_no_members() {
    let policy = |seats: &str, pending: &str| {
        format!(
            "version = 1\n[role.owner]\nbypass = true\n[role.member]\n[workspace.w]\n\
             environment = \"production\"\n{seats}\n[workspace.w.members]\nann = \"owner\"\n\
             ben = \"owner\"\n[workspace.w.pending]\n{pending}\n"
        )
    };
    let cid = "cid = { role = \"member\", invited = 2026-11-21 }";
    for (seats, pending, expected) in [
        ("", cid.to_owned(), ""),
        ("seats = 3", cid.to_owned(), ""),
        (
            "seats = 2",
            cid.to_owned(),
            "policy.toml:7:9: workspace `w` has 2 members and 1 pending on 2 seats — raise",
        ),
        ("", "cid = { role = \"mmber\" }".into(), "unknown role `mmber` — did you mean `member`?"),
        (
            "",
            "ben = { role = \"member\" }".into(),
            "policy.toml:12:1: workspace `w`: pending member `ben` is a member",
        ),
        (
            "",
            "Ben = { role = \"member\" }".into(),
            "account `Ben` differs from another only in case",
        ),
        (
            "",
            format!("{cid}\n[workspace.w.groups]\ng = [\"cid\"]"),
            "account `cid` is not a member",
        ),
    ] {
        let told = told(&folder(&[("policy.toml", policy(seats, pending.as_str()).as_bytes())]));
        assert!(
            if expected.is_empty() {
                !told.contains("workspace `w`")
            } else {
                told.contains(expected)
            },
            "{told}"
        );
    }
}
