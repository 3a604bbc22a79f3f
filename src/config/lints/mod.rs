//! What `check` warns of beyond what keeps files from being used. No reload looks for it: what is
//! in force is not better or worse for it, but somebody should look.
//!
//! Each lint has its code and its explanation in [`Lint`](crate::policy::Lint); those that are told
//! at every load are found where the policy is compiled.

mod files;
mod keys;
mod names;
mod outputs;
mod routes;
#[cfg(test)]
mod tests;

use super::Config;
use crate::policy::draft::{Draft, DraftKey};
use crate::policy::{Lint, Place, Problem, Snapshot, UnixSeconds};
use crate::telemetry;

/// What somebody should look at in a policy that has no error, its files included. Places are those
/// of the draft.
pub(super) fn policy(config: &Config, draft: &Draft, snapshot: &Snapshot) -> Vec<Problem> {
    let mut problems = names::check(draft);
    problems.extend(routes::check(&draft.routes));
    problems.extend(routes::unheld(&draft.routes, snapshot));
    problems.extend(files::writable(&config.policy, Place::default()));
    problems
}

/// What somebody should look at in settings that have no error, beside what is told where they are
/// read: what is between them and the policy. It is told of the file as a whole.
pub(super) fn settings(config: &Config, draft: &Draft) -> Vec<Problem> {
    let mut problems = files::writable(&config.path, Place::default());
    problems.extend(names::unrouted_upstreams(draft));
    problems.extend(names::unpinned(draft));
    if config.tracing.is_some() && !telemetry::SENDS_SPANS {
        let message = "`[tracing]` is set, and this sidegate was built without the feature `otlp`";
        let problem = Problem::warning(Lint::SpansNotBuilt, Place::default(), message);
        problems.push(
            problem.hint("`serve` refuses to start: build it with `--features otlp`, or drop it"),
        );
    }
    problems.extend(outputs::check(config));
    problems
}

/// What somebody should look at in the keys, at `now`.
pub(super) fn keys(keys: &[DraftKey], now: UnixSeconds) -> Option<Problem> {
    keys::check(keys, now)
}
