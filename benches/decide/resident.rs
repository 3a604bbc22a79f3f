//! What compiling costs, and what a key weighs once its draft is gone: each in a process of its own,
//! so that nothing else is measured with it.

use std::fs;
use std::process::Command;
use std::time::Duration;

use sidegate::clock;
use sidegate::policy::compile;

use super::world::{self, Holder};

/// The word by which a process knows that it is one.
pub(crate) const CHILD: &str = "--resident-of";

const ROUTES: usize = 10;
/// Fewer keys weigh less than what the rest of a process takes or gives back.
const FEWEST: f64 = 100_000.0;
/// Of Linux on every machine that this runs on; `statm` counts in pages.
const PAGE: f64 = 4096.0;
/// The allocator's own delay is 10 ms to 1 s.
const PATIENCE: Duration = Duration::from_secs(2);

/// Prints what a snapshot of that many keys took.
pub(crate) fn child(keys: &str) {
    let mut draft = world::draft(keys.parse().unwrap(), ROUTES);
    // A key whose account has left is told as a warning, which is kept and weighs more than the key.
    let mut holders = (0..).map(Holder::of);
    draft.keys.retain(|_| holders.next() != Some(Holder::Stranger));
    let kept = draft.keys.len();
    let start = clock::instant();
    let snapshot = compile(draft).unwrap();
    let took = start.elapsed();
    println!("{} {} {kept}", took.as_secs_f64(), settled());
    drop(snapshot);
}

/// Resident bytes once the allocator has given back what the draft had: it does so a little later,
/// while it is used.
fn settled() -> f64 {
    let start = clock::instant();
    let mut lowest = resident();
    while start.elapsed() < PATIENCE {
        drop(std::hint::black_box(vec![1_u8; 1 << 20]));
        lowest = lowest.min(resident());
    }
    lowest
}

fn resident() -> f64 {
    let statm = fs::read_to_string("/proc/self/statm").unwrap();
    let pages: f64 = statm.split(' ').nth(1).unwrap().parse().unwrap();
    pages * PAGE
}

pub(crate) fn table(sizes: &[usize]) {
    let (_, empty, _) = run(0);
    println!("{:>10} {:>16} {:>20}", "keys", "compile, ms", "resident bytes/key");
    for &keys in sizes {
        let (seconds, bytes, keys) = run(keys * Holder::CYCLE.len() / (Holder::CYCLE.len() - 1));
        let each =
            if keys < FEWEST { "–".to_owned() } else { format!("{:.1}", (bytes - empty) / keys) };
        println!("{keys:>10} {:>16.1} {each:>20}", seconds * 1e3);
    }
}

/// Seconds, resident bytes, keys.
fn run(keys: usize) -> (f64, f64, f64) {
    let program = std::env::current_exe().unwrap();
    let output = Command::new(program).args([CHILD, &keys.to_string()]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    let mut numbers = text.split_whitespace().map(|number| number.parse().unwrap());
    let mut next = || numbers.next().unwrap();
    (next(), next(), next())
}
