//! By what right a request goes on, and whether it still does.
//!
//! Shared by the request, by whatever serves it, and by the list of what lasts, all of one worker.

use std::cell::{Cell, Ref, RefCell};
use std::rc::Rc;
use std::task::Waker;
use std::time::Instant;

use http::Method;

use super::claim::Claim;
use super::lasting::{GRACE, MOMENT};
use super::trace::Trace;
use crate::clock;
use crate::current::Held;
use crate::policy::{Denial, DenyReason, Facts, Query, UnixSeconds};

/// The right of one request at a time.
#[derive(Debug)]
pub(super) struct Right {
    claim: RefCell<Claim>,
    /// When what was let through will have lasted for a moment.
    moment: Cell<Option<Instant>>,
    /// Where it is among those that last.
    place: Cell<Option<usize>>,
    /// What serves it, if it lasts.
    task: RefCell<Option<Waker>>,
    lost: Cell<Option<Lost>>,
}

/// What was let through and no longer is.
#[derive(Debug, Clone, Copy)]
pub(super) struct Lost {
    /// Why, by the policy in force then.
    pub(super) denial: Denial,
    since: Instant,
}

impl Lost {
    /// When it is cut, if it has not ended by itself.
    pub(super) fn due(&self) -> Instant {
        self.since + GRACE
    }
}

impl Right {
    /// `room` is an empty buffer.
    pub(super) fn new(room: Vec<u8>) -> Self {
        Self {
            claim: RefCell::new(Claim::new(room)),
            moment: Cell::new(None),
            place: Cell::new(None),
            task: RefCell::default(),
            lost: Cell::new(None),
        }
    }

    /// What a request asks that may be let through.
    pub(super) fn ask(&self, query: &Query<'_>, method: &Method) {
        self.claim.borrow_mut().ask(query, method);
    }

    /// What was asked last was let through. `since` is when it began.
    pub(super) fn hold(&self, generation: Rc<Held>, facts: Facts, since: Instant) {
        self.claim.borrow_mut().hold(generation, facts);
        self.moment.set(Some(since + MOMENT));
    }

    /// By what the request goes on that was let through.
    pub(super) fn claim(&self) -> Ref<'_, Claim> {
        self.claim.borrow()
    }

    /// Under which ids it is told of.
    pub(super) fn set_trace(&self, trace: Trace) {
        self.claim.borrow_mut().set_trace(trace);
    }

    /// The buffer of a stream that is over. Nothing of one whose request goes on: a WebSocket's does.
    pub(super) fn take_room(&self) -> Option<Vec<u8>> {
        let is_over = self.claim.borrow().judged().is_none();
        is_over.then(|| self.claim.take().into_room())
    }

    /// When the request will have lasted for a moment, if it has not yet.
    pub(super) fn moment(&self) -> Option<Instant> {
        self.moment.get()
    }

    /// It lasts, at this place among others, served by `task` from now on. Returns the number of the
    /// generation that it goes on by; nothing where it has its place already, or is over.
    pub(super) fn last(&self, place: usize, task: &Waker) -> Option<u64> {
        self.moment.set(None);
        let number = self.claim.borrow().judged().map(|(generation, _)| generation.number)?;
        let mut served_by = self.task.borrow_mut();
        if !served_by.as_ref().is_some_and(|it| it.will_wake(task)) {
            *served_by = Some(task.clone());
        }
        if self.place.get().is_some() {
            return None;
        }
        self.place.set(Some(place));
        Some(number)
    }

    pub(super) fn set_place(&self, place: usize) {
        self.place.set(Some(place));
    }

    /// It lasts no longer. Returns where it was.
    pub(super) fn leave(&self) -> Option<usize> {
        self.place.take()
    }

    /// Judges what lasts again, unless a later generation has judged it already.
    ///
    /// # Errors
    ///
    /// Why it is to end, which it is told, once.
    pub(super) fn judge(&self, by: &Rc<Held>, now: UnixSeconds) -> Result<(), DenyReason> {
        if self.place.get().is_none() || self.lost.get().is_some() {
            return Ok(());
        }
        let mut claim = self.claim.borrow_mut();
        if claim.judged().is_none_or(|(generation, _)| generation.number > by.number) {
            return Ok(());
        }
        claim.judge(by, now).map_err(|denial| {
            self.lost.set(Some(Lost { denial, since: clock::instant() }));
            if let Some(task) = &*self.task.borrow() {
                task.wake_by_ref();
            }
            denial.reason
        })
    }

    /// Why the request is to end, once what let it through no longer does.
    pub(super) fn lost(&self) -> Option<Lost> {
        self.lost.get()
    }

    /// The request is over.
    pub(super) fn end(&self) {
        self.moment.set(None);
        self.lost.set(None);
        self.claim.borrow_mut().clear();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::current::{Current, Reader};
    use crate::policy::{Draft, Upgrade, compile};

    /// A look takes its time, and what begins meanwhile may be in its way.
    #[test]
    fn an_earlier_generation_does_not_judge_what_a_later_one_let_through() {
        let empty = || compile(Draft::default()).unwrap();
        let current = Current::new(empty(), None, UnixSeconds(0));
        let mut reader = Reader::new(Arc::clone(&current));
        let before = reader.load();
        current.swap(empty(), None, UnixSeconds(0));
        let after = reader.load();
        let right = Right::new(Vec::new());
        let query = Query {
            method: "GET",
            host: "h",
            target: "/",
            credential: None,
            upgrade: Upgrade::None,
            preflight: false,
        };
        right.ask(&query, &Method::GET);
        right.hold(Rc::clone(&after), Facts::default(), clock::instant());
        assert_eq!(right.last(0, Waker::noop()), Some(2));
        assert_eq!(right.last(1, Waker::noop()), None);
        assert_eq!(right.judge(&before, UnixSeconds(0)), Ok(()));
        assert_eq!(right.judge(&after, UnixSeconds(0)), Err(DenyReason::KeyMissing));
        assert!(right.lost().is_some());
        assert_eq!(right.judge(&after, UnixSeconds(0)), Ok(()), "told once");
        assert_eq!((right.leave(), right.leave()), (Some(0), None));
    }
}
