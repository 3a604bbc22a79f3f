//! `POST /reload`: whoever reads the files looks at them now, and it is said what came of that.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::sync::{Semaphore, oneshot};
use tokio::time::timeout;

use super::State;
use super::status::{Failing, Generation};
use crate::current::ChangeId;

/// How long an answer may wait: less than a connection lives.
const PATIENCE: Duration = Duration::from_secs(8);
/// Who may wait at once, so that others have their turn, too.
const WAITING: usize = 16;

/// Called once what is in force, or why it is not, is that of the files as they are; dropped where
/// that never comes to be.
pub type Settled = Box<dyn FnOnce() + Send>;

/// Has somebody look, and let in the change of that id where there is one.
type Ask = dyn Fn(Option<&ChangeId>, Settled) + Send + Sync;

/// How to ask for a look at the files.
#[derive(Clone)]
pub struct Look {
    ask: Arc<Ask>,
    settings: Arc<PathBuf>,
    waiting: Arc<Semaphore>,
}

impl Look {
    /// `ask` has somebody look, and let in the change of that id where there is one; `settings` says
    /// whose files that are.
    pub fn new(
        settings: PathBuf,
        ask: impl Fn(Option<&ChangeId>, Settled) + Send + Sync + 'static,
    ) -> Self {
        let waiting = Arc::new(Semaphore::new(WAITING));
        Self { ask: Arc::new(ask), settings: Arc::new(settings), waiting }
    }

    /// Waits until it is settled, as long as an answer may wait.
    async fn settled(&self, accept: Option<&ChangeId>) -> Result<(), Unsettled> {
        let _turn = self.waiting.try_acquire().map_err(|_| Unsettled::Crowded)?;
        let (sender, receiver) = oneshot::channel();
        let settled = Box::new(move || {
            // Who asked may be gone.
            let _ = sender.send(());
        });
        (self.ask)(accept, settled);
        match timeout(PATIENCE, receiver).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) => Err(Unsettled::Ended),
            Err(_) => Err(Unsettled::Waiting),
        }
    }
}

impl fmt::Debug for Look {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Look").field(&self.settings).finish()
    }
}

/// Why there is no answer yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unsettled {
    Crowded,
    Ended,
    Waiting,
}

/// What came of a look at the files. Times are RFC 3339 in UTC.
///
/// ```json
/// {
///   "settled": true,
///   "settings": "/etc/sidegate/sidegate.toml",
///   "generation": { "number": 8, "since": "2026-11-21T09:05:00Z" },
///   "failing": null
/// }
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Looked {
    /// Whether what is said is of the files as they are. If not, they are still being written or
    /// read: ask again.
    pub settled: bool,
    /// The `sidegate.toml` of the process that answers.
    pub settings: String,
    /// What is in force.
    pub generation: Generation,
    /// Null where that is of the files as they are, or why it is not.
    pub failing: Option<Failing>,
}

/// What comes of a look.
pub(super) async fn look(state: &State, accept: Option<&ChangeId>) -> Result<Looked, Unsettled> {
    let settled = match state.look.settled(accept).await {
        Ok(()) => true,
        Err(Unsettled::Waiting) => false,
        Err(why) => return Err(why),
    };
    // The status first: a generation that comes in between is newer than what was asked for.
    let status = state.current.status();
    Ok(Looked {
        settled,
        settings: state.look.settings.display().to_string(),
        generation: Generation::of(&state.current.load()),
        failing: status.failing.map(Failing::of),
    })
}
