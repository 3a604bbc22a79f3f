//! `103 Early Hints` of an upstream (RFC 8297), on their way to a client of HTTP/1.1.
//!
//! hyper has no words for an answer before the answer, so clients of HTTP/2 hear none.

use http::header::{CONTENT_SECURITY_POLICY, HeaderMap, LINK, REFERRER_POLICY};

/// Bytes of a head that is passed on. Hints are a help: what is longer is left out.
const LONGEST: usize = 16 * 1024;

/// The head as it is written. Nothing where there is no hint in it.
///
/// Of its fields go on those that browsers act on (HTML, "early hints"): the others are for the
/// answer, or for the connection.
pub(super) fn head(fields: &HeaderMap) -> Option<Vec<u8>> {
    if !fields.contains_key(LINK) {
        return None;
    }
    let mut head = b"HTTP/1.1 103 Early Hints\r\n".to_vec();
    for name in [LINK, CONTENT_SECURITY_POLICY, REFERRER_POLICY] {
        for value in fields.get_all(&name) {
            head.extend_from_slice(name.as_str().as_bytes());
            head.extend_from_slice(b": ");
            head.extend_from_slice(value.as_bytes());
            head.extend_from_slice(b"\r\n");
        }
    }
    head.extend_from_slice(b"\r\n");
    (head.len() <= LONGEST).then_some(head)
}

#[cfg(test)]
mod tests {
    use http::header::{HeaderName, HeaderValue};

    use super::*;

    #[test]
    fn only_what_is_a_hint_goes_on() {
        let long = "x".repeat(LONGEST);
        type Fields<'a> = &'a [(&'a str, &'a str)];
        let cases: &[(Fields<'_>, Option<&str>)] = &[
            (&[], None),
            (&[("set-cookie", "a=1"), ("content-security-policy", "x")], None),
            (&[("link", &long)], None),
            (
                &[
                    ("link", "</a>; rel=preload"),
                    ("set-cookie", "a=1"),
                    ("connection", "link"),
                    ("x-sidegate-account", "root"),
                    ("content-length", "5"),
                    ("referrer-policy", "origin"),
                    ("link", "</b>"),
                ],
                Some("link: </a>; rel=preload\r\nlink: </b>\r\nreferrer-policy: origin\r\n"),
            ),
        ];
        for (sent, expected) in cases {
            let mut fields = HeaderMap::new();
            for (name, value) in *sent {
                let name = HeaderName::from_bytes(name.as_bytes()).unwrap();
                fields.append(name, HeaderValue::from_str(value).unwrap());
            }
            let expected = expected.map(|lines| format!("HTTP/1.1 103 Early Hints\r\n{lines}\r\n"));
            assert_eq!(head(&fields).map(|head| String::from_utf8(head).unwrap()), expected);
        }
    }
}
