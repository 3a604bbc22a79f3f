//! What was found of one key holds for the next of the same holder.

use crate::policy::snapshot::Key;

/// So many holders are remembered; of two that have one place, the last.
const HOLDERS: usize = 1024;

/// All that a comparison of two keys of one text and the same times asks of them.
type Asked = [(u32, u32, u32, u32); 2];

/// What was found of pairs of keys.
pub(super) struct Known(Vec<Option<(Asked, bool)>>);

impl Known {
    pub(super) fn new() -> Self {
        Self(vec![None; HOLDERS])
    }

    /// What `find` says of two keys, which is asked once.
    pub(super) fn of(&mut self, was: &Key, is: &Key, find: impl FnOnce() -> bool) -> bool {
        let asked = [was, is].map(|key| {
            let access = key.access.map_or(0, |access| access.number());
            (key.workspace, key.account, access, key.ceiling_number())
        });
        let place = was.account.wrapping_add(was.workspace) as usize % HOLDERS;
        let Some(known) = self.0.get_mut(place) else { return find() };
        match known {
            Some((before, found)) if *before == asked => *found,
            _ => known.insert((asked, find())).1,
        }
    }
}
