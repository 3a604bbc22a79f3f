//! When keys were last used, on disk.
//!
//! A line `{"since":TIME}`, from when on it was kept, then `{"id":ID,"used":TIME}` a key, in the
//! order of the ids. Times are whole hours: who reads it learns which keys are in use, and not when
//! somebody works. There are ids, and nothing of the keys.

use std::collections::BTreeMap;
use std::io::{self, BufRead as _, BufReader};
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::permissions::{self, Permissions};
use super::record::is_id;
use super::timestamp::Timestamp;
use crate::policy::{FileId, Place, Problem, UnixSeconds};

const HOUR: i64 = 3_600;

/// Ids and the hour, counted from 1970, in which each was last used.
pub type Uses = BTreeMap<Box<str>, u32>;

/// When keys were last used, and from when on that was kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LastUsed {
    since: Timestamp,
    uses: Uses,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Head {
    since: Timestamp,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Line<'a> {
    #[serde(borrow)]
    id: std::borrow::Cow<'a, str>,
    used: Timestamp,
}

impl LastUsed {
    /// Reads the file at `path`.
    ///
    /// # Errors
    ///
    /// That it cannot be read, or its first line that is damaged.
    pub fn read(path: &Path, file: FileId, permissions: Permissions) -> Result<Self, Problem> {
        let whole = |message: String| Problem::error(Place { file, ..Place::default() }, message);
        let (opened, metadata) = permissions::open(path).map_err(|error| {
            let problem = whole(format!("cannot read when keys were last used: {error}"));
            match error.kind() {
                io::ErrorKind::NotFound => problem.hint(
                    "`sidegate serve` writes it, from its start on, where `last_used` names it",
                ),
                _ => problem,
            }
        })?;
        if permissions == Permissions::Private
            && let Some(problem) = permissions.judge(path, &metadata, file)
        {
            return Err(problem);
        }
        let mut since = None;
        let mut uses = Uses::new();
        for (text, line) in BufReader::new(opened).lines().zip(1..) {
            let text = text.map_err(|error| whole(format!("cannot read on: {error}")))?;
            let read = match since {
                None => serde_json::from_str(&text).map(|Head { since: at }| since = Some(at)).ok(),
                Some(_) => serde_json::from_str::<Line<'_>>(&text).ok().and_then(|line| {
                    let hour = u32::try_from(line.used.seconds().0 / HOUR).ok()?;
                    uses.insert((*line.id).into(), hour);
                    is_id(&line.id).then_some(())
                }),
            };
            if read.is_none() {
                let place = Place { file, line, column: 0 };
                let problem = Problem::error(place, "the line does not say when a key was used");
                return Err(problem.hint("move the file away: a new one is begun"));
            }
        }
        let since = since.ok_or_else(|| {
            whole("the file is empty".to_owned()).hint("delete it: a new one is begun")
        })?;
        Ok(Self { since, uses })
    }

    /// From when on it was kept.
    pub fn since(&self) -> Timestamp {
        self.since
    }

    /// The last second of the hour in which the key of that id was last used.
    pub fn last(&self, id: &str) -> Option<Timestamp> {
        let hour = *self.uses.get(id)?;
        Timestamp::new(UnixSeconds((i64::from(hour) + 1) * HOUR - 1))
    }
}
