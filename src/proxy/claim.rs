//! What a WebSocket was opened for, so that it can be judged again.

use zeroize::Zeroizing;

use crate::policy::{Decision, DenyReason, Facts, Query, Snapshot, UnixSeconds, Upgrade};

/// The question that was answered with yes. No `Debug`: it holds the key.
pub(super) struct Claim {
    host: String,
    target: String,
    credential: Option<Zeroizing<String>>,
}

impl Claim {
    pub(super) fn of(query: &Query<'_>) -> Self {
        Self {
            host: query.host.to_owned(),
            target: query.target.to_owned(),
            credential: query.credential.map(|key| Zeroizing::new(key.to_owned())),
        }
    }

    /// What the answer is made of, if it is still yes.
    ///
    /// # Errors
    ///
    /// Why it is no.
    pub(super) fn judge(&self, snapshot: &Snapshot, now: UnixSeconds) -> Result<Facts, DenyReason> {
        let query = Query {
            method: "GET",
            host: &self.host,
            target: &self.target,
            credential: self.credential.as_ref().map(|key| key.as_str()),
            upgrade: Upgrade::WebSocket,
            preflight: false,
        };
        match snapshot.decide(&query, now) {
            Decision::Allow(permit) => Ok(permit.facts()),
            Decision::Deny(denial) => Err(denial.reason),
        }
    }
}
