//! For every small policy and every request: `decide` says what the oracle says.

#![no_main]

use libfuzzer_sys::fuzz_target;
use sidegate::policy::{Decision, Query, Snapshot, UnixSeconds, Upgrade, compile};

mod draw;

#[path = "../../../oracle/draft.rs"]
mod draft;
#[path = "../../../oracle/judge.rs"]
mod judge;
#[path = "../../../oracle/model.rs"]
mod model;
#[path = "../../../oracle/target.rs"]
mod target;

use draw::Source;
use judge::Answer;
use model::Request;

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

fn decided(snapshot: &Snapshot, request: &Request) -> Answer {
    let query = Query {
        method: request.method,
        host: &request.host,
        target: &request.target,
        credential: request.credential.as_deref(),
        upgrade: match request.upgrade {
            None => Upgrade::None,
            Some("websocket") => Upgrade::WebSocket,
            Some(_) => Upgrade::Unknown,
        },
        preflight: request.preflight,
    };
    match snapshot.decide(&query, UnixSeconds(request.now)) {
        Decision::Allow(permit) => {
            let level = snapshot.describe(&permit.facts()).level;
            let target = permit.rewritten_target().unwrap_or(&request.target).to_owned();
            Answer {
                code: level.map_or("public", |level| level.name()),
                status: None,
                forwarded: Some((permit.route().name().to_owned(), target)),
            }
        }
        Decision::Deny(denial) => Answer {
            code: denial.reason.code(),
            status: Some(denial.reason.status(snapshot.hide_none())),
            forwarded: None,
        },
    }
}
