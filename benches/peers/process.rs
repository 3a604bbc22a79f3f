//! A process of ours, and what it has taken.

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use sidegate::clock;

use super::Outcome;

const PATIENCE: Duration = Duration::from_secs(60);
/// What `/proc` counts in, on every Linux of the last decades.
const TICKS_PER_SECOND: f64 = 100.0;

/// A child that is asked to end, by its id, when it goes out of scope.
pub(crate) struct Running(pub(crate) Child);

impl Running {
    /// Starts a program on some cores, and waits until it is ready.
    pub(crate) fn start(
        program: &Path,
        words: &[String],
        folder: &Path,
        cores: &str,
        is_ready: impl Fn() -> bool,
    ) -> Outcome<Self> {
        let log_file = folder.join("log");
        let log = fs::File::create(&log_file)?;
        let child = Command::new("taskset")
            .args(["-c", cores])
            .arg(program)
            .args(words)
            .current_dir(folder)
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()
            .map_err(|error| format!("`taskset`: {error}"))?;
        let mut running = Self(child);
        let deadline = clock::instant() + PATIENCE;
        while !is_ready() {
            if running.0.try_wait()?.is_some() || clock::instant() > deadline {
                let said: String = fs::read_to_string(log_file)?.chars().take(2000).collect();
                return Err(format!("does not answer; it said: {}", said.trim()).into());
            }
            thread::sleep(Duration::from_millis(2));
        }
        Ok(running)
    }

    pub(crate) fn signal(&self, name: &str) -> Outcome<()> {
        let id = self.0.id().to_string();
        Command::new("sh").args(["-c", "kill -$0 $1", name, &id]).status()?;
        Ok(())
    }

    /// Seconds on a core, of the process, its children, and theirs that are no more.
    pub(crate) fn cpu(&self) -> Outcome<f64> {
        let mut ticks = 0;
        for id in self.family()? {
            // One that has ended meanwhile is among its parent's.
            let Ok(stat) = fs::read_to_string(format!("/proc/{id}/stat")) else { continue };
            // A name may hold spaces, so the fields begin after it.
            let rest = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
            let fields = rest.split_whitespace().skip(11).take(4);
            ticks += fields.filter_map(|field| field.parse::<u64>().ok()).sum::<u64>();
        }
        Ok(ticks as f64 / TICKS_PER_SECOND)
    }

    /// Bytes resident, what is shared by its share.
    pub(crate) fn memory(&self) -> Outcome<u64> {
        let mut kilobytes = 0;
        for id in self.family()? {
            let text = fs::read_to_string(format!("/proc/{id}/smaps_rollup"))?;
            let line = text.lines().find_map(|line| line.strip_prefix("Pss:"));
            let number = line.and_then(|line| line.trim().strip_suffix(" kB"));
            kilobytes += number.ok_or("no `Pss`")?.parse::<u64>()?;
        }
        Ok(kilobytes * 1024)
    }

    fn family(&self) -> Outcome<Vec<u32>> {
        let mut family = vec![self.0.id()];
        let mut at = 0;
        while let Some(id) = family.get(at).copied() {
            let children = fs::read_to_string(format!("/proc/{id}/task/{id}/children"));
            for child in children.unwrap_or_default().split_whitespace() {
                family.push(child.parse()?);
            }
            at += 1;
        }
        Ok(family)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if !matches!(self.0.try_wait(), Ok(None)) {
            return;
        }
        let _asked = self.signal("TERM");
        let deadline = clock::instant() + PATIENCE;
        while matches!(self.0.try_wait(), Ok(None)) && clock::instant() < deadline {
            thread::sleep(Duration::from_millis(2));
        }
        let _killed = self.0.kill();
        let _status = self.0.wait();
    }
}
