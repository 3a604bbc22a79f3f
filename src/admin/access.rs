//! Who may look at the page: by where they come from, by what they call us, by a token.
//!
//! A token comes as HTTP Basic's password, whatever the name, or as a Bearer token: a browser asks for
//! it by itself, keeps it for this scheme, host *and port* alone, and no page has to be served to who
//! has none. A cookie would go to every other port of the host, too, and would need a place to be
//! posted to: nothing here takes a body.

use std::fmt;
use std::net::IpAddr;

use data_encoding::BASE64;
use http::header::{AUTHORIZATION, HOST};
use http::{HeaderMap, Request};

/// Characters of a token, at least: nobody tries so many.
const SHORTEST: usize = 24;
/// Characters of a token, at most.
const LONGEST: usize = 256;

/// A secret that operators give.
///
/// INVARIANT: `parse` alone makes one. Kept is a hash, and hashes are compared in constant time.
#[derive(Clone, PartialEq, Eq)]
pub struct Token(blake3::Hash);

impl Token {
    /// The token of that text, without the line's end.
    ///
    /// # Errors
    ///
    /// In the reader's words, why it is none.
    pub fn parse(text: &str) -> Result<Self, String> {
        let text = text.strip_suffix('\n').unwrap_or(text);
        let length = text.chars().count();
        if !(SHORTEST..=LONGEST).contains(&length) {
            return Err(format!("has {length} characters, not {SHORTEST} to {LONGEST}"));
        }
        match text.bytes().all(|byte| byte.is_ascii_graphic()) {
            true => Ok(Self(blake3::hash(text.as_bytes()))),
            false => Err("has a character that is not visible ASCII".to_owned()),
        }
    }

    fn is(&self, text: &[u8]) -> bool {
        self.0 == blake3::hash(text)
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(…)")
    }
}

/// Who is let in.
#[derive(Debug, Clone, Default)]
pub struct Access {
    token: Option<Token>,
    hosts: Vec<String>,
}

/// Why somebody is not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refused {
    /// A name that is not ours: perhaps a page elsewhere, whose name was made to lead here.
    Host,
    /// A page of another site asks.
    Site,
    /// Not from this machine, and there is no token to be asked for.
    Stranger,
    /// The token is missing or wrong.
    Token,
}

impl Access {
    /// With a token, who has it; without one, who connects from this machine. `hosts` are the names
    /// that we go by besides addresses and `localhost`.
    pub fn new(token: Option<Token>, hosts: &[String]) -> Self {
        Self { token, hosts: hosts.iter().map(|host| host.to_ascii_lowercase()).collect() }
    }

    /// Whether who asks from that address may see this.
    pub(super) fn check<B>(&self, request: &Request<B>, peer: IpAddr) -> Result<(), Refused> {
        let headers = request.headers();
        self.check_host(headers)?;
        if !is_of_site(headers) {
            return Err(Refused::Site);
        }
        match &self.token {
            None if peer.to_canonical().is_loopback() => Ok(()),
            None => Err(Refused::Stranger),
            Some(token) => match given(headers) {
                Some(given) if token.is(&given) => Ok(()),
                _ => Err(Refused::Token),
            },
        }
    }

    /// Whether the request names us. An address does, whichever: nobody can make one lead elsewhere.
    pub(super) fn check_host(&self, headers: &HeaderMap) -> Result<(), Refused> {
        let mut all = headers.get_all(HOST).iter();
        let host = all.next().and_then(|host| host.to_str().ok()).ok_or(Refused::Host)?;
        let name = without_port(host).to_ascii_lowercase();
        let name = name.strip_suffix('.').unwrap_or(&name);
        let address = name.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
        let ours = address.unwrap_or(name).parse::<IpAddr>().is_ok()
            || name == "localhost"
            || name.ends_with(".localhost")
            || self.hosts.iter().any(|host| host == name);
        if ours && all.next().is_none() { Ok(()) } else { Err(Refused::Host) }
    }
}

/// Whether no page of another site asks. A link on one may lead here (Fetch Metadata).
fn is_of_site(headers: &HeaderMap) -> bool {
    let says = |name, wanted: &str| headers.get(name).is_some_and(|value| value == wanted);
    let led = says("sec-fetch-mode", "navigate") && says("sec-fetch-dest", "document");
    let site = headers.get("sec-fetch-site");
    led || site.is_none_or(|site| site == "same-origin" || site == "none")
}

fn without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    }
}

/// The token that was sent. Two are none.
fn given(headers: &HeaderMap) -> Option<Vec<u8>> {
    let mut all = headers.get_all(AUTHORIZATION).iter();
    let value = all.next()?.to_str().ok()?;
    if all.next().is_some() {
        return None;
    }
    let (scheme, credentials) = value.split_once(' ')?;
    if scheme.eq_ignore_ascii_case("bearer") {
        return Some(credentials.trim().as_bytes().to_vec());
    }
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let pair = BASE64.decode(credentials.trim().as_bytes()).ok()?;
    let colon = pair.iter().position(|byte| *byte == b':')?;
    pair.get(colon + 1..).map(<[u8]>::to_vec)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOKEN: &str = "0123456789abcdefghijklmn";
    const HERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

    fn request(headers: &[(&str, &str)]) -> Request<()> {
        let mut request = Request::builder().uri("/");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.body(()).unwrap()
    }

    #[test]
    fn names_that_are_ours() {
        let access = Access::new(None, &["Ops.Example".to_owned()]);
        for (host, ours) in [
            ("localhost", true),
            ("LocalHost:9464", true),
            ("localhost.:9464", true),
            ("sidegate.localhost:9464", true),
            ("127.0.0.1:9464", true),
            ("10.1.2.3", true),
            ("[::1]:9464", true),
            ("[::1]", true),
            ("ops.example:9464", true),
            ("evil.example:9464", false),
            ("localhost.evil.example", false),
            ("evil.example:localhost", false),
            ("127.0.0.1.evil.example", false),
            ("xlocalhost", false),
            ("", false),
        ] {
            let refused = access.check(&request(&[("host", host)]), HERE).err();
            assert_eq!(refused, (!ours).then_some(Refused::Host), "{host}");
        }
        for hosts in [vec![], vec![("host", "localhost"), ("host", "localhost")]] {
            assert_eq!(access.check(&request(&hosts), HERE), Err(Refused::Host));
        }
    }

    #[test]
    fn pages_of_other_sites_are_refused_and_links_on_them_are_not() {
        let access = Access::default();
        for (site, mode, dest, expected) in [
            ("same-origin", "cors", "empty", Ok(())),
            ("none", "navigate", "document", Ok(())),
            ("cross-site", "navigate", "document", Ok(())),
            ("cross-site", "navigate", "iframe", Err(Refused::Site)),
            ("cross-site", "no-cors", "image", Err(Refused::Site)),
            ("same-site", "cors", "empty", Err(Refused::Site)),
        ] {
            let asked = request(&[
                ("host", "localhost"),
                ("sec-fetch-site", site),
                ("sec-fetch-mode", mode),
                ("sec-fetch-dest", dest),
            ]);
            assert_eq!(access.check(&asked, HERE), expected, "{site} {mode} {dest}");
        }
    }

    #[test]
    fn a_token_counts_wherever_somebody_comes_from() {
        let (open, closed) = (Access::default(), Token::parse(&format!("{TOKEN}\n")).unwrap());
        let closed = Access::new(Some(closed), &[]);
        let away = IpAddr::from([192, 0, 2, 1]);
        let basic = |text: &str| format!("Basic {}", BASE64.encode(text.as_bytes()));
        assert_eq!(open.check(&request(&[("host", "10.0.0.1")]), away), Err(Refused::Stranger));
        let mapped = IpAddr::from(std::net::Ipv4Addr::LOCALHOST.to_ipv6_mapped());
        assert_eq!(open.check(&request(&[("host", "localhost")]), mapped), Ok(()));
        for (sent, good) in [
            (basic(&format!(":{TOKEN}")), true),
            (basic(&format!("me:{TOKEN}")), true),
            (format!("bearer {TOKEN}"), true),
            (basic(TOKEN), false),
            (basic(&format!(":{TOKEN}x")), false),
            (format!("Bearer {TOKEN}x"), false),
            (format!("Digest {TOKEN}"), false),
            ("Basic %%%".to_owned(), false),
            (TOKEN.to_owned(), false),
        ] {
            for peer in [HERE, away] {
                let asked = request(&[("host", "localhost"), ("authorization", &sent)]);
                assert_eq!(closed.check(&asked, peer).is_ok(), good, "{sent}");
            }
        }
        assert_eq!(closed.check(&request(&[("host", "localhost")]), HERE), Err(Refused::Token));
        let twice = [("host", "localhost"); 1];
        let bearer = format!("Bearer {TOKEN}");
        let asked = [&twice[..], &[("authorization", &*bearer); 2]].concat();
        assert_eq!(closed.check(&request(&asked), HERE), Err(Refused::Token));
    }

    #[test]
    fn short_and_odd_texts_are_no_tokens() {
        for (text, wrong) in [
            ("short", "has 5 characters"),
            ("", "has 0 characters"),
            ("0123456789 abcdefghijklmn", "not visible ASCII"),
            ("0123456789abcdefghijklmnö", "not visible ASCII"),
        ] {
            let told = Token::parse(text).unwrap_err();
            assert!(told.contains(wrong), "{told}");
        }
        assert_eq!(format!("{:?}", Token::parse(TOKEN).unwrap()), "Token(…)");
    }
}
