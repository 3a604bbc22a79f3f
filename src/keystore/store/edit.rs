//! Lines of the file, changed one by one.

use crate::keystore::read::{NO_KEYS, each_line};
use crate::keystore::record::Record;
use crate::keystore::refusal::Refusal;
use crate::policy::FileId;

use super::line_of;

/// What becomes of a line.
pub(super) enum Edit {
    /// It is left out.
    Drop,
    /// It stays, byte for byte.
    Keep,
    /// This stands in its place.
    Put(Box<Record<'static>>),
}

/// `bytes`, which must be whole, with what `each` makes of every line. A file that has no line left
/// says so.
pub(super) fn edited(
    bytes: &[u8],
    mut each: impl FnMut(u32, Record<'_>) -> Edit,
) -> Result<Vec<u8>, Refusal> {
    // Room for lines that grow a little.
    let mut new = Vec::with_capacity(bytes.len() + bytes.len() / 8);
    let mut unwritten = None;
    let problems =
        each_line(bytes, FileId::default(), |line, text, record| match each(line, record) {
            Edit::Drop => {}
            Edit::Keep => new.extend_from_slice(text),
            Edit::Put(record) => match line_of(&record) {
                Ok(line) => new.extend_from_slice(&line),
                Err(refusal) => unwritten = Some(refusal),
            },
        });
    if !problems.is_empty() {
        return Err(Refusal::Damaged(problems));
    }
    if new.is_empty() {
        new.extend_from_slice(NO_KEYS);
    }
    unwritten.map_or(Ok(new), Err)
}
