//! When keys were last used, on disk.
//!
//! A line `{"since":TIME}`, from when on it was kept, then `{"id":ID,"used":TIME}` a key, in the
//! order of the ids. Uses are told by the hour: who reads it learns which keys are in use, and not when
//! somebody works. There are ids, and nothing of the keys.
//!
//! Whoever keeps it adds to what is there, under the lock of the folder, as key records are written:
//! several processes can share one, and a restart loses nothing. What is there and is no such file
//! is left as it is.

use std::borrow::Cow;
use std::fs;
use std::io::{self, BufRead as _, BufReader};
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::permissions::{self, Permissions};
use super::record::is_id;
use super::refusal::Refusal;
use super::replace::Target;
use super::timestamp::Timestamp;
use crate::current::Uses;
use crate::policy::{FileId, Place, Problem, UnixSeconds};

const HOUR: i64 = 3_600;

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
    id: Cow<'a, str>,
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

    /// Adds `uses` to the file at `path`, or begins it. Whoever is killed meanwhile leaves the old
    /// file or the new.
    ///
    /// # Errors
    ///
    /// That the file cannot be read or written, or is not one of these; nothing is changed then.
    pub fn keep(path: &Path, uses: &Uses, now: UnixSeconds) -> Result<(), Refusal> {
        let target = Target::lock(path)?;
        let old = match fs::metadata(target.path()) {
            Ok(metadata) => Some(metadata),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => {
                return Err(Refusal::io(format!("cannot find `{}`", path.display()), error));
            }
        };
        let insecure = Permissions::Insecure; // It is private from then on.
        let mut kept = match &old {
            Some(_) => Self::read(target.path(), FileId::default(), insecure)
                .map_err(|problem| Refusal::Damaged(vec![problem]))?,
            None => {
                let since = Timestamp::new(now).or(Timestamp::new(UnixSeconds(0)));
                let Some(since) = since else { return Ok(()) };
                Self { since, uses: Uses::new() }
            }
        };
        let mut is_new = old.is_none();
        for (id, hour) in uses {
            let known = kept.uses.get(id).copied();
            if known.is_none_or(|known| known < *hour) {
                kept.uses.insert(id.clone(), *hour);
                is_new = true;
            }
        }
        if !is_new {
            return Ok(());
        }
        let text = kept.text().map_err(|error| {
            Refusal::io(format!("cannot write `{}`", path.display()), error.into())
        })?;
        target.replace(old.as_ref(), Permissions::Private, &[&text])
    }

    fn text(&self) -> serde_json::Result<Vec<u8>> {
        let mut text = serde_json::to_vec(&Head { since: self.since })?;
        text.push(b'\n');
        for (id, hour) in &self.uses {
            let Some(used) = Timestamp::new(UnixSeconds(i64::from(*hour) * HOUR)) else { continue };
            serde_json::to_writer(&mut text, &Line { id: (&**id).into(), used })?;
            text.push(b'\n');
        }
        Ok(text)
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

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;
    use std::path::PathBuf;

    use super::*;

    const NOON: UnixSeconds = UnixSeconds(1_795_176_000); // 2026-11-20T12:00:00Z
    const HOURS: u32 = 498_660;

    fn folder() -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("last-used.jsonl");
        (folder, path)
    }

    fn uses(list: &[(&str, u32)]) -> Uses {
        list.iter().map(|(id, hour)| ((*id).into(), *hour)).collect()
    }

    #[test]
    fn what_is_kept_is_added_to_what_is_there() {
        let (_folder, path) = folder();
        LastUsed::keep(&path, &Uses::new(), NOON).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "{\"since\":\"2026-11-20T12:00:00Z\"}\n");
        let later = UnixSeconds(NOON.0 + 7 * HOUR);
        LastUsed::keep(&path, &uses(&[("k_b", HOURS), ("k_a", HOURS + 2)]), later).unwrap();
        // Of another process, which has not seen the later use.
        LastUsed::keep(&path, &uses(&[("k_c", HOURS + 1), ("k_a", HOURS)]), later).unwrap();
        insta::assert_snapshot!(fs::read_to_string(&path).unwrap(), @r#"
        {"since":"2026-11-20T12:00:00Z"}
        {"id":"k_a","used":"2026-11-20T14:00:00Z"}
        {"id":"k_b","used":"2026-11-20T12:00:00Z"}
        {"id":"k_c","used":"2026-11-20T13:00:00Z"}
        "#);
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        let kept = LastUsed::read(&path, FileId::default(), Permissions::Private).unwrap();
        assert_eq!(kept.last("k_a").unwrap().to_string(), "2026-11-20T14:59:59Z");
        assert_eq!((kept.last("k_d"), kept.since().seconds()), (None, NOON));
    }

    #[test]
    fn what_is_another_file_is_left_as_it_is() {
        let (_folder, path) = folder();
        let since = "{\"since\":\"2026-11-20T12:00:00Z\"}\n";
        for (content, line) in [
            (String::new(), 0),
            ("\n".to_owned(), 1),
            (super::super::record::tests::LINE.to_owned(), 1),
            (format!("{since}{{\"id\":\"k_a\"}}\n"), 2),
            (format!("{since}{{\"id\":\"a\",\"used\":\"2026-11-20T12:00:00Z\"}}\n"), 2),
            (format!("{since}{since}"), 2),
        ] {
            fs::write(&path, &content).unwrap();
            let Err(Refusal::Damaged(problems)) = LastUsed::keep(&path, &uses(&[("k_a", 1)]), NOON)
            else {
                panic!("{content} is written over");
            };
            assert_eq!(problems[0].place.line, line, "{content}");
            assert_eq!(fs::read_to_string(&path).unwrap(), content);
        }
    }

    /// Two processes at once, each with keys of its own.
    #[test]
    fn several_processes_share_a_file() {
        let (_folder, path) = folder();
        std::thread::scope(|scope| {
            for process in 0..4_u32 {
                let path = &path;
                scope.spawn(move || {
                    for hour in 1..20 {
                        let id = format!("k_{process}_{hour}");
                        LastUsed::keep(path, &uses(&[(&id, hour), ("k_all", hour)]), NOON).unwrap();
                    }
                });
            }
        });
        let kept = LastUsed::read(&path, FileId::default(), Permissions::Private).unwrap();
        assert_eq!((kept.uses.len(), kept.uses["k_all"]), (4 * 19 + 1, 19));
    }
}
