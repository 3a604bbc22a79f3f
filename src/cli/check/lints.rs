//! `sidegate check --explain`: what a warning is about.

use std::io::{self, Write};

use serde::Serialize;

use crate::cli::{Exit, Output};
use crate::policy::{Lint, nearest};

/// Characters of a line.
const WIDTH: usize = 90;

/// A lint as scripts read it.
#[derive(Debug, Serialize)]
struct Entry {
    code: &'static str,
    title: &'static str,
    explanation: &'static str,
}

impl From<Lint> for Entry {
    fn from(lint: Lint) -> Self {
        Self { code: lint.code(), title: lint.title(), explanation: lint.explanation() }
    }
}

/// Prints one, or names all where `code` is `list`.
pub(super) fn print(
    code: &str,
    output: Output,
    out: &mut impl Write,
    err: &mut impl Write,
) -> io::Result<Exit> {
    let named = Lint::of_code(&code.to_ascii_uppercase());
    match (code, named, output) {
        ("list", _, Output::Text) => {
            for lint in Lint::ALL {
                writeln!(out, "{}  {}", lint.code(), lint.title())?;
            }
        }
        ("list", _, Output::Json) => json(&Lint::ALL.map(Entry::from), out)?,
        (_, Some(lint), Output::Json) => json(&Entry::from(lint), out)?,
        (_, Some(lint), Output::Text) => text(lint, out)?,
        (_, None, _) => {
            let near = nearest(code, Lint::ALL.into_iter().map(Lint::code));
            let hint = near.map_or_else(
                || "`--explain list` has them all".to_owned(),
                |near| format!("did you mean `{near}`?"),
            );
            writeln!(err, "no such lint — {hint}")?;
            return Ok(Exit::Usage);
        }
    }
    out.flush()?;
    Ok(Exit::Fine)
}

fn json(value: &impl Serialize, out: &mut impl Write) -> io::Result<()> {
    serde_json::to_writer_pretty(&mut *out, value)?;
    writeln!(out)
}

fn text(lint: Lint, out: &mut impl Write) -> io::Result<()> {
    writeln!(out, "{}: {}\n", lint.code(), lint.title())?;
    let mut width = 0;
    for word in lint.explanation().split(' ') {
        let length = word.chars().count();
        match width {
            0 => {}
            width if width + 1 + length > WIDTH => writeln!(out)?,
            _ => write!(out, " ")?,
        }
        width = if width == 0 || width + 1 + length > WIDTH { length } else { width + 1 + length };
        write!(out, "{word}")?;
    }
    let code = lint.code();
    writeln!(out, "\n\nto let one stay, in `policy.toml`, or, of settings, in `sidegate.toml`:\n")?;
    writeln!(
        out,
        "    [[allow]]\n    lint = \"{code}\"\n    where = \"…\"     # a part of the message"
    )?;
    writeln!(out, "    reason = \"…\"")
}
