//! Which records are meant.

use clap::{Args, ValueEnum};

use super::named::Named;
use super::outcome::Failure;
use super::when::When;
use crate::keystore::{Record, State, Timestamp};
use crate::policy::UnixSeconds;

#[derive(Debug, Args)]
pub(super) struct Select {
    /// Only keys of this workspace
    #[arg(long)]
    workspace: Option<String>,
    /// Only keys of this account
    #[arg(long)]
    account: Option<String>,
    /// Only keys in this state
    #[arg(long, value_enum)]
    state: Option<Wanted>,
    /// Only keys that are good for something until they expire, and do so within: 12h, 30d, 6w, or
    /// before a date
    #[arg(long, value_name = "WHEN")]
    expires_within: Option<When>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Wanted {
    /// In force
    Active,
    /// Its time is over
    Expired,
    /// Its time has not come
    NotYetValid,
    /// Taken back
    Revoked,
}

impl Select {
    /// Whose keys are meant.
    pub(super) fn named(&self) -> Named<'_> {
        Named { workspace: self.workspace.as_deref(), account: self.account.as_deref() }
    }

    /// Leaves the records that are meant, in the order that they have.
    pub(super) fn retain(
        &self,
        records: &mut Vec<Record<'_>>,
        now: UnixSeconds,
    ) -> Result<(), Failure> {
        let within = match self.expires_within.map(|when| when.from(now)) {
            Some(None) => {
                let message = "--expires-within: that is after the year 9999";
                return Err(Failure::Usage(message.into()));
            }
            within => within.flatten(),
        };
        records.retain(|record| self.means(record, within, now));
        Ok(())
    }

    fn means(&self, record: &Record<'_>, within: Option<Timestamp>, now: UnixSeconds) -> bool {
        let is = |asked: &Option<String>, name: &str| asked.as_deref().is_none_or(|a| a == name);
        let state = record.state(now);
        let live = matches!(state, State::Active | State::NotYetValid);
        let soon = |until| live && record.expires.is_some_and(|expires| expires <= until);
        is(&self.workspace, &record.workspace)
            && is(&self.account, &record.account)
            && self.state.is_none_or(|wanted| wanted.state() == state)
            && within.is_none_or(soon)
    }
}

impl Wanted {
    fn state(self) -> State {
        match self {
            Self::Active => State::Active,
            Self::Expired => State::Expired,
            Self::NotYetValid => State::NotYetValid,
            Self::Revoked => State::Revoked,
        }
    }
}
