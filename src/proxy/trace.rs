//! The ids under which a request is found again: `X-Request-Id` and W3C `traceparent`.

use bytes::Bytes;

use super::fields::Fields;
use super::protocols;

/// The ids of one request, kept where the client sent valid ones, else made.
#[derive(Debug, Clone)]
pub(super) struct Trace {
    request_id: Bytes,
    traceparent: Bytes,
}

impl Trace {
    pub(super) fn of(fields: &Fields, random: &mut fastrand::Rng) -> Self {
        let request_id = fields
            .one("x-request-id")
            .filter(|value| is_request_id(value) && !is_credential(fields, value));
        let traceparent = fields.one("traceparent").filter(|value| is_traceparent(value));
        if let (Some(request_id), Some(traceparent)) = (request_id, traceparent) {
            let (request_id, traceparent) =
                (Bytes::copy_from_slice(request_id), Bytes::copy_from_slice(traceparent));
            return Self { request_id, traceparent };
        }
        let made = Made::new(random);
        Self {
            request_id: request_id.map_or_else(|| made.request_id(), Bytes::copy_from_slice),
            traceparent: traceparent.map_or_else(|| made.traceparent(), Bytes::copy_from_slice),
        }
    }

    pub(super) fn request_id(&self) -> &str {
        std::str::from_utf8(&self.request_id).unwrap_or_default()
    }

    pub(super) fn traceparent(&self) -> &str {
        std::str::from_utf8(&self.traceparent).unwrap_or_default()
    }

    pub(super) fn trace_id(&self) -> &str {
        self.traceparent().get(3..35).unwrap_or_default()
    }
}

/// A traceparent whose trace id is the request's id, too: one text, one allocation.
struct Made(Bytes);

impl Made {
    fn new(random: &mut fastrand::Rng) -> Self {
        // Flags 00: nobody has decided to record it. An id of zeros is none: the last bit is set.
        let mut text = *b"00-................................-................-00";
        let (trace, span) = ([random.u64(..), random.u64(..) | 1], random.u64(..) | 1);
        for (at, bits) in [(3, trace[0]), (19, trace[1]), (36, span)] {
            if let Some(place) = text.get_mut(at..at + 16) {
                place.copy_from_slice(&hex(bits));
            }
        }
        Self(Bytes::copy_from_slice(&text))
    }

    fn request_id(&self) -> Bytes {
        self.0.slice(3..35)
    }

    fn traceparent(&self) -> Bytes {
        self.0.clone()
    }
}

/// Sixteen hex digits, eight at a time: nibbles are spread to bytes, and a byte above nine is moved
/// on to the letters.
fn hex(bits: u64) -> [u8; 16] {
    let eight = |half: u32| {
        let mut nibbles = u64::from(half);
        nibbles = (nibbles | nibbles << 16) & 0x0000_FFFF_0000_FFFF;
        nibbles = (nibbles | nibbles << 8) & 0x00FF_00FF_00FF_00FF;
        nibbles = (nibbles | nibbles << 4) & 0x0F0F_0F0F_0F0F_0F0F;
        let letters = (nibbles + 0x0606_0606_0606_0606) >> 4 & 0x0101_0101_0101_0101;
        (nibbles + 0x3030_3030_3030_3030 + letters * 0x27).to_be_bytes()
    };
    let mut digits = [0; 16];
    let (high, low) = digits.split_at_mut(8);
    high.copy_from_slice(&eight((bits >> 32) as u32));
    low.copy_from_slice(&eight(bits as u32));
    digits
}

/// A key that was sent as an id, too, would be logged.
fn is_credential(fields: &Fields, id: &[u8]) -> bool {
    ["authorization", "x-api-key"]
        .iter()
        .any(|name| fields.get(name).is_some_and(|value| value.ends_with(id)))
        || protocols::has(fields, id)
}

fn is_request_id(bytes: &[u8]) -> bool {
    (1..=128).contains(&bytes.len())
        && !bytes.starts_with(b"sg_")
        && bytes.iter().all(|b| b.is_ascii_alphanumeric() || b"-_.:=+/@".contains(b))
}

/// W3C Trace Context §3.2, version 00; later versions may be longer and are begun anew.
fn is_traceparent(bytes: &[u8]) -> bool {
    let shape = bytes.iter().enumerate().all(|(at, byte)| match at {
        2 | 35 | 52 => *byte == b'-',
        _ => byte.is_ascii_digit() || (b'a'..=b'f').contains(byte),
    });
    let zero = |from: usize, to: usize| {
        bytes.get(from..to).is_none_or(|digits| digits.iter().all(|digit| *digit == b'0'))
    };
    bytes.len() == 55 && bytes.starts_with(b"00-") && shape && !zero(3, 35) && !zero(36, 52)
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

    proptest::proptest! {
        #[test]
        fn hex_is_that_of_the_standard_library(bits: u64) {
            proptest::prop_assert_eq!(hex(bits).to_vec(), format!("{bits:016x}").into_bytes());
        }
    }

    #[test]
    fn valid_ids_are_kept_and_others_made() {
        let cases = [
            ("abc-1", GOOD, true, true),
            ("", GOOD, false, true),
            ("a b", "00-x", false, false),
            ("ok", "00-00000000000000000000000000000000-b7ad6b7169203331-01", true, false),
            ("ok", "01-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", true, false),
            ("ok", "00-0AF7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", true, false),
        ];
        let mut random = fastrand::Rng::with_seed(7);
        for (id, parent, keeps_id, keeps_parent) in cases {
            let mut fields = Fields::default();
            fields.add("x-request-id", id);
            fields.add("traceparent", parent);
            let trace = Trace::of(&fields, &mut random);
            assert_eq!(trace.request_id() == id, keeps_id, "{id:?}");
            assert_eq!(trace.traceparent == parent, keeps_parent, "{parent:?}");
            assert!(is_traceparent(&trace.traceparent) && is_request_id(&trace.request_id));
            assert_eq!(trace.trace_id().len(), 32);
        }
        let bare = Trace::of(&Fields::default(), &mut random);
        assert_eq!(bare.request_id(), bare.trace_id());
    }
}
