//! Requests made of what readers have been known to read differently.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

/// A request in the making: what is said besides who asks.
#[derive(Debug, Clone)]
pub(crate) struct Nasty {
    method: &'static str,
    target: Vec<u8>,
    /// Whole lines, each with its end.
    fields: Vec<u8>,
    body: &'static str,
}

impl Nasty {
    /// As bytes, with `lines` before all of its own. It has its body's framing, and no more.
    pub(crate) fn request(&self, lines: &str) -> Vec<u8> {
        let mut bytes = format!("{} ", self.method).into_bytes();
        bytes.extend_from_slice(&self.target);
        bytes.extend_from_slice(b" HTTP/1.1\r\n");
        bytes.extend_from_slice(lines.as_bytes());
        let (framing, body) = self.body.split_once('|').unwrap_or_default();
        bytes.extend_from_slice(framing.as_bytes());
        bytes.extend_from_slice(&self.fields);
        bytes.extend_from_slice(b"\r\n");
        bytes.extend_from_slice(body.as_bytes());
        bytes
    }
}

/// Framings and bodies. Whoever is mistaken about where one ends sees a request in it.
const BODIES: [&str; 10] = [
    "|",
    "Content-Length: 0\r\n|",
    "Content-Length: 36\r\n|GET /late HTTP/1.1\r\nHost: second\r\n\r\n",
    "Content-Length: 36\r\nContent-Length: 36\r\n|GET /late HTTP/1.1\r\nHost: second\r\n\r\n",
    "Transfer-Encoding: chunked\r\n|24\r\nGET /late HTTP/1.1\r\nHost: second\r\n\r\n\r\n0\r\n\r\n",
    "Transfer-Encoding: chunked\r\n|1;x=\"y\"\r\nG\r\n0\r\nX-Sidegate-Account: forged\r\n\r\n",
    "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n|0\r\n\r\nGET /late HTTP/1.1\r\nHost: second\r\n\r\n",
    "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n|0\r\n\r\nGET /late HTTP/1.1\r\nHost: second\r\n\r\n",
    "Transfer-Encoding: identity, chunked\r\n|0\r\n\r\nGET /late HTTP/1.1\r\nHost: second\r\n\r\n",
    "Transfer-Encoding : chunked\r\nContent-Length: 5\r\n|0\r\n\r\n",
];

/// Where targets begin.
const STARTS: [&str; 17] = [
    "/app",
    "/app",
    "/app/",
    "/app/",
    "/app/secret",
    "/app/x",
    "/kept",
    "/kept/",
    "/kept/x%2fy",
    "/kept;x=y/",
    "/late/",
    "/strip",
    "/strip/",
    "/ws/main/data",
    "/ws/",
    "",
    "http://localhost/app",
];

/// What they go on with, between bars.
const PIECES: &[u8] =
    b"/|//|/.|/..|/../|/./|..|.|...|%2e|%2E|%2e%2E|.%2e|/%2e%2e/|%2f|%2F|%2fsecret|%2F..%2fsecret|;x/|/;x/|;%2f..;x/|%5c|%5C|\\|\\..\\|\
    /..%5c|%5csecret|%25|%252e|%252f|%25%32%65%25%32%65|%2525|%255c|/%252e%252e/|%252e%252e|\
    /%2573ecret|;|;x=y|..;|/..;/|%3b|%3B|#|#/../app/secret|?|?q=/../secret|?q=1#x|%3f|%23|%00|\
    \0|\t|\x20|\r|\n|\r\n|\x01|\x7f|%0d%0a|%09|%02|%7f|\xc3\xa9|%c3%a9|%C3%A9|%c0%ae|%c0%af|%e0%80%af|\
    %ef%bc%8f|%ff|\xff|\xc0\xaf|%|%2|%zz|%u002e|secret|//secret|/.//secret|%73ecret|/secret|/secret/|SECRET|app|late|\
    main|other|data|%7e|%20|a+b@c:d,e|*";

/// Names that only the gate may say to an upstream.
const OURS: [&str; 18] = [
    "x-sidegate-account",
    "x-sidegate-key-id",
    "x-sidegate-workspace",
    "x-sidegate-environment",
    "x-sidegate-product",
    "x-sidegate-permission",
    "x-sidegate-area",
    "x-sidegate-level",
    "x-sidegate-",
    "x-sidegate-new",
    "x-forwarded-for",
    "x-forwarded-host",
    "x-forwarded-proto",
    "x-forwarded-user",
    "forwarded",
    "x-real-ip",
    "x-http-method-override",
    "x-original-url",
];

pub(crate) fn nasty() -> impl Strategy<Value = Nasty> {
    let method = prop_oneof![
        6 => Just("GET"),
        2 => Just("POST"),
        1 => select(vec!["PUT", "DELETE", "OPTIONS", "get", "PROPFIND"]),
    ];
    let body = prop_oneof![4 => Just(BODIES[0]), 1 => select(BODIES.to_vec())];
    (method, target(), vec(field(), 0..4), body).prop_map(|(method, target, fields, body)| Nasty {
        method,
        target,
        fields: fields.concat(),
        body,
    })
}

fn target() -> impl Strategy<Value = Vec<u8>> {
    let word = "/[a-z0-9._~-]{1,8}".prop_map(String::into_bytes);
    let escaped = any::<u8>().prop_map(|byte| format!("%{byte:02x}").into_bytes());
    let long = (1..2000_usize, select(vec!["x", "/x", "%61", "/.x"]))
        .prop_map(|(times, what)| what.repeat(times).into_bytes());
    let pieces: Vec<_> = PIECES.split(|byte| *byte == b'|').collect();
    let nasty = select(pieces).prop_map(<[u8]>::to_vec);
    let piece = prop_oneof![
        16 => word,
        8 => nasty,
        2 => escaped,
        1 => vec(any::<u8>(), 1..3),
        1 => long,
    ];
    (select(STARTS.to_vec()), vec(piece, 0..4))
        .prop_map(|(start, pieces)| [start.as_bytes(), &pieces.concat()].concat())
}

/// A line that says something in the gate's name, or would have it taken away.
fn field() -> impl Strategy<Value = Vec<u8>> {
    let name = (select(OURS.to_vec()), vec((any::<bool>(), any::<bool>()), 24)).prop_map(
        |(name, changes)| {
            let changed = |(c, (upper, other)): (char, (bool, bool))| match c {
                '-' if other => '_',
                c if upper => c.to_ascii_uppercase(),
                c => c,
            };
            name.chars().zip(changes).map(changed).collect::<String>()
        },
    );
    let before =
        prop_oneof![12 => Just(""), 1 => select(vec![" ", "\t", "X: a\n", "X: a\r", "X: a\r\n "])];
    let colon = prop_oneof![8 => Just(": "), 1 => select(vec![":", " : ", "\t:", "\0:", ":\t"])];
    // The last line ends in CRLF: of a long head that ends otherwise, more is waited for.
    let end = prop_oneof![12 => Just("\r\n"), 1 => select(vec!["\nX: a\r\n", "\rX: a\r\n", " \r\n", "\0\r\n"])];
    let forged = (before, name.clone(), colon, end)
        .prop_map(|(before, name, colon, end)| format!("{before}{name}{colon}forged{end}"));
    let named = (name, select(vec!["close, ", "keep-alive,", ""]))
        .prop_map(|(name, first)| format!("Connection: {first}{name}\r\n"));
    let other = select(vec![
        "X-API-Key: key-writer\r\n",
        "X_API_Key: key-writer\r\n",
        "Authorization: Bearer key-writer\r\n",
        "authorization: bearer  key-writer\r\n",
        "Authorization: Basic key-writer\r\n",
        "Proxy-Authorization: Bearer key-writer\r\n",
        "Connection: close, X-Other\r\nX-Other: key-writer\r\n",
        "Host: other\r\n",
        "Accept: */*\r\n",
    ]);
    prop_oneof![6 => forged, 1 => named, 2 => other.prop_map(str::to_owned)]
        .prop_map(String::into_bytes)
}
