//! Where spans go, as an operator writes it, and what becomes of them.

use std::fmt;
use std::sync::OnceLock;

use prometheus::IntCounter;

use super::Spans;
use super::families::{Families, count_up_to};

/// Where a collector listens when nobody says otherwise (OTLP/HTTP).
const PORT: u16 = 4318;
const PATH: &str = "/v1/traces";

/// Settings of the export of spans. `config` fills them from `[tracing]` in `sidegate.toml`.
#[derive(Debug, Clone, PartialEq)]
pub struct TracingSettings {
    /// Who takes them.
    pub collector: Collector,
    /// Of requests that come without a decision of somebody before us, the share that is traced.
    pub ratio: f64,
    /// What this process is called.
    pub service: String,
    /// Spans that wait to be sent, at most.
    pub buffer: usize,
}

/// A collector that takes OTLP over HTTP.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Collector {
    // INVARIANT: neither has a character that ends a line or a word.
    host: Box<str>,
    port: u16,
    path: Box<str>,
}

impl Collector {
    /// Reads `http://HOST[:PORT][/PATH]`.
    ///
    /// # Errors
    ///
    /// What is wrong with `text`, to be put after it.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        const FORM: &str = "is no url such as `http://127.0.0.1:4318`";
        let Some(rest) = text.strip_prefix("http://") else {
            return Err(match text.starts_with("https://") {
                true => "is not asked over TLS: run a collector beside, and name it by `http://`",
                false => FORM,
            });
        };
        if !rest.bytes().all(|byte| byte.is_ascii_graphic()) || rest.contains(['?', '#', '@']) {
            return Err(FORM);
        }
        let (authority, path) = match rest.find('/').and_then(|at| rest.split_at_checked(at)) {
            Some((authority, "/")) => (authority, PATH),
            Some(split) => split,
            None => (rest, PATH),
        };
        let (host, port) = match authority.rsplit_once(':') {
            // The colon of an address of IPv6.
            Some((_, after)) if after.contains(']') => (authority, PORT),
            Some((host, port)) => (host, port.parse().map_err(|_| FORM)?),
            None => (authority, PORT),
        };
        let bare = host.trim_start_matches('[').trim_end_matches(']');
        match bare.is_empty() || port == 0 {
            true => Err(FORM),
            false => Ok(Self { host: bare.into(), port, path: path.into() }),
        }
    }

    /// Its host, an address of IPv6 without brackets, and its port.
    pub fn address(&self) -> (&str, u16) {
        (&self.host, self.port)
    }

    /// The path that takes spans.
    pub fn path(&self) -> &str {
        &self.path
    }
}

impl fmt::Display for Collector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.host.contains(':') {
            true => write!(f, "[{}]:{}", self.host, self.port),
            false => write!(f, "{}:{}", self.host, self.port),
        }
    }
}

/// What became of spans.
#[derive(Debug)]
pub(super) struct SpanCounters {
    exported: IntCounter,
    dropped: IntCounter,
    spans: OnceLock<Spans>,
}

impl SpanCounters {
    pub(super) fn new(made: &Families<'_>) -> Result<Self, prometheus::Error> {
        Ok(Self {
            exported: made.counter("spans_exported_total", "Spans that a collector has taken.")?,
            dropped: made.counter(
                "spans_dropped_total",
                "Spans that waited in vain for a place or for the collector.",
            )?,
            spans: OnceLock::new(),
        })
    }

    pub(super) fn watch(&self, spans: &Spans) {
        let _ = self.spans.set(spans.clone());
    }

    pub(super) fn render(&self) {
        if let Some((exported, dropped)) = self.spans.get().map(Spans::counts) {
            count_up_to(&self.exported, exported);
            count_up_to(&self.dropped, dropped);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn collectors() {
        let cases = [
            ("http://127.0.0.1:4318", Ok(("127.0.0.1:4318", "/v1/traces"))),
            ("http://collector", Ok(("collector:4318", "/v1/traces"))),
            ("http://collector/", Ok(("collector:4318", "/v1/traces"))),
            ("http://[::1]:1/x/y", Ok(("[::1]:1", "/x/y"))),
            ("http://[::1]", Ok(("[::1]:4318", "/v1/traces"))),
            ("https://a", Err("TLS")),
            ("a:1", Err("is no url")),
            ("http://", Err("is no url")),
            ("http://:1", Err("is no url")),
            ("http://a:0", Err("is no url")),
            ("http://a:x", Err("is no url")),
            ("http://u@a", Err("is no url")),
            ("http://a/b\r\nc", Err("is no url")),
        ];
        for (text, expected) in cases {
            let read = Collector::parse(text);
            match (read, expected) {
                (Ok(read), Ok((address, path))) => {
                    assert_eq!((read.to_string().as_str(), read.path()), (address, path));
                }
                (Err(why), Err(part)) => assert!(why.contains(part), "{text}: {why}"),
                (read, _) => panic!("{text}: {read:?}"),
            }
        }
    }
}
