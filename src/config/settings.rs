//! `sidegate.toml` to settings.

use std::num::NonZeroUsize;
use std::path::Path;

use toml::de::{DeTable, DeValue};

use super::Config;
use super::fields::Fields;
use super::files::{Files, Reading};
use super::limits::{limits, timeouts};
use super::listen::{Listeners, listeners};
use super::page::{Notes, Page};
use super::tls::TrustFiles;
use super::{allow, audit, handover, reload, tracing, trusted, upstream};
use crate::policy::Problem;
use crate::proxy::Upstream;
use crate::{proxy, telemetry};

/// Bytes of `sidegate.toml`: 1 MiB.
const LARGEST: u64 = 1 << 20;

const MOST_WORKERS: u64 = 1024;

/// Denials that may be logged in a second.
const MOST_DENIALS: u64 = 1_000_000;
/// Events that may wait to be written: 24 bytes each before there is one.
pub(super) const BUFFERS: std::ops::RangeInclusive<u64> = 16..=1 << 20;

const FILES: [&str; 4] = ["policy", "keys", "pepper", "last_used"];

const FORMATS: [telemetry::Format; 2] = [telemetry::Format::Json, telemetry::Format::Text];
const LEVELS: [telemetry::Level; 4] = [
    telemetry::Level::Error,
    telemetry::Level::Warn,
    telemetry::Level::Info,
    telemetry::Level::Debug,
];

/// Reads `path`. What could not be read is told and has its default, so that the files that it
/// names can be judged in the same run; nothing, if even their names are in doubt.
pub(super) fn read(path: &Path, files: &mut Files) -> (Option<Config>, Notes) {
    let file = files.add(path);
    let missing = "name it with `-c FILE`, or let `sidegate init DIR` write one";
    let large = "is it the right file?";
    let text = match (Reading { path, file, limit: LARGEST, missing, large }).text() {
        Ok(text) => text,
        Err(problem) => return (None, Notes { problems: vec![problem], ..Notes::default() }),
    };
    let (page, root) = Page::parse(file, &text);
    let config = config(path, Fields::root(&page, &root)).filter(|_| !page.is_broken());
    (config, page.into_notes())
}

pub(super) fn config(path: &Path, mut fields: Fields<'_>) -> Option<Config> {
    let folder = path.parent().unwrap_or(Path::new(""));
    let [policy, keys, pepper, last_used] = FILES.map(|field| {
        let file = fields.text(field).map(|file| folder.join(file.value));
        (file.is_some() || !fields.has(field)).then_some(file)
    });
    let environment = fields.text("environment").map(|environment| environment.value);
    let workers = fields.number("workers", 1..=MOST_WORKERS);
    let cores = || std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
    let Listeners { listen, tls, proxy_protocol, admin } = listeners(&mut fields, folder);
    let trusted_proxies = trusted::proxies(&mut fields);
    if let Some(place) = proxy_protocol
        && listen.ip().is_some()
        && trusted::nobody(&mut fields)
    {
        let problem = Problem::error(place, "`proxy_protocol` without `trusted_proxies`");
        let hint = "name the proxies that connect: `trusted_proxies = [\"10.0.0.0/8\"]`";
        fields.absent(problem.hint(hint), &["trusted_proxies"]);
    }
    let (upstreams, trusts) = upstreams(&mut fields, folder);
    let proxy = proxy::Settings {
        listen,
        tls: tls.is_some(),
        proxy_protocol: proxy_protocol.is_some(),
        workers: workers.map_or_else(cores, |workers| as_usize(workers.value)),
        trusted_proxies,
        upstreams,
        timeouts: timeouts(&mut fields),
        limits: limits(&mut fields),
    };
    let handover = handover::socket(&mut fields, folder);
    let log = log(&mut fields);
    let audit = audit::audit(&mut fields, folder);
    let tracing = tracing::tracing(&mut fields);
    let reload = reload::rules(&mut fields, folder);
    let allows = allow::allows(&mut fields);
    let guessed = fields.finish();
    if FILES.iter().any(|field| guessed.contains(field)) {
        return None;
    }
    Some(Config {
        path: path.to_owned(),
        policy: policy?.unwrap_or_else(|| folder.join("policy.toml")),
        keys: keys?.unwrap_or_else(|| folder.join("keys.jsonl")),
        pepper: pepper?,
        last_used: last_used?,
        environment,
        tls: tls.flatten(),
        trusts,
        reload,
        proxy,
        admin,
        handover,
        log,
        audit,
        tracing,
        allows,
    })
}

/// `[upstream.NAME]`, in the order of the file. One that could not be read keeps its name, so that
/// routes to it are not told, too.
fn upstreams(fields: &mut Fields<'_>, folder: &Path) -> (Vec<Upstream>, Vec<Option<TrustFiles>>) {
    let problem = Problem::error(fields.place(), "no upstream: nowhere to forward to");
    if fields.value("upstream").and_then(|v| v.get_ref().as_table()).is_none_or(DeTable::is_empty) {
        let hint = "add `[upstream.NAME]` with `urls = [\"http://127.0.0.1:9000\"]`";
        fields.absent(problem.hint(hint), &["upstream"]);
        fields.page().hollow();
    }
    let tables = fields.tables("upstream");
    tables.into_iter().map(|(name, table)| upstream::read(name.value, folder, table)).unzip()
}

fn log(fields: &mut Fields<'_>) -> telemetry::Settings {
    let standard = telemetry::Settings::default();
    let Some(mut table) = fields.table("log") else { return standard };
    table.describe("`[log]`");
    let settings = telemetry::Settings {
        format: table.choice("format", &FORMATS, format_name).unwrap_or(standard.format),
        level: table.choice("level", &LEVELS, level_name).unwrap_or(standard.level),
        sample: share(&mut table, "sample").unwrap_or(standard.sample),
        denials_per_second: table
            .number("denials_per_second", 1..=MOST_DENIALS)
            .map_or(standard.denials_per_second, |number| {
                u32::try_from(number.value).unwrap_or(u32::MAX)
            }),
        buffer: table
            .number("buffer", BUFFERS)
            .map_or(standard.buffer, |number| as_usize(number.value)),
    };
    table.finish();
    settings
}

pub(super) fn share(fields: &mut Fields<'_>, field: &'static str) -> Option<f64> {
    let value = fields.value(field)?;
    let written = match value.get_ref() {
        DeValue::Float(number) => number.as_str().parse().ok(),
        DeValue::Integer(number) => number.as_str().parse().ok(),
        _ => return fields.wrong_type(field, "a number from 0.0 to 1.0", value),
    };
    let share = written.filter(|share| (0.0..=1.0).contains(share));
    if share.is_none() {
        let message = format!("`{field}` must be a number from 0.0 to 1.0");
        fields.report(Problem::error(fields.place_of(value), message));
    }
    share
}

fn format_name(format: telemetry::Format) -> &'static str {
    match format {
        telemetry::Format::Json => "json",
        telemetry::Format::Text => "text",
    }
}

fn level_name(level: telemetry::Level) -> &'static str {
    match level {
        telemetry::Level::Error => "error",
        telemetry::Level::Warn => "warn",
        telemetry::Level::Info => "info",
        telemetry::Level::Debug => "debug",
    }
}

pub(super) fn as_usize(number: u64) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}
