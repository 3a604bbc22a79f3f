//! What the policy says to a key that is to be made.

use crate::keystore::Ceiling;
use crate::policy::draft::DraftCeiling;
use crate::policy::{DenyReason, Place, Problem, Snapshot, UnixSeconds, WorkspaceView};

use super::outcome::Failure;

/// What a key is to say of itself.
#[derive(Debug, Clone, Copy)]
pub(super) struct Names<'a> {
    pub(super) workspace: &'a str,
    pub(super) account: &'a str,
    pub(super) ceiling: Option<&'a Ceiling>,
}

/// What of it a problem is with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum About {
    Account,
    Ceiling,
    Workspace,
}

/// The environment of the workspace, if a key of these names would not be refused whatever it asks
/// for. The key records play no part: a key can be made where they name what the policy no longer
/// has, or where there are none. That the account reaches nothing yet is no reason to refuse.
pub(super) fn admit(
    names: Names<'_>,
    snapshot: &Snapshot,
    now: UnixSeconds,
) -> Result<String, Vec<(About, Problem)>> {
    let mut problems = Vec::new();
    let mut problem = |about, problem| problems.push((about, problem));
    let Names { workspace: name, account, ceiling } = names;
    let workspace = snapshot.workspace(name);
    match &workspace {
        None => problem(
            About::Workspace,
            error(format!("unknown workspace `{name}`")).did_you_mean(name, snapshot.workspaces()),
        ),
        Some(workspace) => {
            if let Some(reason) = workspace.closed_to(account) {
                let about = match reason {
                    DenyReason::WorkspaceSuspended => About::Workspace,
                    _ => About::Account,
                };
                problem(about, closed(reason, names, workspace));
            }
        }
    }
    let unknown = |kind: &str, name: &str| error(format!("unknown {kind} `{name}`"));
    let empty = Vec::new();
    let products = ceiling.and_then(|it| it.products.as_ref()).unwrap_or(&empty);
    let areas = ceiling.and_then(|it| it.areas.as_ref()).unwrap_or(&empty);
    for product in products {
        if !snapshot.products().any(|known| known == product) {
            let known = snapshot.products();
            problem(About::Ceiling, unknown("product", product).did_you_mean(product, known));
        } else if let Some(workspace) = &workspace
            && !workspace.products().any(|known| known == product)
        {
            problem(About::Ceiling, absent(product, name, workspace));
        }
    }
    for area in areas.iter().filter(|area| !snapshot.areas().any(|known| known == **area)) {
        problem(About::Ceiling, unknown("area", area).did_you_mean(area, snapshot.areas()));
    }
    match workspace {
        Some(workspace) if problems.is_empty() => {
            match ceiling.and_then(|ceiling| shut(account, ceiling, &workspace, now)) {
                Some(problem) => Err(vec![(About::Ceiling, problem)]),
                None => Ok(workspace.environment().to_owned()),
            }
        }
        _ => Err(problems),
    }
}

impl Failure {
    /// That a key is not made.
    pub(super) fn of_names(problems: Vec<(About, Problem)>) -> Self {
        let lines: Vec<_> = problems.iter().map(|(_, problem)| problem.to_string()).collect();
        Self::Invalid(lines.join("\n"))
    }
}

fn error(message: String) -> Problem {
    Problem::error(Place::default(), message)
}

fn closed(reason: DenyReason, names: Names<'_>, workspace: &WorkspaceView<'_>) -> Problem {
    let Names { workspace: name, account, .. } = names;
    match reason {
        DenyReason::WorkspaceSuspended => error(format!("workspace `{name}` is suspended"))
            .hint("its keys are refused until the policy no longer says `suspended = true`"),
        DenyReason::AccountSuspended => error(format!("account `{account}` is suspended"))
            .hint("its keys are refused until the policy no longer says `suspended = true`"),
        _ => error(format!("account `{account}` is not a member of workspace `{name}`"))
            .hint(format!("give it a role under `[workspace.{name}.members]` of the policy"))
            .did_you_mean(account, workspace.members()),
    }
}

fn absent(product: &str, name: &str, workspace: &WorkspaceView<'_>) -> Problem {
    let has: Vec<_> = workspace.products().map(|product| format!("`{product}`")).collect();
    let has = if has.is_empty() { "none".to_owned() } else { has.join(", ") };
    error(format!("workspace `{name}` does not have product `{product}`"))
        .hint(format!("it has {has}"))
}

/// What is wrong with a ceiling under which nothing is left of what the account reaches.
fn shut(
    account: &str,
    ceiling: &Ceiling,
    workspace: &WorkspaceView<'_>,
    now: UnixSeconds,
) -> Option<Problem> {
    let ceiling = DraftCeiling {
        level: ceiling.level,
        products: ceiling.products.clone(),
        areas: ceiling.areas.clone(),
    };
    let held = workspace.reached(account, None, now);
    if held.is_empty() || !workspace.reached(account, Some(&ceiling), now).is_empty() {
        return None;
    }
    let held: Vec<_> = held.iter().map(|(scope, level)| format!("{level} on {scope}")).collect();
    Some(
        error(format!("the ceiling leaves nothing of what account `{account}` reaches"))
            .hint(format!("it reaches {}", held.join(", "))),
    )
}
