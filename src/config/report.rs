//! What is wrong with the operator's files, as it is printed.

use std::borrow::Cow;
use std::fmt;

use serde::ser::{Serialize, SerializeStruct as _, Serializer};

use super::allow::Allowed;
use super::files::Files;
use crate::policy::key::redacted;
use crate::policy::{FileId, Lint, Place, Problem, Severity};

/// Problems of a set of files, in the order of their places.
///
/// `Display` prints one a line: `policy.toml:14:12: route `x`: … — did you mean `y`?`.
#[derive(Debug, Default)]
pub struct Report {
    files: Files,
    problems: Vec<Problem>,
}

/// A problem as scripts read it.
#[derive(Debug, serde::Serialize)]
struct Entry<'a> {
    file: &'a str,
    line: Option<u32>,
    column: Option<u32>,
    severity: &'static str,
    code: Option<&'static str>,
    message: Cow<'a, str>,
    hint: Option<Cow<'a, str>>,
}

impl Report {
    pub(super) fn new(files: Files, mut problems: Vec<Problem>) -> Self {
        problems.sort_by_key(|problem| problem.place);
        Self { files, problems }
    }

    /// Without a problem, of the files of these names: it shows places in them.
    pub fn of_files(names: &[String]) -> Self {
        Self { files: names.to_vec().into(), problems: Vec::new() }
    }

    /// Adds the problems of other files, after those of its own.
    pub(super) fn append(&mut self, other: Self) {
        let offset = self.files.append(other.files);
        self.problems.extend(other.problems.into_iter().map(|mut problem| {
            problem.place.file = FileId(problem.place.file.0.saturating_add(offset));
            problem
        }));
    }

    /// Adds problems of the same files.
    pub fn extend(&mut self, problems: impl IntoIterator<Item = Problem>) {
        self.problems.extend(problems);
        self.problems.sort_by_key(|problem| problem.place);
    }

    /// Takes out what is allowed.
    pub(super) fn silence(&mut self, allowed: &mut Allowed) {
        allowed.silence(&mut self.problems);
    }

    /// As problems name a place: `policy.toml:14:12`.
    pub fn place(&self, place: Place) -> String {
        harmless(&self.files.show(place))
    }

    /// How many problems keep the files from being used.
    pub fn errors(&self) -> usize {
        self.problems.iter().filter(|problem| problem.severity == Severity::Error).count()
    }

    /// How many problems only want a look.
    pub fn warnings(&self) -> usize {
        self.problems.len() - self.errors()
    }

    /// Every problem, one a line. Warnings say that they are.
    pub fn lines(&self) -> Vec<String> {
        self.problems.iter().map(|problem| self.line(problem)).collect()
    }

    /// Every error, one a line, without its place: of a text that is in no file.
    pub(super) fn errors_without_places(&self) -> String {
        let errors = self.problems.iter().filter(|problem| problem.severity == Severity::Error);
        errors.map(|problem| harmless(&problem.to_string()) + "\n").collect()
    }

    fn line(&self, problem: &Problem) -> String {
        let place = self.files.show(problem.place);
        harmless(&match problem.severity {
            Severity::Error => format!("{place}: {problem}"),
            Severity::Warning => format!("{place}: warning: {problem}"),
        })
    }

    fn entry<'a>(&'a self, problem: &'a Problem) -> Entry<'a> {
        let number = |number: u32| (number > 0).then_some(number);
        Entry {
            file: self.files.name(problem.place.file),
            line: number(problem.place.line),
            column: number(problem.place.column),
            severity: match problem.severity {
                Severity::Error => "error",
                Severity::Warning => "warning",
            },
            code: problem.lint.map(Lint::code),
            message: redacted(&problem.message),
            hint: problem.hint.as_deref().map(redacted),
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.problems.iter().try_for_each(|problem| writeln!(f, "{}", self.line(problem)))
    }
}

impl std::error::Error for Report {}

/// `{"errors": …, "warnings": …, "problems": [{"file", "line", "column", "severity", "code",
/// "message", "hint"}]}`; line and column are null where the file or the line as a whole is meant.
impl Serialize for Report {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let entries: Vec<_> = self.problems.iter().map(|problem| self.entry(problem)).collect();
        let mut object = serializer.serialize_struct("Report", 3)?;
        object.serialize_field("errors", &self.errors())?;
        object.serialize_field("warnings", &self.warnings())?;
        object.serialize_field("problems", &entries)?;
        object.end()
    }
}

/// Without the control characters that could drive a terminal, and without keys.
fn harmless(line: &str) -> String {
    let mut out = String::with_capacity(line.len());
    for character in redacted(line).chars() {
        match character.is_control() {
            true => out.extend(character.escape_default()),
            false => out.push(character),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn problems_are_shown_with_their_places() {
        let mut files = Files::default();
        let ids = ["./policy.toml", "/etc/keys.jsonl"].map(|path| files.add(Path::new(path)));
        let at = |file, line, column| Place { file, line, column };
        let report = Report::new(
            files,
            vec![
                Problem::error(at(ids[1], 3, 0), "key `k`: no"),
                Problem::error(at(ids[0], 14, 12), "route `x`: no").hint("did you mean `y`?"),
                Problem::warning(Lint::OneOwner, at(ids[0], 14, 2), "only one owner"),
                Problem::error(at(ids[0], 0, 0), "cannot \u{1b}[31m be read"),
            ],
        );
        assert_eq!((report.errors(), report.warnings()), (3, 1));
        insta::assert_snapshot!(report);
        insta::assert_snapshot!(serde_json::to_string_pretty(&report).unwrap());
    }
}
