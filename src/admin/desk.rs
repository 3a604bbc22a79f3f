//! What the page needs of rooms that this one does not know.

use std::fmt;
use std::sync::Arc;

use serde::Serialize;
use serde_json::Value;
use tokio::sync::Semaphore;

use super::Access;
use crate::current::Generation;
use crate::policy::UnixSeconds;

/// Walks through the policy at once: they take cores from nobody but each other.
const WALKS: usize = 2;

/// Why a request would be let through or refused by a generation, as `sidegate explain --output json`
/// says it and with its lines.
type Explain = dyn Fn(&Question, &Generation, UnixSeconds) -> Result<Value, String> + Send + Sync;
/// Calls with the id and label of every key that has one.
type Labels = dyn Fn(&mut dyn FnMut(&str, &str)) -> Result<(), String> + Send + Sync;

/// Whom the page is shown to, and whom it asks what.
#[derive(Clone)]
pub struct Desk {
    pub(super) access: Arc<Access>,
    pub(super) files: Arc<Files>,
    pub(super) explain: Arc<Explain>,
    pub(super) labels: Arc<Labels>,
    pub(super) walks: Arc<Semaphore>,
}

/// The files that everything comes from.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Files {
    /// `sidegate.toml`.
    pub settings: String,
    /// The policy: a file or a folder.
    pub policy: String,
    /// The key records.
    pub keys: String,
}

/// A request that somebody asks about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Question {
    /// The method, case and all.
    pub method: String,
    /// The `Host` field.
    pub host: String,
    /// The target of the request line.
    pub target: String,
    /// Whose key it would carry.
    pub who: Who,
    /// Whether it would open a WebSocket.
    pub websocket: bool,
}

/// Whose key a request would carry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Who {
    /// One without a ceiling, of that account in that workspace.
    Account {
        /// The account.
        account: String,
        /// The workspace.
        workspace: String,
    },
    /// The one of that id.
    Key(String),
    /// None is sent.
    Nobody,
}

impl Desk {
    /// `explain` says why, or in the reader's words what is wrong with the question; `labels` calls
    /// with the id and label of every key that has one.
    pub fn new(
        access: Access,
        files: Files,
        explain: impl Fn(&Question, &Generation, UnixSeconds) -> Result<Value, String>
        + Send
        + Sync
        + 'static,
        labels: impl Fn(&mut dyn FnMut(&str, &str)) -> Result<(), String> + Send + Sync + 'static,
    ) -> Self {
        Self {
            access: Arc::new(access),
            files: Arc::new(files),
            explain: Arc::new(explain),
            labels: Arc::new(labels),
            walks: Arc::new(Semaphore::new(WALKS)),
        }
    }
}

impl fmt::Debug for Desk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Desk").field("access", &self.access).field("files", &self.files).finish()
    }
}
