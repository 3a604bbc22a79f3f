//! Whether requests are welcome.

use std::sync::atomic::{AtomicU8, Ordering};

/// Where the process is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// Not all listeners stand.
    Starting,
    /// Requests are served.
    Ready,
    /// The last requests are served; new ones should go elsewhere.
    Draining,
}

impl Stage {
    /// As `/readyz` and `/status` show it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Ready => "ready",
            Self::Draining => "draining",
        }
    }
}

/// The one cell that says so. It begins as [`Stage::Starting`], and nothing follows on
/// [`Stage::Draining`].
#[derive(Debug, Default)]
pub struct Readiness(AtomicU8);

const STARTING: u8 = 0;
const READY: u8 = 1;
const DRAINING: u8 = 2;

impl Readiness {
    /// Every listener stands. A process that drains already goes on to drain.
    pub fn ready(&self) {
        self.0.fetch_max(READY, Ordering::AcqRel);
    }

    /// The process is about to end.
    pub fn draining(&self) {
        self.0.fetch_max(DRAINING, Ordering::AcqRel);
    }

    /// Where the process is.
    pub fn stage(&self) -> Stage {
        match self.0.load(Ordering::Acquire) {
            STARTING => Stage::Starting,
            READY => Stage::Ready,
            _ => Stage::Draining,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn draining_is_final() {
        let readiness = Readiness::default();
        assert_eq!(readiness.stage(), Stage::Starting);
        readiness.ready();
        assert_eq!(readiness.stage(), Stage::Ready);
        readiness.draining();
        readiness.ready();
        assert_eq!(readiness.stage(), Stage::Draining);
    }
}
