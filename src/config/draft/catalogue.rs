//! `[role.NAME]`, `[product.NAME]` and `[account.NAME]`: what workspaces speak of.

use crate::config::fields::Fields;
use crate::policy::At;
use crate::policy::draft::{DraftAccount, DraftProduct, DraftRole};

pub(super) fn role(name: At<String>, mut fields: Fields<'_>) -> DraftRole {
    fields.describe(format!("role `{}`", name.value));
    let role = DraftRole {
        bypass: fields.flag("bypass"),
        areas: fields.rows("areas").unwrap_or_default(),
        products: fields.level("products").unwrap_or_default(),
        name,
    };
    fields.finish();
    role
}

pub(super) fn product(name: At<String>, mut fields: Fields<'_>) -> DraftProduct {
    fields.describe(format!("product `{}`", name.value));
    let permissions = fields.texts("permissions");
    let page = fields.page();
    if permissions.is_none() && fields.has("permissions") {
        page.lose(&name.value);
    }
    let mut roles = Vec::new();
    for (role, value) in fields.names("role") {
        let Some(mut table) = fields.as_table(&role.value, value) else {
            page.lose(&role.value);
            continue;
        };
        table.describe(format!("role `{}`", role.value));
        roles.extend(table.as_rows(&role.value, value).map(|rows| (role, rows)));
    }
    if fields.finish().contains(&"permissions") {
        page.lose(&name.value);
    }
    DraftProduct { name, permissions: permissions.unwrap_or_default(), roles }
}

pub(super) fn account(name: At<String>, mut fields: Fields<'_>) -> DraftAccount {
    fields.describe(format!("account `{}`", name.value));
    let account = DraftAccount { suspended: fields.flag("suspended"), name };
    fields.finish();
    account
}
