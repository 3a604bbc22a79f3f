//! `trusted_proxies`: whose word is taken for where a client comes from.

use super::fields::Fields;
use super::page::quoted;
use crate::policy::{At, Problem};
use crate::proxy::Network;

/// Reads the list; what is no network is told and left out.
pub(super) fn proxies(fields: &mut Fields<'_>) -> Vec<Network> {
    let written = fields.texts("trusted_proxies").unwrap_or_default();
    let network = |written: At<String>| match Network::parse(&written.value) {
        Ok(network) => Some(network),
        Err((what, hint)) => {
            let message = format!("`trusted_proxies`: {} {what}", quoted(&written.value));
            fields.report(Problem::error(written.place, message).hint(hint));
            None
        }
    };
    written.into_iter().filter_map(network).collect()
}

/// Whether the list is empty, or not there.
pub(super) fn nobody(fields: &mut Fields<'_>) -> bool {
    let written = fields.value("trusted_proxies");
    written.is_none_or(|list| list.get_ref().as_array().is_some_and(|list| list.is_empty()))
}
