//! Every metric, the audit event, and log set-up (being built).

/// Settings of the log. `config` fills them from `[log]` in `sidegate.toml`.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// How an event is written.
    pub format: Format,
    /// The least severe events that are written.
    pub level: Level,
    /// The share of allowed requests that are logged, 0.0 to 1.0. Denials always are.
    pub sample: f64,
}

/// How an event is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// One JSON object a line.
    Json,
    /// For people.
    Text,
}

/// Severity, the most severe first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    /// Something broke.
    Error,
    /// Somebody should look.
    Warn,
    /// Starts, reloads, requests.
    Info,
    /// For finding faults.
    Debug,
}

impl Default for Settings {
    fn default() -> Self {
        Self { format: Format::Json, level: Level::Info, sample: 0.01 }
    }
}

/// Every metric.
#[derive(Debug, Default)]
pub struct Telemetry;

impl Telemetry {
    /// None yet.
    pub fn new() -> Self {
        Self
    }

    /// As text.
    pub fn render(&self, current: &crate::current::Current) -> String {
        format!("sidegate_policy_generation {}\n", current.load().number)
    }
}
