//! The page's own files, as they are in the source: nothing is built, and nothing comes from elsewhere.

use std::sync::LazyLock;

use http::header::{CACHE_CONTROL, CONTENT_TYPE, ETAG, IF_NONE_MATCH};
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode};

/// What a browser may do with an answer of ours: nothing of any other origin, nothing inline.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; \
                      connect-src 'self'; base-uri 'none'; form-action 'none'; \
                      frame-ancestors 'none'; require-trusted-types-for 'script'";
/// What every answer of this listener says to browsers.
const HEADERS: [(&str, &str); 5] = [
    ("content-security-policy", POLICY),
    ("x-content-type-options", "nosniff"),
    ("referrer-policy", "no-referrer"),
    ("cross-origin-resource-policy", "same-origin"),
    ("cross-origin-opener-policy", "same-origin"),
];

const HTML: &str = "text/html; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";
const STYLE: &str = "text/css; charset=utf-8";
const ICON: &str = "image/svg+xml";

/// One file of the page.
#[derive(Debug)]
pub(super) struct Asset {
    path: &'static str,
    kind: &'static str,
    text: &'static str,
    tag: LazyLock<String>,
}

macro_rules! asset {
    ($path:literal, $kind:expr, $file:literal) => {
        Asset {
            path: $path,
            kind: $kind,
            text: include_str!(concat!("page/", $file)),
            tag: LazyLock::new(|| tag(include_str!(concat!("page/", $file)))),
        }
    };
}

static ASSETS: [Asset; 12] = [
    asset!("/", HTML, "index.html"),
    asset!("/page/style.css", STYLE, "style.css"),
    asset!("/page/icon.svg", ICON, "icon.svg"),
    asset!("/page/app.js", SCRIPT, "app.js"),
    asset!("/page/dom.js", SCRIPT, "dom.js"),
    asset!("/page/overview.js", SCRIPT, "overview.js"),
    asset!("/page/routes.js", SCRIPT, "routes.js"),
    asset!("/page/members.js", SCRIPT, "members.js"),
    asset!("/page/denials.js", SCRIPT, "denials.js"),
    asset!("/page/keys.js", SCRIPT, "keys.js"),
    asset!("/page/explain.js", SCRIPT, "explain.js"),
    asset!("/page/reloads.js", SCRIPT, "reloads.js"),
];

impl Asset {
    /// The file at that path.
    pub(super) fn at(path: &str) -> Option<&'static Self> {
        ASSETS.iter().find(|asset| asset.path == path)
    }

    /// The file, or that it is what the browser has. A newer sidegate may have another one: it is asked
    /// each time.
    pub(super) fn answer(&self, asked: &HeaderMap) -> Response<String> {
        let is_known = asked.get_all(IF_NONE_MATCH).iter().any(|tags| {
            let tags = tags.to_str().unwrap_or_default().split(',');
            tags.map(|tag| tag.trim().trim_start_matches("W/")).any(|tag| tag == *self.tag)
        });
        let (status, body) = match is_known {
            true => (StatusCode::NOT_MODIFIED, String::new()),
            false => (StatusCode::OK, self.text.to_owned()),
        };
        let mut response = Response::new(body);
        *response.status_mut() = status;
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(self.kind));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
        if let Ok(tag) = HeaderValue::from_str(&self.tag) {
            headers.insert(ETAG, tag);
        }
        response
    }
}

fn tag(text: &str) -> String {
    let hash: String = blake3::hash(text.as_bytes()).to_hex().chars().take(32).collect();
    format!("\"{hash}\"")
}

/// Says to browsers what they may do with an answer, whichever it is.
pub(super) fn harden(response: &mut Response<String>) {
    for (name, value) in HEADERS {
        let name = HeaderName::from_static(name);
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
}
