//! The one place that makes a canonical request target.
//!
//! A target has one reading or it is refused; what is judged is what is forwarded. The canonical
//! form is RFC 3986 §6.2.2 without dot segments: percent-encoded unreserved characters decoded,
//! the hex digits of the rest in upper case. Nothing is repaired that a second reader could read
//! differently: dot segments (§5.2.4), empty segments, encoded backslashes, NUL and what a second
//! decoding would change are refused. Other controls stay encoded: the canonical form is visible
//! ASCII, wherever it is written. Encoded slashes and params are left to the route: see
//! [`Disputed`]. However they are read, there are no dot and no empty segments.

use std::borrow::Cow;

use super::bytes::{Eight, all_good, position};
use super::disputed::Disputed;
use super::segment::{decoded, escaped};

/// A canonical target: an absolute path and what came after the first `?`, or `*`.
///
/// INVARIANT: only [`Target::parse`] makes one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target<'a> {
    path: Cow<'a, str>,
    query: Option<&'a str>,
    /// Whether nothing in the path is encoded.
    plain: bool,
    disputed: Disputed,
}

impl<'a> Target<'a> {
    /// Reads an origin-form target (RFC 9112 §3.2.1), or `*` (§3.2.4). Allocates only where an
    /// unreserved character came percent-encoded or a hex digit in lower case.
    ///
    /// # Errors
    ///
    /// Why the target has no single reading.
    pub fn parse(text: &'a str) -> Result<Self, TargetError> {
        if text == "*" {
            return Ok(Self::plain(text, None));
        }
        let end = position(text.as_bytes(), b'?').unwrap_or(text.len());
        let path = text.get(..end).unwrap_or(text);
        let query = text.get(end + 1..);
        if !query.is_none_or(|query| all_good(query.as_bytes(), are_query_bytes)) {
            return Err(TargetError::Query);
        }
        if is_plain(path) {
            return Ok(Self::plain(path, query));
        }
        let encoded = path.bytes().any(|byte| byte == b'%');
        let path = if encoded { canonical(path)? } else { Cow::Borrowed(path) };
        let disputed = check_segments(&path)?;
        Ok(Self { path, query, plain: false, disputed })
    }

    fn plain(path: &'a str, query: Option<&'a str>) -> Self {
        Self { path: Cow::Borrowed(path), query, plain: true, disputed: Disputed::default() }
    }

    /// The canonical path, or `*`.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The path as routes match it and as an upstream will read it. Its segments are those of
    /// [`path`](Self::path), without their params: encoded slashes stay encoded.
    pub(super) fn decoded(&self) -> Cow<'_, str> {
        if self.plain { Cow::Borrowed(&self.path) } else { decoded(&self.path) }
    }

    /// What came after the first `?`, as it came.
    pub fn query(&self) -> Option<&'a str> {
        self.query
    }

    /// What of the path not every reader reads alike.
    pub fn disputed(&self) -> Disputed {
        self.disputed
    }

    /// Whether the path is, byte for byte, what the client sent.
    pub fn is_as_sent(&self) -> bool {
        matches!(self.path, Cow::Borrowed(_))
    }
}

/// Why a target has no single reading.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum TargetError {
    /// A byte that RFC 3986 §3.3 does not let stand in a path.
    Byte,
    /// `.` or `..` as a segment, in any spelling.
    DotSegment,
    /// `//`.
    EmptySegment,
    /// An encoded byte that a later reader could take for syntax: `\`, NUL, `%xx`.
    Encoded,
    /// `%` without two hex digits.
    Escape,
    /// No leading `/`.
    NotAbsolute,
    /// A byte in the query that no URI has.
    Query,
    /// Encoded bytes that are not UTF-8.
    Utf8,
}

impl TargetError {
    /// What is wrong, for a person.
    pub fn message(self) -> &'static str {
        match self {
            Self::Byte => "it has a character that a path cannot have unencoded",
            Self::DotSegment => "it has a `.` or `..` segment",
            Self::EmptySegment => "it has an empty segment (`//`)",
            Self::Encoded => "it has an encoded backslash, NUL or percent sign",
            Self::Escape => "it has a `%` without two hex digits",
            Self::NotAbsolute => "it does not start with `/`",
            Self::Query => "its query has a character that a query cannot have unencoded",
            Self::Utf8 => "its encoded bytes are not UTF-8",
        }
    }
}

/// RFC 3986 §3.4, and the few more that browsers send unencoded there and that no reader takes for
/// syntax.
fn are_query_bytes(bytes: Eight, _: Eight) -> u64 {
    bytes.within(b'!', b'~') & !bytes.equal(b'#')
}

fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() | (byte == b'-') | (byte == b'.') | (byte == b'_') | (byte == b'~')
}

/// Whether nothing in the path wants a second look: no byte but those of most paths, no segment
/// that is empty or starts with a dot.
fn is_plain(path: &str) -> bool {
    path.starts_with('/')
        && all_good(path.as_bytes(), |bytes, next| {
            // From `-` to `9` are `-`, `.`, `/` and the digits.
            let plain =
                bytes.letters() | bytes.within(b'-', b'9') | bytes.equal(b'_') | bytes.equal(b'~');
            plain & !(bytes.equal(b'/') & next.within(b'.', b'/'))
        })
}

/// RFC 3986 §3.3 `pchar`, and `/`. `%` stands because [`canonical`] came before.
fn is_path_byte(byte: u8) -> bool {
    is_unreserved(byte)
        || matches!(byte, b'!' | b'$' | b'&' | b'\'' | b'(' | b')' | b'*' | b'+' | b',')
        || matches!(byte, b';' | b'=' | b':' | b'@' | b'/' | b'%')
}

/// The canonical form of a path with a `%` in it, segments not yet checked.
fn canonical(path: &str) -> Result<Cow<'_, str>, TargetError> {
    let mut form = String::with_capacity(path.len());
    let mut decoded = Vec::with_capacity(path.len());
    let mut rest = path.as_bytes();
    while let Some((&byte, tail)) = rest.split_first() {
        rest = tail;
        if byte != b'%' {
            if !byte.is_ascii() {
                return Err(TargetError::Byte);
            }
            form.push(char::from(byte));
            decoded.push(byte);
            continue;
        }
        let [high, low, tail @ ..] = rest else { return Err(TargetError::Escape) };
        rest = tail;
        let value = escaped(*high, *low).ok_or(TargetError::Escape)?;
        if matches!(value, 0 | b'\\') {
            return Err(TargetError::Encoded);
        }
        decoded.push(value);
        if is_unreserved(value) {
            form.push(char::from(value));
        } else {
            form.push('%');
            form.push(char::from(high.to_ascii_uppercase()));
            form.push(char::from(low.to_ascii_uppercase()));
        }
    }
    // However the `%` and the digits after it were spelled, a second decoding would see them.
    let twice = |bytes: &[u8]| matches!(bytes, [b'%', high, low] if escaped(*high, *low).is_some());
    if decoded.windows(3).any(twice) {
        return Err(TargetError::Encoded);
    }
    if std::str::from_utf8(&decoded).is_err() {
        return Err(TargetError::Utf8);
    }
    Ok(if form == path { Cow::Borrowed(path) } else { Cow::Owned(form) })
}

/// Holds every reading of a canonical path's segments to the same: split at `%2F` or not, cut at `;`
/// or not.
fn check_segments(path: &str) -> Result<Disputed, TargetError> {
    let Some(rest) = path.strip_prefix('/') else { return Err(TargetError::NotAbsolute) };
    let mut disputed = Disputed::default();
    let mut length = 0_usize;
    let mut dots = 0_usize;
    let mut rest = rest.as_bytes();
    while let Some((&byte, tail)) = rest.split_first() {
        rest = tail;
        if !is_path_byte(byte) {
            return Err(TargetError::Byte);
        }
        let encoded = tail.strip_prefix(b"2F").filter(|_| byte == b'%');
        if byte == b'/' || byte == b';' || encoded.is_some() {
            check_segment(length, dots)?;
            if length == 0 {
                return Err(TargetError::EmptySegment);
            }
            disputed.path_params |= byte == b';';
            disputed.encoded_slash |= encoded.is_some();
        }
        if byte == b'/' || encoded.is_some() {
            rest = encoded.unwrap_or(tail);
            (length, dots) = (0, 0);
            continue;
        }
        length += 1;
        dots += usize::from(byte == b'.');
    }
    check_segment(length, dots)?;
    Ok(disputed)
}

fn check_segment(length: usize, dots: usize) -> Result<(), TargetError> {
    if length == dots && (1..=2).contains(&length) {
        return Err(TargetError::DotSegment);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    type Reading<'a> = Result<(&'a str, Option<&'a str>), TargetError>;

    #[test]
    fn one_reading_or_none() {
        use TargetError::*;
        let cases: &[(&str, Reading<'_>)] = &[
            ("/", Ok(("/", None))),
            ("*", Ok(("*", None))),
            ("/a/b", Ok(("/a/b", None))),
            ("/a/b/", Ok(("/a/b/", None))),
            ("/a?", Ok(("/a", Some("")))),
            ("/a?b=c?d=/../", Ok(("/a", Some("b=c?d=/../")))),
            ("/a?%zz[]{}|", Ok(("/a", Some("%zz[]{}|")))),
            ("/%61", Ok(("/a", None))),
            ("/%7euser", Ok(("/~user", None))),
            ("/caf%c3%a9", Ok(("/caf%C3%A9", None))),
            ("/caf%C3%A9", Ok(("/caf%C3%A9", None))),
            ("/a%40b", Ok(("/a%40b", None))),
            ("/a@b:c,d=e+f!$&'()*", Ok(("/a@b:c,d=e+f!$&'()*", None))),
            ("/100%25", Ok(("/100%25", None))),
            ("/100%25/x", Ok(("/100%25/x", None))),
            ("/...", Ok(("/...", None))),
            ("/.a/..b/c.", Ok(("/.a/..b/c.", None))),
            ("", Err(NotAbsolute)),
            ("a", Err(NotAbsolute)),
            ("http://a/", Err(NotAbsolute)),
            ("**", Err(NotAbsolute)),
            ("//", Err(EmptySegment)),
            ("//a", Err(EmptySegment)),
            ("/a//b", Err(EmptySegment)),
            ("/a//", Err(EmptySegment)),
            ("/.", Err(DotSegment)),
            ("/..", Err(DotSegment)),
            ("/../a", Err(DotSegment)),
            ("/a/./b", Err(DotSegment)),
            ("/a/..", Err(DotSegment)),
            ("/a/../", Err(DotSegment)),
            ("/a/%2e%2e/b", Err(DotSegment)),
            ("/a/.%2E/b", Err(DotSegment)),
            ("/a/%2E", Err(DotSegment)),
            ("/a;b", Ok(("/a;b", None))),
            ("/a;b=%7e;c/d;", Ok(("/a;b=~;c/d;", None))),
            ("/a%2fb", Ok(("/a%2Fb", None))),
            ("/a%2Fb%2F", Ok(("/a%2Fb%2F", None))),
            ("/a%25%2fb;%2F", Ok(("/a%25%2Fb;%2F", None))),
            ("/a/..;x/b", Err(DotSegment)),
            ("/a/.%2e;/b", Err(DotSegment)),
            ("/a/.;", Err(DotSegment)),
            ("/a%2f..", Err(DotSegment)),
            ("/a%2f..%2fb", Err(DotSegment)),
            ("/a;x%2f..%2fb", Err(DotSegment)),
            ("/a;x%2f.;y%2fb", Err(DotSegment)),
            ("/%2e%2e%2f", Err(DotSegment)),
            ("/..%2f", Err(DotSegment)),
            ("/.%2fa", Err(DotSegment)),
            ("/;x/", Err(EmptySegment)),
            ("/a/;x", Err(EmptySegment)),
            ("/a%2f;x", Err(EmptySegment)),
            ("/;", Err(EmptySegment)),
            ("/%2f", Err(EmptySegment)),
            ("/%2fa", Err(EmptySegment)),
            ("/a/%2f", Err(EmptySegment)),
            ("/a%2f/b", Err(EmptySegment)),
            ("/a%2f%2fb", Err(EmptySegment)),
            ("/a%252fb", Err(Encoded)),
            ("/a%25%32%66b", Err(Encoded)),
            ("/a%2f%5cb", Err(Encoded)),
            ("/a;%00", Err(Encoded)),
            ("/a%2fé", Err(Byte)),
            ("/a%5cb", Err(Encoded)),
            ("/a%00", Err(Encoded)),
            ("/%00", Err(Encoded)),
            ("/a%09%00b", Err(Encoded)),
            ("/a%09", Ok(("/a%09", None))),
            ("/a%0d%0ab", Ok(("/a%0D%0Ab", None))),
            ("/%02/%1F", Ok(("/%02/%1F", None))),
            ("/a%7f?%0d%0a", Ok(("/a%7F", Some("%0d%0a")))),
            ("/a%c2%85", Ok(("/a%C2%85", None))),
            ("/a%0a/..", Err(DotSegment)),
            ("/a%2509", Err(Encoded)),
            ("/a%0", Err(Escape)),
            ("/a\r\nb", Err(Byte)),
            ("/%09\t", Err(Byte)),
            ("/a?\n", Err(Query)),
            ("/a%252e", Err(Encoded)),
            ("/a%25%32%65", Err(Encoded)),
            ("/a%2525", Err(Encoded)),
            ("/a%", Err(Escape)),
            ("/a%2", Err(Escape)),
            ("/a%zz", Err(Escape)),
            ("/a%u002e", Err(Escape)),
            ("/a\\b", Err(Byte)),
            ("/a#b", Err(Byte)),
            ("/a?b#c", Err(Query)),
            ("/a b", Err(Byte)),
            ("/a\tb", Err(Byte)),
            ("/a\u{7f}", Err(Byte)),
            ("/é", Err(Byte)),
            ("/%61é", Err(Byte)),
            ("/a?é", Err(Query)),
            ("/a?b c", Err(Query)),
            ("/a<b", Err(Byte)),
            ("/a{b}", Err(Byte)),
            ("/%ff", Err(Utf8)),
            ("/%c0%ae", Err(Utf8)),
            ("/%e0%80%af", Err(Utf8)),
        ];
        for (text, expected) in cases {
            let parsed = Target::parse(text);
            let seen = parsed.as_ref().map(|t| (t.path(), t.query())).map_err(|e| *e);
            assert_eq!(seen, *expected, "{text:?}");
        }
    }

    #[test]
    fn what_is_disputed_is_told_and_matched_in_one_way() {
        for (text, slash, params, matched) in [
            ("/a/b", false, false, "/a/b"),
            ("/a%3Bb%20?;%2F", false, false, "/a;b "),
            ("/a%2fb/c", true, false, "/a%2Fb/c"),
            ("/a;v=1/b;;c", false, true, "/a/b"),
            ("/a;v=%2F..x%20/%25%2fb;y/", true, true, "/a/%%2Fb/"),
        ] {
            let target = Target::parse(text).unwrap();
            let disputed = Disputed { encoded_slash: slash, path_params: params };
            assert_eq!(target.disputed(), disputed, "{text}");
            assert_eq!(target.decoded(), matched, "{text}");
        }
    }

    #[test]
    fn nothing_is_copied_where_nothing_changes() {
        for (text, as_sent) in [("/a/b?c", true), ("/caf%C3%A9", true), ("/%61", false)] {
            assert_eq!(Target::parse(text).unwrap().is_as_sent(), as_sent, "{text}");
        }
    }

    #[test]
    fn no_spelling_of_a_control_is_raw() {
        for byte in 1..=0x7f_u8 {
            let target = format!("/%{byte:02x}a");
            let Ok(target) = Target::parse(&target) else { continue };
            assert!(target.path().bytes().all(|byte| byte.is_ascii_graphic()), "{target:?}");
            assert_eq!(target.decoded(), format!("/{}a", char::from(byte)));
        }
    }

    proptest::proptest! {
        #[test]
        fn a_canonical_target_is_its_own_canonical_form(text in "/[a-f0-9%./;~é]{0,24}") {
            if let Ok(target) = Target::parse(&text) {
                let path = target.path().to_owned();
                let again = Target::parse(&path).unwrap();
                proptest::prop_assert_eq!(again.path(), path.as_str());
            }
        }
    }
}
