//! `urls` of `[upstream.NAME]`: where permitted requests go.

use std::net::Ipv6Addr;

/// An address that can be connected to over plain HTTP/1.1.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Target {
    /// Host name or address, without brackets.
    pub(super) host: String,
    /// Port.
    pub(super) port: u16,
}

/// Why a url is none of ours: what is wrong, to be put after it, and the way out.
pub(super) type Refusal = (&'static str, &'static str);

const FORM: &str = "write `http://HOST:PORT`";

impl Target {
    /// Reads `http://host[:port]`; without a port it is 80.
    ///
    /// # Errors
    ///
    /// What is wrong with `url`.
    pub(super) fn parse(url: &str) -> Result<Self, Refusal> {
        let rest = match url.split_once(':') {
            Some(("http", rest)) => rest.strip_prefix("//").ok_or(("is not a url", FORM))?,
            Some(("https" | "h2c" | "unix", _)) => {
                return Err(("is not served yet", "plain `http://HOST:PORT` is"));
            }
            _ => return Err(("is not an `http://` url", FORM)),
        };
        if rest.contains(['/', '?', '#']) {
            return Err(("has a path", "requests keep their own: write `http://HOST:PORT`"));
        }
        if rest.contains('@') {
            return Err(("has a user in it", FORM));
        }
        let (host, port) = match rest.strip_prefix('[') {
            Some(bracketed) => {
                let (host, rest) = bracketed.split_once(']').ok_or(("is not a url", FORM))?;
                host.parse::<Ipv6Addr>().map_err(|_| ("has no IPv6 address in `[…]`", FORM))?;
                (host, rest)
            }
            None => rest.split_at_checked(rest.find(':').unwrap_or(rest.len())).unwrap_or_default(),
        };
        if !rest.starts_with('[') && !is_host_name(host) {
            return Err(("has no host name in it", FORM));
        }
        let port = match port.strip_prefix(':') {
            None if port.is_empty() => 80,
            Some(digits) if digits.bytes().all(|digit| digit.is_ascii_digit()) => {
                digits.parse().unwrap_or(0)
            }
            _ => 0,
        };
        match port {
            0 => Err(("has no port from 1 to 65535", FORM)),
            port => Ok(Self { host: host.to_owned(), port }),
        }
    }
}

/// RFC 1123, with the `_` that container networks use.
fn is_host_name(host: &str) -> bool {
    let labelled = |label: &str| (1..=63).contains(&label.len()) && !label.starts_with('-');
    host.len() <= 253
        && host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
        && host.strip_suffix('.').unwrap_or(host).split('.').all(labelled)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls() {
        let cases = [
            ("http://127.0.0.1:9000", Some(("127.0.0.1", 9000))),
            ("http://vault", Some(("vault", 80))),
            ("http://vault.acme_1.example.:1", Some(("vault.acme_1.example.", 1))),
            ("http://[::1]:9000", Some(("::1", 9000))),
            ("http://[::1]", Some(("::1", 80))),
            ("", None),
            ("http", None),
            ("http:", None),
            ("http://", None),
            ("http://:80", None),
            ("http://a:", None),
            ("http://a:0", None),
            ("http://a:65536", None),
            ("http://a:+1", None),
            ("http://a:b", None),
            ("http://a/", None),
            ("http://a?b", None),
            ("http://u:p@a", None),
            ("http://[::1", None),
            ("http://[::1]9", None),
            ("http://[a]", None),
            ("http://::1", None),
            ("http://a..b", None),
            ("http://a b", None),
            ("http://ü", None),
            ("HTTP://a", None),
            ("https://a", None),
            ("h2c://a", None),
            ("unix:/run/a", None),
            ("ftp://a", None),
            ("127.0.0.1:9000", None),
        ];
        for (url, expected) in cases {
            let expected = expected.map(|(host, port)| Target { host: host.to_owned(), port });
            assert_eq!(Target::parse(url).ok(), expected, "{url}");
        }
    }
}
