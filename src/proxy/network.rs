//! Networks whose forwarding fields are believed.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// A block of addresses, such as `10.0.0.0/8` (RFC 4632 §3.1, RFC 4291 §2.3).
///
/// INVARIANT: only [`parse`](Self::parse) makes one; it is never all addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Network {
    address: IpAddr,
    length: u32,
}

/// Why a text is no network: what is wrong, to be put after it, and the way out.
pub type NetworkError = (&'static str, &'static str);

impl Network {
    /// Reads `ADDRESS/LENGTH`, or an address for itself alone.
    ///
    /// # Errors
    ///
    /// What is wrong with `text`.
    pub fn parse(text: &str) -> Result<Self, NetworkError> {
        const FORM: &str = "write an address and a length: `10.0.0.0/8`, `fd00::/8`";
        let (address, length) = match text.split_once('/') {
            Some((address, length)) => (address, Some(length)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().map_err(|_| ("is not a network", FORM))?;
        if address.to_canonical() != address {
            return Err(("is an IPv4 network in IPv6", "write it as IPv4"));
        }
        let bits = if address.is_ipv4() { 32 } else { 128 };
        let digits = |length: &&str| length.bytes().all(|digit| digit.is_ascii_digit());
        let length = match length {
            None => bits,
            Some(length) => {
                Some(length).filter(digits).and_then(|it| it.parse().ok()).unwrap_or(129)
            }
        };
        if length > bits {
            return Err(("has no length that its addresses can have", FORM));
        }
        if length == 0 {
            return Err(("is everybody", "name the proxies that stand before this one"));
        }
        let network = Self { address, length };
        if network.prefix(address) << (bits - length) != number(address) {
            return Err((
                "has bits set behind its length",
                "set them to zero, or leave the length away",
            ));
        }
        Ok(network)
    }

    /// Whether the address is in it. An IPv4 address in IPv6 is an IPv4 address.
    pub fn contains(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        address.is_ipv4() == self.address.is_ipv4()
            && self.prefix(address) == self.prefix(self.address)
    }

    /// Whether it is more than one network operator's: shorter than `/16` or `/32`, but for blocks
    /// of private addresses (RFC 1918, RFC 6598, RFC 4193).
    pub fn is_wide(&self) -> bool {
        const PRIVATE: [(IpAddr, u32); 5] = [
            (IpAddr::V4(Ipv4Addr::new(10, 0, 0, 0)), 8),
            (IpAddr::V4(Ipv4Addr::new(172, 16, 0, 0)), 12),
            (IpAddr::V4(Ipv4Addr::new(100, 64, 0, 0)), 10),
            (IpAddr::V4(Ipv4Addr::new(127, 0, 0, 0)), 8),
            (IpAddr::V6(Ipv6Addr::new(0xfc00, 0, 0, 0, 0, 0, 0, 0)), 7),
        ];
        let mut private = PRIVATE.map(|(address, length)| Self { address, length }).into_iter();
        let narrow = if self.address.is_ipv4() { 16 } else { 32 };
        let is_private = private.any(|it| it.length <= self.length && it.contains(self.address));
        self.length < narrow && !is_private
    }

    fn prefix(&self, address: IpAddr) -> u128 {
        let bits = if address.is_ipv4() { 32 } else { 128 };
        number(address) >> (bits - self.length)
    }
}

fn number(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => u128::from(address.to_bits()),
        IpAddr::V6(address) => address.to_bits(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks() {
        // The network, an address in it, one that is not.
        let good = [
            ("10.0.0.0/8", "10.255.0.1", "11.0.0.0"),
            ("192.0.2.7", "192.0.2.7", "192.0.2.6"),
            ("192.0.2.128/25", "::ffff:192.0.2.129", "192.0.2.127"),
            ("128.0.0.0/1", "255.255.255.255", "127.255.255.255"),
            ("fd00::/8", "fdff::1", "fc00::1"),
            ("::1", "::1", "::2"),
            ("::/1", "::7f00:1", "127.0.0.1"),
        ];
        for (text, inside, outside) in good {
            let network = Network::parse(text).unwrap();
            assert!(network.contains(inside.parse().unwrap()), "{text} {inside}");
            assert!(!network.contains(outside.parse().unwrap()), "{text} {outside}");
        }
        for (text, wide) in [
            ("10.0.0.0/8", false),
            ("172.16.0.0/12", false),
            ("172.0.0.0/8", true),
            ("8.0.0.0/7", true),
            ("192.0.0.0/15", true),
            ("192.168.0.0/16", false),
            ("fd00::/8", false),
            ("fc00::/6", true),
            ("2001:db8::/32", false),
            ("2001:db0::/28", true),
        ] {
            assert_eq!(Network::parse(text).unwrap().is_wide(), wide, "{text}");
        }
        let bad = [
            "",
            "/",
            "10.0.0.0/",
            "10.0.0.0/33",
            "10.0.0.0/+8",
            "10.0.0.0/-1",
            "10.0.0.0/8/8",
            "10.0.0.1/8",
            "10.0.0/8",
            "0.0.0.0/0",
            "::/0",
            "::/129",
            "fd00::1/8",
            "[::1]/128",
            "::ffff:10.0.0.0/104",
            "localhost",
            "10.0.0.0 /8",
            "10.0.0.0/99999999999",
        ];
        for text in bad {
            assert!(Network::parse(text).is_err(), "{text}");
        }
    }
}
