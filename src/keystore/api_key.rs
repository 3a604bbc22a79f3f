//! The text of a key, from the moment it is made to the moment it has been shown.

use std::fmt;

use zeroize::Zeroizing;

use crate::policy::key::{
    BASE62, CHECKSUM_CHARACTERS, DigestKind, KeyDigest, Pepper, RANDOM_CHARACTERS, checksum,
    is_well_formed,
};

/// A key's text. Wiped from memory when dropped, and redacted in `Debug`.
pub struct ApiKey(Zeroizing<String>); // INVARIANT: `is_well_formed`

impl ApiKey {
    /// A new key of `environment`, with 256 bits from the system's source of randomness.
    ///
    /// # Errors
    ///
    /// The source of randomness failed, or the name of the environment cannot stand in a key.
    pub fn generate(environment: &str) -> Result<Self, String> {
        let mut random = Zeroizing::new([0; 32]);
        getrandom::fill(random.as_mut_slice())
            .map_err(|error| format!("no randomness from the system: {error}"))?;
        Self::parse(assemble(environment, &random)).map_err(|_| {
            let environment = environment.escape_debug();
            format!("the environment `{environment}` cannot stand in a key: it is no plain word")
        })
    }

    /// The key that somebody sent, in our format or any other.
    ///
    /// # Errors
    ///
    /// In the reader's words, why `text` cannot be a key. The text itself is not in them.
    pub fn parse(text: Zeroizing<String>) -> Result<Self, &'static str> {
        if is_well_formed(&text) {
            Ok(Self(text))
        } else if text.is_empty() {
            Err("there is no key, only an empty line")
        } else if text.starts_with("sg_") {
            Err("this is not a whole key of ours: its form or checksum is wrong")
        } else {
            Err("a key has at most 512 visible ASCII characters, without spaces")
        }
    }

    /// The text, for the one place that shows it.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// What is kept of the key: under the pepper, where there is one.
    pub fn digest(&self, pepper: Option<&Pepper>) -> KeyDigest {
        match pepper {
            Some(pepper) => KeyDigest::blake3_keyed(&self.0, pepper),
            None => KeyDigest::blake3(&self.0),
        }
    }

    /// Its digest of that kind; nothing where that needs a pepper and there is none.
    pub fn digest_of(&self, kind: DigestKind, pepper: Option<&Pepper>) -> Option<KeyDigest> {
        match kind {
            DigestKind::Blake3 => Some(self.digest(None)),
            DigestKind::Blake3Keyed => pepper.map(|pepper| self.digest(Some(pepper))),
            DigestKind::Sha256 => Some(self.sha256()),
        }
    }

    /// What is kept of a key that comes from a system that hashes with SHA-256.
    pub fn sha256(&self) -> KeyDigest {
        KeyDigest::sha256(&self.0)
    }
}

impl fmt::Debug for ApiKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ApiKey(…)")
    }
}

fn assemble(environment: &str, random: &[u8; 32]) -> Zeroizing<String> {
    // Room for all of it at once: a string that grows leaves copies of itself behind.
    let length = environment.len() + RANDOM_CHARACTERS + CHECKSUM_CHARACTERS + 5;
    let mut text = Zeroizing::new(String::with_capacity(length));
    text.push_str("sg_");
    text.push_str(environment);
    text.push('_');
    text.extend(base62(random).iter().map(|digit| char::from(*digit)));
    text.push('_');
    let sum = checksum(&text);
    text.extend(sum.map(char::from));
    text
}

/// The 256-bit number whose bytes are `bytes`, the highest first, in 43 digits.
fn base62(bytes: &[u8; 32]) -> Zeroizing<[u8; RANDOM_CHARACTERS]> {
    let mut number = Zeroizing::new(*bytes);
    let mut digits = Zeroizing::new([b'0'; RANDOM_CHARACTERS]);
    for digit in digits.iter_mut().rev() {
        let mut rest = 0_u32;
        for byte in number.iter_mut() {
            let dividend = rest << 8 | u32::from(*byte);
            *byte = (dividend / 62) as u8;
            rest = dividend % 62;
        }
        *digit = BASE62.get(rest as usize).copied().unwrap_or(b'0');
    }
    digits
}

#[cfg(test)]
mod tests {
    use super::*;

    fn number(low: u64) -> [u8; 32] {
        let mut bytes = [0; 32];
        bytes[24..].copy_from_slice(&low.to_be_bytes());
        bytes
    }

    #[test]
    fn base62_of_known_numbers() {
        let cases = [
            (number(0), "0"),
            (number(61), "z"),
            (number(62), "10"),
            (number(62 * 62), "100"),
            (number(u64::MAX), "LygHa16AHYF"),
            // python3: digits of 2**256 - 1 in base 62
            ([0xff; 32], "yhjskwdA6OZ1AL1YmHWZWm8LLG7HjnuCA2j5rOw8Xp1"),
        ];
        for (bytes, expected) in cases {
            let digits = base62(&bytes);
            assert_eq!(std::str::from_utf8(&*digits).unwrap(), format!("{expected:0>43}"));
        }
    }

    #[test]
    fn a_new_key_has_the_form_of_a_key() {
        let (one, other) =
            (ApiKey::generate("production").unwrap(), ApiKey::generate("production").unwrap());
        assert!(is_well_formed(one.expose()), "{}", one.expose());
        assert!(one.expose().starts_with("sg_production_"));
        assert_eq!(one.expose().len(), "sg_production_".len() + 43 + 1 + 6);
        assert_ne!(one.expose(), other.expose());
        assert_eq!(one.0.capacity(), one.0.len(), "it never grew");
    }

    #[test]
    fn an_environment_that_makes_no_key_is_refused() {
        for environment in ["", "two words", "größe", "bell\u{7}", &"x".repeat(500)] {
            assert!(ApiKey::generate(environment).is_err(), "{environment}");
        }
    }

    #[test]
    fn debug_is_redacted() {
        let key = ApiKey::generate("production").unwrap();
        assert_eq!(format!("{key:?}"), "ApiKey(…)");
    }

    #[test]
    fn what_cannot_be_a_key_is_refused_without_being_repeated() {
        let good = ApiKey::generate("staging").unwrap();
        let parse = |text: &str| ApiKey::parse(Zeroizing::new(text.to_owned()));
        assert_eq!(parse(good.expose()).unwrap().digest(None), good.digest(None));
        assert!(parse("tk_elsewhere").is_ok());
        for wrong in ["", "two words", "sg_production_short", &format!("{}x", good.expose())] {
            let error = parse(wrong).unwrap_err();
            assert!(wrong.is_empty() || !error.contains(wrong), "{error}");
        }
    }

    #[test]
    fn the_digest_is_keyed_where_there_is_a_pepper() {
        let key = ApiKey::generate("production").unwrap();
        let pepper = Pepper::new([7; 32]);
        assert_eq!(key.digest(None), KeyDigest::blake3(key.expose()));
        assert_eq!(key.digest(Some(&pepper)), KeyDigest::blake3_keyed(key.expose(), &pepper));
    }
}
