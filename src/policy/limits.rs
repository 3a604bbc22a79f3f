//! What bounds the requests of one route.

use std::fmt;
use std::time::Duration;

/// `limits` of a `[[route]]`: within those of the process, which count as well. A decision does not
/// look at them: who serves the route keeps them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct RouteLimits {
    /// Requests in flight in the process; one more is answered 503.
    pub requests: Option<u32>,
    /// Bytes of a request's body; past it 413.
    pub body_bytes: Option<u64>,
    /// From the decision to the end of the upstream's answer; past it 504, or the answer breaks off.
    pub timeout: Option<Duration>,
}

impl RouteLimits {
    /// Whether there are none.
    pub fn is_nothing(&self) -> bool {
        *self == Self::default()
    }
}

/// `requests=100 timeout=5000ms`, or `none`
impl fmt::Display for RouteLimits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let named = [
            self.requests.map(|number| format!("requests={number}")),
            self.body_bytes.map(|bytes| format!("body_bytes={bytes}")),
            self.timeout.map(|time| format!("timeout={}ms", time.as_millis())),
        ];
        let named: Vec<_> = named.into_iter().flatten().collect();
        f.write_str(if named.is_empty() { "none" } else { "" })?;
        f.write_str(&named.join(" "))
    }
}
