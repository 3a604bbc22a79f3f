//! Until a change of keys, members or grants is in force.

use std::io;
use std::time::{Duration, Instant};

use clap::Args;

use super::Terminal;
use super::outcome::Failure;
use crate::cli::plane::{self, Look, Whose, duration};
use crate::clock;
use crate::config::Config;

/// How long a running process may take.
const PATIENCE: Duration = Duration::from_secs(30);

#[derive(Debug, Args)]
pub(in crate::cli) struct WaitArgs {
    /// Do not wait until the running sidegate has it in force. Without it, the one on the `[admin]
    /// address` of the settings is asked; others that share the files cannot be known, and take it
    /// up by themselves
    #[arg(long)]
    no_wait: bool,
}

impl WaitArgs {
    /// Waits until what was written is in force, and says so. That nobody runs there is no failure:
    /// the file is what counts.
    ///
    /// # Errors
    ///
    /// Where somebody runs and has it not in force.
    pub(in crate::cli) fn wait(
        &self,
        config: &Config,
        written: Instant,
        terminal: &mut Terminal<'_>,
    ) -> Result<(), Failure> {
        if self.no_wait {
            return Ok(());
        }
        let address = plane::address(config);
        let look = plane::look(config, PATIENCE);
        let took = duration(clock::instant() - written);
        let told: io::Result<()> = match look {
            Look::Settled(looked, whose) => {
                let number = looked.generation.number;
                if let Some(failing) = looked.failing {
                    let lines = failing.problems.join("\n");
                    return Err(Failure::Invalid(format!(
                        "{lines}\nnot in force: the files are refused, and generation {number} \
                         stays — mend the above"
                    )));
                }
                match whose {
                    Whose::Same => {
                        writeln!(terminal.err, "in force in generation {number} after {took}")
                    }
                    Whose::Other => writeln!(
                        terminal.err,
                        "warning: what runs at {address} reads {}: in force in its generation \
                         {number} after {took} only if that names the same files",
                        looked.settings
                    ),
                }
            }
            Look::Nobody => {
                writeln!(terminal.err, "no sidegate runs at {address}: in force once one does")
            }
            Look::Unanswered(problem) => {
                return Err(Failure::Broke(format!(
                    "not known to be in force: {address}: {problem}"
                )));
            }
            Look::Unsettled(after) => {
                return Err(Failure::Broke(format!(
                    "not in force after {}: `sidegate status` says why",
                    duration(after)
                )));
            }
        };
        Ok(told?)
    }
}
