//! Keys by digest: one record of fixed size each, their ids in one string.

mod told;

use std::ops::Range;

use hashbrown::HashTable;
use prefetch_index::prefetch_index;

use super::catalog::Catalog;
use super::ceiling::Ceiling;
use super::holder::Reader;
use super::names::Map;
use super::places::{Entry, Places};
use super::record::{Key, Seconds};
use super::workspaces::Workspaces;
use crate::policy::draft::{DraftCeiling, DraftKey};
use crate::policy::key::{DigestKind, KeyDigest, LONGEST_KEY, Pepper};
use crate::policy::problem::Problem;

pub(in crate::policy) use told::{Times, Told};

/// Every key record.
#[derive(Debug, Default)]
pub(in crate::policy) struct Keys {
    /// By kind of digest, and there by place. Not every place has a key.
    records: Vec<Key>,
    /// Where in `ids` the id of each record starts.
    id_starts: Vec<u32>,
    ids: String,
    count: usize,
    /// One a kind: a digest of one kind is never taken for one of another.
    shelves: [Shelf; DigestKind::ALL.len()],
    pepper: Option<Pepper>,
    ceilings: Vec<Ceiling>,
}

/// Where the records of one kind of digest are.
#[derive(Debug, Default)]
struct Shelf {
    places: Places,
    /// The number of the record at the first place.
    first: usize,
    /// Those that have no place, in the order of their digests.
    rest: Range<usize>,
}

/// A text that is looked for, with what is known of where it will be found.
pub(in crate::policy) struct Search<'t> {
    text: &'t str,
    /// Of the first kind that there are keys of; and its place.
    first: Option<(KeyDigest, Option<usize>)>,
}

/// Where an id stands in the one string, its length, and its line.
type Ids = HashTable<(u32, u8, u32)>;

impl Keys {
    pub(super) fn compile(
        drafts: Vec<DraftKey>,
        pepper: Option<Pepper>,
        catalog: &Catalog,
        workspaces: &mut Workspaces,
        problems: &mut Vec<Problem>,
    ) -> Self {
        let mut keys = Self {
            ids: String::with_capacity(drafts.iter().map(|draft| draft.id.len()).sum()),
            count: drafts.len(),
            pepper,
            ceilings: vec![Ceiling::OPEN],
            ..Self::default()
        };
        let numbers = keys.number(&drafts, problems);
        let mut ceilings: Map<DraftCeiling, u32> = Map::default();
        let mut ids: Ids = HashTable::with_capacity(drafts.len());
        for (draft, number) in drafts.into_iter().zip(numbers) {
            let mut reader = Reader { catalog, workspaces, problems, draft: &draft };
            let (workspace, account, access) = reader.holder();
            let ceiling = match &draft.ceiling {
                None => 0,
                Some(written) => *ceilings.entry(written.clone()).or_insert_with(|| {
                    keys.ceilings.push(reader.ceiling(written));
                    keys.ceilings.len() as u32 - 1
                }),
            };
            let id_at = keys.ids.len() as u32;
            keys.ids.push_str(&draft.id);
            keys.check_id(&draft, id_at, &mut ids, problems);
            keys.check_digest(&draft, problems);
            if let Some(record) = keys.records.get_mut(number as usize) {
                *record = Key {
                    digest: draft.digest.bytes,
                    not_before: draft.not_before.map_or(Seconds::ALWAYS, Seconds::new),
                    expires: draft.expires.map_or(Seconds::NEVER, Seconds::new),
                    revoked: draft.revoked.map_or(Seconds::NEVER, Seconds::new),
                    id_length: draft.id.len() as u8,
                    workspace,
                    account,
                    access,
                    ceiling,
                };
            }
            if let Some(start) = keys.id_starts.get_mut(number as usize) {
                *start = id_at;
            }
        }
        keys
    }

    /// Finds a place for every key, and those that have the same hash. The number of its record for
    /// each draft.
    fn number(&mut self, drafts: &[DraftKey], problems: &mut Vec<Problem>) -> Vec<u32> {
        let mut numbers = vec![0; drafts.len()];
        let mut entries: [Vec<Entry>; DigestKind::ALL.len()] = Default::default();
        for (draft, number) in drafts.iter().zip(0..) {
            if let Some(entries) = entries.get_mut(draft.digest.kind as usize) {
                entries.push(Entry::new(&draft.digest.bytes, number));
            }
        }
        let mut first = 0;
        for (shelf, entries) in self.shelves.iter_mut().zip(entries) {
            let mut number = |draft: u32, record: usize| {
                if let Some(number) = numbers.get_mut(draft as usize) {
                    *number = record as u32;
                }
            };
            let (places, without) =
                Places::new(entries, |draft, place| number(draft, first + place));
            let mut rest: Vec<_> = without
                .into_iter()
                .filter_map(|number| Some((drafts.get(number as usize)?, number)))
                .collect();
            rest.sort_unstable_by_key(|(draft, _)| (draft.digest.bytes, draft.place));
            report_same_hashes(&rest, problems);
            let start = first + places.count();
            let end = start + rest.len();
            rest.iter().zip(start..).for_each(|((_, draft), record)| number(*draft, record));
            *shelf = Shelf { places, first, rest: start..end };
            first = end;
        }
        self.records = vec![Key::VACANT; first];
        self.id_starts = vec![0; first];
        numbers
    }

    fn check_id(&self, draft: &DraftKey, at: u32, ids: &mut Ids, problems: &mut Vec<Problem>) {
        if draft.id.is_empty() || draft.id.len() > 64 || !draft.id.bytes().all(is_id_byte) {
            problems.push(
                Problem::error(draft.place, format!("key `{}`: its id is not one", draft.id))
                    .hint("an id has 1 to 64 letters, digits, `_` or `-`"),
            );
        }
        let text = |(at, length, _): &(u32, u8, u32)| self.id_at(*at, *length);
        let hash = |id: &str| crc32fast::hash(id.as_bytes()).into();
        match ids.find(hash(&draft.id), |other| text(other) == &*draft.id) {
            Some((.., line)) => problems.push(Problem::error(
                draft.place,
                format!("key `{}`: line {line} has the same id", draft.id),
            )),
            None => {
                let id = (at, draft.id.len() as u8, draft.place.line);
                ids.insert_unique(hash(&draft.id), id, |other| hash(text(other)));
            }
        }
    }

    fn check_digest(&self, draft: &DraftKey, problems: &mut Vec<Problem>) {
        if draft.digest.kind == DigestKind::Blake3Keyed && self.pepper.is_none() {
            problems.push(
                Problem::error(
                    draft.place,
                    format!(
                        "key `{}`: its hash is `blake3-keyed` and there is no pepper",
                        draft.id
                    ),
                )
                .hint("name the 32-byte file in `sidegate.toml`: pepper = \"pepper.bin\""),
            );
        }
    }

    /// Starts to look for the key of that text. What is read of far memory is on its way from then
    /// on, so that it is worth doing something else before [`find`](Self::find). Of a text that is
    /// too long for a key nothing is read.
    pub(in crate::policy) fn seek<'t>(&self, text: &'t str) -> Search<'t> {
        if text.len() > LONGEST_KEY {
            return Search { text, first: None };
        }
        let first = DigestKind::ALL.into_iter().find_map(|kind| self.digest(kind, text));
        let first = first.map(|digest| (digest, self.place(&digest)));
        if let Some((_, Some(number))) = first {
            prefetch_index(&self.records, number);
        }
        Search { text, first }
    }

    /// The key of that text, whatever kind of digest is kept of it.
    pub(in crate::policy) fn find(&self, search: &Search<'_>) -> Option<(u32, &Key)> {
        let (first, place) = &search.first?;
        self.record(first, *place).or_else(|| {
            let others = DigestKind::ALL.into_iter().filter(|kind| *kind > first.kind);
            let mut digests = others.filter_map(|kind| self.digest(kind, search.text));
            digests.find_map(|digest| self.record(&digest, self.place(&digest)))
        })
    }

    /// The digest of a text, where there are keys of that kind.
    fn digest(&self, kind: DigestKind, text: &str) -> Option<KeyDigest> {
        self.shelves.get(kind as usize).filter(|shelf| shelf.rest.end > shelf.first)?;
        match kind {
            DigestKind::Blake3 => Some(KeyDigest::blake3(text)),
            DigestKind::Blake3Keyed => {
                self.pepper.as_ref().map(|pepper| KeyDigest::blake3_keyed(text, pepper))
            }
            DigestKind::Sha256 => Some(KeyDigest::sha256(text)),
        }
    }

    /// The number of the record in whose place a digest is, if it has one.
    fn place(&self, digest: &KeyDigest) -> Option<usize> {
        let shelf = self.shelves.get(digest.kind as usize)?;
        Some(shelf.first + shelf.places.place(&digest.bytes)?)
    }

    fn record(&self, digest: &KeyDigest, place: Option<usize>) -> Option<(u32, &Key)> {
        let number = match place {
            Some(number) => number,
            None => {
                let rest = self.shelves.get(digest.kind as usize)?.rest.clone();
                let without = self.records.get(rest.clone())?;
                let at = without.binary_search_by(|key| key.digest.cmp(&digest.bytes)).ok()?;
                rest.start + at
            }
        };
        let key = self.records.get(number).filter(|key| !key.is_vacant())?;
        (key.digest == digest.bytes).then_some((number as u32, key))
    }

    pub(in crate::policy) fn key(&self, number: u32) -> Option<&Key> {
        self.records.get(number as usize)
    }

    /// The id of the key of that number.
    pub(in crate::policy) fn id(&self, number: u32) -> &str {
        let start = self.id_starts.get(number as usize).copied().unwrap_or(0);
        self.id_at(start, self.key(number).map_or(0, |key| key.id_length))
    }

    fn id_at(&self, at: u32, length: u8) -> &str {
        let at = at as usize;
        self.ids.get(at..at + usize::from(length)).unwrap_or("")
    }

    pub(in crate::policy) fn ceiling(&self, key: &Key) -> Option<&Ceiling> {
        self.ceilings.get(key.ceiling as usize)
    }

    pub(in crate::policy) fn iter(&self) -> impl Iterator<Item = &Key> {
        self.records.iter().filter(|key| !key.is_vacant())
    }

    /// What the number of every record is below.
    pub(in crate::policy) fn numbers(&self) -> usize {
        self.records.len()
    }

    pub(in crate::policy) fn len(&self) -> usize {
        self.count
    }
}

/// Of drafts in the order of their digests.
fn report_same_hashes(drafts: &[(&DraftKey, u32)], problems: &mut Vec<Problem>) {
    for same in drafts.chunk_by(|(one, _), (other, _)| one.digest == other.digest) {
        let Some(((first, _), others)) = same.split_first() else { continue };
        problems.extend(others.iter().map(|(draft, _)| {
            let (id, line) = (&draft.id, first.place.line);
            Problem::error(draft.place, format!("key `{id}`: line {line} has the same hash"))
        }));
    }
}

fn is_id_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-')
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::problem::Place;
    use crate::policy::time::UnixSeconds;

    fn draft(digest: [u8; 32], number: u32) -> DraftKey {
        DraftKey {
            place: Place::default(),
            id: format!("k_{number}").into(),
            digest: KeyDigest { kind: DigestKind::Blake3, bytes: digest },
            workspace: "gone".into(),
            account: "nobody".into(),
            environment: "production".into(),
            not_before: None,
            expires: None,
            revoked: Some(UnixSeconds(0)),
            ceiling: None,
        }
    }

    /// Digests that somebody made up, here all but the last byte alike, have no places.
    #[test]
    fn every_key_is_found_with_a_place_and_without() {
        let good = (0..1000_u32).map(|n| *blake3::hash(&n.to_be_bytes()).as_bytes());
        let alike = (0..200_u8).map(|n| std::array::from_fn(|at| if at == 31 { n } else { 7 }));
        let digests: Vec<[u8; 32]> = good.chain(alike).collect();
        let drafts = digests.iter().zip(0..).map(|(digest, n)| draft(*digest, n)).collect();
        let mut problems = Vec::new();
        let (catalog, mut workspaces) = (Catalog::default(), Workspaces::default());
        let keys = Keys::compile(drafts, None, &catalog, &mut workspaces, &mut problems);
        assert_eq!((problems, keys.len(), keys.iter().count()), (Vec::new(), 1200, 1200));
        let found = |bytes| {
            let digest = KeyDigest { kind: DigestKind::Blake3, bytes };
            keys.record(&digest, keys.place(&digest)).map(|(number, _)| keys.id(number))
        };
        for (digest, number) in digests.iter().zip(0..) {
            assert_eq!(found(*digest), Some(format!("k_{number}").as_str()));
        }
        let unknown = (0..=u8::MAX).map(|n| *blake3::hash(&[n]).as_bytes());
        for digest in unknown.chain([[0; 32], [0xff; 32]]) {
            assert_eq!(found(digest), None);
        }
    }
}
