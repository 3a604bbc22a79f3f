//! Whatever is done to a key file, one that loads is left.

use proptest::prelude::*;

use super::*;
use crate::config;

#[derive(Debug, Clone)]
enum Step {
    Create(&'static str),
    Import(u8, bool),
    Prune(&'static str),
    Revoke(u8),
    RevokeAll(&'static str),
    Rotate(u8, &'static str),
    Wait(i64),
}

fn step() -> impl Strategy<Value = Step> {
    let create = prop::sample::select(vec!["", " --expires 1h", " --expires 30d --label x"]);
    let prune = prop::sample::select(vec!["0d", "1d", "90d"]);
    let whom = prop::sample::select(vec!["--account svc-reporting", "--workspace acme-dev"]);
    let overlap = prop::sample::select(vec!["0h", "1h", "7d"]);
    prop_oneof![
        create.prop_map(Step::Create),
        (any::<u8>(), any::<bool>()).prop_map(|(first, skip)| Step::Import(first % 8, skip)),
        prune.prop_map(Step::Prune),
        any::<u8>().prop_map(Step::Revoke),
        whom.prop_map(Step::RevokeAll),
        (any::<u8>(), overlap).prop_map(|(which, overlap)| Step::Rotate(which, overlap)),
        (0..100_000_i64).prop_map(Step::Wait),
    ]
}

impl Step {
    /// Does it, and says how it ended.
    fn run(&self, place: &Place, now: UnixSeconds) -> Done {
        let id = |which: u8| {
            let records = place.records();
            let at = usize::from(which) % records.len().max(1);
            let id = records.get(at).map(|record| record["id"].as_str().unwrap().to_owned());
            id.unwrap_or_else(|| "k_none".to_owned())
        };
        let (line, input) = match self {
            Self::Create(more) => (
                format!("create --workspace acme-prod --account svc-reporting{more}"),
                String::new(),
            ),
            Self::Import(first, skip) => {
                let rows = (0..3).map(|n| format!("tk_{},acme-prod,svc-reporting\n", first + n));
                let skip = if *skip { " --skip-existing" } else { "" };
                let head = "key,workspace,account\n".to_owned();
                (format!("import - --format csv{skip}"), head + &rows.collect::<String>())
            }
            Self::Prune(span) => (format!("prune --older-than {span}"), String::new()),
            Self::Revoke(which) => (format!("revoke {}", id(*which)), String::new()),
            Self::RevokeAll(whom) => (format!("revoke {whom}"), String::new()),
            Self::Rotate(which, overlap) => {
                (format!("rotate {} --overlap {overlap}", id(*which)), String::new())
            }
            Self::Wait(_) => ("list".to_owned(), String::new()),
        };
        place.run_with(&line, input.as_bytes(), now)
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]
    #[test]
    fn for_every_sequence_the_file_loads(steps in prop::collection::vec(step(), 1..12)) {
        let place = Place::new("");
        place.create("");
        let config = config::read(&place.0.path().join("sidegate.toml")).unwrap();
        let mut now = NOW;
        for step in steps {
            if let Step::Wait(seconds) = step {
                now = UnixSeconds(now.0 + seconds);
            }
            let before = fs::read(place.keys()).unwrap();
            let done = step.run(&place, now);
            let after = fs::read(place.keys()).unwrap();
            // 3: no such key, one that is over, a key that is there already.
            prop_assert!(matches!(done.code, 0 | 3), "{:?}: {:?}", step, done);
            prop_assert!(done.code == 0 || before == after, "{:?}: {:?}", step, done);
            let loaded = config::load(&config, Permissions::Private);
            prop_assert!(loaded.is_ok(), "{:?}: {}", step, loaded.unwrap_err());
        }
    }
}
