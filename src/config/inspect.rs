//! Everything that somebody should know of the files, for who asks: errors, warnings, and what is
//! told nowhere else because nothing is worse for it yet.

use std::path::Path;

use super::allow::Allowed;
use super::files::Files;
use super::page::Notes;
use super::{Report, certificates, collect, lints, settings, token, weigh};
use crate::clock;
use crate::keystore::Permissions;
use crate::policy::Snapshot;

/// What was found.
#[derive(Debug)]
pub struct Inspection {
    /// The compiled policy, where there is no error.
    pub snapshot: Option<Snapshot>,
    /// Every problem that is not allowed.
    pub report: Report,
    /// How many warnings `[[allow]]` silences.
    pub allowed: usize,
}

/// Reads and judges all that the settings at `path` name, as [`open`](super::open) does, and warns of
/// what no load tells.
pub fn inspect(path: &Path, permissions: Permissions) -> Inspection {
    let mut files = Files::default();
    let (config, mut notes) = settings::read(path, &mut files);
    let mut report = Report::new(files, std::mem::take(&mut notes.problems));
    let Some(mut config) = config else {
        return Inspection { snapshot: None, report, allowed: 0 };
    };
    let (mut draft, Notes { problems, lost, hollow }, files) =
        collect(&config, Some(permissions.into()), &notes);
    let mut lists = [&mut config.allows, &mut draft.allows].map(|list| {
        let list = std::mem::take(list);
        Allowed::new(list)
    });
    let of_keys = lints::keys(&draft.keys, clock::now());
    let keys = std::mem::take(&mut draft.keys);
    let (snapshot, problems) = weigh(&draft, keys, Notes { problems, lost, hollow });
    let mut of_policy = Report::new(files, problems);
    let (_, mut of_tls) = certificates(&config, permissions);
    if let Some(path) = &config.admin.token {
        let mut files = Files::default();
        let (_, problems) = token::read(path, files.add(path), permissions);
        of_tls.append(Report::new(files, problems));
    }
    if let Some(snapshot) = &snapshot
        && [&report, &of_policy, &of_tls].iter().all(|it| it.errors() == 0)
    {
        report.extend(lints::settings(&config, &draft));
        of_policy.extend(lints::policy(&config, &draft, snapshot));
        of_policy.extend(of_keys);
    }
    for allowed in &mut lists {
        [&mut report, &mut of_policy, &mut of_tls].into_iter().for_each(|it| it.silence(allowed));
    }
    let [of_settings, of_draft] = &lists;
    // What an error hides is no reason to drop an allowance.
    if snapshot.is_some() {
        report.extend(of_settings.idle());
        of_policy.extend(of_draft.idle());
    }
    let allowed = lists.iter().map(Allowed::silenced).sum();
    report.append(of_policy);
    report.append(of_tls);
    Inspection { snapshot: snapshot.filter(|_| report.errors() == 0), report, allowed }
}
