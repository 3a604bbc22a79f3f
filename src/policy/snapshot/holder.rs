//! Whose a key is, and what bounds it: names to numbers.

use super::access::AccessId;
use super::catalog::Catalog;
use super::ceiling::{Ceiling, Only};
use super::names::Names;
use super::workspaces::Workspaces;
use crate::policy::draft::{DraftCeiling, DraftKey};
use crate::policy::problem::Problem;

/// Reads whose one key is and what bounds it. A revoked key may name what is no longer there.
pub(super) struct Reader<'a> {
    pub(super) catalog: &'a Catalog,
    pub(super) workspaces: &'a Workspaces,
    pub(super) problems: &'a mut Vec<Problem>,
    pub(super) draft: &'a DraftKey,
}

/// Whose a key is, in numbers; each as in [`Key`](super::record::Key).
#[derive(Debug, Clone, Copy)]
pub(super) struct Holder {
    pub(super) workspace: u32,
    pub(super) account: u32,
    pub(super) access: Option<AccessId>,
}

impl Reader<'_> {
    pub(super) fn is_live(&self) -> bool {
        self.draft.revoked.is_none()
    }

    /// `account` is the number of the draft's.
    pub(super) fn holder(&mut self, account: u32) -> Holder {
        let draft = self.draft;
        let live = self.is_live();
        let known = self.workspaces.names.number(&draft.workspace);
        let Some(number) = known else {
            if live {
                let message =
                    format!("key `{}`: unknown workspace `{}`", draft.id, draft.workspace);
                self.problems.push(
                    Problem::error(draft.place, message)
                        .hint(format!("revoke it first: sidegate key revoke {}", draft.id))
                        .did_you_mean(&draft.workspace, self.workspaces.names.iter()),
                );
            }
            return Holder { workspace: u32::MAX, account, access: None };
        };
        let Some(workspace) = self.workspaces.workspace_at(number) else {
            return Holder { workspace: number, account, access: None };
        };
        let environment = self.workspaces.environments.text(workspace.environment);
        if *draft.environment != *environment {
            // A revocation that is yet to come is no reason to let the key in until then.
            if !live {
                return Holder { workspace: u32::MAX, account, access: None };
            }
            self.problems.push(Problem::error(
                draft.place,
                format!(
                    "key `{}`: environment `{}` is not that of workspace `{}` (`{environment}`)",
                    draft.id, draft.environment, draft.workspace
                ),
            ));
        }
        let member = workspace.member(account);
        if live && member.is_none() {
            self.problems.push(
                Problem::warning(
                    draft.place,
                    format!(
                        "key `{}`: account `{}` is not a member of workspace `{}`, the key is refused",
                        draft.id, draft.account, draft.workspace
                    ),
                )
                .hint(format!("revoke it: sidegate key revoke {}", draft.id)),
            );
        }
        Holder { workspace: number, account, access: member.map(|member| member.access) }
    }

    pub(super) fn ceiling(&mut self, written: &DraftCeiling) -> Ceiling {
        let live = self.is_live();
        let numbers =
            |names: &Names, kind: &str, list: Option<&[String]>, out: &mut Vec<Problem>| {
                let mut numbers = Vec::new();
                for name in list.unwrap_or_default() {
                    match names.number(name) {
                        Some(number) => numbers.push(number),
                        None if live => out.push(
                            Problem::error(
                                self.draft.place,
                                format!(
                                    "key `{}`: unknown {kind} `{name}` in its ceiling",
                                    self.draft.id
                                ),
                            )
                            .did_you_mean(name, names.iter()),
                        ),
                        None => {}
                    }
                }
                numbers.into_boxed_slice()
            };
        let (products, areas) = (written.products.as_deref(), written.areas.as_deref());
        let only = (products.is_some() || areas.is_some()).then(|| Only {
            products: numbers(&self.catalog.products, "product", products, self.problems),
            areas: numbers(&self.catalog.areas, "area", areas, self.problems),
        });
        Ceiling { level: written.level, only }
    }
}
