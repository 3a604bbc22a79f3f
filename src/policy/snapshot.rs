//! The compiled policy (being built).

use super::draft::Draft;
use super::problem::Problem;

/// A compiled policy: immutable, and whole.
#[derive(Debug)]
pub struct Snapshot {
    warnings: Vec<Problem>,
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
pub fn compile(_draft: Draft) -> Result<Snapshot, Vec<Problem>> {
    Ok(Snapshot { warnings: Vec::new() })
}
