//! A new key in the place of an old one.

use crate::keystore::record::Record;
use crate::keystore::refusal::Refusal;
use crate::keystore::replace::Target;
use crate::keystore::timestamp::Timestamp;

use super::{Missing, NewRecord, Store, find, free_id, line_of, unknown};

/// Both records of a rotation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rotated {
    /// That of the old key, which ends.
    pub old: Record<'static>,
    /// That of the new key.
    pub new: Record<'static>,
}

impl Store {
    /// Lets the key of `old` end at `until`, or when it would have anyway, and adds `new`; in one
    /// write. `old` is the record as it was read: one that was changed since is left as it is.
    ///
    /// # Errors
    ///
    /// Why nothing was changed.
    pub fn rotate(
        &self,
        old: &Record<'_>,
        until: Timestamp,
        new: NewRecord,
    ) -> Result<Rotated, Refusal> {
        let target = Target::lock(&self.path)?;
        let content = self.content(&target, Missing::IsAnError)?;
        let Some(found) = find(&old.id, &content.bytes)? else {
            return Err(unknown(&old.id, &content.bytes));
        };
        if found.record != *old {
            return Err(Refusal::Changed(old.id.to_string()));
        }
        let expires = found.record.expires.map_or(until, |expires| expires.min(until));
        let ending = Record { expires: Some(expires), ..found.record };
        let new = new.with_id(free_id(&content.bytes)?);
        let (ended, added) = (line_of(&ending)?, line_of(&new)?);
        let (before, rest) = content.bytes.split_at_checked(found.start).unwrap_or_default();
        let after = rest.get(found.length..).unwrap_or_default();
        let parts = [before, &ended, after, &added];
        target.replace(content.metadata.as_ref(), self.permissions, &parts)?;
        Ok(Rotated { old: ending, new })
    }
}
