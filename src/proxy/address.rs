//! Where connections to an endpoint go: one address, or those that its name has now.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// One address. Shared by all workers.
#[derive(Debug)]
pub(super) struct Address {
    spot: Spot,
    is_healthy: AtomicBool,
}

/// What can be connected to.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Spot {
    Tcp(SocketAddr),
    Unix(PathBuf),
}

impl Address {
    pub(super) fn new(spot: Spot) -> Arc<Self> {
        Arc::new(Self { spot, is_healthy: AtomicBool::new(true) })
    }

    pub(super) fn spot(&self) -> &Spot {
        &self.spot
    }

    /// What health checks say. Always, where there are none.
    pub(super) fn is_healthy(&self) -> bool {
        self.is_healthy.load(Ordering::Relaxed)
    }

    pub(super) fn set_healthy(&self, is_healthy: bool) {
        self.is_healthy.store(is_healthy, Ordering::Relaxed);
    }
}

impl fmt::Display for Spot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(f),
            Self::Unix(path) => path.display().fmt(f),
        }
    }
}

/// The addresses of one endpoint, as far as they are known.
#[derive(Debug, Clone, Default)]
pub(super) enum Known {
    /// Its name is being looked up for the first time.
    #[default]
    NotYet,
    /// Its name has none, or nobody knows.
    Nothing,
    At(Arc<[Arc<Address>]>),
}

impl Known {
    pub(super) fn addresses(&self) -> &[Arc<Address>] {
        match self {
            Self::NotYet | Self::Nothing => &[],
            Self::At(addresses) => addresses,
        }
    }

    /// Takes `spots` for what is true now. Those that were known stay the same. Returns whether
    /// anything is new.
    pub(super) fn learn(&mut self, spots: &[Spot]) -> bool {
        let known = self.addresses();
        if !spots.is_empty() && known.iter().map(|it| it.spot()).eq(spots) {
            return false;
        }
        let same = |spot: &Spot| known.iter().find(|it| it.spot() == spot).map(Arc::clone);
        let addresses: Arc<[_]> = spots
            .iter()
            .map(|spot| same(spot).unwrap_or_else(|| Address::new(spot.clone())))
            .collect();
        *self = if addresses.is_empty() { Self::Nothing } else { Self::At(addresses) };
        true
    }

    /// Nothing could be learnt: what is known stays. Returns whether that is new.
    pub(super) fn fail(&mut self) -> bool {
        let first = matches!(self, Self::NotYet);
        if first {
            *self = Self::Nothing;
        }
        first
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_still_true_stays_the_same() {
        let spot = |port| Spot::Tcp(([127, 0, 0, 1], port).into());
        let mut known = Known::default();
        assert!(known.fail());
        assert!(!known.fail());
        assert!(known.learn(&[spot(1), spot(2)]));
        assert!(!known.learn(&[spot(1), spot(2)]));
        let two = Arc::clone(&known.addresses()[1]);
        assert!(known.learn(&[spot(2), spot(3)]));
        assert!(Arc::ptr_eq(&two, &known.addresses()[0]));
        assert!(!known.fail());
        assert_eq!(known.addresses().len(), 2);
    }
}
