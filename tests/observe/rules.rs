//! The rules of `config/prometheus`, by promtool and in a real Prometheus.

use std::collections::BTreeSet;
use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::harness::{ask, until};
use crate::prometheus::{Prometheus, config};
use crate::site::Site;

const README: &str = include_str!("../../README.md");

/// The names of the alerts.
fn alerts() -> Vec<String> {
    let rules = config("alerts.yml");
    let names = rules.lines().filter_map(|line| line.trim_start().strip_prefix("- alert: "));
    names.map(str::to_owned).collect()
}

#[test]
fn every_alert_says_what_to_do_and_is_tested() {
    let (rules, tests) = (config("alerts.yml"), config("alerts_test.yml"));
    let alerts = alerts();
    assert!(alerts.len() >= 15, "{alerts:?}");
    for name in &alerts {
        let rule = rules.split(&format!("- alert: {name}\n")).nth(1).unwrap();
        let rule = rule.split("- alert: ").next().unwrap();
        for part in ["severity: ", "summary: ", "description: "] {
            assert_eq!(rule.matches(part).count(), 1, "{name}: `{part}`");
        }
        assert!(tests.contains(&format!("alertname=\"{name}\"")), "{name} is not tested");
        let row = README.lines().any(|line| line.starts_with(&format!("| `{name}` |")));
        assert!(row, "README does not have {name}");
    }
}

#[test]
#[ignore = "needs promtool; .ci/run installs it"]
fn prometheus_files_are_well_formed_and_the_rules_tests_pass() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("config/prometheus");
    for arguments in [
        ["check", "config", "scrape.yml"],
        ["check", "rules", "alerts.yml"],
        ["test", "rules", "alerts_test.yml"],
    ] {
        let output =
            Command::new("promtool").args(arguments).current_dir(&folder).output().unwrap();
        let said = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
        println!("promtool {}\n{said}", arguments.join(" "));
        assert!(output.status.success() && said.contains("SUCCESS"), "{said}");
    }
}

#[test]
#[ignore = "needs promtool; .ci/run installs it"]
fn prometheus_finds_the_metrics_well_formed_and_each_denial_is_counted() {
    let site = Site::new();
    // Each reason once: the reason, the status, the request, and its key or else its own headers.
    let cases = [
        ("bad_target", 400, "GET", "/app/../late", "writer"),
        ("bad_request", 400, "GET", "/app", "reader\r\nX-API-Key: key-writer"),
        ("key_missing", 401, "GET", "/app", ""),
        ("key_malformed", 401, "GET", "/app", "!sg_production_short"),
        ("key_unknown", 401, "GET", "/app", "nobody"),
        ("key_revoked", 401, "GET", "/app", "revoked"),
        ("key_not_yet_valid", 401, "GET", "/app", "future"),
        ("key_expired", 401, "GET", "/app", "expired"),
        ("wrong_environment", 401, "GET", "/app", "staging"),
        ("route_unknown", 404, "GET", "/nowhere", "writer"),
        ("method_refused", 405, "TRACE", "/app", "writer"),
        ("wrong_workspace", 403, "GET", "/app", "other"),
        ("workspace_suspended", 403, "GET", "/closed", "closed"),
        ("account_suspended", 403, "GET", "/app", "banned"),
        ("not_a_member", 403, "GET", "/app", "stranger"),
        ("product_absent", 403, "GET", "/absent", "writer"),
        ("no_access", 403, "GET", "/app", "outsider"),
        ("subscription_inactive", 403, "POST", "/late", "writer"),
        ("view_only", 403, "POST", "/app", "reader"),
        ("key_ceiling", 403, "POST", "/app", "capped"),
    ];
    for (reason, status, method, path, key) in cases {
        let header = match key.strip_prefix('!') {
            _ if key.is_empty() => String::new(),
            Some(whole) => format!("X-API-Key: {whole}\r\n"),
            None => format!("X-API-Key: key-{key}\r\n"),
        };
        let answer = ask(site.gate.port, method, path, &header).unwrap();
        assert_eq!(answer.status, status, "{reason}: {}", answer.body);
    }
    assert_eq!(
        ask(site.gate.port, "GET", "/late", "X-API-Key: key-writer\r\n").unwrap().status,
        200
    );

    for (reason, ..) in cases {
        let counted = site.gate.metric("sidegate_denials_total", &format!("reason=\"{reason}\""));
        assert_eq!(counted, 1.0, "{reason}");
    }
    assert_eq!(site.gate.metric("sidegate_denials_total", ""), cases.len() as f64);

    let mut promtool = Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    promtool.stdin.take().unwrap().write_all(site.gate.page("/metrics").as_bytes()).unwrap();
    let output = promtool.wait_with_output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    assert!(output.status.success() && said.is_empty(), "{}", String::from_utf8_lossy(&said));
}

#[test]
#[ignore = "needs prometheus; .ci/run installs it"]
fn prometheus_scrapes_denials_and_fires_alerts() {
    let site = Site::new();
    let (port, policy) = (site.gate.port, site.folder.path().join("policy.toml"));
    let prometheus = Prometheus::start(site.gate.admin);
    let ask = |method: &str, key: &str| {
        ask(port, method, "/app", &format!("X-API-Key: key-{key}\r\n")).unwrap().status
    };
    (0..5).for_each(|_| assert_eq!(ask("GET", "nobody"), 401));
    (0..3).for_each(|_| assert_eq!(ask("POST", "reader"), 403));
    (0..7).for_each(|_| assert_eq!(ask("POST", "writer"), 200));
    for (query, wanted) in [
        (
            "sum by (reason) (sidegate_denials_total)",
            vec![("key_unknown", "5"), ("view_only", "3")],
        ),
        ("sum by (code) (sidegate_requests_total) > 0", vec![("2xx", "7"), ("4xx", "8")]),
        ("sidegate_request_duration_seconds_count{route=\"app\"}", vec![("app", "15")]),
    ] {
        let (data, ()) = prometheus.query(query, |samples| {
            let found: BTreeSet<_> = samples.iter().map(of_one_label).collect();
            let wanted = wanted.iter().map(|(label, value)| (label.to_string(), value.to_string()));
            (found == wanted.collect()).then_some(())
        });
        println!("{query}\n{}\n", data["result"]);
    }
    let (_, ()) = prometheus.until("/api/v1/targets", |data| {
        let target = &data["activeTargets"][0];
        (target["health"] == "up" && target["lastError"] == "").then_some(())
    });

    // Every rule can be evaluated, and none fires of itself.
    let (_, names) = prometheus.until("/api/v1/rules", |data| {
        let groups = data["groups"].as_array().unwrap().iter();
        let rules: Vec<_> = groups.flat_map(|group| group["rules"].as_array().unwrap()).collect();
        if rules.iter().any(|rule| rule["health"] == "unknown") {
            return None;
        }
        for rule in &rules {
            assert_eq!(
                (&rule["health"], &rule["lastError"]),
                (&Value::from("ok"), &Value::Null),
                "{rule}"
            );
        }
        Some(rules.iter().filter(|rule| rule["type"] == "alerting").count())
    });
    assert_eq!(names, alerts().len());
    // The first evaluation may be before the first scrape.
    assert_eq!(firing(&prometheus, BTreeSet::is_empty), BTreeSet::new());

    let good = fs::read_to_string(&policy).unwrap();
    fs::write(&policy, good.replace("upstream = \"app\"", "upstream = \"ap\"")).unwrap();
    let refused = ["SidegatePolicyStale", "SidegateReloadFailing"].map(str::to_owned).into();
    assert_eq!(firing(&prometheus, |alerts| *alerts == refused), refused);
    let (alerts, ()) = prometheus.until("/api/v1/alerts", |_| Some(()));
    println!("/api/v1/alerts\n{}", serde_json::to_string_pretty(&alerts["alerts"]).unwrap());
    fs::write(&policy, good).unwrap();
    until("the reload", || site.gate.metric("sidegate_policy_last_reload_successful", "") == 1.0);
    assert_eq!(firing(&prometheus, BTreeSet::is_empty), BTreeSet::new());
}

/// Of a sample with one label, that and the value: the label's name is the query's.
fn of_one_label(sample: &Value) -> (String, String) {
    let labels = sample["metric"].as_object().unwrap();
    let own =
        labels.iter().filter(|(name, _)| !["__name__", "instance", "job"].contains(&name.as_str()));
    let label = own.map(|(_, value)| value.as_str().unwrap()).collect::<Vec<_>>().join(",");
    (label, sample["value"][1].as_str().unwrap().to_owned())
}

/// The alerts that fire, once they are as wanted.
fn firing(prometheus: &Prometheus, wanted: impl Fn(&BTreeSet<String>) -> bool) -> BTreeSet<String> {
    let found = prometheus.until("/api/v1/alerts", |data| {
        let alerts = data["alerts"].as_array().unwrap().iter();
        let firing = alerts.filter(|alert| alert["state"] == "firing");
        let names = firing.map(|alert| alert["labels"]["alertname"].as_str().unwrap().to_owned());
        Some(names.collect()).filter(&wanted)
    });
    found.1
}
