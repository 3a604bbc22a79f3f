//! The requests of the demo, and what each is answered with.

use std::net::SocketAddr;

use crate::keystore::ApiKey;

/// The keys of the demo.
pub(super) struct Keys {
    pub(super) full: ApiKey,
    pub(super) view: ApiKey,
    pub(super) other: ApiKey,
    /// Well formed, and in no record.
    pub(super) unknown: ApiKey,
}

/// A request, and what becomes of it.
pub(super) struct Request<'k> {
    pub(super) about: &'static str,
    pub(super) method: &'static str,
    pub(super) target: &'static str,
    pub(super) key: Option<&'k ApiKey>,
    pub(super) status: u16,
    /// `allowed`, or the code of the refusal.
    pub(super) reason: &'static str,
}

/// Every request, those that may pass first.
pub(super) fn all(keys: &Keys) -> Vec<Request<'_>> {
    let request = |about, method, target, key, status, reason| Request {
        about,
        method,
        target,
        key,
        status,
        reason,
    };
    let reports = "/vault/reports/2026";
    vec![
        request("a view key reads", "GET", reports, Some(&keys.view), 200, "allowed"),
        request("a full key writes", "POST", reports, Some(&keys.full), 200, "allowed"),
        request("a view key writes", "POST", reports, Some(&keys.view), 403, "view_only"),
        request(
            "a key of another workspace reads",
            "GET",
            reports,
            Some(&keys.other),
            403,
            "wrong_workspace",
        ),
        request("nobody reads", "GET", reports, None, 401, "key_missing"),
        request("an unknown key reads", "GET", reports, Some(&keys.unknown), 401, "key_unknown"),
        request(
            "a path that no route has",
            "GET",
            "/admin",
            Some(&keys.full),
            404,
            "route_unknown",
        ),
        request(
            "a path with two readings",
            "GET",
            "/vault/reports/..%2f../admin",
            Some(&keys.full),
            400,
            "bad_target",
        ),
    ]
}

impl Request<'_> {
    /// The command that sends it.
    pub(super) fn curl(&self, address: SocketAddr) -> String {
        let method =
            if self.method == "GET" { String::new() } else { format!(" -X {}", self.method) };
        let key = self.key.map(|key| format!(" -H 'Authorization: Bearer {}'", key.expose()));
        format!(
            "curl -i --path-as-is{method}{} 'http://{address}{}'",
            key.unwrap_or_default(),
            self.target
        )
    }

    /// The bytes that send it.
    pub(super) fn bytes(&self, address: SocketAddr) -> String {
        let key = self.key.map(|key| format!("authorization: Bearer {}\r\n", key.expose()));
        let body = if self.method == "POST" { "content-length: 0\r\n" } else { "" };
        format!(
            "{} {} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n{}{body}\r\n",
            self.method,
            self.target,
            key.unwrap_or_default()
        )
    }
}
