//! What ends a running data plane, and what tells whether it turns.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::watch;

use super::listen::SocketFile;

/// Where the process is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Life {
    /// Requests are taken.
    Running,
    /// Connections that are there may end their requests.
    Draining(Queue),
    /// At once.
    Stopped,
}

/// Whose the connections are that wait in the listeners' queues when a drain begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Queue {
    /// Another process has the same sockets, and accepts from them.
    Kept,
    /// Ours: who is not accepted by us is accepted by nobody.
    Ours,
}

/// Ends a running data plane, from anywhere.
#[derive(Debug, Clone)]
pub struct Control {
    life: watch::Sender<Life>,
    queue: Queue,
    /// Of the listeners.
    file: Arc<Mutex<Option<SocketFile>>>,
}

impl Control {
    pub(super) fn new(queue: Queue, file: Option<SocketFile>) -> Self {
        Self { life: watch::channel(Life::Running).0, queue, file: Arc::new(Mutex::new(file)) }
    }

    pub(super) fn life(&self) -> watch::Receiver<Life> {
        self.life.subscribe()
    }

    /// Lets requests end, until the drain timeout. New connections are taken until the delay before
    /// it has passed, and then what waits in queues that are nobody else's.
    pub fn drain(&self) {
        self.begin(self.queue);
    }

    /// The same where another process has the listeners: it takes all new connections, at once.
    pub fn hand_over(&self) {
        self.file().iter().for_each(SocketFile::leave);
        self.begin(Queue::Kept);
    }

    fn begin(&self, queue: Queue) {
        self.life.send_if_modified(|life| {
            let running = *life == Life::Running;
            if running {
                *life = Life::Draining(queue);
            }
            running
        });
    }

    /// Ends every connection at once.
    pub fn stop(&self) {
        self.life.send_replace(Life::Stopped);
    }

    /// The file of the listeners goes, unless they are another's: nobody finds them any more.
    pub(super) fn remove_file(&self) {
        drop(self.file().take());
    }

    fn file(&self) -> std::sync::MutexGuard<'_, Option<SocketFile>> {
        self.file.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether the workers turn.
#[derive(Debug, Clone)]
pub struct Pulse(Arc<[AtomicBool]>);

impl Pulse {
    /// How often a worker that turns says so.
    pub const BEAT: Duration = Duration::from_millis(100);

    pub(super) fn new(workers: usize) -> Self {
        Self((0..workers).map(|_| AtomicBool::new(true)).collect())
    }

    /// Said by a worker that turns.
    pub(super) fn beat(&self, worker: usize) {
        if let Some(beat) = self.0.get(worker) {
            beat.store(true, Ordering::Relaxed);
        }
    }

    /// Whether every worker has turned since this was asked before, which was longer ago than
    /// [`BEAT`](Self::BEAT). One that has drained does not.
    pub fn is_felt(&self) -> bool {
        // All of them are asked, for the next time.
        let still = self.0.iter().filter(|beat| !beat.swap(false, Ordering::Relaxed)).count();
        still == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_drain_is_begun_once_and_an_end_is_final() {
        let control = Control::new(Queue::Ours, None);
        let life = control.life();
        assert_eq!(*life.borrow(), Life::Running);
        control.drain();
        control.hand_over();
        assert_eq!(*life.borrow(), Life::Draining(Queue::Ours));
        control.stop();
        control.drain();
        assert_eq!(*life.borrow(), Life::Stopped);
    }

    #[test]
    fn every_worker_has_to_beat() {
        let pulse = Pulse::new(2);
        assert!(pulse.is_felt());
        pulse.beat(1);
        assert!(!pulse.is_felt());
        pulse.beat(0);
        pulse.beat(1);
        assert!(pulse.is_felt() && !pulse.is_felt());
    }
}
