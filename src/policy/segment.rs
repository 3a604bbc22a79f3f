//! Segments of a canonical path: walked, decoded, compared.

use std::borrow::Cow;

use super::bytes::position;

/// The segments of a canonical path. A slash at the end adds none.
pub(super) fn segments(path: &str) -> Segments<'_> {
    Segments(path.strip_prefix('/').unwrap_or(path))
}

/// What of a canonical path is yet to be walked.
#[derive(Debug, Clone)]
pub(super) struct Segments<'p>(&'p str);

impl<'p> Iterator for Segments<'p> {
    type Item = &'p str;

    fn next(&mut self) -> Option<&'p str> {
        let end = position(self.0.as_bytes(), b'/').unwrap_or(self.0.len());
        let (segment, rest) = self.0.split_at_checked(end)?;
        self.0 = rest.get(1..).unwrap_or_default();
        (!segment.is_empty()).then_some(segment)
    }
}

/// A canonical path or segment as it is matched: without params, decoded to UTF-8, in one way. `%2F`
/// stays, so that the segments are the same; nothing else decodes to it, for `%25` does not stand
/// before two hex digits.
pub(super) fn decoded(text: &str) -> Cow<'_, str> {
    if !text.bytes().any(|byte| matches!(byte, b'%' | b';')) {
        return Cow::Borrowed(text);
    }
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, tail)) = rest.split_first() {
        rest = tail;
        match rest {
            [high, low, tail @ ..] if byte == b'%' => match escaped(*high, *low) {
                Some(value) if value != b'/' => {
                    bytes.push(value);
                    rest = tail;
                }
                _ => bytes.push(byte),
            },
            _ if byte == b';' => {
                let end = position(rest, b'/').unwrap_or(rest.len());
                rest = rest.get(end..).unwrap_or_default();
            }
            _ => bytes.push(byte),
        }
    }
    String::from_utf8(bytes).map_or(Cow::Borrowed(text), Cow::Owned)
}

/// The byte that two hex digits spell.
pub(super) fn escaped(high: u8, low: u8) -> Option<u8> {
    let digit = |byte: u8| char::from(byte).to_digit(16);
    u8::try_from(digit(high)? * 16 + digit(low)?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn segments_are_whole_and_decoded_once() {
        let cases: &[(&str, &[&str])] = &[
            ("/", &[]),
            ("*", &["*"]),
            ("/a", &["a"]),
            ("/a/", &["a"]),
            ("/a/b%40c/%C3%A9", &["a", "b@c", "é"]),
            ("/100%25/%", &["100%", "%"]),
            ("/a%2Fb/%3Bc", &["a%2Fb", ";c"]),
            ("/a;v=%2F;w/b;/c", &["a", "b", "c"]),
        ];
        for (path, expected) in cases {
            let seen: Vec<_> = segments(path).map(decoded).collect();
            assert_eq!(seen, *expected, "{path}");
        }
    }
}
