//! What a decision costs, hashing of the key included, and what a key weighs.
//!
//! `cargo bench --bench decide` measures; `-- --test` only shows that it would.
//!
//! Every request has another key, drawn at random from all, so that at 10⁶ keys the caches are
//! cold; their texts lie in the order in which they are asked for, as a request's own text is warm.

#![expect(clippy::unwrap_used, reason = "a bench that cannot go on should stop")]

mod requests;
mod resident;
mod world;

use std::cell::{LazyCell, RefCell};
use std::collections::BTreeMap;
use std::env;
use std::hint::black_box;
use std::time::Duration;

use criterion::{BenchmarkId, Criterion};
use sidegate::clock;
use sidegate::policy::{Snapshot, compile};

use requests::{Case, Requests};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Nanoseconds of each sample, by case and by place (keys, routes).
type Samples = BTreeMap<(Case, usize, usize), Vec<f64>>;

fn main() {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let said = |word: &str| arguments.iter().any(|argument| argument == word);
    if said(resident::CHILD) {
        return resident::child(arguments.last().unwrap());
    }
    let measures = said("--bench") && !said("--test");
    let (keys, routes): (&[usize], &[usize]) = if measures {
        (&[1_000, 100_000, 1_000_000], &[10, 1_000, 10_000])
    } else {
        (&[1_000], &[10, 100])
    };
    if arguments.iter().all(|argument| argument.starts_with("--")) {
        resident::table(keys);
    }

    let samples: RefCell<Samples> = RefCell::default();
    let mut criterion = Criterion::default()
        .sample_size(20)
        .warm_up_time(Duration::from_millis(100))
        .measurement_time(Duration::from_millis(400))
        .without_plots()
        .configure_from_args();
    for &keys in keys {
        for &routes in routes {
            // Nothing is made for what the command line filters out.
            let snapshot = LazyCell::new(|| compile(world::draft(keys, routes)).unwrap());
            for case in Case::ALL {
                bench(&mut criterion, &snapshot, (case, keys, routes), &samples);
            }
        }
    }
    criterion.final_summary();
    if measures {
        table(samples.into_inner(), keys, routes);
    }
}

fn bench(
    criterion: &mut Criterion,
    snapshot: &LazyCell<Snapshot, impl FnOnce() -> Snapshot>,
    place: (Case, usize, usize),
    samples: &RefCell<Samples>,
) {
    let (case, keys, routes) = place;
    let name = BenchmarkId::new(case.name(), format!("{keys} keys, {routes} routes"));
    criterion.bench_with_input(name, &place, |bencher, place| {
        let requests = Requests::new(case, keys, routes);
        assert_eq!(requests.outcome(snapshot), case.name(), "{keys} keys, {routes} routes");
        let mut queries = requests.queries().cycle();
        let now = case.now();
        bencher.iter_custom(|times| {
            let start = clock::instant();
            for query in queries.by_ref().take(usize::try_from(times).unwrap()) {
                black_box(snapshot.decide(black_box(&query), now));
            }
            let took = start.elapsed();
            let each = took.as_secs_f64() * 1e9 / times as f64;
            samples.borrow_mut().entry(*place).or_default().push(each);
            took
        });
    });
}

/// Medians, and how much the largest place costs beside the smallest.
fn table(mut samples: Samples, keys: &[usize], routes: &[usize]) {
    println!("\nns a decision, median");
    print!("{:<22}", "keys × routes");
    let places = || keys.iter().flat_map(|keys| routes.iter().map(|routes| (*keys, *routes)));
    for (keys, routes) in places() {
        print!("{:>14}", format!("{keys}×{routes}"));
    }
    println!("{:>14}", "last ÷ first");
    for case in Case::ALL {
        let medians = places().filter_map(|(keys, routes)| {
            let all = samples.get_mut(&(case, keys, routes))?;
            // What warmed up is the first half, at the least.
            all.sort_by(f64::total_cmp);
            all.get(all.len() / 2).copied()
        });
        let medians: Vec<f64> = medians.collect();
        let (Some(first), Some(last)) = (medians.first(), medians.last()) else { continue };
        print!("{:<22}", case.name());
        medians.iter().for_each(|median| print!("{median:>14.0}"));
        println!("{:>14.2}", last / first);
    }
}
