//! What the process is, as `sidegate.toml` says.

use super::*;

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
fn every_mistake_of_the_settings_is_told_together_with_those_of_the_policy() {
    insta::assert_snapshot!(told(&folder(&[
        ("sidegate.toml", include_bytes!("../samples/sidegate-mistakes.toml")),
        ("policy.toml", b"version = 1\nrouts = []\n"),
    ])));
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
