//! What a change takes away altogether: keys that work no more, owners that are gone.

use super::reach::{Class, reach};
use super::row::Subject;
use crate::policy::level::Level;
use crate::policy::snapshot::{Key, KeyState, Map, RouteWorkspace, Scope, Snapshot};
use crate::policy::time::UnixSeconds;

/// Keys that are named, at most.
const NAMED: usize = 5;

/// What a change takes away altogether.
///
/// A key *works* where it is good now and there is a route that it may pass, by some method. It is
/// the same key where its text is the same, whatever its id.
#[derive(Debug, Default)]
pub struct Loss<'s> {
    /// Keys that work before the change.
    pub working: usize,
    /// Of these, those that do not after it.
    pub keys: usize,
    /// The first few of those.
    pub named: Vec<Subject<'s>>,
    /// Workspaces of which no owner is one any more, with those that they have. An owner who is
    /// suspended is none.
    pub orphaned: Vec<(&'s str, Vec<&'s str>)>,
    /// Workspaces that are gone, with how many of their keys work before the change.
    pub removed: Vec<(&'s str, usize)>,
}

/// What is lost where `is` follows `was` at `now`.
pub fn loss<'s>(was: &'s Snapshot, is: &'s Snapshot, now: UnixSeconds) -> Loss<'s> {
    let mut loss = Loss::default();
    let mut by_workspace = vec![0; was.workspaces.names.len()];
    let (mut before, mut after) = (Working::new(was, now), Working::new(is, now));
    for told in was.keys.told() {
        if !before.has(told.key) {
            continue;
        }
        loss.working += 1;
        if let Some(count) = by_workspace.get_mut(told.key.workspace as usize) {
            *count += 1;
        }
        if is.keys.of_same_text(told, &was.keys).is_some_and(|key| after.has(key)) {
            continue;
        }
        loss.keys += 1;
        if loss.named.len() < NAMED {
            loss.named.push(Subject::Key {
                id: told.id,
                account: was.workspaces.accounts().name(told.key.account),
                workspace: was.workspaces.names.text(told.key.workspace),
            });
        }
    }
    for (name, keys) in was.workspaces().zip(by_workspace) {
        match is.workspace(name) {
            None if keys > 0 => loss.removed.push((name, keys)),
            None => {}
            Some(left) => {
                let owners: Vec<_> =
                    was.workspace(name).into_iter().flat_map(|w| w.owners()).collect();
                let stays = left.owners().any(|owner| owners.contains(&owner));
                if !owners.is_empty() && !stays {
                    loss.orphaned.push((name, owners));
                }
            }
        }
    }
    loss
}

/// Which keys of a snapshot work.
struct Working<'s> {
    snapshot: &'s Snapshot,
    now: UnixSeconds,
    /// The level without which no method passes, by scope and, but for routes of every one, workspace.
    openings: Map<(Option<u32>, Scope), Level>,
    classes: Map<Class, bool>,
}

impl<'s> Working<'s> {
    fn new(snapshot: &'s Snapshot, now: UnixSeconds) -> Self {
        let mut openings = Map::default();
        for route in snapshot.routes.iter() {
            let workspace = match route.workspace {
                RouteWorkspace::None => continue,
                RouteWorkspace::Fixed(workspace) => Some(workspace),
                RouteWorkspace::Host | RouteWorkspace::Segment(_) => None,
            };
            let least = openings.entry((workspace, route.scope)).or_insert(Level::Full);
            *least = route.least().min(*least);
        }
        Self { snapshot, now, openings, classes: Map::default() }
    }

    fn has(&mut self, key: &Key) -> bool {
        if key.state(self.now) != KeyState::Good {
            return false;
        }
        let class = Class::of(self.snapshot, key.workspace, key.account, key.access);
        let Some(class) = class.map(|class| class.under(key.ceiling_number())) else {
            return false;
        };
        if let Some(known) = self.classes.get(&class) {
            return *known;
        }
        let passes = self.openings.iter().any(|((workspace, scope), least)| {
            workspace.is_none_or(|workspace| workspace == class.workspace)
                && reach(self.snapshot, class, *scope, self.now)
                    .is_some_and(|reached| reached.level() >= *least)
        });
        self.classes.insert(class, passes);
        passes
    }
}
