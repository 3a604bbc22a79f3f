//! From an HTTP request to a policy query: the only reader of credential headers.
//!
//! What cannot be read in one way is refused here, before anything is decided (request-safety.md).

use http::{HeaderMap, Method, Uri, Version};

use super::fields::{Fields as Sent, text};
use super::headers::is_kept_from_connection;
use super::message::{Asking, Target};
use super::protocols;
use crate::policy::{DenyReason, Host, Query, Upgrade};

/// What the policy is asked.
///
/// # Errors
///
/// Why the request has more than one reading.
pub(super) fn query(asking: &Asking) -> Result<Query<'_>, DenyReason> {
    let Asking { method, target, version, fields: sent } = asking;
    // A CONNECT has no path (RFC 9110 §9.3.6).
    if method == Method::CONNECT {
        return Err(DenyReason::MethodRefused);
    }
    let fields = Fields::read(sent)?;
    let host = fields.host.ok_or(DenyReason::BadRequest)?;
    let host = text(host).ok_or(DenyReason::BadTarget)?;
    if let Target::Uri(uri) = target {
        check_authority(uri, host)?;
    }
    let target = asking.target().and_then(|target| str::from_utf8(target).ok());
    let target = target.ok_or(DenyReason::BadTarget)?;
    if *version == Version::HTTP_10 && fields.transfer_encoding {
        return Err(DenyReason::BadRequest);
    }
    let upgrade = fields.upgrade(*version);
    if upgrade == Upgrade::WebSocket && fields.has_body() {
        // What follows the head is of the other protocol.
        return Err(DenyReason::BadRequest);
    }
    Ok(Query {
        method: method.as_str(),
        host,
        target,
        credential: fields.credential(upgrade, sent)?,
        upgrade,
        preflight: fields.is_preflight(method),
    })
}

/// Absolute-form (RFC 9112 §3.2.2) has to agree with `Host`; without a scheme it is authority-form.
fn check_authority(uri: &Uri, host: &str) -> Result<(), DenyReason> {
    if uri.path_and_query().is_none() {
        return Err(DenyReason::BadTarget);
    }
    let Some(authority) = uri.authority() else { return Ok(()) };
    let (named, sent) = (Host::parse(authority.as_str()), Host::parse(host));
    if !matches!(uri.scheme_str(), Some("http" | "https")) || named.is_none() {
        return Err(DenyReason::BadTarget);
    }
    if named != sent || authority.port_u16() != port(host) {
        return Err(DenyReason::BadRequest);
    }
    Ok(())
}

/// What a request of HTTP/1.1 with these fields asks for: another protocol; and whether it is a
/// preflight.
///
/// # Errors
///
/// Why the fields have more than one reading.
pub(crate) fn asks(method: &Method, headers: &HeaderMap) -> Result<(Upgrade, bool), DenyReason> {
    let sent = Sent::from(headers);
    let fields = Fields::read(&sent)?;
    Ok((fields.upgrade(Version::HTTP_11), fields.is_preflight(method)))
}

/// The fields that decide, each seen at most once.
#[derive(Default)]
struct Fields<'q> {
    host: Option<&'q [u8]>,
    authorization: Option<&'q [u8]>,
    api_key: Option<&'q [u8]>,
    content_length: Option<&'q [u8]>,
    transfer_encoding: bool,
    /// Whether `Connection` says that `Upgrade` is for this connection.
    connection_upgrade: bool,
    upgrade: Upgrade,
    protocols: bool,
    origin: Times,
    requested_method: Times,
    cookie: bool,
}

/// How often a field stands there.
#[derive(Default, PartialEq, Eq)]
enum Times {
    #[default]
    Never,
    Once,
    Often,
}

impl Times {
    fn count(&mut self) {
        *self = if *self == Self::Never { Self::Once } else { Self::Often };
    }
}

impl<'q> Fields<'q> {
    fn read(sent: &'q Sent) -> Result<Self, DenyReason> {
        let mut fields = Self::default();
        for (name, value) in sent.iter() {
            fields.field(name, value)?;
        }
        if fields.content_length.is_some() && fields.transfer_encoding {
            return Err(DenyReason::BadRequest);
        }
        Ok(fields)
    }

    fn field(&mut self, name: &[u8], value: &'q [u8]) -> Result<(), DenyReason> {
        let twice = match name {
            b"host" => self.host.replace(value).is_some(),
            b"authorization" => self.authorization.replace(value).is_some(),
            b"x-api-key" => self.api_key.replace(value).is_some(),
            b"content-length" => self.content_length.replace(value).is_some(),
            b"transfer-encoding" => {
                let chunked = value.eq_ignore_ascii_case(b"chunked");
                std::mem::replace(&mut self.transfer_encoding, true) || !chunked
            }
            b"connection" => self.connection(value),
            _ => {
                self.wish(name, value);
                false
            }
        };
        if twice { Err(DenyReason::BadRequest) } else { Ok(()) }
    }

    /// Whether it names what it must not: a field of ours would be taken away after it was judged.
    fn connection(&mut self, value: &[u8]) -> bool {
        let Some(text) = text(value) else { return true };
        let mut names = text.split(',').map(str::trim);
        self.connection_upgrade |= names.clone().any(|name| name.eq_ignore_ascii_case("upgrade"));
        names.any(|name| is_kept_from_connection(name.as_bytes()))
    }

    fn wish(&mut self, name: &[u8], value: &[u8]) {
        match name {
            b"upgrade" => {
                self.upgrade = if value.eq_ignore_ascii_case(b"h2c") {
                    // An offer of HTTP/2 may be passed over (RFC 9110 §7.8); whoever asks for
                    // anything else cannot go on without it.
                    self.upgrade
                } else if value.eq_ignore_ascii_case(b"websocket") && self.upgrade == Upgrade::None
                {
                    Upgrade::WebSocket
                } else {
                    Upgrade::Unknown
                };
            }
            b"sec-websocket-protocol" => self.protocols = true,
            b"origin" => self.origin.count(),
            b"access-control-request-method" => self.requested_method.count(),
            b"cookie" => self.cookie = true,
            _ => {}
        }
    }

    /// A WebSocket without `Connection: upgrade`, or in HTTP/1.0, is one for some upstreams and a
    /// plain GET for others (RFC 9110 §7.8): none is opened, and nothing is forwarded.
    fn upgrade(&self, version: Version) -> Upgrade {
        match self.upgrade {
            Upgrade::WebSocket if !self.connection_upgrade || version != Version::HTTP_11 => {
                Upgrade::Unknown
            }
            upgrade => upgrade,
        }
    }

    /// As browsers send it: without anything that says who asks, and without a body (Fetch,
    /// "CORS-preflight fetch").
    fn is_preflight(&self, method: &Method) -> bool {
        method == Method::OPTIONS
            && self.origin == Times::Once
            && self.requested_method == Times::Once
            && self.authorization.is_none()
            && self.api_key.is_none()
            && !self.cookie
            && !self.has_body()
    }

    fn has_body(&self) -> bool {
        self.transfer_encoding || self.content_length.is_some_and(|length| length != b"0")
    }

    /// The one key that was sent. Text that cannot be a key is an empty one: malformed, not missing.
    fn credential(&self, upgrade: Upgrade, sent: &'q Sent) -> Result<Option<&'q str>, DenyReason> {
        let api_key = self.api_key.map(|value| text(value).unwrap_or_default());
        let protocol = match upgrade == Upgrade::WebSocket && self.protocols {
            true => protocols::key(sent)?,
            false => None,
        };
        let mut keys =
            [self.authorization.and_then(bearer), api_key, protocol].into_iter().flatten();
        let first = keys.next();
        match keys.any(|other| first != Some(other)) {
            true => Err(DenyReason::BadRequest),
            false => Ok(first),
        }
    }
}

/// `Bearer KEY` (RFC 6750 §2.1; the scheme in any case, RFC 9110 §11.1). Nothing for another scheme.
fn bearer(value: &[u8]) -> Option<&str> {
    let (scheme, rest) = value.split_at_checked(6)?;
    if !scheme.eq_ignore_ascii_case(b"bearer") {
        return None;
    }
    match rest.strip_prefix(b" ") {
        Some(key) => Some(std::str::from_utf8(key).map(str::trim_start).unwrap_or_default()),
        None if rest.is_empty() => Some(""),
        None => None,
    }
}

fn port(host: &str) -> Option<u16> {
    let (_, port) = host.rsplit_once(':')?;
    port.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    type Rows = &'static [(&'static str, &'static str)];

    fn headers(rows: Rows) -> Sent {
        let mut sent = Sent::default();
        for (name, value) in rows {
            sent.add(name, value);
        }
        sent
    }

    fn asking(target: &str, fields: Sent) -> Asking {
        let target = target.parse::<Uri>().unwrap().into();
        Asking { method: Method::GET, target, version: Version::HTTP_11, fields }
    }

    fn asked(uri: &str, fields: Rows) -> Result<(String, Upgrade), DenyReason> {
        let asking = asking(uri, headers(fields));
        let query = query(&asking)?;
        Ok((query.target.into(), query.upgrade))
    }

    #[test]
    fn one_credential_or_none() {
        use DenyReason::BadRequest;
        let cases: &[(Rows, Result<Option<&str>, DenyReason>)] = &[
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
            headers.set("host", "h");
            let asking = asking("/", headers);
            let seen = query(&asking);
            assert_eq!(seen.map(|query| query.credential), *expected, "{fields:?}");
        }
    }

    #[test]
    fn what_has_two_readings_is_refused() {
        use DenyReason::{BadRequest, BadTarget};
        let cases: &[(&str, Rows, DenyReason)] = &[
            ("/", &[], BadRequest),
            ("/", &[("host", "a"), ("host", "a")], BadRequest),
            ("/", &[("host", "é")], BadTarget),
            ("http://b/x", &[("host", "a")], BadRequest),
            ("http://a:81/x", &[("host", "a")], BadRequest),
            ("http://u@a/x", &[("host", "a")], BadTarget),
            ("ftp://a/x", &[("host", "a")], BadTarget),
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
            ("/", &[("host", "a"), ("connection", "upgrade, sec-websocket-protocol")], BadRequest),
            ("/", &[("host", "a"), ("connection", "Origin")], BadRequest),
            (
                "/",
                &[
                    ("host", "a"),
                    ("upgrade", "websocket"),
                    ("connection", "upgrade"),
                    ("content-length", "1"),
                ],
                BadRequest,
            ),
            (
                "/",
                &[
                    ("host", "a"),
                    ("upgrade", "websocket"),
                    ("connection", "upgrade"),
                    ("transfer-encoding", "chunked"),
                ],
                BadRequest,
            ),
        ];
        for (uri, fields, expected) in cases {
            assert_eq!(asked(uri, fields), Err(*expected), "{uri} {fields:?}");
        }
    }

    #[test]
    fn forms_of_target() {
        let cases: &[(&str, Rows, &str)] = &[
            ("/a?b", &[("host", "a")], "/a?b"),
            ("http://A:80/x?y", &[("host", "a:80")], "/x?y"),
            ("*", &[("host", "a")], "*"),
        ];
        for (uri, fields, target) in cases {
            let seen = asked(uri, fields).unwrap();
            assert_eq!(seen, ((*target).to_owned(), Upgrade::None), "{uri} {fields:?}");
        }
        let host = headers(&[("host", "a")]);
        let connect = Asking { method: Method::CONNECT, ..asking("a:443", host) };
        assert_eq!(query(&connect).map(|_| ()), Err(DenyReason::MethodRefused));
    }

    #[test]
    fn a_websocket_is_asked_for_in_one_way() {
        use Upgrade::{None, Unknown, WebSocket};
        const UPGRADE: (&str, &str) = ("connection", "keep-alive, Upgrade");
        let cases: &[(Rows, Upgrade)] = &[
            (&[], None),
            (&[UPGRADE], None),
            (&[("upgrade", "websocket"), UPGRADE], WebSocket),
            (&[("upgrade", "WebSocket"), ("connection", "UPGRADE")], WebSocket),
            (&[("connection", "close"), UPGRADE, ("upgrade", "websocket")], WebSocket),
            (&[("upgrade", "websocket"), UPGRADE, ("content-length", "0")], WebSocket),
            (&[("upgrade", "h2c"), UPGRADE], None),
            (&[("upgrade", "H2C")], None),
            (&[("upgrade", "h2c"), ("upgrade", "h2c")], None),
            (&[("upgrade", "websocket")], Unknown),
            (&[("upgrade", "websocket"), ("connection", "upgrades")], Unknown),
            (&[("upgrade", "websocket"), ("upgrade", "websocket"), UPGRADE], Unknown),
            (&[("upgrade", "websocket"), ("upgrade", "h2c, x"), UPGRADE], Unknown),
            (&[("upgrade", "h2c, websocket"), UPGRADE], Unknown),
            (&[("upgrade", "websocket/13"), UPGRADE], Unknown),
            (&[("upgrade", "TLS/1.0"), UPGRADE], Unknown),
            (&[("upgrade", ""), UPGRADE], Unknown),
        ];
        for (fields, expected) in cases {
            let mut headers = headers(fields);
            headers.set("host", "h");
            let mut asking = asking("/", headers);
            assert_eq!(query(&asking).unwrap().upgrade, *expected, "{fields:?}");
            let before = if *expected == WebSocket { Unknown } else { *expected };
            asking.version = Version::HTTP_10;
            assert_eq!(query(&asking).unwrap().upgrade, before, "{fields:?} in HTTP/1.0");
        }
    }

    #[test]
    fn a_browsers_key_is_read_for_a_websocket_alone() {
        use DenyReason::BadRequest;
        const PROTOCOL: &str = "sec-websocket-protocol";
        let cases: &[(Rows, Result<Option<&str>, DenyReason>)] = &[
            (&[(PROTOCOL, "bearer, k, chat")], Ok(Some("k"))),
            (&[(PROTOCOL, "chat")], Ok(None)),
            (&[(PROTOCOL, "bearer")], Ok(Some(""))),
            (&[(PROTOCOL, "bearer, k"), ("x-api-key", "k")], Ok(Some("k"))),
            (&[(PROTOCOL, "bearer, k"), ("authorization", "Basic a")], Ok(Some("k"))),
            (&[(PROTOCOL, "bearer, k"), ("x-api-key", "j")], Err(BadRequest)),
            (&[(PROTOCOL, "bearer, k"), ("authorization", "Bearer j")], Err(BadRequest)),
            (&[(PROTOCOL, "bearer, k"), (PROTOCOL, "bearer, k")], Err(BadRequest)),
            (&[(PROTOCOL, "bearer, \u{e9}")], Err(BadRequest)),
        ];
        for (fields, expected) in cases {
            let mut headers = headers(fields);
            headers.set("host", "h");
            headers.set("upgrade", "websocket");
            headers.set("connection", "upgrade");
            let mut asking = asking("/", headers);
            let seen = query(&asking);
            assert_eq!(seen.map(|query| query.credential), *expected, "{fields:?}");
            asking.fields.remove("upgrade");
            asking.fields.remove("authorization");
            asking.fields.remove("x-api-key");
            let seen = query(&asking);
            assert_eq!(seen.map(|query| query.credential), Ok(None), "{fields:?}");
        }
    }

    #[test]
    fn a_preflight_is_what_browsers_send() {
        const ORIGIN: (&str, &str) = ("origin", "https://app.example");
        const METHOD: (&str, &str) = ("access-control-request-method", "POST");
        let cases: &[(Method, Rows, bool)] = &[
            (Method::OPTIONS, &[ORIGIN, METHOD], true),
            (
                Method::OPTIONS,
                &[ORIGIN, METHOD, ("access-control-request-headers", "x-api-key")],
                true,
            ),
            (Method::OPTIONS, &[ORIGIN, METHOD, ("content-length", "0")], true),
            (Method::GET, &[ORIGIN, METHOD], false),
            (Method::OPTIONS, &[ORIGIN], false),
            (Method::OPTIONS, &[METHOD], false),
            (Method::OPTIONS, &[ORIGIN, ORIGIN, METHOD], false),
            (Method::OPTIONS, &[ORIGIN, METHOD, METHOD, METHOD], false),
            (Method::OPTIONS, &[ORIGIN, METHOD, ("x-api-key", "k")], false),
            (Method::OPTIONS, &[ORIGIN, METHOD, ("authorization", "Basic a")], false),
            (Method::OPTIONS, &[ORIGIN, METHOD, ("cookie", "a=b")], false),
            (Method::OPTIONS, &[ORIGIN, METHOD, ("content-length", "1")], false),
            (Method::OPTIONS, &[ORIGIN, METHOD, ("transfer-encoding", "chunked")], false),
        ];
        for (method, fields, expected) in cases {
            let mut headers = headers(fields);
            headers.set("host", "h");
            let asking = Asking { method: method.clone(), ..asking("/", headers) };
            let seen = query(&asking);
            assert_eq!(seen.map(|query| query.preflight), Ok(*expected), "{method} {fields:?}");
        }
    }
}
