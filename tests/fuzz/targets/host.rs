//! For every text: a host has one name, or none.

#![no_main]

use std::net::Ipv6Addr;

use libfuzzer_sys::fuzz_target;
use sidegate::policy::Host;

#[path = "../../oracle/target.rs"]
#[expect(dead_code, reason = "the oracle reads targets, too")]
mod oracle;

fuzz_target!(|bytes: &[u8]| {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let parsed = Host::parse(text);
    let expected = match text.strip_prefix('[') {
        Some(rest) => bracketed(rest),
        // Longer names are none (RFC 1035 §2.3.4), which the oracle leaves out.
        None => oracle::host(text).filter(|name| name.len() <= 253),
    };
    assert_eq!(parsed.as_ref().map(Host::as_str), expected.as_deref(), "{text:?}");
    let Some(host) = parsed else { return };
    let name = host.as_str();
    assert_eq!(Host::parse(name).as_ref().map(Host::as_str), Some(name), "not its own name");
    for other in [text.to_ascii_uppercase(), text.to_ascii_lowercase()] {
        assert_eq!(Host::parse(&other).as_ref().map(Host::as_str), Some(name), "{other:?}");
    }
    if !text.contains("]:") && (text.starts_with('[') || !text.contains(':')) {
        let with_port = format!("{text}:8080");
        assert_eq!(Host::parse(&with_port).as_ref().map(Host::as_str), Some(name), "{text:?}");
    }
});

/// What comes after a `[`.
fn bracketed(rest: &str) -> Option<String> {
    let (address, port) = rest.split_once(']')?;
    address.parse::<Ipv6Addr>().ok()?;
    let is_port = match port.strip_prefix(':') {
        Some("") => true,
        Some(digits) => {
            digits.len() <= 5
                && digits.chars().all(|c| c.is_ascii_digit())
                && digits.parse::<u32>().is_ok_and(|port| port <= 65_535)
        }
        None => port.is_empty(),
    };
    is_port.then(|| format!("[{}]", address.to_ascii_lowercase()))
}
