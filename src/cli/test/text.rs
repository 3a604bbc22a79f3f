//! The outcome for people.

use std::io::{self, Write};

use super::outcome::{CaseOutcome, Outcome};

/// Nothing where nothing could be run.
pub(super) fn write(outcome: &Outcome, out: &mut impl Write) -> io::Result<()> {
    if outcome.policies.is_empty() {
        return Ok(());
    }
    for policy in &outcome.policies {
        for file in &policy.files {
            writeln!(out, "{}: {} passed, {} failed", file.file, file.passed, file.failed)?;
            file.cases.iter().try_for_each(|case| failure(case, out))?;
            if file.failed > 0 {
                writeln!(out)?;
            }
        }
        for it in &policy.untouched {
            let place = it.place.as_ref().map_or(String::new(), |place| format!("{place}: "));
            writeln!(out, "{place}no case touches {} {}", it.kind, it.name)?;
        }
    }
    writeln!(out, "{} passed, {} failed", outcome.passed, outcome.failed)
}

fn failure(case: &CaseOutcome, out: &mut impl Write) -> io::Result<()> {
    let Some(failure) = &case.failure else { return Ok(()) };
    let from = case.from.as_ref().map_or(String::new(), |from| format!(" ({from})"));
    writeln!(out, "\n{}: {}{from}", case.place, case.name)?;
    writeln!(out, "    {}", case.request)?;
    writeln!(out, "    expected  {}", failure.expected)?;
    writeln!(out, "    got       {}", failure.got)?;
    let essence = failure.explanation.essence();
    essence.iter().try_for_each(|line| writeln!(out, "      {line}"))
}
