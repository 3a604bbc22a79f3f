//! The first load: the files, or the last good copy of them.

use tracing::error;

use super::content;
use super::fingerprint::{Fingerprint, Sources};
use super::guard::{Guard, Held};
use super::last_good::{Found, Shelf};
use crate::clock;
use crate::config::{Config, Loaded, Loader, Report};
use crate::current::Current;
use crate::keystore::Permissions;
use crate::policy::UnixSeconds;

/// What serving begins with.
#[derive(Debug)]
pub struct Beginning {
    /// What is to be in force.
    pub loaded: Loaded,
    /// Who loads the files again.
    pub loader: Loader,
    /// How the files looked before they were read.
    pub seen: Fingerprint,
    /// Set where it is not the files that are to be in force.
    pub fallback: Option<Fallback>,
    /// What else somebody should look at.
    pub warnings: Vec<String>,
}

/// Why serving begins with the last good copy.
#[derive(Debug)]
pub struct Fallback {
    /// When the copy was kept.
    kept: UnixSeconds,
    refused: Held,
}

/// Why serving cannot begin.
#[derive(Debug)]
pub struct NoBeginning {
    /// What is wrong with the files.
    pub report: Report,
    /// Where a last good copy was looked for in vain: why there is none.
    pub last_good: Option<String>,
}

/// Loads the files of `config`; the last good copy, where they are bad, or where a guard rail holds
/// back what they changed since it was kept.
///
/// # Errors
///
/// Where the files are bad and there is no copy to serve instead.
pub fn begin(config: &Config, permissions: Permissions) -> Result<Beginning, NoBeginning> {
    // Taken before the files are read: an edit during the load is seen afterwards.
    let seen = Fingerprint::of(config);
    let shelf = Shelf::of(config);
    let copy = || shelf.as_ref().map_or(Ok(None), |shelf| shelf.open(config, permissions));
    let mut loader = Loader::new(config.clone(), permissions);
    let loaded = match loader.load() {
        Ok(loaded) => loaded,
        Err(report) => {
            let lines = report.lines();
            return match copy() {
                Ok(Some(found)) => {
                    let refused = Held { problems: lines, waiting: None };
                    Ok(found.instead(loader, seen, refused))
                }
                Ok(None) => {
                    let folder = config.reload.last_good.as_ref();
                    let why = folder.map(|it| format!("{}: nothing was kept yet", it.display()));
                    Err(NoBeginning { report, last_good: why })
                }
                Err(why) => Err(NoBeginning { report, last_good: Some(why) }),
            };
        }
    };
    let (sources, consents) = (Sources::of(config), <_>::default());
    let guard = Guard { rules: config.reload.clone(), sources, consents };
    let mut warnings = Vec::new();
    if guard.is_set() {
        match copy() {
            Ok(Some(found)) => {
                let same = content::id(&guard.sources, &seen)
                    .is_ok_and(|id| id.to_string() == found.content);
                let (was, is) = (&found.loaded.snapshot, &loaded.snapshot);
                if !same && let Err(held) = guard.judge(was, is, &seen, clock::now()) {
                    return Ok(found.instead(loader, seen, held));
                }
            }
            Ok(None) => {}
            Err(why) => warnings.push(format!("the last good copy is of no use: {why}")),
        }
    }
    Ok(Beginning { loaded, loader, seen, fallback: None, warnings })
}

impl Found {
    fn instead(self, loader: Loader, seen: Fingerprint, refused: Held) -> Beginning {
        let fallback = Some(Fallback { kept: self.kept, refused });
        Beginning { loaded: self.loaded, loader, seen, fallback, warnings: Vec::new() }
    }
}

impl Fallback {
    /// Says in the status and in the log that the last good copy is in force, and why.
    pub fn tell(self, current: &Current) {
        let Held { problems, waiting } = self.refused;
        let kept = super::rfc3339(self.kept);
        error!(
            kept,
            problems = problems.len(),
            "the files are refused, what is served is the last good copy, kept at {kept}"
        );
        for problem in &problems {
            error!(problem, "policy problem");
        }
        current.is_last_good(self.kept);
        current.keep(problems, waiting, clock::now());
    }
}
