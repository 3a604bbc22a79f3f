//! Chunked bodies (RFC 9112 §7.1), taken apart: a client's to the letter, an upstream's with what old
//! servers write.
//!
//! What goes on has chunks of our own making; what is held to is that a body ends in one place only.

use bytes::{Buf as _, Bytes, BytesMut};

use super::head::Flaw;

/// Hexadecimal digits of a chunk's size: as many as 64 bits have.
const DIGITS: u32 = 16;

/// Bytes of sizes, extensions and trailers that may come in a row.
const PATIENCE: usize = 16 * 1024;

/// Where in a chunked body the next byte is.
#[derive(Debug)]
struct Chunks {
    state: State,
    /// Of the chunk that is being read: its size, then what is left of it.
    left: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// So many digits have come.
    Size(u32),
    /// Blanks that only an extension may follow.
    Blanks,
    Extension,
    SizeEnd,
    Data,
    DataCr,
    DataLf,
    TrailerStart,
    Trailer,
    TrailerEnd,
    /// The last byte.
    End,
}

impl Chunks {
    fn step(&mut self, byte: u8) -> Option<State> {
        Some(match (self.state, byte) {
            (State::Size(1..), b'\r') | (State::Extension, b'\r') => State::SizeEnd,
            (State::Size(1..), b';') | (State::Blanks, b';') => State::Extension,
            (State::Size(1..), b' ' | b'\t') | (State::Blanks, b' ' | b'\t') => State::Blanks,
            (State::Size(count @ ..DIGITS), byte) => {
                let digit = char::from(byte).to_digit(16)?;
                self.left = self.left << 4 | u64::from(digit);
                State::Size(count + 1)
            }
            (State::Extension, byte) if is_text(byte) => State::Extension,
            (State::SizeEnd, b'\n') if self.left == 0 => State::TrailerStart,
            (State::SizeEnd, b'\n') => State::Data,
            (State::DataCr, b'\r') => State::DataLf,
            (State::DataLf, b'\n') => State::Size(0),
            (State::TrailerStart, b'\r') => State::End,
            (State::TrailerStart, b' ' | b'\t') => return None,
            (State::Trailer, b'\r') => State::TrailerEnd,
            (State::TrailerStart | State::Trailer, byte) if is_text(byte) => State::Trailer,
            (State::TrailerEnd, b'\n') => State::TrailerStart,
            _ => return None,
        })
    }
}

/// A chunked body that is taken apart.
#[derive(Debug)]
pub(super) struct Pieces {
    chunks: Chunks,
    /// Whether blanks that nothing follows are taken for none.
    is_lenient: bool,
    trailers: Vec<u8>,
    /// How many bytes that are no data may still come before the next that are.
    patience: usize,
}

/// A part of a body.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Piece {
    Data(Bytes),
    /// It is whole. Its trailers, and the line that ends them; nothing if there are none.
    End(Vec<u8>),
}

impl Pieces {
    /// Of a client.
    pub(super) fn strict() -> Self {
        Self::new(false)
    }

    /// Of an upstream: old servers write every size as wide as the largest.
    pub(super) fn lenient() -> Self {
        Self::new(true)
    }

    fn new(is_lenient: bool) -> Self {
        let chunks = Chunks { state: State::Size(0), left: 0 };
        Self { chunks, is_lenient, trailers: Vec::new(), patience: PATIENCE }
    }

    /// The next part. Nothing where more has to be read.
    ///
    /// # Errors
    ///
    /// When it is not chunked.
    pub(super) fn take(&mut self, bytes: &mut BytesMut) -> Result<Option<Piece>, Flaw> {
        let Self { chunks, is_lenient, trailers, patience } = self;
        while let Some(byte) = bytes.first().copied() {
            if chunks.state == State::Data {
                let here = usize::try_from(chunks.left).unwrap_or(usize::MAX).min(bytes.len());
                chunks.left -= here as u64;
                if chunks.left == 0 {
                    chunks.state = State::DataCr;
                }
                *patience = PATIENCE;
                return Ok(Some(Piece::Data(bytes.split_to(here).freeze())));
            }
            bytes.advance(1);
            *patience = patience.checked_sub(1).ok_or(Flaw::Chunk)?;
            let is_trailer = chunks.state.is_trailer();
            if is_trailer {
                trailers.push(byte);
            }
            chunks.state = match (chunks.state, byte) {
                (State::End, b'\n') if trailers.len() == 2 => {
                    return Ok(Some(Piece::End(Vec::new())));
                }
                (State::End, b'\n') => return Ok(Some(Piece::End(std::mem::take(trailers)))),
                (State::Blanks, b'\r') if *is_lenient => State::SizeEnd,
                _ => chunks.step(byte).ok_or(Flaw::Chunk)?,
            };
        }
        Ok(None)
    }
}

impl State {
    fn is_trailer(self) -> bool {
        matches!(self, Self::TrailerStart | Self::Trailer | Self::TrailerEnd | Self::End)
    }
}

fn is_text(byte: u8) -> bool {
    byte == b'\t' || !byte.is_ascii_control()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_ends_in_one_place() {
        // And nothing, where more has to come.
        let cases: &[(&str, Result<Option<usize>, Flaw>)] = &[
            ("0\r\n\r\n", Ok(Some(5))),
            ("5\r\nhello\r\n0\r\n\r\nGET /", Ok(Some(15))),
            ("5;a=b\r\nhello\r\n0;c\r\n\r\n", Ok(Some(21))),
            ("5 \t;a=\"b c\"\r\nhello\r\n00\r\n\r\n", Ok(Some(26))),
            ("A\r\n0123456789\r\na\r\n0123456789\r\n0\r\n\r\n", Ok(Some(35))),
            ("0\r\nX-Sum: 1\r\nY: 2\r\n\r\n", Ok(Some(21))),
            ("000000000000000f\r\n", Ok(None)),
            ("ffffffffffffffff\r\nx", Ok(None)),
            ("5\r\nhell", Ok(None)),
            ("0\r\n\r", Ok(None)),
            ("", Ok(None)),
            ("0000000000000000f\r\n", Err(Flaw::Chunk)),
            ("10000000000000000\r\n", Err(Flaw::Chunk)),
            ("\r\n", Err(Flaw::Chunk)),
            (";a\r\n", Err(Flaw::Chunk)),
            (" 5\r\n", Err(Flaw::Chunk)),
            ("5 \r\n", Err(Flaw::Chunk)),
            ("5 5\r\n", Err(Flaw::Chunk)),
            ("+5\r\n", Err(Flaw::Chunk)),
            ("-5\r\n", Err(Flaw::Chunk)),
            ("0x5\r\n", Err(Flaw::Chunk)),
            ("5_0\r\n", Err(Flaw::Chunk)),
            ("5\n", Err(Flaw::Chunk)),
            ("5\rhello", Err(Flaw::Chunk)),
            ("5\r\r\n", Err(Flaw::Chunk)),
            ("5;a\nhello", Err(Flaw::Chunk)),
            ("5;a\rb\r\n", Err(Flaw::Chunk)),
            ("5;a\0\r\n", Err(Flaw::Chunk)),
            ("5\r\nhello\n", Err(Flaw::Chunk)),
            ("5\r\nhello!\r\n", Err(Flaw::Chunk)),
            ("5\r\nhello\rX", Err(Flaw::Chunk)),
            ("0\r\n\n", Err(Flaw::Chunk)),
            ("0\r\nX: 1\n\r\n", Err(Flaw::Chunk)),
            ("0\r\nX: 1\r\n Y: 2\r\n\r\n", Err(Flaw::Chunk)),
            ("0\r\nX: \0\r\n\r\n", Err(Flaw::Chunk)),
            ("0\r\n\rX", Err(Flaw::Chunk)),
        ];
        for (text, expected) in cases {
            for at_once in [1, 3, text.len().max(1)] {
                let end = taken(Pieces::strict(), text, at_once)
                    .map(|(_, end, left)| end.map(|_| text.len() - left));
                assert_eq!(end, *expected, "{text:?} by {at_once}");
            }
        }
    }

    type Taken = Result<(String, Option<String>, usize), Flaw>;

    /// What is taken of a text: the data, the trailers of a body that is whole, and what is left.
    fn taken(mut pieces: Pieces, text: &str, at_once: usize) -> Taken {
        let text_of = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        let mut data = String::new();
        let (mut here, mut rest) = (BytesMut::new(), text.as_bytes());
        loop {
            match pieces.take(&mut here)? {
                Some(Piece::Data(part)) => data.push_str(&text_of(&part)),
                Some(Piece::End(end)) => {
                    return Ok((data, Some(text_of(&end)), here.len() + rest.len()));
                }
                None if rest.is_empty() => return Ok((data, None, here.len())),
                None => {
                    let (part, after) = rest.split_at(at_once.min(rest.len()));
                    here.extend_from_slice(part);
                    rest = after;
                }
            }
        }
    }

    #[test]
    fn an_upstreams_body_is_taken_apart() {
        let whole = |data: &str, trailers: &str, left| {
            Ok((data.to_owned(), Some(trailers.to_owned()), left))
        };
        let cases: &[(&str, Taken)] = &[
            ("0\r\n\r\n", whole("", "", 0)),
            ("5\r\nhello\r\n0\r\n\r\n", whole("hello", "", 0)),
            ("5\r\nhello\r\n3;x=y\r\n, w\r\n000\r\n\r\nHTTP", whole("hello, w", "", 4)),
            ("5   \r\nhello\r\n0 \r\n\r\n", whole("hello", "", 0)),
            ("1\r\na\r\n0\r\nX: 1\r\nY: 2\r\n\r\n", whole("a", "X: 1\r\nY: 2\r\n\r\n", 0)),
            ("5\r\nhello\r\n", Ok(("hello".to_owned(), None, 0))),
            ("5\r\nhel", Ok(("hel".to_owned(), None, 0))),
            ("hello", Err(Flaw::Chunk)),
            ("5\r\nhello!\r\n", Err(Flaw::Chunk)),
            ("5\nhello\r\n", Err(Flaw::Chunk)),
            ("10000000000000000\r\n", Err(Flaw::Chunk)),
            ("0\r\n X: 1\r\n\r\n", Err(Flaw::Chunk)),
        ];
        for (text, expected) in cases {
            for at_once in [1, 2, 3, 7, text.len()] {
                assert_eq!(
                    taken(Pieces::lenient(), text, at_once),
                    *expected,
                    "{text:?} by {at_once}"
                );
            }
        }
        for endless in
            ["5;".to_owned() + &"x".repeat(PATIENCE), "0\r\nX: ".to_owned() + &"y".repeat(PATIENCE)]
        {
            assert_eq!(taken(Pieces::strict(), &endless, 1000), Err(Flaw::Chunk));
        }
    }
}
