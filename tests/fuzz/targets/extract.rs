//! For every head that is a request: the policy is asked about what was sent, or nothing.
//!
//! Its lines are read here once more, by splitting.

#![no_main]

use libfuzzer_sys::fuzz_target;
use sidegate::policy::Upgrade;
use sidegate::proxy;

fuzz_target!(|bytes: &[u8]| {
    let Some(Ok(asked)) = first_request(bytes) else { return };
    let Some(head) = Head::read(bytes) else { return };
    assert_eq!(asked.method, head.method);
    assert_ne!(asked.method, "CONNECT");
    let target = match head.target.split_once("://") {
        Some((_, rest)) if !head.target.starts_with('/') => {
            let at = rest.find(['/', '?']).unwrap_or(rest.len());
            if at == rest.len() { "/" } else { &rest[at..] }
        }
        _ => head.target,
    };
    assert_eq!(asked.target, target, "{head:?}");

    assert_eq!([asked.host.as_str()], *head.values("host"), "{head:?}");
    let (lengths, codings) = (head.values("content-length"), head.values("transfer-encoding"));
    assert!(lengths.len() + codings.len() <= 1, "two framings: {head:?}");
    assert!(codings.iter().all(|it| it.eq_ignore_ascii_case("chunked")), "{head:?}");
    assert!(codings.is_empty() || head.version == "HTTP/1.1", "{head:?}");

    let (keys, authorizations) = (head.values("x-api-key"), head.values("authorization"));
    assert!(keys.len() <= 1 && authorizations.len() <= 1, "two credentials: {head:?}");
    let mut sent = keys;
    sent.extend(authorizations.first().and_then(|value| bearer(value)));
    let by_protocol = asked.upgrade == Upgrade::WebSocket
        && head
            .values("sec-websocket-protocol")
            .iter()
            .any(|it| it.to_lowercase().contains("bearer"));
    match asked.credential.as_deref() {
        // A browser's key, which the tables of `extract` have.
        _ if by_protocol => {}
        None => assert!(sent.is_empty(), "a credential is passed over: {head:?}"),
        // What no key can be made of.
        Some("") => assert!(
            !sent.is_empty()
                && sent.iter().all(|it| it.is_empty() || !it.is_ascii() || it.contains('\t'))
        ),
        Some(key) => assert!(sent.iter().all(|it| *it == key), "another credential: {head:?}"),
    }
    assert_eq!(asked.upgrade, head.upgrade(), "{head:?}");
    for value in head.values("connection") {
        for name in value.split(',').map(|name| name.trim().to_ascii_lowercase().replace('_', "-"))
        {
            let ours = name.starts_with("x-sidegate-") || name.starts_with("x-forwarded-");
            let kept = ["host", "content-length", "authorization", "x-api-key", "forwarded"];
            assert!(!ours && !kept.contains(&name.as_str()), "taken away: {head:?}");
        }
    }
});

/// What the policy would be asked.
#[derive(Debug)]
struct Asked {
    method: String,
    host: String,
    target: String,
    credential: Option<String>,
    upgrade: Upgrade,
}

/// The first request of the bytes, if there is one, as the data plane reads it.
fn first_request(bytes: &[u8]) -> Option<Result<Asked, ()>> {
    proxy::read(bytes, |asked| {
        let asked = asked.map(|query| Asked {
            method: query.method.to_owned(),
            host: query.host.to_owned(),
            target: query.target.to_owned(),
            credential: query.credential.map(ToOwned::to_owned),
            upgrade: query.upgrade,
        });
        asked.map_err(|_| ())
    })
}

/// A head as RFC 9112 writes it. What else is taken is for the tables of `tests/proxy`.
#[derive(Debug)]
struct Head<'b> {
    method: &'b str,
    target: &'b str,
    version: &'b str,
    fields: Vec<(&'b str, &'b str)>,
}

impl<'b> Head<'b> {
    fn read(bytes: &'b [u8]) -> Option<Self> {
        let end = bytes.windows(4).position(|window| window == b"\r\n\r\n")?;
        let text = std::str::from_utf8(&bytes[..end]).ok()?;
        let mut lines = text.split("\r\n");
        let mut words = lines.next()?.split(' ');
        let (method, target, version) = (words.next()?, words.next()?, words.next()?);
        let field = |line: &'b str| {
            let (name, value) = line.split_once(':')?;
            Some((name, value.trim_matches([' ', '\t'])))
        };
        let fields = lines.map(field).collect::<Option<Vec<_>>>()?;
        let strict = words.next().is_none() && !text.replace("\r\n", "").contains(['\r', '\n']);
        strict.then_some(Self { method, target, version, fields })
    }

    /// RFC 9110 §7.8, without the offers of HTTP/2.
    fn upgrade(&self) -> Upgrade {
        let mut offers = self.values("upgrade");
        offers.retain(|offer| !offer.eq_ignore_ascii_case("h2c"));
        let named = self.values("connection");
        let mut named = named.iter().flat_map(|value| value.split(','));
        let for_this = named.any(|name| name.trim().eq_ignore_ascii_case("upgrade"));
        match offers[..] {
            [] => Upgrade::None,
            [one]
                if one.eq_ignore_ascii_case("websocket")
                    && for_this
                    && self.version == "HTTP/1.1" =>
            {
                Upgrade::WebSocket
            }
            _ => Upgrade::Unknown,
        }
    }

    fn values(&self, name: &str) -> Vec<&'b str> {
        let of = self.fields.iter().filter(|(it, _)| it.eq_ignore_ascii_case(name));
        of.map(|(_, value)| *value).collect()
    }
}

/// The key of `Bearer KEY`; an empty one where the scheme stands alone.
fn bearer(value: &str) -> Option<&str> {
    let (scheme, key) = value.split_once(' ').unwrap_or((value, ""));
    scheme.eq_ignore_ascii_case("bearer").then(|| key.trim_matches(' '))
}
