//! `sidegate schema`: JSON Schema of the files, for editors.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};

use super::Exit;
use crate::config::Schema;

#[derive(Debug, Args)]
pub(super) struct SchemaArgs {
    /// Of which file
    #[arg(value_enum, value_name = "FILE", required_unless_present = "dir")]
    of: Option<Which>,
    /// Write all of them into this directory instead: policy.schema.json, sidegate.schema.json,
    /// tests.schema.json
    #[arg(long, value_name = "DIR", conflicts_with = "of")]
    dir: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Which {
    /// policy.toml
    Policy,
    /// sidegate.toml
    Settings,
    /// Tests of a policy
    Tests,
}

impl Which {
    fn schema(self) -> Schema {
        match self {
            Self::Policy => Schema::Policy,
            Self::Settings => Schema::Settings,
            Self::Tests => Schema::Tests,
        }
    }
}

/// Prints one, or writes all.
pub(super) fn run(args: &SchemaArgs) -> Exit {
    let mut err = io::stderr().lock();
    super::printed(print(args, &mut io::stdout().lock(), &mut err), &mut err)
}

fn print(args: &SchemaArgs, out: &mut impl Write, err: &mut impl Write) -> io::Result<Exit> {
    if let Some(which) = args.of {
        out.write_all(which.schema().text().as_bytes())?;
    }
    for schema in args.dir.iter().flat_map(|_| Schema::ALL) {
        let path = args.dir.as_deref().unwrap_or(Path::new("")).join(schema.file_name());
        if let Err(error) = fs::write(&path, schema.text()) {
            writeln!(err, "{}: cannot be written: {}", path.display(), super::trouble(&error))?;
            return Ok(Exit::Broke);
        }
        writeln!(out, "wrote {}", path.display())?;
    }
    out.flush()?;
    Ok(Exit::Fine)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_is_printed_or_all_are_written() {
        for which in Which::value_variants() {
            let (args, mut out) = (SchemaArgs { of: Some(*which), dir: None }, Vec::new());
            assert_eq!(print(&args, &mut out, &mut Vec::new()).unwrap(), Exit::Fine);
            let printed: serde_json::Value = serde_json::from_slice(&out).unwrap();
            assert_eq!(printed["$schema"], "http://json-schema.org/draft-07/schema#");
        }
        let folder = tempfile::tempdir().unwrap();
        let args = SchemaArgs { of: None, dir: Some(folder.path().to_owned()) };
        let (mut out, mut err) = (Vec::new(), Vec::new());
        assert_eq!(print(&args, &mut out, &mut err).unwrap(), Exit::Fine);
        for schema in Schema::ALL {
            let path = folder.path().join(schema.file_name());
            assert_eq!(fs::read_to_string(path).unwrap(), schema.text());
        }
        let args = SchemaArgs { of: None, dir: Some(folder.path().join("none")) };
        assert_eq!(print(&args, &mut out, &mut err).unwrap(), Exit::Broke);
    }
}
