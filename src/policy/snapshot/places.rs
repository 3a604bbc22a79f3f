//! Where the digests of a list have their places: one look into a small table tells.
//!
//! Hash and displace: digests fall into parts of about four, and each part has a pilot, a number
//! that leads its digests to places where no other is. The table of pilots is a quarter of a byte a
//! digest and stays near, so that a look-up reads one record of far memory, and knows which before
//! it has read it.

use std::cmp::Reverse;
use std::sync::Arc;

/// As much of a digest as its place follows from, and which of a list it is. Digests are as good as
/// random; where somebody made some that are not, they stay without a place.
#[derive(Debug, Clone, Copy)]
pub(super) struct Entry {
    words: [u64; 2],
    pub(super) number: u32,
}

impl Entry {
    pub(super) fn new(digest: &[u8; 32], number: u32) -> Self {
        Self { words: words(digest), number }
    }
}

/// The pilots of a list of digests.
#[derive(Debug, Clone, Default)]
pub(super) struct Places {
    pilots: Arc<[u8]>,
    count: usize,
}

/// The pilot of a part whose digests have no places.
const NONE: u8 = u8::MAX;

impl Places {
    /// The places of `entries`, each told to `place` by the entry's number; and those which have
    /// none: one of a thousand at the most, and equal digests, none of which has one.
    pub(super) fn new(
        mut entries: Vec<Entry>,
        mut place: impl FnMut(u32, usize),
    ) -> (Self, Vec<u32>) {
        if entries.is_empty() {
            return Default::default();
        }
        // At four of five places taken, a pilot is found after a few.
        let count = entries.len() + entries.len() / 4 + 1;
        let parts = entries.len() / 4 + 1;
        let mut pilots = vec![0; parts];
        let part_of = |entry: &Entry| spread(entry.words[0], parts);
        entries.sort_unstable_by_key(|entry| entry.words[0]);
        let mut groups: Vec<_> =
            entries.chunk_by(|one, other| part_of(one) == part_of(other)).collect();
        // The large ones while there is room.
        groups.sort_by_key(|part| Reverse(part.len()));
        let mut taken = Taken::new(count);
        let mut without = Vec::new();
        for part in groups {
            let pilot = (0..NONE).find(|pilot| taken.take(part, *pilot)).unwrap_or(NONE);
            for entry in part {
                match pilot {
                    NONE => without.push(entry.number),
                    _ => place(entry.number, place_of(entry.words[1], pilot, count)),
                }
            }
            let at = part.first().map_or(0, part_of);
            if let Some(slot) = pilots.get_mut(at) {
                *slot = pilot;
            }
        }
        (Self { pilots: pilots.into(), count }, without)
    }

    /// How many places there are: more than digests.
    pub(super) fn count(&self) -> usize {
        self.count
    }

    /// The one place where `digest` can be; nothing where it can only be among those without.
    pub(super) fn place(&self, digest: &[u8; 32]) -> Option<usize> {
        let [part, word] = words(digest);
        let pilot = *self.pilots.get(spread(part, self.pilots.len()))?;
        (pilot != NONE).then(|| place_of(word, pilot, self.count))
    }
}

/// Which places are taken, a bit each.
struct Taken {
    bits: Vec<u64>,
    count: usize,
}

impl Taken {
    fn new(count: usize) -> Self {
        Self { bits: vec![0; count / 64 + 1], count }
    }

    /// Takes the places of all entries, or none.
    fn take(&mut self, part: &[Entry], pilot: u8) -> bool {
        let free = part.iter().take_while(|entry| self.flip(entry, pilot, true)).count();
        if free < part.len() {
            for entry in part.iter().take(free) {
                self.flip(entry, pilot, false);
            }
        }
        free == part.len()
    }

    /// Takes or frees a place, unless it is so already.
    fn flip(&mut self, entry: &Entry, pilot: u8, taken: bool) -> bool {
        let place = place_of(entry.words[1], pilot, self.count);
        let Some(bits) = self.bits.get_mut(place / 64) else { return false };
        let bit = 1 << (place % 64);
        let changes = (*bits & bit == 0) == taken;
        *bits ^= if changes { bit } else { 0 };
        changes
    }
}

fn words(digest: &[u8; 32]) -> [u64; 2] {
    match digest.as_chunks().0 {
        [one, two, ..] => [u64::from_le_bytes(*one), u64::from_le_bytes(*two)],
        _ => [0; 2],
    }
}

/// A number below `over`, in proportion to `word`.
fn spread(word: u64, over: usize) -> usize {
    ((u128::from(word) * over as u128) >> 64) as usize
}

/// Odd, and otherwise arbitrary: those of the golden ratio and of foldhash's family.
const OF_PILOT: u64 = 0x9e37_79b9_7f4a_7c15;
const OF_WORD: u64 = 0xc2b2_ae3d_27d4_eb4f;

fn place_of(word: u64, pilot: u8, count: usize) -> usize {
    let moved = word ^ u64::from(pilot).wrapping_mul(OF_PILOT);
    spread(moved.wrapping_mul(OF_WORD), count)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places(digests: &[[u8; 32]]) -> (Places, Vec<Option<usize>>) {
        let mut all = vec![None; digests.len()];
        let entries = digests.iter().zip(0..).map(|(digest, at)| Entry::new(digest, at)).collect();
        let (places, without) = Places::new(entries, |number, place| {
            assert_eq!(all[number as usize].replace(place), None);
        });
        let missing = all.iter().filter(|place| place.is_none()).count();
        assert_eq!(missing, without.len());
        (places, all)
    }

    #[test]
    fn every_digest_has_a_place_of_its_own_but_for_a_few() {
        for count in [0, 1, 2, 3, 64, 1000, 100_000_u32] {
            let digests: Vec<[u8; 32]> =
                (0..count).map(|n| *blake3::hash(&n.to_be_bytes()).as_bytes()).collect();
            let (places, all) = places(&digests);
            let mut taken = std::collections::BTreeSet::new();
            for (digest, place) in digests.iter().zip(all) {
                assert_eq!(places.place(digest), place);
                assert!(place.is_none_or(|place| place < places.count() && taken.insert(place)));
            }
            assert!(taken.len() + digests.len() / 1000 >= digests.len());
        }
    }

    #[test]
    fn equal_and_made_up_digests_are_told() {
        let (all_equal, places_of_equal) = places(&[[7; 32]; 5]);
        assert_eq!(places_of_equal, [None; 5]);
        assert_eq!(all_equal.place(&[7; 32]), None);
        let alike: Vec<_> = (0..2000)
            .map(|n: u32| {
                let mut digest = [0; 32];
                digest[28..].copy_from_slice(&n.to_be_bytes());
                digest
            })
            .collect();
        assert_eq!(places(&alike).1, vec![None; 2000]);
    }
}
