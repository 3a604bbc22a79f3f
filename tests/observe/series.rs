//! How many series there are: as many as policy and settings allow, whatever clients send.

use std::collections::{BTreeMap, BTreeSet};
use std::thread;

use sidegate::policy::DenyReason;
use sidegate::telemetry::{CutKind, HandshakeErrorKind, Limit, OriginErrorKind, UpstreamErrorKind};

use crate::exposition::Exposition;
use crate::hostile::{self, KINDS, KINDS_2};
use crate::site::{AUTHORITY, OTHER, Site};

#[test]
fn hostile_requests_make_no_series() {
    hold(5_000, 3_000);
}

#[test]
#[ignore = "a million requests take minutes in a debug build"]
fn a_million_hostile_requests_make_no_series() {
    hold(600_000, 400_000);
}

/// Sends every kind once, then so many more over HTTP/1 and HTTP/2.
fn hold(over_1: usize, over_2: usize) {
    let site = Site::new();
    let bounds = Bounds::of(&site);
    let port = site.gate.port;
    let page = || Exposition::parse(&site.gate.page("/metrics"));
    let send = |first: usize, over_1: usize, over_2: usize| {
        thread::scope(|scope| {
            for nth in 0..4 {
                let share = over_1 / 4;
                scope.spawn(move || {
                    let seed = fastrand::u64(..);
                    hostile::http1(port, first + nth * share, share, seed);
                });
            }
            scope.spawn(move || hostile::http2(port, first, over_2, fastrand::u64(..)));
        });
    };
    let quiet = page();
    send(0, KINDS, KINDS_2);
    let before = page();
    send(KINDS, over_1, over_2);
    let after = page();
    println!(
        "series: {} before any request, {} after one of each of {} kinds, {} after {} more; at most {}",
        quiet.count(),
        before.count(),
        KINDS + KINDS_2,
        after.count(),
        over_1 / 4 * 4 + over_2,
        bounds.most()
    );
    bounds.hold(&after);
    assert_eq!(before, after);
    // The requests were not all refused for one thing.
    let reasons: BTreeSet<_> =
        after.0["sidegate_denials_total"].iter().map(|it| &it["reason"]).collect();
    assert!(reasons.len() >= 18, "{reasons:?}");
}

/// The values that a label may have, and the labels of each family: from the policy, the settings and closed enums.
struct Bounds {
    values: BTreeMap<&'static str, BTreeSet<String>>,
    labels: BTreeMap<&'static str, Vec<&'static str>>,
}

impl Bounds {
    fn of(site: &Site) -> Self {
        let policy: toml::Table = toml::from_str(&Site::policy()).unwrap();
        let names = |table: &str| policy[table].as_table().unwrap().keys().cloned();
        let routes = policy["route"].as_array().unwrap().iter();
        let routes = routes.map(|route| route["name"].as_str().unwrap().to_owned());
        let set = |values: &[&str]| values.iter().map(ToString::to_string).collect();
        let with_none = |names: &mut dyn Iterator<Item = String>| {
            names.chain(["none".to_owned()]).collect::<BTreeSet<_>>()
        };
        let codes = [
            CutKind::ALL.map(CutKind::code).as_slice(),
            &HandshakeErrorKind::ALL.map(HandshakeErrorKind::code),
            &OriginErrorKind::ALL.map(OriginErrorKind::code),
            &UpstreamErrorKind::ALL.map(UpstreamErrorKind::code),
        ]
        .concat();
        let mut workspaces = with_none(&mut names("workspace"));
        workspaces.insert("other".to_owned());
        let reasons = DenyReason::ALL.map(DenyReason::code);
        let values = BTreeMap::from([
            ("code", set(&["1xx", "2xx", "3xx", "4xx", "5xx"])),
            ("endpoint", set(&[&site.upstream, OTHER])),
            ("file", set(&[AUTHORITY])),
            ("kind", set(&codes)),
            ("level", set(&["none", "view", "full"])),
            ("limit", set(&Limit::ALL.map(Limit::code))),
            ("product", with_none(&mut names("product"))),
            (
                "reason",
                [&reasons[..], &["drain", "idle"]]
                    .concat()
                    .into_iter()
                    .map(str::to_owned)
                    .collect(),
            ),
            ("result", set(&["success", "failure"])),
            ("route", with_none(&mut routes.into_iter())),
            ("upstream", set(&["app", "other"])),
            ("version", set(&[env!("CARGO_PKG_VERSION")])),
            ("within", set(&["24h", "7d", "30d"])),
            ("workspace", workspaces),
        ]);
        let labels = BTreeMap::from([
            ("sidegate_build_info", vec!["version"]),
            ("sidegate_certificate_expiry_timestamp_seconds", vec!["file"]),
            ("sidegate_denials_total", vec!["level", "product", "reason", "route", "workspace"]),
            ("sidegate_http2_connections_cut_total", vec!["kind"]),
            ("sidegate_keys_expiring", vec!["within"]),
            ("sidegate_limits_exceeded_total", vec!["limit", "route"]),
            ("sidegate_policy_reloads_total", vec!["result"]),
            ("sidegate_proxy_protocol_errors_total", vec!["kind"]),
            ("sidegate_request_duration_seconds", vec!["route"]),
            ("sidegate_requests_total", vec!["code", "route"]),
            ("sidegate_route_requests_in_flight", vec!["route"]),
            ("sidegate_streams_terminated_total", vec!["reason"]),
            ("sidegate_tls_handshake_errors_total", vec!["kind"]),
            ("sidegate_upstream_duration_seconds", vec!["upstream"]),
            ("sidegate_upstream_ejections_total", vec!["endpoint", "upstream"]),
            ("sidegate_upstream_endpoint_addresses", vec!["endpoint", "upstream"]),
            ("sidegate_upstream_endpoint_healthy", vec!["endpoint", "upstream"]),
            ("sidegate_upstream_endpoints_ejected", vec!["endpoint", "upstream"]),
            ("sidegate_upstream_errors_total", vec!["kind", "upstream"]),
            ("sidegate_upstream_retries_total", vec!["upstream"]),
        ]);
        Self { values, labels }
    }

    /// The label sets of a family, multiplied out; a histogram's each have its buckets, sum and count.
    fn of_family(&self, family: &str) -> usize {
        let labels = self.labels.get(family).map_or(&[][..], Vec::as_slice);
        let sets: usize = labels.iter().map(|label| self.values[label].len()).product();
        let each = match family {
            "sidegate_decision_duration_seconds" => 9 + 3,
            name if name.ends_with("_duration_seconds") => 15 + 3,
            _ => 1,
        };
        sets * each
    }

    fn most(&self) -> usize {
        let labelled: usize = self.labels.keys().map(|family| self.of_family(family)).sum();
        labelled + self.of_family("sidegate_decision_duration_seconds") + 20
    }

    fn hold(&self, page: &Exposition) {
        for (family, series) in &page.0 {
            let labels = self.labels.get(family.as_str()).map_or(&[][..], Vec::as_slice);
            let most = self.of_family(family);
            assert!(series.len() <= most, "{family}: {} series of {most}", series.len());
            for one in series {
                let own =
                    one.iter().filter(|(name, _)| !["le", "__suffix__"].contains(&name.as_str()));
                for (name, value) in own.clone() {
                    assert!(self.values[name.as_str()].contains(value), "{family}: {name}={value}");
                }
                assert!(own.map(|(name, _)| name).eq(labels.iter()), "{family}: {one:?}");
            }
        }
        assert!(page.count() <= self.most());
    }
}
