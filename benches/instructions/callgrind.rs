//! A program under callgrind, and what it counts.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use super::Outcome;

const OUT: &str = "callgrind.out";

pub(crate) fn is_there() -> Outcome<()> {
    let asked = Command::new("valgrind").arg("--version").stdout(Stdio::null()).status();
    asked.map(drop).map_err(|error| format!("`valgrind`: {error}").into())
}

/// To be spawned; what it counts is kept in `folder`.
pub(crate) fn command(folder: &Path, program: &Path, words: &[&str]) -> Command {
    let mut command = Command::new("valgrind");
    command
        .args(["--tool=callgrind", "--separate-threads=yes"])
        .arg(format!("--callgrind-out-file={OUT}"))
        .arg(program)
        .args(words)
        .current_dir(folder)
        .stdin(Stdio::null())
        .stdout(Stdio::null());
    command
}

/// Instructions by thread.
pub(crate) fn totals(folder: &Path) -> Outcome<BTreeMap<String, u64>> {
    let mut totals = BTreeMap::new();
    for entry in fs::read_dir(folder)?.flatten() {
        let name = entry.file_name();
        let Some(thread) = OsStr::to_str(&name).and_then(|name| name.strip_prefix(OUT)) else {
            continue;
        };
        let text = fs::read_to_string(entry.path())?;
        let total = text.lines().find_map(|line| line.strip_prefix("totals: "));
        if let Some(total) = total {
            totals.insert(thread.to_owned(), total.trim().parse()?);
        }
    }
    Ok(totals)
}

/// Of what a thread did more in the second run, the most: that of the one that serves.
pub(crate) fn difference(fewer: &BTreeMap<String, u64>, more: &BTreeMap<String, u64>) -> u64 {
    let by = |(thread, total): (&String, &u64)| {
        total.saturating_sub(fewer.get(thread).copied().unwrap_or(0))
    };
    more.iter().map(by).max().unwrap_or(0)
}
