//! Grafana's board: what it asks for is there, and Prometheus takes it.

use std::collections::BTreeSet;

use regex::Regex;
use serde_json::Value;

use crate::exposition::Exposition;
use crate::harness::ask;
use crate::prometheus::Prometheus;
use crate::site::Site;

const BOARD: &str = include_str!("../../config/grafana/sidegate.json");
/// Labels that Prometheus adds.
const ADDED: [&str; 2] = ["instance", "job"];

/// One query of a panel.
struct Target {
    panel: String,
    expression: String,
    legend: String,
}

fn board() -> Value {
    serde_json::from_str(BOARD).unwrap()
}

fn targets() -> Vec<Target> {
    let board = board();
    let panels = board["panels"].as_array().unwrap().iter();
    let targets = panels.filter(|panel| panel["type"] != "row").flat_map(|panel| {
        assert_eq!(panel["datasource"]["uid"], "${datasource}", "{panel}");
        let title = panel["title"].as_str().unwrap().to_owned();
        assert!(panel["description"].as_str().unwrap().ends_with('.'), "{title}");
        panel["targets"].as_array().unwrap().iter().map(move |target| Target {
            panel: title.clone(),
            expression: target["expr"].as_str().unwrap().to_owned(),
            legend: target["legendFormat"].as_str().unwrap().to_owned(),
        })
    });
    let annotations = board["annotations"]["list"].as_array().unwrap().iter().map(|it| Target {
        panel: it["name"].as_str().unwrap().to_owned(),
        expression: it["expr"].as_str().unwrap().to_owned(),
        legend: it["titleFormat"].as_str().unwrap().to_owned(),
    });
    targets.chain(annotations).collect()
}

/// A site that has counted in every family that a request can.
fn site() -> Site {
    let site = Site::new();
    ask(site.gate.port, "GET", "/public", "").unwrap();
    ask(site.gate.port, "POST", "/app", "X-API-Key: key-reader\r\n").unwrap();
    let long = format!("/app/{}", "a".repeat(10_000));
    assert_eq!(ask(site.gate.port, "GET", &long, "X-API-Key: key-reader\r\n").unwrap().status, 414);
    site
}

#[test]
fn the_board_can_be_imported() {
    let board = board();
    assert_eq!(board["title"], "sidegate");
    let variables = board["templating"]["list"].as_array().unwrap().iter();
    let names: Vec<_> = variables.map(|it| it["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["datasource", "job", "instance", "route"]);
    let mut ids = BTreeSet::new();
    let mut places = Vec::new();
    for panel in board["panels"].as_array().unwrap() {
        assert!(ids.insert(panel["id"].as_u64().unwrap()), "{panel}");
        let place = ["x", "y", "w", "h"].map(|side| panel["gridPos"][side].as_u64().unwrap());
        let [x, y, w, h] = place;
        assert!(x + w <= 24, "{panel}");
        let apart = |[left, top, wide, high]: &[u64; 4]| {
            x + w <= *left || left + wide <= x || y + h <= *top || top + high <= y
        };
        assert!(places.iter().all(apart), "on another one: {panel}");
        places.push(place);
    }
}

#[test]
fn what_the_board_asks_for_is_in_a_scrape() {
    let page = Exposition::parse(&site().gate.page("/metrics"));
    let metric = Regex::new(r"(?-u:\b)(?:sidegate|process)_[a-z0-9_]+").unwrap();
    let selector = Regex::new(r"([a-z0-9_]+)\{([^}]*)\}").unwrap();
    let matcher = Regex::new(r#"([a-z_]+) *(?:=~|!~|!=|=)"#).unwrap();
    let by = Regex::new(r"by \(([a-z_, ]+)\)").unwrap();
    let legend = Regex::new(r"\{\{([a-z_]+)\}\}").unwrap();
    let mut shown = BTreeSet::new();
    for Target { panel, expression, legend: text } in targets() {
        let family = |name: &str| {
            let base = ["_bucket", "_sum", "_count"].iter().find_map(|end| name.strip_suffix(end));
            let family = base.filter(|base| page.0.contains_key(*base)).unwrap_or(name).to_owned();
            assert!(page.0.contains_key(&family), "{panel}: no `{name}`");
            family
        };
        let mut labels: BTreeSet<String> = ADDED.map(str::to_owned).into();
        for name in metric.find_iter(&expression) {
            let family = family(name.as_str());
            labels.extend(page.labels(&family));
            shown.insert(family);
        }
        assert!(labels.len() >= ADDED.len(), "{panel}");
        for found in selector.captures_iter(&expression) {
            let own = page.labels(&family(&found[1]));
            for label in matcher.captures_iter(&found[2]) {
                let known = own.contains(&label[1]) || ADDED.contains(&&label[1]);
                assert!(known, "{panel}: `{}` has no label `{}`", &found[1], &label[1]);
            }
        }
        let kept: Option<BTreeSet<_>> =
            by.captures(&expression).map(|found| found[1].split(", ").map(str::to_owned).collect());
        for label in kept.iter().flatten() {
            assert!(labels.contains(label), "{panel}: `{expression}` has no label `{label}`");
        }
        for label in legend.captures_iter(&text) {
            let known = kept.as_ref().unwrap_or(&labels).contains(&label[1]);
            assert!(known, "{panel}: no `{}` to show", &label[1]);
        }
    }
    // And the other way round: nothing is counted that nobody sees.
    let counted = page.0.keys().filter(|name| name.starts_with("sidegate_"));
    let unseen: Vec<_> = counted.filter(|name| !shown.contains(*name)).collect();
    assert!(unseen.is_empty(), "on no panel: {unseen:?}");
}

#[test]
#[ignore = "needs prometheus; .ci/run installs it"]
fn prometheus_has_an_answer_to_all_that_the_board_asks() {
    let site = site();
    let prometheus = Prometheus::start(site.gate.admin);
    let targets = targets();
    for Target { panel, expression, .. } in &targets {
        let query = [("$job", "sidegate"), ("$instance", ".*"), ("$route", ".*")].iter().fold(
            expression.replace("$__rate_interval", "30s").replace("$__range", "1m"),
            |query, (variable, value)| query.replace(variable, value),
        );
        // What is shown only where it happens may be nothing; it is to be understood all the same.
        let may_be_nothing = query.ends_with(" > 0");
        let (data, ()) = prometheus
            .query(&query, |samples| (may_be_nothing || !samples.is_empty()).then_some(()));
        let samples = data["result"].as_array().unwrap().len();
        println!("{panel}: {samples} of {query}");
    }
    println!("{} queries, each with an answer", targets.len());
}
