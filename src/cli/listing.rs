//! What stands in a policy, as `member list` and `grant list` show it.

use serde::Serialize;

use super::Output;
use super::key::{Failure, Terminal};
use crate::policy::draft::DraftWorkspace;
use crate::policy::{Draft, Place, Problem};

/// The workspace of this name, or all of them.
pub(super) fn workspaces<'d>(
    draft: &'d Draft,
    name: Option<&str>,
) -> Result<Vec<&'d DraftWorkspace>, Failure> {
    let all = draft.workspaces.iter();
    let Some(name) = name else { return Ok(all.collect()) };
    let found: Vec<_> = all.clone().filter(|workspace| workspace.name.value == name).collect();
    if !found.is_empty() {
        return Ok(found);
    }
    let known = all.map(|workspace| workspace.name.value.as_str());
    let problem = Problem::error(Place::default(), format!("unknown workspace `{name}`"));
    Err(Failure::Invalid(problem.did_you_mean(name, known).to_string()))
}

/// Prints rows as JSON, or as lines under a head.
pub(super) fn print<R: Serialize, const N: usize>(
    rows: &[R],
    head: [&str; N],
    cells: impl Fn(&R) -> [String; N],
    output: Output,
    terminal: &mut Terminal<'_>,
) -> Result<(), Failure> {
    if output == Output::Json {
        let json = serde_json::to_string_pretty(rows);
        let json = json.map_err(|error| Failure::Broke(error.to_string()))?;
        return Ok(writeln!(terminal.out, "{json}")?);
    }
    let lines: Vec<_> =
        std::iter::once(head.map(str::to_owned)).chain(rows.iter().map(cells)).collect();
    let mut widths = [0; N];
    for line in &lines {
        for (width, cell) in widths.iter_mut().zip(line) {
            *width = cell.chars().count().max(*width);
        }
    }
    for line in &lines {
        let cells = widths.iter().zip(line).map(|(width, cell)| format!("{cell:<width$}  "));
        writeln!(terminal.out, "{}", cells.collect::<String>().trim_end())?;
    }
    Ok(())
}
