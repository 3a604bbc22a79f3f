//! What the policy knows of the names that a new key is to bear.

use crate::config::{self, Config};
use crate::policy::{Place, Problem};

use super::outcome::Failure;

/// Names as the arguments give them.
pub(super) struct Names<'a> {
    pub(super) workspace: &'a str,
    pub(super) account: &'a str,
    pub(super) products: &'a [String],
    pub(super) areas: &'a [String],
}

/// The environment of the workspace, if the policy has all of these names. The key records play no
/// part: a key can be made where they name what the policy no longer has, or where there are none.
pub(super) fn environment_of(names: &Names<'_>, config: &Config) -> Result<String, Failure> {
    let snapshot =
        config::load_policy(config).map_err(|report| Failure::Invalid(report.to_string()))?;
    let problem = |message: String| Problem::error(Place::default(), message);
    let mut problems = Vec::new();
    let workspace = snapshot.workspace(names.workspace);
    match &workspace {
        None => problems.push(
            problem(format!("unknown workspace `{}`", names.workspace))
                .did_you_mean(names.workspace, snapshot.workspaces()),
        ),
        Some(workspace) if workspace.role_of(names.account).is_none() => problems.push(
            problem(format!(
                "account `{}` is not a member of workspace `{}`",
                names.account, names.workspace
            ))
            .did_you_mean(names.account, workspace.members()),
        ),
        Some(_) => {}
    }
    for product in names.products {
        if !snapshot.products().any(|known| known == product) {
            problems.push(
                problem(format!("unknown product `{product}`"))
                    .did_you_mean(product, snapshot.products()),
            );
        }
    }
    for area in names.areas {
        if !snapshot.areas().any(|known| known == area) {
            problems.push(
                problem(format!("unknown area `{area}`")).did_you_mean(area, snapshot.areas()),
            );
        }
    }
    match workspace {
        Some(workspace) if problems.is_empty() => Ok(workspace.environment().to_owned()),
        _ => {
            let lines: Vec<_> = problems.iter().map(|problem| problem.to_string()).collect();
            Err(Failure::Invalid(lines.join("\n")))
        }
    }
}
