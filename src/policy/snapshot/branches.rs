//! Routes in the order in which they come, until all are there and a [`Trie`] is made of them.

use super::names::Map;
use super::pattern::{HostPattern, PathPattern, Step};
use super::trie::{ANY, NodeId, Trie};

/// What branches off: one place for each prefix of a pattern.
#[derive(Debug, Default)]
pub(super) struct Branches {
    places: Vec<Place>,
    literals: Map<(usize, Box<str>), usize>,
    every: Option<usize>,
    exact: Map<Box<str>, usize>,
    below: Map<Box<str>, usize>,
}

/// A place that some prefix leads to.
#[derive(Debug, Default)]
struct Place {
    any: Option<usize>,
    literals: Vec<(Box<str>, usize)>,
    route: Option<u32>,
}

impl Branches {
    /// Puts `route` at a place, or returns the route that no order can separate it from.
    pub(super) fn insert(
        &mut self,
        host: &HostPattern,
        path: &PathPattern,
        route: u32,
    ) -> Result<(), u32> {
        let mut at = self.root(host);
        for step in &path.steps {
            at = self.child(at, step);
        }
        match self.places.get_mut(at) {
            Some(Place { route: Some(before), .. }) => Err(*before),
            Some(place) => {
                place.route = Some(route);
                Ok(())
            }
            None => Ok(()),
        }
    }

    fn root(&mut self, host: &HostPattern) -> usize {
        let new = self.places.len();
        let root = match host {
            HostPattern::Every => *self.every.get_or_insert(new),
            HostPattern::Exact(name) => *self.exact.entry(name.clone()).or_insert(new),
            HostPattern::Below(domain, _) => *self.below.entry(domain.clone()).or_insert(new),
        };
        if root == new {
            self.places.push(Place::default());
        }
        root
    }

    fn child(&mut self, from: usize, step: &Step) -> usize {
        let new = self.places.len();
        let Some(place) = self.places.get_mut(from) else { return new };
        let child = match step {
            Step::Any => *place.any.get_or_insert(new),
            Step::Literal(text) => {
                let child = *self.literals.entry((from, text.clone())).or_insert(new);
                if child == new {
                    place.literals.push((text.clone(), new));
                }
                child
            }
        };
        if child == new {
            self.places.push(Place::default());
        }
        child
    }

    /// Makes one node of every stretch in which nothing branches off.
    pub(super) fn finish(&self) -> Trie {
        let mut trie = Trie::default();
        trie.every = self.every.map(|root| self.node(None, root, Vec::new(), &mut trie));
        for (host, root) in &self.exact {
            let root = self.node(None, *root, Vec::new(), &mut trie);
            trie.exact.insert(host.clone(), root);
        }
        for (domain, root) in &self.below {
            let root = self.node(None, *root, Vec::new(), &mut trie);
            trie.below.insert(domain.clone(), root);
        }
        trie
    }

    /// The node of the place that `run` leads to, and all after it. As deep as patterns are.
    fn node(
        &self,
        from: Option<NodeId>,
        mut at: usize,
        mut run: Vec<u8>,
        trie: &mut Trie,
    ) -> NodeId {
        let none = Place::default();
        let place = loop {
            let place = self.places.get(at).unwrap_or(&none);
            at = match (place.route, place.any, place.literals.as_slice()) {
                (None, Some(any), []) => {
                    run.extend([b'/', ANY]);
                    any
                }
                (None, None, [(text, child)]) => {
                    run.push(b'/');
                    run.extend(text.bytes());
                    *child
                }
                _ => break place,
            };
        };
        let node = trie.add(from, &run, place.route);
        let literals: Vec<_> = place
            .literals
            .iter()
            .map(|(text, child)| {
                self.node(Some(node), *child, format!("/{text}").into_bytes(), trie)
            })
            .collect();
        let any = place.any.map(|child| self.node(Some(node), child, vec![b'/', ANY], trie));
        trie.lead(node, &literals, any);
        node
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_no_order_separates_is_refused() {
        let mut branches = Branches::default();
        let place = |path| PathPattern::parse(path).unwrap();
        branches.insert(&HostPattern::Every, &place("/a/{workspace}"), 0).unwrap();
        branches.insert(&HostPattern::Below("x".into(), false), &place("/"), 1).unwrap();
        let same =
            [(HostPattern::Every, "/a/*", 0), (HostPattern::Below("x".into(), true), "/", 1)];
        for (host, path, before) in same {
            assert_eq!(branches.insert(&host, &place(path), 9), Err(before));
        }
    }
}
