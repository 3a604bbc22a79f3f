//! Routes by host and path: the cost is that of the request's own segments, however many routes.
//!
//! The most specific route wins: an exact host before a label pattern before no host; within a
//! host, segment by segment from the left, a literal before any, and a longer prefix before a
//! shorter. Where the more specific branch ends without a route, the next one is tried, so a match
//! visits more than one branch only where a policy puts both a literal and a pattern at one place.

use hashbrown::HashTable;
use std::hash::BuildHasher;

use super::names::Map;
use super::pattern::{HostPattern, PathPattern, Step};
use crate::policy::host::Host;
use crate::policy::segment::{decoded, segments};

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct NodeId(u32);

/// A place that some prefix leads to.
#[derive(Debug, Default)]
struct Node {
    any: Option<NodeId>,
    route: Option<u32>,
    /// The first literal that leads on, in most nodes the only one: it is compared in place, where
    /// the segments of one prefix lie next to each other, and nothing is hashed for it.
    first: Option<Edge>,
    /// Whether there are others, in the table.
    forks: bool,
}

#[derive(Debug, Clone, Copy)]
struct Edge {
    from: NodeId,
    to: NodeId,
    segment: Text,
}

/// Where a segment stands in [`Trie::texts`].
#[derive(Debug, Clone, Copy)]
struct Text {
    at: u32,
    length: u32,
}

/// Finds the most specific route.
#[derive(Debug, Default)]
pub(super) struct Trie {
    nodes: Vec<Node>,
    texts: String,
    edges: HashTable<Edge>,
    every: Option<NodeId>,
    exact: Map<Box<str>, NodeId>,
    below: Map<Box<str>, NodeId>,
}

impl Trie {
    /// Puts `route` at a place, or returns the route that no order can separate it from.
    pub(super) fn insert(
        &mut self,
        host: &HostPattern,
        path: &PathPattern,
        route: u32,
    ) -> Result<(), u32> {
        let mut node = self.root(host);
        for step in &path.steps {
            node = self.child(node, step);
        }
        match self.nodes.get_mut(node.0 as usize) {
            Some(Node { route: Some(before), .. }) => Err(*before),
            Some(node) => {
                node.route = Some(route);
                Ok(())
            }
            None => Ok(()),
        }
    }

    /// The most specific route of a canonical host and path.
    pub(super) fn find(&self, host: &Host<'_>, path: &str) -> Option<u32> {
        let host = host.as_str();
        let exact = || self.exact.get(host).copied();
        let below = || self.below.get(host.split_once('.')?.1).copied();
        let within = |root: NodeId| self.descend(root, segments(path));
        // Most policies name no hosts: nothing is hashed for them.
        let named = |found: Option<NodeId>| found.and_then(within);
        (if self.exact.is_empty() { None } else { named(exact()) })
            .or_else(|| if self.below.is_empty() { None } else { named(below()) })
            .or_else(|| self.every.and_then(within))
    }

    fn descend<'p>(
        &self,
        at: NodeId,
        mut rest: impl Iterator<Item = &'p str> + Clone,
    ) -> Option<u32> {
        let node = self.nodes.get(at.0 as usize)?;
        if let Some(segment) = rest.next() {
            let literal = self.edge(at, node, &decoded(segment));
            let deeper = literal.and_then(|child| self.descend(child, rest.clone()));
            let deeper = deeper.or_else(|| self.descend(node.any?, rest));
            if deeper.is_some() {
                return deeper;
            }
        }
        node.route
    }

    fn edge(&self, from: NodeId, node: &Node, segment: &str) -> Option<NodeId> {
        let first = node.first?;
        if self.text(first.segment) == segment {
            return Some(first.to);
        }
        if !node.forks {
            return None;
        }
        let same = |edge: &Edge| edge.from == from && self.text(edge.segment) == segment;
        self.edges.find(hash(from, segment), same).map(|edge| edge.to)
    }

    fn text(&self, text: Text) -> &str {
        let at = text.at as usize;
        self.texts.get(at..at + text.length as usize).unwrap_or_default()
    }

    fn root(&mut self, host: &HostPattern) -> NodeId {
        let known = match host {
            HostPattern::Every => self.every,
            HostPattern::Exact(name) => self.exact.get(name).copied(),
            HostPattern::Below(domain, _) => self.below.get(domain).copied(),
        };
        if let Some(root) = known {
            return root;
        }
        let root = self.node();
        match host {
            HostPattern::Every => self.every = Some(root),
            HostPattern::Exact(name) => drop(self.exact.insert(name.clone(), root)),
            HostPattern::Below(domain, _) => drop(self.below.insert(domain.clone(), root)),
        }
        root
    }

    fn child(&mut self, from: NodeId, step: &Step) -> NodeId {
        let node = self.nodes.get(from.0 as usize);
        let known = node.and_then(|node| match step {
            Step::Any => node.any,
            Step::Literal(segment) => self.edge(from, node, segment),
        });
        if let Some(child) = known {
            return child;
        }
        let to = self.node();
        match step {
            Step::Any => {
                if let Some(node) = self.nodes.get_mut(from.0 as usize) {
                    node.any = Some(to);
                }
            }
            Step::Literal(segment) => {
                let text = Text { at: self.texts.len() as u32, length: segment.len() as u32 };
                self.texts.push_str(segment);
                self.lead(Edge { from, to, segment: text });
            }
        }
        to
    }

    fn lead(&mut self, edge: Edge) {
        let Some(node) = self.nodes.get_mut(edge.from.0 as usize) else { return };
        if node.first.is_none() {
            node.first = Some(edge);
            return;
        }
        node.forks = true;
        let texts = &self.texts;
        let key = |edge: &Edge| {
            let at = edge.segment.at as usize;
            let text = texts.get(at..at + edge.segment.length as usize);
            hash(edge.from, text.unwrap_or_default())
        };
        self.edges.insert_unique(key(&edge), edge, key);
    }

    fn node(&mut self) -> NodeId {
        self.nodes.push(Node::default());
        NodeId(self.nodes.len() as u32 - 1)
    }
}

/// A fixed seed is fine: only the operator's routes are in the table.
fn hash(from: NodeId, segment: &str) -> u64 {
    foldhash::fast::FixedState::with_seed(u64::from(from.0)).hash_one(segment)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trie(routes: &[(&str, &str)]) -> Trie {
        let mut trie = Trie::default();
        for (number, (host, path)) in routes.iter().enumerate() {
            let host = match *host {
                "" => HostPattern::Every,
                host => HostPattern::parse(host).unwrap(),
            };
            trie.insert(&host, &PathPattern::parse(path).unwrap(), number as u32).unwrap();
        }
        trie
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
        ];
        let trie = trie(&routes);
        for (host, path, expected) in cases {
            let found = trie.find(&Host::parse(host).unwrap(), path);
            assert_eq!(found, expected, "{host} {path}");
        }
        assert_eq!(Trie::default().find(&Host::parse("h").unwrap(), "/"), None);
    }

    #[test]
    fn what_no_order_separates_is_refused() {
        let mut trie = trie(&[("", "/a/{workspace}"), ("*.x", "/")]);
        let same =
            [(HostPattern::Every, "/a/*", 0), (HostPattern::Below("x".into(), true), "/", 1)];
        for (host, path, before) in same {
            assert_eq!(trie.insert(&host, &PathPattern::parse(path).unwrap(), 9), Err(before));
        }
    }
}
