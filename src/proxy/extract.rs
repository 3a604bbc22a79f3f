//! From an HTTP request to a policy query: the only reader of credential headers.
//!
//! What cannot be read in one way is refused here, before anything is decided (request-safety.md).

use http::header::{
    AUTHORIZATION, CONNECTION, CONTENT_LENGTH, HOST, HeaderMap, HeaderName, HeaderValue,
    TRANSFER_ENCODING, UPGRADE,
};
use http::{Method, Uri, Version};

use super::headers::{API_KEY, is_kept_from_connection};
use crate::policy::{DenyReason, Host, Query};

/// What the policy is asked.
///
/// # Errors
///
/// Why the request has more than one reading.
pub(super) fn query<'q>(
    method: &'q Method,
    uri: &'q Uri,
    version: Version,
    headers: &'q HeaderMap,
) -> Result<Query<'q>, DenyReason> {
    // A CONNECT has no path (RFC 9110 §9.3.6).
    if method == Method::CONNECT {
        return Err(DenyReason::MethodRefused);
    }
    let fields = Fields::read(headers)?;
    let host = fields.host.ok_or(DenyReason::BadRequest)?;
    let host = host.to_str().map_err(|_| DenyReason::BadTarget)?;
    let target = uri.path_and_query().ok_or(DenyReason::BadTarget)?;
    if let Some(authority) = uri.authority() {
        // Absolute-form (RFC 9112 §3.2.2); without a scheme it is authority-form.
        let (named, sent) = (Host::parse(authority.as_str()), Host::parse(host));
        if !matches!(uri.scheme_str(), Some("http" | "https")) || named.is_none() {
            return Err(DenyReason::BadTarget);
        }
        if named != sent || authority.port_u16() != port(host) {
            return Err(DenyReason::BadRequest);
        }
    }
    if version == Version::HTTP_10 && fields.transfer_encoding {
        return Err(DenyReason::BadRequest);
    }
    Ok(Query {
        method: method.as_str(),
        host,
        target: target.as_str(),
        credential: fields.credential()?,
        upgrade: fields.upgrade,
    })
}

/// The fields that decide, each seen at most once.
#[derive(Default)]
struct Fields<'q> {
    host: Option<&'q HeaderValue>,
    authorization: Option<&'q HeaderValue>,
    api_key: Option<&'q HeaderValue>,
    content_length: bool,
    transfer_encoding: bool,
    upgrade: bool,
}

impl<'q> Fields<'q> {
    fn read(headers: &'q HeaderMap) -> Result<Self, DenyReason> {
        let mut fields = Self::default();
        for (name, value) in headers {
            fields.field(name, value)?;
        }
        if fields.content_length && fields.transfer_encoding {
            return Err(DenyReason::BadRequest);
        }
        Ok(fields)
    }

    fn field(&mut self, name: &HeaderName, value: &'q HeaderValue) -> Result<(), DenyReason> {
        let twice = if name == HOST {
            self.host.replace(value).is_some()
        } else if name == AUTHORIZATION {
            self.authorization.replace(value).is_some()
        } else if name == API_KEY {
            self.api_key.replace(value).is_some()
        } else if name == CONTENT_LENGTH {
            std::mem::replace(&mut self.content_length, true)
        } else if name == TRANSFER_ENCODING {
            let chunked = value.as_bytes().eq_ignore_ascii_case(b"chunked");
            std::mem::replace(&mut self.transfer_encoding, true) || !chunked
        } else if name == CONNECTION {
            names_what_it_must_not(value)
        } else if name == UPGRADE {
            // An offer of HTTP/2 may be passed over (RFC 9110 §7.8); whoever asks for anything else
            // cannot go on without it.
            self.upgrade |= !value.as_bytes().eq_ignore_ascii_case(b"h2c");
            false
        } else {
            false
        };
        if twice { Err(DenyReason::BadRequest) } else { Ok(()) }
    }

    /// The one key that was sent. Text that cannot be a key is an empty one: malformed, not missing.
    fn credential(&self) -> Result<Option<&'q str>, DenyReason> {
        let bearer = self.authorization.and_then(bearer);
        let api_key = self.api_key.map(|value| value.to_str().unwrap_or_default());
        match (bearer, api_key) {
            (Some(one), Some(other)) if one != other => Err(DenyReason::BadRequest),
            (one, other) => Ok(one.or(other)),
        }
    }
}

/// `Bearer KEY` (RFC 6750 §2.1; the scheme in any case, RFC 9110 §11.1). Nothing for another scheme.
fn bearer(value: &HeaderValue) -> Option<&str> {
    let bytes = value.as_bytes();
    let (scheme, rest) = bytes.split_at_checked(6)?;
    if !scheme.eq_ignore_ascii_case(b"bearer") {
        return None;
    }
    match rest.strip_prefix(b" ") {
        Some(key) => Some(std::str::from_utf8(key).map(str::trim_start).unwrap_or_default()),
        None if rest.is_empty() => Some(""),
        None => None,
    }
}

/// A `Connection` that names a field of ours would have it taken away after it was judged.
fn names_what_it_must_not(value: &HeaderValue) -> bool {
    let Ok(text) = value.to_str() else { return true };
    text.split(',').any(|name| is_kept_from_connection(name.trim()))
}

fn port(host: &str) -> Option<u16> {
    let (_, port) = host.rsplit_once(':')?;
    port.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    type Fields = &'static [(&'static str, &'static str)];

    fn headers(fields: Fields) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            headers.append(*name, HeaderValue::from_bytes(value.as_bytes()).unwrap());
        }
        headers
    }

    fn asked(uri: &str, fields: Fields) -> Result<(String, Option<String>, bool), DenyReason> {
        let (uri, headers) = (uri.parse().unwrap(), headers(fields));
        let query = query(&Method::GET, &uri, Version::HTTP_11, &headers)?;
        Ok((query.target.into(), query.credential.map(Into::into), query.upgrade))
    }

    #[test]
    fn one_credential_or_none() {
        use DenyReason::BadRequest;
        let cases: &[(Fields, Result<Option<&str>, DenyReason>)] = &[
            (&[], Ok(None)),
            (&[("authorization", "Bearer k")], Ok(Some("k"))),
            (&[("authorization", "bEARER  k")], Ok(Some("k"))),
            (&[("x-api-key", "k")], Ok(Some("k"))),
            (&[("authorization", "Bearer k"), ("x-api-key", "k")], Ok(Some("k"))),
            (&[("authorization", "Bearer")], Ok(Some(""))),
            (&[("authorization", "Bearer é")], Ok(Some("é"))),
            (&[("x-api-key", "é")], Ok(Some(""))),
            (&[("authorization", "Basic a")], Ok(None)),
            (&[("authorization", "Bearerk")], Ok(None)),
            (&[("authorization", "B")], Ok(None)),
            (&[("authorization", "Basic a"), ("x-api-key", "k")], Ok(Some("k"))),
            (&[("authorization", "Bearer k"), ("x-api-key", "j")], Err(BadRequest)),
            (&[("authorization", "Bearer k"), ("authorization", "Bearer k")], Err(BadRequest)),
            (&[("x-api-key", "k"), ("x-api-key", "k")], Err(BadRequest)),
        ];
        for (fields, expected) in cases {
            let mut headers = headers(fields);
            headers.insert(HOST, HeaderValue::from_static("h"));
            let uri = Uri::from_static("/");
            let seen = query(&Method::GET, &uri, Version::HTTP_11, &headers);
            assert_eq!(seen.map(|query| query.credential), *expected, "{fields:?}");
        }
    }

    #[test]
    fn what_has_two_readings_is_refused() {
        use DenyReason::{BadRequest, BadTarget};
        let cases: &[(&str, Fields, DenyReason)] = &[
            ("/", &[], BadRequest),
            ("/", &[("host", "a"), ("host", "a")], BadRequest),
            ("/", &[("host", "é")], BadTarget),
            ("http://b/x", &[("host", "a")], BadRequest),
            ("http://a:81/x", &[("host", "a")], BadRequest),
            ("http://u@a/x", &[("host", "a")], BadTarget),
            ("admin", &[("host", "admin")], BadTarget),
            (
                "/",
                &[("host", "a"), ("content-length", "1"), ("transfer-encoding", "chunked")],
                BadRequest,
            ),
            ("/", &[("host", "a"), ("content-length", "1"), ("content-length", "1")], BadRequest),
            ("/", &[("host", "a"), ("transfer-encoding", "gzip, chunked")], BadRequest),
            ("/", &[("host", "a"), ("transfer-encoding", "identity")], BadRequest),
            ("/", &[("host", "a"), ("connection", "x-sidegate-account")], BadRequest),
            ("/", &[("host", "a"), ("connection", "close, Authorization")], BadRequest),
            ("/", &[("host", "a"), ("connection", "host")], BadRequest),
            ("/", &[("host", "a"), ("connection", "x_forwarded_for")], BadRequest),
        ];
        for (uri, fields, expected) in cases {
            assert_eq!(asked(uri, fields), Err(*expected), "{uri} {fields:?}");
        }
    }

    #[test]
    fn forms_of_target_and_upgrades() {
        let cases: &[(&str, Fields, &str, bool)] = &[
            ("/a?b", &[("host", "a")], "/a?b", false),
            ("http://A:80/x?y", &[("host", "a:80")], "/x?y", false),
            ("*", &[("host", "a")], "*", false),
            ("/", &[("host", "a"), ("upgrade", "h2c"), ("connection", "Upgrade")], "/", false),
            ("/", &[("host", "a"), ("upgrade", "websocket"), ("connection", "Upgrade")], "/", true),
            ("/", &[("host", "a"), ("upgrade", "h2c, websocket")], "/", true),
        ];
        for (uri, fields, target, upgrade) in cases {
            let seen = asked(uri, fields).unwrap();
            assert_eq!(seen, ((*target).to_owned(), None, *upgrade), "{uri} {fields:?}");
        }
        let host = headers(&[("host", "a")]);
        let uri = Uri::from_static("a:443");
        let connect = query(&Method::CONNECT, &uri, Version::HTTP_11, &host);
        assert_eq!(connect.map(|_| ()), Err(DenyReason::MethodRefused));
    }
}
