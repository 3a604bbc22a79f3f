//! Where in an ordered list of digests one can be: one look, then the few that begin alike.

use std::ops::Range;

/// Digests are as good as random, so their first bits cut an ordered list into even parts: about one
/// digest each. A look-up costs two reads of far memory, the part's start and the record itself; a
/// hash table of indices costs three and weighs twice as much.
#[derive(Debug, Default)]
pub(super) struct Directory {
    bits: u32,
    /// Where each part starts, and where the last one ends.
    starts: Box<[u32]>,
}

impl Directory {
    /// Of `digests`, which are in order; the first of them is number `first` of its list.
    pub(super) fn new<'d>(
        first: u32,
        digests: impl ExactSizeIterator<Item = &'d [u8; 32]>,
    ) -> Self {
        if digests.len() == 0 {
            return Self::default();
        }
        let bits = digests.len().ilog2();
        let parts = 1_usize << bits;
        let mut starts = Vec::with_capacity(parts + 1);
        let mut number = first;
        for digest in digests {
            starts.resize(starts.len().max(part(digest, bits) + 1), number);
            number += 1;
        }
        starts.resize(parts + 1, number);
        Self { bits, starts: starts.into_boxed_slice() }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.starts.is_empty()
    }

    /// The numbers among which `digest` has to be.
    pub(super) fn range(&self, digest: &[u8; 32]) -> Range<usize> {
        let part = part(digest, self.bits);
        match self.starts.get(part..part + 2) {
            Some([start, end]) => *start as usize..*end as usize,
            _ => 0..0,
        }
    }
}

/// The number that the first `bits` of a digest are.
fn part(digest: &[u8; 32], bits: u32) -> usize {
    let first = digest.first_chunk().map_or(0, |first| u64::from_be_bytes(*first));
    // In two steps, as 64 bits at once cannot be shifted out.
    ((first >> 1) >> (63 - bits)) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_digest_is_in_its_range() {
        let spread = |n: u32, of: u32| {
            let first = (u64::from(n) << 32) / u64::from(of);
            let mut digest = [7; 32];
            digest[..4].copy_from_slice(&(first as u32).to_be_bytes());
            digest
        };
        for count in [0, 1, 2, 3, 64, 1000] {
            for digests in [
                (0..count).map(|n| spread(n, count)).collect::<Vec<_>>(),
                (0..count).map(|n| spread(n, 1 << 20)).collect(),
                vec![[0xff; 32]; count as usize],
            ] {
                let directory = Directory::new(5, digests.iter());
                assert_eq!(directory.is_empty(), count == 0);
                for (number, digest) in digests.iter().enumerate() {
                    assert!(directory.range(digest).contains(&(number + 5)), "{number} of {count}");
                }
                for other in [[0; 32], [0xff; 32]] {
                    let range = directory.range(&other);
                    assert!(range.end <= digests.len() + 5 && range.start <= range.end);
                }
            }
        }
    }
}
