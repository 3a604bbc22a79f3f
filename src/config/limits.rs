//! `[timeouts]` and `[limits]` of `sidegate.toml`.

use std::ops::RangeInclusive;
use std::time::Duration;

use toml::de::DeValue;

use super::fields::Fields;
use super::page::quoted;
use super::settings::as_usize;
use super::units;
use crate::policy::Problem;
use crate::proxy::{Limits, Rate, Timeouts};

/// Connections and requests that one process can be told to take.
pub(super) const MANY: u64 = 10_000_000;
/// Requests at a time on one connection.
const STREAMS: RangeInclusive<u64> = 1..=10_000;
/// What hyper's header table takes.
const MOST_HEADERS: u64 = 10_000;
/// hyper's smallest read buffer, and enough for any client.
const HEADER_BYTES: RangeInclusive<u64> = 8192..=16_777_216;
/// Up to the longest target that the `http` crate takes.
const TARGET_BYTES: RangeInclusive<u64> = 1..=65_534;
/// Requests a second that are no limit any more.
const FASTEST: u64 = 10_000_000;

pub(super) fn timeouts(fields: &mut Fields<'_>) -> Timeouts {
    let standard = Timeouts::default();
    let Some(mut table) = fields.table("timeouts") else { return standard };
    table.describe("`[timeouts]`");
    let timeouts = Timeouts {
        handshake: duration(&mut table, "handshake").unwrap_or(standard.handshake),
        header: duration(&mut table, "header").unwrap_or(standard.header),
        connect: duration(&mut table, "connect").unwrap_or(standard.connect),
        upstream: duration(&mut table, "upstream").unwrap_or(standard.upstream),
        body: duration(&mut table, "body").unwrap_or(standard.body),
        idle: duration(&mut table, "idle").unwrap_or(standard.idle),
        tunnel: duration(&mut table, "tunnel").unwrap_or(standard.tunnel),
        drain_delay: duration(&mut table, "drain_delay").unwrap_or(standard.drain_delay),
        linger: duration(&mut table, "linger").unwrap_or(standard.linger),
        drain: duration(&mut table, "drain").unwrap_or(standard.drain),
    };
    table.finish();
    timeouts
}

pub(super) fn duration(fields: &mut Fields<'_>, field: &'static str) -> Option<Duration> {
    let value = fields.value(field)?;
    if let DeValue::Integer(number) = value.get_ref() {
        let problem = Problem::error(fields.place_of(value), format!("`{field}` has no unit"));
        fields.report(problem.hint(format!("write `{field} = \"{number}s\"` for seconds")));
        return None;
    }
    let written = fields.as_text(field, value)?;
    match units::duration(&written.value) {
        Ok(duration) => Some(duration),
        Err(wrong) => {
            let message = format!("`{field}`: {} {wrong}", quoted(&written.value));
            fields.report(Problem::error(written.place, message));
            None
        }
    }
}

pub(super) fn limits(fields: &mut Fields<'_>) -> Limits {
    let standard = Limits::default();
    let Some(mut table) = fields.table("limits") else { return standard };
    table.describe("`[limits]`");
    let mut within =
        |field, range, standard| limit(&mut table, field, range).map_or(standard, as_usize);
    let limits = Limits {
        connections: within("connections", 1..=MANY, standard.connections),
        requests: within("requests", 1..=MANY, standard.requests),
        streams: u32::try_from(within("streams", STREAMS, standard.streams as usize))
            .unwrap_or(u32::MAX),
        headers: within("headers", 1..=MOST_HEADERS, standard.headers),
        header_bytes: within("header_bytes", HEADER_BYTES, standard.header_bytes),
        target_bytes: within("target_bytes", TARGET_BYTES, standard.target_bytes),
        body_bytes: limit(&mut table, "body_bytes", 0..=u64::MAX).unwrap_or(standard.body_bytes),
        key_rate: rate(&mut table),
    };
    table.finish();
    limits
}

/// `key_rate`, requests a second, and `key_burst`, without which it is as much as a second's.
fn rate(fields: &mut Fields<'_>) -> Option<Rate> {
    let mut number = |field| {
        let value = fields.number(field, 1..=FASTEST)?;
        Some((u32::try_from(value.value).unwrap_or(u32::MAX), value.place))
    };
    match (number("key_rate"), number("key_burst")) {
        (Some((requests_per_second, _)), burst) => {
            let burst = burst.map_or(requests_per_second, |(burst, _)| burst);
            Some(Rate { requests_per_second, burst })
        }
        (None, Some((_, place))) if !fields.has("key_rate") => {
            let problem = Problem::error(place, "`key_burst` without `key_rate`");
            fields.report(problem.hint("say how many requests a second one key may send"));
            None
        }
        (None, _) => None,
    }
}

/// A whole number, or a size with a unit.
pub(super) fn limit(
    fields: &mut Fields<'_>,
    field: &'static str,
    range: RangeInclusive<u64>,
) -> Option<u64> {
    let value = fields.value(field)?;
    let DeValue::String(_) = value.get_ref() else {
        return fields.number(field, range).map(|number| number.value);
    };
    let written = fields.as_text(field, value)?;
    let wrong = match units::size(&written.value) {
        Ok(size) if range.contains(&size) => return Some(size),
        Ok(_) => format!("is not between {} and {}", range.start(), range.end()),
        Err(wrong) => wrong.to_owned(),
    };
    let message = format!("`{field}`: {} {wrong}", quoted(&written.value));
    fields.report(Problem::error(written.place, message));
    None
}
