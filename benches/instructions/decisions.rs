//! The decision alone, of a request that was read: with 1,000 keys and ten routes.

use std::env;
use std::hint::black_box;

use sidegate::policy::{Query, compile};

use super::requests::{Case, Requests};
use super::{Outcome, callgrind, world};

/// The word by which a process knows that it is one that decides.
pub(crate) const CHILD: &str = "--decide";

pub(crate) const CASES: [Case; 4] =
    [Case::Allow, Case::KeyUnknown, Case::ViewOnly, Case::RouteUnknown];

const PLACE: (usize, usize) = (1000, 10);
const TIMES: u64 = 100;

pub(crate) fn count(case: Case) -> Outcome<u64> {
    let run = |times: u64| {
        let folder = tempfile::tempdir()?;
        let own = env::current_exe()?;
        let words = [CHILD, case.name(), &times.to_string()];
        let status = callgrind::command(folder.path(), &own, &words)
            .stderr(std::process::Stdio::null())
            .status()?;
        if !status.success() {
            return Err(format!("`valgrind`: {status}").into());
        }
        callgrind::totals(folder.path())
    };
    let batch = Requests::new(case, PLACE.0, PLACE.1).batch(usize::MAX).len() as u64;
    Ok(callgrind::difference(&run(TIMES)?, &run(2 * TIMES)?) / (TIMES * batch))
}

/// Decides the same few requests again and again.
pub(crate) fn child(mut words: impl Iterator<Item = String>) -> Outcome<()> {
    let name = words.next().ok_or("a case is needed")?;
    let case = Case::ALL.into_iter().find(|case| case.name() == name).ok_or("no such case")?;
    let times: u64 = words.next().ok_or("a number is needed")?.parse()?;
    let snapshot = compile(world::draft(PLACE.0, PLACE.1)).unwrap();
    let mut requests = Requests::new(case, PLACE.0, PLACE.1);
    assert_eq!(requests.outcome(&snapshot), name);
    let queries: Vec<Query<'_>> = requests.batch(usize::MAX).collect();
    for _ in 0..times {
        for query in &queries {
            black_box(snapshot.decide(black_box(query), case.now()));
        }
    }
    Ok(())
}
