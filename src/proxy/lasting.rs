//! What lasts longer than a moment: streams of events, calls of gRPC, long bodies either way, and
//! WebSockets.
//!
//! A request that is over sooner pays for none of this: it is the timer that its connection has
//! anyway that finds out that it lasts. From then on it is judged again by every policy that comes
//! into force, and with every second that begins, for what ends by the clock. What lost the right to
//! go on is told so, and has a little time to end; nobody else notices.

use std::cell::RefCell;
use std::rc::Rc;
use std::task::Waker;
use std::time::Duration;

use super::activity::Activity;
use super::control::Pulse;
use super::worker::Worker;
use crate::clock;
use crate::current::Held;
use crate::policy::UnixSeconds;

/// A request that takes longer lasts.
pub(super) const MOMENT: Duration = Duration::from_millis(500);
/// How long what lost its right may take to end.
pub(super) const GRACE: Duration = Duration::from_millis(500);
/// How soon a change of the policy is seen.
const LOOK: Duration = Pulse::BEAT;
/// So many are judged before others have their turn.
const BATCH: usize = 128;

/// What lasts, of one worker.
///
/// INVARIANT: each knows its place in the list. It is there from [`enter`](Self::enter) until its
/// record is dropped, or the body that came with it is.
#[derive(Debug, Default)]
pub(super) struct Lasting(RefCell<Vec<Rc<Activity>>>);

impl Lasting {
    /// A request lasts; `task` is what serves it. One that was judged by a policy that is no longer
    /// in force is judged at once: no look to come would.
    pub(super) fn enter(&self, worker: &Worker, activity: &Rc<Activity>, task: &Waker) {
        let mut list = self.0.borrow_mut();
        let Some(generation) = activity.right.last(list.len(), task) else { return };
        list.push(Rc::clone(activity));
        drop(list);
        worker.meters().streams(1);
        let in_force = worker.generation();
        if in_force.number != generation {
            judge(worker, activity, &in_force, clock::now());
        }
    }

    /// It is over, if it was there at all.
    pub(super) fn leave(&self, worker: &Worker, activity: &Activity) {
        let Some(place) = activity.right.leave() else { return };
        let mut list = self.0.borrow_mut();
        let left = list.swap_remove(place);
        if let Some(moved) = list.get(place) {
            moved.right.set_place(place);
        }
        drop(list);
        worker.meters().streams(-1);
        drop(left);
    }

    /// Judges all that last whenever that can have another result, for ever. Calls `beat` each time
    /// that it looks.
    pub(super) async fn watch(worker: Rc<Worker>, beat: impl Fn()) {
        let mut ticks = tokio::time::interval(LOOK);
        let mut judged = (0, UnixSeconds(0));
        loop {
            ticks.tick().await;
            beat();
            // Where nobody asks, this lets go of a policy that is no longer in force.
            let in_force = worker.generation();
            let now = clock::now();
            if judged == (in_force.number, now) {
                continue;
            }
            judged = (in_force.number, now);
            let list = worker.lasting().0.borrow().clone();
            for (number, activity) in list.iter().enumerate() {
                judge(&worker, activity, &in_force, now);
                if number % BATCH == BATCH - 1 {
                    tokio::task::yield_now().await;
                }
            }
        }
    }
}

/// One that has left the list meanwhile has nothing that could be judged.
fn judge(worker: &Worker, activity: &Activity, by: &Rc<Held>, now: UnixSeconds) {
    if let Err(reason) = activity.right.judge(by, now) {
        worker.meters().stream_terminated(reason.code());
    }
}
