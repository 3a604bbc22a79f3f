//! From when to when a certificate is good: the one thing that has to be read from it here.

use jiff::civil::DateTime;
use jiff::tz::Offset;

use crate::policy::UnixSeconds;

const INTEGER: u8 = 0x02;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;
const SEQUENCE: u8 = 0x30;
const VERSION: u8 = 0xA0;

/// The first and the last second of a certificate (RFC 5280 §4.1.2.5), given as DER. Nothing, where
/// it cannot be read.
pub(super) fn validity(certificate: &[u8]) -> Option<(UnixSeconds, UnixSeconds)> {
    let mut rest = certificate;
    let mut signed = value(&mut rest, SEQUENCE)?;
    let mut fields = value(&mut signed, SEQUENCE)?;
    if fields.first() == Some(&VERSION) {
        value(&mut fields, VERSION)?;
    }
    value(&mut fields, INTEGER)?; // The serial number,
    value(&mut fields, SEQUENCE)?; // the algorithm,
    value(&mut fields, SEQUENCE)?; // the issuer.
    let mut validity = value(&mut fields, SEQUENCE)?;
    Some((time(&mut validity)?, time(&mut validity)?))
}

/// Takes a value off the start of `rest`, if it has this tag.
fn value<'d>(rest: &mut &'d [u8], wanted: u8) -> Option<&'d [u8]> {
    let (tag, after) = rest.split_first()?;
    let (first, after) = after.split_first()?;
    let (length, after) = match first {
        0..=0x7F => (usize::from(*first), after),
        0x81..=0x83 => {
            let (digits, after) = after.split_at_checked(usize::from(first & 0x7F))?;
            (digits.iter().fold(0, |length, digit| length << 8 | usize::from(*digit)), after)
        }
        _ => return None,
    };
    let (value, after) = after.split_at_checked(length)?;
    *rest = after;
    (*tag == wanted).then_some(value)
}

fn time(rest: &mut &[u8]) -> Option<UnixSeconds> {
    let is_short = rest.first() == Some(&UTC_TIME);
    let text = value(rest, if is_short { UTC_TIME } else { GENERALIZED_TIME })?;
    let mut digits = text.strip_suffix(b"Z")?;
    let year = if is_short {
        let year = number(&mut digits, 2)?;
        // RFC 5280 §4.1.2.5.1
        if year < 50 { 2000 + year } else { 1900 + year }
    } else {
        number(&mut digits, 4)?
    };
    let mut next = || i8::try_from(number(&mut digits, 2)?).ok();
    let (month, day, hour, minute, second) = (next()?, next()?, next()?, next()?, next()?);
    let time = DateTime::new(year, month, day, hour, minute, second, 0).ok()?;
    let time = Offset::UTC.to_timestamp(time).ok()?;
    digits.is_empty().then_some(UnixSeconds(time.as_second()))
}

fn number(digits: &mut &[u8], count: usize) -> Option<i16> {
    let (these, rest) = digits.split_at_checked(count)?;
    *digits = rest;
    std::str::from_utf8(these).ok().filter(|text| !text.contains(['+', '-']))?.parse().ok()
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, KeyPair, date_time_ymd};

    use super::*;

    #[test]
    fn both_forms_of_time_are_read() {
        let key = KeyPair::generate().unwrap();
        for (first, last) in [((1970, 1, 1), (2049, 12, 31)), ((1999, 2, 28), (2050, 1, 1))] {
            let day = |(year, month, day): (i32, u8, u8)| {
                let seconds = date_time_ymd(year, month, day).unix_timestamp();
                (date_time_ymd(year, month, day), UnixSeconds(seconds))
            };
            let mut params = CertificateParams::default();
            params.not_before = day(first).0;
            params.not_after = day(last).0;
            let der = params.self_signed(&key).unwrap().der().to_vec();
            assert_eq!(validity(&der), Some((day(first).1, day(last).1)));
            for cut in 0..der.len().min(120) {
                assert_eq!(validity(&der[..cut]), None, "{cut}");
            }
        }
    }
}
