//! The outcome as JUnit's XML: a file is a suite, a request a case, what no case touches is said
//! on the suites' standard output.

use std::fmt;
use std::io::{self, Write};

use super::outcome::{CaseOutcome, FileOutcome, Outcome};

pub(super) fn write(outcome: &Outcome, out: &mut impl Write) -> io::Result<()> {
    let Outcome { passed, failed, policies } = outcome;
    writeln!(out, r#"<?xml version="1.0" encoding="UTF-8"?>"#)?;
    writeln!(
        out,
        r#"<testsuites name="sidegate" tests="{}" failures="{failed}">"#,
        passed + failed
    )?;
    for policy in policies {
        for (number, file) in policy.files.iter().enumerate() {
            suite(file, out)?;
            if number == 0 && !policy.untouched.is_empty() {
                let lines = policy.untouched.iter();
                let lines = lines.map(|it| format!("no case touches {} {}\n", it.kind, it.name));
                let lines: String = lines.collect();
                writeln!(out, "    <system-out>{}</system-out>", Escaped(&lines))?;
            }
            writeln!(out, "  </testsuite>")?;
        }
    }
    writeln!(out, "</testsuites>")
}

fn suite(file: &FileOutcome, out: &mut impl Write) -> io::Result<()> {
    writeln!(
        out,
        r#"  <testsuite name="{}" tests="{}" failures="{}">"#,
        Escaped(&file.file),
        file.passed + file.failed,
        file.failed
    )?;
    file.cases.iter().try_for_each(|it| case(file, it, out))
}

fn case(file: &FileOutcome, case: &CaseOutcome, out: &mut impl Write) -> io::Result<()> {
    let name = format!("{}: {}", case.name, case.request);
    write!(out, r#"    <testcase classname="{}" name="{}""#, Escaped(&file.file), Escaped(&name))?;
    let Some(failure) = &case.failure else { return writeln!(out, "/>") };
    writeln!(out, ">")?;
    let message = format!("expected {}, got {}", failure.expected, failure.got);
    let text = format!("{}\n{}", case.place, failure.explanation.essence().join("\n"));
    writeln!(
        out,
        r#"      <failure message="{}">{}</failure>"#,
        Escaped(&message),
        Escaped(&text)
    )?;
    writeln!(out, "    </testcase>")
}

/// A text in an attribute or an element: what XML 1.0 cannot hold at all becomes U+FFFD.
struct Escaped<'a>(&'a str);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.chars().try_for_each(|character| match character {
            '<' => f.write_str("&lt;"),
            '>' => f.write_str("&gt;"),
            '&' => f.write_str("&amp;"),
            '"' => f.write_str("&quot;"),
            '\n' => f.write_str("&#10;"),
            '\u{fffe}' | '\u{ffff}' => f.write_str("\u{fffd}"),
            character if character.is_control() => f.write_str("\u{fffd}"),
            character => write!(f, "{character}"),
        })
    }
}
