//! Ceilings by number, each of which is read once.

use std::sync::Arc;

use super::super::ceiling::Ceiling;
use super::super::holder::Reader;
use super::super::names::Map;
use crate::policy::draft::DraftCeiling;

/// The ceilings of a list of keys in the making.
pub(super) struct Ceilings {
    list: Vec<Ceiling>,
    /// And whether a live key has it.
    numbers: Map<DraftCeiling, (u32, bool)>,
}

impl Ceilings {
    /// With that of keys that have none, whose number is 0.
    pub(super) fn new() -> Self {
        Self { list: vec![Ceiling::OPEN], numbers: Map::default() }
    }

    /// The number of a ceiling that is read once, and once more for the first live key that has it:
    /// a revoked one may name what is gone.
    pub(super) fn number(&mut self, written: &DraftCeiling, reader: &mut Reader<'_>) -> u32 {
        if let Some((number, judged)) = self.numbers.get_mut(written) {
            if reader.is_live() && !*judged {
                *judged = true;
                reader.ceiling(written);
            }
            return *number;
        }
        let number = self.list.len() as u32;
        self.list.push(reader.ceiling(written));
        self.numbers.insert(written.clone(), (number, reader.is_live()));
        number
    }

    pub(super) fn finish(self) -> Arc<[Ceiling]> {
        self.list.into()
    }
}
