//! Where a connection comes from that a proxy passes on without speaking HTTP: its first bytes say it
//! (the PROXY protocol, version 2, `proxy-protocol.txt` of HAProxy §2.2).
//!
//! They are taken from those alone who are in `trusted_proxies`, or may write to a Unix socket's
//! file, and then have to be there, before TLS and HTTP. What they say is where the client is, and
//! nothing more: what else is written there, such as what it used of TLS, is passed over.
//!
//! INVARIANT: no byte behind them is read here.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use tokio::io::AsyncReadExt as _;

use super::door::Peer;
use super::transport::Transport;
use super::worker::Worker;
use crate::telemetry::OriginErrorKind;

const SIGNATURE: &[u8; 12] = b"\r\n\r\n\0\r\nQUIT\n";
/// The signature, a version with a command, a family with a transport, and a length.
const HEAD: usize = 16;
/// What may follow it: the longest addresses, and some kilobytes of what is passed over.
const LONGEST: usize = 4096;
/// `PP2_TYPE_CRC32C`
const CHECKSUM: u8 = 3;

/// What a header says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Origin {
    /// A client at this address.
    Address(IpAddr),
    /// A client on the proxy's own machine, without an address.
    Local,
    /// The proxy speaks for itself, as in a health check.
    Proxy,
}

/// Takes the header off a connection, and returns who is behind it.
///
/// # Errors
///
/// Why the connection is not taken.
pub(super) async fn read(
    worker: &Worker,
    transport: &mut Transport,
    peer: Peer,
) -> Result<Peer, OriginErrorKind> {
    if !peer.may_speak_for_others() {
        return Err(OriginErrorKind::Untrusted);
    }
    let header = tokio::time::timeout(worker.timeouts().handshake, header(transport));
    let header = header.await.unwrap_or(Err(OriginErrorKind::Timeout))?;
    Ok(match parse(&header)? {
        Origin::Address(address) => worker.peer(address),
        Origin::Local => Peer::local(worker.is_secure()),
        Origin::Proxy => peer,
    })
}

async fn header(transport: &mut Transport) -> Result<Vec<u8>, OriginErrorKind> {
    let mut bytes = vec![0; HEAD];
    let mut had = 0;
    while had < HEAD {
        had += more(transport, &mut bytes, had).await?;
        // Whoever speaks something else may be waiting for an answer.
        let begun = SIGNATURE.iter().zip(bytes.get(..had).unwrap_or_default());
        if begun.into_iter().any(|(expected, came)| expected != came) {
            return Err(OriginErrorKind::Missing);
        }
    }
    let length = length(&bytes)?;
    bytes.resize(HEAD + length, 0);
    while had < bytes.len() {
        had += more(transport, &mut bytes, had).await?;
    }
    Ok(bytes)
}

async fn more(
    transport: &mut Transport,
    bytes: &mut [u8],
    had: usize,
) -> Result<usize, OriginErrorKind> {
    let room = bytes.get_mut(had..).unwrap_or_default();
    match transport.read(room).await {
        Ok(0) | Err(_) => Err(OriginErrorKind::Closed),
        Ok(length) => Ok(length),
    }
}

/// How much follows a head.
fn length(head: &[u8]) -> Result<usize, OriginErrorKind> {
    let Some(&[high, low]) = head.get(HEAD - 2..HEAD) else {
        return Err(OriginErrorKind::Malformed);
    };
    let length = usize::from(u16::from_be_bytes([high, low]));
    if length > LONGEST { Err(OriginErrorKind::TooLong) } else { Ok(length) }
}

/// Reads a whole header.
fn parse(header: &[u8]) -> Result<Origin, OriginErrorKind> {
    use OriginErrorKind::{Malformed, Unknown};
    let (head, body) = header.split_at_checked(HEAD).ok_or(Malformed)?;
    let Some(&[version, family, ..]) = head.get(SIGNATURE.len()..) else { return Err(Malformed) };
    match version {
        // Nothing of the rest counts, as its sender need not fill it.
        0x20 => return Ok(Origin::Proxy),
        0x21 => {}
        _ => return Err(Malformed),
    }
    // A stream each. Who is behind any other family is not said, and nobody is guessed.
    let addresses = match family {
        0x11 => 12,
        0x21 => 36,
        0x31 => 216,
        _ => return Err(Unknown),
    };
    let (addresses, rest) = body.split_at_checked(addresses).ok_or(Malformed)?;
    check(header, header.len() - rest.len())?;
    Ok(match family {
        0x11 => Origin::Address(Ipv4Addr::from(first(addresses)?).into()),
        0x21 => Origin::Address(Ipv6Addr::from(first(addresses)?).into()),
        _ => Origin::Local,
    })
}

/// The source stands before the destination.
fn first<const LENGTH: usize>(addresses: &[u8]) -> Result<[u8; LENGTH], OriginErrorKind> {
    addresses.first_chunk().copied().ok_or(OriginErrorKind::Malformed)
}

/// Whether what stands behind the addresses, from `at`, is a list of types, lengths and values, and
/// a checksum among them is right.
fn check(header: &[u8], mut at: usize) -> Result<(), OriginErrorKind> {
    use OriginErrorKind::{Checksum, Malformed};
    while let Some(rest) = header.get(at..).filter(|rest| !rest.is_empty()) {
        let Some(&[kind, high, low]) = rest.first_chunk() else { return Err(Malformed) };
        let (start, length) = (at + 3, usize::from(u16::from_be_bytes([high, low])));
        let value = header.get(start..start + length).ok_or(Malformed)?;
        if kind == CHECKSUM {
            let said: [u8; 4] = value.try_into().map_err(|_| Malformed)?;
            let sum = crc32c(header.iter().enumerate().map(|(place, byte)| {
                // It is taken as zero for itself.
                if (start..start + length).contains(&place) { 0 } else { *byte }
            }));
            if sum != u32::from_be_bytes(said) {
                return Err(Checksum);
            }
        }
        at = start + length;
    }
    Ok(())
}

/// CRC-32C (RFC 9260 appendix A), bit by bit: a header is short, and few have one.
fn crc32c(bytes: impl Iterator<Item = u8>) -> u32 {
    const POLYNOMIAL: u32 = 0x82F6_3B78;
    !bytes.fold(!0, |sum, byte| {
        (0..8).fold(sum ^ u32::from(byte), |sum, _| {
            (sum >> 1) ^ if sum & 1 == 1 { POLYNOMIAL } else { 0 }
        })
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::OriginErrorKind::{Checksum, Malformed, TooLong, Unknown};
    use super::*;

    fn header(version: u8, family: u8, body: &[u8]) -> Vec<u8> {
        let length = u16::try_from(body.len()).unwrap().to_be_bytes();
        [&SIGNATURE[..], &[version, family], &length, body].concat()
    }

    fn v4(rest: &[u8]) -> Vec<u8> {
        [&[192, 0, 2, 7, 10, 0, 0, 1, 0x30, 0x39, 0x1f, 0x90], rest].concat()
    }

    fn tlv(kind: u8, value: &[u8]) -> Vec<u8> {
        let length = u16::try_from(value.len()).unwrap().to_be_bytes();
        [&[kind], &length[..], value].concat()
    }

    /// With a checksum that is right.
    fn summed(before: &[u8], after: &[u8]) -> Vec<u8> {
        let rest = [before, &tlv(CHECKSUM, &[0; 4]), after].concat();
        let mut header = header(0x21, 0x11, &v4(&rest));
        let sum = crc32c(header.iter().copied()).to_be_bytes();
        let at = HEAD + 12 + before.len() + 3;
        header[at..at + 4].copy_from_slice(&sum);
        header
    }

    #[test]
    fn a_header_has_one_reading() {
        let v6 = [[0xfd; 16], [1; 16]].concat();
        let v6 = |rest: &[u8]| [&v6[..], &[0, 1, 0, 2], rest].concat();
        let v4_client = Ok(Origin::Address([192, 0, 2, 7].into()));
        let v6_client = Ok(Origin::Address([0xfd; 16].into()));
        let mut wrong = summed(b"", b"");
        *wrong.last_mut().unwrap() ^= 1;
        let mut forged = summed(b"", b"");
        forged[HEAD] ^= 1;
        let cases = [
            ("ipv4", header(0x21, 0x11, &v4(b"")), v4_client),
            ("ipv6", header(0x21, 0x21, &v6(b"")), v6_client),
            ("unix", header(0x21, 0x31, &[b'x'; 216]), Ok(Origin::Local)),
            ("a local one", header(0x20, 0, b""), Ok(Origin::Proxy)),
            ("a local one, filled", header(0x20, 0x11, &v4(b"xx")), Ok(Origin::Proxy)),
            ("more", header(0x21, 0x11, &v4(&tlv(4, b"padding"))), v4_client),
            (
                "two more",
                header(0x21, 0x21, &v6(&[tlv(1, b"h2"), tlv(2, b"")].concat())),
                v6_client,
            ),
            ("a checksum", summed(b"", b""), v4_client),
            ("a checksum among others", summed(&tlv(4, &[9; 99]), &tlv(1, b"h2")), v4_client),
            ("a checksum that is wrong", wrong, Err(Checksum)),
            ("another address than was summed", forged, Err(Checksum)),
            ("half a checksum", header(0x21, 0x11, &v4(&tlv(CHECKSUM, &[0; 2]))), Err(Malformed)),
            ("version 1", header(0x11, 0x11, &v4(b"")), Err(Malformed)),
            ("version 3", header(0x31, 0x11, &v4(b"")), Err(Malformed)),
            ("a command that is none", header(0x22, 0x11, &v4(b"")), Err(Malformed)),
            ("nobody known", header(0x21, 0, b""), Err(Unknown)),
            ("udp", header(0x21, 0x12, &v4(b"")), Err(Unknown)),
            ("ipv4 without a transport", header(0x21, 0x10, &v4(b"")), Err(Unknown)),
            ("a family that is none", header(0x21, 0x41, &v4(b"")), Err(Unknown)),
            ("too few bytes", header(0x21, 0x11, &v4(b"")[..11]), Err(Malformed)),
            ("ipv4 for ipv6", header(0x21, 0x21, &v4(b"")), Err(Malformed)),
            ("half of more", header(0x21, 0x11, &v4(b"\x01\x00")), Err(Malformed)),
            ("more that is less", header(0x21, 0x11, &v4(b"\x01\x00\x05abcd")), Err(Malformed)),
        ];
        for (what, header, expected) in cases {
            assert_eq!(parse(&header), expected, "{what}");
        }
    }

    #[test]
    fn a_length_has_an_end() {
        for (said, expected) in [(0_u16, Ok(0)), (4096, Ok(4096)), (4097, Err(TooLong))] {
            let head = [&SIGNATURE[..], &[0x21, 0x11], &said.to_be_bytes()].concat();
            assert_eq!(length(&head), expected);
        }
        assert_eq!(length(b""), Err(Malformed));
    }

    #[test]
    fn the_checksum_is_castagnolis() {
        // RFC 3720 §B.4.
        for (bytes, sum) in [([0; 32], 0x8A91_36AA), ([0xFF; 32], 0x62A8_AB43)] {
            assert_eq!(crc32c(bytes.into_iter()), sum);
        }
        assert_eq!(crc32c(b"123456789".iter().copied()), 0xE306_9283);
    }

    proptest! {
        /// And whatever is sent is read to an end.
        #[test]
        fn no_bit_of_a_summed_header_can_be_turned(
            before in prop::collection::vec(any::<u8>(), 0..64), place in any::<usize>(), bit in 0..8
        ) {
            let mut header = summed(&tlv(4, &before), b"");
            prop_assert_eq!(parse(&header), Ok(Origin::Address([192, 0, 2, 7].into())));
            // The signature and the length were read before.
            let place = HEAD + place % (header.len() - HEAD);
            header[place] ^= 1_u8 << bit;
            let read = parse(&header);
            // A type or a length that is another hides the checksum; an address never changes.
            let same = Ok(Origin::Address([192, 0, 2, 7].into()));
            let is_behind = place >= HEAD + 4;
            prop_assert!(read.is_err() || is_behind && read == same, "{}: {:?}", place, read);
        }

        #[test]
        fn no_bytes_are_read_past_their_end(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            let _ = parse(&bytes);
            let _ = parse(&header(0x21, 0x11, &bytes));
        }
    }
}
