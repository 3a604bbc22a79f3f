//! What a change takes away altogether: keys that work no more, owners that are gone.

use super::reach::{Class, reach};
use super::row::Subject;
use crate::policy::level::Level;
use crate::policy::snapshot::{Key, KeyState, Map, RouteWorkspace, Scope, Snapshot, ToldKey};
use crate::policy::time::UnixSeconds;

/// Keys that are named, at most.
const NAMED: usize = 5;

/// What a change takes away altogether.
///
/// A key *works* where it is good now and there is a route that it may pass, by some method. It is
/// the same key where its text is the same, whatever its id.
#[derive(Debug)]
pub struct Loss<'s> {
    was: &'s Snapshot,
    now: UnixSeconds,
    /// Where all of them were looked at: those that work before the change.
    counted: Option<usize>,
    /// Of the keys that work before the change, those that do not after it.
    pub keys: usize,
    /// The first few of those.
    pub named: Vec<Subject<'s>>,
    /// Workspaces of which no owner is one any more, with those that they have. An owner who is
    /// suspended is none.
    pub orphaned: Vec<(&'s str, Vec<&'s str>)>,
    /// Workspaces that are gone, with how many of their keys work before the change.
    pub removed: Vec<(&'s str, usize)>,
}

impl Loss<'_> {
    /// Keys that work before the change. As soon as there are `enough`, no more are counted.
    pub fn working(&self, enough: impl Fn(usize) -> bool) -> usize {
        let count = || {
            let mut working = Working::new(self.was, self.now);
            let mut keys = self.was.keys.told().filter(|told| working.has(told.key));
            let mut count = 0;
            while !enough(count) && keys.next().is_some() {
                count += 1;
            }
            count
        };
        self.counted.unwrap_or_else(count)
    }
}

/// What is lost where `is` follows `was` at `now`. Where only some keys of `was` were amended to be
/// those of `is`, no others are looked at.
pub fn loss<'s>(was: &'s Snapshot, is: &'s Snapshot, now: UnixSeconds) -> Loss<'s> {
    // Under one policy, whoever is an owner stays one.
    let amended = was.keys.apart(&is.keys).filter(|_| was.shares_policy(is));
    match amended {
        Some((before, _)) => of_amended(was, is, now, before),
        None => of_all(was, is, now),
    }
}

fn of_amended<'s>(
    was: &'s Snapshot,
    is: &'s Snapshot,
    now: UnixSeconds,
    mut before: Vec<ToldKey<'s>>,
) -> Loss<'s> {
    let mut keys = Keys::new(was, is, now);
    before.retain(|told| keys.work_before(*told) && !keys.work_after(*told));
    before.sort_unstable_by_key(|told| was.keys.number_of(*told));
    let named = before.iter().take(NAMED).map(|told| subject(was, *told)).collect();
    let (orphaned, removed) = (Vec::new(), Vec::new());
    Loss { was, now, counted: None, keys: before.len(), named, orphaned, removed }
}

pub(super) fn of_all<'s>(was: &'s Snapshot, is: &'s Snapshot, now: UnixSeconds) -> Loss<'s> {
    let (mut working, mut lost, mut named) = (0, 0, Vec::new());
    let mut by_workspace = vec![0; was.workspaces.names.len()];
    let mut keys = Keys::new(was, is, now);
    for told in was.keys.told() {
        if !keys.work_before(told) {
            continue;
        }
        working += 1;
        if let Some(count) = by_workspace.get_mut(told.key.workspace as usize) {
            *count += 1;
        }
        if keys.work_after(told) {
            continue;
        }
        lost += 1;
        if named.len() < NAMED {
            named.push(subject(was, told));
        }
    }
    let (mut orphaned, mut removed) = (Vec::new(), Vec::new());
    for (name, keys) in was.workspaces().zip(by_workspace) {
        match is.workspace(name) {
            None if keys > 0 => removed.push((name, keys)),
            None => {}
            Some(left) => {
                let owners: Vec<_> =
                    was.workspace(name).into_iter().flat_map(|w| w.owners()).collect();
                let stays = left.owners().any(|owner| owners.contains(&owner));
                if !owners.is_empty() && !stays {
                    orphaned.push((name, owners));
                }
            }
        }
    }
    Loss { was, now, counted: Some(working), keys: lost, named, orphaned, removed }
}

fn subject<'s>(was: &'s Snapshot, told: ToldKey<'s>) -> Subject<'s> {
    Subject::Key {
        id: told.id,
        account: was.workspaces.accounts().name(told.key.account),
        workspace: was.workspaces.names.text(told.key.workspace),
    }
}

/// Keys of the snapshot before a change.
struct Keys<'s> {
    was: &'s Snapshot,
    is: &'s Snapshot,
    before: Working<'s>,
    after: Working<'s>,
}

impl<'s> Keys<'s> {
    fn new(was: &'s Snapshot, is: &'s Snapshot, now: UnixSeconds) -> Self {
        Self { was, is, before: Working::new(was, now), after: Working::new(is, now) }
    }

    fn work_before(&mut self, told: ToldKey<'_>) -> bool {
        self.before.has(told.key)
    }

    fn work_after(&mut self, told: ToldKey<'_>) -> bool {
        let after = &mut self.after;
        self.is.keys.of_same_text(told, &self.was.keys).is_some_and(|key| after.has(key))
    }
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
