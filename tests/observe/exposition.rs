//! A page of metrics in the text format, read.

use std::collections::{BTreeMap, BTreeSet};

/// Labels and their values.
pub(crate) type Labels = BTreeMap<String, String>;

/// The series of each family, those of a histogram without their suffixes.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Exposition(pub(crate) BTreeMap<String, BTreeSet<Labels>>);

impl Exposition {
    pub(crate) fn parse(text: &str) -> Self {
        let mut families: BTreeMap<String, BTreeSet<Labels>> = BTreeMap::new();
        for line in text.lines() {
            if let Some(told) = line.strip_prefix("# TYPE ") {
                families.entry(told.split(' ').next().unwrap().to_owned()).or_default();
            }
            if line.starts_with('#') {
                continue;
            }
            let (series, _value) = line.rsplit_once(' ').unwrap();
            let (name, labels) = series.split_once('{').unwrap_or((series, ""));
            let base = ["_bucket", "_sum", "_count"]
                .iter()
                .find_map(|end| name.strip_suffix(end).filter(|it| families.contains_key(*it)));
            let mut labels = parse_labels(labels.trim_end_matches('}'));
            if let Some(base) = base {
                labels.insert("__suffix__".to_owned(), name.trim_start_matches(base).to_owned());
            }
            let family = families.get_mut(base.unwrap_or(name)).unwrap();
            assert!(family.insert(labels), "twice: {line}");
        }
        Self(families)
    }

    pub(crate) fn count(&self) -> usize {
        self.0.values().map(BTreeSet::len).sum()
    }

    /// The names of the labels that a family's series have.
    pub(crate) fn labels(&self, family: &str) -> BTreeSet<String> {
        let series = self.0.get(family).into_iter().flatten();
        series.flat_map(|labels| labels.keys().cloned()).collect()
    }
}

/// Values here have neither quotes nor commas.
fn parse_labels(text: &str) -> Labels {
    let pairs = text.split_terminator("\",").map(|pair| pair.trim_end_matches('"'));
    let pairs = pairs.filter_map(|pair| pair.split_once("=\""));
    pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}
