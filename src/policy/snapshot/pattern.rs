//! Host and path patterns of routes, read by the same functions as requests.

use crate::policy::host::{Host, SUB_DELIMS};
use crate::policy::segment::{decoded, segments};
use crate::policy::target::Target;

/// One segment of a path pattern.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::policy) enum Step {
    /// Exactly this segment, decoded.
    Literal(Box<str>),
    /// Any one segment: `*`, `{workspace}` or `{account}`.
    Any,
}

/// A path pattern: whole segments, of which one can be the workspace and one the account.
#[derive(Debug, Default, PartialEq, Eq)]
pub(in crate::policy) struct PathPattern {
    pub(in crate::policy) steps: Vec<Step>,
    pub(in crate::policy) workspace: Option<usize>,
    pub(in crate::policy) account: Option<usize>,
}

/// Where a captured segment is in a decoded path that has the pattern's segments: at a byte that
/// literals lead to, or so many segments after it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::policy) struct Capture {
    start: u16,
    segments: u8,
}

impl Capture {
    /// The captured segment of such a path.
    pub(in crate::policy) fn of(self, path: &str) -> Option<&str> {
        segments(path.get(usize::from(self.start)..)?).nth(usize::from(self.segments))
    }
}

/// A pattern deeper than this is somebody's mistake; it bounds the depth of a match.
const DEEPEST: usize = 32;

impl PathPattern {
    /// Reads a prefix such as `/w/{workspace}/reports`.
    ///
    /// # Errors
    ///
    /// What is wrong with it, in the reader's words.
    pub(in crate::policy) fn parse(text: &str) -> Result<Self, String> {
        if text.contains('?') {
            return Err("it has a `?`: a prefix has no query".to_owned());
        }
        let plain = text.replace("/{workspace}", "/_").replace("/{account}", "/_");
        let target = Target::parse(&plain).map_err(|error| error.message().to_owned())?;
        if target.path() == "*" {
            return Err("it does not start with `/`".to_owned());
        }
        if let Some((what, _)) = target.disputed().names().next() {
            return Err(format!("it has {what}: routes match whole segments without params"));
        }
        if !target.is_as_sent() {
            return Err(format!("its canonical form is `{}`: write that", target.path()));
        }
        let mut pattern = Self::default();
        for (at, segment) in segments(text).enumerate() {
            let capture = match segment {
                "{workspace}" => Some(&mut pattern.workspace),
                "{account}" => Some(&mut pattern.account),
                _ => None,
            };
            if let Some(capture) = capture
                && capture.replace(at).is_some()
            {
                return Err(format!("it captures `{segment}` twice"));
            }
            pattern.steps.push(match segment {
                "*" | "{workspace}" | "{account}" => Step::Any,
                literal if literal.contains(['{', '}', '*']) => {
                    return Err(format!(
                        "`{literal}` is not a segment: `{{workspace}}`, `{{account}}` and `*` stand alone"
                    ));
                }
                literal => Step::Literal(decoded(literal).into()),
            });
        }
        if pattern.steps.len() > DEEPEST {
            return Err(format!("it has more than {DEEPEST} segments"));
        }
        Ok(pattern)
    }

    /// Where the segment of that number is.
    pub(in crate::policy) fn capture(&self, number: usize) -> Capture {
        let lengths = self.steps.iter().take(number).map_while(|step| match step {
            Step::Literal(text) => Some(1 + text.len()),
            Step::Any => None,
        });
        let (literals, start) =
            lengths.fold((0, 0), |(literals, start), length| (literals + 1, start + length));
        match (u16::try_from(start), u8::try_from(number - literals)) {
            (Ok(start), Ok(segments)) => Capture { start, segments },
            // Patterns are not that deep: it is the literals that are long.
            _ => Capture { start: 0, segments: number as u8 },
        }
    }
}

/// A host pattern.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::policy) enum HostPattern {
    /// Every host.
    Every,
    /// This host.
    Exact(Box<str>),
    /// Any one label before this domain; `true` where the label is the workspace.
    Below(Box<str>, bool),
}

impl HostPattern {
    /// Reads `api.acme.example`, `*.acme.example` or `{workspace}.acme.example`.
    ///
    /// # Errors
    ///
    /// What is wrong with it, in the reader's words.
    pub(in crate::policy) fn parse(text: &str) -> Result<Self, String> {
        let (name, below) = match (text.strip_prefix("*."), text.strip_prefix("{workspace}.")) {
            (Some(domain), _) => (domain, Some(false)),
            (_, Some(domain)) => (domain, Some(true)),
            _ => (text, None),
        };
        // Who writes a list of hosts or a `*` elsewhere means more than the one host of that name.
        let is_one = |host: &Host<'_>| host.as_str() == name && !name.contains(SUB_DELIMS);
        let host = Host::parse(name).filter(is_one).ok_or(
            "a host is a lower-case name without port, of letters, digits, `-`, `_` and `.`, or an IPv6 address in brackets; only its first label can be `*` or `{workspace}`",
        )?;
        let name = host.as_str().into();
        Ok(below
            .map_or(Self::Exact(host.as_str().into()), |workspace| Self::Below(name, workspace)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths() {
        let good = [
            ("/", 0, None, None),
            ("/a/b", 2, None, None),
            ("/a/b/", 2, None, None),
            ("/w/{workspace}/*/members/{account}", 5, Some(1), Some(4)),
        ];
        for (text, steps, workspace, account) in good {
            let pattern = PathPattern::parse(text).unwrap();
            assert_eq!(pattern.steps.len(), steps, "{text}");
            assert_eq!((pattern.workspace, pattern.account), (workspace, account), "{text}");
        }
        let bad = [
            "",
            "a",
            "*",
            "//",
            "/a//b",
            "/a/../b",
            "/%61",
            "/a%2Fb",
            "/a%2fb",
            "/a;b",
            "/{workspace};v=1",
            "/a?b",
            "/{workspace}/{workspace}",
            "/x{workspace}",
            "/{tenant}",
            "/a*",
            "/%c3%a9",
        ];
        for text in bad {
            assert!(PathPattern::parse(text).is_err(), "{text}");
        }
        assert!(PathPattern::parse(&"/a".repeat(33)).is_err());
        let encoded = PathPattern::parse("/%C3%A9").unwrap();
        assert_eq!(encoded.steps, [Step::Literal("é".into())]);
    }

    #[test]
    fn captures() {
        let cases = [
            ("/{workspace}", "/acme/x", "acme"),
            ("/w/{workspace}", "/w/acme", "acme"),
            ("/w/{workspace}/", "/w/acme/", "acme"),
            ("/caf%C3%A9/{workspace}/x", "/café/acme/x/y", "acme"),
            ("/*/{workspace}/x", "/one/acme/x", "acme"),
            ("/a/*/b/{workspace}", "/a/one/b/acme/x", "acme"),
            ("/a/{account}/b/{workspace}/c", "/a/me/b/acme/c", "acme"),
        ];
        for (prefix, path, expected) in cases {
            let pattern = PathPattern::parse(prefix).unwrap();
            let capture = pattern.capture(pattern.workspace.unwrap());
            assert_eq!(capture.of(path), Some(expected), "{prefix}");
        }
        let long = "x".repeat(1 << 16);
        let pattern = PathPattern::parse(&format!("/{long}/{{workspace}}")).unwrap();
        assert_eq!(pattern.capture(1).of(&format!("/{long}/acme")), Some("acme"));
    }

    #[test]
    fn hosts() {
        let exact = HostPattern::parse("api.acme.example");
        assert_eq!(exact, Ok(HostPattern::Exact("api.acme.example".into())));
        let below = HostPattern::parse("{workspace}.acme.example");
        assert_eq!(below, Ok(HostPattern::Below("acme.example".into(), true)));
        assert_eq!(HostPattern::parse("*.a"), Ok(HostPattern::Below("a".into(), false)));
        let bad = [
            "",
            "*",
            "A.example",
            "a.example:80",
            "a.*.example",
            "*.*.a",
            "a.",
            "{account}.a",
            "a.example,b.example",
            "*.a;b",
            "{workspace}.a=b",
        ];
        for text in bad {
            assert!(HostPattern::parse(text).is_err(), "{text}");
        }
    }
}
