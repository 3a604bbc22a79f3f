//! When keys are used: a slot a key, which workers mark and one thread empties.
//!
//! A mark is a load and, once an hour and key, a store: no lock, no allocation, and no line of the
//! cache that workers take from each other.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU32, Ordering};

use crate::policy::{Facts, Snapshot, UnixSeconds};

/// Ids, and the hour counted from 1970 in which each key was last used.
pub type Uses = BTreeMap<Box<str>, u32>;

/// An hour that nobody has taken yet.
const NEW: u32 = 1 << 31;

/// When the keys of one generation were used. By default, that is not kept.
#[derive(Debug, Default)]
pub struct Used(Option<Box<[AtomicU32]>>); // By number of the key: the hour, and `NEW`.

impl Used {
    pub(super) fn of(snapshot: &Snapshot) -> Self {
        Self(Some((0..snapshot.key_numbers()).map(|_| AtomicU32::new(0)).collect()))
    }

    /// Notes that a key of the same generation was used.
    pub fn mark(&self, facts: &Facts, UnixSeconds(now): UnixSeconds) {
        let Some(slots) = &self.0 else { return };
        let Some(slot) = facts.key().and_then(|number| slots.get(number)) else { return };
        let hour = (now / 3_600) as u32 & !NEW;
        if slot.load(Ordering::Relaxed) & !NEW != hour {
            slot.store(hour | NEW, Ordering::Relaxed);
        }
    }

    /// Adds what is new since the last time.
    pub(super) fn take(&self, snapshot: &Snapshot, uses: &mut Uses) {
        for (number, slot) in self.0.iter().flatten().enumerate() {
            if slot.load(Ordering::Relaxed) & NEW != 0 {
                let hour = slot.fetch_and(!NEW, Ordering::Relaxed) & !NEW;
                note(uses, snapshot.key_id(number).into(), hour);
            }
        }
    }
}

/// The later hour counts.
pub(super) fn note(uses: &mut Uses, id: Box<str>, hour: u32) {
    let last = uses.entry(id).or_default();
    *last = (*last).max(hour);
}
