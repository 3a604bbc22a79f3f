//! A part of a file in memory.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;

use memchr::memchr;

use super::LONGEST;

/// Bytes that are read at once: they stay near the processor until they are summed up.
const BLOCK: usize = 64 * 1024;

/// What was read of a file, from some place on. Places are those in the file.
pub(super) struct Window<'f> {
    file: &'f File,
    buffer: &'f mut [u8],
    /// Where the buffer begins, and how much of it is read.
    start: u64,
    length: usize,
    /// What is before is no longer needed.
    kept: u64,
    end: u64,
}

impl<'f> Window<'f> {
    /// Of the file's bytes from `start` until `end`, in a [`buffer`](Self::buffer).
    pub(super) fn new(file: &'f File, start: u64, end: u64, buffer: &'f mut [u8]) -> Self {
        Self { file, buffer, start, length: 0, kept: start, end }
    }

    /// Memory for one window after the other: to touch it for the first time costs as much as to read
    /// into it.
    pub(super) fn buffer() -> Vec<u8> {
        vec![0; 3 * LONGEST]
    }

    /// Lets go of what is before.
    pub(super) fn drop_before(&mut self, kept: u64) {
        self.kept = kept;
    }

    /// What was read between two places.
    pub(super) fn between(&self, from: u64, until: u64) -> &[u8] {
        let at = |place: u64| usize::try_from(place.checked_sub(self.start)?).ok();
        let range = at(from).zip(at(until)).map(|(from, until)| from..until.min(self.length));
        range.and_then(|range| self.buffer.get(range)).unwrap_or_default()
    }

    /// Reads on, at least until `until`.
    pub(super) fn reach(&mut self, until: u64) -> io::Result<()> {
        while self.read_until() < until {
            self.fill()?;
        }
        Ok(())
    }

    /// The place after the newline of the line that begins at `from`, or the end of the file.
    pub(super) fn line_end(&mut self, from: u64) -> io::Result<u64> {
        let mut searched = from;
        loop {
            let fresh = self.between(searched, self.read_until());
            if let Some(newline) = memchr(b'\n', fresh) {
                return Ok(searched + newline as u64 + 1);
            }
            searched = searched.max(self.read_until());
            if searched >= self.end {
                return Ok(self.end);
            }
            self.fill()?;
        }
    }

    fn read_until(&self) -> u64 {
        self.start + self.length as u64
    }

    /// Reads on by a block.
    ///
    /// # Errors
    ///
    /// Where the file ends too early, too, and where what is kept leaves no room.
    fn fill(&mut self) -> io::Result<()> {
        if self.buffer.len() - self.length < BLOCK {
            let dropped = self.kept.saturating_sub(self.start);
            let dropped = self.length.min(usize::try_from(dropped).unwrap_or(usize::MAX));
            self.buffer.copy_within(dropped..self.length, 0);
            self.start += dropped as u64;
            self.length -= dropped;
        }
        let place = self.read_until();
        let left = usize::try_from(self.end.saturating_sub(place)).unwrap_or(usize::MAX);
        let room = self.buffer.get_mut(self.length..).unwrap_or_default();
        if room.is_empty() {
            return Err(io::ErrorKind::InvalidData.into());
        }
        let most = room.len().min(BLOCK).min(left);
        match self.file.read_at(room.get_mut(..most).unwrap_or_default(), place) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok(()),
            Ok(0) => Err(io::ErrorKind::UnexpectedEof.into()),
            read => {
                self.length += read?;
                Ok(())
            }
        }
    }
}
