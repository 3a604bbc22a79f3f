//! A buffer that leaves nothing behind.

use std::io::{self, BufRead, Read};

use zeroize::Zeroizing;

/// Bytes that are asked for at once.
const BLOCK: usize = 256 * 1024;

/// Reads through a buffer that is wiped when dropped: keys go through it.
pub(super) struct Wiped<R> {
    inner: R,
    buffer: Zeroizing<Vec<u8>>,
    from: usize,
    until: usize,
}

impl<R: Read> Wiped<R> {
    pub(super) fn new(inner: R) -> Self {
        Self { inner, buffer: Zeroizing::new(vec![0; BLOCK]), from: 0, until: 0 }
    }
}

impl<R: Read> Read for Wiped<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let read = self.fill_buf()?.read(into)?;
        self.consume(read);
        Ok(read)
    }
}

impl<R: Read> BufRead for Wiped<R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.from == self.until {
            (self.from, self.until) = (0, self.inner.read(&mut self.buffer)?);
        }
        Ok(self.buffer.get(self.from..self.until).unwrap_or_default())
    }

    fn consume(&mut self, read: usize) {
        self.from = self.until.min(self.from + read);
    }
}
