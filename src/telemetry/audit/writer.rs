//! The thread of an audit log: numbers entries and writes them, whatever it takes.

use std::io::{self, ErrorKind, Write as _};
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use super::State;
use super::entry::{self, LostEntry};
use super::file::AuditFile;
use crate::clock;
use crate::telemetry::sink::Lines;

/// How long an entry may be written and not on the disk.
const SYNCED: Duration = Duration::from_secs(1);

/// Writes what comes until there will be no more.
pub(super) fn write(mut lines: Lines, file: AuditFile, state: &State) {
    let mut writer = Writer {
        file,
        state,
        run: entry::run(),
        number: 0,
        lost: 0,
        told: String::new(),
        unsynced: None,
    };
    let (mut batch, mut out) = (Vec::new(), Vec::new());
    loop {
        let goes_on = lines.next(&mut batch);
        out.clear();
        let count = writer.number_all(&batch, &mut out);
        let is_written = writer.write_whole(&lines, &out);
        state.waiting.fetch_sub(count, Ordering::Relaxed);
        if !is_written || !goes_on {
            writer.sync();
            return;
        }
        if writer.unsynced.is_some_and(|since| clock::instant() - since >= SYNCED) {
            writer.sync();
        }
    }
}

struct Writer<'s> {
    file: AuditFile,
    state: &'s State,
    run: String,
    /// Entries so far.
    number: u64,
    /// Entries that were dropped, and told of.
    lost: u64,
    /// The last failure that was told of.
    told: String,
    /// Since when something is written that may not be on the disk.
    unsynced: Option<Instant>,
}

impl Writer<'_> {
    /// Makes lines of entries, and says how many they were.
    fn number_all(&mut self, batch: &[u8], out: &mut Vec<u8>) -> usize {
        let mut count = 0;
        for body in batch.split_inclusive(|byte| *byte == b'\n') {
            count += 1;
            self.number += 1;
            entry::line(&self.run, self.number, body, out);
        }
        let dropped = self.state.dropped.load(Ordering::Relaxed);
        if dropped > self.lost {
            let lost = LostEntry { events: dropped - self.lost };
            self.lost = dropped;
            self.number += 1;
            let body = entry::body(&lost).unwrap_or_default();
            entry::line(&self.run, self.number, &body, out);
        }
        count
    }

    /// Writes all of `out`. `false` where the end came before.
    fn write_whole(&mut self, lines: &Lines, out: &[u8]) -> bool {
        let (mut left, mut torn, mut failures) = (out, false, 0);
        loop {
            match self.write_some(&mut left, &mut torn) {
                Ok(()) => break,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => {
                    self.fails(&error);
                    if !lines.rest(failures) {
                        return false;
                    }
                    failures += 1;
                }
            }
        }
        if !out.is_empty() {
            let written = out.iter().filter(|byte| **byte == b'\n').count();
            self.state.written.fetch_add(written as u64, Ordering::Relaxed);
            self.unsynced.get_or_insert_with(clock::instant);
        }
        if self.state.failing.swap(false, Ordering::Relaxed) {
            tracing::info!(file = %self.file.path().display(), "the audit log is written again");
            self.told.clear();
        }
        true
    }

    /// Writes what is left, and leaves what was not written, from the beginning of its line.
    fn write_some(&mut self, left: &mut &[u8], torn: &mut bool) -> io::Result<()> {
        if self.state.reopen.swap(false, Ordering::Relaxed) {
            self.sync();
            self.file.reopen()?;
        }
        if self.file.follow()? {
            *torn = false;
        }
        if *torn {
            self.file.file().write_all(b"\n")?;
            *torn = false;
        }
        let mut written = 0;
        while let Some(rest) = left.get(written..).filter(|rest| !rest.is_empty()) {
            let ended = match self.file.file().write(rest) {
                Ok(0) => Err(ErrorKind::WriteZero.into()),
                Ok(count) => Ok(count),
                Err(error) => Err(error),
            };
            match ended {
                Ok(count) => written += count,
                Err(error) => {
                    let done = left.get(..written).unwrap_or_default();
                    let whole = done.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
                    *torn = written > whole;
                    *left = left.get(whole..).unwrap_or_default();
                    return Err(error);
                }
            }
        }
        *left = &[];
        Ok(())
    }

    fn sync(&mut self) {
        if self.unsynced.take().is_some()
            && let Err(error) = self.file.sync()
        {
            self.fails(&error);
        }
    }

    /// Counts a failure, and tells it if it is not the one that was told last.
    fn fails(&mut self, error: &io::Error) {
        self.state.failing.store(true, Ordering::Relaxed);
        self.state.errors.fetch_add(1, Ordering::Relaxed);
        let problem = error.to_string();
        if self.told != problem {
            tracing::error!(
                file = %self.file.path().display(),
                problem,
                "the audit log cannot be written: entries wait, then they are dropped"
            );
            self.told = problem;
        }
    }
}
