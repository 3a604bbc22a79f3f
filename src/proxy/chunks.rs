//! Chunked bodies as clients sent them (RFC 9112 §7.1), read before hyper reads them.
//!
//! hyper takes them apart and the upstream gets chunks of our own making; what is held to here is
//! that a body ends in one place only. All that passes here is read by hyper in the same way: its
//! grammar has every step of this one.

use super::head::Flaw;

/// Hexadecimal digits of a chunk's size: as many as 64 bits have.
const DIGITS: u32 = 16;

/// A chunked body that is being read.
#[derive(Debug)]
pub(super) struct Chunks {
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
    pub(super) fn new() -> Self {
        Self { state: State::Size(0), left: 0 }
    }

    /// Reads on. Once the body is whole: where in `bytes` it ends.
    ///
    /// # Errors
    ///
    /// When it is not exactly chunked.
    pub(super) fn read(&mut self, bytes: &[u8]) -> Result<Option<usize>, Flaw> {
        let mut rest = bytes;
        loop {
            if self.state == State::Data {
                let here = usize::try_from(self.left).unwrap_or(usize::MAX).min(rest.len());
                rest = rest.get(here..).unwrap_or_default();
                self.left -= here as u64;
                if self.left == 0 {
                    self.state = State::DataCr;
                }
            }
            let Some((byte, after)) = rest.split_first() else { return Ok(None) };
            rest = after;
            if self.state == State::End && *byte == b'\n' {
                return Ok(Some(bytes.len() - rest.len()));
            }
            self.state = self.step(*byte).ok_or(Flaw::Chunk)?;
        }
    }

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
            let mut whole = Chunks::new();
            assert_eq!(whole.read(text.as_bytes()), *expected, "{text:?}");
            let mut parts = Chunks::new();
            let seen = text.bytes().enumerate().find_map(|(at, byte)| {
                parts.read(&[byte]).map(|end| end.map(|_| at + 1)).transpose()
            });
            assert_eq!(seen.transpose(), *expected, "{text:?} by bytes");
        }
    }
}
