//! The fields of a head or of trailers, line by line (RFC 9112 §5).

use bytes::Bytes;
use http::header::{HeaderMap, HeaderName, HeaderValue};
use memchr::memchr;

/// Why lines are no fields.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NoFields {
    TooMany,
    /// One of them has no name, a blank before its colon, a control byte, or no colon.
    Unreadable,
}

/// Reads lines up to the empty one, each of which ends with LF, or with CR LF. No more than `most`.
/// `each` sees every field before it is taken, in their order.
///
/// # Errors
///
/// When they are no fields.
pub(super) fn read(
    bytes: &Bytes,
    most: usize,
    mut each: impl FnMut(&HeaderName, &[u8]),
) -> Result<HeaderMap, NoFields> {
    let mut fields = HeaderMap::with_capacity(CAPACITY);
    let (mut count, mut rest) = (0, bytes.as_ref());
    while let Some(end) = memchr(b'\n', rest) {
        let (line, after) = rest.split_at_checked(end).ok_or(NoFields::Unreadable)?;
        rest = after.get(1..).unwrap_or_default();
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if line.is_empty() {
            return Ok(fields);
        }
        count += 1;
        if count > most {
            return Err(NoFields::TooMany);
        }
        let colon = memchr(b':', line).ok_or(NoFields::Unreadable)?;
        let (name, value) = line.split_at_checked(colon).ok_or(NoFields::Unreadable)?;
        let value = trim(value.get(1..).unwrap_or_default());
        // A name that is one takes neither a blank nor nothing, a value no control byte.
        let name = HeaderName::from_bytes(name).map_err(|_| NoFields::Unreadable)?;
        each(&name, value);
        let value = HeaderValue::from_maybe_shared(bytes.slice_ref(value))
            .map_err(|_| NoFields::Unreadable)?;
        fields.append(name, value);
    }
    Err(NoFields::Unreadable)
}

/// Fields for which there is room from the start: most heads have no more.
const CAPACITY: usize = 12;

/// Without the blanks that a value may stand between (RFC 9110 §5.5).
pub(super) fn trim(mut value: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] | [rest @ .., b' ' | b'\t'] = value {
        value = rest;
    }
    value
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn lines(bytes: &[u8]) -> Result<Vec<(String, Vec<u8>)>, NoFields> {
        let mut seen = Vec::new();
        let read = read(&Bytes::copy_from_slice(bytes), 8, |name, value| {
            seen.push((name.as_str().to_owned(), value.to_vec()));
        });
        read.map(|fields| {
            assert_eq!(fields.len(), seen.len());
            for (name, value) in &seen {
                assert!(fields.get_all(name.as_str()).iter().any(|it| it.as_bytes() == value));
            }
            seen
        })
    }

    /// What another reader takes that is used by many.
    fn reference(bytes: &[u8]) -> Option<Vec<(String, Vec<u8>)>> {
        let mut fields = [httparse::EMPTY_HEADER; 64];
        match httparse::parse_headers(bytes, &mut fields) {
            Ok(httparse::Status::Complete((_, fields))) => Some(
                fields
                    .iter()
                    .map(|field| (field.name.to_ascii_lowercase(), field.value.to_vec()))
                    .collect(),
            ),
            _ => None,
        }
    }

    type Lines = &'static [(&'static str, &'static str)];

    #[test]
    fn lines_are_fields_or_nothing_is() {
        let cases: &[(&str, Result<Lines, NoFields>)] = &[
            ("\r\n", Ok(&[])),
            ("A: b\r\n\r\n", Ok(&[("a", "b")])),
            ("A:b\nB:\t c \t\n\nD: e", Ok(&[("a", "b"), ("b", "c")])),
            ("a: 1\r\nA: 2\r\n\r\n", Ok(&[("a", "1"), ("a", "2")])),
            ("a: b:c\r\nb:\r\n\r\n", Ok(&[("a", "b:c"), ("b", "")])),
            ("a: b\r\n", Err(NoFields::Unreadable)),
            ("", Err(NoFields::Unreadable)),
            ("a\r\n\r\n", Err(NoFields::Unreadable)),
            (": b\r\n\r\n", Err(NoFields::Unreadable)),
            ("a : b\r\n\r\n", Err(NoFields::Unreadable)),
            (" a: b\r\n\r\n", Err(NoFields::Unreadable)),
            ("a: b\r\n c\r\n\r\n", Err(NoFields::Unreadable)),
            ("a: b\rc\r\n\r\n", Err(NoFields::Unreadable)),
            ("a: b\r\r\n\r\n", Err(NoFields::Unreadable)),
            ("a: \0\r\n\r\n", Err(NoFields::Unreadable)),
            ("a: \x7f\r\n\r\n", Err(NoFields::Unreadable)),
            ("a(b): c\r\n\r\n", Err(NoFields::Unreadable)),
            ("\u{e9}: c\r\n\r\n", Err(NoFields::Unreadable)),
        ];
        for (text, expected) in cases {
            let expected = expected.map(|fields| {
                let field =
                    |(name, value): &(&str, &str)| ((*name).to_owned(), value.as_bytes().to_vec());
                fields.iter().map(field).collect::<Vec<_>>()
            });
            assert_eq!(lines(text.as_bytes()), expected, "{text:?}");
        }
        let nine = "a: b\r\n".repeat(9) + "\r\n";
        assert_eq!(lines(nine.as_bytes()), Err(NoFields::TooMany));
        assert_eq!(lines(b"a: \xe9\xff\r\n\r\n").map(|fields| fields.len()), Ok(1));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4096))]

        /// Whatever is taken, the other takes, too, and as the same.
        #[test]
        fn another_reader_agrees(
            parts in prop::collection::vec(
                prop::sample::select(vec![
                    "a", "B", "-", ":", ": ", " ", "\t", "\r\n", "\r\n", "\n", "\r", "\0", "\x7f",
                    "\u{e9}", "x: y\r\n", "(", "\"", "c", "\x0b", "\x1f",
                ]),
                0..16,
            ),
        ) {
            let text = parts.concat() + "\r\n\r\n";
            if let Ok(fields) = lines(text.as_bytes()) {
                prop_assert_eq!(Some(fields), reference(text.as_bytes()), "{:?}", text);
            }
        }
    }
}
