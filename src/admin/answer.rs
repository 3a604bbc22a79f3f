//! Which answer a request gets.

use std::net::IpAddr;

use http::header::{
    ACCEPT, ALLOW, CACHE_CONTROL, CONTENT_TYPE, ORIGIN, RETRY_AFTER, VARY, WWW_AUTHENTICATE,
};
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode};
use http_body::Body;
use serde::Serialize;
use serde_json::Value;

use super::access::Refused;
use super::api::Topic;
use super::look::Unsettled;
use super::page::Asset;
use super::{Looked, Stage, State, Status};
use crate::clock;
use crate::current::ChangeId;
use crate::telemetry::Form;

const JSON: &str = "application/json";
const PROBLEM: &str = "application/problem+json";
const TEXT: &str = "text/plain; charset=utf-8";

/// What is served, by path.
#[derive(Debug, Clone, Copy)]
enum Page {
    Api(Topic),
    File(&'static Asset),
    Health,
    Metrics,
    Readiness,
    Reload,
    Status,
}

/// What a request gets.
#[derive(Debug)]
pub(super) enum Answer {
    /// What is there.
    Ready(Response<String>),
    /// What comes of a look at the files, [`looked`]; a change of that id is let in.
    Look(Option<ChangeId>),
    /// What comes of a walk through the policy, [`walked`]: with the question.
    Walk(Topic, String),
}

impl Page {
    fn at(path: &str) -> Option<Self> {
        match path {
            "/healthz" => Some(Self::Health),
            "/metrics" => Some(Self::Metrics),
            "/readyz" => Some(Self::Readiness),
            "/reload" => Some(Self::Reload),
            "/status" => Some(Self::Status),
            _ => Topic::at(path).map(Self::Api).or_else(|| Asset::at(path).map(Self::File)),
        }
    }
}

/// The answer to `request` of who connects from `peer`. The server leaves the body out where the
/// method is HEAD.
pub(super) fn answer(request: &Request<impl Body>, peer: IpAddr, state: &State) -> Answer {
    let Some(page) = Page::at(request.uri().path()) else {
        let there = "there are /, /metrics, /healthz, /readyz, /status and /reload";
        return Answer::Ready(problem(StatusCode::NOT_FOUND, there));
    };
    let (taken, allow, why) = match page {
        Page::Reload => (*request.method() == Method::POST, "POST", "this is to be posted to"),
        Page::Api(_)
        | Page::File(_)
        | Page::Health
        | Page::Metrics
        | Page::Readiness
        | Page::Status => {
            let reads = matches!(*request.method(), Method::GET | Method::HEAD);
            (reads, "GET, HEAD", "this is for reading only")
        }
    };
    if !taken {
        let mut refused = problem(StatusCode::METHOD_NOT_ALLOWED, why);
        refused.headers_mut().insert(ALLOW, HeaderValue::from_static(allow));
        return Answer::Ready(refused);
    }
    if !request.body().is_end_stream() {
        return Answer::Ready(problem(StatusCode::PAYLOAD_TOO_LARGE, "no request here has a body"));
    }
    let access = &state.desk.access;
    let checked = match page {
        Page::Api(_) | Page::File(_) => access.check(request, peer),
        // Who scrapes or probes by a name of its own goes on doing so.
        Page::Health | Page::Metrics | Page::Readiness | Page::Reload => Ok(()),
        Page::Status if peer.to_canonical().is_loopback() => access.check_host(request.headers()),
        Page::Status => Ok(()),
    };
    if let Err(refused) = checked {
        return Answer::Ready(refuse(refused, request.headers()));
    }
    Answer::Ready(match page {
        Page::Api(topic) => {
            return Answer::Walk(topic, request.uri().query().unwrap_or_default().to_owned());
        }
        Page::File(asset) => asset.answer(request.headers()),
        Page::Health => respond(StatusCode::OK, TEXT, "ok\n".to_owned()),
        Page::Metrics => metrics(request.headers(), state),
        Page::Readiness => {
            let stage = state.readiness.stage();
            let code = match stage {
                Stage::Ready => StatusCode::OK,
                Stage::Starting | Stage::Draining => StatusCode::SERVICE_UNAVAILABLE,
            };
            respond(code, TEXT, format!("{}\n{}", stage.name(), reservation(state)))
        }
        Page::Reload if request.headers().contains_key(ORIGIN) => {
            problem(StatusCode::FORBIDDEN, "this is not for pages in browsers")
        }
        Page::Reload => match accepted(request.uri().query()) {
            Ok(accept) => return Answer::Look(accept),
            Err(why) => problem(StatusCode::BAD_REQUEST, why),
        },
        Page::Status => json(StatusCode::OK, &Status::of(state, clock::now())),
    })
}

/// Every metric, in the form that the scraper prefers.
fn metrics(headers: &HeaderMap, state: &State) -> Response<String> {
    let accept = headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok());
    let form = Form::accepted(accept);
    let page = state.telemetry.render(&state.current, form, clock::now());
    let mut response = respond(StatusCode::OK, form.content_type(), page);
    response.headers_mut().insert(VARY, HeaderValue::from_static("accept"));
    response
}

/// A second line where it is not the files that are served by.
fn reservation(state: &State) -> String {
    let status = state.current.status();
    if status.last_good.is_some() {
        "the files are refused, the last good copy is in force\n".to_owned()
    } else if status.failing.is_some() {
        let generation = state.current.load().number;
        format!("the files are refused, generation {generation} stays in force\n")
    } else {
        String::new()
    }
}

/// The id of the change that is to be let in, if there is one.
fn accepted(query: Option<&str>) -> Result<Option<ChangeId>, &'static str> {
    let Some(query) = query else { return Ok(None) };
    let id = query.strip_prefix("accept=").ok_or("all that can be asked for is `accept=ID`")?;
    ChangeId::parse(id).map(Some).ok_or("an id has 32 digits from `0` to `f`")
}

/// The answer to who asked for a look at the files.
pub(super) fn looked(looked: Result<Looked, Unsettled>) -> Response<String> {
    let unavailable = |why| problem(StatusCode::SERVICE_UNAVAILABLE, why);
    match looked {
        Ok(looked) if looked.settled => json(StatusCode::OK, &looked),
        Ok(looked) => json(StatusCode::ACCEPTED, &looked),
        Err(Unsettled::Crowded) => unavailable("too many wait for the files already: ask again"),
        Err(Unsettled::Ended | Unsettled::Waiting) => {
            unavailable("nobody reads the files any more")
        }
    }
}

/// The answer to who asked for what is in the policy: nothing where too many ask at once.
pub(super) fn walked(found: Option<Result<Value, String>>) -> Response<String> {
    match found {
        // Unlike the rest, nobody reads it but a program: without the spaces it is half as long.
        Some(Ok(found)) => respond(StatusCode::OK, JSON, format!("{found}\n")),
        Some(Err(wrong)) => problem(StatusCode::BAD_REQUEST, &wrong),
        None => {
            let crowded = "too many look into the policy at once: ask again";
            let mut response = problem(StatusCode::SERVICE_UNAVAILABLE, crowded);
            response.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("1"));
            response
        }
    }
}

/// The answer to who may not see this.
fn refuse(refused: Refused, asked: &HeaderMap) -> Response<String> {
    // A browser asks for the token where somebody opens the page, and not in the middle of it.
    let by_script = asked.get("sec-fetch-dest").is_some_and(|dest| dest == "empty");
    let challenge = match by_script {
        true => "Bearer realm=\"sidegate\"",
        false => "Basic realm=\"sidegate: the token is the password\", charset=\"UTF-8\"",
    };
    let (status, detail) = match refused {
        Refused::Host => (
            StatusCode::MISDIRECTED_REQUEST,
            "this name is not known here: ask for `localhost` or an address, or list the name in \
             `[admin] hosts`",
        ),
        Refused::Site => (StatusCode::FORBIDDEN, "this is not for pages of other sites"),
        Refused::Stranger => (
            StatusCode::FORBIDDEN,
            "without `[admin] token` the page is for this machine alone: forward the port, or set one",
        ),
        Refused::Token => (
            StatusCode::UNAUTHORIZED,
            "the token of `[admin] token` is needed: as Basic's password or as a Bearer token",
        ),
    };
    let mut response = problem(status, detail);
    if refused == Refused::Token {
        response.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static(challenge));
    }
    response
}

fn json(status: StatusCode, shown: &impl Serialize) -> Response<String> {
    match serde_json::to_string_pretty(shown) {
        Ok(text) => respond(status, JSON, text + "\n"),
        Err(error) => problem(StatusCode::INTERNAL_SERVER_ERROR, &error.to_string()),
    }
}

/// RFC 9457.
fn problem(status: StatusCode, detail: &str) -> Response<String> {
    let body = serde_json::json!({
        "type": "about:blank",
        "title": status.canonical_reason(),
        "status": status.as_u16(),
        "detail": detail,
    });
    respond(status, PROBLEM, format!("{body}\n"))
}

fn respond(status: StatusCode, kind: &'static str, body: String) -> Response<String> {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
