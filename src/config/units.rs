//! Durations and sizes as operators write them: a whole number and a unit.

use std::time::Duration;

/// No timeout is longer than a day.
const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);

/// Reads `250ms`, `10s`, `1m` or `1h`: more than nothing, at most a day.
///
/// # Errors
///
/// What is wrong with `text`, to be put after it.
pub(super) fn duration(text: &str) -> Result<Duration, &'static str> {
    const FORM: &str = "is not a duration such as `250ms`, `10s`, `1m` or `1h`";
    let (number, unit) = split(text).ok_or(FORM)?;
    let milliseconds = match unit {
        "ms" => 1,
        "s" => 1000,
        "m" => 60 * 1000,
        "h" => 60 * 60 * 1000,
        _ => return Err(FORM),
    };
    let duration = number.checked_mul(milliseconds).map(Duration::from_millis);
    match duration {
        Some(Duration::ZERO) => Err("is no time at all"),
        Some(duration) if duration <= LONGEST => Ok(duration),
        _ => Err("is longer than a day"),
    }
}

/// Reads `512B`, `32KiB`, `8MiB` or `1GiB` as bytes.
///
/// # Errors
///
/// What is wrong with `text`, to be put after it.
pub(super) fn size(text: &str) -> Result<u64, &'static str> {
    const FORM: &str = "is not a size such as `512B`, `32KiB`, `8MiB` or `1GiB`";
    let (number, unit) = split(text).ok_or(FORM)?;
    let bytes = match unit {
        "B" => 1,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        _ => return Err(FORM),
    };
    number.checked_mul(bytes).ok_or("is larger than sidegate can count")
}

fn split(text: &str) -> Option<(u64, &str)> {
    let end = text.find(|c: char| !c.is_ascii_digit())?;
    let (number, unit) = text.split_at_checked(end)?;
    Some((number.parse().ok()?, unit))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations() {
        let cases = [
            ("250ms", Some(250)),
            ("10s", Some(10_000)),
            ("1m", Some(60_000)),
            ("24h", Some(86_400_000)),
            ("25h", None),
            ("0s", None),
            ("0ms", None),
            ("10", None),
            ("s", None),
            ("", None),
            ("-1s", None),
            ("1.5s", None),
            ("1 s", None),
            ("1d", None),
            ("99999999999999999999s", None),
            ("18446744073709551615h", None),
        ];
        for (text, expected) in cases {
            assert_eq!(duration(text).ok(), expected.map(Duration::from_millis), "{text}");
        }
    }

    #[test]
    fn sizes() {
        let cases = [
            ("0B", Some(0)),
            ("512B", Some(512)),
            ("32KiB", Some(32 * 1024)),
            ("8MiB", Some(8 << 20)),
            ("1GiB", Some(1 << 30)),
            ("1KB", None),
            ("1kib", None),
            ("1", None),
            ("KiB", None),
            ("-1KiB", None),
            ("18446744073709551615GiB", None),
        ];
        for (text, expected) in cases {
            assert_eq!(size(text).ok(), expected, "{text}");
        }
    }
}
