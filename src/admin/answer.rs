//! Which answer a request gets.

use http::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderValue, Method, Request, Response, StatusCode};
use http_body::Body;
use serde_json::json;

use super::{Stage, State, Status};
use crate::clock;

const JSON: &str = "application/json";
const METRICS: &str = "text/plain; version=0.0.4; charset=utf-8";
const PROBLEM: &str = "application/problem+json";
const TEXT: &str = "text/plain; charset=utf-8";

/// What is served, by path.
#[derive(Debug, Clone, Copy)]
enum Page {
    Health,
    Metrics,
    Readiness,
    Status,
}

impl Page {
    fn at(path: &str) -> Option<Self> {
        match path {
            "/healthz" => Some(Self::Health),
            "/metrics" => Some(Self::Metrics),
            "/readyz" => Some(Self::Readiness),
            "/status" => Some(Self::Status),
            _ => None,
        }
    }
}

/// The answer to `request`. The server leaves the body out where the method is HEAD.
pub(super) fn answer(request: &Request<impl Body>, state: &State) -> Response<String> {
    let Some(page) = Page::at(request.uri().path()) else {
        return problem(StatusCode::NOT_FOUND, "there are /metrics, /healthz, /readyz and /status");
    };
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        let mut refused = problem(StatusCode::METHOD_NOT_ALLOWED, "this is for reading only");
        refused.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
        return refused;
    }
    if !request.body().is_end_stream() {
        return problem(StatusCode::PAYLOAD_TOO_LARGE, "no request here has a body");
    }
    match page {
        Page::Health => respond(StatusCode::OK, TEXT, "ok\n".to_owned()),
        Page::Metrics => respond(StatusCode::OK, METRICS, state.telemetry.render(&state.current)),
        Page::Readiness => {
            let stage = state.readiness.stage();
            let code = match stage {
                Stage::Ready => StatusCode::OK,
                Stage::Starting | Stage::Draining => StatusCode::SERVICE_UNAVAILABLE,
            };
            respond(code, TEXT, format!("{}\n", stage.name()))
        }
        Page::Status => match serde_json::to_string_pretty(&Status::of(state, clock::now())) {
            Ok(text) => respond(StatusCode::OK, JSON, text + "\n"),
            Err(error) => problem(StatusCode::INTERNAL_SERVER_ERROR, &error.to_string()),
        },
    }
}

/// RFC 9457.
fn problem(status: StatusCode, detail: &str) -> Response<String> {
    let body = json!({
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
