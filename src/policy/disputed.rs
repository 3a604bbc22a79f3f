//! What readers of paths do not agree on.

/// What stands in a path that some readers take for syntax and others do not. It is refused unless
/// the route keeps it; what is kept is forwarded as it came, and the upstream has to read it as
/// [`decide`](super::Snapshot::decide) does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Disputed {
    /// `%2F`. It is matched as a part of its segment, never as what ends it.
    pub encoded_slash: bool,
    /// `;` and what follows it in a segment. Segments are matched and captured without.
    pub path_params: bool,
}

impl Disputed {
    /// Whether there is nothing of it.
    pub fn is_nothing(self) -> bool {
        self == Self::default()
    }

    /// What of it is not in `kept`.
    pub fn beyond(self, kept: Self) -> Self {
        Self {
            encoded_slash: self.encoded_slash && !kept.encoded_slash,
            path_params: self.path_params && !kept.path_params,
        }
    }

    /// Each thing, and the field of a route that keeps it.
    pub fn names(self) -> impl Iterator<Item = (&'static str, &'static str)> {
        let slash = self.encoded_slash.then_some(("an encoded slash", "encoded_slash"));
        slash.into_iter().chain(self.path_params.then_some(("a `;`", "path_params")))
    }
}
