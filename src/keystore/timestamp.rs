//! Times in key records.

use std::fmt;

use jiff::civil::DateTime;
use jiff::tz::Offset;
use serde::de::{self, Deserializer, Visitor};
use serde::{Deserialize, Serialize, Serializer};

use crate::policy::UnixSeconds;

/// A time as key records write it: RFC 3339, in whole seconds, `Z` or an offset.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Timestamp(UnixSeconds); // INVARIANT: a year from 0 to 9999

impl Timestamp {
    /// The time that many seconds from 1970, or nothing where no four-digit year holds it.
    pub fn new(seconds: UnixSeconds) -> Option<Self> {
        let first = jiff::Timestamp::from_second(FIRST_SECOND).ok()?;
        let time = jiff::Timestamp::from_second(seconds.0).ok()?;
        (time >= first).then_some(Self(seconds))
    }

    /// The time that is written as `text`, or nothing.
    pub fn parse(text: &str) -> Option<Self> {
        let (date_time, offset) = text.as_bytes().split_at_checked("0000-00-00T00:00:00".len())?;
        let [y0, y1, y2, y3, b'-', m0, m1, b'-', d0, d1, b'T', time @ ..] = date_time else {
            return None;
        };
        let [h0, h1, b':', n0, n1, b':', s0, s1] = time else { return None };
        let year = i16::from(two_digits(*y0, *y1)?) * 100 + i16::from(two_digits(*y2, *y3)?);
        let date_time = DateTime::new(
            year,
            two_digits(*m0, *m1)?,
            two_digits(*d0, *d1)?,
            two_digits(*h0, *h1)?,
            two_digits(*n0, *n1)?,
            two_digits(*s0, *s1)?,
            0,
        );
        let local = Offset::UTC.to_timestamp(date_time.ok()?).ok()?.as_second();
        Self::new(UnixSeconds(local - seconds_east(offset)?))
    }

    /// As the decision core counts.
    pub fn seconds(self) -> UnixSeconds {
        self.0
    }
}

fn two_digits(tens: u8, ones: u8) -> Option<i8> {
    let both = tens.is_ascii_digit() && ones.is_ascii_digit();
    both.then(|| ((tens - b'0') * 10 + (ones - b'0')) as i8)
}

/// `Z`, `+02:00` or `-02:00`
fn seconds_east(offset: &[u8]) -> Option<i64> {
    let (sign, h0, h1, m0, m1) = match offset {
        b"Z" => return Some(0),
        [b'+', h0, h1, b':', m0, m1] => (1, h0, h1, m0, m1),
        [b'-', h0, h1, b':', m0, m1] => (-1, h0, h1, m0, m1),
        _ => return None,
    };
    let (hours, minutes) = (two_digits(*h0, *h1)?, two_digits(*m0, *m1)?);
    let in_range = hours < 24 && minutes < 60;
    in_range.then(|| sign * (i64::from(hours) * 3_600 + i64::from(minutes) * 60))
}

/// 0000-01-01T00:00:00Z
const FIRST_SECOND: i64 = -62_167_219_200;

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match jiff::Timestamp::from_second(self.0.0) {
            Ok(time) => write!(f, "{time}"),
            Err(_) => Err(fmt::Error),
        }
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(TimestampVisitor)
    }
}

struct TimestampVisitor;

impl Visitor<'_> for TimestampVisitor {
    type Value = Timestamp;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a time such as \"2027-02-18T10:00:00Z\"")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Timestamp, E> {
        Timestamp::parse(text).ok_or_else(|| {
            E::custom(format!(
                "`{text}` is not a time in whole seconds such as `2027-02-18T10:00:00Z`"
            ))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_rfc_3339_in_whole_seconds() {
        let cases = [
            ("1970-01-01T00:00:00Z", Some(0)),
            ("2026-11-20T10:00:00Z", Some(1_795_168_800)),
            ("2026-11-20T12:00:00+02:00", Some(1_795_168_800)),
            ("2026-11-20T08:00:00-02:00", Some(1_795_168_800)),
            ("2024-02-29T00:00:00Z", Some(1_709_164_800)),
            ("0000-01-01T00:00:00Z", Some(FIRST_SECOND)),
            ("0000-01-01T00:00:00+01:00", None),
            ("2026-02-29T00:00:00Z", None),
            ("2026-11-20T10:00:00.5Z", None),
            ("2026-11-20T10:00:00", None),
            ("2026-11-20 10:00:00Z", None),
            ("2026-11-20T10:00:00z", None),
            ("2026-11-20T24:00:00Z", None),
            ("2026-11-20T10:00:00+25:99", None),
            ("2026-11-20T10:00:00Z[UTC]", None),
            ("2026-11-20", None),
            ("tomorrow", None),
            ("ümlautümlautümlaut", None),
            ("", None),
        ];
        for (text, expected) in cases {
            let time = Timestamp::parse(text);
            assert_eq!(time.map(|time| time.seconds().0), expected, "{text}");
            if text.ends_with('Z') {
                assert_eq!(time.map_or(text.to_owned(), |time| time.to_string()), text);
            }
        }
    }
}
