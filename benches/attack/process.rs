//! What a process takes, with all that it started.

use std::fs;
use std::process::{Child, Command};
use std::time::Duration;

use sidegate::clock;

use super::Outcome;

const PATIENCE: Duration = Duration::from_secs(20);
/// What `/proc` counts in, on every Linux of the last decades.
const TICKS_PER_SECOND: f64 = 100.0;

/// A child that is asked to end, by its id, when it goes out of scope.
pub(crate) struct Running(pub(crate) Child);

impl Drop for Running {
    fn drop(&mut self) {
        let ask = format!("kill -TERM {}", self.0.id());
        let _asked = Command::new("sh").args(["-c", &ask]).status();
        let deadline = clock::instant() + PATIENCE;
        while matches!(self.0.try_wait(), Ok(None)) && clock::instant() < deadline {
            std::thread::sleep(Duration::from_millis(5));
        }
        let _killed = self.0.kill();
        let _status = self.0.wait();
    }
}

impl Running {
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

    /// Seconds on a core.
    pub(crate) fn cpu(&self) -> Outcome<f64> {
        let mut ticks = 0;
        for id in self.family()? {
            let fields = fields(id)?;
            let field = |at: usize| fields.get(at).and_then(|field| field.parse::<u64>().ok());
            ticks += field(11).ok_or("no user time")? + field(12).ok_or("no system time")?;
        }
        Ok(ticks as f64 / TICKS_PER_SECOND)
    }

    fn family(&self) -> Outcome<Vec<u32>> {
        let mut family = vec![self.0.id()];
        let mut at = 0;
        while let Some(id) = family.get(at).copied() {
            let children = fs::read_to_string(format!("/proc/{id}/task/{id}/children"))?;
            for child in children.split_whitespace() {
                family.push(child.parse()?);
            }
            at += 1;
        }
        Ok(family)
    }
}

/// What follows its name, which may hold spaces.
fn fields(id: u32) -> Outcome<Vec<String>> {
    let stat = fs::read_to_string(format!("/proc/{id}/stat"))?;
    let rest = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
    Ok(rest.split_whitespace().map(str::to_owned).collect())
}
