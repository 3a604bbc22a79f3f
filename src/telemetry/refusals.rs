//! Refusals of the last half hour by reason, with a few recent examples each: what the operators' page
//! shows of them, without a log.
//!
//! An allowed request does nothing for it. A refused one locks its worker's own board, which nobody
//! else locks but a page that is looked at, adds to three numbers and compares a few more; what
//! allocates is done at most twice a second, reason and worker, and never for one that is there.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::policy::{DenyReason, Description, Facts, Level, UnixSeconds};

/// Minutes that are told apart.
pub const MINUTES: usize = 30;
/// Examples of one reason, at most.
pub const EXAMPLES: usize = 10;
/// New examples of one reason in one second and worker, at most.
const NEW_A_SECOND: u8 = 2;
const MINUTE: i64 = 60;

/// What is noted of one refusal. Nothing of it is a key, a path or a query.
#[derive(Debug, Clone, Copy)]
pub struct Refusal<'a> {
    /// Why.
    pub reason: DenyReason,
    /// What was known by then, in numbers of that generation.
    pub facts: Facts,
    /// The generation that judged it.
    pub generation: u64,
    /// The method; one that RFC 9110 does not know is not quoted.
    pub method: &'a str,
    /// The status that the client got.
    pub status: u16,
    /// `X-Request-Id`.
    pub request_id: &'a str,
    /// Who connected.
    pub peer: &'a str,
}

/// Refusals of one reason.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// Why.
    pub reason: DenyReason,
    /// How many since the process began.
    pub total: u64,
    /// When the last one was.
    pub last: UnixSeconds,
    /// How many in each of the last minutes; the last one is the minute that is not over.
    pub minutes: [u32; MINUTES],
    /// Some of them, the latest first.
    pub examples: Vec<Example>,
}

/// Refusals that are alike.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Example {
    /// When the last of them was.
    pub last: UnixSeconds,
    /// How many there were since it was first noted.
    pub count: u64,
    /// The generation that judged them.
    pub generation: u64,
    /// As [`Refusal::method`].
    pub method: Box<str>,
    /// The status that the clients got.
    pub status: u16,
    /// The route's label.
    pub route: Option<Box<str>>,
    /// Host and prefix as the policy writes them.
    pub template: Option<Box<str>>,
    /// The key's workspace.
    pub workspace: Option<Box<str>>,
    /// Whose key it was.
    pub account: Option<Box<str>>,
    /// The key's id.
    pub key_id: Option<Box<str>>,
    /// What the route is of: `product`, `product/permission` or `area NAME`.
    pub scope: Option<Box<str>>,
    /// The level that the requests needed.
    pub needed: Option<Level>,
    /// The level that the caller has.
    pub level: Option<Level>,
    /// `X-Request-Id` of the first of them: by it, the log has the rest.
    pub request_id: Box<str>,
    /// Who connected for the first of them.
    pub peer: Box<str>,
    facts: Facts,
}

/// A worker's own.
#[derive(Debug, Clone, Default)]
pub(super) struct Board(Arc<Mutex<Vec<Tally>>>);

#[derive(Debug)]
struct Tally {
    reason: DenyReason,
    total: u64,
    last: i64,
    /// By minute, the minute of `last` among them.
    minutes: [u32; MINUTES],
    examples: VecDeque<Example>,
    /// New examples in the second of `last`.
    new: u8,
}

impl Board {
    /// `describe` is asked only where the example is kept.
    pub(super) fn note<'d>(
        &self,
        refusal: &Refusal<'_>,
        describe: impl FnOnce() -> Description<'d>,
        UnixSeconds(now): UnixSeconds,
    ) {
        let mut tallies = lock(&self.0);
        let at = match tallies.iter().position(|tally| tally.reason == refusal.reason) {
            Some(at) => at,
            None => {
                tallies.push(Tally::new(refusal.reason, now));
                tallies.len() - 1
            }
        };
        if let Some(tally) = tallies.get_mut(at) {
            tally.count(now);
            tally.example(refusal, describe, now);
        }
    }
}

impl Tally {
    fn new(reason: DenyReason, now: i64) -> Self {
        let (minutes, examples) = ([0; MINUTES], VecDeque::new());
        Self { reason, total: 0, last: now, minutes, examples, new: 0 }
    }

    fn count(&mut self, now: i64) {
        // The wall clock may be set back: what was counted stays where it is.
        if now > self.last {
            self.pass(now);
            self.last = now;
            self.new = 0;
        }
        self.total += 1;
        if let Some(minute) = self.minutes.get_mut(slot(self.last / MINUTE)) {
            *minute = minute.saturating_add(1);
        }
    }

    /// Empties the minutes that are new at `now`.
    fn pass(&mut self, now: i64) {
        let (before, after) = (self.last / MINUTE, now / MINUTE);
        for minute in before.max(after - MINUTES as i64) + 1..=after {
            if let Some(minute) = self.minutes.get_mut(slot(minute)) {
                *minute = 0;
            }
        }
    }

    fn example<'d>(
        &mut self,
        refusal: &Refusal<'_>,
        describe: impl FnOnce() -> Description<'d>,
        now: i64,
    ) {
        let Refusal { facts, generation, method, status, .. } = *refusal;
        let alike = |it: &Example| {
            (it.facts, it.generation, &*it.method, it.status) == (facts, generation, method, status)
        };
        if let Some(known) = self.examples.iter_mut().find(|it| alike(it)) {
            known.count += 1;
            known.last.0 = known.last.0.max(now);
            return;
        }
        if self.new == NEW_A_SECOND {
            return;
        }
        self.new += 1;
        if self.examples.len() == EXAMPLES {
            let oldest = self.examples.iter().enumerate().min_by_key(|(_, it)| it.last);
            let oldest = oldest.map_or(0, |(at, _)| at);
            self.examples.remove(oldest);
        }
        self.examples.push_back(Example::new(refusal, &describe(), now));
    }
}

impl Example {
    /// Whether it is of the same, told by another worker.
    fn is_like(&self, other: &Self) -> bool {
        (self.facts, self.generation, self.status) == (other.facts, other.generation, other.status)
            && self.method == other.method
    }

    fn new(refusal: &Refusal<'_>, words: &Description<'_>, now: i64) -> Self {
        let kept = |text: Option<&str>| text.map(Box::from);
        let scope = match (words.product, words.permission, words.area) {
            (Some(product), Some(permission), _) => Some(format!("{product}/{permission}")),
            (Some(product), None, _) => Some(product.to_owned()),
            (None, _, area) => area.map(|area| format!("area {area}")),
        };
        Self {
            last: UnixSeconds(now),
            count: 1,
            generation: refusal.generation,
            method: refusal.method.into(),
            status: refusal.status,
            route: kept(words.route),
            template: kept(words.template),
            workspace: kept(words.workspace),
            account: kept(words.account),
            key_id: kept(words.key_id),
            scope: scope.map(String::into_boxed_str),
            needed: words.needed,
            level: words.level,
            request_id: refusal.request_id.into(),
            peer: refusal.peer.into(),
            facts: refusal.facts,
        }
    }
}

/// The boards of all workers.
#[derive(Debug, Default)]
pub(super) struct Boards(Mutex<Vec<Board>>);

impl Boards {
    /// A board for one more worker.
    pub(super) fn add(&self) -> Board {
        let board = Board::default();
        lock(&self.0).push(board.clone());
        board
    }

    /// What all of them say at `now`, in the order of the codes. A reason that there was none of is
    /// left out.
    pub(super) fn read(&self, UnixSeconds(now): UnixSeconds) -> Vec<Refused> {
        let boards = lock(&self.0).clone();
        let mut all: Vec<Refused> = Vec::new();
        for board in boards {
            for tally in lock(&board.0).iter_mut() {
                let reason = tally.reason;
                let at = all.iter().position(|it| it.reason == reason).unwrap_or(all.len());
                if at == all.len() {
                    let (last, minutes) = (UnixSeconds(tally.last), [0; MINUTES]);
                    all.push(Refused { reason, total: 0, last, minutes, examples: Vec::new() });
                }
                if let Some(refused) = all.get_mut(at) {
                    refused.add(tally, now);
                }
            }
        }
        all.sort_unstable_by_key(|refused| refused.reason);
        for refused in &mut all {
            refused.examples.sort_by_key(|it| std::cmp::Reverse(it.last));
            refused.examples.truncate(EXAMPLES);
        }
        all
    }
}

impl Refused {
    fn add(&mut self, tally: &Tally, now: i64) {
        self.total += tally.total;
        self.last.0 = self.last.0.max(tally.last);
        let newest = tally.last / MINUTE;
        let oldest = newest - MINUTES as i64;
        for (sum, minute) in self.minutes.iter_mut().rev().zip((0..=now / MINUTE).rev()) {
            if minute > oldest && minute <= newest {
                *sum = sum.saturating_add(tally.minutes.get(slot(minute)).copied().unwrap_or(0));
            }
        }
        for example in &tally.examples {
            match self.examples.iter_mut().find(|it| it.is_like(example)) {
                Some(known) => {
                    known.count += example.count;
                    known.last = known.last.max(example.last);
                }
                None => self.examples.push(example.clone()),
            }
        }
    }
}

fn slot(minute: i64) -> usize {
    minute.rem_euclid(MINUTES as i64) as usize
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_795_000_020;

    fn refusal(method: &str) -> Refusal<'_> {
        Refusal {
            reason: DenyReason::ViewOnly,
            facts: Facts::default(),
            generation: 3,
            method,
            status: 403,
            request_id: "r1",
            peer: "192.0.2.1",
        }
    }

    fn words() -> Description<'static> {
        Description {
            route: Some("reports"),
            product: Some("vault"),
            permission: Some("reports"),
            ..Description::default()
        }
    }

    #[test]
    fn what_is_alike_is_one_example_and_workers_are_added_up() {
        let boards = Boards::default();
        let workers = [boards.add(), boards.add()];
        for (worker, method, at) in [(0, "POST", 0), (1, "POST", 1), (1, "PUT", 2), (0, "PUT", 61)]
        {
            workers[worker].note(&refusal(method), words, UnixSeconds(NOW + at));
        }
        let [refused] = &boards.read(UnixSeconds(NOW + 61))[..] else { panic!() };
        assert_eq!((refused.reason, refused.total), (DenyReason::ViewOnly, 4));
        assert_eq!(refused.last, UnixSeconds(NOW + 61));
        assert_eq!(refused.minutes[MINUTES - 2..], [3, 1]);
        let seen: Vec<_> = refused
            .examples
            .iter()
            .map(|it| (&*it.method, it.count, it.last.0 - NOW, it.scope.as_deref()))
            .collect();
        let scope = Some("vault/reports");
        assert_eq!(seen, [("PUT", 2, 61, scope), ("POST", 2, 1, scope)]);
        assert_eq!(refused.examples[0].request_id, "r1".into());
    }

    #[test]
    fn minutes_pass_whether_anything_is_refused_or_not() {
        let boards = Boards::default();
        let board = boards.add();
        board.note(&refusal("POST"), words, UnixSeconds(NOW));
        let minutes = |at: i64| boards.read(UnixSeconds(NOW + at * MINUTE))[0].minutes;
        assert_eq!(minutes(0)[MINUTES - 1], 1);
        assert_eq!(minutes(29)[0], 1);
        assert_eq!(minutes(30).iter().sum::<u32>(), 0);
        board.note(&refusal("POST"), words, UnixSeconds(NOW + 45 * MINUTE));
        assert_eq!(minutes(45).iter().sum::<u32>(), 1);
        // Set back by an hour.
        board.note(&refusal("POST"), words, UnixSeconds(NOW - 15 * MINUTE));
        assert_eq!(minutes(45).iter().sum::<u32>(), 2);
        assert_eq!(boards.read(UnixSeconds(NOW))[0].total, 3);
    }

    /// Who changes what is told of each request costs no more than two examples a second.
    #[test]
    fn examples_are_bounded_in_number_and_in_time() {
        let boards = Boards::default();
        let board = boards.add();
        let names: Vec<_> = (0..200).map(|number| format!("M{number}")).collect();
        let mut described = 0;
        for (name, number) in names.iter().zip(0..) {
            let describe = || {
                described += 1;
                words()
            };
            board.note(&refusal(name), describe, UnixSeconds(NOW + number / 20));
        }
        assert_eq!(described, 20);
        let refused = &boards.read(UnixSeconds(NOW + 9))[0];
        assert_eq!((refused.total, refused.examples.len()), (200, EXAMPLES));
        assert!(refused.examples.iter().all(|it| it.last.0 >= NOW + 5));
    }
}
