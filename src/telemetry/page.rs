//! Writes metrics, in either form.
//!
//! Not the encoder of `prometheus`: that has no OpenMetrics, and takes a copy of each label of each
//! sample, which 1,000 routes pay for at each scrape. What it gathers is written here, too.
//!
//! Without `_created`: it would double the series of every counter.

use std::fmt::Write as _;

use prometheus::proto::{LabelPair, MetricFamily, MetricType};

use super::Form;
use super::cell::Total;

/// What a family is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Counter,
    Gauge,
    Histogram,
}

/// A family: its name as it stands in both forms (a counter's with `_total`).
#[derive(Debug, Clone, Copy)]
pub(super) struct Family<'a> {
    pub(super) name: &'a str,
    pub(super) kind: Kind,
    pub(super) help: &'a str,
}

/// What is being written.
#[derive(Debug)]
pub(super) struct Page {
    form: Form,
    text: String,
}

impl Page {
    pub(super) fn new(form: Form, room: usize) -> Self {
        Self { form, text: String::with_capacity(room) }
    }

    /// Begins a family; its samples follow before the next one begins.
    pub(super) fn begin(&mut self, family: &Family<'_>) {
        let (name, kind) = match (self.form, family.kind) {
            (Form::OpenMetrics, Kind::Counter) => {
                (family.name.strip_suffix("_total").unwrap_or(family.name), "counter")
            }
            (Form::OpenMetrics, Kind::Gauge) if family.name.ends_with("_info") => {
                (family.name.strip_suffix("_info").unwrap_or(family.name), "info")
            }
            (_, Kind::Counter) => (family.name, "counter"),
            (_, Kind::Gauge) => (family.name, "gauge"),
            (_, Kind::Histogram) => (family.name, "histogram"),
        };
        let help = escaped(family.help, self.form == Form::OpenMetrics);
        let _ = write!(self.text, "# HELP {name} {help}\n# TYPE {name} {kind}\n");
        if self.form == Form::OpenMetrics {
            let unit = ["seconds", "bytes"]
                .into_iter()
                .find(|unit| name.strip_suffix(unit).is_some_and(|rest| rest.ends_with('_')));
            if let Some(unit) = unit {
                let _ = writeln!(self.text, "# UNIT {name} {unit}");
            }
        }
    }

    /// A sample of a counter or gauge. `labels` are as [`labels`] writes them.
    pub(super) fn sample(&mut self, family: &Family<'_>, labels: &str, value: u64) {
        self.start(family.name, "", labels, "");
        self.integer(value);
    }

    /// A histogram.
    pub(super) fn histogram<const N: usize>(
        &mut self,
        family: &Family<'_>,
        labels: &str,
        total: &Total<N>,
    ) {
        let mut below = 0_u64;
        for (count, bound) in total.up_to.iter().zip(total.scale.texts) {
            below = below.wrapping_add(*count);
            self.start(family.name, "_bucket", labels, bound);
            self.integer(below);
        }
        let count = below.wrapping_add(total.beyond);
        self.start(family.name, "_bucket", labels, "+Inf");
        self.integer(count);
        self.start(family.name, "_sum", labels, "");
        let _ = writeln!(self.text, "{}", total.sum as f64 / 1e9);
        self.start(family.name, "_count", labels, "");
        self.integer(count);
    }

    /// What `prometheus` has gathered: counters and gauges.
    pub(super) fn gathered(&mut self, families: &[MetricFamily]) {
        for family in families {
            let kind = match family.get_field_type() {
                MetricType::COUNTER => Kind::Counter,
                _ => Kind::Gauge,
            };
            let own = Family { name: family.name(), kind, help: family.help() };
            self.begin(&own);
            for metric in family.get_metric() {
                let pairs =
                    metric.get_label().iter().map(|pair: &LabelPair| (pair.name(), pair.value()));
                self.start(own.name, "", &labels(pairs), "");
                let value = match kind {
                    Kind::Counter => metric.get_counter().get_value(),
                    Kind::Gauge | Kind::Histogram => metric.get_gauge().get_value(),
                };
                let _ = writeln!(self.text, "{value}");
            }
        }
    }

    /// All of it.
    pub(super) fn end(mut self) -> String {
        if self.form == Form::OpenMetrics {
            self.text.push_str("# EOF\n");
        }
        self.text
    }

    fn start(&mut self, name: &str, suffix: &str, labels: &str, bound: &str) {
        let text = &mut self.text;
        text.push_str(name);
        text.push_str(suffix);
        if !labels.is_empty() || !bound.is_empty() {
            text.push('{');
            text.push_str(labels);
            if !bound.is_empty() {
                text.push_str(if labels.is_empty() { "le=\"" } else { ",le=\"" });
                text.push_str(bound);
                text.push('"');
            }
            text.push('}');
        }
        text.push(' ');
    }

    fn integer(&mut self, value: u64) {
        let _ = writeln!(self.text, "{value}");
    }
}

/// Labels as they stand between braces.
pub(super) fn labels<'a>(pairs: impl IntoIterator<Item = (&'a str, &'a str)>) -> String {
    let mut text = String::new();
    for (name, value) in pairs {
        if !text.is_empty() {
            text.push(',');
        }
        let _ = write!(text, "{name}=\"{}\"", escaped(value, true));
    }
    text
}

fn escaped(text: &str, quotes: bool) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '"' if quotes => out.push_str("\\\""),
            other => out.push(other),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use prometheus::{IntCounter, IntGauge, Registry};

    use super::super::cell::{DECISIONS, Spread};
    use super::*;

    #[test]
    fn both_forms_are_as_they_have_to_be() {
        let written = |form| {
            let mut page = Page::new(form, 0);
            let hits =
                Family { name: "a_hits_total", kind: Kind::Counter, help: "A \\ \"hit\".\nYes." };
            page.begin(&hits);
            page.sample(&hits, &labels([("route", "a\"b\\c\nd")]), u64::MAX);
            let took = Family { name: "a_took_seconds", kind: Kind::Histogram, help: "Took." };
            page.begin(&took);
            let spread = Spread::new(&DECISIONS);
            for nanos in [0, 300, 2_000_000_000] {
                spread.observe(std::time::Duration::from_nanos(nanos));
            }
            page.histogram(
                &took,
                &labels([("by", "x")]),
                &Total::of(&DECISIONS, [&spread].into_iter()),
            );
            let registry = Registry::new();
            let info = IntGauge::new("a_build_info", "Built.").unwrap();
            info.set(1);
            registry.register(Box::new(info)).unwrap();
            let spent = IntCounter::new("a_cpu_seconds_total", "Spent.").unwrap();
            registry.register(Box::new(spent)).unwrap();
            page.gathered(&registry.gather());
            page.end()
        };
        insta::assert_snapshot!(written(Form::Text));
        insta::assert_snapshot!(written(Form::OpenMetrics));
    }
}
