//! Ids of keys, each of which stands once.

use std::hash::BuildHasher as _;
use std::sync::Arc;

use super::super::names::Map;
use crate::policy::draft::DraftKey;
use crate::policy::problem::Problem;

/// The ids of a list of records, by hash: eight bytes each.
///
/// INVARIANT: in order, and no two ids have the same.
#[derive(Debug, Clone)]
pub(super) struct Ids(Arc<[u64]>);

impl Ids {
    /// Nothing where two ids have the same hash. Where they are the same, that is a problem.
    pub(super) fn of(drafts: &[DraftKey], problems: &mut Vec<Problem>) -> Option<Self> {
        let mut hashes: Vec<u64> = drafts.iter().map(|draft| hash(&draft.id)).collect();
        hashes.sort_unstable();
        if hashes.windows(2).all(|pair| pair.first() != pair.last()) {
            return Some(Self(hashes.into()));
        }
        let mut lines: Map<&str, u32> = Map::default();
        for draft in drafts {
            if let Some(line) = lines.get(&*draft.id) {
                problems.push(Problem::error(
                    draft.place,
                    format!("key `{}`: line {line} has the same id", draft.id),
                ));
            } else {
                lines.insert(&draft.id, draft.place.line);
            }
        }
        None
    }

    /// Whether `id` may be one of them. What is not, is certain.
    pub(super) fn may_have(&self, id: &str) -> bool {
        self.0.binary_search(&hash(id)).is_ok()
    }
}

fn hash(id: &str) -> u64 {
    foldhash::quality::FixedState::default().hash_one(id)
}

/// Whether a record can have this id.
pub(super) fn is_id(id: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
    (1..=64).contains(&id.len()) && id.bytes().all(plain)
}
