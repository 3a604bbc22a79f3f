//! Sums by which texts are told apart: faster than a cryptographic hash, under a secret of ours.
//!
//! A text is cut into blocks; each becomes two sums of NH (Black, Halevi, Krawetz, Krovetz and
//! Rogaway, "UMAC: Fast and Secure Message Authentication", CRYPTO '99; here with words of 64 bits, as
//! in VMAC, the second sum by the Toeplitz construction). NH is universal: of two blocks that differ,
//! whatever they are, no more than one secret in 2¹²⁸ gives both the same two sums. What is left, a
//! 256th, is hashed with BLAKE3.
//!
//! INVARIANT: the secret is random and leaves this process neither by itself nor in a sum: who
//! chooses a label chooses it without knowing what it will be summed up to. So a change is missed
//! once in 2¹²⁸ times, by chance alone.

use std::fmt;

use blake3::Hash;

/// Bytes of a block.
const BLOCK: usize = 8 * 1024;
/// Bytes that are multiplied with each other, and by which the second sum's secret is ahead.
const PAIR: usize = 16;

/// What sums are made under.
pub(super) struct Secret {
    /// One for each pair of words in a block, and the one that the second sum is ahead.
    pairs: Box<[[u64; 2]]>,
}

impl Secret {
    /// Nothing where the system has no randomness to give.
    pub(super) fn new() -> Option<Self> {
        let mut bytes = vec![0; BLOCK + PAIR];
        getrandom::fill(&mut bytes).ok()?;
        let pairs = bytes.as_chunks::<PAIR>().0.iter().copied().map(words);
        Some(Self { pairs: pairs.collect() })
    }

    /// The sum of a text. Those of other secrets say nothing of it.
    pub(super) fn sum(&self, text: &[u8]) -> Hash {
        let mut rest = blake3::Hasher::new();
        rest.update(&(text.len() as u64).to_le_bytes());
        for block in text.chunks(BLOCK) {
            for sum in self.sums(block) {
                rest.update(&sum.to_le_bytes());
            }
        }
        rest.finalize()
    }

    /// Of no more than a block. Whether zeros were at its end, its length says.
    fn sums(&self, block: &[u8]) -> [u128; 2] {
        let (whole, end) = block.as_chunks::<PAIR>();
        let mut last = [0; PAIR];
        last.iter_mut().zip(end).for_each(|(byte, end)| *byte = *end);
        let ahead = self.pairs.get(1..).unwrap_or_default();
        let [mut one, mut two] = [0_u128; 2];
        let mut add = |pair: &[u8; PAIR], first: &[u64; 2], second: &[u64; 2]| {
            let pair = words(*pair);
            one = one.wrapping_add(product(pair, *first));
            two = two.wrapping_add(product(pair, *second));
        };
        for ((pair, first), second) in whole.iter().zip(&*self.pairs).zip(ahead) {
            add(pair, first, second);
        }
        let place = whole.len();
        if let (Some(first), Some(second)) = (self.pairs.get(place), ahead.get(place)) {
            add(&last, first, second);
        }
        [one, two]
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}

fn words(pair: [u8; PAIR]) -> [u64; 2] {
    let both = u128::from_le_bytes(pair);
    [both as u64, (both >> 64) as u64]
}

fn product([low, high]: [u64; 2], [k, l]: [u64; 2]) -> u128 {
    u128::from(low.wrapping_add(k)) * u128::from(high.wrapping_add(l))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// As the paper has it, without any thought of speed.
    fn nh(secret: &[u64], block: &[u8]) -> u128 {
        let mut words: Vec<u64> = Vec::new();
        for bytes in block.chunks(8) {
            let mut word = [0; 8];
            word[..bytes.len()].copy_from_slice(bytes);
            words.push(u64::from_le_bytes(word));
        }
        words.resize(words.len().next_multiple_of(2), 0);
        let pairs = words.chunks(2).zip(secret.chunks(2));
        pairs.fold(0_u128, |sum, (m, k)| {
            let product = u128::from(m[0].wrapping_add(k[0])) * u128::from(m[1].wrapping_add(k[1]));
            sum.wrapping_add(product)
        })
    }

    /// Where nothing of a pair is left, the zeros that pad it may count or not: the length says which.
    fn plain(secret: &Secret, text: &[u8]) -> Hash {
        let words: Vec<u64> = secret.pairs.iter().flatten().copied().collect();
        let mut all = (text.len() as u64).to_le_bytes().to_vec();
        for block in text.chunks(BLOCK) {
            let mut padded = block.to_vec();
            padded.resize((block.len() / PAIR + 1) * PAIR, 0);
            padded.truncate(BLOCK);
            all.extend(nh(&words, &padded).to_le_bytes());
            all.extend(nh(&words[2..], &padded).to_le_bytes());
        }
        blake3::hash(&all)
    }

    #[test]
    fn the_secret_is_shown_nowhere_and_never_the_same() {
        let (one, other) = (Secret::new().unwrap(), Secret::new().unwrap());
        assert_eq!(format!("{one:?}"), "Secret");
        assert_ne!(one.sum(b"text"), other.sum(b"text"));
        assert!(one.pairs.iter().flatten().all(|word| *word != 0));
        assert_eq!(one.pairs.len() * PAIR, BLOCK + PAIR);
    }

    proptest! {
        #[test]
        fn for_every_text_the_sum_is_that_of_the_paper(
            length in prop_oneof![0..100_usize, BLOCK - 40..BLOCK + 40, 0..3 * BLOCK],
            seed in any::<u64>(),
        ) {
            let secret = Secret::new().unwrap();
            let text = text(length, seed);
            prop_assert_eq!(secret.sum(&text), plain(&secret, &text));
        }

        #[test]
        fn for_every_change_of_a_text_the_sum_is_another(
            length in 1..3 * BLOCK,
            seed in any::<u64>(),
            at in any::<prop::sample::Index>(),
            other in any::<prop::sample::Index>(),
            bit in 0..8_u8,
        ) {
            let secret = Secret::new().unwrap();
            let mut text = text(length, seed);
            let before = secret.sum(&text);
            text.push(0);
            prop_assert_ne!(secret.sum(&text), before, "a zero more");
            text.truncate(length - 1);
            prop_assert_ne!(secret.sum(&text), before, "one byte less");
            let mut text = self::text(length, seed);
            let (at, other) = (at.index(length), other.index(length));
            text[at] ^= 1 << bit;
            prop_assert_ne!(secret.sum(&text), before, "one bit");
            text[at] ^= 1 << bit;
            if text[at] != text[other] {
                text.swap(at, other);
                prop_assert_ne!(secret.sum(&text), before, "two bytes change places");
            }
        }
    }

    fn text(length: usize, seed: u64) -> Vec<u8> {
        let mut random = fastrand::Rng::with_seed(seed);
        let mut text = vec![0; length];
        random.fill(&mut text);
        text
    }
}
