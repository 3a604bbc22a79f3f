//! A change of the policy, ready to be looked at and written.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::change::{Change, apply};
use super::{Obstacle, names};
use crate::config::draft::{self, Instead};
use crate::config::files::Files;
use crate::config::page::Notes;
use crate::config::{self, Config, Report};
use crate::keystore::{Permissions, Refusal, Target};
use crate::policy::administration::{self, Overreach};
use crate::policy::{Draft, Problem, Severity, Snapshot, compile_with};

/// What somebody wants of a policy.
#[derive(Debug)]
pub struct Wish<'a> {
    /// The workspace.
    pub workspace: &'a str,
    /// What is to become of it.
    pub change: Change,
    /// The account that asks, where it is not the operator.
    pub by: Option<&'a str>,
    /// Whether it is to be written; if not, nothing is locked.
    pub write: bool,
}

/// A change that compiles, not yet written.
#[derive(Debug)]
pub struct Amendment {
    /// The folder's lock is held as long as this lives.
    target: Option<Target>,
    policy: PathBuf,
    file: PathBuf,
    read: Vec<(PathBuf, Vec<u8>)>,
    before: String,
    after: String,
    was: Snapshot,
    is: Snapshot,
    warnings: Vec<String>,
}

impl Amendment {
    /// Reads the policy, makes the change in its text and compiles that.
    ///
    /// # Errors
    ///
    /// Why it cannot or may not be made.
    pub fn prepare(config: &Config, wish: &Wish<'_>) -> Result<Self, Obstacle> {
        let target = if wish.write { Some(lock(config, wish.workspace)?) } else { None };
        let read = content(&config.policy).map_err(|error| unreadable(&config.policy, &error))?;
        let was = Sound::read(config, None)?;
        let file = was.file_of(config, wish.workspace)?;
        names::check(&was.draft, &was.snapshot, &was.report, wish.workspace, &wish.change)?;

        let bytes = read.iter().find(|(path, _)| *path == file).map(|(_, bytes)| bytes.clone());
        let before = bytes.and_then(|bytes| String::from_utf8(bytes).ok());
        let before = before.ok_or_else(|| changed_meanwhile(&file))?;
        let after = edited(&file, &before, wish.workspace, &wish.change)?;
        let is = Sound::read(config, Some(Instead { path: &file, text: &after }))?;
        if let Some(by) = wish.by {
            permit(config, wish, by, &file, [&before, &after])?;
        }
        let warnings = is.warnings_beyond(&was);
        let (was, is, policy) = (was.snapshot, is.snapshot, config.policy.clone());
        Ok(Self { target, policy, file, read, before, after, was, is, warnings })
    }

    /// The file that is changed.
    pub fn file(&self) -> &Path {
        &self.file
    }

    /// Its text as it stands there.
    pub fn before(&self) -> &str {
        &self.before
    }

    /// Its text as it is to be.
    pub fn after(&self) -> &str {
        &self.after
    }

    /// The policy as it stands there, without keys.
    pub fn was(&self) -> &Snapshot {
        &self.was
    }

    /// The policy as it is to be, without keys.
    pub fn is(&self) -> &Snapshot {
        &self.is
    }

    /// What somebody should look at that the change brings, one a line.
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// Writes the file, if it was to be written and no file of the policy changed since it was read.
    ///
    /// # Errors
    ///
    /// Why nothing was written.
    pub fn write(self) -> Result<(), Obstacle> {
        let Some(target) = &self.target else { return Ok(()) };
        let now = content(&self.policy).map_err(|error| unreadable(&self.policy, &error))?;
        if now != self.read {
            return Err(changed_meanwhile(&self.file));
        }
        let metadata = fs::metadata(&self.file).map_err(|error| unreadable(&self.file, &error))?;
        // A policy is no secret: who could read it still can.
        let mode = Permissions::Insecure;
        target.replace(Some(&metadata), mode, &[self.after.as_bytes()]).map_err(of_refusal)
    }
}

/// A policy that compiles.
struct Sound {
    draft: Draft,
    snapshot: Snapshot,
    report: Report,
}

impl Sound {
    fn read(config: &Config, instead: Option<Instead<'_>>) -> Result<Self, Obstacle> {
        let (draft, notes, files) = gather(config, instead);
        let is_error = |problem: &Problem| problem.severity == Severity::Error;
        let whole = !notes.hollow && !notes.problems.iter().any(is_error);
        match compile_with(&draft, Vec::new()) {
            Ok(snapshot) if whole => {
                Ok(Self { draft, snapshot, report: Report::new(files, Vec::new()) })
            }
            _ => {
                let report = config::judge(draft, notes, files).1;
                Err(Obstacle::Invalid(match instead {
                    // What is there is sound: all of it comes from the change.
                    Some(_) => {
                        let errors = report.errors_without_places();
                        format!("{errors}the change is refused, nothing is written\n")
                    }
                    None => report.to_string(),
                }))
            }
        }
    }

    /// The file in which the workspace stands.
    fn file_of(&self, config: &Config, workspace: &str) -> Result<PathBuf, Obstacle> {
        let draft = names::workspace(&self.draft, workspace)?;
        let files = draft::files_of(&config.policy);
        let files = files.map_err(|error| unreadable(&config.policy, &error))?;
        // A directory has the first id itself.
        let first = usize::from(config.policy.is_dir());
        let index = usize::from(draft.name.place.file.0).checked_sub(first);
        let file = index.and_then(|index| files.into_iter().nth(index));
        file.ok_or_else(|| changed_meanwhile(&config.policy))
    }

    fn warnings_beyond(&self, before: &Self) -> Vec<String> {
        let known = |warning: &&Problem| {
            let before = before.snapshot.warnings().iter();
            !before.into_iter().any(|other| other.message == warning.message)
        };
        let warnings = self.snapshot.warnings().iter().filter(known);
        let place = |warning: &Problem| self.report.place(warning.place);
        warnings.map(|warning| format!("{}: warning: {warning}", place(warning))).collect()
    }
}

fn gather(config: &Config, instead: Option<Instead<'_>>) -> (Draft, Notes, Files) {
    let mut files = Files::default();
    let (mut draft, notes) = draft::read(&config.policy, instead, &mut files);
    draft.upstreams = config.proxy.upstreams.iter().map(|upstream| upstream.name.clone()).collect();
    (draft, notes, files)
}

/// Locks the folder of the file in which the workspace stands.
fn lock(config: &Config, workspace: &str) -> Result<Target, Obstacle> {
    let file = Sound::read(config, None)?.file_of(config, workspace)?;
    Target::lock(&file).map_err(of_refusal)
}

fn edited(file: &Path, before: &str, workspace: &str, change: &Change) -> Result<String, Obstacle> {
    apply(before, workspace, change)
        .map_err(|unable| Obstacle::Invalid(format!("{}: {unable}", file.display())))
}

/// Whether `by` may make the change. Who accepts what it was offered itself may always.
fn permit(
    config: &Config,
    wish: &Wish<'_>,
    by: &str,
    file: &Path,
    [before, after]: [&str; 2],
) -> Result<(), Obstacle> {
    let old = match &wish.change {
        Change::Accept { account } if account == by => return Ok(()),
        // For somebody else, it is as if a member were added.
        Change::Accept { account } => {
            let without = Change::Remove { account: account.clone() };
            edited(file, before, wish.workspace, &without)?
        }
        _ => before.to_owned(),
    };
    let [was, is] = [&*old, after].map(|text| {
        let (mut draft, ..) = gather(config, Some(Instead { path: file, text }));
        for workspace in &mut draft.workspaces {
            // Whoever asks is not a member before it has accepted.
            let pending = workspace.pending.drain(..).filter(|it| it.account.value != by);
            workspace.members.extend(pending.map(|it| (it.account, it.role)));
        }
        compile_with(&draft, Vec::new())
            .map_err(|_| Obstacle::Invalid("what is pending cannot be accepted".to_owned()))
    });
    let line = |overreach: &Overreach| format!("refused to `{by}`: {overreach}");
    administration::judge(&was?, &is?, wish.workspace, by).map_err(|overreach| {
        Obstacle::No(overreach.iter().map(line).collect::<Vec<_>>().join("\n"))
    })
}

/// Every file of a policy, byte for byte.
fn content(policy: &Path) -> io::Result<Vec<(PathBuf, Vec<u8>)>> {
    let files = draft::files_of(policy)?.into_iter();
    files.map(|path| fs::read(&path).map(|bytes| (path, bytes))).collect()
}

fn changed_meanwhile(file: &Path) -> Obstacle {
    let file = file.display();
    Obstacle::Broke(format!("{file}: changed meanwhile: nothing is written — try again"))
}

fn unreadable(file: &Path, error: &io::Error) -> Obstacle {
    Obstacle::Broke(format!("{}: cannot be read: {error}", file.display()))
}

fn of_refusal(refusal: Refusal) -> Obstacle {
    Obstacle::Broke(refusal.to_string())
}
