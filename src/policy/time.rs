//! Time as the decision core sees it: a number that it is handed.

/// Seconds since 1970-01-01T00:00:00Z, without leap seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct UnixSeconds(pub i64);

impl UnixSeconds {
    /// Before every time that can be written: what "always has been" compiles to.
    pub const DISTANT_PAST: Self = Self(i64::MIN);
    /// After every time that can be written: what "never" compiles to.
    pub const DISTANT_FUTURE: Self = Self(i64::MAX);
}
