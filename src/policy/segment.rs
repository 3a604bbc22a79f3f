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

/// A segment as an upstream will read it. Canonical segments decode to UTF-8, in one way.
pub(super) fn decoded(segment: &str) -> Cow<'_, str> {
    if !segment.bytes().any(|byte| byte == b'%') {
        return Cow::Borrowed(segment);
    }
    let mut bytes = Vec::with_capacity(segment.len());
    let mut rest = segment.as_bytes();
    while let Some((&byte, tail)) = rest.split_first() {
        rest = tail;
        match rest {
            [high, low, tail @ ..] if byte == b'%' => match escaped(*high, *low) {
                Some(value) => {
                    bytes.push(value);
                    rest = tail;
                }
                None => bytes.push(byte),
            },
            _ => bytes.push(byte),
        }
    }
    String::from_utf8(bytes).map_or(Cow::Borrowed(segment), Cow::Owned)
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
        ];
        for (path, expected) in cases {
            let seen: Vec<_> = segments(path).map(decoded).collect();
            assert_eq!(seen, *expected, "{path}");
        }
    }
}
