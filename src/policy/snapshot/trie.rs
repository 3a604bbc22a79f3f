//! Routes by host and path: the cost is that of the request's own segments, however many routes.
//!
//! The most specific route wins: an exact host before a label pattern before no host; within a
//! host, segment by segment from the left, a literal before any, and a longer prefix before a
//! shorter. Where the more specific branch ends without a route, the next one is tried, so a match
//! visits more than one branch only where a policy puts both a literal and a pattern at one place.
//!
//! A stretch of segments without a choice is one node: most requests read the node that they start
//! from, one entry of the table of forks, and the node of their route.

use std::hash::BuildHasher;
use std::num::NonZeroU32;

use hashbrown::HashTable;

use super::names::Map;
use crate::policy::bytes::position;
use crate::policy::host::Host;

/// The number of a node: that of the first one is 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct NodeId(NonZeroU32);

/// A stretch of segments, and what can come after it. It is small, and never on two cache lines:
/// requests for many routes read many.
#[derive(Debug)]
#[repr(align(32))]
struct Node {
    run: Run,
    /// The route that ends here, plus one.
    route: Option<NonZeroU32>,
    /// The node before, where that is one.
    from: Option<NodeId>,
    any: Option<NodeId>,
    /// The first literal that leads on, in most nodes the only one: nothing is hashed for it.
    first: Option<NodeId>,
    /// Whether there are others, in the table.
    forks: bool,
}

/// Where a run stands in [`Trie::runs`], and where in it the first any: most have none or one.
#[derive(Debug, Clone, Copy)]
struct Run {
    at: u32,
    length: u32,
    plain: u32,
}

/// Any segment, as a run has it: no canonical path has that byte, encoded or not.
pub(super) const ANY: u8 = 0;

/// Finds the most specific route.
#[derive(Debug, Default)]
pub(super) struct Trie {
    nodes: Vec<Node>,
    /// Segments, decoded, each after its slash.
    runs: Vec<u8>,
    /// The nodes after those that fork, by their literals.
    forks: HashTable<NodeId>,
    pub(super) every: Option<NodeId>,
    pub(super) exact: Map<Box<str>, NodeId>,
    pub(super) below: Map<Box<str>, NodeId>,
}

impl Trie {
    /// The most specific route of a canonical host and a canonical path, decoded.
    pub(super) fn find(&self, host: &Host<'_>, path: &str) -> Option<u32> {
        let host = host.as_str();
        let exact = || self.exact.get(host).copied();
        let below = || self.below.get(host.split_once('.')?.1).copied();
        let within = |root: NodeId| self.descend(root, path.as_bytes());
        // Most policies name no hosts: nothing is hashed for them.
        let named = |found: Option<NodeId>| found.and_then(within);
        (if self.exact.is_empty() { None } else { named(exact()) })
            .or_else(|| if self.below.is_empty() { None } else { named(below()) })
            .or_else(|| self.every.and_then(within))
    }

    fn descend(&self, at: NodeId, path: &[u8]) -> Option<u32> {
        let node = self.node(at)?;
        let rest = after(self.run(node).split_at_checked(node.run.plain as usize)?, path)?;
        if !matches!(rest, [] | [b'/']) {
            let literal = self.literal(at, node, rest);
            let deeper = literal.and_then(|child| self.descend(child, rest));
            let deeper = deeper.or_else(|| self.descend(node.any?, rest));
            if deeper.is_some() {
                return deeper;
            }
        }
        node.route.map(|number| number.get() - 1)
    }

    /// The node that a literal leads to. It may still turn out to be of another one.
    fn literal(&self, at: NodeId, node: &Node, rest: &[u8]) -> Option<NodeId> {
        if !node.forks {
            return node.first;
        }
        let segment = first_segment(rest);
        let same = |to: &NodeId| {
            let node = self.node(*to).filter(|node| node.from == Some(at));
            let rest = node.and_then(|node| self.run(node).strip_prefix(segment));
            matches!(rest, Some([] | [b'/', ..]))
        };
        self.forks.find(hash(at, segment), same).copied()
    }

    fn node(&self, id: NodeId) -> Option<&Node> {
        self.nodes.get(id.0.get() as usize - 1)
    }

    fn run(&self, node: &Node) -> &[u8] {
        let at = node.run.at as usize;
        self.runs.get(at..at + node.run.length as usize).unwrap_or_default()
    }

    /// Adds a node that `run` leads to from another.
    pub(super) fn add(&mut self, from: Option<NodeId>, run: &[u8], route: Option<u32>) -> NodeId {
        let plain = run.iter().position(|byte| *byte == ANY).unwrap_or(run.len()) as u32;
        let at = self.runs.len() as u32;
        self.runs.extend_from_slice(run);
        let run = Run { at, length: run.len() as u32, plain };
        let route = route.map(|number| NonZeroU32::MIN.saturating_add(number));
        let id = NodeId(NonZeroU32::MIN.saturating_add(self.nodes.len() as u32));
        self.nodes.push(Node { run, route, from, any: None, first: None, forks: false });
        id
    }

    /// Says how it goes on after a node: by one of `literals`, or by any.
    pub(super) fn lead(&mut self, from: NodeId, literals: &[NodeId], any: Option<NodeId>) {
        if let Some(node) = self.nodes.get_mut(from.0.get() as usize - 1) {
            (node.any, node.first) = (any, literals.first().copied());
            node.forks = literals.len() > 1;
        }
        if literals.len() > 1 {
            let mut forks = std::mem::take(&mut self.forks);
            let key = |to: &NodeId| {
                let node = self.node(*to);
                let from = node.and_then(|node| node.from).unwrap_or(*to);
                hash(from, node.map(|node| first_segment(self.run(node))).unwrap_or_default())
            };
            for to in literals {
                forks.insert_unique(key(to), *to, key);
            }
            self.forks = forks;
        }
    }
}

/// What of a path comes after a run, where it has the run's segments: the plain ones, and those from
/// the first any on.
fn after<'p>((plain, run): (&[u8], &[u8]), path: &'p [u8]) -> Option<&'p [u8]> {
    // AVX-512 compares nothing with a mask, and where there is no memory that is as slow as a fault.
    let mut rest = if plain.is_empty() { path } else { path.strip_prefix(plain)? };
    if !run.is_empty() {
        for literal in run.split(|byte| *byte == ANY).skip(1) {
            let end = position(rest, b'/').unwrap_or(rest.len());
            rest = rest.get(end..).filter(|_| end > 0)?.strip_prefix(literal)?;
        }
    }
    matches!(rest, [] | [b'/', ..]).then_some(rest)
}

/// The segment that `path` starts with, and its slash.
fn first_segment(path: &[u8]) -> &[u8] {
    let slash = path.get(1..).and_then(|path| position(path, b'/'));
    slash.and_then(|at| path.get(..at + 1)).unwrap_or(path)
}

/// A fixed seed is fine: only the operator's routes are in the table.
fn hash(from: NodeId, segment: &[u8]) -> u64 {
    foldhash::fast::FixedState::with_seed(u64::from(from.0.get())).hash_one(segment)
}

#[cfg(test)]
mod tests {
    use super::super::branches::Branches;
    use super::super::pattern::{HostPattern, PathPattern};
    use super::*;
    use crate::policy::segment::decoded;

    fn trie(routes: &[(&str, &str)]) -> Trie {
        let mut branches = Branches::default();
        for (number, (host, path)) in routes.iter().enumerate() {
            let host = match *host {
                "" => HostPattern::Every,
                host => HostPattern::parse(host).unwrap(),
            };
            branches.insert(&host, &PathPattern::parse(path).unwrap(), number as u32).unwrap();
        }
        branches.finish()
    }

    #[test]
    fn the_most_specific_route_wins() {
        let routes = [
            ("", "/"),
            ("", "/a"),
            ("", "/a/{workspace}/c"),
            ("", "/a/b"),
            ("", "/a/b/c/d"),
            ("api.example", "/a"),
            ("*.example", "/a/b"),
            ("", "/caf%C3%A9"),
            ("", "/mail/me@x"),
            ("", "/deep/er/*/than/this"),
            ("", "/deep/er/one/than"),
            ("", "/star/%2A/*"),
        ];
        let cases = [
            ("h", "/", Some(0)),
            ("h", "/x/y", Some(0)),
            ("h", "/a", Some(1)),
            ("h", "/a/", Some(1)),
            ("h", "/ab", Some(0)),
            ("h", "/a/x", Some(1)),
            ("h", "/a/x/c", Some(2)),
            ("h", "/a/x/c/e", Some(2)),
            ("h", "/a/b", Some(3)),
            ("h", "/a/b/c", Some(3)),
            ("h", "/a/b/c/d/e", Some(4)),
            ("api.example", "/a/b", Some(5)),
            ("api.example", "/b", Some(0)),
            ("web.example", "/a/b/c", Some(6)),
            ("web.example", "/a", Some(1)),
            ("x.web.example", "/a/b", Some(3)),
            ("h", "/caf%C3%A9/x", Some(7)),
            ("h", "/mail/me%40x", Some(8)),
            ("h", "/star/*/x", Some(11)),
            ("h", "/star/%2A/x", Some(11)),
            ("h", "/star/x/x", Some(0)),
            ("h", "/deep/er", Some(0)),
            ("h", "/deep/er/two/than", Some(0)),
            ("h", "/deep/er/two/than/this", Some(9)),
            ("h", "/deep/er/two/than/thistle", Some(0)),
            ("h", "/deep/er/one/than/this", Some(10)),
            ("h", "/deep/er/one", Some(0)),
            ("h", "/deep/er/*/than/this/", Some(9)),
        ];
        let trie = trie(&routes);
        for (host, path, expected) in cases {
            let found = trie.find(&Host::parse(host).unwrap(), &decoded(path));
            assert_eq!(found, expected, "{host} {path}");
        }
        assert_eq!(Trie::default().find(&Host::parse("h").unwrap(), "/"), None);
    }
}
