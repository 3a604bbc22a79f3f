//! The policies of `config/examples/`: every case of their `tests.toml` holds, nothing in them is
//! without a case, and a matrix of roles, methods and routes is reviewed as a file.
//!
//! This is a reader of `tests.toml` of its own, so that the command that reads them is checked, too.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::panic,
    reason = "a test that cannot read the examples should stop"
)]

#[path = "examples/cases.rs"]
mod cases;
#[path = "examples/changes.rs"]
mod changes;
#[path = "examples/coverage.rs"]
mod coverage;
#[path = "examples/example.rs"]
mod example;
#[path = "examples/matrix.rs"]
mod matrix;
#[path = "examples/mutants.rs"]
mod mutants;
#[path = "examples/versions.rs"]
mod versions;
