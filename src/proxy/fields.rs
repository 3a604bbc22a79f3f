//! The fields of a message, in their order (RFC 9110 §5), and how they are read (RFC 9112 §5).
//!
//! One text and where in it the lines are: heads are short, and a field is found by looking at each.
//! One that is asked for and not there is mostly known not to be by a bit of its name, and nothing is
//! looked at. Nothing is shared, and of a head that came over HTTP/1.1 nothing is copied but the whole.

use http::header::{HeaderMap, HeaderName, HeaderValue};
use memchr::memchr_iter;

/// Names and values.
#[derive(Debug, Default, Clone)]
pub(super) struct Fields {
    /// Lines as they are sent, `name: value` with CR LF, and what was there of others: so those that
    /// still stand behind each other go out in one piece. In front of them may be a first line.
    text: Vec<u8>,
    lines: Vec<Line>,
    /// A bit for each name that is there or was.
    marks: u64,
}

/// Where a name begins in the text and ends, and its value.
#[derive(Debug, Clone, Copy)]
struct Line {
    name: Place,
    value: Place,
}

/// Where a part of a text begins and ends.
pub(super) type Place = (u32, u32);

/// Why lines are no fields.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NoFields {
    TooMany,
    /// One of them has no name, a blank before its colon, a control byte, or no colon.
    Unreadable,
}

/// Fields for which there is room from the start: most heads have no more.
const FEW: usize = 16;
const LINE_END: &[u8] = b"\r\n";
/// Bytes of an answer's head of our own, and some to spare.
const ROOM: usize = 512;

/// Writes a name in lower case that ends with a colon. How long it is; nothing where it is none.
fn lower(line: &mut [u8]) -> Option<usize> {
    for (at, byte) in line.iter_mut().enumerate() {
        let letter = LOWER.get(usize::from(*byte)).copied().unwrap_or_default();
        if letter == 0 {
            return (*byte == b':' && at > 0).then_some(at);
        }
        *byte = letter;
    }
    None
}

/// The bit of a name. Of names that are the same it is the same.
const fn mark(name: &[u8]) -> u64 {
    let (first, last) = match name {
        [first, .., last] => (*first, *last),
        _ => (0, 0),
    };
    let length = (name.len() & 0xff) as u8;
    1 << ((length.wrapping_mul(5) ^ first.wrapping_mul(3) ^ last.wrapping_mul(11)) % 64)
}

/// What bytes of a name are in lower case; zero is no part of one (RFC 9110 §5.6.2).
const LOWER: [u8; 256] = {
    let mut table = [0; 256];
    let mut rest = b"!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyz".as_slice();
    while let [byte, others @ ..] = rest {
        set(&mut table, *byte, *byte);
        set(&mut table, byte.to_ascii_uppercase(), *byte);
        rest = others;
    }
    table
};

#[expect(clippy::indexing_slicing, reason = "a byte is within 256, and it is done by the compiler")]
pub(super) const fn set<T: Copy>(table: &mut [T; 256], at: u8, to: T) {
    table[at as usize] = to;
}

/// A control byte but a tab: no part of a value (RFC 9110 §5.5).
const fn is_control(byte: u8) -> bool {
    (byte < b' ' && byte != b'\t') || byte == 0x7f
}

/// Whether bytes are a value.
fn is_value(bytes: &[u8]) -> bool {
    // No byte ends the loop early: so the compiler looks at many at once.
    !bytes.iter().fold(false, |any, byte| any | is_control(*byte))
}

/// How many control bytes there are.
fn controls(bytes: &[u8]) -> usize {
    // So few at once that they are counted in a byte: many at once.
    let few = bytes.chunks(128);
    few.map(|few| {
        usize::from(few.iter().fold(0_u8, |count, byte| count + u8::from(is_control(*byte))))
    })
    .sum()
}

/// A value as text, where it is some: visible, and of ASCII.
pub(super) fn text(value: &[u8]) -> Option<&str> {
    // Without an end in between: so the compiler looks at many at once.
    let is_visible = value
        .iter()
        .fold(true, |all, byte| all & ((*byte >= b' ' && *byte < 0x7f) | (*byte == b'\t')));
    if is_visible { str::from_utf8(value).ok() } else { None }
}

impl Fields {
    /// None, and room for a few.
    pub(super) fn with_room() -> Self {
        Self { text: Vec::with_capacity(ROOM), lines: Vec::with_capacity(FEW), marks: 0 }
    }

    /// Reads lines up to the empty one, each of which ends with LF, or with CR LF. No more than
    /// `most`.
    ///
    /// # Errors
    ///
    /// When they are no fields.
    pub(super) fn read(bytes: &[u8], most: usize) -> Result<Self, NoFields> {
        Self::read_behind(bytes, 0, most)
    }

    /// The same of lines that begin there. What is in front of them is kept.
    ///
    /// # Errors
    ///
    /// When they are no fields.
    pub(super) fn read_behind(bytes: &[u8], first: usize, most: usize) -> Result<Self, NoFields> {
        let mut fields = Self { text: bytes.to_vec(), lines: Vec::with_capacity(FEW), marks: 0 };
        let behind = bytes.get(first..).unwrap_or_default();
        let (mut start, mut ends) = (first, 0);
        for end in memchr_iter(b'\n', behind) {
            let end = first + end;
            let line = fields.text.get_mut(start..end).ok_or(NoFields::Unreadable)?;
            let line = match line {
                [line @ .., b'\r'] => {
                    ends += 1;
                    line
                }
                line => line,
            };
            ends += 1;
            if line.is_empty() {
                // All that there is of them are the ends of lines.
                let read = bytes.get(first..=end).unwrap_or_default();
                return if controls(read) == ends { Ok(fields) } else { Err(NoFields::Unreadable) };
            }
            if fields.lines.len() >= most {
                return Err(NoFields::TooMany);
            }
            let colon = lower(line).ok_or(NoFields::Unreadable)?;
            let (name, value) = line.split_at_checked(colon).ok_or(NoFields::Unreadable)?;
            fields.marks |= mark(name);
            let is_as_sent = match value {
                [b':', b' ', value @ ..] => {
                    trim(value).len() == value.len() && line.len() + 1 == end - start
                }
                _ => false,
            };
            if is_as_sent {
                let value = place(start + colon + 2, end - 1);
                fields.lines.push(Line { name: place(start, start + colon), value });
            } else {
                let value = trim(value.get(1..).unwrap_or_default());
                let (name, value) = (name.to_vec(), value.to_vec());
                fields.push(&name, [&value]);
            }
            start = end + 1;
        }
        Err(NoFields::Unreadable)
    }

    /// Writes each line.
    pub(super) fn write(&self, room: &mut Vec<u8>) {
        let mut piece = 0..0;
        for Line { name, value } in &self.lines {
            let (start, end) = (name.0 as usize, value.1 as usize + LINE_END.len());
            if start != piece.end {
                room.extend_from_slice(self.text.get(piece).unwrap_or_default());
                piece = start..end;
            }
            piece.end = end;
        }
        room.extend_from_slice(self.text.get(piece).unwrap_or_default());
    }

    pub(super) fn len(&self) -> usize {
        self.lines.len()
    }

    /// Each name, in lower case, with its value.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        self.lines.iter().map(|line| (self.part(line.name), self.part(line.value)))
    }

    pub(super) fn all<'f>(&'f self, name: &'f str) -> impl Iterator<Item = &'f [u8]> + 'f {
        let name = name.as_bytes();
        let lines = if self.may_have(name) { self.lines.as_slice() } else { &[] };
        let lines = lines.iter().filter(move |line| self.part(line.name) == name);
        lines.map(|line| self.part(line.value))
    }

    /// The first value of a field.
    pub(super) fn get<'f>(&'f self, name: &'f str) -> Option<&'f [u8]> {
        self.all(name).next()
    }

    /// The value of a field that stands there once.
    pub(super) fn one<'f>(&'f self, name: &'f str) -> Option<&'f [u8]> {
        let mut values = self.all(name);
        values.next().filter(|_| values.next().is_none())
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.get(name).is_some()
    }

    /// Adds a field behind the others. What is none is left out.
    pub(super) fn add(&mut self, name: &str, value: impl AsRef<[u8]>) {
        let value = trim(value.as_ref());
        let mut text = [name.as_bytes(), b":"].concat();
        if lower(&mut text) != Some(name.len()) || !is_value(value) {
            return;
        }
        text.truncate(name.len());
        self.marks |= mark(&text);
        self.push(&text, [value]);
    }

    /// The same of a field of ours: its name is one in lower case, its value one in parts.
    #[inline]
    pub(super) fn say<const PARTS: usize>(&mut self, name: &'static str, value: [&str; PARTS]) {
        debug_assert!(value.iter().all(|part| is_value(part.as_bytes())), "{name}: {value:?}");
        debug_assert_eq!(name, name.to_ascii_lowercase());
        self.marks |= mark(name.as_bytes());
        self.push(name.as_bytes(), value.map(str::as_bytes));
    }

    #[inline]
    fn push<const PARTS: usize>(&mut self, name: &[u8], value: [&[u8]; PARTS]) {
        let text = &mut self.text;
        let start = text.len();
        text.extend_from_slice(name);
        text.extend_from_slice(b": ");
        let first = text.len();
        for part in value {
            text.extend_from_slice(part);
        }
        let value = place(first, text.len());
        text.extend_from_slice(LINE_END);
        self.lines.push(Line { name: place(start, start + name.len()), value });
    }

    /// Adds a field in the place of those with its name.
    pub(super) fn set(&mut self, name: &str, value: impl AsRef<[u8]>) {
        self.remove(name);
        self.add(name, value);
    }

    pub(super) fn remove(&mut self, name: &str) {
        if self.may_have(name.as_bytes()) {
            self.retain(|it| it != name.as_bytes());
        }
    }

    /// Keeps the fields whose names pass.
    pub(super) fn retain(&mut self, mut passes: impl FnMut(&[u8]) -> bool) {
        let Self { text, lines, .. } = self;
        lines.retain(|line| passes(part(text, line.name)));
    }

    /// Whether it has to be looked for.
    #[inline]
    fn may_have(&self, name: &[u8]) -> bool {
        self.marks & mark(name) != 0
    }

    /// What stands there.
    pub(super) fn part(&self, place: Place) -> &[u8] {
        part(&self.text, place)
    }
}

fn part(text: &[u8], (start, end): Place) -> &[u8] {
    text.get(start as usize..end as usize).unwrap_or_default()
}

/// A head is far shorter than what this can name: what bounds it is `limits.header_bytes`, and where
/// an upstream writes it 128 KiB.
pub(super) fn place(start: usize, end: usize) -> Place {
    (u32::try_from(start).unwrap_or(u32::MAX), u32::try_from(end).unwrap_or(u32::MAX))
}

impl From<&HeaderMap> for Fields {
    fn from(headers: &HeaderMap) -> Self {
        let mut fields = Self::default();
        for (name, value) in headers {
            let name = name.as_str().as_bytes();
            fields.marks |= mark(name);
            fields.push(name, [trim(value.as_bytes())]);
        }
        fields
    }
}

impl From<&Fields> for HeaderMap {
    fn from(fields: &Fields) -> Self {
        let mut headers = Self::with_capacity(fields.len());
        for (name, value) in fields.iter() {
            // Both were read as such.
            if let (Ok(name), Ok(value)) =
                (HeaderName::from_bytes(name), HeaderValue::from_bytes(value))
            {
                headers.append(name, value);
            }
        }
        headers
    }
}

/// Without the blanks that a value may stand between (RFC 9110 §5.5).
pub(super) fn trim(value: &[u8]) -> &[u8] {
    let mut value = trim_start(value);
    while let [rest @ .., b' ' | b'\t'] = value {
        value = rest;
    }
    value
}

fn trim_start(mut value: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] = value {
        value = rest;
    }
    value
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn lines(bytes: &[u8]) -> Result<Vec<(String, Vec<u8>)>, NoFields> {
        let read = Fields::read(bytes, 8)?;
        let line = |(name, value): (&[u8], &[u8])| {
            (String::from_utf8(name.to_vec()).unwrap(), value.to_vec())
        };
        Ok(read.iter().map(line).collect())
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
        for (text, expected) in cases.iter().filter(|(_, expected)| expected.is_ok()) {
            let mut fields = Fields::read(text.as_bytes(), 8).unwrap();
            fields.add("Z", " 1\t");
            fields.remove("b");
            fields.say("y", ["2", "3"]);
            let mut written = Vec::new();
            fields.write(&mut written);
            let kept = expected.unwrap().iter().filter(|(name, _)| *name != "b");
            let line = |(name, value): &(&str, &str)| format!("{name}: {value}\r\n");
            let lines: String = kept.chain(&[("z", "1"), ("y", "23")]).map(line).collect();
            assert_eq!(String::from_utf8(written).unwrap(), lines, "{text:?}");
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
