//! Which form a scraper gets (RFC 9110 §12.5.1).

/// How metrics are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// [OpenMetrics 1.0.0](https://prometheus.io/docs/specs/om/open_metrics_spec/).
    OpenMetrics,
    /// Prometheus' text format 0.0.4.
    Text,
}

impl Form {
    /// Every form.
    pub const ALL: [Self; 2] = [Self::OpenMetrics, Self::Text];

    /// Its `Content-Type`.
    pub fn content_type(self) -> &'static str {
        match self {
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
            Self::Text => "text/plain; version=0.0.4; charset=utf-8",
        }
    }

    /// What suits the values of `Accept` best. Where both suit alike, or neither does, it is text: that
    /// everybody can read.
    pub fn accepted<'a>(accept: impl Iterator<Item = &'a str>) -> Self {
        let ranges: Vec<Range<'_>> =
            accept.flat_map(|value| value.split(',')).filter_map(Range::parse).collect();
        // The most specific range decides, whatever its weight.
        let weight = |form: Self| {
            let fits = ranges.iter().filter_map(|range| Some((range.fit(form)?, range.weight)));
            fits.max().map_or(0, |(_, weight)| weight)
        };
        if weight(Self::OpenMetrics) > weight(Self::Text) { Self::OpenMetrics } else { Self::Text }
    }

    fn media(self) -> [&'static str; 3] {
        match self {
            Self::OpenMetrics => ["application", "openmetrics-text", "1.0.0"],
            Self::Text => ["text", "plain", "0.0.4"],
        }
    }
}

/// One media range.
struct Range<'a> {
    kind: &'a str,
    subkind: &'a str,
    version: Option<&'a str>,
    /// In thousandths.
    weight: u16,
}

impl<'a> Range<'a> {
    fn parse(text: &'a str) -> Option<Self> {
        let mut parts = text.split(';').map(str::trim);
        let (kind, subkind) = parts.next()?.split_once('/')?;
        let (mut version, mut weight) = (None, 1000);
        for (name, value) in parts.filter_map(|part| part.split_once('=')) {
            let value = value.trim_matches('"');
            match name.to_ascii_lowercase().as_str() {
                "q" => weight = quality(value)?,
                "version" => version = Some(value),
                _ => {}
            }
        }
        Some(Self { kind, subkind, version, weight })
    }

    /// How exactly it names the form, where it does.
    fn fit(&self, form: Form) -> Option<u8> {
        let [kind, subkind, version] = form.media();
        let same = |one: &str, other: &str| one.eq_ignore_ascii_case(other);
        match (self.kind, self.subkind, self.version) {
            ("*", "*", _) => Some(0),
            (it, "*", _) if same(it, kind) => Some(1),
            (it, sub, None) if same(it, kind) && same(sub, subkind) => Some(2),
            (it, sub, Some(asked)) if same(it, kind) && same(sub, subkind) => {
                (asked == version).then_some(3)
            }
            _ => None,
        }
    }
}

/// A weight in thousandths; nothing where it is none.
fn quality(text: &str) -> Option<u16> {
    let weight: f32 = text.parse().ok().filter(|weight| (0.0..=1.0).contains(weight))?;
    Some((weight * 1000.0).round() as u16)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_best_form_is_chosen() {
        const OPEN: &str = "application/openmetrics-text";
        use Form::{OpenMetrics, Text};
        // As Prometheus 2.42 and 3 ask.
        let two = "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1";
        let three = "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.5,application/openmetrics-text;version=0.0.1;q=0.4,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.3,text/plain;version=0.0.4;q=0.2,/;q=0.1";
        let table: &[(&[&str], Form)] = &[
            (&[], Text),
            (&[""], Text),
            (&["*/*"], Text),
            (&["text/html, */*;q=0.8"], Text),
            (&[two], OpenMetrics),
            (&[three], OpenMetrics),
            (&[OPEN], OpenMetrics),
            (&["Application/OpenMetrics-Text ; Version=\"1.0.0\" ; Q=0.3"], OpenMetrics),
            (&["application/*"], OpenMetrics),
            (&["application/*;q=0.5, text/*;q=0.5"], Text),
            (&["application/openmetrics-text; version=0.0.1"], Text),
            (&["application/openmetrics-text; version=2.0.0, text/plain;q=0.1"], Text),
            (&["application/openmetrics-text;q=0.4, text/plain;q=0.5"], Text),
            (&["text/plain;q=0.4", "application/openmetrics-text;q=0.5"], OpenMetrics),
            // Named, so the wide range is not for it.
            (&["application/openmetrics-text;q=0, */*"], Text),
            (&["text/plain;q=0, */*;q=0.1"], OpenMetrics),
            (&["application/openmetrics-text;q=0, text/plain;q=0"], Text),
            (&["application/openmetrics-text;q=2"], Text),
            (&["application/openmetrics-text;q=NaN"], Text),
            (&["application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily"], Text),
        ];
        for (accept, form) in table {
            assert_eq!(Form::accepted(accept.iter().copied()), *form, "{accept:?}");
        }
    }
}
