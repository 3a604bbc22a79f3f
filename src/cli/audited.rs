//! What the audit log is told of commands: what is to be done, before it is, and what came of it.
//!
//! What gives somebody something is not done where it cannot be recorded. What takes something away
//! is: that a disk is full must not keep a stolen key alive. Then it is said, and the exit code is 1.

use crate::config::Config;
use crate::keystore::Record;
use crate::policy::key::redacted;
use crate::telemetry::{CommandEntry, Stage, Trail};

use super::key::Failure;

/// Ids that an entry has, at most.
const IDS: usize = 1000;

/// Which way a command goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Effect {
    Gives,
    Takes,
}

/// What a command does, in words that the audit log keeps.
#[derive(Debug, Default)]
pub(super) struct Deed<'a> {
    pub(super) command: &'static str,
    /// Who asks, where it is not the operator.
    pub(super) by: Option<&'a str>,
    pub(super) workspace: Option<&'a str>,
    pub(super) account: Option<&'a str>,
    pub(super) change: Option<&'a str>,
    /// The keys that are named.
    pub(super) ids: Vec<String>,
}

/// A deed that the audit log knows of, where there is one.
#[derive(Debug)]
pub(super) struct Audited<'a> {
    trail: Option<Trail>,
    deed: Deed<'a>,
    file: String,
    /// Why it does not.
    unsaid: Option<String>,
}

/// Whether the audit log has all of it.
#[derive(Debug)]
#[must_use]
pub(super) struct Told(Result<(), Failure>);

impl<'a> Audited<'a> {
    /// Records what is to be done.
    ///
    /// # Errors
    ///
    /// Where it cannot be recorded, and gives something.
    pub(super) fn begin(config: &Config, effect: Effect, deed: Deed<'a>) -> Result<Self, Failure> {
        let Some(settings) = &config.audit else {
            return Ok(Self { trail: None, deed, file: String::new(), unsaid: None });
        };
        let file = settings.file.display().to_string();
        let mut audited = Self { trail: None, deed, file, unsaid: None };
        match Trail::open(&settings.file) {
            Ok(trail) => audited.trail = Some(trail),
            Err(error) => audited.unsaid = Some(error.to_string()),
        }
        let ids = std::mem::take(&mut audited.deed.ids);
        audited.append(Stage::Begun, &ids);
        audited.deed.ids = ids;
        match &audited.unsaid {
            Some(error) if effect == Effect::Gives => Err(Failure::Broke(format!(
                "{}: the audit log cannot be written: {error}: nothing is changed",
                audited.file
            ))),
            _ => Ok(audited),
        }
    }

    /// Records what came of it; `ids` are those of the keys that it was about.
    ///
    /// # Errors
    ///
    /// Why it was not done.
    pub(super) fn done<T>(
        mut self,
        result: Result<T, Failure>,
        ids: impl FnOnce(&T) -> Vec<String>,
    ) -> Result<(T, Told), Failure> {
        match result {
            Ok(done) => {
                self.append(Stage::Done, &ids(&done));
                Ok((done, self.told()))
            }
            Err(failure) => {
                let ids = std::mem::take(&mut self.deed.ids);
                self.append(Stage::Failed, &ids);
                Err(failure)
            }
        }
    }

    /// Records that it is refused to who asks. Nothing was changed, so nothing hangs on it.
    pub(super) fn refused(config: &Config, deed: Deed<'a>) {
        let trail = config.audit.as_ref().and_then(|settings| Trail::open(&settings.file).ok());
        let mut audited = Self { trail, deed, file: String::new(), unsaid: None };
        audited.append(Stage::Refused, &[]);
    }

    fn append(&mut self, stage: Stage, ids: &[String]) {
        let Some(trail) = &mut self.trail else { return };
        // An argument may be a key in the place of its id.
        let [by, workspace, account, change] =
            [self.deed.by, self.deed.workspace, self.deed.account, self.deed.change]
                .map(|text| text.map(redacted));
        let key_ids: Vec<_> = ids.iter().take(IDS).map(|id| redacted(id).into_owned()).collect();
        let entry = CommandEntry {
            command: self.deed.command,
            stage,
            uid: rustix::process::getuid().as_raw(),
            by: by.as_deref(),
            workspace: workspace.as_deref(),
            account: account.as_deref(),
            change: change.as_deref(),
            key_ids: &key_ids,
            left_out: ids.len().saturating_sub(IDS),
        };
        if let Err(error) = trail.append(&entry) {
            self.unsaid = Some(error.to_string());
        }
    }

    fn told(self) -> Told {
        let Self { file, unsaid, .. } = self;
        Told(unsaid.map_or(Ok(()), |error| {
            Err(Failure::Broke(format!("it is done, but {file} does not say so: {error}")))
        }))
    }
}

impl Told {
    /// To be asked when everything else is done.
    ///
    /// # Errors
    ///
    /// Where the audit log does not have it.
    pub(super) fn whole(self) -> Result<(), Failure> {
        self.0
    }
}

/// The ids of records.
pub(super) fn ids<'r>(records: impl IntoIterator<Item = &'r Record<'static>>) -> Vec<String> {
    records.into_iter().map(|record| record.id.to_string()).collect()
}
