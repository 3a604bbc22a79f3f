//! What was measured, as tables and as JSON.

use serde_json::{Value, json};

use super::load::Measured;
use super::peer::Peer;
use super::workload::{Setting, Workload};

/// All rounds of one proxy under one workload.
pub(crate) struct Row {
    pub(crate) workload: &'static Workload,
    pub(crate) setting: Setting,
    pub(crate) peer: Peer,
    pub(crate) rounds: Vec<Measured>,
    /// Why rounds do not count.
    pub(crate) void: Vec<String>,
}

/// A place that one proxy has among the others: (workload, setting).
type Place = (&'static str, &'static str);

impl Row {
    pub(crate) fn median(&self, of: impl Fn(&Measured) -> f64) -> Option<f64> {
        let mut values: Vec<f64> = self.rounds.iter().map(of).collect();
        values.sort_by(f64::total_cmp);
        values.get(values.len() / 2).copied()
    }

    pub(crate) fn rate(&self) -> Option<f64> {
        self.median(|round| round.per_second)
    }

    pub(crate) fn cpu(&self) -> Option<f64> {
        self.median(|round| round.cpu_micros)
    }

    pub(crate) fn place(&self) -> Place {
        (self.workload.name, self.setting.name)
    }

    pub(crate) fn title(&self) -> String {
        format!("{} {}", self.workload.name, self.setting.name).trim_end().to_owned()
    }
}

/// That of a proxy at the same place.
pub(crate) fn row(rows: &[Row], place: Place, peer: Peer) -> Option<&Row> {
    rows.iter().find(|row| row.place() == place && row.peer == peer)
}

/// How many times as many requests a second as the better of nginx and HAProxy.
pub(crate) fn rate_ratio(rows: &[Row], row: &Row) -> Option<f64> {
    let rates = [Peer::Nginx, Peer::Haproxy].map(|peer| self::row(rows, row.place(), peer)?.rate());
    Some(row.rate()? / rates.into_iter().flatten().max_by(f64::total_cmp)?)
}

/// How many times as much of a core as the better of the two.
pub(crate) fn cpu_ratio(rows: &[Row], row: &Row) -> Option<f64> {
    let cpus = [Peer::Nginx, Peer::Haproxy].map(|peer| self::row(rows, row.place(), peer)?.cpu());
    Some(row.cpu()? / cpus.into_iter().flatten().min_by(f64::total_cmp)?)
}

/// How many times as many requests a second as in the workload's first setting.
fn first_ratio(rows: &[Row], row: &Row) -> Option<f64> {
    let first = row.workload.settings.first()?;
    let place = (row.workload.name, first.name);
    if row.workload.settings.len() == 1 || place == row.place() {
        return None;
    }
    Some(row.rate()? / self::row(rows, place, row.peer)?.rate()?)
}

pub(crate) const HEAD: &str = "\
| workload | proxy | requests/s | × better of nginx, HAProxy | CPU µs each | × less of theirs | × first setting | p50, p99 ms | core | void |
|---|---|---|---|---|---|---|---|---|---|";

pub(crate) fn line(rows: &[Row], row: &Row) -> String {
    let ratio = |ratio: Option<f64>| ratio.map_or(String::new(), |it| format!("{it:.2}"));
    let (Some(rate), Some(cpu)) = (row.rate(), row.cpu()) else {
        let why = row.void.first().map_or("", |why| why);
        return format!("| {} | {} | no round counts: {why} |", row.title(), row.peer.name());
    };
    let busy = row.median(|round| round.busy).unwrap_or(0.0) * 100.0;
    let milliseconds = |of: fn(&Measured) -> f64| row.median(of).unwrap_or(0.0) / 1000.0;
    let (median, slow) = (milliseconds(|round| round.median), milliseconds(|round| round.slow));
    format!(
        "| {} | {} | {rate:.0} | {} | {cpu:.1} | {} | {} | {median:.2}, {slow:.2} | {busy:.0} % | {} |",
        row.title(),
        row.peer.name(),
        ratio(rate_ratio(rows, row)),
        ratio(cpu_ratio(rows, row)),
        ratio(first_ratio(rows, row)),
        row.void.len(),
    )
}

/// sidegate's ratios alone, in a line for each workload.
pub(crate) fn summary(rows: &[Row]) -> String {
    let mut text = String::from(
        "| workload | requests/s | × nginx | × HAProxy | × Envoy | CPU × nginx | CPU × HAProxy | CPU × relay |\n\
         |---|---|---|---|---|---|---|---|\n",
    );
    for own in rows.iter().filter(|row| row.peer == Peer::Sidegate) {
        let (Some(rate), Some(cpu)) = (own.rate(), own.cpu()) else { continue };
        let of = |peer, value: fn(&Row) -> Option<f64>, mine: f64| {
            let theirs = row(rows, own.place(), peer).and_then(value);
            theirs.map_or(String::new(), |theirs| format!("{:.2}", mine / theirs))
        };
        text += &format!(
            "| {} | {rate:.0} | {} | {} | {} | {} | {} | {} |\n",
            own.title(),
            of(Peer::Nginx, Row::rate, rate),
            of(Peer::Haproxy, Row::rate, rate),
            of(Peer::Envoy, Row::rate, rate),
            of(Peer::Nginx, Row::cpu, cpu),
            of(Peer::Haproxy, Row::cpu, cpu),
            of(Peer::Relay, Row::cpu, cpu),
        );
    }
    text
}

pub(crate) fn to_json(rows: &[Row]) -> Value {
    let row = |row: &Row| {
        let round = |round: &Measured| {
            json!({
                "requests_per_second": round.per_second, "cpu_micros": round.cpu_micros,
                "core_share": round.busy, "p50_micros": round.median, "p99_micros": round.slow,
            })
        };
        json!({
            "workload": row.workload.name, "setting": row.setting.name, "proxy": row.peer.name(),
            "requests_per_second": row.rate(), "cpu_micros": row.cpu(),
            "ratio": rate_ratio(rows, row), "cpu_ratio": cpu_ratio(rows, row),
            "rounds": row.rounds.iter().map(round).collect::<Vec<_>>(), "void": row.void,
        })
    };
    json!(rows.iter().map(row).collect::<Vec<_>>())
}
