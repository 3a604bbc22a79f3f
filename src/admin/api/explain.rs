//! `/api/explain`: what would become of a request, and why. Nothing is sent anywhere.

use serde_json::{Value, json};

use super::query::Fields;
use super::{Viewed, to_value};
use crate::admin::{Question, Who};

pub(super) fn answer(view: &Viewed<'_>, fields: &mut Fields) -> Result<Value, String> {
    let mut needed = |name: &str| fields.take(name).ok_or_else(|| format!("`{name}` is missing"));
    let (method, host, target) = (needed("method")?, needed("host")?, needed("path")?);
    let who = match (fields.take("key_id"), fields.take("account"), fields.take("workspace")) {
        (Some(id), None, None) => Who::Key(id),
        (None, Some(account), Some(workspace)) => Who::Account { account, workspace },
        (None, None, None) => Who::Nobody,
        (None, ..) => return Err("an account is asked about in a workspace: name both".to_owned()),
        (Some(_), ..) => return Err("a key says whose it is: name no account".to_owned()),
    };
    let upgrade = fields.choice("upgrade", &[("websocket", ())])?;
    let question = Question { method, host, target, who, websocket: upgrade.is_some() };
    let answer = (view.state.desk.explain)(&question, &view.generation, view.now)?;
    Ok(json!({ "generation": to_value(&view.generation())?, "explanation": answer }))
}
