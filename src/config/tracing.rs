//! `[tracing]`: who takes spans of requests.

use super::fields::Fields;
use super::page::quoted;
use super::settings::{BUFFERS, as_usize, share};
use crate::policy::Problem;
use crate::telemetry::{Collector, TracingSettings};

/// Where nobody says otherwise.
const RATIO: f64 = 0.01;
const SERVICE: &str = "sidegate";
const BUFFER: usize = 4096;

/// The settings of the export of spans, if there is to be one.
pub(super) fn tracing(fields: &mut Fields<'_>) -> Option<TracingSettings> {
    let mut table = fields.table("tracing")?;
    table.describe("`[tracing]`");
    let hint = "name a collector that takes OTLP over HTTP: `http://127.0.0.1:4318`";
    let written = table.required(&["collector"], hint);
    let collector = written.and_then(|written| {
        let read = Collector::parse(&written.value);
        let wrong = |why| format!("`collector`: {} {why}", quoted(&written.value));
        read.map_err(|why| table.report(Problem::error(written.place, wrong(why)).hint(hint))).ok()
    });
    let ratio = share(&mut table, "ratio").unwrap_or(RATIO);
    let service = table.text("service").map_or_else(|| SERVICE.to_owned(), |text| text.value);
    let buffer = table.number("buffer", BUFFERS).map_or(BUFFER, |it| as_usize(it.value));
    table.finish();
    Some(TracingSettings { collector: collector?, ratio, service, buffer })
}
