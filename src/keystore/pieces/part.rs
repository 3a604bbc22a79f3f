//! The pieces that begin in a part of a file.

use std::fs::File;
use std::io;

use super::known::Known;
use super::window::Window;
use super::{LONGEST, Piece, begins_piece};
use crate::keystore::sum::Secret;

/// A part of a file. It ends where the next one begins: at the first line from `until` on that
/// begins a piece.
///
/// INVARIANT: of no piece, known ones included, does a line but the first begin one. So whoever goes on
/// by known pieces comes by every place where one who looks at each line would begin.
#[derive(Clone, Copy)]
pub(super) struct Part<'f> {
    pub(super) file: &'f File,
    pub(super) secret: &'f Secret,
    /// What the file may still have. After a piece of it comes, most of the time, what came before.
    pub(super) known: &'f Known,
    pub(super) from: u64,
    pub(super) until: u64,
    /// Of the file.
    pub(super) end: u64,
}

impl Part<'_> {
    /// `buffer` is one for a window.
    pub(super) fn pieces(&self, buffer: &mut [u8]) -> io::Result<Vec<Piece>> {
        let mut pieces = Vec::new();
        // Whether a line begins right at `from` is what the byte before says.
        let mut window = Window::new(self.file, self.from.saturating_sub(1), self.end, buffer);
        let Some(mut at) = self.first(&mut window)? else { return Ok(pieces) };
        let mut expected = None;
        while at < self.end {
            window.drop_before(at);
            if at >= self.until {
                let line_end = window.line_end(at)?;
                if begins_piece(window.between(at, line_end)) {
                    break;
                }
            }
            let piece = match self.expected(expected, at, &mut window)? {
                Some(piece) => piece,
                None => self.cut(at, &mut window)?,
            };
            expected = piece.known.map(|number| number + 1);
            at += piece.length as u64;
            pieces.push(piece);
        }
        Ok(pieces)
    }

    /// Where the first piece begins.
    fn first(&self, window: &mut Window<'_>) -> io::Result<Option<u64>> {
        let Some(before) = self.from.checked_sub(1) else { return Ok(Some(0)) };
        let mut line = window.line_end(before)?;
        while line < self.end {
            window.drop_before(line);
            let next = window.line_end(line)?;
            if begins_piece(window.between(line, next)) {
                return Ok(Some(line));
            }
            line = next;
        }
        Ok(None)
    }

    /// The known piece of that number, if it stands there.
    fn expected(
        &self,
        number: Option<usize>,
        at: u64,
        window: &mut Window<'_>,
    ) -> io::Result<Option<Piece>> {
        let known = number.and_then(|number| Some((number, self.known.piece(number)?)));
        let Some((number, (hash, length))) = known else { return Ok(None) };
        let until = at + length as u64;
        if until > self.end {
            return Ok(None);
        }
        window.reach(until)?;
        let is_it = self.secret.sum(window.between(at, until)) == hash;
        Ok(is_it.then_some(Piece { hash, start: at, length, known: Some(number) }))
    }

    /// The piece that begins there, by what its lines say.
    fn cut(&self, at: u64, window: &mut Window<'_>) -> io::Result<Piece> {
        let mut until = window.line_end(at)?;
        while until < self.end {
            let next = window.line_end(until)?;
            let is_long = next - at > LONGEST as u64;
            if is_long || begins_piece(window.between(until, next)) {
                break;
            }
            until = next;
        }
        let bytes = window.between(at, until);
        let hash = self.secret.sum(bytes);
        Ok(Piece { hash, start: at, length: bytes.len(), known: self.known.number(&hash) })
    }
}
