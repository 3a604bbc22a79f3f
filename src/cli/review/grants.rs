//! Grants that give more than the tests use.
//!
//! A case that expects to be allowed uses a grant where its request is allowed by what the grant gives: on that scope, at the
//! level that the request needs. Where a role or another grant gives more, that one is used.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::code::{Code, Severity};
use super::finding::{Findings, some};
use super::material::Material;
use crate::cli::explain::grantee;
use crate::cli::test;
use crate::config::{Config, Report};
use crate::policy::difference::ScopeName;
use crate::policy::draft::{Draft, DraftGrant, Gift, Rows};
use crate::policy::explain::{Origin, Scope, Source};
use crate::policy::{Decision, Level, Place};

/// By grant and scope: the highest level that an allowed case needed.
#[derive(Debug, Default)]
pub(super) struct Usage(BTreeMap<(Place, String), Level>);

impl Usage {
    /// What the cases of some files use.
    ///
    /// # Errors
    ///
    /// As `sidegate test` has them.
    pub(super) fn of(config: &Config, tests: &[PathBuf]) -> Result<Self, Vec<Report>> {
        let mut usage = Self::default();
        test::ask_allowed(config, tests, |answer| {
            let explanation = &answer.explanation;
            let (Decision::Allow(_), Some(route)) = (&answer.decision, &explanation.route) else {
                return;
            };
            if let Some(access) = &explanation.access {
                let scope = match access.scope {
                    Scope::Area(area) => ScopeName::Area(area),
                    Scope::Product(product, row) => ScopeName::Product(product, row),
                };
                usage.note(access.decisive(), scope, route.needed);
            }
            if let Some(protection) = &explanation.protection {
                let scope = ScopeName::Area(&protection.area.value);
                usage.note(protection.decisive(), scope, route.needed);
            }
        })?;
        Ok(usage)
    }

    fn note<'s, 'a: 's>(
        &mut self,
        sources: impl Iterator<Item = &'s Source<'a>>,
        scope: ScopeName<'_>,
        needed: Level,
    ) {
        for source in sources {
            if let Origin::Grant(grant) = source.origin {
                let used = self.0.entry((grant.place, scope.to_string())).or_default();
                *used = (*used).max(needed);
            }
        }
    }
}

pub(super) fn look(material: &Material<'_>, usage: &Usage, findings: &mut Findings) {
    for workspace in &material.workspaces {
        for grant in &workspace.draft.grants {
            let mut wider = Vec::new();
            let mut any = false;
            for (scope, level) in given(material.draft, grant) {
                let used = usage.0.get(&(grant.place, scope.clone())).copied().unwrap_or_default();
                any |= used > Level::None;
                if level > used {
                    let used = if used == Level::None { "nothing" } else { used.name() };
                    wider.push(format!("{level} on {scope} (used: {used})"));
                }
            }
            if wider.is_empty() {
                continue;
            }
            let subject = format!("{}: {}", workspace.name(), grantee(&grant.to.value));
            let fact = match any {
                false => format!("no test uses any of it: {}", some(&wider)),
                true => format!("the tests use less: {}", some(&wider)),
            };
            findings.add(Code::GrantWiderThanTests, Severity::Low, grant.place, subject, fact);
        }
    }
}

/// Each scope on which a grant gives a level.
fn given(draft: &Draft, grant: &DraftGrant) -> Vec<(String, Level)> {
    let permissions_of = |product: &str| {
        let product = draft.products.iter().find(|it| it.name.value == product);
        product.map(|product| product.permissions.as_slice()).unwrap_or_default()
    };
    let scopes = |product: &str| {
        let permissions = permissions_of(product).iter();
        let permissions = permissions.map(|it| Some(it.value.clone()));
        std::iter::once(None).chain(permissions).collect::<Vec<_>>()
    };
    let named = |product: &str, row: Option<&str>| ScopeName::Product(product, row).to_string();
    let rows: Vec<(String, Level)> = match &grant.gives {
        Gift::Areas(rows) => {
            let areas = draft.areas.iter();
            let level =
                |area: &str| (ScopeName::Area(area).to_string(), level_of(rows, Some(area)));
            areas.map(|area| level(&area.value)).collect()
        }
        Gift::Level(product, level) => {
            let all = scopes(&product.value).into_iter();
            all.map(|row| (named(&product.value, row.as_deref()), *level)).collect()
        }
        Gift::Permissions(product, rows) => of_rows(&product.value, rows, &scopes(&product.value)),
        Gift::Role(product, role) => {
            let found = draft.products.iter().find(|it| it.name.value == product.value);
            let roles = found.map(|found| found.roles.as_slice()).unwrap_or_default();
            let rows = roles.iter().find(|(name, _)| name.value == role.value);
            let rows = rows.map(|(_, rows)| rows);
            rows.map(|rows| of_rows(&product.value, rows, &scopes(&product.value)))
                .unwrap_or_default()
        }
    };
    rows.into_iter().filter(|(_, level)| *level > Level::None).collect()
}

fn of_rows(product: &str, rows: &Rows, scopes: &[Option<String>]) -> Vec<(String, Level)> {
    let row = |row: &Option<String>| {
        let row = row.as_deref();
        (ScopeName::Product(product, row).to_string(), level_of(rows, row))
    };
    scopes.iter().map(row).collect()
}

/// The level of a row: the one that names it, or else the one of `*`.
fn level_of(rows: &Rows, name: Option<&str>) -> Level {
    let of = |wanted: &str| rows.iter().find(|(row, _)| row.value == wanted).map(|(_, it)| *it);
    name.and_then(of).or_else(|| of("*")).unwrap_or_default()
}
