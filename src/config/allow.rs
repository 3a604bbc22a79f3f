//! `[[allow]]` of `policy.toml` and `sidegate.toml`: warnings that somebody has looked at.

use super::fields::Fields;
use super::page::quoted;
use crate::policy::{Allow, Lint, Problem, nearest};

/// Reads the list.
pub(super) fn allows(fields: &mut Fields<'_>) -> Vec<Allow> {
    fields.list("allow").into_iter().filter_map(allow).collect()
}

fn allow(mut fields: Fields<'_>) -> Option<Allow> {
    let lint = fields.required(&["lint"], "such as `lint = \"SG010\"`");
    if let Some(lint) = &lint {
        fields.describe(format!("allow {}", quoted(&lint.value)));
    }
    let reason = fields.required(&["reason"], "say why it may stay: the next reader will ask");
    let part = fields.text("where").map(|part| part.value);
    fields.finish();
    Some(Allow { lint: lint?, reason: reason?.value, part })
}

/// Allowances, and what became of them.
#[derive(Debug)]
pub(super) struct Allowed {
    list: Vec<(Allow, bool)>,
    silenced: usize,
}

impl Allowed {
    pub(super) fn new(list: Vec<Allow>) -> Self {
        Self { list: list.into_iter().map(|allow| (allow, false)).collect(), silenced: 0 }
    }

    /// Takes out of `problems` what is allowed.
    pub(super) fn silence(&mut self, problems: &mut Vec<Problem>) {
        problems.retain(|problem| {
            let mut is_covered = false;
            for (_, used) in self.list.iter_mut().filter(|(allow, _)| allow.covers(problem)) {
                (*used, is_covered) = (true, true);
            }
            self.silenced += usize::from(is_covered);
            !is_covered
        });
    }

    /// How many problems were taken out.
    pub(super) fn silenced(&self) -> usize {
        self.silenced
    }

    /// A warning of each that was of no use.
    pub(super) fn idle(&self) -> impl Iterator<Item = Problem> {
        self.list.iter().filter(|(_, used)| !used).map(|(allow, _)| idle(allow))
    }
}

fn idle(allow: &Allow) -> Problem {
    let code = &allow.lint.value;
    if Lint::of_code(code).is_some() {
        let message = format!("allow `{code}` silences nothing");
        return Problem::warning(Lint::IdleAllow, allow.lint.place, message)
            .hint("what it was for is gone, or `where` is no part of it: drop or mend it");
    }
    let message = format!("allow {}: no such lint", quoted(code));
    let problem = Problem::warning(Lint::UnknownLint, allow.lint.place, message);
    match nearest(code, Lint::ALL.into_iter().map(Lint::code)) {
        Some(near) => problem.hint(format!("did you mean `{near}`?")),
        None => problem.hint("`sidegate check --explain list` has them all"),
    }
}
