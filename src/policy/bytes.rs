//! Bytes of short texts, eight at a time: this is on every request's path, and a loop of single
//! bytes that the compiler is left to widen does so for long texts only.

/// Eight bytes in the order of a text, the first one lowest.
#[derive(Debug, Clone, Copy)]
pub(super) struct Eight(u64);

/// The highest bit of each byte: a set of some of eight bytes is these bits of theirs.
const EACH: u64 = 0x8080_8080_8080_8080;

impl Eight {
    fn new(bytes: &[u8; 8]) -> Self {
        Self(u64::from_le_bytes(*bytes))
    }

    /// Which bytes are from `low`, which is not 0, to `high`, both of them ASCII.
    pub(super) const fn within(self, low: u8, high: u8) -> u64 {
        let seven = self.0 & !EACH;
        let reach_low = seven + Self::all(0x80 - low);
        let beyond_high = seven + Self::all(0x7f - high);
        reach_low & !beyond_high & !self.0 & EACH
    }

    pub(super) const fn equal(self, byte: u8) -> u64 {
        self.within(byte, byte)
    }

    /// Which bytes are ASCII letters.
    pub(super) const fn letters(self) -> u64 {
        Self(self.0 | Self::all(0x20)).within(b'a', b'z')
    }

    const fn all(byte: u8) -> u64 {
        u64::from_le_bytes([byte; 8])
    }
}

/// Whether every byte of a text is among those that `are_good` picks of eight. Beside them it is
/// given the eight that are one further on; after a text's last byte comes one that is not ASCII.
pub(super) fn all_good(text: &[u8], are_good: impl Fn(Eight, Eight) -> u64) -> bool {
    let (last, there) = match text.last_chunk() {
        Some(last) => (u64::from_le_bytes(*last), EACH),
        None => {
            let last = text.iter().rev().fold(0, |last, byte| last << 8 | u64::from(*byte));
            (last | u64::MAX << (8 * text.len()), EACH & !(u64::MAX << (8 * text.len())))
        }
    };
    // All but the last eight, and of these as many as there are eights before.
    let after = text.get(1..).unwrap_or_default();
    let pairs = text.as_chunks().0.iter().zip(after.as_chunks().0);
    let good = pairs
        .fold(EACH, |good, (bytes, next)| good & are_good(Eight::new(bytes), Eight::new(next)));
    let good_last = are_good(Eight(last), Eight(last >> 8 | 0xff << 56));
    good & (good_last | !there) & EACH == EACH
}

/// Where the first `byte`, which is ASCII and not 0, of a text is.
pub(super) fn position(text: &[u8], byte: u8) -> Option<usize> {
    let found = |bytes: &[u8; 8]| Eight::new(bytes).equal(byte);
    let at = |found: u64| (found.trailing_zeros() / 8) as usize;
    let Some(last) = text.last_chunk() else { return text.iter().position(|one| *one == byte) };
    for (number, bytes) in text.as_chunks().0.iter().enumerate() {
        match found(bytes) {
            0 => {}
            found => return Some(number * 8 + at(found)),
        }
    }
    match found(last) {
        0 => None,
        found => Some(text.len() - 8 + at(found)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn eight_bytes_are_told_as_each_of_them() {
        for byte in u8::MIN..=u8::MAX {
            let told = |set: u64| {
                assert!(set == 0 || set == EACH, "{byte}");
                set == EACH
            };
            let eight = Eight::new(&[byte; 8]);
            assert_eq!(told(eight.letters()), byte.is_ascii_alphabetic(), "{byte}");
            assert_eq!(told(eight.within(b'-', b'9')), (b'-'..=b'9').contains(&byte), "{byte}");
            assert_eq!(told(eight.equal(b'~')), byte == b'~', "{byte}");
        }
    }

    #[test]
    fn every_byte_is_looked_at() {
        for length in 0..70 {
            let text = vec![b'a'; length];
            assert!(all_good(&text, |bytes, _| bytes.equal(b'a')), "{length}");
            assert_eq!(position(&text, b'b'), None, "{length}");
            for at in 0..length {
                let mut text = text.clone();
                for other in [b'b', 0, 0xff] {
                    text[at] = other;
                    assert!(!all_good(&text, |bytes, _| bytes.equal(b'a')), "{at} of {length}");
                    let next_is_good =
                        all_good(&text, |_, next| next.equal(b'a') | !next.letters());
                    assert_eq!(next_is_good, at == 0 || other != b'b', "{at} of {length}");
                }
                text[at] = b'b';
                assert_eq!(position(&text, b'b'), Some(at), "{at} of {length}");
            }
        }
    }
}
