//! The compiled policy (being built).

use super::draft::Draft;
use super::problem::Problem;

/// A compiled policy: immutable, and whole.
#[derive(Debug)]
pub struct Snapshot {
    warnings: Vec<Problem>,
    draft: Draft,
}

/// One workspace.
#[derive(Debug)]
pub struct WorkspaceView<'a>(&'a super::draft::DraftWorkspace);

impl WorkspaceView<'_> {
    /// Where it lives.
    pub fn environment(&self) -> &str {
        &self.0.environment.value
    }
    /// The role of a member.
    pub fn role_of(&self, account: &str) -> Option<&str> {
        let mut members = self.0.members.iter();
        members.find(|(name, _)| name.value == account).map(|(_, role)| role.value.as_str())
    }
    /// Its members.
    pub fn members(&self) -> impl Iterator<Item = &str> {
        self.0.members.iter().map(|(name, _)| name.value.as_str())
    }
}

impl Snapshot {
    /// Problems that did not keep the policy from being used.
    pub fn warnings(&self) -> &[Problem] {
        &self.warnings
    }
    /// Key records, revoked and expired ones included.
    pub fn key_count(&self) -> usize {
        0
    }
    /// Routes.
    pub fn route_count(&self) -> usize {
        0
    }
    /// Names of the workspaces.
    pub fn workspaces(&self) -> impl Iterator<Item = &str> {
        self.draft.workspaces.iter().map(|workspace| workspace.name.value.as_str())
    }
    /// One workspace.
    pub fn workspace(&self, name: &str) -> Option<WorkspaceView<'_>> {
        let mut all = self.draft.workspaces.iter();
        all.find(|workspace| workspace.name.value == name).map(WorkspaceView)
    }
    /// Names of the products.
    pub fn products(&self) -> impl Iterator<Item = &str> {
        self.draft.products.iter().map(|product| product.name.value.as_str())
    }
    /// Names of the areas.
    pub fn areas(&self) -> impl Iterator<Item = &str> {
        self.draft.areas.iter().map(|area| area.value.as_str())
    }
    /// Workspaces.
    pub fn workspace_count(&self) -> usize {
        0
    }
}

/// Compiles a draft.
///
/// # Errors
///
/// Every problem of the draft at once, warnings included, in the order of their places.
pub fn compile(draft: Draft) -> Result<Snapshot, Vec<Problem>> {
    Ok(Snapshot { warnings: Vec::new(), draft })
}
