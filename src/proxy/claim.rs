//! By what a request goes on: what was asked, and what the answer to that is made of.
//!
//! It is kept of every request that was let through, so that one that lasts can be judged again: a
//! few words in a buffer that serves one request after the other.

use std::fmt;
use std::rc::Rc;

use http::Method;

use super::trace::Trace;
use crate::current::Held;
use crate::policy::{Decision, Denial, Facts, Query, UnixSeconds, Upgrade};

/// A larger buffer is not kept for the next request, in bytes.
const KEPT: usize = 1024;

/// The question that was answered with yes, and the last answer. Its `Debug` says nothing: it holds
/// the key.
#[derive(Default)]
pub(super) struct Claim {
    /// Host, target and key, one behind the other.
    words: Vec<u8>,
    /// Where the first two end.
    ends: (usize, usize),
    has_key: bool,
    method: Method,
    upgrade: Upgrade,
    is_preflight: bool,
    /// What said yes, and how. Nothing where nothing was let through.
    judged: Option<(Rc<Held>, Facts)>,
    /// Under which ids it is told of, once it was answered.
    trace: Option<Trace>,
}

impl fmt::Debug for Claim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Claim").finish_non_exhaustive()
    }
}

impl Claim {
    /// With an empty buffer that was used before.
    pub(super) fn new(words: Vec<u8>) -> Self {
        Self { words, ..Self::default() }
    }

    /// The buffer, empty.
    pub(super) fn into_room(mut self) -> Vec<u8> {
        self.clear();
        self.words
    }

    /// Takes down what is asked.
    pub(super) fn ask(&mut self, query: &Query<'_>, method: &Method) {
        self.words.clear();
        self.words.extend_from_slice(query.host.as_bytes());
        let host = self.words.len();
        self.words.extend_from_slice(query.target.as_bytes());
        self.ends = (host, self.words.len());
        self.has_key = query.credential.is_some();
        self.words.extend_from_slice(query.credential.unwrap_or_default().as_bytes());
        self.method = method.clone();
        self.upgrade = query.upgrade;
        self.is_preflight = query.preflight;
    }

    /// It was let through.
    pub(super) fn hold(&mut self, generation: Rc<Held>, facts: Facts) {
        self.judged = Some((generation, facts));
    }

    /// Judges again. If it is still yes, that is what it goes on by; if not, it ends by what it had.
    ///
    /// # Errors
    ///
    /// Why it is no.
    pub(super) fn judge(&mut self, by: &Rc<Held>, now: UnixSeconds) -> Result<(), Denial> {
        let (host, target) = self.ends;
        let word = |range| std::str::from_utf8(self.words.get(range).unwrap_or_default());
        let query = Query {
            method: self.method.as_str(),
            host: word(0..host).unwrap_or_default(),
            target: word(host..target).unwrap_or_default(),
            credential: self.has_key.then(|| word(target..self.words.len()).unwrap_or_default()),
            upgrade: self.upgrade,
            preflight: self.is_preflight,
        };
        match by.snapshot.decide(&query, now) {
            Decision::Allow(permit) => self.judged = Some((Rc::clone(by), permit.facts())),
            Decision::Deny(denial) => return Err(denial),
        }
        Ok(())
    }

    pub(super) fn judged(&self) -> Option<&(Rc<Held>, Facts)> {
        self.judged.as_ref()
    }

    pub(super) fn method(&self) -> &Method {
        &self.method
    }

    pub(super) fn trace(&self) -> Option<&Trace> {
        self.trace.as_ref()
    }

    pub(super) fn set_trace(&mut self, trace: Trace) {
        self.trace = Some(trace);
    }

    /// Forgets all of it, the key first.
    pub(super) fn clear(&mut self) {
        // AVX-512 writes nothing with a mask, and where there is no memory that is as slow as a fault.
        if !self.words.is_empty() {
            self.words.fill(0);
        }
        if self.words.capacity() > KEPT {
            self.words = Vec::new();
        }
        self.words.clear();
        self.judged = None;
        self.trace = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn its_buffer_serves_the_next_if_it_is_small() {
        let query = Query {
            method: "GET",
            host: "h",
            target: "/t",
            credential: Some("the-key"),
            upgrade: Upgrade::None,
            preflight: false,
        };
        let mut claim = Claim::new(Vec::with_capacity(64));
        claim.ask(&query, &Method::GET);
        claim.ask(&query, &Method::GET);
        assert_eq!(claim.words, b"h/tthe-key");
        assert_eq!(format!("{claim:?}"), "Claim { .. }");
        let room = claim.into_room();
        assert_eq!((room.len(), room.capacity()), (0, 64));
        let mut claim = Claim::new(Vec::new());
        claim.ask(&Query { target: &"x".repeat(KEPT + 1), ..query }, &Method::GET);
        assert_eq!(claim.into_room().capacity(), 0);
    }
}
