//! JSON Schema of the operator's files, so that editors complete and check them.
//!
//! INVARIANT: a schema has exactly the fields that the reader asks for, and refuses nothing that
//! the reader takes; `tests` holds both. What a schema cannot say (names that are spoken of, fields
//! that exclude each other) is left to the reader.
//!
//! They are of draft 7, without references: what taplo validates by and completes from.

#[cfg(test)]
mod tests;

/// A file that has a schema.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Schema {
    /// `policy.toml`
    Policy,
    /// `sidegate.toml`
    Settings,
    /// Tests of a policy.
    Tests,
}

impl Schema {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Policy, Self::Settings, Self::Tests];

    /// The file's name where it is kept beside what it describes.
    pub fn file_name(self) -> &'static str {
        match self {
            Self::Policy => "policy.schema.json",
            Self::Settings => "sidegate.schema.json",
            Self::Tests => "tests.schema.json",
        }
    }

    /// The schema itself, in JSON.
    pub fn text(self) -> &'static str {
        match self {
            Self::Policy => include_str!("policy.json"),
            Self::Settings => include_str!("settings.json"),
            Self::Tests => include_str!("tests.json"),
        }
    }
}
