//! The decision core (being built).

pub mod draft;
pub mod key;
mod level;
mod problem;
mod snapshot;
mod time;

pub use draft::Draft;
pub use level::Level;
pub use problem::{At, FileId, Place, Problem, Severity, nearest};
pub use snapshot::{Snapshot, compile};
pub use time::UnixSeconds;
