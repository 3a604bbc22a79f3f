//! Instructions that a request takes of sidegate, in user space: the same on every run, where times
//! are not.
//!
//! `cargo bench --bench instructions -- [--check] [--update] [--sidegate FILE]`
//!
//! sidegate runs under callgrind, and one client asks on one connection. What a request takes is the
//! difference of two runs, one with twice as many requests: what is done once cancels out. Only the
//! thread that serves counts. `--check` ends with an error where a count is not within 3 % of
//! `budget.toml`; `--update` writes it anew. Decisions alone are counted in an optimised build of this
//! bench only.

#![expect(clippy::unwrap_used, reason = "a bench that cannot go on should stop")]

mod budget;
mod callgrind;
mod decisions;
mod proxied;
#[path = "../decide/requests.rs"]
mod requests;
#[path = "../decide/world.rs"]
mod world;

use std::path::PathBuf;
use std::process::ExitCode;
use std::{env, fs};

use proxied::Ask;

type Outcome<T> = Result<T, Box<dyn std::error::Error + Send + Sync>>;

fn main() -> ExitCode {
    let mut words = env::args().skip(1);
    let outcome = match words.next().as_deref() {
        Some(decisions::CHILD) => decisions::child(words),
        // `cargo test --benches` starts benches, too: there is nothing to count then.
        _ if !env::args().any(|word| word == "--bench") => {
            println!("instructions: counts under `cargo bench` only");
            Ok(())
        }
        _ => run(env::args().skip(1)),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(failed) => {
            eprintln!("instructions: {failed}");
            ExitCode::FAILURE
        }
    }
}

fn run(mut words: impl Iterator<Item = String>) -> Outcome<()> {
    let mut sidegate: PathBuf = env!("CARGO_BIN_EXE_sidegate").into();
    let (mut checks, mut updates) = (false, false);
    while let Some(word) = words.next() {
        match word.as_str() {
            "--bench" => {}
            "--check" => checks = true,
            "--update" => updates = true,
            "--sidegate" => {
                sidegate = fs::canonicalize(words.next().ok_or("`--sidegate` needs a file")?)?;
            }
            _ => return Err(format!("unknown option `{word}`").into()),
        }
    }
    callgrind::is_there()?;
    let mut counts = Vec::new();
    for ask in Ask::ALL {
        let count = proxied::count(&sidegate, *ask)?;
        println!("{:<24} {count:>8}", ask.name);
        counts.push((ask.name, count));
    }
    if cfg!(debug_assertions) {
        println!("not optimised: decisions alone are not counted");
    } else {
        for case in decisions::CASES {
            println!("decide: {:<16} {:>8}", case.name(), decisions::count(case)?);
        }
    }
    if updates {
        return budget::write(&counts);
    }
    if checks { budget::check(&counts) } else { Ok(()) }
}
