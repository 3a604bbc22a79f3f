//! `[workspace.NAME]`: members, pending ones, groups, subscriptions and grants.

use super::grant;
use crate::config::fields::Fields;
use crate::config::time;
use crate::policy::draft::{DraftPending, DraftSubscription, DraftWorkspace, Subscription};
use crate::policy::{At, Problem};

pub(super) fn read(name: At<String>, mut fields: Fields<'_>) -> Option<DraftWorkspace> {
    let page = fields.page();
    fields.describe(format!("workspace `{}`", name.value));
    let environment = fields.required(&["environment"], "such as `environment = \"production\"`");
    let suspended = fields.flag("suspended");
    let seats = fields.number("seats", 0..=u64::from(u32::MAX));
    let members = members(&mut fields);
    let pending = fields.tables("pending");
    let pending = pending.into_iter().filter_map(|(name, table)| invited(name, table)).collect();
    let groups = groups(&mut fields);
    let products = fields.tables("product");
    let products = products.into_iter().map(|(name, table)| subscription(name, table)).collect();
    let grants = fields.list("grant").into_iter().filter_map(grant::read).collect();
    let guessed = fields.finish();

    // Keys, routes and the rule of owners speak of what is missing here.
    if environment.is_none() || members.is_none() || guessed.contains(&"members") {
        page.lose(&name.value);
    }
    Some(DraftWorkspace {
        name,
        environment: environment?,
        suspended,
        seats: seats.and_then(|seats| Some(At::new(u32::try_from(seats.value).ok()?, seats.place))),
        members: members.unwrap_or_default(),
        pending,
        groups,
        products,
        grants,
    })
}

/// Account and role; nothing if one of them could not be read.
fn members(fields: &mut Fields<'_>) -> Option<Vec<(At<String>, At<String>)>> {
    let Some(value) = fields.value("members") else { return Some(Vec::new()) };
    let mut members = Vec::new();
    let mut whole = true;
    for (account, value) in fields.as_names("members", value)? {
        match fields.as_text(&account.value, value) {
            Some(role) => members.push((account, role)),
            None => {
                fields.page().lose(&account.value);
                whole = false;
            }
        }
    }
    whole.then_some(members)
}

fn invited(account: At<String>, mut fields: Fields<'_>) -> Option<DraftPending> {
    fields.describe(format!("pending member `{}`", account.value));
    let role = fields.required(&["role"], "such as `role = \"member\"`");
    let invited = time::day_or_instant(&mut fields, "invited");
    fields.finish();
    Some(DraftPending { account, role: role?, invited })
}

fn groups(fields: &mut Fields<'_>) -> Vec<(At<String>, Vec<At<String>>)> {
    let mut groups = Vec::new();
    for (group, value) in fields.names("groups") {
        match fields.as_texts(&group.value, value) {
            Some(accounts) => groups.push((group, accounts)),
            None => fields.page().lose(&group.value),
        }
    }
    groups
}

fn subscription(product: At<String>, mut fields: Fields<'_>) -> DraftSubscription {
    fields.describe(format!("product `{}`", product.value));
    // A paid product is not open because nobody said whether it is.
    if !fields.has("subscription") {
        let problem = Problem::error(fields.place(), "`subscription` is missing");
        fields.absent(problem.hint("such as `subscription = \"active\"`"), &["subscription"]);
    }
    let state = fields.choice("subscription", &Subscription::ALL, Subscription::name);
    let ends = time::instant(&mut fields, "subscription_ends");
    fields.finish();
    DraftSubscription { product, state: state.unwrap_or_default(), ends }
}
