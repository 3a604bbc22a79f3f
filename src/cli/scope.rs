//! A row that levels are on, as JSON has it: `area`, or `product` and, inside it, `permission`.

use serde::Serialize;

use crate::policy::difference::ScopeName;

/// Fields of a larger object; what does not apply is left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub(super) struct ScopeView<'s> {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) area: Option<&'s str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) product: Option<&'s str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) permission: Option<&'s str>,
}

impl<'s> ScopeView<'s> {
    pub(super) fn of(scope: ScopeName<'s>) -> Self {
        let (area, product, permission) = match scope {
            ScopeName::Area(area) => (Some(area), None, None),
            ScopeName::Product(product, permission) => (None, Some(product), permission),
        };
        Self { area, product, permission }
    }
}
