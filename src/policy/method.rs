//! Methods, and the level that each needs (RFC 9110 §9.2.1).

use super::level::Level;

/// A list of methods, as a policy names them. GET brings HEAD with it.
///
/// In a box: so a route's two lists lie on the cache line of what else is asked of the route.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Methods(Box<Listed>);

#[derive(Debug, Clone, PartialEq, Eq)]
struct Listed {
    common: Common,
    names: Box<[Box<str>]>,
}

/// Which of the methods that most requests have are on a list: who keeps it beside the list looks
/// for these in no other place of memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Common(u8); // INVARIANT: a bit for each of `COMMON`

const COMMON: [&str; 7] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];

fn common(method: &str) -> Option<u8> {
    COMMON.iter().position(|name| *name == method).map(|bit| 1 << bit)
}

impl Methods {
    pub(super) fn new(names: impl IntoIterator<Item = String>) -> Self {
        let names: Box<[Box<str>]> = names.into_iter().map(String::into_boxed_str).collect();
        let with_head = names.iter().any(|name| **name == *"GET").then_some("HEAD");
        let bits = names.iter().map(|name| &**name).chain(with_head).filter_map(common);
        let common = Common(bits.fold(0, |all, bit| all | bit));
        Self(Box::new(Listed { common, names }))
    }

    pub(super) fn contains(&self, method: &str) -> bool {
        self.contains_by(self.common(), method)
    }

    /// Where `common` is what [`common`](Self::common) says.
    pub(super) fn contains_by(&self, common: Common, method: &str) -> bool {
        match self::common(method) {
            Some(bit) => common.0 & bit != 0,
            None => self.iter().any(|name| *name == *method),
        }
    }

    pub(super) fn common(&self) -> Common {
        self.0.common
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.names.iter().map(|name| &**name)
    }

    /// As the `Allow` field lists them (RFC 9110 §10.2.1).
    pub(super) fn allow(&self) -> Box<str> {
        let mut names: Vec<&str> = self.0.names.iter().map(|name| &**name).collect();
        if names.contains(&"GET") && !names.contains(&"HEAD") {
            names.push("HEAD");
        }
        names.join(", ").into_boxed_str()
    }
}

/// What the `Allow` field lists where a route takes every method.
pub(super) const ALLOW_ALL: &str = "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS";

/// The level that a method needs where the route does not say: view for the safe methods.
pub(super) fn needed_by_default(method: &str) -> Level {
    match method {
        "GET" | "HEAD" | "OPTIONS" => Level::View,
        _ => Level::Full,
    }
}

/// Whether no route takes the method: TRACE, and TRACK as some servers have it, show fields that we
/// set; CONNECT has no path.
pub(super) fn is_refused_everywhere(method: &str) -> bool {
    matches!(method, "CONNECT" | "TRACE" | "TRACK")
}

/// Whether `text` is a method at all: a token (RFC 9110 §5.6.2).
pub(super) fn is_token(text: &str) -> bool {
    !text.is_empty()
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte))
}
