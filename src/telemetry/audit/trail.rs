//! What a command writes to the audit log: it is another process than the one that serves.

use std::io::{self, Write as _};
use std::path::Path;

use super::entry::{self, CommandEntry};
use super::file::AuditFile;

/// An audit log that one command appends to. Each entry is on the disk when that is said.
#[derive(Debug)]
pub struct Trail {
    file: AuditFile,
    run: String,
    number: u64,
}

impl Trail {
    /// The audit log at `path`, which is made where it is not there.
    ///
    /// # Errors
    ///
    /// When it cannot be opened.
    pub fn open(path: &Path) -> io::Result<Self> {
        Ok(Self { file: AuditFile::open(path)?, run: entry::run(), number: 0 })
    }

    /// Appends an entry, and waits until it is on the disk.
    ///
    /// # Errors
    ///
    /// When it is not.
    pub fn append(&mut self, entry: &CommandEntry<'_>) -> io::Result<()> {
        // Somebody may have renamed it since the last one.
        self.file.follow()?;
        self.number += 1;
        let body = entry::body(entry).ok_or_else(|| io::Error::other("the clock is off"))?;
        let mut line = Vec::with_capacity(body.len() + 64);
        entry::line(&self.run, self.number, &body, &mut line);
        let mut file = self.file.file();
        match file.write(&line)? {
            count if count == line.len() => self.file.sync(),
            // It is not whole: what follows it begins a line of its own.
            _ => {
                let _ = file.write(b"\n");
                Err(io::ErrorKind::StorageFull.into())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::thread;

    use serde_json::Value;

    use super::super::Stage;
    use super::*;

    #[test]
    fn entries_of_many_commands_are_whole_and_numbered() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("audit.jsonl");
        let ids: Vec<_> = (0..500).map(|number| format!("k_{number:010}")).collect();
        let entry = |stage| CommandEntry {
            command: "key revoke",
            stage,
            uid: 7,
            by: None,
            workspace: Some("a\"b\n"),
            account: None,
            change: None,
            key_ids: &ids,
            left_out: 0,
        };
        let run = || {
            let mut trail = Trail::open(&path).unwrap();
            trail.append(&entry(Stage::Begun)).unwrap();
            trail.append(&entry(Stage::Done)).unwrap();
        };
        thread::scope(|scope| (0..8).for_each(|_| drop(scope.spawn(run))));
        let text = fs::read_to_string(&path).unwrap();
        let lines: Vec<Value> =
            text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(lines.len(), 16);
        for line in &lines {
            let of_run = lines.iter().filter(|other| other["run"] == line["run"]);
            let numbers: Vec<_> = of_run.map(|it| it["seq"].as_u64().unwrap()).collect();
            assert_eq!(numbers, [1, 2]);
            assert_eq!((&line["schema"], &line["event"]), (&1.into(), &"command".into()));
        }
        let full = Trail::open(Path::new("/dev/full")).unwrap().append(&entry(Stage::Begun));
        assert_eq!(full.unwrap_err().kind(), io::ErrorKind::StorageFull);
    }
}
