//! Whatever stands in a file.

use proptest::prelude::*;

use super::*;

#[test]
fn what_follows_from_a_lost_name_is_recognised() {
    let problem = |message: &str| Problem::error(crate::policy::Place::default(), message);
    let lost = BTreeSet::from(["acme".to_owned()]);
    let cases = [
        ("unknown workspace `acme`", true),
        ("grant to `group:acme`", true),
        ("unknown workspace `acme-prod`", false),
        ("acme", false),
    ];
    for (message, expected) in cases {
        assert_eq!(speaks_of(&problem(message), &lost), expected, "{message}");
    }
}

/// Reads bytes as settings and as a policy.
fn read_both(bytes: &[u8]) {
    let folder = folder(&[("bytes.toml", bytes)]);
    let path = folder.path().join("bytes.toml");
    if let Err(report) = read(&path) {
        assert!(report.errors() > 0 && !report.lines().is_empty());
    }
    let _ = draft_of(path);
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..Default::default() })]

    #[test]
    fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        read_both(&bytes);
    }

    #[test]
    fn no_toml_like_text_panics(text in "([a-z\\[\\]{}=\"'.,#\\-0-9T:Z\\\\ü \n]|\\[\\[route\\]\\]\n|version = 1\n|areas = ){0,60}") {
        read_both(text.as_bytes());
    }

    #[test]
    fn no_mutation_of_a_good_policy_panics(
        at in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>(), 0..4_u8), 1..6),
    ) {
        for sample in [DOMAIN, include_str!("../samples/sidegate-mistakes.toml")] {
            let mut bytes = sample.as_bytes().to_vec();
            for (index, byte, how) in &at {
                if bytes.is_empty() {
                    break;
                }
                let index = index.index(bytes.len());
                match how {
                    0 => bytes[index] = *byte,
                    1 => bytes.insert(index, *byte),
                    2 => drop(bytes.remove(index)),
                    _ => bytes.truncate(index),
                }
            }
            read_both(&bytes);
        }
    }
}
