//! Hosts: exactly one, that is a host (RFC 9110 §7.2, RFC 9112 §3.2, RFC 3986 §3.2.2).

use crate::rig::{OK, Rig};

/// The lines between a request line and the key's, the target's authority if it has one, and the
/// host that the upstream was told or the status. A `,` would make two of the host in
/// `X-Forwarded-Host`, which is a list to some: such a host is told as `Host` alone.
type Row = (&'static [u8], &'static str, Result<&'static str, u16>);

#[rustfmt::skip]
const ROWS: &[Row] = &[
    (b"Host: localhost\r\n", "", Ok("localhost")),
    (b"host:localhost\r\n", "", Ok("localhost")),
    (b"HOST: \t LOCALHOST \t\r\n", "", Ok("LOCALHOST")),
    (b"Host: localhost:80\r\n", "", Ok("localhost:80")),
    (b"Host: localhost:\r\n", "", Ok("localhost:")),
    (b"Host: localhost.\r\n", "", Ok("localhost.")),
    (b"Host: localhost.:8080\r\n", "", Ok("localhost.:8080")),
    (b"Host: 127.0.0.1\r\n", "", Ok("127.0.0.1")),
    (b"Host: 127.0.0.1:65535\r\n", "", Ok("127.0.0.1:65535")),
    (b"Host: [::1]\r\n", "", Ok("[::1]")),
    (b"Host: [::1]:80\r\n", "", Ok("[::1]:80")),
    (b"Host: [2001:DB8::1]\r\n", "", Ok("[2001:DB8::1]")),
    (b"Host: xn--bcher-kva.example\r\n", "", Ok("xn--bcher-kva.example")),
    (b"Host: a_b-c.example\r\n", "", Ok("a_b-c.example")),
    (b"Host: 0.0.0.0=5000\r\n", "", Ok("0.0.0.0=5000")),
    (b"Host: a,b\r\n", "", Ok("a,b")),
    (b"Host: a;b\r\n", "", Ok("a;b")),
    (b"Host: *\r\n", "", Ok("*")),
    (b"Host: !$&'()*+,;=:80\r\n", "", Ok("!$&'()*+,;=:80")),
    (b"Host: a;for=b\r\n", "", Ok("a;for=b")),
    (b"Host: a;b\r\n", "http://a;b", Ok("a;b")),
    (b"Host: a,b\r\n", "http://a,b", Ok("a,b")),
    (b"Host: api.example\r\n", "http://api.example", Ok("api.example")),
    (b"Host: api.example\r\n", "http://API.EXAMPLE", Ok("api.example")),
    (b"Host: api.example:80\r\n", "http://api.example:80", Ok("api.example:80")),
    (b"Host: [::1]:80\r\n", "http://[::1]:80", Ok("[::1]:80")),
    (b"", "", Err(400)),
    (b"", "http://localhost", Err(400)),
    (b"Host:\r\n", "", Err(400)),
    (b"Host: \t\r\n", "", Err(400)),
    (b"Host:\r\n", "http://localhost", Err(400)),
    (b"Host: a\r\nHost: a\r\n", "", Err(400)),
    (b"Host: a\r\nHost: b\r\n", "", Err(400)),
    (b"Host: a\r\nhost:\r\n", "", Err(400)),
    (b"Host: a\r\nX: y\r\nhOsT: a\r\n", "", Err(400)),
    (b"Host: a\r\nHost: b\r\n", "http://a", Err(400)),
    (b"Host: a, b\r\n", "", Err(400)),
    (b"Host: a b\r\n", "", Err(400)),
    (b"Host: a\tb\r\n", "", Err(400)),
    (b"Host: a/b\r\n", "", Err(400)),
    (b"Host: a\\b\r\n", "", Err(400)),
    (b"Host: a?b\r\n", "", Err(400)),
    (b"Host: a#b\r\n", "", Err(400)),
    (b"Host: http://a\r\n", "", Err(400)),
    (b"Host: user@a\r\n", "", Err(400)),
    (b"Host: user:pass@a\r\n", "", Err(400)),
    (b"Host: a@\r\n", "", Err(400)),
    (b"Host: a,b@c\r\n", "", Err(400)),
    (b"Host: a;b@c\r\n", "", Err(400)),
    (b"Host: a%2eb\r\n", "", Err(400)),
    (b"Host: %61\r\n", "", Err(400)),
    (b"Host: a..b\r\n", "", Err(400)),
    (b"Host: .a\r\n", "", Err(400)),
    (b"Host: .\r\n", "", Err(400)),
    (b"Host: a..\r\n", "", Err(400)),
    (b"Host: :80\r\n", "", Err(400)),
    (b"Host: a:80:80\r\n", "", Err(400)),
    (b"Host: a:x\r\n", "", Err(400)),
    (b"Host: a:-1\r\n", "", Err(400)),
    (b"Host: a:+80\r\n", "", Err(400)),
    (b"Host: a:0x50\r\n", "", Err(400)),
    (b"Host: a:65536\r\n", "", Err(400)),
    (b"Host: a: 80\r\n", "", Err(400)),
    (b"Host: ::1\r\n", "", Err(400)),
    (b"Host: [::1\r\n", "", Err(400)),
    (b"Host: ::1]\r\n", "", Err(400)),
    (b"Host: [::1]x\r\n", "", Err(400)),
    (b"Host: [::g]\r\n", "", Err(400)),
    (b"Host: [v1.a]\r\n", "", Err(400)),
    (b"Host: [::1%25eth0]\r\n", "", Err(400)),
    (b"Host: \xc3\xa9.example\r\n", "", Err(400)),
    (b"Host: \xff\r\n", "", Err(400)),
    (b"Host: a\0b\r\n", "", Err(400)),
    (b"Host: \"a\"\r\n", "", Err(400)),
    (b"Host: a\rb\r\n", "", Err(400)),
    (b"Host: a\x7fb\r\n", "", Err(400)),
    (b"Host: a%0d%0ab\r\n", "", Err(400)),
    (b"Host: a%09b\r\n", "", Err(400)),
    (b"Host: {a}\r\n", "", Err(400)),
    (b"Host : a\r\n", "", Err(400)),
    (b" Host: a\r\n", "", Err(400)),
    (b"Host: a\r\n b\r\n", "", Err(400)),
    (b"Host: api.example\r\n", "http://other.example", Err(400)),
    (b"Host: a,b\r\n", "http://a", Err(400)),
    (b"Host: a\r\n", "http://a,b", Err(400)),
    (b"Host: api.example\r\n", "http://api.example:80", Err(400)),
    (b"Host: api.example:80\r\n", "http://api.example", Err(400)),
    (b"Host: api.example:80\r\n", "http://api.example:81", Err(400)),
    (b"Host: api.example\r\n", "http://user@api.example", Err(400)),
    (b"Host: user@api.example\r\n", "http://user@api.example", Err(400)),
];

#[test]
fn a_request_has_one_host() {
    assert!(ROWS.len() >= 40, "{}", ROWS.len());
    let mut rig = Rig::new("");
    let mut wrong = Vec::new();
    for (lines, authority, expected) in ROWS {
        let line = format!("GET {authority}/app HTTP/1.1\r\n");
        let key = b"X-API-Key: key-writer\r\n\r\n";
        let mut client = rig.sent([line.as_bytes(), lines, key].concat());
        let seen = crate::table::seen(&mut rig, &mut client, OK);
        let told = seen.map(|request| {
            assert_eq!(request.first, "GET /app HTTP/1.1");
            let host = request.field("host").unwrap().to_owned();
            let told = Some(host.as_str()).filter(|host| !host.contains(','));
            assert_eq!(request.field("x-forwarded-host"), told);
            host
        });
        if told != expected.map(str::to_owned) {
            let lines = lines.escape_ascii();
            wrong.push(format!("{authority} {lines}: {told:?}, not {expected:?}"));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}
