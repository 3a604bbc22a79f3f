//! Several keys revoked at once.

use std::collections::BTreeMap;

use crate::keystore::record::Record;
use crate::keystore::refusal::Refusal;
use crate::keystore::replace::Target;
use crate::keystore::text::Text;
use crate::keystore::timestamp::Timestamp;
use crate::policy::{FileId, Place, Problem};

use super::edit::{Edit, edited};
use super::{Missing, Store, unknown};

/// Whose keys are meant.
#[derive(Debug, Clone, Copy)]
pub enum Whom<'a> {
    /// Those with these ids, all of which must be there.
    Ids(&'a [String]),
    /// Those of an account, of a workspace, or of an account in a workspace.
    Of {
        /// The account.
        account: Option<&'a str>,
        /// The workspace.
        workspace: Option<&'a str>,
    },
}

/// What became of records that were to be revoked, in the order of the file.
#[derive(Debug, Default)]
pub struct Revoked {
    /// They are revoked now.
    pub done: Vec<Record<'static>>,
    /// They had been, and are as they were.
    pub already: Vec<Record<'static>>,
}

impl Whom<'_> {
    fn means(&self, record: &Record<'_>) -> bool {
        match self {
            Self::Ids(ids) => ids.iter().any(|id| *id == *record.id),
            Self::Of { account, workspace } => {
                account.is_none_or(|name| name == &*record.account)
                    && workspace.is_none_or(|name| name == &*record.workspace)
            }
        }
    }
}

impl Store {
    /// Revokes keys from `now` on in one write, and keeps why. Where none of them was in force,
    /// nothing is written.
    ///
    /// # Errors
    ///
    /// Why none was revoked.
    pub fn revoke_all(
        &self,
        whom: Whom<'_>,
        now: Timestamp,
        reason: Option<&Text<'static>>,
    ) -> Result<Revoked, Refusal> {
        let target = Target::lock(&self.path)?;
        let old = self.content(&target, Missing::IsAnError)?;
        let mut revoked = Revoked::default();
        let mut lines: BTreeMap<String, u32> = BTreeMap::new();
        let mut twice = Vec::new();
        let new = edited(&old.bytes, |line, record| {
            if !whom.means(&record) {
                return Edit::Keep;
            }
            if let Some(first) = lines.insert(record.id.to_string(), line) {
                let message = format!("the id `{}` stands in line {first}, too", record.id);
                twice.push(Problem::error(
                    Place { file: FileId::default(), line, column: 0 },
                    message,
                ));
            }
            let record = record.into_owned();
            if record.revoked.is_some_and(|since| since <= now) {
                revoked.already.push(record);
                return Edit::Keep;
            }
            let record = record.revoke(now, reason.cloned());
            revoked.done.push(record.clone());
            Edit::Put(Box::new(record))
        })?;
        if !twice.is_empty() {
            return Err(Refusal::Damaged(twice));
        }
        if let Whom::Ids(ids) = whom
            && let Some(id) = ids.iter().find(|id| !lines.contains_key(*id))
        {
            return Err(unknown(id, &old.bytes));
        }
        if !revoked.done.is_empty() {
            target.replace(old.metadata.as_ref(), self.permissions, &[&new])?;
        }
        Ok(revoked)
    }
}
