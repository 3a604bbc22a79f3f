//! The decision core against an evaluator that could not be more naive.
//!
//! [`judge`] is written from domain.md and request-safety.md: it walks roles, groups and grants at
//! each request, and shares neither types nor logic with `policy`. [`model`] is what both are told,
//! [`random`] makes small policies, [`wish`] requests that are likely to hit them. Where the two differ,
//! one of them reads the domain wrongly.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::string_slice,
    reason = "a test that cannot go on should stop"
)]

mod decided;
mod difference;
mod draft;
mod judge;
mod model;
mod random;
mod target;
mod wish;

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;

use proptest::collection::vec;
use proptest::test_runner::{Config, TestCaseError, TestError, TestRunner};
use sidegate::policy::{DenyReason, compile};

use decided::decided;

const POLICIES: u32 = 1000;
const REQUESTS: usize = 120;
const CASES: u64 = 100_000;
/// Of each outcome, in a run: far under what is seen, far above an accident.
const FEWEST: u64 = 100;

#[test]
fn decide_equals_the_oracle_on_random_policies() {
    // No file of seeds: a disagreement prints its smallest policy and request.
    let config = Config { cases: POLICIES, failure_persistence: None, ..Config::default() };
    let outcomes: RefCell<BTreeMap<&str, u64>> = RefCell::default();
    let (slashes, params) = (Cell::new(0_u64), Cell::new(0_u64));
    let run = TestRunner::new(config).run(
        &(random::policy(), vec(wish::wish(), REQUESTS)),
        |(model, wishes)| {
            let draft = model.draft();
            let snapshot = compile(draft).map_err(|problems| {
                let told: Vec<_> = problems.iter().map(ToString::to_string).collect();
                TestCaseError::fail(format!("not a policy: {told:?}"))
            })?;
            for wish in wishes {
                let request = wish.come_true(&model);
                let expected = judge::answer(&model, &request);
                let got = decided(&snapshot, &request);
                if got != expected {
                    let message = format!("{request:?}: decide {got:?}, oracle {expected:?}");
                    return Err(TestCaseError::fail(message));
                }
                let path =
                    expected.forwarded.iter().flat_map(|(_, target)| target.split('?').next());
                for path in path {
                    slashes.set(slashes.get() + u64::from(path.contains("%2F")));
                    params.set(params.get() + u64::from(path.contains(';')));
                }
                *outcomes.borrow_mut().entry(expected.code).or_default() += 1;
            }
            Ok(())
        },
    );
    match run {
        Ok(()) => {}
        Err(TestError::Fail(why, (model, _))) => panic!("{why}\nof {model:#?}"),
        Err(TestError::Abort(why)) => panic!("{why}"),
    }
    let outcomes = outcomes.into_inner();
    let cases: u64 = outcomes.values().sum();
    println!("{cases} cases of {POLICIES} policies");
    for (code, count) in &outcomes {
        println!("{count:>8} {code}");
    }
    println!("{:>8} with an encoded slash, {} with params", slashes.get(), params.get());
    assert!(slashes.get() >= FEWEST && params.get() >= FEWEST, "the generator misses what is kept");
    assert!(cases >= CASES, "only {cases} cases");
    let reasons = DenyReason::ALL.into_iter().filter(|reason| reason.is_of_policy());
    for code in reasons.map(DenyReason::code).chain(["full", "view", "public"]) {
        let count = outcomes.get(code).copied().unwrap_or_default();
        assert!(count >= FEWEST, "`{code}` occurred {count} times: the generator misses it");
    }
}
