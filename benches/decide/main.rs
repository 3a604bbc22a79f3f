//! What a decision costs, hashing of the key included, and what a key weighs.
//!
//! `cargo bench --bench decide` measures; `-- --test` only shows that it would.
//!
//! Every request has a key and a route, each drawn at random from all: so what the snapshot has of
//! them is as cold as that many keys and routes make it. The request's own text is warm, as that of
//! a request which was just read from its socket: requests are drawn in small batches, outside of
//! the time that counts. Every outcome is measured in the smallest place and in the largest, the
//! allowed request in all.

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
    let began = clock::instant();
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
    let corners = [(keys.first(), routes.first()), (keys.last(), routes.last())];
    let is_corner = |keys, routes| corners.contains(&(Some(keys), Some(routes)));
    for keys in keys {
        for routes in routes {
            let cases = if is_corner(keys, routes) { &Case::ALL[..] } else { &[Case::Allow] };
            let (keys, routes) = (*keys, *routes);
            // Nothing is made for what the command line filters out.
            let snapshot = LazyCell::new(|| compile(world::draft(keys, routes)).unwrap());
            for case in cases {
                bench(&mut criterion, &snapshot, (*case, keys, routes), &samples);
            }
        }
    }
    criterion.final_summary();
    if measures {
        table(samples.into_inner(), keys, routes);
        println!("\nall of it took {:.0} s", began.elapsed().as_secs_f64());
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
        let mut requests = Requests::new(case, keys, routes);
        assert_eq!(requests.outcome(snapshot), case.name(), "{keys} keys, {routes} routes");
        let now = case.now();
        bencher.iter_custom(|times| {
            let mut took = Duration::ZERO;
            let mut left = usize::try_from(times).unwrap();
            while left > 0 {
                let batch = requests.batch(left);
                left -= batch.len();
                let start = clock::instant();
                for query in batch {
                    black_box(snapshot.decide(black_box(&query), now));
                }
                took += start.elapsed();
            }
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
        let medians = places().map(|(keys, routes)| {
            let all = samples.get_mut(&(case, keys, routes))?;
            // What warmed up is the first half, at the least.
            all.sort_by(f64::total_cmp);
            all.get(all.len() / 2).copied()
        });
        let medians: Vec<Option<f64>> = medians.collect();
        print!("{:<22}", case.name());
        for median in &medians {
            print!("{:>14}", median.map_or("–".to_owned(), |median| format!("{median:.0}")));
        }
        let ends = medians.first().copied().flatten().zip(medians.last().copied().flatten());
        println!(
            "{:>14}",
            ends.map_or(String::new(), |(first, last)| format!("{:.2}", last / first))
        );
    }
}
