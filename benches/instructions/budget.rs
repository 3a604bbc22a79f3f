//! What requests may take.

use std::fs;

use toml::Table;

use super::Outcome;

const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/instructions/budget.toml");
/// Of a hundred. Less is not kept quiet either: what is left would be room for growth that nobody sees.
const TOLERANCE: f64 = 3.0;

pub(crate) fn check(counts: &[(&str, u64)]) -> Outcome<()> {
    let budget: Table = fs::read_to_string(FILE)?.parse()?;
    let mut beyond = Vec::new();
    for (name, count) in counts {
        let most = budget.get(*name).and_then(toml::Value::as_integer);
        let most = most.ok_or(format!("no `{name}` in {FILE}"))? as f64;
        let change = (*count as f64 / most - 1.0) * 100.0;
        if change.abs() > TOLERANCE {
            beyond.push(format!("{name}: {count}, {change:+.1} % of {most:.0}"));
        }
    }
    match beyond.is_empty() {
        true => Ok(()),
        false => Err(format!(
            "not within {TOLERANCE} % of {FILE}:\n  {}\nif this is meant, say why in the commit, with what \
             `cargo build --release && cargo test --bench instructions -- --bench --update \
             --sidegate target/release/sidegate` writes",
            beyond.join("\n  ")
        )
        .into()),
    }
}

pub(crate) fn write(counts: &[(&str, u64)]) -> Outcome<()> {
    let mut text = String::from(
        "# User-space instructions of the serving thread for each request, in a release build: see main.rs.\n",
    );
    for (name, count) in counts {
        text += &format!("{name} = {count}\n");
    }
    fs::write(FILE, text)?;
    println!("written to {FILE}");
    Ok(())
}
