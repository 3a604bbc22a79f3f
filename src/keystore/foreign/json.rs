//! Lines of JSON.

use serde::{Deserialize, Deserializer};
use zeroize::Zeroizing;

use super::row::{Raw, Row, Wrong};
use crate::keystore::record::{Ceiling, Object};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct JsonRow {
    account: Option<String>,
    created: Option<String>,
    expires: Option<String>,
    hash: Option<String>,
    #[serde(default, deserialize_with = "wiped")]
    key: Option<Zeroizing<String>>,
    label: Option<String>,
    not_before: Option<String>,
    owner: Option<String>,
    workspace: Option<String>,
    ceiling: Option<Object<Ceiling>>,
}

fn wiped<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Zeroizing<String>>, D::Error> {
    Ok(Option::<String>::deserialize(deserializer)?.map(Zeroizing::new))
}

/// What the line says, or that it is no line of JSON.
pub(super) fn parse(line: &str) -> serde_json::Result<Result<Row, Wrong>> {
    let row = serde_json::from_str::<Object<JsonRow>>(line)?.0;
    let raw = Raw {
        account: row.account.map(Into::into),
        created: row.created.map(Into::into),
        expires: row.expires.map(Into::into),
        hash: row.hash.map(Into::into),
        key: row.key,
        label: row.label.map(Into::into),
        not_before: row.not_before.map(Into::into),
        owner: row.owner.map(Into::into),
        workspace: row.workspace.map(Into::into),
        ceiling: row.ceiling.map(|ceiling| ceiling.0),
    };
    Ok(raw.parse())
}
