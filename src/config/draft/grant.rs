//! `[[workspace.NAME.grant]]`: to whom, and exactly one thing.

use crate::config::fields::Fields;
use crate::config::page::quoted;
use crate::policy::draft::{DraftGrant, Gift, Grantee};
use crate::policy::{At, Problem};

/// What a grant gives of a product: one of these.
const OF_A_PRODUCT: [&str; 3] = ["role", "level", "permissions"];

pub(super) fn read(mut fields: Fields<'_>) -> Option<DraftGrant> {
    let place = fields.place();
    let to = fields.required(&["to"], "write `to = \"account:NAME\"` or `\"group:NAME\"`");
    if let Some(to) = &to {
        fields.describe(format!("grant to {}", quoted(&to.value)));
    }
    let to = to.and_then(|to| grantee(&fields, to));
    let gives = gift(&mut fields);
    fields.finish();
    Some(DraftGrant { place, to: to?, gives: gives? })
}

fn gift(fields: &mut Fields<'_>) -> Option<Gift> {
    let areas = fields.rows("areas");
    let product = fields.text("product");
    let role = fields.text("role");
    let level = fields.level("level");
    let permissions = fields.rows("permissions");

    let mut given = OF_A_PRODUCT.into_iter().filter(|field| fields.has(field));
    match (fields.has("areas"), fields.has("product"), given.next(), given.next()) {
        (true, true, ..) => return two_gifts(fields, "areas", "product"),
        (true, false, Some(other), _) => return two_gifts(fields, "areas", other),
        (false, _, Some(one), Some(other)) => return two_gifts(fields, one, other),
        (false, true, None, _) => {
            let problem = Problem::error(fields.place(), "a grant that gives nothing");
            fields.absent(problem.hint("add `role`, `level` or `permissions`"), &OF_A_PRODUCT);
        }
        (false, false, Some(one), None) => {
            let place = fields.place_of_field(one);
            let problem = Problem::error(place, format!("`{one}` without its `product`"));
            fields.absent(problem.hint("add `product = \"NAME\"`"), &["product"]);
        }
        (false, false, None, _) => {
            let problem = Problem::error(fields.place(), "a grant that gives nothing");
            fields.absent(problem.hint("add `product` or `areas`"), &["product", "areas"]);
        }
        (true, false, None, _) | (false, true, Some(_), None) => {}
    }
    match (areas, product, role, level, permissions) {
        (Some(rows), ..) => Some(Gift::Areas(rows)),
        (_, Some(product), Some(role), ..) => Some(Gift::Role(product, role)),
        (_, Some(product), _, Some(level), _) => Some(Gift::Level(product, level)),
        (_, Some(product), _, _, Some(rows)) => Some(Gift::Permissions(product, rows)),
        _ => None,
    }
}

fn two_gifts<T>(fields: &Fields<'_>, one: &str, other: &str) -> Option<T> {
    let message = format!("a grant gives one thing, not both `{one}` and `{other}`");
    let problem = Problem::error(fields.place_of_field(other), message);
    fields.report(problem.hint("write two grants"));
    None
}

fn grantee(fields: &Fields<'_>, to: At<String>) -> Option<At<Grantee>> {
    let grantee = match to.value.split_once(':') {
        Some(("account", name)) if !name.is_empty() => Grantee::Account(name.to_owned()),
        Some(("group", name)) if !name.is_empty() => Grantee::Group(name.to_owned()),
        _ => {
            let problem = Problem::error(to.place, "neither an account nor a group");
            fields.report(problem.hint("write `account:NAME` or `group:NAME`"));
            return None;
        }
    };
    Some(At::new(grantee, to.place))
}
