//! Records that are over for long, taken out.

use crate::keystore::record::Record;
use crate::keystore::refusal::Refusal;
use crate::keystore::replace::Target;
use crate::keystore::timestamp::Timestamp;

use super::edit::{Edit, edited};
use super::{Missing, Store};

impl Store {
    /// Removes the records that were revoked or had expired at `until`, and says which. Where there
    /// are none, nothing is written.
    ///
    /// # Errors
    ///
    /// Why nothing was removed.
    pub fn prune(&self, until: Timestamp) -> Result<Vec<Record<'static>>, Refusal> {
        let target = Target::lock(&self.path)?;
        let old = self.content(&target, Missing::IsAnError)?;
        let mut gone = Vec::new();
        let new = edited(&old.bytes, |_, record| {
            if record.ends().is_none_or(|end| end > until) {
                return Edit::Keep;
            }
            gone.push(record.into_owned());
            Edit::Drop
        })?;
        if !gone.is_empty() {
            target.replace(old.metadata.as_ref(), self.permissions, &[&new])?;
        }
        Ok(gone)
    }
}
