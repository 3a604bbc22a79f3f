//! Where a client's head ends, and where its body does, before anything else of it is read.
//!
//! What is refused, and by whom:
//!
//! | sent | refused by |
//! |---|---|
//! | `#` in the target | here |
//! | a line that ends with LF alone in the head | here |
//! | CRLF or LF before the request line, any number of them | here; one CRLF is let through (RFC 9112 §2.2) |
//! | `Content-Length` twice, equal or not; `5, 5`, `+5`, `0x5`, empty, 2^64 | here |
//! | `Content-Length` and `Transfer-Encoding`, even if the length is no number | here |
//! | `chunked` twice, in one field or two; any other coding, before it, behind it or alone; none | here |
//! | `Transfer-Encoding` in HTTP/1.0 | here |
//! | obs-fold, a blank before the first field | here |
//! | no version, or another one; the preface of HTTP/2 over TLS that agreed on HTTP/1.1 | here |
//! | two spaces, a tab, or a blank at the end of the request line | [`inlet`](super::inlet) |
//! | a blank before the colon, no colon, a name that is empty or no token | [`fields`](super::fields) |
//! | CR alone, NUL, DEL or another control byte in a value | [`fields`](super::fields) |
//! | bytes from 0x80 in a value | nobody: they go on as they are (RFC 9110 §5.5) |
//! | `\`, `"`, `^`, `{`, `%zz`, UTF-8, `//` in the target | the policy's target |
//! | `GET host`, `GET host:80`, `GET *` | [`extract`](super::extract), the policy's target |
//! | `GET ftp://h/`, `http://user@h/` | [`extract`](super::extract) |
//! | no `Host`, two of them, one that is no host | [`extract`](super::extract), the policy's host |
//! | a chunk's extension | nobody; with a control byte in it [`chunks`](super::chunks) |
//! | blanks behind a chunk's size, more digits than 64 bits have | [`chunks`](super::chunks) |
//! | LF alone behind a size, an extension or a chunk; `0x5`, `+5` | [`chunks`](super::chunks) |
//! | a trailer with LF alone, folded, or with a control byte | [`chunks`](super::chunks) |
//!
//! Lines are looked at as they come: what is refused is refused at once, and not when its head is
//! whole.

use memchr::memchr_iter;

use super::fields::trim;
use crate::policy::DenyReason;

/// Why no byte behind this one is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Flaw {
    Chunk,
    Coding,
    CodingAndLength,
    EmptyLine,
    Fold,
    Fragment,
    Length,
    LengthTwice,
    LineEnd,
    Version,
}

impl Flaw {
    pub(super) fn reason(self) -> DenyReason {
        match self {
            Self::Fragment => DenyReason::BadTarget,
            Self::Chunk
            | Self::Coding
            | Self::CodingAndLength
            | Self::EmptyLine
            | Self::Fold
            | Self::Length
            | Self::LengthTwice
            | Self::LineEnd
            | Self::Version => DenyReason::BadRequest,
        }
    }

    /// For the client: a text without anything that it sent.
    pub(super) fn detail(self) -> &'static str {
        match self {
            Self::Chunk => "the request's body is not chunked as it should be",
            Self::Coding => "the request's transfer coding is not exactly `chunked`",
            Self::CodingAndLength => "the request has both a length and a transfer coding",
            Self::EmptyLine => "the request begins with empty lines",
            Self::Fold => "a line of the request's head begins with a blank",
            Self::Fragment => "the request's target has a fragment",
            Self::Length => "the request's length is not a number",
            Self::LengthTwice => "the request has two lengths",
            Self::LineEnd => "a line of the request's head does not end with CR LF",
            Self::Version => "the request's first line does not end with `HTTP/1.1` or `HTTP/1.0`",
        }
    }
}

/// How a message ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Framing {
    /// After this many bytes.
    Length(u64),
    Chunked,
}

/// A head that is being read, and when that is whole, the next.
#[derive(Debug, Default)]
pub(super) struct Head {
    place: Place,
    length: Option<u64>,
    chunked: bool,
    old: bool,
    /// A line whose end has not come.
    begun: Vec<u8>,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Place {
    #[default]
    Start,
    /// Behind an empty line that is let through (RFC 9112 §2.2).
    AfterEmptyLine,
    Fields,
}

impl Head {
    /// Reads on. Once the head is whole: where in `bytes` it ends, and how its message does.
    ///
    /// # Errors
    ///
    /// Why it is refused.
    pub(super) fn read(&mut self, bytes: &[u8]) -> Result<Option<(usize, Framing)>, Flaw> {
        let mut start = 0;
        for end in memchr_iter(b'\n', bytes) {
            let line = bytes.get(start..end).unwrap_or_default();
            start = end + 1;
            let joined;
            let line = if self.begun.is_empty() {
                line
            } else {
                self.begun.extend_from_slice(line);
                joined = std::mem::take(&mut self.begun);
                &joined
            };
            if self.line(line)? {
                let framing = self.framing()?;
                self.reset();
                return Ok(Some((start, framing)));
            }
        }
        self.begun.extend_from_slice(bytes.get(start..).unwrap_or_default());
        Ok(None)
    }

    /// For the next one. Field by field: nothing is freed, and nothing moved.
    fn reset(&mut self) {
        let Self { place, length, chunked, old, begun: _ } = self;
        (*place, *length, *chunked, *old) = (Place::Start, None, false, false);
    }

    /// Whether it was the empty line at the end.
    fn line(&mut self, line: &[u8]) -> Result<bool, Flaw> {
        let Some((b'\r', line)) = line.split_last() else { return Err(Flaw::LineEnd) };
        match line.first() {
            _ if self.place != Place::Fields => self.start(line),
            None => Ok(true),
            // No other field decides where a message ends, and they are most of them.
            Some(b'c' | b'C' | b't' | b'T' | b' ' | b'\t') => self.field(line),
            Some(_) => Ok(false),
        }
    }

    fn start(&mut self, line: &[u8]) -> Result<bool, Flaw> {
        match (self.place, line) {
            (Place::Start, []) => self.place = Place::AfterEmptyLine,
            (_, []) => return Err(Flaw::EmptyLine),
            (_, line) => {
                self.place = Place::Fields;
                self.request_line(line)?;
            }
        }
        Ok(false)
    }

    fn request_line(&mut self, line: &[u8]) -> Result<(), Flaw> {
        // No byte ends the loop early: so the compiler looks at many at once.
        if line.iter().fold(false, |any, byte| any | (*byte == b'#')) {
            return Err(Flaw::Fragment);
        }
        self.old = line.ends_with(b" HTTP/1.0");
        if self.old || line.ends_with(b" HTTP/1.1") { Ok(()) } else { Err(Flaw::Version) }
    }

    fn field(&mut self, line: &[u8]) -> Result<bool, Flaw> {
        if let [b' ' | b'\t', ..] = line {
            return Err(Flaw::Fold);
        }
        if let Some(value) = value_of(line, b"content-length") {
            let length = number(value).ok_or(Flaw::Length)?;
            if self.length.replace(length).is_some() {
                return Err(Flaw::LengthTwice);
            }
        }
        if let Some(value) = value_of(line, b"transfer-encoding") {
            let is_second = std::mem::replace(&mut self.chunked, true);
            if is_second || !value.eq_ignore_ascii_case(b"chunked") {
                return Err(Flaw::Coding);
            }
        }
        Ok(false)
    }

    fn framing(&self) -> Result<Framing, Flaw> {
        match (self.chunked, self.length) {
            (true, Some(_)) => Err(Flaw::CodingAndLength),
            (true, None) if self.old => Err(Flaw::Coding),
            (true, None) => Ok(Framing::Chunked),
            (false, length) => Ok(Framing::Length(length.unwrap_or(0))),
        }
    }
}

/// The value of a field of that name. What could be taken for the name and is not, is none at all.
fn value_of<'l>(line: &'l [u8], name: &[u8]) -> Option<&'l [u8]> {
    let (sent, rest) = line.split_at_checked(name.len())?;
    let value = rest.strip_prefix(b":")?;
    sent.eq_ignore_ascii_case(name).then(|| trim(value))
}

/// `1*DIGIT` (RFC 9110 §8.6).
pub(super) fn number(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() {
        return None;
    }
    digits.iter().try_fold(0_u64, |number, digit| {
        let digit = digit.is_ascii_digit().then(|| u64::from(digit - b'0'))?;
        number.checked_mul(10)?.checked_add(digit)
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    type Read = Result<Option<(usize, Framing)>, Flaw>;

    /// The same however it comes: whole, or a byte at a time.
    fn read(bytes: &[u8]) -> Read {
        let whole = Head::default().read(bytes);
        let mut head = Head::default();
        let parts = (0..bytes.len()).find_map(|at| {
            let read = head.read(&bytes[at..=at]);
            read.map(|end| end.map(|(_, framing)| (at + 1, framing))).transpose()
        });
        assert_eq!(parts.transpose(), whole, "{bytes:?}");
        whole
    }

    #[test]
    fn framing_is_said_once_or_refused() {
        use Framing::{Chunked, Length};
        let cases: &[(&str, Result<Framing, Flaw>)] = &[
            ("", Ok(Length(0))),
            ("Content-Length: 0\r\n", Ok(Length(0))),
            ("content-length:\t7 \r\n", Ok(Length(7))),
            ("CONTENT-LENGTH:007\r\n", Ok(Length(7))),
            ("Content-Length: 18446744073709551615\r\n", Ok(Length(u64::MAX))),
            ("Transfer-Encoding: chunked\r\n", Ok(Chunked)),
            ("tRANSFER-eNCODING:\tChunKed \r\n", Ok(Chunked)),
            ("X: a#b\r\nContent-Lengthy: x\r\nTransfer-Encodings: x\r\n", Ok(Length(0))),
            ("Content-Length: 18446744073709551616\r\n", Err(Flaw::Length)),
            ("Content-Length: \r\n", Err(Flaw::Length)),
            ("Content-Length: +5\r\n", Err(Flaw::Length)),
            ("Content-Length: -0\r\n", Err(Flaw::Length)),
            ("Content-Length: 5, 5\r\n", Err(Flaw::Length)),
            ("Content-Length: 5 5\r\n", Err(Flaw::Length)),
            ("Content-Length: 0x5\r\n", Err(Flaw::Length)),
            ("Content-Length: 5\r\ncontent-length: 5\r\n", Err(Flaw::LengthTwice)),
            ("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", Err(Flaw::CodingAndLength)),
            ("Transfer-Encoding: chunked\r\nContent-Length: 5\r\n", Err(Flaw::CodingAndLength)),
            ("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", Err(Flaw::Coding)),
            ("Transfer-Encoding: gzip, chunked\r\n", Err(Flaw::Coding)),
            ("Transfer-Encoding: chunked, chunked\r\n", Err(Flaw::Coding)),
            ("Transfer-Encoding: \r\n", Err(Flaw::Coding)),
            ("Transfer-Encoding: \"chunked\"\r\n", Err(Flaw::Coding)),
            ("Transfer-Encoding: chunked;q=1\r\n", Err(Flaw::Coding)),
            ("A: b\r\n c\r\n", Err(Flaw::Fold)),
            ("\tA: b\r\n", Err(Flaw::Fold)),
            ("A: b\n", Err(Flaw::LineEnd)),
        ];
        for (fields, expected) in cases {
            let text = format!("GET /a HTTP/1.1\r\n{fields}\r\nGET /b");
            let end = text.len() - "GET /b".len();
            let expected = expected.map(|framing| Some((end, framing)));
            assert_eq!(read(text.as_bytes()), expected, "{fields:?}");
        }
    }

    #[test]
    fn a_request_begins_with_its_line() {
        let none = Framing::Length(0);
        let cases: &[(&str, Read)] = &[
            ("GET / HTTP/1.1\r\n\r\n", Ok(Some((18, none)))),
            ("\r\nGET / HTTP/1.0\r\n\r\n", Ok(Some((20, none)))),
            ("\r\n\r\nGET / HTTP/1.1\r\n\r\n", Err(Flaw::EmptyLine)),
            ("\nGET / HTTP/1.1\r\n\r\n", Err(Flaw::LineEnd)),
            ("GET / HTTP/1.1\n\r\n", Err(Flaw::LineEnd)),
            ("GET / HTTP/1.1\r\n\n", Err(Flaw::LineEnd)),
            ("GET /a#b HTTP/1.1\r\n\r\n", Err(Flaw::Fragment)),
            ("GET / HTTP/1.2\r\n\r\n", Err(Flaw::Version)),
            ("GET /\r\n", Err(Flaw::Version)),
            ("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", Err(Flaw::Version)),
            ("GET / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", Err(Flaw::Coding)),
            ("GET / HTTP/1.1\r\nHost: h\r\n", Ok(None)),
            ("GET / HTTP/1.1\r\n\r", Ok(None)),
            ("", Ok(None)),
        ];
        for (text, expected) in cases {
            assert_eq!(read(text.as_bytes()), *expected, "{text:?}");
        }
    }

    /// What a head may be made of, good and bad.
    fn part() -> impl Strategy<Value = String> {
        let parts = prop::sample::select(vec![
            "GET ",
            "/a",
            " HTTP/1.1",
            " HTTP/1.0",
            "\r\n",
            "\r\n",
            "\r\n",
            "\n",
            "\r",
            " ",
            "\t",
            "#",
            ":",
            ": ",
            "Content-Length",
            "Content-Length: 5",
            "content-length:5",
            "Transfer-Encoding",
            "Transfer-Encoding: chunked",
            "transfer-encoding:chunked",
            "5",
            "chunked",
            "Host: h",
            "A: b",
            ",",
            "\0",
            "\u{e9}",
            "x",
            "\r\n\r\n",
        ]);
        parts.prop_map(str::to_owned)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2048))]

        /// For every head that passes and that another parser takes, both see the same end, and
        /// the same one framing.
        #[test]
        fn a_head_that_passes_has_one_reading(
            line in prop::sample::select(vec!["GET / HTTP/1.1\r\n", "POST /a HTTP/1.0\r\n", ""]),
            parts in prop::collection::vec(part(), 0..12),
            end in prop::sample::select(vec!["\r\n\r\n", "\r\n", "\n\n", ""]),
        ) {
            let text = format!("{line}{}{end}", parts.concat());
            let ours = read(text.as_bytes());
            let mut fields = [httparse::EMPTY_HEADER; 64];
            let mut request = httparse::Request::new(&mut fields);
            let Ok(parsed) = request.parse(text.as_bytes()) else { return Ok(()) };
            match (ours, parsed) {
                (Ok(Some((end, framing))), httparse::Status::Complete(length)) => {
                    prop_assert_eq!(end, length);
                    let of = |name: &str| -> Vec<&[u8]> {
                        let named = request.headers.iter().filter(|it| it.name.eq_ignore_ascii_case(name));
                        named.map(|it| it.value).collect()
                    };
                    match (framing, of("content-length").as_slice(), of("transfer-encoding").as_slice()) {
                        (Framing::Length(0), [], []) => {}
                        (Framing::Length(length), [sent], []) => {
                            let sent = std::str::from_utf8(sent).unwrap();
                            prop_assert_eq!(sent.parse(), Ok(length));
                        }
                        (Framing::Chunked, [], [sent]) => {
                            prop_assert!(sent.eq_ignore_ascii_case(b"chunked"));
                        }
                        other => prop_assert!(false, "{:?}", other),
                    }
                }
                (Ok(None), httparse::Status::Complete(_)) => prop_assert!(false, "{:?}", text),
                (Ok(Some(_)), httparse::Status::Partial) => prop_assert!(false, "{:?}", text),
                (Ok(None), httparse::Status::Partial) | (Err(_), _) => {}
            }
        }
    }
}
