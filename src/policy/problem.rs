//! What is wrong with a policy, where, and the way out.

use std::fmt;

use super::lint::Lint;

/// Which file a [`Place`] is in: an index into the list of files that the reader keeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct FileId(pub u16);

/// Where something stands in the operator's files. Lines and columns count from 1; a column of 0
/// means the line as a whole, a line of 0 the file as a whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Place {
    /// The file.
    pub file: FileId,
    /// The line, from 1.
    pub line: u32,
    /// The column in characters, from 1.
    pub column: u32,
}

/// A value and where it was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct At<T> {
    /// What was written.
    pub value: T,
    /// Where.
    pub place: Place,
}

impl<T> At<T> {
    /// `value`, written at `place`.
    pub fn new(value: T, place: Place) -> Self {
        Self { value, place }
    }
}

/// Whether a problem keeps the policy from being used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// The policy is refused.
    Error,
    /// The policy is used; somebody should look.
    Warning,
}

/// One thing that is wrong, in the reader's words: lower-case, no full stop, input in backticks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Error or warning.
    pub severity: Severity,
    /// What a warning is about: printed in brackets at the end.
    pub lint: Option<Lint>,
    /// Where the reader should look.
    pub place: Place,
    /// What is wrong.
    pub message: String,
    /// The way out, where one can be guessed: printed after a dash.
    pub hint: Option<String>,
}

impl Problem {
    /// A problem that refuses the policy.
    pub fn error(place: Place, message: impl Into<String>) -> Self {
        Self { severity: Severity::Error, lint: None, place, message: message.into(), hint: None }
    }

    /// A problem that only wants a look.
    pub fn warning(lint: Lint, place: Place, message: impl Into<String>) -> Self {
        let (severity, lint) = (Severity::Warning, Some(lint));
        Self { severity, lint, ..Self::error(place, message) }
    }

    /// The same problem with a way out.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// The same problem with "did you mean" where one of `known` is close to `written`.
    #[must_use]
    pub fn did_you_mean<'a>(
        mut self,
        written: &str,
        known: impl IntoIterator<Item = &'a str>,
    ) -> Self {
        if let Some(near) = nearest(written, known) {
            self.hint = Some(format!("did you mean `{near}`?"));
        }
        self
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        if let Some(hint) = &self.hint {
            write!(f, " — {hint}")?;
        }
        match self.lint {
            Some(lint) => write!(f, " [{}]", lint.code()),
            None => Ok(()),
        }
    }
}

/// The one of `known` that a typo could have made `written` of: at most a third of it is different.
pub fn nearest<'a>(written: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let allowed = (written.chars().count() / 3).max(1);
    known
        .into_iter()
        .map(|name| {
            (strsim::damerau_levenshtein(&written.to_lowercase(), &name.to_lowercase()), name)
        })
        .filter(|(distance, _)| *distance <= allowed)
        .min()
        .map(|(_, name)| name)
}

#[cfg(test)]
mod tests {
    use super::nearest;

    #[test]
    fn nearest_guesses_typos_and_nothing_else() {
        let known = ["reports", "keys", "SETTINGS_GENERAL"];
        assert_eq!(nearest("report", known), Some("reports"));
        assert_eq!(nearest("settings_general", known), Some("SETTINGS_GENERAL"));
        assert_eq!(nearest("billing", known), None);
        assert_eq!(nearest("", known), None);
    }
}
