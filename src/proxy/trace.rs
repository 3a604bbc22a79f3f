//! The ids under which a request is found again: `X-Request-Id` and W3C `traceparent`.

use arrayvec::ArrayString;

use super::fields::{Fields, text};
use super::headers::folds_to;
use super::protocols;
use crate::telemetry::Spans;

/// Bytes of a traceparent of version 00.
const LENGTH: usize = 55;

/// A traceparent of version 00.
type Parent = ArrayString<LENGTH>;

/// The ids of one request, kept where the client sent valid ones, else made.
#[derive(Debug, Clone)]
pub(super) struct Trace {
    id: RequestId,
    /// As it goes on: the client's own, unless there is a span of ours in between.
    traceparent: Parent,
    /// The client's span, where there is one of ours.
    parent: Option<u64>,
    is_continued: bool,
    is_exported: bool,
}

/// Where a request's id stands. Most have none of their own, and nothing is allocated for it.
#[derive(Debug, Clone)]
enum RequestId {
    Sent(Box<str>),
    /// That of its trace, which is as new.
    OfTrace,
    Made(ArrayString<32>),
}

impl Trace {
    pub(super) fn of(fields: &Fields, random: &mut fastrand::Rng, spans: Option<&Spans>) -> Self {
        let sent = fields
            .one("x-request-id")
            .filter(|value| is_request_id(value) && !is_credential(fields, value))
            .and_then(text);
        let continued = fields.one("traceparent").and_then(known);
        let is_continued = continued.is_some();
        let id = match sent {
            Some(id) => RequestId::Sent(id.into()),
            // Its trace may have others.
            None if is_continued => RequestId::Made(digits(random)),
            None => RequestId::OfTrace,
        };
        let traceparent = continued.unwrap_or_else(|| {
            let ratio = spans.map_or(0.0, Spans::ratio);
            let is_sampled = ratio > 0.0 && random.f64() < ratio;
            made(random, is_sampled)
        });
        let mut trace = Self { id, traceparent, parent: None, is_continued, is_exported: false };
        if spans.is_some() && trace.is_sampled() {
            trace.is_exported = true;
            trace.begin_span(random);
        }
        trace
    }

    pub(super) fn request_id(&self) -> &str {
        match &self.id {
            RequestId::Sent(id) => id,
            RequestId::OfTrace => self.trace_id(),
            RequestId::Made(id) => id,
        }
    }

    pub(super) fn traceparent(&self) -> &str {
        &self.traceparent
    }

    pub(super) fn trace_id(&self) -> &str {
        self.traceparent.get(3..35).unwrap_or_default()
    }

    pub(super) fn parent(&self) -> Option<u64> {
        self.parent
    }

    /// Whether the client's trace goes on, and with it what it says of it (`tracestate`).
    pub(super) fn is_continued(&self) -> bool {
        self.is_continued
    }

    /// Whether a collector gets a span of it.
    pub(super) fn is_exported(&self) -> bool {
        self.is_exported
    }

    fn is_sampled(&self) -> bool {
        is_sampled(self.traceparent.as_bytes())
    }

    /// Puts a span of ours between the client's and what comes behind; one that was made is ours.
    fn begin_span(&mut self, random: &mut fastrand::Rng) {
        if !self.is_continued {
            return;
        }
        let digits = self.traceparent.get(36..52).unwrap_or_default();
        self.parent = u64::from_str_radix(digits, 16).ok();
        let mut bytes = [b'0'; LENGTH];
        bytes.copy_from_slice(self.traceparent.as_bytes());
        if let Some(place) = bytes.get_mut(36..52) {
            place.copy_from_slice(&hex(random.u64(..) | 1));
        }
        self.traceparent = string(&bytes);
    }
}

/// A new trace.
fn made(random: &mut fastrand::Rng, is_sampled: bool) -> Parent {
    // Flags 00: nobody has decided to record it. An id of zeros is none: the last bit is set.
    let mut bytes = match is_sampled {
        false => *b"00-................................-................-00",
        true => *b"00-................................-................-01",
    };
    let (trace, span) = ([random.u64(..), random.u64(..) | 1], random.u64(..) | 1);
    for (at, bits) in [(3, trace[0]), (19, trace[1]), (36, span)] {
        if let Some(place) = bytes.get_mut(at..at + 16) {
            place.copy_from_slice(&hex(bits));
        }
    }
    string(&bytes)
}

/// The id of a request.
fn digits(random: &mut fastrand::Rng) -> ArrayString<32> {
    let mut bytes = [0; 32];
    let (high, low) = bytes.split_at_mut(16);
    high.copy_from_slice(&hex(random.u64(..)));
    low.copy_from_slice(&hex(random.u64(..)));
    string(&bytes)
}

fn string<const N: usize>(bytes: &[u8; N]) -> ArrayString<N> {
    ArrayString::from_byte_string(bytes).unwrap_or_default()
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

/// A key that was sent as an id, too, would be logged; whichever of several it is.
fn is_credential(fields: &Fields, id: &[u8]) -> bool {
    let is_key = |(name, value): (&[u8], &[u8])| {
        (name == b"authorization" || folds_to(name, "x-api-key"))
            && value
                .split(|byte| matches!(byte, b' ' | b'\t' | b','))
                .any(|part| part.ends_with(id))
    };
    fields.iter().any(is_key) || protocols::has(fields, id)
}

fn is_request_id(bytes: &[u8]) -> bool {
    (1..=128).contains(&bytes.len())
        && !bytes.starts_with(b"sg_")
        && bytes.iter().all(|b| b.is_ascii_alphanumeric() || b"-_.:=+/@".contains(b))
}

/// Whether somebody has decided to record it: the last bit of the flags (§3.2.2.5.1).
fn is_sampled(traceparent: &[u8]) -> bool {
    let last = traceparent.last().and_then(|digit| char::from(*digit).to_digit(16));
    last.is_some_and(|flags| flags & 1 == 1)
}

/// The client's traceparent, if it is one (W3C Trace Context §3.2): of version 00 as it is; of a later
/// one what 00 knows of it (§4.3), with nothing said of what it does not know.
fn known(bytes: &[u8]) -> Option<Parent> {
    let (first, rest) = bytes.split_at_checked(LENGTH)?;
    let shape = first.iter().enumerate().all(|(at, byte)| match at {
        2 | 35 | 52 => *byte == b'-',
        _ => byte.is_ascii_digit() || (b'a'..=b'f').contains(byte),
    });
    let zero = |from: usize, to: usize| {
        first.get(from..to).is_none_or(|digits| digits.iter().all(|digit| *digit == b'0'))
    };
    if !shape || zero(3, 35) || zero(36, 52) {
        return None;
    }
    match (first.get(..2)?, rest) {
        (b"00", []) => Some(string(first.try_into().ok()?)),
        (b"00" | b"ff", _) => None,
        (_, [] | [b'-', ..]) => {
            let mut text = [0; LENGTH];
            text.copy_from_slice(first);
            let sampled = is_sampled(&text);
            text.get_mut(..2)?.copy_from_slice(b"00");
            text.get_mut(53..)?.copy_from_slice(if sampled { b"01" } else { b"00" });
            Some(string(&text))
        }
        _ => None,
    }
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
            ("ok", "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01", true, false),
            ("ok", "00-0AF7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", true, false),
            ("ok", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-x", true, false),
            ("ok", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-0", true, false),
            ("ok", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-0g", true, false),
            ("ok", "0-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", true, false),
            ("ok", "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", true, false),
            ("ok", "01-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01.x", true, false),
        ];
        let mut random = fastrand::Rng::with_seed(7);
        for (id, parent, keeps_id, keeps_parent) in cases {
            let mut fields = Fields::default();
            fields.add("x-request-id", id);
            fields.add("traceparent", parent);
            let trace = Trace::of(&fields, &mut random, None);
            assert_eq!(trace.request_id() == id, keeps_id, "{id:?}");
            assert_eq!(trace.traceparent() == parent, keeps_parent, "{parent:?}");
            assert_eq!(trace.is_continued(), keeps_parent, "{parent:?}");
            let (parent, id) = (trace.traceparent().as_bytes(), trace.request_id().as_bytes());
            assert!(known(parent).is_some() && is_request_id(id));
            assert_eq!((trace.trace_id().len(), trace.is_exported()), (32, false));
            assert!(keeps_id || !keeps_parent || trace.request_id() != trace.trace_id());
        }
        let bare = Trace::of(&Fields::default(), &mut random, None);
        assert_eq!(bare.request_id(), bare.trace_id());
    }

    #[test]
    fn a_key_is_no_id_wherever_it_stands() {
        for sent in [
            &[("authorization", "Bearer the-key")][..],
            &[("authorization", "Bearer zz"), ("authorization", "Bearer the-key")],
            &[("x-api-key", "zz"), ("x-api-key", "the-key")],
            &[("x_api_key", "the-key")],
            &[("authorization", "Bearer the-key x")],
            &[("sec-websocket-protocol", "bearer, the-key")],
        ] {
            let mut fields = Fields::default();
            fields.add("x-request-id", "the-key");
            sent.iter().for_each(|(name, value)| fields.add(name, value));
            let trace = Trace::of(&fields, &mut fastrand::Rng::with_seed(7), None);
            assert_ne!(trace.request_id(), "the-key", "{sent:?}");
        }
    }

    #[test]
    fn of_a_later_version_goes_on_what_is_known_of_it() {
        for (sent, flags) in [
            ("01-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", "01"),
            ("fe-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-ff-and-more", "01"),
            ("cc-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-02", "00"),
        ] {
            let mut fields = Fields::default();
            fields.add("traceparent", sent);
            let trace = Trace::of(&fields, &mut fastrand::Rng::with_seed(7), None);
            let expected = format!("{}{flags}", GOOD.strip_suffix("01").unwrap());
            assert_eq!((trace.traceparent(), trace.is_continued()), (&*expected, true), "{sent}");
        }
    }

    #[test]
    fn of_two_none_is_continued() {
        let mut fields = Fields::default();
        fields.add("traceparent", GOOD);
        fields.add("traceparent", GOOD);
        let trace = Trace::of(&fields, &mut fastrand::Rng::with_seed(7), None);
        assert!(!trace.is_continued() && trace.traceparent() != GOOD);
    }
}
