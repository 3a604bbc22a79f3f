//! Lines on their way to a file: a bounded queue at which nobody waits, and what its one reader does
//! where a file does not take them.

use std::fs::File;
use std::io::{self, ErrorKind, Write as _};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, SyncSender};
use std::sync::{Arc, OnceLock};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use crate::clock;

/// Bytes that are written at once: a pipe takes as many whole (`PIPE_BUF`), so lines of two
/// processes that share one do not run into each other.
const BATCH: usize = 4096;
/// How often a reader turns where there is nothing to write.
const TICK: Duration = Duration::from_secs(1);
/// From a write that failed to the next, at first and at most.
const REST: (Duration, Duration) = (Duration::from_millis(10), Duration::from_secs(1));
/// How long the end of a process waits for lines to be written.
const FAREWELL: Duration = Duration::from_secs(2);
/// And for their thread to notice that it is over.
const SPARE: Duration = Duration::from_secs(1);

/// Where lines are put.
#[derive(Debug, Clone)]
pub(super) struct Queue {
    sender: SyncSender<Vec<u8>>,
    dropped: Arc<AtomicU64>,
}

impl Queue {
    /// A queue of `places` lines.
    pub(super) fn new(places: usize) -> (Self, Lines) {
        let (sender, receiver) = mpsc::sync_channel(places);
        let due = Arc::default();
        (Self { sender, dropped: Arc::default() }, Lines { receiver, held: None, due })
    }

    /// Puts a line, with its end, if there is a place for it; counts it as dropped if there is none.
    pub(super) fn put(&self, line: Vec<u8>) -> bool {
        let is_put = self.sender.try_send(line).is_ok();
        if !is_put {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
        is_put
    }

    /// Has its reader turn.
    pub(super) fn wake(&self) {
        // Where there is no place, it is awake.
        let _ = self.sender.try_send(Vec::new());
    }

    /// Lines that there was no place for.
    pub(super) fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }

    /// Starts the queue's reader.
    ///
    /// # Errors
    ///
    /// If its thread cannot be started.
    pub(super) fn read_by(
        &self,
        name: &str,
        lines: Lines,
        read: impl FnOnce(Lines) + Send + 'static,
    ) -> io::Result<Reader> {
        let (ends, ended) = mpsc::channel::<()>();
        let due = Arc::clone(&lines.due);
        let thread = thread::Builder::new().name(name.to_owned()).spawn(move || {
            read(lines);
            drop(ends);
        })?;
        Ok(Reader { queue: self.clone(), thread: Some(thread), due, ended })
    }
}

/// The thread that reads a queue. It ends when this is dropped, with all that was put before, unless
/// that takes too long.
#[derive(Debug)]
pub(super) struct Reader {
    queue: Queue,
    thread: Option<JoinHandle<()>>,
    due: Arc<OnceLock<Instant>>,
    ended: Receiver<()>,
}

impl Drop for Reader {
    fn drop(&mut self) {
        let _ = self.due.set(clock::instant() + FAREWELL);
        self.queue.wake();
        let Some(thread) = self.thread.take() else { return };
        thread.thread().unpark();
        // A write that does not return is left to the end of the process.
        if self.ended.recv_timeout(FAREWELL + SPARE) == Err(RecvTimeoutError::Disconnected)
            && thread.join().is_err()
        {
            tracing::error!("a thread that writes lines had died");
        }
    }
}

/// What a queue's reader takes from it.
#[derive(Debug)]
pub(super) struct Lines {
    receiver: Receiver<Vec<u8>>,
    held: Option<Vec<u8>>,
    /// By when the reader has to end, once it has to.
    due: Arc<OnceLock<Instant>>,
}

impl Lines {
    /// Takes the next lines into `batch`, none where there are none for a moment. `false` where there
    /// will be no more.
    pub(super) fn next(&mut self, batch: &mut Vec<u8>) -> bool {
        batch.clear();
        let first = self.held.take().map_or_else(|| self.receiver.recv_timeout(TICK), Ok);
        match first {
            Ok(line) => batch.extend_from_slice(&line),
            Err(RecvTimeoutError::Timeout) => return self.due.get().is_none(),
            Err(RecvTimeoutError::Disconnected) => return false,
        }
        while let Ok(line) = self.receiver.try_recv() {
            if !batch.is_empty() && batch.len() + line.len() > BATCH {
                self.held = Some(line);
                return true;
            }
            batch.extend_from_slice(&line);
        }
        self.due.get().is_none()
    }

    /// Waits after the `failures`th failure in a row. `false` where there is no time left for another
    /// attempt.
    pub(super) fn rest(&self, failures: u32) -> bool {
        let (first, most) = REST;
        let rest = first.saturating_mul(1 << failures.min(10)).min(most);
        match self.due.get() {
            None => thread::park_timeout(rest),
            Some(due) => {
                let left = due.saturating_duration_since(clock::instant());
                if left.is_zero() {
                    return false;
                }
                thread::park_timeout(rest.min(left));
            }
        }
        true
    }

    /// Writes all of `bytes`, and goes on after a failure where it was: a line of which a part was
    /// written is completed. `false` where the end came before.
    pub(super) fn write(&self, mut file: &File, mut bytes: &[u8]) -> bool {
        let mut failures = 0;
        while !bytes.is_empty() {
            match file.write(bytes) {
                Ok(count) if count > 0 => {
                    bytes = bytes.get(count..).unwrap_or_default();
                    failures = 0;
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Ok(_) | Err(_) => {
                    if !self.rest(failures) {
                        return false;
                    }
                    failures += 1;
                }
            }
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use super::*;

    fn numbered(numbers: std::ops::Range<u32>) -> Vec<u8> {
        numbers.flat_map(|number| format!("line {number}\n").into_bytes()).collect()
    }

    fn put(queue: &Queue, numbers: std::ops::Range<u32>) {
        numbers.for_each(|number| _ = queue.put(format!("line {number}\n").into_bytes()));
    }

    fn write_all(mut lines: Lines, file: &File) {
        let mut batch = Vec::new();
        loop {
            let goes_on = lines.next(&mut batch);
            if !lines.write(file, &batch) || !goes_on {
                return;
            }
        }
    }

    #[test]
    fn what_has_no_place_is_counted_and_what_has_one_is_written() {
        let (queue, lines) = Queue::new(100);
        put(&queue, 0..130);
        assert_eq!(queue.dropped(), 30);
        let (mut out, into) = io::pipe().unwrap();
        let file = File::from(std::os::fd::OwnedFd::from(into));
        drop(queue.read_by("test", lines, move |lines| write_all(lines, &file)).unwrap());
        let mut written = Vec::new();
        out.read_to_end(&mut written).unwrap();
        assert_eq!(written, numbered(0..100));
    }

    #[test]
    fn a_batch_has_whole_lines_and_no_more_than_a_pipe_takes_at_once() {
        let (queue, mut lines) = Queue::new(1001);
        put(&queue, 0..1000);
        queue.put(vec![b'x'; BATCH * 2]);
        let (mut batch, mut all) = (Vec::new(), Vec::new());
        while all.len() < numbered(0..1000).len() {
            assert!(lines.next(&mut batch));
            assert!(batch.len() <= BATCH && batch.ends_with(b"\n"), "{}", batch.len());
            all.extend_from_slice(&batch);
        }
        assert_eq!(all, numbered(0..1000));
        assert!(lines.next(&mut batch));
        assert_eq!(batch.len(), BATCH * 2, "a long line goes alone");
    }

    #[test]
    fn a_file_that_takes_nothing_holds_up_the_end_for_a_bounded_time() {
        let (queue, lines) = Queue::new(10);
        put(&queue, 0..3);
        let full = File::options().write(true).open("/dev/full").unwrap();
        let reader = queue.read_by("test", lines, move |lines| write_all(lines, &full)).unwrap();
        drop(reader);
        put(&queue, 0..1);
        assert_eq!(queue.dropped(), 1, "its reader has ended");
    }
}
