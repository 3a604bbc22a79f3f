//! The three levels, and what a method needs.

use std::fmt;

/// How much of a scope somebody has. Ordered: `none` < `view` < `full`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
#[repr(u8)]
pub enum Level {
    /// Nothing: hidden or refused.
    #[default]
    None = 0,
    /// Reading.
    View = 1,
    /// Reading and writing.
    Full = 2,
}

impl Level {
    /// Every level, lowest first.
    pub const ALL: [Self; 3] = [Self::None, Self::View, Self::Full];

    /// The level that is written as `text`, or nothing.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|level| level.name() == text)
    }

    /// As it is written in policies, headers, metrics and logs.
    pub fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::View => "view",
            Self::Full => "full",
        }
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
