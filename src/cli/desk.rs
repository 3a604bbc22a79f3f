//! What the operators' page is given: whom it is shown to, and who answers what it asks.

use crate::admin::{Access, Desk, Files};
use crate::config::{self, Config};
use crate::keystore::{self, Permissions};

use super::explain;
use super::serve::Failure;

/// The page's desk, by these settings.
pub(super) fn open(config: &Config, permissions: Permissions) -> Result<Desk, Failure> {
    let token = config.admin.token.as_ref();
    let token = token.map(|path| config::read_token(path, permissions)).transpose();
    let access = Access::new(token.map_err(Failure::Invalid)?, &config.admin.hosts);
    let files = Files {
        settings: config.path.display().to_string(),
        policy: config.policy.display().to_string(),
        keys: config.keys.display().to_string(),
    };
    let keys = config.keys.clone();
    let labels = move |each: &mut dyn FnMut(&str, &str)| keystore::labels(&keys, each);
    Ok(Desk::new(access, files, explain::answer, labels))
}
