//! Text to settings and draft (being built).

use std::fmt;
use std::path::{Path, PathBuf};

use crate::keystore::Permissions;
use crate::policy::draft::DraftWorkspace;
use crate::policy::key::Pepper;
use crate::policy::{At, Draft, Place, Snapshot, compile};

/// Settings.
#[derive(Debug)]
pub struct Config {
    /// Where the policy is.
    pub policy: PathBuf,
    /// Where the key records are.
    pub keys: PathBuf,
    /// Where the pepper is.
    pub pepper: Option<PathBuf>,
    /// The pin.
    pub environment: Option<String>,
}

/// Problems.
#[derive(Debug)]
pub struct Report(String);

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.0)
    }
}

fn table(path: &Path) -> Result<toml::Table, Report> {
    let report = |error: &dyn fmt::Display| Report(format!("{}: {error}", path.display()));
    let text = std::fs::read_to_string(path).map_err(|error| report(&error))?;
    text.parse().map_err(|error| report(&error))
}

/// Reads `sidegate.toml`.
///
/// # Errors
///
/// Its problems.
pub fn read(path: &Path) -> Result<Config, Report> {
    let table = table(path)?;
    let text = |name: &str| table.get(name).and_then(|value| value.as_str());
    let file = |name: &str| text(name).map(|name| path.with_file_name(name));
    Ok(Config {
        policy: file("policy").unwrap_or_default(),
        keys: file("keys").unwrap_or_default(),
        pepper: file("pepper"),
        environment: text("environment").map(str::to_owned),
    })
}

/// Reads and compiles the policy without any keys.
///
/// # Errors
///
/// Its problems.
pub fn load_policy(config: &Config) -> Result<Snapshot, Report> {
    let table = table(&config.policy)?;
    let at = |text: &str| At::new(text.to_owned(), Place::default());
    let mut draft = Draft::default();
    let areas = table.get("areas").and_then(|areas| areas.as_array()).into_iter().flatten();
    draft.areas = areas.filter_map(|area| area.as_str()).map(at).collect();
    let tables = |name: &str| table.get(name).and_then(|value| value.as_table()).cloned();
    for (name, _) in tables("product").unwrap_or_default() {
        let product = crate::policy::draft::DraftProduct {
            name: at(&name),
            permissions: Vec::new(),
            roles: Vec::new(),
        };
        draft.products.push(product);
    }
    for (name, workspace) in tables("workspace").unwrap_or_default() {
        let members = workspace.get("members").and_then(|members| members.as_table());
        draft.workspaces.push(DraftWorkspace {
            name: at(&name),
            environment: at(workspace.get("environment").and_then(|e| e.as_str()).unwrap_or("")),
            suspended: false,
            seats: None,
            members: members
                .into_iter()
                .flatten()
                .map(|(account, role)| (at(account), at(role.as_str().unwrap_or(""))))
                .collect(),
            groups: Vec::new(),
            products: Vec::new(),
            grants: Vec::new(),
        });
    }
    compile(draft).map_err(|problems| Report(format!("{problems:?}")))
}

/// Reads the pepper.
///
/// # Errors
///
/// Its problems.
pub fn read_pepper(path: &Path, _permissions: Permissions) -> Result<Pepper, Report> {
    let bytes = std::fs::read(path).map_err(|error| Report(error.to_string()))?;
    bytes.try_into().map(Pepper::new).map_err(|_| Report("a pepper has 32 bytes".into()))
}
