//! For every file of key records: records, or problems with a place in the file; no key's text.

#![no_main]

use std::fs;
use std::path::PathBuf;
use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use sidegate::keystore::{self, Permissions};
use sidegate::policy::{FileId, Severity};
use tempfile::TempDir;

static FOLDER: LazyLock<TempDir> = LazyLock::new(|| tempfile::tempdir_in("/dev/shm").unwrap());

fuzz_target!(|bytes: &[u8]| {
    let path: PathBuf = FOLDER.path().join("keys.jsonl");
    fs::write(&path, bytes).unwrap();
    let file = FileId(3);
    let (keys, problems) = keystore::read(&path, file, Permissions::Insecure);
    let (records, same) = keystore::records(&path, file, Permissions::Insecure);
    assert_eq!(problems, same);
    assert_eq!(keys.len(), records.len());

    let lines: Vec<&[u8]> = bytes.split_inclusive(|byte| *byte == b'\n').collect();
    let errors = problems.iter().filter(|problem| problem.severity == Severity::Error).count();
    assert!(errors > 0 || keys.len() == lines.len() || bytes == b"\n", "a line is lost");
    for problem in &problems {
        let told = problem.to_string();
        assert!(!told.chars().any(char::is_control), "{told:?}");
        assert!(told.len() < 2000, "{told:?}");
        assert!(!says_a_key(&told), "{told:?}");
        assert_eq!(problem.place.file, file);
        let (line, column) = (problem.place.line as usize, problem.place.column as usize);
        assert!(line <= lines.len(), "line {line} of {}: {told}", lines.len());
        let characters = match line {
            0 => 0,
            line => String::from_utf8_lossy(lines[line - 1]).chars().count(),
        };
        assert!(column <= characters + 1, "{line}:{column} of {characters}: {told}");
    }
    // What was read is written as what reads the same.
    let mut written = String::new();
    for record in &records {
        written.push_str(&serde_json::to_string(record).unwrap());
        written.push('\n');
    }
    if written.is_empty() {
        return;
    }
    fs::write(&path, written).unwrap();
    let (again, problems) = keystore::records(&path, file, Permissions::Insecure);
    assert!(problems.iter().all(|problem| problem.severity == Severity::Warning), "{problems:?}");
    assert_eq!(records, again);
});

/// Whether there is something in it like the random part of a key of ours.
fn says_a_key(text: &str) -> bool {
    text.split("sg_").skip(1).any(|rest| {
        let key = rest.bytes().take_while(|byte| byte.is_ascii_alphanumeric() || *byte == b'_');
        key.count() >= 40
    })
}
