//! What `decide` says, in the words of the oracle.

use sidegate::policy::{Decision, Query, Snapshot, UnixSeconds, Upgrade};

use crate::judge::Answer;
use crate::model::Request;

pub(crate) fn decided(snapshot: &Snapshot, request: &Request) -> Answer {
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
            let forwarded = permit.rewritten_target().unwrap_or(&request.target).to_owned();
            let route = permit.route().name().to_owned();
            Answer {
                code: level.map_or("public", |level| level.name()),
                status: None,
                forwarded: Some((route, forwarded)),
            }
        }
        Decision::Deny(denial) => Answer {
            code: denial.reason.code(),
            status: Some(denial.reason.status(snapshot.hide_none())),
            forwarded: None,
        },
    }
}
