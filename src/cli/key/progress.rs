//! How far a long read is, for who watches it on a terminal.

use std::io::{self, Read, Write};
use std::time::{Duration, Instant};

use crate::clock;

/// How often the line is drawn again.
const PACE: Duration = Duration::from_millis(100);

/// Passes on what is read, and says on one line how much that was.
pub(super) struct Progress<'a, R> {
    inner: R,
    shown: Option<Shown<'a>>,
}

struct Shown<'a> {
    line: &'a mut dyn Write,
    what: &'a str,
    /// Bytes that there are, where that is known.
    total: Option<u64>,
    read: u64,
    drawn: Instant,
    is_drawn: bool,
}

impl<'a, R: Read> Progress<'a, R> {
    /// Draws on `line`, where there is one: a terminal.
    pub(super) fn new(
        inner: R,
        what: &'a str,
        total: Option<u64>,
        line: Option<&'a mut dyn Write>,
    ) -> Self {
        let total = total.filter(|total| *total > 0);
        let drawn = clock::instant();
        let shown = line.map(|line| Shown { line, what, total, read: 0, drawn, is_drawn: false });
        Self { inner, shown }
    }
}

impl<R: Read> Read for Progress<'_, R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(into)?;
        if let Some(shown) = &mut self.shown {
            shown.read += read as u64;
            if shown.drawn.elapsed() >= PACE {
                shown.drawn = clock::instant();
                // Nothing depends on it.
                let _ = shown.draw();
            }
        }
        Ok(read)
    }
}

impl<R> Drop for Progress<'_, R> {
    fn drop(&mut self) {
        if let Some(shown) = self.shown.as_mut().filter(|shown| shown.is_drawn) {
            let _ = write!(shown.line, "\r\x1b[K").and_then(|()| shown.line.flush());
        }
    }
}

impl Shown<'_> {
    fn draw(&mut self) -> io::Result<()> {
        const CELLS: u64 = 30;
        self.is_drawn = true;
        let megabytes = self.read / 1_000_000;
        write!(self.line, "\r\x1b[K{} ", self.what)?;
        match self.total {
            None => write!(self.line, "{megabytes} MB")?,
            Some(total) => {
                let read = self.read.min(total);
                let filled = read.saturating_mul(CELLS) / total;
                let bar: String =
                    (0..CELLS).map(|at| if at < filled { '#' } else { '.' }).collect();
                let percent = read.saturating_mul(100) / total;
                write!(self.line, "[{bar}] {percent} %, {megabytes} MB")?;
            }
        }
        self.line.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is drawn after each read of a tenth, where the pace is over every time.
    fn drawn(total: Option<u64>, reads: usize) -> String {
        let mut line = Vec::new();
        let bytes = vec![0; 10_000_000];
        let mut progress = Progress::new(&*bytes, "importing", total, Some(&mut line));
        let mut into = vec![0; 1_000_000];
        for _ in 0..reads {
            if let Some(shown) = &mut progress.shown {
                shown.drawn -= PACE;
            }
            progress.read_exact(&mut into).unwrap();
        }
        drop(progress);
        String::from_utf8(line).unwrap()
    }

    #[test]
    fn the_line_is_drawn_again_and_gone_at_the_end() {
        assert_eq!(
            drawn(Some(10_000_000), 2),
            "\r\x1b[Kimporting [###...........................] 10 %, 1 MB\
             \r\x1b[Kimporting [######........................] 20 %, 2 MB\r\x1b[K"
        );
        assert!(
            drawn(Some(10_000_000), 10).contains("[##############################] 100 %, 10 MB")
        );
        assert!(drawn(Some(1), 3).contains("] 100 %, 3 MB"), "a file that grew");
        assert_eq!(drawn(None, 1), "\r\x1b[Kimporting 1 MB\r\x1b[K");
        assert_eq!(drawn(None, 0), "");
    }
}
