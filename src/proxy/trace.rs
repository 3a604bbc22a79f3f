//! The ids under which a request is found again: `X-Request-Id` and W3C `traceparent`.

use bytes::Bytes;
use http::header::{AUTHORIZATION, HeaderMap, HeaderValue};

use super::headers::{API_KEY, REQUEST_ID, TRACEPARENT};
use super::protocols;
use crate::telemetry::Spans;

/// Bytes of a traceparent of version 00.
const LENGTH: usize = 55;

/// The ids of one request, kept where the client sent valid ones, else made.
#[derive(Debug, Clone)]
pub(super) struct Trace {
    request_id: HeaderValue,
    /// As it goes on: the client's own, unless there is a span of ours in between.
    traceparent: HeaderValue,
    /// The client's span, where there is one of ours.
    parent: Option<u64>,
    is_continued: bool,
    is_exported: bool,
}

impl Trace {
    pub(super) fn of(
        headers: &HeaderMap,
        random: &mut fastrand::Rng,
        spans: Option<&Spans>,
    ) -> Self {
        let request_id = one(headers, &REQUEST_ID)
            .filter(|value| is_request_id(value) && !is_credential(headers, value));
        let traceparent = one(headers, &TRACEPARENT).and_then(known);
        let is_continued = traceparent.is_some();
        let (parent, is_exported) = (None, false);
        let mut trace = match (request_id, traceparent) {
            (Some(request_id), Some(traceparent)) => {
                let request_id = request_id.clone();
                Self { request_id, traceparent, parent, is_continued, is_exported }
            }
            (request_id, traceparent) => {
                let ratio = spans.map_or(0.0, Spans::ratio);
                let is_sampled = !is_continued && ratio > 0.0 && random.f64() < ratio;
                let made = Made::new(random, is_sampled);
                Self {
                    request_id: request_id.cloned().unwrap_or_else(|| made.request_id()),
                    traceparent: traceparent.unwrap_or_else(|| made.traceparent()),
                    parent,
                    is_continued,
                    is_exported,
                }
            }
        };
        if spans.is_some() && trace.is_sampled() {
            trace.is_exported = true;
            trace.begin_span(random);
        }
        trace
    }

    pub(super) fn request_id(&self) -> &str {
        self.request_id.to_str().unwrap_or_default()
    }

    pub(super) fn traceparent(&self) -> &str {
        self.traceparent.to_str().unwrap_or_default()
    }

    pub(super) fn request_id_value(&self) -> HeaderValue {
        self.request_id.clone()
    }

    pub(super) fn trace_id(&self) -> &str {
        self.traceparent().get(3..35).unwrap_or_default()
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
        let mut text = [0; LENGTH];
        text.copy_from_slice(self.traceparent.as_bytes().get(..LENGTH).unwrap_or(&[b'0'; LENGTH]));
        self.parent = text
            .get(36..52)
            .and_then(|digits| u64::from_str_radix(str::from_utf8(digits).ok()?, 16).ok());
        if let Some(place) = text.get_mut(36..52) {
            place.copy_from_slice(&hex(random.u64(..) | 1));
        }
        self.traceparent = value(Bytes::copy_from_slice(&text));
    }
}

/// A traceparent whose trace id is the request's id, too: one text, one allocation.
struct Made(Bytes);

impl Made {
    fn new(random: &mut fastrand::Rng, is_sampled: bool) -> Self {
        // Flags 00: nobody has decided to record it. An id of zeros is none: the last bit is set.
        let mut text = match is_sampled {
            false => *b"00-................................-................-00",
            true => *b"00-................................-................-01",
        };
        let (trace, span) = ([random.u64(..), random.u64(..) | 1], random.u64(..) | 1);
        for (at, bits) in [(3, trace[0]), (19, trace[1]), (36, span)] {
            if let Some(place) = text.get_mut(at..at + 16) {
                place.copy_from_slice(&hex(bits));
            }
        }
        Self(Bytes::copy_from_slice(&text))
    }

    fn request_id(&self) -> HeaderValue {
        value(self.0.slice(3..35))
    }

    fn traceparent(&self) -> HeaderValue {
        value(self.0.clone())
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

/// Only hex digits and dashes come here.
fn value(text: Bytes) -> HeaderValue {
    HeaderValue::from_maybe_shared(text).unwrap_or_else(|_| HeaderValue::from_static(""))
}

fn one<'h>(headers: &'h HeaderMap, name: &http::HeaderName) -> Option<&'h HeaderValue> {
    let mut values = headers.get_all(name).iter();
    values.next().filter(|_| values.next().is_none())
}

/// A key that was sent as an id, too, would be logged.
fn is_credential(headers: &HeaderMap, id: &HeaderValue) -> bool {
    let ends = |value: &HeaderValue| value.as_bytes().ends_with(id.as_bytes());
    [AUTHORIZATION, API_KEY].iter().any(|name| headers.get(name).is_some_and(ends))
        || protocols::has(headers, id.as_bytes())
}

fn is_request_id(value: &HeaderValue) -> bool {
    let bytes = value.as_bytes();
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
fn known(value: &HeaderValue) -> Option<HeaderValue> {
    let bytes = value.as_bytes();
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
        (b"00", []) => Some(value.clone()),
        (b"00" | b"ff", _) => None,
        (_, [] | [b'-', ..]) => {
            let mut text = [0; LENGTH];
            text.copy_from_slice(first);
            let sampled = is_sampled(&text);
            text.get_mut(..2)?.copy_from_slice(b"00");
            text.get_mut(53..)?.copy_from_slice(if sampled { b"01" } else { b"00" });
            Some(self::value(Bytes::copy_from_slice(&text)))
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
            let mut headers = HeaderMap::new();
            headers.insert(REQUEST_ID, HeaderValue::from_static(id));
            headers.insert(TRACEPARENT, HeaderValue::from_static(parent));
            let trace = Trace::of(&headers, &mut random, None);
            assert_eq!(trace.request_id() == id, keeps_id, "{id:?}");
            assert_eq!(trace.traceparent == parent, keeps_parent, "{parent:?}");
            assert_eq!(trace.is_continued(), keeps_parent, "{parent:?}");
            assert!(known(&trace.traceparent).is_some() && is_request_id(&trace.request_id));
            assert_eq!((trace.trace_id().len(), trace.is_exported()), (32, false));
        }
        let bare = Trace::of(&HeaderMap::new(), &mut random, None);
        assert_eq!(bare.request_id(), bare.trace_id());
    }

    #[test]
    fn of_a_later_version_goes_on_what_is_known_of_it() {
        for (sent, flags) in [
            ("01-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", "01"),
            ("fe-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-ff-and-more", "01"),
            ("cc-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-02", "00"),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(TRACEPARENT, HeaderValue::from_static(sent));
            let trace = Trace::of(&headers, &mut fastrand::Rng::with_seed(7), None);
            let expected = format!("{}{flags}", GOOD.strip_suffix("01").unwrap());
            assert_eq!((trace.traceparent(), trace.is_continued()), (&*expected, true), "{sent}");
        }
    }

    #[test]
    fn of_two_none_is_continued() {
        let mut headers = HeaderMap::new();
        headers.append(TRACEPARENT, HeaderValue::from_static(GOOD));
        headers.append(TRACEPARENT, HeaderValue::from_static(GOOD));
        let trace = Trace::of(&headers, &mut fastrand::Rng::with_seed(7), None);
        assert!(!trace.is_continued() && trace.traceparent() != GOOD);
    }
}
