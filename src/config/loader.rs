//! The same files again and again: all of them, all but the keys, or only what changed of the keys.

use std::sync::Arc;
use std::time::Duration;

use super::page::Notes;
use super::{
    Config, Loaded, Records, Report, Secrets, certificates, collect, gather, is_error, together,
    whole, with_rules,
};
use crate::current::Certificate;
use crate::keystore::{Changes, Ledger, Permissions};
use crate::policy::{Snapshot, compile_under};
use crate::proxy::{Tls, Trust};

/// Loads the files that settings name, as often as they change.
///
/// INVARIANT: what it knows is of one load, and the keys that were read since; nothing where the
/// last load of everything failed.
#[derive(Debug)]
pub struct Loader {
    config: Config,
    permissions: Permissions,
    known: Option<Known>,
}

/// What was loaded last.
#[derive(Debug)]
struct Known {
    snapshot: Snapshot,
    tls: Option<Tls>,
    trusts: Vec<Option<Trust>>,
    certificates: Arc<[Certificate]>,
    ledger: Ledger,
}

impl Known {
    fn of(loaded: &Loaded, ledger: Ledger) -> Self {
        Self {
            snapshot: loaded.snapshot.clone(),
            tls: loaded.tls.clone(),
            trusts: loaded.trusts.clone(),
            certificates: Arc::clone(&loaded.certificates),
            ledger,
        }
    }
}

impl Loader {
    /// Nothing is read yet.
    pub fn new(config: Config, permissions: Permissions) -> Self {
        Self { config, permissions, known: None }
    }

    /// The settings.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// As [`load`](super::load).
    ///
    /// # Errors
    ///
    /// Every problem of the files, warnings included.
    pub fn load(&mut self) -> Result<Loaded, Report> {
        self.known = None;
        let Self { config, permissions, .. } = &*self;
        let mut ledger = None;
        let records = Records::AllToFollow(&mut ledger);
        let secrets = Secrets { permissions: *permissions, records };
        let read = gather(config, Some(secrets), &Notes::default());
        let loaded = whole(read, certificates(config, *permissions))?;
        self.known = ledger.map(|ledger| Known::of(&loaded, ledger));
        Ok(loaded)
    }

    /// What [`load`](Self::load) would return if the key file had not changed since the last one:
    /// it is not read. Nothing where it is for a whole load to say what is so.
    pub fn load_policy(&mut self) -> Option<Loaded> {
        // Where this breaks off, nothing is known.
        let Known { snapshot, ledger, .. } = self.known.take()?;
        let read = gather_under(&self.config, self.permissions, &snapshot)?;
        let loaded = whole(read, certificates(&self.config, self.permissions)).ok()?;
        self.known = Some(Known::of(&loaded, ledger));
        Some(loaded)
    }

    /// What [`load`](Self::load) would return if nothing but the keys had changed since the last one,
    /// at the cost of what changed; its report is empty. Also, how long other threads were busy with
    /// that. Nothing where it is for a whole load to say what is so.
    pub fn load_keys(&mut self) -> (Option<Loaded>, Duration) {
        // Where this breaks off, nothing is known.
        let Some(Known { snapshot, tls, trusts, certificates, ledger }) = self.known.take() else {
            return (None, Duration::ZERO);
        };
        let compiled = |number| snapshot.compiled_digest(number);
        let (changes, helped) = ledger.changes(&self.config.keys, self.permissions, compiled);
        let loaded = changes.and_then(|Changes { gone, came, ledger }| {
            let snapshot = snapshot.amended(&gone, &came)?;
            let report = Report::default();
            let loaded = Loaded { snapshot, tls, trusts, certificates, report };
            self.known = Some(Known::of(&loaded, ledger));
            Some(loaded)
        });
        (loaded, helped)
    }
}

/// As [`gather`], with the keys of `before` in place of those of their file. Nothing where that file
/// has to be read to say what is so.
fn gather_under(
    config: &Config,
    permissions: Permissions,
    before: &Snapshot,
) -> Option<(Option<Snapshot>, Report)> {
    let secrets = Secrets { permissions, records: Records::None };
    let (draft, notes, files) = collect(config, Some(secrets), &Notes::default());
    if notes.hollow || notes.problems.iter().any(is_error) {
        return None;
    }
    let snapshot = compile_under(&draft, before)?;
    let problems = together(notes, snapshot.warnings().to_vec());
    Some((Some(with_rules(snapshot, draft, &files)), Report::new(files, problems)))
}
