//! What a member reaches, computed once; members that reach the same share one table.

use std::num::NonZeroU32;

use super::catalog::{RoleLevels, Row};
use super::names::Map;
use crate::policy::level::Level;

/// Which table of levels a member has: the first one of [`AccessTables`] is 1. Each key has room for
/// one or none, which is no more than for one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(in crate::policy) struct AccessId(NonZeroU32);

impl AccessId {
    /// Which one, from 1.
    pub(in crate::policy) fn number(self) -> u32 {
        self.0.get()
    }
}

/// What a member reaches, before subscription and ceiling.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(in crate::policy) struct Access {
    areas: Box<[Level]>,
    /// The level on every product's row that `rows` does not raise.
    floor: Level,
    /// Rows above the floor, in order.
    rows: Box<[(Row, Level)]>,
}

impl Access {
    pub(in crate::policy) fn area(&self, area: u32) -> Level {
        self.areas.get(area as usize).copied().unwrap_or_default()
    }

    pub(in crate::policy) fn row(&self, row: Row) -> Level {
        let found = self.rows.binary_search_by_key(&row, |(row, _)| *row).ok();
        found.and_then(|at| self.rows.get(at)).map_or(self.floor, |(_, level)| *level)
    }
}

/// A table of levels in the making: the role's levels, then grants on top, highest wins.
#[derive(Debug)]
pub(super) struct Draft {
    bypass: bool,
    areas: Box<[Level]>,
    floor: Level,
    rows: Map<Row, Level>,
}

impl Draft {
    pub(super) fn of_role(role: &RoleLevels) -> Self {
        Self {
            bypass: role.bypass,
            areas: role.areas.clone(),
            floor: role.products,
            rows: Map::default(),
        }
    }

    pub(super) fn grant_areas(&mut self, levels: &[Level]) {
        for (held, given) in self.areas.iter_mut().zip(levels) {
            *held = (*held).max(*given);
        }
    }

    pub(super) fn grant_row(&mut self, row: Row, level: Level) {
        let held = self.rows.entry(row).or_default();
        *held = (*held).max(level);
    }

    fn finish(self) -> Access {
        if self.bypass {
            let areas = vec![Level::Full; self.areas.len()].into_boxed_slice();
            return Access { areas, floor: Level::Full, rows: Box::default() };
        }
        let floor = self.floor;
        let mut rows: Vec<_> = self.rows.into_iter().filter(|(_, level)| *level > floor).collect();
        rows.sort_unstable();
        Access { areas: self.areas, floor, rows: rows.into_boxed_slice() }
    }
}

/// Every distinct table, once.
#[derive(Debug, Default)]
pub(in crate::policy) struct AccessTables(Vec<Access>);

impl AccessTables {
    pub(in crate::policy) fn table(&self, id: AccessId) -> Option<&Access> {
        self.0.get(id.0.get() as usize - 1)
    }
}

/// Makes [`AccessTables`].
#[derive(Debug, Default)]
pub(super) struct Interner {
    tables: Vec<Access>,
    ids: Map<Access, AccessId>,
}

impl Interner {
    pub(super) fn intern(&mut self, draft: Draft) -> AccessId {
        let access = draft.finish();
        if let Some(id) = self.ids.get(&access) {
            return *id;
        }
        let id = AccessId(NonZeroU32::MIN.saturating_add(self.tables.len() as u32));
        self.tables.push(access.clone());
        self.ids.insert(access, id);
        id
    }

    pub(super) fn finish(self) -> AccessTables {
        AccessTables(self.tables)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn member() -> Draft {
        Draft::of_role(&RoleLevels {
            bypass: false,
            areas: [Level::View, Level::None].into(),
            products: Level::View,
        })
    }

    #[test]
    fn the_highest_grant_wins_and_equal_tables_are_one() {
        let mut tables = Interner::default();
        let plain = tables.intern(member());
        let mut raised = member();
        raised.grant_row(Row(3), Level::Full);
        raised.grant_row(Row(3), Level::View);
        raised.grant_row(Row(4), Level::View);
        raised.grant_areas(&[Level::None, Level::Full]);
        let raised = tables.intern(raised);
        let mut same = member();
        same.grant_row(Row(9), Level::None);
        assert_eq!(tables.intern(same), plain);
        let tables = tables.finish();
        let raised = tables.table(raised).unwrap();
        assert_eq!((raised.area(0), raised.area(1)), (Level::View, Level::Full));
        assert_eq!((raised.row(Row(3)), raised.row(Row(4))), (Level::Full, Level::View));
        assert_eq!(raised.area(2), Level::None);
        assert_eq!(raised.rows.len(), 1);
    }

    #[test]
    fn bypass_is_full_on_everything() {
        let role = RoleLevels { bypass: true, areas: [Level::None].into(), products: Level::None };
        let access = Draft::of_role(&role).finish();
        assert_eq!((access.area(0), access.row(Row(77))), (Level::Full, Level::Full));
    }
}
