//! `[upstream.NAME]`: where permitted requests go.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::path::Path;
use std::time::Duration;

use rustls::pki_types::ServerName;

use super::fields::Fields;
use super::limits::{MANY, duration};
use super::page::quoted;
use super::settings::as_usize;
use super::tls::{CertificateFiles, TrustFiles};
use crate::policy::{At, Problem};
use crate::proxy::{Endpoint, Health, Protocol, Site, Upstream};

const IDLE_CONNECTIONS: usize = 64;
const REQUESTS: usize = 10_000;
const EJECT_AFTER: usize = 3;
const DNS_REFRESH: Duration = Duration::from_secs(30);

/// Urls of one upstream.
const MOST_URLS: usize = 100;
/// What the system takes of a Unix socket's name, without the zero byte at its end or start.
const LONGEST_PATH: usize = 107;

/// Why a url is none of ours: what is wrong, to be put after it, and the way out.
type Refusal = (&'static str, &'static str);

const FORM: &str =
    "write `http://HOST:PORT`, `https://HOST:PORT`, `h2c://HOST:PORT` or `unix:/PATH`";
const EXAMPLE: &str = "write `urls = [\"http://127.0.0.1:9000\"]`";

/// With the files of its trust, where an endpoint speaks TLS. One that could not be read keeps its
/// name.
pub(super) fn read(
    name: String,
    folder: &Path,
    mut fields: Fields<'_>,
) -> (Upstream, Option<TrustFiles>) {
    fields.describe(format!("upstream `{name}`"));
    let dns_refresh = duration(&mut fields, "dns_refresh").unwrap_or(DNS_REFRESH);
    let health = health(&mut fields);
    let mut within = |field, range, standard| {
        fields.number(field, range).map_or(standard, |number| as_usize(number.value))
    };
    let (eject_after, idle_connections, requests) = (
        within("eject_after", 0..=1000, EJECT_AFTER),
        within("idle_connections", 0..=100_000, IDLE_CONNECTIONS),
        within("requests", 1..=MANY, REQUESTS),
    );
    let server_name = server_name(&mut fields);
    let endpoints = endpoints(&mut fields, server_name.as_ref());
    let trust = trust(&mut fields, folder, &endpoints);
    let upstream = Upstream {
        idle_connections,
        requests,
        eject_after: eject_after as u32,
        dns_refresh,
        health,
        endpoints,
        trust: None,
        name,
    };
    fields.finish();
    (upstream, trust)
}

fn health(fields: &mut Fields<'_>) -> Option<Health> {
    let mut table = fields.table("health")?;
    table.describe("`health`");
    let path = table.required(&["path"], "such as `path = \"/healthz\"`");
    let is_path = |path: &str| {
        path.starts_with('/') && path.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'#')
    };
    if let Some(path) = path.as_ref().filter(|path| !is_path(&path.value)) {
        let problem = format!("{} is no path of a request", quoted(&path.value));
        table.report(Problem::error(path.place, problem).hint("such as `/healthz`"));
    }
    let host = table.text("host");
    if let Some(host) = host.as_ref().filter(|host| !is_host(&host.value)) {
        let problem = format!("{} is no host", quoted(&host.value));
        table.report(Problem::error(host.place, problem).hint("such as `vault.example:9000`"));
    }
    let health = Health {
        interval: duration(&mut table, "interval").unwrap_or(Duration::from_secs(5)),
        timeout: duration(&mut table, "timeout").unwrap_or(Duration::from_secs(1)),
        after: table.number("after", 1..=100).map_or(2, |after| after.value as u32),
        host: host.map_or_else(|| "localhost".to_owned(), |host| host.value),
        path: path.map_or_else(String::new, |path| path.value),
    };
    table.finish();
    Some(health)
}

/// A host name or an address, with or without a port.
fn is_host(host: &str) -> bool {
    authority(&format!("//{host}"), 80).is_ok()
}

/// The name that certificates have to have, where it is not that of the url.
fn server_name(fields: &mut Fields<'_>) -> Option<ServerName<'static>> {
    let written = fields.text("server_name")?;
    let name = ServerName::try_from(written.value.clone()).ok();
    if name.is_none() {
        let problem =
            format!("`server_name`: {} is no host name or address", quoted(&written.value));
        fields.report(Problem::error(written.place, problem));
    }
    name
}

fn trust(fields: &mut Fields<'_>, folder: &Path, endpoints: &[Endpoint]) -> Option<TrustFiles> {
    let is_secure = endpoints.iter().any(|it| matches!(it.protocol, Protocol::Https(_)));
    let is_named = fields.has("server_name");
    let files = ["ca", "certificate", "key"].map(|field| fields.text(field));
    let [ca, certificate, key] =
        files.each_ref().map(|file| file.as_ref().map(|file| folder.join(&file.value)));
    let whole = fields.place();
    let place = files.iter().flatten().map(|file| file.place).next();
    if !is_secure {
        // Where no url could be read, it is not known what they would be for.
        if (place.is_some() || is_named) && !endpoints.is_empty() {
            let problem = "`ca`, `certificate`, `key` and `server_name` are for `https://` urls";
            let problem = Problem::error(place.unwrap_or(whole), problem);
            fields.report(problem.hint("leave them out, or write `https://`"));
        }
        return None;
    }
    if certificate.is_some() != key.is_some() {
        let problem = "`certificate` and `key` go together";
        fields.report(Problem::error(place.unwrap_or(whole), problem).hint("name both, or none"));
        return None;
    }
    let own = certificate.zip(key);
    let own = own.map(|(certificate, key)| CertificateFiles { certificate, key });
    Some(TrustFiles { ca, own })
}

fn endpoints(fields: &mut Fields<'_>, server_name: Option<&ServerName<'static>>) -> Vec<Endpoint> {
    if !fields.has("urls") {
        let problem = Problem::error(fields.place(), "`urls` is missing");
        fields.absent(problem.hint(EXAMPLE), &["urls"]);
    }
    let urls = fields.texts("urls");
    if urls.as_ref().is_some_and(Vec::is_empty) {
        let problem = Problem::error(fields.place_of_field("urls"), "`urls` is empty");
        fields.report(problem.hint(EXAMPLE));
    }
    let mut endpoints: Vec<Endpoint> = Vec::new();
    for At { value: url, place } in urls.into_iter().flatten() {
        // What stands before an `@` is a secret.
        let shown = if url.contains("//") && url.contains('@') {
            "the url".to_owned()
        } else {
            quoted(&url).to_string()
        };
        if endpoints.len() == MOST_URLS {
            let problem = Problem::error(place, format!("more than {MOST_URLS} urls"));
            fields.report(problem.hint("make several upstreams of them"));
            break;
        }
        if endpoints.iter().any(|known| known.url == url) {
            let problem = Problem::error(place, format!("{shown} stands there twice"));
            fields.report(problem.hint("leave one of them"));
            continue;
        }
        match target(&url, server_name) {
            Ok((_, protocol)) if !agrees(&protocol, &endpoints) => {
                let problem = Problem::error(
                    place,
                    format!("{shown} is another protocol than the urls before"),
                );
                fields.report(problem.hint("`h2c://` stands alone: make two upstreams of them"));
            }
            Ok((site, protocol)) => endpoints.push(Endpoint { url, site, protocol }),
            Err((what, hint)) => {
                fields.report(Problem::error(place, format!("{shown} {what}")).hint(hint));
            }
        }
    }
    endpoints
}

/// What may be sent once more has to be understood wherever it goes.
fn agrees(protocol: &Protocol, endpoints: &[Endpoint]) -> bool {
    let is_h2c = *protocol == Protocol::H2c;
    endpoints.iter().all(|it| (it.protocol == Protocol::H2c) == is_h2c)
}

/// Reads `http://host[:port]` or `https://host[:port]`, where the port is 80 or 443 if it is not there,
/// or `unix:/path` or
/// `unix:@name`.
fn target(
    url: &str,
    server_name: Option<&ServerName<'static>>,
) -> Result<(Site, Protocol), Refusal> {
    let (site, protocol) = match url.split_once(':') {
        Some(("http", rest)) => (authority(rest, 80)?, Protocol::Http),
        Some(("unix", rest)) => (socket(rest)?, Protocol::Http),
        Some(("https", rest)) => {
            let site = authority(rest, 443)?;
            let name = server_name.cloned().or_else(|| name_of(&site));
            let hint = "say with `server_name` which name its certificate has";
            (site, Protocol::Https(name.ok_or(("has a name that no certificate has", hint))?))
        }
        Some(("h2c", rest)) => (authority(rest, 80)?, Protocol::H2c),
        _ => return Err(("is not a url of an upstream", FORM)),
    };
    Ok((site, protocol))
}

fn name_of(site: &Site) -> Option<ServerName<'static>> {
    match site {
        Site::Address(address) => Some(ServerName::from(address.ip())),
        // In a certificate, and on the wire, a name has no dot at its end.
        Site::Name(host, _) => ServerName::try_from(host.trim_end_matches('.').to_owned()).ok(),
        Site::Unix(_) => None,
    }
}

fn socket(path: &str) -> Result<Site, Refusal> {
    let site = match path.strip_prefix('@') {
        Some("") => return Err(("has no name", "write `unix:@NAME`")),
        Some(name) => format!("\0{name}"),
        None if path.starts_with('/') && !path.ends_with('/') => path.to_owned(),
        None => return Err(("has no absolute path", "write `unix:/PATH` or `unix:@NAME`")),
    };
    if site.strip_prefix('\0').unwrap_or(&site).contains('\0') {
        return Err(("has a zero byte in it", FORM));
    }
    if site.trim_start_matches('\0').len() > LONGEST_PATH {
        return Err(("is longer than the 107 bytes that the system takes", "shorten it"));
    }
    Ok(Site::Unix(site.into()))
}

/// `//host[:port]`
fn authority(rest: &str, standard: u16) -> Result<Site, Refusal> {
    let rest = rest.strip_prefix("//").ok_or(("is not a url", FORM))?;
    if rest.contains(['/', '?', '#']) {
        return Err(("has a path", "requests keep their own: write `http://HOST:PORT`"));
    }
    if rest.contains('@') {
        return Err(("has a user in it", FORM));
    }
    let (host, port) = match rest.strip_prefix('[') {
        Some(bracketed) => bracketed.split_once(']').ok_or(("is not a url", FORM))?,
        None => rest.split_at_checked(rest.find(':').unwrap_or(rest.len())).unwrap_or_default(),
    };
    let port = match port.strip_prefix(':') {
        None if port.is_empty() => standard,
        Some(digits) if digits.bytes().all(|digit| digit.is_ascii_digit()) => {
            digits.parse().unwrap_or(0)
        }
        _ => 0,
    };
    if rest.starts_with('[') {
        let address: Ipv6Addr = host.parse().map_err(|_| ("has no IPv6 address in `[…]`", FORM))?;
        return with_port(port, |port| Site::Address(SocketAddr::from((address, port))));
    }
    if let Ok(address @ IpAddr::V4(_)) = host.parse() {
        return with_port(port, |port| Site::Address(SocketAddr::new(address, port)));
    }
    if !is_host_name(host) {
        return Err(("has no host name in it", FORM));
    }
    with_port(port, |port| Site::Name(host.to_owned(), port))
}

fn with_port(port: u16, site: impl FnOnce(u16) -> Site) -> Result<Site, Refusal> {
    if port == 0 { Err(("has no port from 1 to 65535", FORM)) } else { Ok(site(port)) }
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

    fn shown((site, protocol): (Site, Protocol)) -> String {
        let name = match protocol {
            Protocol::Http => String::new(),
            Protocol::H2c => " in h2c".to_owned(),
            Protocol::Https(name) => format!(" as {}", name.to_str()),
        };
        let site = match site {
            Site::Address(address) => address.to_string(),
            Site::Name(host, port) => format!("{host} {port}"),
            Site::Unix(path) => format!("{:?}", path.to_str().unwrap()),
        };
        site + &name
    }

    #[test]
    fn urls() {
        let long_path = format!("/{}", "x".repeat(106));
        let long = format!("unix:{long_path}");
        let too_long = format!("{long}x");
        let abstract_long = format!("unix:@{}", "x".repeat(107));
        let cases = [
            ("http://127.0.0.1:9000", Some("127.0.0.1:9000")),
            ("http://vault", Some("vault 80")),
            ("http://vault.acme_1.example.:1", Some("vault.acme_1.example. 1")),
            ("http://[::1]:9000", Some("[::1]:9000")),
            ("http://[::1]", Some("[::1]:80")),
            ("unix:/run/app.sock", Some("\"/run/app.sock\"")),
            ("unix:/run/a:b@c", Some("\"/run/a:b@c\"")),
            ("unix:@app", Some("\"\\0app\"")),
            (&long, Some(&*format!("{:?}", long_path))),
            (&too_long, None),
            (&abstract_long, Some(&*format!("\"\\0{}\"", "x".repeat(107)))),
            ("unix:", None),
            ("unix:@", None),
            ("unix:run/app.sock", None),
            ("unix:/run/", None),
            ("unix:/a\0b", None),
            ("unix:@a\0b", None),
            ("unix:\0a", None),
            ("", None),
            ("http", None),
            ("http:", None),
            ("http://", None),
            ("http://:80", None),
            ("http://a:", None),
            ("http://a:0", None),
            ("http://127.0.0.1:0", None),
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
            ("https://a", Some("a 443 as a")),
            ("https://a.:1", Some("a. 1 as a")),
            ("https://[::1]", Some("[::1]:443 as ::1")),
            ("https://", None),
            ("https:a", None),
            ("h2c://a", Some("a 80 in h2c")),
            ("h2c://[::1]:1", Some("[::1]:1 in h2c")),
            ("ftp://a", None),
            ("127.0.0.1:9000", None),
        ];
        for (url, expected) in cases {
            assert_eq!(target(url, None).ok().map(shown).as_deref(), expected, "{url}");
        }
    }
}
