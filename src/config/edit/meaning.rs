//! What a text means, without its form: the guard of every edit. A text that an edit made is read
//! again and compared with what the change makes of the old one's values.

use toml::{Table, Value};

use super::Unable;
use super::change::{Change, Given, NewGrant};
use crate::policy::Level;

/// Whether `new` says what `old` says after `change`, and nothing else.
pub(super) fn is(old: &str, new: &str, workspace: &str, change: &Change) -> Result<bool, Unable> {
    let read = |text: &str| text.parse::<Table>().map_err(|error| Unable(error.to_string()));
    let (mut expected, mut found) = (read(old)?, read(new)?);
    let of = |root: &mut Table| -> Option<Table> {
        root.get_mut("workspace")?.get_mut(workspace)?.as_table().cloned()
    };
    let (Some(mut table), Some(mut other)) = (of(&mut expected), of(&mut found)) else {
        return Err(Unable::form());
    };
    make(&mut table, change).ok_or_else(Unable::form)?;
    [&mut table, &mut other].into_iter().for_each(without_the_empty);
    for root in [&mut expected, &mut found] {
        root.get_mut("workspace").and_then(Value::as_table_mut).map(|all| all.remove(workspace));
    }
    Ok(table == other && expected == found)
}

fn make(workspace: &mut Table, change: &Change) -> Option<()> {
    match change {
        Change::Accept { account } => {
            let pending = workspace.get_mut("pending")?.as_table_mut()?.remove(account)?;
            let role = pending.get("role")?.clone();
            let members = workspace.get_mut("members")?.as_table_mut()?;
            members.insert(account.clone(), role).is_none().then_some(())
        }
        Change::Grant(grant) => {
            let grants = workspace.entry("grant").or_insert_with(|| Value::Array(Vec::new()));
            grants.as_array_mut()?.push(value_of(grant));
            Some(())
        }
        Change::Invite { account, role, invited } => {
            let mut entry = Table::new();
            entry.insert("role".to_owned(), role.clone().into());
            entry.insert("invited".to_owned(), Value::Datetime(invited.parse().ok()?));
            let pending = workspace.entry("pending").or_insert_with(|| Table::new().into());
            pending.as_table_mut()?.insert(account.clone(), entry.into()).is_none().then_some(())
        }
        Change::Remove { account } => {
            for name in ["members", "pending"] {
                if let Some(table) = workspace.get_mut(name).and_then(Value::as_table_mut) {
                    table.remove(account);
                }
            }
            let is = |value: &Value, text: &str| value.as_str() == Some(text);
            if let Some(groups) = workspace.get_mut("groups").and_then(Value::as_table_mut) {
                for accounts in groups.iter_mut().filter_map(|(_, group)| group.as_array_mut()) {
                    accounts.retain(|item| !is(item, account));
                }
            }
            let to = format!("account:{account}");
            if let Some(grants) = workspace.get_mut("grant").and_then(Value::as_array_mut) {
                grants.retain(|grant| !grant.get("to").is_some_and(|value| is(value, &to)));
            }
            Some(())
        }
        Change::Revoke(indices) => {
            let grants = workspace.get_mut("grant")?.as_array_mut()?;
            let mut index = 0;
            grants.retain(|_| {
                index += 1;
                !indices.iter().any(|(revoked, _)| *revoked == index - 1)
            });
            Some(())
        }
        Change::SetRole { account, role } => {
            let members = workspace.get_mut("members")?.as_table_mut()?;
            *members.get_mut(account)? = role.clone().into();
            Some(())
        }
    }
}

fn value_of(grant: &NewGrant) -> Value {
    let rows = |rows: &[(String, Level)]| -> Value {
        let rows = rows.iter().map(|(row, level)| (row.clone(), level.name().into()));
        Value::Table(rows.collect())
    };
    let mut fields = Table::new();
    let mut put = |field: &str, value: Value| fields.insert(field.to_owned(), value);
    put("to", grant.to.clone().into());
    match &grant.gives {
        Given::Areas(areas) => put("areas", rows(areas)),
        Given::Level(product, level) => {
            put("product", product.clone().into());
            put("level", level.name().into())
        }
        Given::Permissions(product, permissions) => {
            put("product", product.clone().into());
            put("permissions", rows(permissions))
        }
        Given::Role(product, role) => {
            put("product", product.clone().into());
            put("role", role.clone().into())
        }
    };
    Value::Table(fields)
}

/// An empty list of grants, or table of pending members, says as much as none.
fn without_the_empty(workspace: &mut Table) {
    workspace.retain(|field, value| match value {
        Value::Table(table) => field != "pending" || !table.is_empty(),
        Value::Array(grants) => field != "grant" || !grants.is_empty(),
        _ => true,
    });
}
