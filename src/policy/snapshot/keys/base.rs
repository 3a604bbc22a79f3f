//! The keys that a policy was compiled with: one record of fixed size each, their ids in one string.

use std::ops::Range;
use std::sync::Arc;

use prefetch_index::prefetch_index;

use super::super::catalog::Catalog;
use super::super::ceiling::Ceiling;
use super::super::holder::Reader;
use super::super::places::{Entry, Places};
use super::super::record::Key;
use super::super::workspaces::Workspaces;
use super::ceilings::Ceilings;
use super::ids::{Ids, is_id};
use super::told::Told;
use crate::policy::draft::DraftKey;
use crate::policy::key::{DigestKind, KeyDigest, LONGEST_KEY, Pepper};
use crate::policy::problem::Problem;

/// Every key record of one compilation.
#[derive(Debug, Default)]
pub(super) struct Base {
    /// By kind of digest, and there by place. Not every place has a key.
    records: Vec<Key>,
    /// Where in `ids` the id of each record starts.
    id_starts: Arc<[u32]>,
    ids: Arc<str>,
    count: usize,
    /// One a kind: a digest of one kind is never taken for one of another.
    shelves: [Shelf; DigestKind::ALL.len()],
    pub(super) pepper: Option<Pepper>,
    pub(super) ceilings: Arc<[Ceiling]>,
    /// The number of each record, in the order in which they were given.
    order: Arc<[u32]>,
    /// Nothing where the records cannot be amended: two ids have the same hash, or an account's name
    /// means one thing or another by what other records there are.
    pub(super) known: Option<Ids>,
}

/// Where the records of one kind of digest are.
#[derive(Debug, Clone, Default)]
struct Shelf {
    places: Places,
    /// The number of the record at the first place.
    first: usize,
    /// Those that have no place, in the order of their digests.
    rest: Range<usize>,
}

/// A text that is looked for, with what is known of where it will be found.
pub(in crate::policy) struct Search<'t> {
    pub(super) text: &'t str,
    /// Of the first kind that there are keys of; and its place.
    pub(super) first: Option<(KeyDigest, Option<usize>)>,
}

impl Base {
    pub(super) fn compile(
        drafts: Vec<DraftKey>,
        pepper: Option<Pepper>,
        catalog: &Catalog,
        workspaces: &mut Workspaces,
        problems: &mut Vec<Problem>,
    ) -> Self {
        let mut keys = Self { count: drafts.len(), pepper, ..Self::default() };
        keys.number(&drafts, problems);
        let known = Ids::of(&drafts, problems);
        let mut nameless = false;
        let mut ceilings = Ceilings::new();
        let mut ids = String::with_capacity(drafts.iter().map(|draft| draft.id.len()).sum());
        let mut id_starts = vec![0; keys.records.len()];
        for (draft, nth) in drafts.into_iter().zip(0..) {
            let account = workspaces.accounts_mut().of_key(&draft.account);
            nameless |= account == u32::MAX;
            let mut reader = Reader { catalog, workspaces, problems, draft: &draft };
            let holder = reader.holder(account);
            let ceiling = match &draft.ceiling {
                None => 0,
                Some(written) => ceilings.number(written, &mut reader),
            };
            let id_at = ids.len() as u32;
            ids.push_str(&draft.id);
            keys.check(&draft, problems);
            let number = keys.order.get(nth).map_or(usize::MAX, |number| *number as usize);
            if let Some(record) = keys.records.get_mut(number) {
                *record = Key::new(&draft, holder, ceiling);
            }
            if let Some(start) = id_starts.get_mut(number) {
                *start = id_at;
            }
        }
        let known = known.filter(|_| !nameless);
        let ceilings = ceilings.finish();
        Self { ids: ids.into(), id_starts: id_starts.into(), ceilings, known, ..keys }
    }

    /// Finds a place for every key, and those that have the same hash.
    fn number(&mut self, drafts: &[DraftKey], problems: &mut Vec<Problem>) {
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
        self.order = numbers.into();
    }

    /// What is to be said of one record by itself.
    pub(super) fn check(&self, draft: &DraftKey, problems: &mut Vec<Problem>) {
        if !is_id(&draft.id) {
            problems.push(
                Problem::error(draft.place, format!("key `{}`: its id is not one", draft.id))
                    .hint("an id has 1 to 64 letters, digits, `_` or `-`"),
            );
        }
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
    pub(super) fn seek<'t>(&self, text: &'t str) -> Search<'t> {
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
    pub(super) fn find(&self, search: &Search<'_>) -> Option<(u32, &Key)> {
        let (first, place) = &search.first?;
        self.record(first, *place).or_else(|| {
            self.others(search).find_map(|digest| self.record(&digest, self.place(&digest)))
        })
    }

    /// The digests of a text after the first, of the kinds that there are keys of.
    pub(super) fn others(&self, search: &Search<'_>) -> impl Iterator<Item = KeyDigest> {
        let first = search.first.map(|(first, _)| first.kind);
        let others = DigestKind::ALL.into_iter().filter(move |kind| Some(*kind) > first);
        others.filter_map(|kind| self.digest(kind, search.text))
    }

    /// Whether there are keys of that kind.
    pub(super) fn has(&self, kind: DigestKind) -> bool {
        self.shelves.get(kind as usize).is_some_and(|shelf| shelf.rest.end > shelf.first)
    }

    /// The record of that digest.
    pub(super) fn of_digest(&self, digest: &KeyDigest) -> Option<(u32, &Key)> {
        self.record(digest, self.place(digest))
    }

    /// The digest of the record that was given as the nth.
    pub(super) fn digest_of_nth(&self, nth: usize) -> Option<KeyDigest> {
        self.digest_of(*self.order.get(nth)? as usize)
    }

    /// The digest of the record of that number.
    pub(super) fn digest_of(&self, number: usize) -> Option<KeyDigest> {
        let mut shelves = DigestKind::ALL.into_iter().zip(&self.shelves);
        let (kind, _) =
            shelves.find(|(_, shelf)| (shelf.first..shelf.rest.end).contains(&number))?;
        Some(KeyDigest { kind, bytes: self.records.get(number)?.digest })
    }

    /// Every record with its number, in an order that a change of what a record says leaves as it is.
    pub(super) fn told(&self) -> impl Iterator<Item = (u32, Told<'_>)> {
        DigestKind::ALL.into_iter().zip(&self.shelves).flat_map(move |(kind, shelf)| {
            let records = self.records.get(shelf.first..shelf.rest.end).unwrap_or_default();
            let keys = records.iter().zip(shelf.first as u32..).filter(|(key, _)| !key.is_vacant());
            keys.map(move |(key, number)| (number, Told { id: self.id(number), kind, key }))
        })
    }

    /// The digest of a text, where there are keys of that kind.
    fn digest(&self, kind: DigestKind, text: &str) -> Option<KeyDigest> {
        if !self.has(kind) {
            return None;
        }
        match kind {
            DigestKind::Blake3 => Some(KeyDigest::blake3(text)),
            DigestKind::Blake3Keyed => {
                self.pepper.as_ref().map(|pepper| KeyDigest::blake3_keyed(text, pepper))
            }
            DigestKind::Sha256 => Some(KeyDigest::sha256(text)),
        }
    }

    /// The number of the record in whose place a digest is, if it has one.
    pub(super) fn place(&self, digest: &KeyDigest) -> Option<usize> {
        let shelf = self.shelves.get(digest.kind as usize)?;
        Some(shelf.first + shelf.places.place(&digest.bytes)?)
    }

    pub(super) fn record(&self, digest: &KeyDigest, place: Option<usize>) -> Option<(u32, &Key)> {
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

    pub(super) fn key(&self, number: u32) -> Option<&Key> {
        self.records.get(number as usize)
    }

    /// The id of the key of that number.
    pub(super) fn id(&self, number: u32) -> &str {
        let start = self.id_starts.get(number as usize).copied().unwrap_or(0);
        self.id_at(start, self.key(number).map_or(0, |key| key.id_length))
    }

    fn id_at(&self, at: u32, length: u8) -> &str {
        let at = at as usize;
        self.ids.get(at..at + usize::from(length)).unwrap_or("")
    }

    /// The same with other records in the places of these.
    pub(super) fn with_records(&self, records: Vec<Key>) -> Self {
        let Self { id_starts, ids, count, shelves, pepper, ceilings, order, known, .. } = self;
        Self {
            records,
            id_starts: Arc::clone(id_starts),
            ids: Arc::clone(ids),
            count: *count,
            shelves: shelves.clone(),
            pepper: pepper.clone(),
            ceilings: Arc::clone(ceilings),
            order: Arc::clone(order),
            known: known.clone(),
        }
    }

    /// Whether one is [`with_records`](Self::with_records) of the other, or of its own.
    pub(super) fn has_places_of(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.order, &other.order) && self.records.len() == other.records.len()
    }

    /// What lies at each place.
    pub(super) fn records(&self) -> &[Key] {
        &self.records
    }

    /// How many records there are.
    pub(super) fn len(&self) -> usize {
        self.count
    }

    /// A number that no record has, nor any below which there is none.
    pub(super) fn end(&self) -> u32 {
        self.records.len() as u32
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
        let keys = Base::compile(drafts, None, &catalog, &mut workspaces, &mut problems);
        assert_eq!((problems, keys.len(), keys.told().count()), (Vec::new(), 1200, 1200));
        let found = |bytes| {
            let digest = KeyDigest { kind: DigestKind::Blake3, bytes };
            keys.of_digest(&digest).map(|(number, _)| keys.id(number))
        };
        for (digest, nth) in digests.iter().zip(0..) {
            assert_eq!(found(*digest), Some(format!("k_{nth}").as_str()));
            assert_eq!(keys.digest_of_nth(nth).unwrap().bytes, *digest);
        }
        let unknown = (0..=u8::MAX).map(|n| *blake3::hash(&[n]).as_bytes());
        for digest in unknown.chain([[0; 32], [0xff; 32]]) {
            assert_eq!(found(digest), None);
        }
    }
}
