//! The data plane (being built).

mod settings;

pub use settings::{Limits, Settings, Timeouts, Upstream};
