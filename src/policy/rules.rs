//! What a policy was compiled from, kept for who asks why.

use super::draft::Draft;

/// The rules that a [`Snapshot`](super::Snapshot) was compiled from, and the names of the files in
/// which they stand. It has neither keys nor the pepper: nobody's secret is needed to say why.
#[derive(Debug)]
pub struct Rules {
    draft: Draft,
    files: Vec<String>,
}

impl Rules {
    /// Those of a draft that compiled. `files` are the names behind its places, in their order.
    pub fn new(mut draft: Draft, files: Vec<String>) -> Self {
        draft.keys = Vec::new();
        draft.pepper = None;
        Self { draft, files }
    }

    /// The draft.
    pub fn draft(&self) -> &Draft {
        &self.draft
    }

    /// The names of the files, as messages show them.
    pub fn files(&self) -> &[String] {
        &self.files
    }
}
