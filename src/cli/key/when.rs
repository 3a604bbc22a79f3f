//! Times on the command line.

use std::str::FromStr;

use crate::keystore::Timestamp;
use crate::policy::UnixSeconds;

/// A time from now, or a date.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::cli) enum When {
    /// That many seconds from now.
    After(i64),
    /// At that time; a date alone is its first second in UTC.
    At(Timestamp),
}

impl When {
    /// The time meant, or nothing where no four-digit year holds it.
    pub(in crate::cli) fn from(self, now: UnixSeconds) -> Option<Timestamp> {
        match self {
            Self::After(seconds) => Timestamp::new(UnixSeconds(now.0.checked_add(seconds)?)),
            Self::At(time) => Some(time),
        }
    }
}

/// A time from now that has passed: how long ago something was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Ago(i64); // INVARIANT: seconds, not negative

impl Ago {
    /// The time meant, or nothing where no four-digit year holds it.
    pub(super) fn from(self, now: UnixSeconds) -> Option<Timestamp> {
        Timestamp::new(UnixSeconds(now.0.checked_sub(self.0)?))
    }
}

impl FromStr for Ago {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        span(text).map(Self)
    }
}

/// Seconds, roughly, as arguments write them: `40d`, `3h`; what is less than an hour in minutes.
pub(super) fn rough(seconds: i64) -> String {
    match seconds {
        86_400.. => format!("{}d", seconds / 86_400),
        3_600.. => format!("{}h", seconds / 3_600),
        _ => format!("{}m", seconds / 60),
    }
}

impl FromStr for When {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        after(text)
            .map(Self::After)
            .or_else(|| Timestamp::parse(text).map(Self::At))
            .or_else(|| Timestamp::parse(&format!("{text}T00:00:00Z")).map(Self::At))
            .ok_or_else(|| {
                "it is neither a time from now (12h, 90d, 6w) nor a date (2027-02-18, \
                 2027-02-18T10:00:00Z)"
                    .to_owned()
            })
    }
}

/// A span of time such as `90d`, in seconds.
pub(in crate::cli) fn span(text: &str) -> Result<i64, String> {
    let wrong = || "it is not a span of time such as 12h, 90d or 6w".to_owned();
    after(text).ok_or_else(wrong)
}

fn after(text: &str) -> Option<i64> {
    const UNITS: [(char, i64); 3] = [('h', 3_600), ('d', 86_400), ('w', 604_800)];
    UNITS.into_iter().find_map(|(unit, seconds)| {
        let digits = text.strip_suffix(unit)?;
        let plain = digits.bytes().all(|digit| digit.is_ascii_digit());
        plain.then(|| digits.parse::<i64>().ok())??.checked_mul(seconds)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_rough() {
        let cases =
            [(0, "0m"), (3_599, "59m"), (3_600, "1h"), (86_399, "23h"), (8_640_000, "100d")];
        for (seconds, expected) in cases {
            assert_eq!(rough(seconds), expected);
        }
        let ago = |text: &str| text.parse::<Ago>().ok()?.from(UnixSeconds(1_000_000));
        assert_eq!(ago("1h").map(|time| time.seconds().0), Some(996_400));
        assert_eq!((ago("2026-11-20"), ago("-1h"), ago("99999999w")), (None, None, None));
    }

    #[test]
    fn times_are_from_now_or_dates() {
        let cases = [
            ("12h", Some(1_043_200)),
            ("90d", Some(8_776_000)),
            ("6w", Some(4_628_800)),
            ("0d", Some(1_000_000)),
            ("1970-01-02", Some(86_400)),
            ("1970-01-02T00:00:01Z", Some(86_401)),
            ("1970-01-02T00:00:01+01:00", Some(82_801)),
            ("6m", None),
            ("-1d", None),
            ("+1d", None),
            ("d", None),
            ("1.5d", None),
            ("99999999999999999999d", None),
            ("9999999999d", None),
            ("1970-13-02", None),
            ("tomorrow", None),
            ("", None),
        ];
        for (text, expected) in cases {
            let time = text.parse::<When>().ok().and_then(|when| when.from(UnixSeconds(1_000_000)));
            assert_eq!(time.map(|time| time.seconds().0), expected, "{text}");
        }
    }
}
