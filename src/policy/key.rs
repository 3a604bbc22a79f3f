//! The form of a key, and what is kept of it.
//!
//! `sg_<environment>_<43 base62 characters>_<6 base62 characters>`; the last six are the CRC-32 of
//! everything before them (domain.md, "Files"). A text that does not start with `sg_` is somebody
//! else's format, which we look up as it is.

use std::borrow::Cow;
use std::fmt;

use sha2::{Digest as _, Sha256};

/// Base62 in the order of ASCII.
pub const BASE62: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// Characters of a key's random part: 62^43 > 2^256.
pub const RANDOM_CHARACTERS: usize = 43;
/// Characters of a key's checksum: 62^6 > 2^32.
pub const CHECKSUM_CHARACTERS: usize = 6;
/// A text longer than this is nobody's key: 512 bytes.
pub const LONGEST_KEY: usize = 512;
/// What is shown in place of a key.
const REDACTED: &str = "sg_…";
/// Of a key that somebody cut, so many characters after `sg_` may be shown: they tell what it is,
/// and leave most of its randomness unsaid.
const TELLTALE: usize = 24;

/// A 32-byte secret under which `blake3-keyed` digests are made. Never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct Pepper([u8; 32]);

impl Pepper {
    /// The secret of exactly these bytes.
    pub fn new(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }
}

impl fmt::Debug for Pepper {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Pepper(…)")
    }
}

/// How a digest was made of a key's text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum DigestKind {
    /// `blake3:`, of the whole text.
    Blake3,
    /// `blake3-keyed:`, of the whole text under the [`Pepper`].
    Blake3Keyed,
    /// `sha256:`, of the whole text, for keys that come from elsewhere.
    Sha256,
}

impl DigestKind {
    /// Every kind, the cheapest to make first.
    pub const ALL: [Self; 3] = [Self::Blake3, Self::Blake3Keyed, Self::Sha256];

    /// The word before the colon in a key record.
    pub fn name(self) -> &'static str {
        match self {
            Self::Blake3 => "blake3",
            Self::Blake3Keyed => "blake3-keyed",
            Self::Sha256 => "sha256",
        }
    }
}

/// What a byte is as a hex digit; 0xff where it is none. A table, because a reload reads 64 a key.
#[expect(clippy::indexing_slicing, reason = "the compiler runs it, and would fail")]
const HEX: [u8; 256] = {
    let mut digits = [0xff; 256];
    let mut byte = 0;
    while byte < 256 {
        if let Some(digit) = (byte as u8 as char).to_digit(16) {
            digits[byte] = digit as u8;
        }
        byte += 1;
    }
    digits
};

/// What is kept of a key: enough to know it again, not enough to make it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyDigest {
    /// How it was made.
    pub kind: DigestKind,
    /// The 32 bytes.
    pub bytes: [u8; 32],
}

impl KeyDigest {
    /// `blake3:` of a key's text.
    pub fn blake3(text: &str) -> Self {
        Self { kind: DigestKind::Blake3, bytes: *blake3::hash(text.as_bytes()).as_bytes() }
    }

    /// `blake3-keyed:` of a key's text.
    pub fn blake3_keyed(text: &str, pepper: &Pepper) -> Self {
        let bytes = *blake3::keyed_hash(&pepper.0, text.as_bytes()).as_bytes();
        Self { kind: DigestKind::Blake3Keyed, bytes }
    }

    /// `sha256:` of a key's text.
    pub fn sha256(text: &str) -> Self {
        Self { kind: DigestKind::Sha256, bytes: Sha256::digest(text.as_bytes()).into() }
    }

    /// Reads `kind:<64 hex digits>`.
    ///
    /// # Errors
    ///
    /// In the reader's words, what is wrong with `text`.
    pub fn parse(text: &str) -> Result<Self, String> {
        let kinds = || DigestKind::ALL.map(|kind| format!("`{}:`", kind.name())).join(", ");
        let (name, hex) =
            text.split_once(':').ok_or_else(|| format!("a hash starts with one of {}", kinds()))?;
        let kind = DigestKind::ALL
            .into_iter()
            .find(|kind| kind.name() == name)
            .ok_or_else(|| format!("unknown kind of hash `{name}`, known are {}", kinds()))?;
        let wrong = || format!("a `{name}:` hash has 64 hex digits");
        if hex.len() != 64 {
            return Err(wrong());
        }
        let mut bytes = [0; 32];
        let mut wrong_digits = 0;
        for (byte, pair) in bytes.iter_mut().zip(hex.as_bytes().as_chunks::<2>().0) {
            let [high, low] =
                pair.map(|digit| HEX.get(usize::from(digit)).copied().unwrap_or(0xff));
            wrong_digits |= (high | low) & 0xf0;
            *byte = high << 4 | low & 0x0f;
        }
        if wrong_digits != 0 {
            return Err(wrong());
        }
        Ok(Self { kind, bytes })
    }
}

impl fmt::Display for KeyDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:", self.kind.name())?;
        self.bytes.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// What a byte is as a base62 digit; 0xff where it is none.
#[expect(clippy::indexing_slicing, reason = "the compiler runs it, and would fail")]
const VALUES: [u8; 256] = {
    let mut values = [0xff; 256];
    let mut digit = 0;
    while digit < BASE62.len() {
        values[BASE62[digit] as usize] = digit as u8;
        digit += 1;
    }
    values
};

/// Whether `sum` is the [`checksum`] of `body`.
fn is_checksum(sum: &str, body: &str) -> bool {
    let digits = sum.bytes().map(|byte| VALUES.get(usize::from(byte)).copied().unwrap_or(0xff));
    let read = digits.fold((0_u64, 0_u8), |(number, highest), digit| {
        (number * 62 + u64::from(digit), highest.max(digit))
    });
    // So many digits have one number each, and one that is no digit none.
    sum.len() == CHECKSUM_CHARACTERS
        && read.1 < 62
        && read.0 == u64::from(crc32fast::hash(body.as_bytes()))
}

/// The six characters that end a key whose text before them is `body` (with its last `_`).
pub fn checksum(body: &str) -> [u8; CHECKSUM_CHARACTERS] {
    let mut rest = crc32fast::hash(body.as_bytes());
    let mut characters = [b'0'; CHECKSUM_CHARACTERS];
    for character in characters.iter_mut().rev() {
        *character = BASE62.get((rest % 62) as usize).copied().unwrap_or(b'0');
        rest /= 62;
    }
    characters
}

/// Whether `text` can be a key at all: somebody else's format, or ours with a right checksum.
pub fn is_well_formed(text: &str) -> bool {
    if text.is_empty() || text.len() > LONGEST_KEY || !all(text, |b| b.is_ascii_graphic()) {
        return false;
    }
    let Some(own) = text.strip_prefix("sg_") else { return true };
    let Some((summed, sum)) = split_before_last(text, CHECKSUM_CHARACTERS) else { return false };
    let parts = split_before_last(own, RANDOM_CHARACTERS + 1 + CHECKSUM_CHARACTERS);
    let Some((Some(environment), random)) =
        parts.map(|(start, rest)| (start.strip_suffix('_'), rest))
    else {
        return false;
    };
    let Some((random, underscore)) = random.split_at_checked(RANDOM_CHARACTERS) else {
        return false;
    };
    !environment.is_empty()
        && underscore.starts_with('_')
        && all(random, |b| b.is_ascii_alphanumeric())
        && is_checksum(sum, summed)
}

/// `text` without what looks like a key of ours, whole or cut: for messages that repeat what
/// somebody wrote, who may have put a key in the wrong place.
pub fn redacted(text: &str) -> Cow<'_, str> {
    let mut shown = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("sg_") {
        let end = after.find(|c: char| !is_key_character(c)).unwrap_or(after.len());
        let (key, tail) = after.split_at_checked(end).unwrap_or((after, ""));
        shown.push_str(before);
        if key.len() > TELLTALE {
            shown.push_str(REDACTED);
        } else {
            shown.push_str("sg_");
            shown.push_str(key);
        }
        rest = tail;
    }
    if shown.is_empty() {
        return Cow::Borrowed(text);
    }
    shown.push_str(rest);
    Cow::Owned(shown)
}

/// The first key of ours in `text`, by its checksum: where it begins and ends.
pub fn find(text: &str) -> Option<std::ops::Range<usize>> {
    text.match_indices("sg_").find_map(|(start, _)| {
        let rest = text.get(start..)?;
        let end = rest.find(|c: char| !is_key_character(c)).unwrap_or(rest.len());
        is_well_formed(rest.get(..end)?).then_some(start..start + end)
    })
}

/// What a key's text has besides the name of its environment, and most of those.
fn is_key_character(character: char) -> bool {
    character.is_ascii_alphanumeric() || matches!(character, '_' | '-')
}

fn split_before_last(text: &str, characters: usize) -> Option<(&str, &str)> {
    text.split_at_checked(text.len().checked_sub(characters)?)
}

/// Whether every byte is such a one. It does not stop at the first that is not: so the compiler
/// looks at many at once, and this is on every request's path.
fn all(text: &str, is: impl Fn(u8) -> bool) -> bool {
    text.bytes().fold(true, |all, byte| all & is(byte))
}

#[cfg(test)]
#[expect(clippy::string_slice, reason = "the texts are ASCII")]
mod tests {
    use super::*;

    fn key(environment: &str, random: &str) -> String {
        let body = format!("sg_{environment}_{random}_");
        let sum = checksum(&body);
        format!("{body}{}", std::str::from_utf8(&sum).unwrap())
    }

    #[test]
    fn own_keys_need_their_checksum() {
        let random = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefg";
        let good = key("production", random);
        assert!(is_well_formed(&good));
        let mut wrong = good.clone().into_bytes();
        wrong[20] = if wrong[20] == b'x' { b'y' } else { b'x' };
        let cases = [
            (String::from_utf8(wrong).unwrap(), false),
            (format!("{good}0"), false),
            (good[..good.len() - 1].to_owned(), false),
            (key("", random), false),
            (key("production", &random[1..]), false),
            (key("production", &format!("-{}", &random[1..])), false),
            ("sg_".into(), false),
            ("sg__".into(), false),
            ("sg_a_b".into(), false),
            (String::new(), false),
            ("tk_elsewhere".into(), true),
            ("with space".into(), false),
            ("ümlaut".into(), false),
            ("x".repeat(LONGEST_KEY), true),
            ("x".repeat(LONGEST_KEY + 1), false),
        ];
        for (text, expected) in cases {
            assert_eq!(is_well_formed(&text), expected, "{text:?}");
        }
        for body in (0..1000).map(|n| format!("sg_a_{n}_")) {
            let sum = checksum(&body);
            assert!(is_checksum(std::str::from_utf8(&sum).unwrap(), &body), "{body}");
            assert!(!is_checksum("zzzzzz", &body) && !is_checksum("-00000", &body), "{body}");
        }
    }

    #[test]
    fn what_looks_like_a_key_is_not_shown() {
        let random = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefg";
        let good = key("production", random);
        let cases = [
            ("nothing of it", "nothing of it"),
            (good.as_str(), "sg_…"),
            (&format!("`{good}`: no, sg_{good}!"), "`sg_…`: no, sg_…!"),
            (&format!("x{}", &good[..40]), "xsg_…"),
            ("group `sg_analysts` and sg_", "group `sg_analysts` and sg_"),
            ("é sg_é", "é sg_é"),
        ];
        for (text, expected) in cases {
            assert_eq!(redacted(text), expected);
        }
        assert_eq!(find(&format!("é {good}.")), Some(3..3 + good.len()));
        assert_eq!(find(&format!("é {good}x")), None);
        assert_eq!(find("sg_ sg_production_short"), None);
    }

    #[test]
    fn digests_read_back_what_they_print() {
        let pepper = Pepper::new([7; 32]);
        for digest in
            [KeyDigest::blake3("a"), KeyDigest::blake3_keyed("a", &pepper), KeyDigest::sha256("a")]
        {
            assert_eq!(KeyDigest::parse(&digest.to_string()), Ok(digest));
        }
        for wrong in ["", "blake3", "md5:00", "blake3:00", &format!("sha256:{}", "g".repeat(64))] {
            assert!(KeyDigest::parse(wrong).is_err(), "{wrong}");
        }
        assert_eq!(format!("{pepper:?}"), "Pepper(…)");
    }
}
