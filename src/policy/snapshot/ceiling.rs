//! What a key reaches at most.

use crate::policy::level::Level;

/// What a key reaches at most.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::policy) struct Ceiling {
    pub(super) level: Level,
    /// Nothing where both lists are absent.
    pub(super) only: Option<Only>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Only {
    pub(super) products: Box<[u32]>,
    pub(super) areas: Box<[u32]>,
}

impl Ceiling {
    /// That of a key that has none.
    pub(super) const OPEN: Self = Self { level: Level::Full, only: None };

    /// Whether it keeps nothing back.
    pub(super) fn is_open(&self) -> bool {
        *self == Self::OPEN
    }

    pub(in crate::policy) fn product(&self, product: u32) -> Level {
        self.limit(|only| only.products.contains(&product))
    }

    pub(in crate::policy) fn area(&self, area: u32) -> Level {
        self.limit(|only| only.areas.contains(&area))
    }

    fn limit(&self, allows: impl Fn(&Only) -> bool) -> Level {
        if self.only.as_ref().is_none_or(allows) { self.level } else { Level::None }
    }
}
