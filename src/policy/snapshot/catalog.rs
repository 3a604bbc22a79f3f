//! What can be granted: areas, products with their permissions, and the bundles that roles are.

use super::names::Names;
use super::routes::Scope;
use crate::policy::draft::{DraftProduct, DraftRole, Rows};
use crate::policy::level::Level;
use crate::policy::problem::{At, Problem};

/// A row of the access tables: a product itself, or one of its permissions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(in crate::policy) struct Row(pub(in crate::policy) u32);

/// Everything that levels are levels on.
#[derive(Debug, Default)]
pub(in crate::policy) struct Catalog {
    pub(in crate::policy) areas: Names,
    pub(in crate::policy) roles: Names,
    pub(in crate::policy) products: Names,
    role_levels: Vec<RoleLevels>,
    product_rows: Vec<ProductRows>,
}

/// What a workspace role gives.
#[derive(Debug, Clone)]
pub(super) struct RoleLevels {
    pub(super) bypass: bool,
    pub(super) areas: Box<[Level]>,
    pub(super) products: Level,
}

/// A product's rows: the product itself at `first`, its permissions after it.
#[derive(Debug)]
pub(super) struct ProductRows {
    first: u32,
    pub(super) permissions: Names,
    roles: Names,
    role_rows: Vec<Vec<(Row, Level)>>,
}

impl Catalog {
    pub(super) fn compile(
        areas: &[At<String>],
        roles: &[DraftRole],
        products: &[DraftProduct],
        problems: &mut Vec<Problem>,
    ) -> Self {
        let mut catalog = Self::default();
        for area in areas {
            catalog.areas.declare("area", area, problems);
        }
        for role in roles {
            if catalog.roles.declare("role", &role.name, problems).is_some() {
                let levels = catalog.role_levels(role, problems);
                catalog.role_levels.push(levels);
            }
        }
        let mut first = 0;
        for product in products {
            if catalog.products.declare("product", &product.name, problems).is_some() {
                let rows = ProductRows::compile(first, product, problems);
                first += 1 + rows.permissions.len() as u32;
                catalog.product_rows.push(rows);
            }
        }
        catalog
    }

    /// Whether members with the role are owners: it is `owner`, or bypasses where the policy has no
    /// role of that name (AtomicAGI's Admin).
    pub(in crate::policy) fn is_owner(&self, role: u32) -> bool {
        match self.roles.number("owner") {
            Some(owner) => role == owner,
            None => self.levels_of(role).is_some_and(|levels| levels.bypass),
        }
    }

    fn role_levels(&self, role: &DraftRole, problems: &mut Vec<Problem>) -> RoleLevels {
        let subject = format!("role `{}`", role.name.value);
        RoleLevels {
            bypass: role.bypass,
            areas: self.area_levels(&subject, &role.areas, problems),
            products: role.products,
        }
    }

    /// A level for each area; `*` is each one that is not named.
    pub(super) fn area_levels(
        &self,
        subject: &str,
        rows: &Rows,
        problems: &mut Vec<Problem>,
    ) -> Box<[Level]> {
        let rest = rows.iter().find(|(name, _)| name.value == "*").map(|(_, level)| *level);
        let mut levels = vec![rest.unwrap_or_default(); self.areas.len()].into_boxed_slice();
        for (name, level) in rows.iter().filter(|(name, _)| name.value != "*") {
            if let Some(area) = self.area(subject, name, problems)
                && let Some(slot) = levels.get_mut(area as usize)
            {
                *slot = *level;
            }
        }
        levels
    }

    pub(super) fn area(
        &self,
        subject: &str,
        name: &At<String>,
        problems: &mut Vec<Problem>,
    ) -> Option<u32> {
        known(&self.areas, "area", subject, name, problems)
    }

    pub(super) fn role(
        &self,
        subject: &str,
        name: &At<String>,
        problems: &mut Vec<Problem>,
    ) -> Option<u32> {
        known(&self.roles, "role", subject, name, problems)
    }

    pub(super) fn product(
        &self,
        subject: &str,
        name: &At<String>,
        problems: &mut Vec<Problem>,
    ) -> Option<u32> {
        known(&self.products, "product", subject, name, problems)
    }

    pub(super) fn levels_of(&self, role: u32) -> Option<&RoleLevels> {
        self.role_levels.get(role as usize)
    }

    pub(super) fn rows_of(&self, product: u32) -> Option<&ProductRows> {
        self.product_rows.get(product as usize)
    }

    /// Every product's row: product, permission (nothing for the product's own) and row.
    pub(in crate::policy) fn rows(&self) -> impl Iterator<Item = (&str, Option<&str>, Scope)> {
        self.products.iter().zip(&self.product_rows).zip(0..).flat_map(
            |((product, rows), number)| {
                let permissions = std::iter::once(None).chain(rows.permissions.iter().map(Some));
                let scopes = rows.all().map(move |row| Scope::Product(number, row));
                permissions.zip(scopes).map(move |(permission, scope)| (product, permission, scope))
            },
        )
    }

    /// The name of the permission whose row it is; nothing for the product's own.
    pub(in crate::policy) fn permission(&self, product: u32, row: Row) -> Option<&str> {
        let rows = self.rows_of(product)?;
        let number = row.0.checked_sub(rows.first + 1)?;
        Some(rows.permissions.text(number))
    }
}

impl ProductRows {
    fn compile(first: u32, product: &DraftProduct, problems: &mut Vec<Problem>) -> Self {
        let mut permissions = Names::default();
        for permission in &product.permissions {
            permissions.declare("permission", permission, problems);
        }
        let mut rows = Self { first, permissions, roles: Names::default(), role_rows: Vec::new() };
        for (role, levels) in &product.roles {
            let subject = format!("role `{}` of product `{}`", role.value, product.name.value);
            let levels = rows.levels(&subject, &product.name.value, levels, problems);
            if rows.roles.declare("product role", role, problems).is_some() {
                rows.role_rows.push(levels);
            }
        }
        rows
    }

    /// The product's own row.
    pub(super) fn own(&self) -> Row {
        Row(self.first)
    }

    /// Every row: the product's own first.
    pub(super) fn all(&self) -> impl Iterator<Item = Row> + use<> {
        (self.first..=self.first + self.permissions.len() as u32).map(Row)
    }

    pub(super) fn permission(
        &self,
        subject: &str,
        product: &str,
        name: &At<String>,
        problems: &mut Vec<Problem>,
    ) -> Option<Row> {
        let number = self.permissions.number(&name.value);
        if number.is_none() {
            problems.push(
                Problem::error(
                    name.place,
                    format!(
                        "{subject}: unknown permission `{}` of product `{product}`",
                        name.value
                    ),
                )
                .did_you_mean(&name.value, self.permissions.iter()),
            );
        }
        number.map(|number| Row(self.first + 1 + number))
    }

    /// Levels as written, by row; `*` is the product and each permission that is not named.
    pub(super) fn levels(
        &self,
        subject: &str,
        product: &str,
        rows: &Rows,
        problems: &mut Vec<Problem>,
    ) -> Vec<(Row, Level)> {
        let mut levels = Vec::new();
        if let Some((_, rest)) = rows.iter().find(|(name, _)| name.value == "*") {
            levels.extend(self.all().map(|row| (row, *rest)));
        }
        for (name, level) in rows.iter().filter(|(name, _)| name.value != "*") {
            if let Some(row) = self.permission(subject, product, name, problems) {
                levels.retain(|(other, _)| *other != row);
                levels.push((row, *level));
            }
        }
        levels
    }

    pub(super) fn role(
        &self,
        subject: &str,
        product: &str,
        name: &At<String>,
        problems: &mut Vec<Problem>,
    ) -> Option<&[(Row, Level)]> {
        let number = self.roles.number(&name.value);
        if number.is_none() {
            problems.push(
                Problem::error(
                    name.place,
                    format!("{subject}: unknown role `{}` of product `{product}`", name.value),
                )
                .did_you_mean(&name.value, self.roles.iter()),
            );
        }
        self.role_rows.get(number? as usize).map(Vec::as_slice)
    }
}

fn known(
    names: &Names,
    kind: &str,
    subject: &str,
    name: &At<String>,
    problems: &mut Vec<Problem>,
) -> Option<u32> {
    let number = names.number(&name.value);
    if number.is_none() {
        problems.push(
            Problem::error(name.place, format!("{subject}: unknown {kind} `{}`", name.value))
                .did_you_mean(&name.value, names.iter()),
        );
    }
    number
}
