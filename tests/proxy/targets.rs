//! Targets: the upstream gets the one that was judged, or nothing.
//!
//! From RFC 3986 §2, 3, 5.2.4 and 6.2.2 and RFC 9112 §3.2, and from what others got wrong:
//! CVE-2019-9901, CVE-2021-29492, CVE-2021-32779 and CVE-2021-39155 (Envoy and Istio: slashes,
//! fragments, case), CVE-2025-66490 (Traefik: encoded separators).

use crate::rig::{OK, Rig};

/// What was sent for a path, and what the upstream was asked for or the status.
type Row = (&'static [u8], Result<&'static str, u16>);

#[rustfmt::skip]
const ROWS: &[Row] = &[
    // Of one reading.
    (b"/app", Ok("/app")),
    (b"/app/", Ok("/app/")),
    (b"/app?", Ok("/app?")),
    (b"/app/x/y/z", Ok("/app/x/y/z")),
    (b"/app/a.b", Ok("/app/a.b")),
    (b"/app/...", Ok("/app/...")),
    (b"/app/.x", Ok("/app/.x")),
    (b"/app/..x", Ok("/app/..x")),
    (b"/app/x..", Ok("/app/x..")),
    (b"/app/-._~!$&'()*+,=:@", Ok("/app/-._~!$&'()*+,=:@")),
    (b"/app/%7Ex", Ok("/app/~x")),
    (b"/app/%7ex", Ok("/app/~x")),
    (b"/app/%41%5a%61%7A%30%39", Ok("/app/AZaz09")),
    (b"/app/%2D%2e5%5F%7e", Ok("/app/-.5_~")),
    (b"/%61pp/x", Ok("/app/x")),
    (b"/a%70p", Ok("/app")),
    (b"/app/caf%c3%a9", Ok("/app/caf%C3%A9")),
    (b"/app/%F0%9F%98%80", Ok("/app/%F0%9F%98%80")),
    (b"/app/a%20b", Ok("/app/a%20b")),
    (b"/app/%3a%40", Ok("/app/%3A%40")),
    (b"/app/%3f", Ok("/app/%3F")),
    (b"/app/%23", Ok("/app/%23")),
    (b"/app/%3B", Ok("/app/%3B")),
    (b"/app/%22", Ok("/app/%22")),
    // Controls but NUL, RFC 3986 §2.1: what they spell is never written out.
    (b"/app/%09", Ok("/app/%09")),
    (b"/app/%0a", Ok("/app/%0A")),
    (b"/app/%0d%0aX:%20y", Ok("/app/%0D%0AX:%20y")),
    (b"/app/%0d%0a%0d%0aGET%20/", Ok("/app/%0D%0A%0D%0AGET%20/")),
    (b"/app/%02/%1f", Ok("/app/%02/%1F")),
    (b"/app/%7f", Ok("/app/%7F")),
    (b"/app/%1b%5B2J", Ok("/app/%1B%5B2J")),
    (b"/app?%0d%0aX:y", Ok("/app?%0d%0aX:y")),
    (b"/app/%3c%3e", Ok("/app/%3C%3E")),
    (b"/app/x?y=1&z=2", Ok("/app/x?y=1&z=2")),
    (b"/app?a=/../b", Ok("/app?a=/../b")),
    (b"/app?a=%2f%2e%2e", Ok("/app?a=%2f%2e%2e")),
    (b"/app?a=b?c=d", Ok("/app?a=b?c=d")),
    (b"/app?//", Ok("/app?//")),
    (b"/app?%00", Ok("/app?%00")),
    (b"/app?a;b", Ok("/app?a;b")),
    (b"/app?%25%32%65", Ok("/app?%25%32%65")),
    (b"http://localhost/app", Ok("/app")),
    (b"HTTP://LOCALHOST/app", Ok("/app")),
    (b"https://localhost/app/x?y", Ok("/app/x?y")),
    // Whatever is no route, once the key is good.
    (b"/", Err(404)),
    (b"/App", Err(404)),
    (b"/APP/x", Err(404)),
    (b"/appx", Err(404)),
    (b"/app%78", Err(404)),
    (b"/ap%70x", Err(404)),
    (b"/app.", Err(404)),
    (b"/app%20", Err(404)),
    (b"/app%0a", Err(404)),
    (b"/%0d%0aapp", Err(404)),
    (b"/app%09/x", Err(404)),
    (b"/app,", Err(404)),
    (b"http://localhost", Err(404)),
    (b"http://localhost?/app", Err(400)),
    // Dot segments, RFC 3986 §5.2.4.
    (b"/app/.", Err(400)),
    (b"/app/./", Err(400)),
    (b"/app/..", Err(400)),
    (b"/app/../", Err(400)),
    (b"/./app", Err(400)),
    (b"/../app", Err(400)),
    (b"/app/x/../y", Err(400)),
    (b"/late/../app", Err(400)),
    (b"/app/../late", Err(400)),
    (b"/app/%2e", Err(400)),
    (b"/app/%2E/x", Err(400)),
    (b"/app/%2e%2e/late", Err(400)),
    (b"/app/%2E%2E/late", Err(400)),
    (b"/app/.%2e/late", Err(400)),
    (b"/app/%2e./late", Err(400)),
    (b"/app/..;/late", Err(400)),
    (b"/app/..;a=b/late", Err(400)),
    (b"/app/.;/x", Err(400)),
    (b"/app/%2e%2e;/late", Err(400)),
    (b"/app/..%2flate", Err(400)),
    (b"/app/..%2Flate", Err(400)),
    (b"/app/..%5clate", Err(400)),
    (b"/app/..\\late", Err(400)),
    (b"/app/..%00/late", Err(400)),
    (b"/app/..%252flate", Err(400)),
    (b"/app/%252e%252e/late", Err(400)),
    (b"/app/%25%32%65%25%32%65/late", Err(400)),
    (b"/app/%c0%ae%c0%ae/late", Err(400)),
    (b"/app/%c0%2e/late", Err(400)),
    (b"/app/%e0%80%ae/late", Err(400)),
    // Empty segments.
    (b"//app", Err(400)),
    (b"/app//", Err(400)),
    (b"/app//x", Err(400)),
    (b"///", Err(400)),
    (b"//", Err(400)),
    (b"//localhost/app", Err(400)),
    (b"http://localhost//app", Err(400)),
    // Encoded separators, and what a second decoding would change.
    (b"/app%2flate", Err(400)),
    (b"/app%2Fx", Err(400)),
    (b"%2fapp", Err(400)),
    (b"/%2fapp", Err(400)),
    (b"/app/%5c", Err(400)),
    (b"/app/%5C", Err(400)),
    (b"/app\\x", Err(400)),
    (b"\\app", Err(400)),
    (b"/\\app", Err(400)),
    (b"/app/%2541", Err(400)),
    (b"/app/%252F", Err(400)),
    (b"/app/%25252e", Err(400)),
    (b"/app/%25zz", Ok("/app/%25zz")),
    // Params.
    (b"/app;", Err(400)),
    (b"/app;x=y", Err(400)),
    (b"/app/x;y/z", Err(400)),
    (b"/;/app", Err(400)),
    // Bytes that no path has.
    (b"/app/%", Err(400)),
    (b"/app/%4", Err(400)),
    (b"/app/%zz", Err(400)),
    (b"/app/%4g", Err(400)),
    (b"/app/%u002e", Err(400)),
    (b"/app/%00", Err(400)),
    (b"/app/%09%00", Err(400)),
    (b"/app/\t", Err(400)),
    (b"/app/%0d\n", Err(400)),
    (b"/app/%ff", Err(400)),
    (b"/app/%c3", Err(400)),
    (b"/app/%c3%28", Err(400)),
    (b"/app/%ed%a0%80", Err(400)),
    (b"/app/%f5%80%80%80", Err(400)),
    (b"/app/\xc3\xa9", Err(400)),
    (b"/app/\xff", Err(400)),
    (b"/app?\xc3\xa9", Err(400)),
    (b"/app/\"", Err(400)),
    (b"/app/<x>", Err(400)),
    (b"/app/{x}", Err(400)),
    (b"/app/x|y", Err(400)),
    (b"/app/x^y", Err(400)),
    (b"/app/`", Err(400)),
    (b"/app/[x]", Err(400)),
    (b"/app/\x01", Err(400)),
    (b"/app/\x7f", Err(400)),
    (b"/app?\x01", Err(400)),
    (b"/app?\x7f", Err(400)),
    // Fragments.
    (b"/app#", Err(400)),
    (b"/app#x", Err(400)),
    (b"/app?x#y", Err(400)),
    (b"/app/#/../late", Err(400)),
    (b"/app%23#", Err(400)),
    (b"#", Err(400)),
    (b"http://localhost/app#x", Err(400)),
    (b"http://localhost#/app", Err(400)),
    // Other forms.
    (b"app", Err(400)),
    (b"?app", Err(400)),
    (b"*", Err(400)),
    (b"*/app", Err(400)),
    (b"/*", Err(404)),
    (b"localhost", Err(400)),
    (b"localhost:80", Err(400)),
    (b"http:/app", Err(400)),
    (b"http:app", Err(400)),
    (b"http://", Err(400)),
    (b"http:///app", Err(400)),
    (b"http://other/app", Err(400)),
    (b"http://localhost:80/app", Err(400)),
    (b"http://localhost:/app", Ok("/app")),
    (b"http://u@localhost/app", Err(400)),
    (b"http://localhost@other/app", Err(400)),
    (b"http://other@localhost/app", Err(400)),
    (b"http://local%68ost/app", Err(400)),
    (b"http://localhost\\app", Err(400)),
    (b"http://localhost/app/../late", Err(400)),
    (b"ftp://localhost/app", Err(400)),
    (b"file:///app", Err(400)),
    (b"javascript:app", Err(400)),
];

#[test]
fn what_is_judged_is_what_is_forwarded() {
    assert!(ROWS.len() >= 120, "{}", ROWS.len());
    let mut rig = Rig::new("");
    let mut wrong = Vec::new();
    for (target, expected) in ROWS {
        let head = [b"GET ", *target, b" HTTP/1.1\r\nHost: localhost\r\n"].concat();
        let mut client = rig.sent([&head[..], b"X-API-Key: key-writer\r\n\r\n"].concat());
        let seen = crate::table::seen(&mut rig, &mut client, OK);
        let seen = seen.map(|request| request.first);
        let expected = expected.map(|path| format!("GET {path} HTTP/1.1"));
        if seen != expected {
            wrong.push(format!("{}: {seen:?}, not {expected:?}", target.escape_ascii()));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// Whether it passes or not, and in either format of the log.
#[test]
fn what_escapes_spell_is_written_nowhere() {
    for format in ["json", "text"] {
        let mut rig = Rig::new(&format!("log.format = \"{format}\"\nlog.sample = 1.0"));
        for key in ["key-writer", "key-reader", "nobody", "key-banned"] {
            for method in ["GET", "POST"] {
                for target in
                    ["/app/%0d%0aX-Forged:%20y%0d%0a%0d%0a", "/%0aforged%1b%5b2J%09", "/app/%00%0a"]
                {
                    let head = format!("{method} {target} HTTP/1.1\r\nHost: a;b='c',d\r\n");
                    let mut client = rig.sent(format!("{head}X-API-Key: {key}\r\n\r\n"));
                    if let Ok(seen) = crate::table::seen(&mut rig, &mut client, OK) {
                        assert_eq!(seen.field("x-forged"), None, "{seen:?}");
                        assert!(seen.text().lines().skip(1).all(|line| !line.contains("orged")));
                    }
                }
            }
        }
        rig.gate.running.send("TERM");
        rig.gate.running.end();
        let log = rig.log();
        assert!(log.lines().count() >= 24, "{log}");
        assert!(!log.contains(|c: char| c.is_control() && c != '\n'), "{log:?}");
        assert!(!log.lines().any(|line| line.starts_with("forged") || line.starts_with("X-")));
    }
}

/// Whatever the method, and whoever asks: what has no single reading is told before anything else.
#[test]
fn a_bad_target_is_told_before_anything_else() {
    let mut rig = Rig::new("");
    for method in ["GET", "HEAD", "POST", "DELETE", "get", "MADE-UP"] {
        for key in ["", "X-API-Key: key-writer\r\n", "X-API-Key: nobody\r\n"] {
            for target in ["/app/../late", "/app//", "/app/%2e", "/app#x"] {
                let head = format!("{method} {target} HTTP/1.1\r\nHost: localhost\r\n{key}\r\n");
                let mut client = rig.sent(head);
                let answer = client.message(method == "HEAD").unwrap();
                assert_eq!(answer.status(), 400, "{method} {target} {key}");
            }
        }
    }
    assert_eq!(rig.upstream.waiting(), 0);
}

/// Verbs that are refused, or need the highest level, however they are written.
#[test]
fn methods_are_what_they_say() {
    let mut rig = Rig::new("");
    // As the reader, who may only view.
    for (line, fields, status) in [
        ("GET /app", "", 200),
        ("HEAD /app", "", 200),
        ("OPTIONS /app", "", 200),
        ("get /app", "", 403),
        ("Get /app", "", 403),
        ("POST /app", "", 403),
        ("PUT /app", "", 403),
        ("PROPFIND /app", "", 403),
        ("MADE-UP /app", "", 403),
        ("QUERY /app", "", 403),
        ("TRACE /app", "", 405),
        ("CONNECT /app", "", 405),
        ("CONNECT localhost:80", "", 405),
        ("CONNECT http://localhost/app", "", 405),
        ("OPTIONS *", "", 404),
        ("GET *", "", 400),
        ("POST *", "", 400),
        ("POST /app", "X-HTTP-Method-Override: GET\r\n", 403),
        ("POST /app", "X_HTTP_Method_Override: GET\r\n", 403),
        ("POST /app?_method=GET", "", 403),
    ] {
        let head = format!("{line} HTTP/1.1\r\n{}{fields}\r\n", crate::rig::READER);
        let mut client = rig.sent(head);
        if status == 200 {
            let mut peer = rig.upstream.next();
            assert_eq!(peer.message(false).unwrap().first, format!("{line} HTTP/1.1"));
            peer.send("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n");
        }
        let answer = client.message(line.starts_with("HEAD")).unwrap();
        assert_eq!(answer.status(), status, "{line} {fields}");
        assert_eq!(rig.upstream.waiting(), 0, "{line} {fields}");
    }
}
