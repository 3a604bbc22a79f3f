//! What became of the tests, as scripts read it. The shape is stable: fields are added, none is
//! renamed or taken away.

use std::path::Path;

use serde::Serialize;

use crate::cli::explain::View;

/// Everything that was run. A case is one request: one method of one URL.
#[derive(Debug, Default, Serialize)]
pub(super) struct Outcome {
    pub(super) passed: usize,
    pub(super) failed: usize,
    pub(super) policies: Vec<PolicyOutcome>,
}

/// The tests of one policy.
#[derive(Debug, Serialize)]
pub(super) struct PolicyOutcome {
    /// Its `sidegate.toml`.
    pub(super) config: String,
    pub(super) files: Vec<FileOutcome>,
    /// What no case touched.
    pub(super) untouched: Vec<Untouched>,
}

#[derive(Debug, Serialize)]
pub(super) struct FileOutcome {
    pub(super) file: String,
    pub(super) passed: usize,
    pub(super) failed: usize,
    pub(super) cases: Vec<CaseOutcome>,
}

#[derive(Debug, Serialize)]
pub(super) struct CaseOutcome {
    pub(super) name: String,
    pub(super) from: Option<String>,
    pub(super) place: String,
    /// Method, host and target.
    pub(super) request: String,
    /// Null where it passed.
    pub(super) failure: Option<Failure>,
}

#[derive(Debug, Serialize)]
pub(super) struct Failure {
    pub(super) expected: String,
    pub(super) got: String,
    /// As `sidegate explain --output json` prints it.
    pub(super) explanation: View,
}

/// A rule that no case touched.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(super) struct Untouched {
    /// `route`, `role`, `product role` or `grant`.
    pub(super) kind: &'static str,
    pub(super) name: String,
    pub(super) place: Option<String>,
}

impl Outcome {
    pub(super) fn of(policy: PolicyOutcome) -> Self {
        Self { policies: vec![policy], ..Self::default() }
    }

    pub(super) fn append(&mut self, other: Self) {
        self.policies.extend(other.policies);
    }

    pub(super) fn count(&mut self) {
        self.passed = self.files().map(|file| file.passed).sum();
        self.failed = self.files().map(|file| file.failed).sum();
    }

    pub(super) fn has_gaps(&self) -> bool {
        self.policies.iter().any(|policy| !policy.untouched.is_empty())
    }

    pub(super) fn files(&self) -> impl Iterator<Item = &FileOutcome> {
        self.policies.iter().flat_map(|policy| &policy.files)
    }
}

impl FileOutcome {
    pub(super) fn new(path: &Path) -> Self {
        Self { file: path.display().to_string(), passed: 0, failed: 0, cases: Vec::new() }
    }

    pub(super) fn add(&mut self, case: CaseOutcome) {
        match case.failure {
            None => self.passed += 1,
            Some(_) => self.failed += 1,
        }
        self.cases.push(case);
    }
}
