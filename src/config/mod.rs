//! Text to settings and draft (being built).

use std::fmt;
use std::path::{Path, PathBuf};

use crate::keystore::Permissions;
use crate::policy::Snapshot;

/// Settings.
#[derive(Debug, Clone)]
pub struct Config {
    /// This file.
    pub path: PathBuf,
    /// The policy.
    pub policy: PathBuf,
    /// The keys.
    pub keys: PathBuf,
    /// The pepper.
    pub pepper: Option<PathBuf>,
    /// The admin listener.
    pub admin: crate::admin::Settings,
}

/// Loaded.
#[derive(Debug)]
pub struct Loaded {
    /// The policy.
    pub snapshot: Snapshot,
    /// What to say of it.
    pub report: Report,
}

/// Report.
#[derive(Debug)]
pub struct Report;

impl Report {
    /// Lines.
    pub fn lines(&self) -> Vec<String> {
        Vec::new()
    }
}

impl fmt::Display for Report {
    fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
        Ok(())
    }
}

/// Loads.
///
/// # Errors
///
/// Report.
pub fn load(_config: &Config, _permissions: Permissions) -> Result<Loaded, Report> {
    Err(Report)
}

/// Locates.
pub fn locate(named: Option<&Path>) -> PathBuf {
    named.unwrap_or(Path::new("config/sidegate.toml")).to_owned()
}

/// Reads.
///
/// # Errors
///
/// Report.
pub fn read(_path: &Path) -> Result<Config, Report> {
    Err(Report)
}
