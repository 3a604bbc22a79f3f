//! Changes to the key file.

mod edit;
mod import;
mod prune;
mod revoke;
mod rotate;

use std::fs::Metadata;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::thread;

use memchr::memchr;

use crate::policy::key::{BASE62, KeyDigest};
use crate::policy::{FileId, Place, Problem, nearest};

use super::permissions::Permissions;
use super::read::{NO_KEYS, each_line, open};
use super::record::{Ceiling, Record};
use super::refusal::Refusal;
use super::replace::Target;
use super::text::Text;
use super::timestamp::Timestamp;

pub use import::{Imported, Terms};
pub use revoke::{Revoked, Whom};
pub use rotate::Rotated;

/// The key file, to be changed. Every change keeps every other line, byte for byte.
#[derive(Debug)]
pub struct Store {
    path: PathBuf,
    permissions: Permissions,
}

/// A record before it has an id.
#[derive(Debug, Clone)]
pub struct NewRecord {
    /// What is kept of the key's text.
    pub hash: KeyDigest,
    /// The workspace that the key is of.
    pub workspace: Text<'static>,
    /// The account that it speaks for.
    pub account: Text<'static>,
    /// The workspace's environment.
    pub environment: Text<'static>,
    /// What somebody calls it.
    pub label: Option<Text<'static>>,
    /// Who is asked about it.
    pub owner: Option<Text<'static>>,
    /// Now.
    pub created: Timestamp,
    /// Not valid before.
    pub not_before: Option<Timestamp>,
    /// Not valid from this second on.
    pub expires: Option<Timestamp>,
    /// What it can reach at most.
    pub ceiling: Option<Ceiling>,
}

/// What became of a record that was to be revoked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Revocation {
    /// It had been revoked; nothing was written.
    Already(Record<'static>),
    /// It is revoked now.
    Done(Record<'static>),
}

impl NewRecord {
    fn with_id(self, id: Text<'static>) -> Record<'static> {
        Record {
            id,
            hash: self.hash,
            workspace: self.workspace,
            account: self.account,
            environment: self.environment,
            label: self.label,
            owner: self.owner,
            created: self.created,
            not_before: self.not_before,
            expires: self.expires,
            revoked: None,
            reason: None,
            ceiling: self.ceiling,
        }
    }
}

impl Store {
    /// The key file at `path`; a link is followed.
    pub fn new(path: impl Into<PathBuf>, permissions: Permissions) -> Self {
        Self { path: path.into(), permissions }
    }

    /// Where the file is said to be.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Adds a record under a new id. A file that is not there is made.
    ///
    /// # Errors
    ///
    /// Why nothing was added.
    pub fn add(&self, new: NewRecord) -> Result<Record<'static>, Refusal> {
        let target = Target::lock(&self.path)?;
        let mut old = self.content(&target, Missing::IsEmpty)?;
        if old.bytes == NO_KEYS {
            old.bytes.clear();
        }
        let record = new.with_id(free_id(&old.bytes)?);
        let line = line_of(&record)?;
        target.replace(old.metadata.as_ref(), self.permissions, &[&old.bytes, &line])?;
        Ok(record)
    }

    /// Revokes the key with this id from `now` on, and keeps why.
    ///
    /// # Errors
    ///
    /// Why nothing was revoked.
    pub fn revoke(
        &self,
        id: &str,
        now: Timestamp,
        reason: Option<Text<'static>>,
    ) -> Result<Revocation, Refusal> {
        let target = Target::lock(&self.path)?;
        let old = self.content(&target, Missing::IsAnError)?;
        let Some(found) = find(id, &old.bytes)? else { return Err(unknown(id, &old.bytes)) };
        if found.record.revoked.is_some_and(|since| since <= now) {
            return Ok(Revocation::Already(found.record));
        }
        let record = found.record.revoke(now, reason);
        let line = line_of(&record)?;
        let (before, rest) = old.bytes.split_at_checked(found.start).unwrap_or_default();
        let after = rest.get(found.length..).unwrap_or_default();
        target.replace(old.metadata.as_ref(), self.permissions, &[before, &line, after])?;
        Ok(Revocation::Done(record))
    }

    fn content(&self, target: &Target, missing: Missing) -> Result<Content, Refusal> {
        if matches!(missing, Missing::IsEmpty) && !target.path().exists() {
            return Ok(Content { bytes: Vec::new(), metadata: None });
        }
        let mut problems = Vec::new();
        let file = open(target.path(), FileId::default(), self.permissions, &mut problems);
        let Some(mut file) = file else { return Err(Refusal::Damaged(problems)) };
        let read = |error| Refusal::io(format!("cannot read `{}`", self.path.display()), error);
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).map_err(read)?;
        Ok(Content { bytes, metadata: Some(file.metadata().map_err(read)?) })
    }
}

enum Missing {
    IsAnError,
    IsEmpty,
}

struct Content {
    bytes: Vec<u8>,
    metadata: Option<Metadata>,
}

struct Found {
    line: u32,
    start: usize,
    length: usize,
    record: Record<'static>,
}

/// Bytes for which one more thread is worth its start.
const WORTHWHILE: usize = 1024 * 1024;

/// Reads all of `bytes`, which must be whole, and finds the record with this id.
fn find(id: &str, bytes: &[u8]) -> Result<Option<Found>, Refusal> {
    match find_at_once(id, bytes) {
        Some(found) => Ok(found),
        None => find_in_order(id, bytes),
    }
}

/// As [`find_in_order`], on several threads; nothing where anything has to be said of the file.
fn find_at_once(id: &str, bytes: &[u8]) -> Option<Option<Found>> {
    let cores = thread::available_parallelism().map_or(1, |cores| cores.get().min(4));
    let parts = parts(bytes, cores.min(bytes.len() / WORTHWHILE));
    let found = thread::scope(|scope| {
        let reading = |(start, part): (usize, &'_ [u8])| {
            let found = find_in_order(id, part).ok()?;
            Some(found.map(|found| Found { start: start + found.start, ..found }))
        };
        let readers: Vec<_> =
            parts.into_iter().map(|part| scope.spawn(move || reading(part))).collect();
        let found: Option<Vec<_>> =
            readers.into_iter().map(|reader| reader.join().ok().flatten()).collect();
        found
    })?;
    let mut found = found.into_iter().flatten();
    match (found.next(), found.next()) {
        (found, None) => Some(found),
        _ => None,
    }
}

/// About so many parts of whole lines, and where each begins.
fn parts(mut bytes: &[u8], count: usize) -> Vec<(usize, &[u8])> {
    let length = bytes.len() / count.max(1);
    let mut parts = Vec::new();
    let mut start = 0;
    while parts.len() + 1 < count
        && let Some(rest) = bytes.get(length..)
        && let Some(newline) = memchr(b'\n', rest)
        && let Some((part, rest)) = bytes.split_at_checked(length + newline + 1)
    {
        parts.push((start, part));
        start += part.len();
        bytes = rest;
    }
    parts.push((start, bytes));
    parts
}

fn find_in_order(id: &str, bytes: &[u8]) -> Result<Option<Found>, Refusal> {
    let file = FileId::default();
    let mut start = 0;
    let mut found: Option<Found> = None;
    let mut twice = None;
    let problems = each_line(bytes, file, |line, text, record| {
        let length = text.len();
        if *record.id == *id {
            match &found {
                Some(first) => twice = Some((first.line, line)),
                None => found = Some(Found { line, start, length, record: record.into_owned() }),
            }
        }
        start += length;
    });
    if !problems.is_empty() {
        return Err(Refusal::Damaged(problems));
    }
    if let Some((first, second)) = twice {
        let place = Place { file, line: second, column: 0 };
        let message = format!("the id `{id}` stands in line {first}, too");
        return Err(Refusal::Damaged(vec![Problem::error(place, message)]));
    }
    Ok(found)
}

/// An id that no record of whole `bytes` has.
fn free_id(bytes: &[u8]) -> Result<Text<'static>, Refusal> {
    let mut id = new_id()?;
    // 62^10 ids: that one is taken is an accident of once in a lifetime, but then it is met.
    while !bytes.is_empty() && find(&id, bytes)?.is_some() {
        id = new_id()?;
    }
    Ok(id)
}

fn unknown(id: &str, bytes: &[u8]) -> Refusal {
    let mut ids = Vec::new();
    each_line(bytes, FileId::default(), |_, _, record| ids.push(record.id.to_string()));
    let nearest = nearest(id, ids.iter().map(String::as_str)).map(str::to_owned);
    Refusal::Unknown { id: id.to_owned(), nearest }
}

fn line_of(record: &Record<'_>) -> Result<Vec<u8>, Refusal> {
    let mut line = serde_json::to_vec(record)
        .map_err(|error| Refusal::io("cannot write a record", error.into()))?;
    line.push(b'\n');
    Ok(line)
}

/// `k_` and ten base62 characters, each as likely as the others.
fn new_id() -> Result<Text<'static>, Refusal> {
    let mut id = String::from("k_");
    let mut random = [0; 16];
    while id.len() < 12 {
        getrandom::fill(&mut random)
            .map_err(|error| Refusal::io("no new id", io::Error::other(error.to_string())))?;
        // 248 = 4 × 62: the bytes above it would favour some characters.
        let fair = random.iter().filter(|byte| **byte < 248);
        id.extend(
            fair.filter_map(|byte| BASE62.get(usize::from(byte % 62))).map(|c| char::from(*c)),
        );
        id.truncate(12);
    }
    Text::parse(id).map_err(|why| Refusal::io(why, io::ErrorKind::InvalidData.into()))
}

#[cfg(test)]
#[expect(clippy::string_slice, reason = "the texts are ASCII")]
mod tests {
    use std::collections::BTreeSet;
    use std::fs;
    use std::os::unix::fs::{PermissionsExt as _, symlink};
    use std::process::{Command, Stdio};
    use std::thread;

    use proptest::prelude::*;

    use super::super::api_key::ApiKey;
    use super::super::read::records;
    use super::super::record::tests::LINE;
    use super::*;

    fn time(seconds: i64) -> Timestamp {
        Timestamp::new(crate::policy::UnixSeconds(seconds)).unwrap()
    }

    fn new_record() -> NewRecord {
        let text = |text| Text::parse(text).unwrap();
        NewRecord {
            hash: ApiKey::generate("production").unwrap().digest(None),
            workspace: text("acme-prod"),
            account: text("svc-reporting"),
            environment: text("production"),
            label: None,
            owner: None,
            created: time(0),
            not_before: None,
            expires: Some(time(7)),
            ceiling: None,
        }
    }

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    fn write(path: &Path, content: &str, mode: u32) {
        fs::write(path, content).unwrap();
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    }

    fn names(folder: &Path) -> BTreeSet<String> {
        let entries = fs::read_dir(folder).unwrap();
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    }

    #[test]
    fn the_first_record_makes_a_private_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("keys.jsonl");
        let store = Store::new(&path, Permissions::Private);
        let record = store.add(new_record()).unwrap();
        assert_eq!(mode(&path), 0o600);
        assert_eq!(names(folder.path()), BTreeSet::from(["keys.jsonl".to_owned()]));
        assert!(record.id.len() == 12 && record.id.starts_with("k_"), "{}", record.id);
        let (read, problems) = records(&path, FileId(0), Permissions::Private);
        assert_eq!((read, problems), (vec![record], vec![]));
    }

    /// On several threads, wherever the record or the damage stands.
    #[test]
    fn a_large_file_is_read_as_a_small_one() {
        let line = |n: usize| LINE.replace("7Q2M", &format!("{n:06}")) + "\n";
        let lines: Vec<String> = (0..20_000).map(line).collect();
        let text = lines.concat();
        assert!(text.len() > 4 * WORTHWHILE);
        for n in [0, 1, 4_999, 5_000, 10_000, 19_999] {
            let found = find(&format!("k_{n:06}"), text.as_bytes()).unwrap().unwrap();
            assert_eq!(&text[found.start..found.start + found.length], lines[n]);
        }
        assert!(find("k_other", text.as_bytes()).unwrap().is_none());
        for n in [0, 7_777, 19_999] {
            let mut damaged = lines.clone();
            damaged[n] = damaged[n].replace("label", "lable");
            let Err(Refusal::Damaged(problems)) = find("k_000001", damaged.concat().as_bytes())
            else {
                panic!("{n}")
            };
            assert_eq!(problems[0].place.line as usize, n + 1);
        }
        let twice = text.clone() + &lines[5];
        let Err(Refusal::Damaged(problems)) = find("k_000005", twice.as_bytes()) else { panic!() };
        assert_eq!(problems[0].place.line, 20_001);
    }

    #[test]
    fn parts_are_whole_lines_and_all_of_it() {
        for count in 0..9 {
            for text in ["", "\n", "a\n", "aa\nb\n\ncccccccc\nd\n", "no end"] {
                let parts = parts(text.as_bytes(), count);
                assert!(parts.len() <= count.max(1), "{text:?} in {count}");
                assert_eq!(
                    parts.iter().map(|(_, part)| *part).collect::<Vec<_>>().concat(),
                    text.as_bytes()
                );
                let (last, before) = parts.split_last().unwrap();
                assert!(before.iter().all(|(_, part)| part.ends_with(b"\n")));
                assert_eq!(last.0 + last.1.len(), text.len());
            }
        }
    }

    #[test]
    fn the_first_record_follows_nothing() {
        for content in ["", "\n"] {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("keys.jsonl");
            write(&path, content, 0o600);
            let store = Store::new(&path, Permissions::Private);
            assert!(store.revoke("k_7Q2M", time(5), None).is_err(), "{content:?}");
            assert_eq!(fs::read_to_string(&path).unwrap(), content);
            store.add(new_record()).unwrap();
            let (read, problems) = records(&path, FileId(0), Permissions::Private);
            assert_eq!((read.len(), problems), (1, vec![]), "{content:?}");
        }
    }

    #[test]
    fn revoking_twice_says_since_when() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::new(folder.path().join("keys.jsonl"), Permissions::Private);
        let id = store.add(new_record()).unwrap().id;
        let Revocation::Done(done) = store.revoke(&id, time(5), None).unwrap() else { panic!() };
        assert_eq!(done.revoked, Some(time(5)));
        let before = fs::read(store.path()).unwrap();
        assert_eq!(store.revoke(&id, time(9), None).unwrap(), Revocation::Already(done));
        assert_eq!(fs::read(store.path()).unwrap(), before);
    }

    #[test]
    fn a_revocation_in_the_future_is_brought_forward() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("keys.jsonl");
        let line = LINE.replace("\"revoked\":null", "\"revoked\":\"2100-01-01T00:00:00Z\"");
        write(&path, &format!("{line}\n"), 0o600);
        Store::new(&path, Permissions::Private).revoke("k_7Q2M", time(5), None).unwrap();
        let (read, _) = records(&path, FileId(0), Permissions::Private);
        assert_eq!(read[0].revoked, Some(time(5)));
    }

    #[test]
    fn an_unknown_id_is_guessed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("keys.jsonl");
        write(&path, &format!("{LINE}\n"), 0o600);
        let store = Store::new(&path, Permissions::Private);
        for (id, expected) in [
            ("k_7Q2N", "no key has the id `k_7Q2N` — did you mean `k_7Q2M`?"),
            ("else", "no key has the id `else` — `sidegate key list` shows them all"),
        ] {
            assert_eq!(store.revoke(id, time(5), None).unwrap_err().to_string(), expected);
        }
    }

    #[test]
    fn nothing_is_changed_where_something_is_wrong() {
        let cut = &LINE[..99];
        let cases = [
            (format!("{LINE}\n{cut}\n"), 0o600, 2, "the record is cut off before its end"),
            (format!("{LINE}\n{cut}"), 0o600, 2, "the last line has no newline"),
            (format!("{LINE}\n\n"), 0o600, 2, "the line is blank"),
            (format!("{LINE}\n"), 0o644, 0, "mode 0644"),
        ];
        for (content, mode, line, expected) in cases {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("keys.jsonl");
            write(&path, &content, mode);
            let store = Store::new(&path, Permissions::Private);
            for refusal in [
                store.add(new_record()).unwrap_err(),
                store.revoke("k_7Q2M", time(5), None).unwrap_err(),
            ] {
                let Refusal::Damaged(problems) = refusal else { panic!("{refusal}") };
                assert_eq!(problems.len(), 1);
                assert_eq!(problems[0].place.line, line);
                assert!(problems[0].message.starts_with(expected), "{}", problems[0]);
            }
            assert_eq!(fs::read_to_string(&path).unwrap(), content);
            assert_eq!(names(folder.path()).len(), 1);
        }
    }

    #[test]
    fn of_two_records_with_one_id_none_is_left_in_force_unseen() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("keys.jsonl");
        write(&path, &format!("{LINE}\n{LINE}\n"), 0o600);
        let refusal = Store::new(&path, Permissions::Private).revoke("k_7Q2M", time(5), None);
        let Refusal::Damaged(problems) = refusal.unwrap_err() else { panic!() };
        assert_eq!(problems[0].to_string(), "the id `k_7Q2M` stands in line 1, too");
    }

    #[test]
    fn a_link_stays_and_its_file_is_replaced() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("data")).unwrap();
        let (file, link) = (folder.path().join("data/real"), folder.path().join("keys.jsonl"));
        symlink("data/real", &link).unwrap();
        let store = Store::new(&link, Permissions::Private);
        let refused = store.add(new_record()).unwrap_err().to_string();
        assert!(refused.ends_with("it is a link to a file that is not there"), "{refused}");
        write(&file, &format!("{LINE}\n"), 0o600);
        store.add(new_record()).unwrap();
        assert_eq!(fs::read_link(&link).unwrap(), Path::new("data/real"));
        assert_eq!(fs::read_to_string(&file).unwrap().lines().count(), 2);
        assert_eq!(names(folder.path()).len(), 2);
    }

    #[test]
    fn the_mode_stays_and_is_never_wider() {
        let cases = [
            (0o400, Permissions::Private, 0o400),
            (0o600, Permissions::Private, 0o600),
            (0o611, Permissions::Private, 0o600),
            (0o640, Permissions::Insecure, 0o640),
            (0o600, Permissions::Insecure, 0o600),
        ];
        for (before, permissions, after) in cases {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("keys.jsonl");
            write(&path, &format!("{LINE}\n"), before);
            Store::new(&path, permissions).add(new_record()).unwrap();
            assert_eq!(mode(&path), after, "{before:o}");
        }
    }

    #[test]
    fn what_a_killed_writer_left_is_cleared_away() {
        let folder = tempfile::tempdir().unwrap();
        write(&folder.path().join(".keys.jsonl.new"), "half", 0o644);
        let store = Store::new(folder.path().join("keys.jsonl"), Permissions::Private);
        store.add(new_record()).unwrap();
        assert_eq!(names(folder.path()), BTreeSet::from(["keys.jsonl".to_owned()]));
    }

    #[test]
    fn concurrent_writers_lose_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("keys.jsonl");
        let writers = (0..8).map(|_| {
            let store = Store::new(&path, Permissions::Private);
            thread::spawn(move || {
                let add = |_| store.add(new_record()).unwrap().id.to_string();
                (0..20).map(add).collect::<Vec<_>>()
            })
        });
        let writers: Vec<_> = writers.collect();
        let ids = writers.into_iter().flat_map(|writer| writer.join().unwrap());
        let ids: BTreeSet<_> = ids.collect();
        let (records, problems) = records(&path, FileId(0), Permissions::Private);
        let read: BTreeSet<_> = records.iter().map(|record| record.id.to_string()).collect();
        assert_eq!((records.len(), problems.len()), (160, 0));
        assert_eq!(read, ids);
    }

    const VICTIMS_PATH: &str = "SIDEGATE_TEST_VICTIMS_PATH";

    #[test]
    fn a_killed_writer_leaves_the_old_file_or_the_new() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("keys.jsonl");
        let store = Store::new(&path, Permissions::Private);
        store.add(new_record()).unwrap();
        let count = || {
            let (records, problems) = records(&path, FileId(0), Permissions::Private);
            assert_eq!(problems, []);
            records.len()
        };
        for _ in 0..5 {
            let before = count();
            let mut victim = Command::new(std::env::current_exe().unwrap())
                .args(["--exact", "keystore::store::tests::the_victim", "--ignored"])
                .env(VICTIMS_PATH, &path)
                .stdout(Stdio::null())
                .spawn()
                .unwrap();
            while count() < before + 20 {
                assert!(
                    victim.try_wait().unwrap().is_none(),
                    "the victim works until it is killed"
                );
            }
            victim.kill().unwrap();
            victim.wait().unwrap();
            let after = count();
            store.add(new_record()).unwrap();
            assert_eq!(count(), after + 1);
        }
    }

    #[test]
    #[ignore = "run by `a_killed_writer_leaves_the_old_file_or_the_new`"]
    #[expect(clippy::disallowed_methods, reason = "a test tells its child where to write")]
    fn the_victim() {
        let Ok(path) = std::env::var(VICTIMS_PATH) else { return };
        let store = Store::new(path, Permissions::Private);
        for _ in 0..10_000 {
            store.add(new_record()).unwrap();
        }
    }

    /// Lines as people and other tools write them.
    fn line() -> impl Strategy<Value = String> {
        let text = |field: &'static str| {
            let odd = proptest::string::string_regex("[ -!#-\\[\\]-~äß→]{1,12}").unwrap();
            odd.prop_map(move |label| format!("\"{field}\":\"{label}\""))
        };
        (text("label"), " {0,3}", prop::bool::ANY, prop::bool::ANY).prop_map(
            |(label, space, ceiling, carriage)| {
                let mut line = LINE.replace("\"label\":\"nightly export\"", &label);
                if !ceiling {
                    line = line.replace(r#"{"level":"view","products":["vault"]}"#, "null");
                }
                format!(
                    "{space}{}{space}{}\n",
                    line.replace("\":", &format!("\"{space}: ")),
                    if carriage { "\r" } else { "" }
                )
            },
        )
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]
        #[test]
        fn every_other_line_stays_byte_for_byte(
            lines in prop::collection::vec(line(), 1..8),
            revoked in any::<prop::sample::Index>(),
        ) {
            let lines: Vec<_> = lines
                .iter()
                .enumerate()
                .map(|(number, line)| line.replace("k_7Q2M", &format!("k_{number}")))
                .collect();
            let revoked = revoked.index(lines.len());
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("keys.jsonl");
            write(&path, &lines.concat(), 0o600);
            let store = Store::new(&path, Permissions::Private);
            store.add(new_record()).unwrap();
            store.revoke(&format!("k_{revoked}"), time(5), None).unwrap();
            let after = fs::read_to_string(&path).unwrap();
            let after: Vec<_> = after.split_inclusive('\n').collect();
            prop_assert_eq!(after.len(), lines.len() + 1);
            for (number, (after, before)) in after.iter().zip(&lines).enumerate() {
                if number == revoked {
                    let mut record = Record::parse(before.as_bytes()).unwrap();
                    record.revoked = Some(time(5));
                    prop_assert_eq!(Record::parse(after.as_bytes()).unwrap(), record);
                } else {
                    prop_assert_eq!(after, before);
                }
            }
        }
    }
}
