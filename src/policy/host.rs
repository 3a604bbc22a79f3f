//! The one place that makes a canonical host.

use std::borrow::Cow;

use super::bytes::{all_good, position};

/// Bytes of the longest name (RFC 1035 §2.3.4, without the last dot).
const LONGEST: usize = 253;

/// `sub-delims` (RFC 3986 §2.2). Some names have them; most names do not, and no route's.
pub(super) const SUB_DELIMS: [char; 11] = ['!', '$', '&', '\'', '(', ')', '*', '+', ',', ';', '='];

/// A host as routes match it: lower-case, without port and without one trailing dot.
///
/// INVARIANT: only [`Host::parse`] makes one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Host<'a>(Cow<'a, str>);

impl<'a> Host<'a> {
    /// Reads a `Host` field's value: `uri-host [ ":" port ]` (RFC 9110 §7.2). Names have letters,
    /// digits, `-`, `_`, `.` and what RFC 3986 §3.2.2 lets them have beside (`sub-delims`); IPv6
    /// addresses stand in brackets, without a zone; there is no userinfo. Nothing when the text is
    /// not that. Allocates only where a letter is in upper case.
    pub fn parse(text: &'a str) -> Option<Self> {
        let (name, port) = match text.strip_prefix('[') {
            Some(_) => {
                let end = text.find(']')?;
                let (name, port) = text.split_at_checked(end + 1)?;
                (name, port.strip_prefix(':').or(port.is_empty().then_some("")))
            }
            None => match position(text.as_bytes(), b':') {
                Some(colon) => (text.get(..colon)?, text.get(colon + 1..)),
                None => (text, Some("")),
            },
        };
        if !is_port(port?) {
            return None;
        }
        if is_canonical_name(name) {
            return Some(Self(Cow::Borrowed(name)));
        }
        let name = name.strip_suffix('.').unwrap_or(name);
        if !is_address_in_brackets(name) && !is_name(name) {
            return None;
        }
        Some(Self(if name.bytes().any(|byte| byte.is_ascii_uppercase()) {
            Cow::Owned(name.to_ascii_lowercase())
        } else {
            Cow::Borrowed(name)
        }))
    }

    /// The canonical text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Whether the text is a port, or none: digits.
fn is_port(text: &str) -> bool {
    if text.len() > 5 {
        return false;
    }
    let number = text.bytes().try_fold(0, |number: u32, byte| {
        byte.is_ascii_digit().then(|| number * 10 + u32::from(byte - b'0'))
    });
    number.is_some_and(|number| number <= u32::from(u16::MAX))
}

/// Whether the text is a name, lower-case and without trailing dot: what most requests send.
fn is_canonical_name(text: &str) -> bool {
    let text = text.as_bytes();
    (1..=LONGEST).contains(&text.len())
        && text.first() != Some(&b'.')
        && text.last() != Some(&b'.')
        && all_good(text, |bytes, next| {
            let names = bytes.within(b'a', b'z')
                | bytes.within(b'0', b'9')
                | bytes.within(b'-', b'.')
                | bytes.equal(b'_');
            names & !(bytes.equal(b'.') & next.equal(b'.'))
        })
}

fn is_name_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
        || matches!(byte, b'-' | b'_' | b'.')
        || SUB_DELIMS.contains(&char::from(byte))
}

fn is_address_in_brackets(name: &str) -> bool {
    name.strip_prefix('[')
        .and_then(|name| name.strip_suffix(']'))
        .is_some_and(|address| address.parse::<core::net::Ipv6Addr>().is_ok())
}

fn is_name(name: &str) -> bool {
    !name.is_empty()
        && name.len() <= LONGEST
        && !name.starts_with('.')
        && !name.ends_with('.')
        && name.bytes().all(is_name_byte)
        && !name.contains("..")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_name_per_host() {
        let cases = [
            ("api.acme.example", Some("api.acme.example")),
            ("API.Acme.Example", Some("api.acme.example")),
            ("api.acme.example:8080", Some("api.acme.example")),
            ("api.acme.example.", Some("api.acme.example")),
            ("api.acme.example.:80", Some("api.acme.example")),
            ("127.0.0.1:80", Some("127.0.0.1")),
            ("localhost:", Some("localhost")),
            ("[::1]", Some("[::1]")),
            ("[::1]:8080", Some("[::1]")),
            ("[FE80::1]", Some("[fe80::1]")),
            ("_dmarc.a-b.example", Some("_dmarc.a-b.example")),
            ("", None),
            (".", None),
            (":80", None),
            ("a..b", None),
            ("a.example..", None),
            (".a", None),
            ("user@a", None),
            ("a b", None),
            ("a,b", Some("a,b")),
            ("0.0.0.0=5000", Some("0.0.0.0=5000")),
            ("!$&'()*+,;=", Some("!$&'()*+,;=")),
            ("*.A.Example.:80", Some("*.a.example")),
            ("a~b", None),
            ("a\"b", None),
            ("a\tb", None),
            ("a\rb", None),
            ("a\0b", None),
            ("a\u{7f}b", None),
            ("a%0db", None),
            (";..;", None),
            ("=@a", None),
            ("a/b", None),
            ("a%2eb", None),
            ("é.example", None),
            ("a:80:80", None),
            ("a:-1", None),
            ("a:+1", None),
            ("a:65536", None),
            ("a:000080", None),
            ("a:x", None),
            ("::1", None),
            ("[::1", None),
            ("[::1]x", None),
            ("[::1]:x", None),
            ("[a]", None),
            ("[::1%25eth0]", None),
        ];
        for (text, expected) in cases {
            assert_eq!(Host::parse(text).as_ref().map(Host::as_str), expected, "{text:?}");
        }
        assert_eq!(Host::parse(&"a".repeat(254)), None);
    }
}
