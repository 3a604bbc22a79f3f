//! For every small policy and every request: `decide` says what the oracle says.

#![no_main]

use libfuzzer_sys::fuzz_target;
use sidegate::policy::compile;

mod draw;

#[path = "../../../oracle/decided.rs"]
mod decided;
#[path = "../../../oracle/draft.rs"]
mod draft;
#[path = "../../../oracle/judge.rs"]
mod judge;
#[path = "../../../oracle/model.rs"]
mod model;
#[path = "../../../oracle/target.rs"]
mod target;

use decided::decided;
use draw::Source;

const REQUESTS: usize = 16;

fuzz_target!(|bytes: &[u8]| {
    let mut source = Source::new(bytes);
    let model = source.model();
    let snapshot = match compile(model.draft()) {
        Ok(snapshot) => snapshot,
        Err(problems) => panic!("not a policy: {problems:?} of {model:#?}"),
    };
    for _ in 0..REQUESTS {
        if source.is_used_up() {
            return;
        }
        let request = source.request(&model);
        let (got, expected) = (decided(&snapshot, &request), judge::answer(&model, &request));
        assert_eq!(got, expected, "decide and the oracle: {request:?} of {model:#?}");
    }
});
