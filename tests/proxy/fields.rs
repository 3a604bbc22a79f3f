//! Fields: what goes on, what is dropped, what is refused, and whose word is taken for it.

use crate::rig::{OK, Rig};
use crate::table::seen;

/// Lines that are sent, and what the upstream is told under a name, or the status.
type Row = (&'static str, &'static str, Result<Option<&'static str>, u16>);

#[rustfmt::skip]
const ROWS: &[Row] = &[
    // What is nobody's business but the client's and the upstream's.
    ("X-Mine: a\r\n", "x-mine", Ok(Some("a"))),
    ("Cookie: a=b; c=d\r\n", "cookie", Ok(Some("a=b; c=d"))),
    ("Accept-Encoding: gzip\r\n", "accept-encoding", Ok(Some("gzip"))),
    ("Via: 1.1 a\r\n", "via", Ok(Some("1.1 a"))),
    ("Max-Forwards: 5\r\n", "max-forwards", Ok(Some("5"))),
    // One connection's (RFC 9110 §7.6.1).
    ("Connection: close\r\n", "connection", Ok(None)),
    ("Connection: X-Mine\r\nX-Mine: a\r\n", "x-mine", Ok(None)),
    ("Connection: close, x-mine\r\nX-MINE: a\r\nx-mine: b\r\n", "x-mine", Ok(None)),
    ("Connection: a\r\nConnection: x-mine\r\nX-Mine: a\r\n", "x-mine", Ok(None)),
    ("Keep-Alive: timeout=5\r\n", "keep-alive", Ok(None)),
    ("Proxy-Connection: keep-alive\r\n", "proxy-connection", Ok(None)),
    ("Proxy-Authenticate: Basic\r\n", "proxy-authenticate", Ok(None)),
    ("TE: trailers\r\n", "te", Ok(None)),
    ("TE: gzip, trailers;q=0.5\r\n", "te", Ok(None)),
    ("Upgrade: h2c\r\n", "upgrade", Ok(None)),
    ("HTTP2-Settings: AAMAAABkAAQAAP__\r\n", "http2-settings", Ok(None)),
    ("Connection: Host\r\n", "host", Err(400)),
    ("Connection: close, content-length\r\n", "host", Err(400)),
    ("Connection: Authorization\r\n", "host", Err(400)),
    ("Connection: X-API-Key\r\n", "host", Err(400)),
    ("Connection: x_api_key\r\n", "host", Err(400)),
    ("Connection: X-Sidegate-Account\r\n", "host", Err(400)),
    ("Connection: a,\tX_Sidegate_Level ,b\r\n", "host", Err(400)),
    ("Connection: X-Forwarded-For\r\n", "host", Err(400)),
    ("Connection: Forwarded\r\n", "host", Err(400)),
    ("Connection: X-Real-IP\r\n", "host", Err(400)),
    ("Connection: X-Request-Id\r\n", "host", Err(400)),
    ("Connection: close\r\nConnection: X-Forwarded-Proto\r\n", "host", Err(400)),
    // Framing, in a spelling that some upstream folds.
    ("Content_Length: 5\r\n", "content_length", Ok(None)),
    ("Transfer_Encoding: chunked\r\n", "transfer_encoding", Ok(None)),
    // The credential.
    ("x-api-key: key-writer\r\n", "host", Err(400)),
    ("X-API-Key: key-reader\r\n", "host", Err(400)),
    ("X-API-Key:\r\n", "host", Err(400)),
    ("Authorization: Bearer key-reader\r\n", "host", Err(400)),
    ("Authorization: Bearer\r\n", "host", Err(400)),
    ("Authorization: Bearer key-writer\r\nauthorization: Bearer key-writer\r\n", "host", Err(400)),
    ("Authorization: Basic YTpi\r\nAuthorization: Bearer key-writer\r\n", "host", Err(400)),
    ("Authorization: Bearer key-writer\r\n", "authorization", Ok(None)),
    ("Authorization: bEARER  key-writer\r\n", "authorization", Ok(None)),
    ("Authorization: Basic a2V5LXdyaXRlcg==\r\n", "authorization", Ok(None)),
    ("X_API_Key: key-writer\r\n", "x_api_key", Ok(None)),
    ("X-API_KEY: key-reader\r\n", "x-api_key", Ok(None)),
    ("Proxy-Authorization: Bearer key-writer\r\n", "proxy-authorization", Ok(None)),
    ("X-Request-Id: key-writer\r\nX-Mine: a\r\n", "x-mine", Ok(Some("a"))),
    ("Sec-WebSocket-Protocol: bearer, key-writer\r\n", "sec-websocket-protocol", Ok(None)),
    ("Sec-WebSocket-Protocol: bearer, key-reader, chat\r\n", "sec-websocket-protocol", Ok(Some("chat"))),
    ("Sec_WebSocket_Protocol: bearer, key-writer\r\n", "sec_websocket_protocol", Ok(None)),
    // A trace goes on as a whole or not at all (W3C Trace Context §4.3).
    ("Traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\r\n", "traceparent", Ok(Some("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"))),
    ("Traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\r\nTracestate: a=b\r\n", "tracestate", Ok(Some("a=b"))),
    ("Traceparent: cc-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-more\r\n", "traceparent", Ok(Some("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"))),
    ("Traceparent: cc-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-more\r\nTracestate: a=b\r\n", "tracestate", Ok(Some("a=b"))),
    ("Traceparent: ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\r\nTracestate: a=b\r\n", "tracestate", Ok(None)),
    ("Traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\r\nTraceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\r\nTracestate: a=b\r\n", "tracestate", Ok(None)),
    ("Tracestate: a=b\r\n", "tracestate", Ok(None)),
    // Our name, in any spelling.
    ("X-Sidegate-Account: root\r\n", "x-sidegate-account", Ok(Some("writer"))),
    ("X-SIDEGATE-LEVEL: root\r\n", "x-sidegate-level", Ok(Some("full"))),
    ("X_Sidegate_Account: root\r\n", "x_sidegate_account", Ok(None)),
    ("x-sidegate_account: root\r\n", "x-sidegate_account", Ok(None)),
    ("X-Sidegate-Area: billing\r\n", "x-sidegate-area", Ok(None)),
    ("X-Sidegate-Whatever: root\r\n", "x-sidegate-whatever", Ok(None)),
    // Who comes from where.
    ("X-Forwarded-For: 192.0.2.1\r\n", "x-forwarded-for", Ok(Some("127.0.0.1"))),
    ("X_Forwarded_For: 192.0.2.1\r\n", "x_forwarded_for", Ok(None)),
    ("X-Forwarded-Host: other\r\n", "x-forwarded-host", Ok(Some("localhost"))),
    ("X-Forwarded-Proto: https\r\n", "x-forwarded-proto", Ok(Some("http"))),
    ("X-Forwarded-Port: 443\r\n", "x-forwarded-port", Ok(None)),
    ("X-Forwarded-User: root\r\n", "x-forwarded-user", Ok(None)),
    ("X-Forwarded-Client-Cert: root\r\n", "x-forwarded-client-cert", Ok(None)),
    ("Forwarded: for=192.0.2.1\r\n", "forwarded", Ok(None)),
    ("X-Real-IP: 192.0.2.1\r\n", "x-real-ip", Ok(None)),
    ("X_REAL_IP: 192.0.2.1\r\n", "x_real_ip", Ok(None)),
    // What would change the method or the target after it was judged.
    ("X-HTTP-Method-Override: DELETE\r\n", "x-http-method-override", Ok(None)),
    ("X_HTTP_Method_Override: DELETE\r\n", "x_http_method_override", Ok(None)),
    ("X-Method-Override: DELETE\r\n", "x-method-override", Ok(None)),
    ("X-HTTP-Method: DELETE\r\n", "x-http-method", Ok(None)),
    ("X-Original-Method: DELETE\r\n", "x-original-method", Ok(None)),
    ("X-Original-URL: /late\r\n", "x-original-url", Ok(None)),
    ("X_Original_Url: /late\r\n", "x_original_url", Ok(None)),
    ("X-Rewrite-URL: /late\r\n", "x-rewrite-url", Ok(None)),
];

/// Whose word is taken: this client's own.
#[rustfmt::skip]
const TRUSTED: &[Row] = &[
    ("", "x-forwarded-for", Ok(Some("127.0.0.1"))),
    ("", "x-forwarded-proto", Ok(Some("http"))),
    ("", "x-forwarded-host", Ok(Some("localhost"))),
    ("", "forwarded", Ok(None)),
    ("X-Forwarded-For: 192.0.2.1\r\n", "x-forwarded-for", Ok(Some("192.0.2.1, 127.0.0.1"))),
    ("X-Forwarded-For: 192.0.2.1, ::1\r\nX-Forwarded-For: a\r\n", "x-forwarded-for", Ok(Some("192.0.2.1, ::1, a, 127.0.0.1"))),
    ("X-Forwarded-For:\r\n", "x-forwarded-for", Ok(Some("127.0.0.1"))),
    ("X-Forwarded-For: \u{e9}\r\n", "x-forwarded-for", Ok(Some("127.0.0.1"))),
    ("X-Forwarded-Proto: https\r\n", "x-forwarded-proto", Ok(Some("https"))),
    ("X-Forwarded-Proto: https\r\nX-Forwarded-Proto: https\r\n", "x-forwarded-proto", Ok(Some("http"))),
    ("X-Forwarded-Proto: gopher\r\n", "x-forwarded-proto", Ok(Some("http"))),
    ("X-Forwarded-Host: api.example\r\n", "x-forwarded-host", Ok(Some("api.example"))),
    ("X-Forwarded-Host: a b\r\n", "x-forwarded-host", Ok(Some("localhost"))),
    ("X-Forwarded-Host: a;b\r\n", "x-forwarded-host", Ok(Some("a;b"))),
    ("X-Forwarded-Host: a,b\r\n", "x-forwarded-host", Ok(Some("localhost"))),
    ("Forwarded: for=192.0.2.1;proto=https\r\n", "forwarded", Ok(Some("for=192.0.2.1;proto=https, for=127.0.0.1"))),
    ("X_Forwarded_For: 192.0.2.1\r\n", "x_forwarded_for", Ok(None)),
    ("X-Forwarded-User: root\r\n", "x-forwarded-user", Ok(None)),
    ("X-Real-IP: 192.0.2.1\r\n", "x-real-ip", Ok(None)),
    ("X-Sidegate-Account: root\r\n", "x-sidegate-account", Ok(Some("writer"))),
    ("X_Sidegate_Account: root\r\n", "x_sidegate_account", Ok(None)),
    ("X-Sidegate-Area: billing\r\n", "x-sidegate-area", Ok(None)),
    ("X-HTTP-Method-Override: DELETE\r\n", "x-http-method-override", Ok(None)),
    ("X-Original-URL: /late\r\n", "x-original-url", Ok(None)),
    ("Connection: X-Forwarded-For\r\n", "host", Err(400)),
];

fn check(rig: &mut Rig, rows: &[Row]) {
    let mut wrong = Vec::new();
    for (lines, name, expected) in rows {
        let head = "GET /app HTTP/1.1\r\nHost: localhost\r\nX-API-Key: key-writer\r\n";
        let mut client = rig.sent(format!("{head}{lines}\r\n"));
        let seen = seen(rig, &mut client, OK).map(|request| {
            assert!(!request.text().contains("key-writer"), "{}", request.text());
            assert!(!request.text().contains("key-reader"), "{}", request.text());
            assert!(!request.text().contains("root"), "{}", request.text());
            request.field(name).map(str::to_owned)
        });
        if seen != expected.map(|value| value.map(str::to_owned)) {
            wrong.push(format!("{lines:?}: {name}: {seen:?}, not {expected:?}"));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn each_field_goes_its_way() {
    check(&mut Rig::new(""), ROWS);
    // Trusting somebody else changes nothing.
    check(&mut Rig::new("trusted_proxies = [\"192.0.2.0/24\", \"::1\"]\n"), ROWS);
}

#[test]
fn a_trusted_proxy_is_believed_and_added() {
    check(&mut Rig::new("trusted_proxies = [\"127.0.0.0/8\"]\n"), TRUSTED);
}
