//! Keys from elsewhere, taken up all at once or not at all.

use std::collections::{HashMap, HashSet};
use std::io::{self, BufWriter, Read, Write as _};

use crate::keystore::foreign::{Column, Format, Row, Secret, Wrong, each_row};
use crate::keystore::read::{NO_KEYS, each_line};
use crate::keystore::record::{Record, State};
use crate::keystore::refusal::Refusal;
use crate::keystore::replace::Target;
use crate::keystore::text::Text;
use crate::keystore::timestamp::Timestamp;
use crate::policy::FileId;
use crate::policy::key::{DigestKind, KeyDigest, Pepper};

use super::{Missing, NewRecord, Store, line_of, new_id};

/// Bytes that are written at once.
const BLOCK: usize = 256 * 1024;

/// On what terms keys are taken up.
#[derive(Debug, Clone, Copy)]
pub struct Terms<'a> {
    /// How the rows are written.
    pub format: Format,
    /// The secret under which keys are hashed, where there is one.
    pub pepper: Option<&'a Pepper>,
    /// Whether rows whose key is there already, of the same account and workspace, are left out;
    /// otherwise they are refused.
    pub skip_existing: bool,
    /// Whether nothing is to be written.
    pub dry_run: bool,
    /// Now.
    pub now: Timestamp,
}

/// What was taken up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Imported {
    /// Records that came.
    pub added: usize,
    /// Rows that were left out: their keys had been there.
    pub skipped: usize,
    /// Of those that came, how many have expired.
    pub expired: usize,
    /// Of those that came, how many stood there in plain text.
    pub plain: usize,
}

impl Store {
    /// Adds a record for each row of `input`: all of them, or none where anything is wrong with one.
    /// `admit` says the environment of a row's workspace, or why there can be no such key.
    ///
    /// # Errors
    ///
    /// Why nothing was added; [`Refusal::Foreign`] where it is the rows.
    pub fn import(
        &self,
        input: impl Read,
        terms: Terms<'_>,
        mut admit: impl FnMut(&Row) -> Result<Text<'static>, Wrong>,
    ) -> Result<Imported, Refusal> {
        let target = Target::lock(&self.path)?;
        let mut old = self.content(&target, Missing::IsEmpty)?;
        if old.bytes == NO_KEYS {
            old.bytes.clear();
        }
        let mut known = Known::of(&old.bytes)?;
        let mut file = target.begin()?;
        let mut out = BufWriter::with_capacity(BLOCK, &mut file);
        let mut imported = Imported::default();
        let mut broken = out.write_all(&old.bytes).map_err(|error| self.unwritten(error));
        let problems = each_row(input, terms.format, FileId::default(), |line, row| {
            match known.meet(line, &row, terms)? {
                Met::Known => imported.skipped += 1,
                Met::New(hash) => {
                    let environment = admit(&row)?;
                    if broken.is_err() {
                        return Ok(());
                    }
                    imported.plain += usize::from(matches!(row.secret, Secret::Key(_)));
                    broken = known.free_id().and_then(|id| {
                        let record = record(row, hash, environment, terms.now).with_id(id);
                        let expired = record.state(terms.now.seconds()) == State::Expired;
                        imported.added += 1;
                        imported.expired += usize::from(expired);
                        let line = line_of(&record)?;
                        out.write_all(&line).map_err(|error| self.unwritten(error))
                    });
                }
            }
            Ok(())
        });
        if !problems.is_empty() {
            return Err(Refusal::Foreign(problems));
        }
        broken?;
        out.flush().map_err(|error| self.unwritten(error))?;
        drop(out);
        if !terms.dry_run && imported.added > 0 {
            target.commit(file, old.metadata.as_ref(), self.permissions)?;
        }
        Ok(imported)
    }

    fn unwritten(&self, error: io::Error) -> Refusal {
        Refusal::io(format!("cannot write `{}`", self.path.display()), error)
    }
}

fn record(row: Row, hash: KeyDigest, environment: Text<'static>, now: Timestamp) -> NewRecord {
    NewRecord {
        hash,
        workspace: row.workspace,
        account: row.account,
        environment,
        label: row.label,
        owner: row.owner,
        created: row.created.unwrap_or(now),
        not_before: row.not_before,
        expires: row.expires,
        ceiling: row.ceiling,
    }
}

/// What a row is to the keys that there are.
enum Met {
    /// Its key is there.
    Known,
    /// Its key is not; this is kept of it.
    New(KeyDigest),
}

/// Where a key was seen: in a line of the rows, or of the store.
#[derive(Clone, Copy)]
enum Seen {
    Row(u32),
    Stored(u32),
}

/// The keys that there are, and those that come.
struct Known<'b> {
    bytes: &'b [u8],
    /// Where each line of `bytes` begins.
    starts: Vec<usize>,
    seen: HashMap<[u8; 16], Seen>,
    ids: HashSet<[u8; 16]>,
}

/// Half of a hash is enough to know a thing by, and saves as much memory. One of the hash itself, which
/// somebody may have made up.
fn mark(kind: u8, bytes: &[u8]) -> [u8; 16] {
    let mut hasher = blake3::Hasher::new();
    hasher.update(&[kind]).update(bytes);
    hasher.finalize().as_bytes().first_chunk().copied().unwrap_or_default()
}

fn mark_of(digest: &KeyDigest) -> [u8; 16] {
    mark(digest.kind as u8, &digest.bytes)
}

impl<'b> Known<'b> {
    /// The keys of `bytes`, which must be whole.
    fn of(bytes: &'b [u8]) -> Result<Self, Refusal> {
        let mut known =
            Self { bytes, starts: Vec::new(), seen: HashMap::new(), ids: HashSet::new() };
        if bytes.is_empty() {
            return Ok(known);
        }
        let mut start = 0;
        let problems = each_line(bytes, FileId::default(), |line, text, record| {
            known.starts.push(start);
            start += text.len();
            known.seen.insert(mark_of(&record.hash), Seen::Stored(line));
            known.ids.insert(mark(u8::MAX, record.id.as_bytes()));
        });
        if problems.is_empty() { Ok(known) } else { Err(Refusal::Damaged(problems)) }
    }

    fn free_id(&mut self) -> Result<Text<'static>, Refusal> {
        loop {
            let id = new_id()?;
            if self.ids.insert(mark(u8::MAX, id.as_bytes())) {
                return Ok(id);
            }
        }
    }

    /// Notes the key of a row, unless it is there.
    fn meet(&mut self, line: u32, row: &Row, terms: Terms<'_>) -> Result<Met, Wrong> {
        let (column, digests, kept) = match &row.secret {
            Secret::Hash(hash) => {
                if hash.kind == DigestKind::Blake3Keyed && terms.pepper.is_none() {
                    let message = "it is `blake3-keyed` and there is no pepper";
                    return Err(Wrong::new(Column::Hash, message).hint(
                        "name the 32-byte file in `sidegate.toml`: pepper = \"pepper.bin\"",
                    ));
                }
                (Column::Hash, [Some(*hash), None, None], *hash)
            }
            // Somebody may have kept a hash of it of another kind.
            Secret::Key(key) => {
                let digests = DigestKind::ALL.map(|kind| key.digest_of(kind, terms.pepper));
                (Column::Key, digests, key.digest(terms.pepper))
            }
        };
        let marks = digests.iter().flatten().map(mark_of);
        let seen = marks.clone().find_map(|mark| self.seen.get(&mark).copied());
        match seen {
            None => {
                self.seen.extend(marks.map(|mark| (mark, Seen::Row(line))));
                Ok(Met::New(kept))
            }
            Some(Seen::Row(first)) => {
                Err(Wrong::new(column, format!("the row in line {first} has the same key")))
            }
            Some(Seen::Stored(stored)) => {
                let record = self.stored(stored);
                let is_same = record.as_ref().is_some_and(|record| {
                    *record.workspace == *row.workspace && *record.account == *row.account
                });
                match (terms.skip_existing, is_same) {
                    (true, true) => Ok(Met::Known),
                    (skip, _) => Err(is_there(column, record.as_ref(), skip)),
                }
            }
        }
    }

    /// The record in that line.
    fn stored(&self, line: u32) -> Option<Record<'b>> {
        let start = *self.starts.get(line.checked_sub(1)? as usize)?;
        let rest = self.bytes.get(start..)?;
        Record::parse(rest.split(|byte| *byte == b'\n').next()?).ok()
    }
}

fn is_there(column: Column, record: Option<&Record<'_>>, skip: bool) -> Wrong {
    let message = match record {
        None => "this key is there already".to_owned(),
        Some(Record { id, account, workspace, .. }) => {
            format!("this key is there already: `{id}` of {account} in {workspace}")
        }
    };
    Wrong::new(column, message).hint(match skip {
        true => {
            "`--skip-existing` leaves out only what is there for the same account and workspace"
        }
        false => "`--skip-existing` leaves out what is there",
    })
}
