//! `/api/overview`: what is in force, since when, and of which files.

use serde::Serialize;

use super::Viewed;
use crate::admin::Files;
use crate::admin::status::Status;
use crate::policy::UnixSeconds;

/// Of each list, so many are told.
const MOST: usize = 100;
const DAY: i64 = 86_400;

#[derive(Debug, Serialize)]
pub(super) struct Overview {
    /// As `/status` shows it, but that lists end after a hundred; `changes` is `/api/reloads`.
    #[serde(flatten)]
    status: Status,
    files: Files,
    /// How many warnings there are, told or not.
    warnings: usize,
    /// The environment whose keys alone are good, where there is a pin.
    environment: Option<String>,
    /// Live keys that end within so many days; those that have ended are in none.
    expiring: Expiring,
}

#[derive(Debug, Serialize)]
struct Expiring {
    days_1: usize,
    days_7: usize,
    days_30: usize,
}

pub(super) fn answer(view: &Viewed<'_>) -> Overview {
    let Viewed { state, generation, now } = view;
    let mut status = Status::of(state, *now);
    let warnings = status.policy.warnings.len();
    status.changes.clear();
    status.policy.warnings.truncate(MOST);
    status.upstreams.truncate(MOST);
    if let Some(failing) = &mut status.last_reload.failing {
        failing.problems.truncate(MOST);
    }
    Overview {
        status,
        files: (*state.desk.files).clone(),
        warnings,
        environment: generation.snapshot.pinned().map(str::to_owned),
        expiring: expiring(generation.snapshot.key_expiries(), *now),
    }
}

fn expiring(ends: impl Iterator<Item = UnixSeconds>, now: UnixSeconds) -> Expiring {
    let mut counts = [0, 0, 0];
    for left in ends.map(|end| end.0 - now.0).filter(|left| *left > 0) {
        for (count, days) in counts.iter_mut().zip([1, 7, 30]) {
            *count += usize::from(left <= days * DAY);
        }
    }
    let [days_1, days_7, days_30] = counts;
    Expiring { days_1, days_7, days_30 }
}
