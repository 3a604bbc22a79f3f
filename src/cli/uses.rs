//! Keeps when keys were last used, beside the requests: at the start, so that what is wrong is said
//! then, each minute, and at the end. Who is killed loses a minute.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use tracing::warn;

use crate::clock;
use crate::current::{Current, Uses};
use crate::keystore::{LastUsed, Refusal};

const PAUSE: Duration = Duration::from_secs(60);

/// The thread that keeps them. It ends when this is dropped, with all that was used until then.
pub(super) struct Keeper {
    end: Option<mpsc::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Keeper {
    /// Keeps what `current` knows of uses in the file at `path`.
    ///
    /// # Errors
    ///
    /// If the thread cannot be started.
    pub(super) fn start(current: Arc<Current>, path: PathBuf) -> io::Result<Self> {
        let (end, ended) = mpsc::channel::<()>();
        let thread = thread::Builder::new().name("sidegate-uses".to_owned()).spawn(move || {
            let mut told = String::new();
            keep(&path, &Uses::new(), &mut told);
            loop {
                let ends = ended.recv_timeout(PAUSE) != Err(RecvTimeoutError::Timeout);
                let uses = current.take_uses();
                if !uses.is_empty() && !keep(&path, &uses, &mut told) {
                    current.give_back_uses(uses);
                }
                if ends {
                    break;
                }
            }
        })?;
        Ok(Self { end: Some(end), thread: Some(thread) })
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        drop(self.end.take());
        if let Some(Err(_)) = self.thread.take().map(JoinHandle::join) {
            tracing::error!("the thread that keeps when keys are used had died");
        }
    }
}

/// Whether they are in the file. A failure that only repeats itself is told once.
fn keep(path: &Path, uses: &Uses, told: &mut String) -> bool {
    let Err(refusal) = LastUsed::keep(path, uses, clock::now()) else {
        told.clear();
        return true;
    };
    let problem = match refusal {
        Refusal::Damaged(problems) => {
            let place = |line| if line == 0 { String::new() } else { format!("line {line}: ") };
            let problems = problems.iter().map(|it| format!("{}{it}", place(it.place.line)));
            problems.collect::<Vec<_>>().join("; ")
        }
        other => other.to_string(),
    };
    if *told != problem {
        warn!(file = %path.display(), problem, "when keys are used is not kept");
        *told = problem;
    }
    false
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::policy::{Draft, FileId, compile};

    #[test]
    fn what_cannot_be_kept_now_is_kept_later() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("last-used.jsonl");
        let snapshot = compile(Draft::default()).unwrap();
        let current = Current::keeping_uses(snapshot, None, clock::now());
        let uses = Uses::from([("k_a".into(), 498_660)]);
        current.give_back_uses(uses.clone());
        fs::write(&path, "something else\n").unwrap();
        drop(Keeper::start(Arc::clone(&current), path.clone()).unwrap());
        assert_eq!(fs::read_to_string(&path).unwrap(), "something else\n");
        fs::remove_file(&path).unwrap();
        drop(Keeper::start(Arc::clone(&current), path.clone()).unwrap());
        let kept = LastUsed::read(&path, FileId::default(), crate::keystore::Permissions::Private);
        assert_eq!(kept.unwrap().last("k_a").unwrap().to_string(), "2026-11-20T12:59:59Z");
        assert_eq!(current.take_uses(), Uses::new());
    }
}
