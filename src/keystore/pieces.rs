//! A key file in pieces of whole lines, which are cut by what the lines say: a line that comes, goes
//! or changes leaves the pieces before and after it as they are.

mod known;
mod part;
mod window;

use std::fs::File;
use std::io;
use std::iter;
use std::os::unix::fs::FileExt as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use blake3::Hash;

use super::sum::Secret;
use crate::clock;

pub(super) use known::Known;
use part::Part;
use window::Window;

/// A piece begins at one line of so many, which makes some 20 KiB.
const LINES: u64 = 64;
/// Bytes of a line by which it is cut: they hold its id and most of its hash.
const TELLING: usize = 128;
/// Bytes that a piece may have, unless it is one line.
const LONGEST: usize = 256 * 1024;
/// Bytes that a thread takes at once: for so many, one more is worth its start.
const WORTHWHILE: u64 = 4 * 1024 * 1024;

/// Some whole lines of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Piece {
    /// Whoever writes a label cannot make two pieces look like one.
    pub(super) hash: Hash,
    pub(super) start: u64,
    pub(super) length: usize,
    /// The number of the one that is known and has the same hash.
    pub(super) known: Option<usize>,
}

impl Piece {
    /// Its bytes, unless they are no longer what they were.
    pub(super) fn read(&self, file: &File, secret: &Secret) -> Option<Vec<u8>> {
        let mut bytes = vec![0; self.length];
        file.read_exact_at(&mut bytes, self.start).ok()?;
        (secret.sum(&bytes) == self.hash).then_some(bytes)
    }
}

/// Whether a piece begins at this line. That is found alike by who begins in the middle of a file.
fn begins_piece(line: &[u8]) -> bool {
    let telling = line.get(..TELLING).unwrap_or(line);
    let words = telling.as_chunks().0.iter();
    let mixed = words.fold(0_u64, |mixed, word| {
        (mixed ^ u64::from_le_bytes(*word)).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(29)
    });
    mixed.wrapping_mul(0xc2b2_ae3d_27d4_eb4f) < u64::MAX / LINES
}

/// Cuts lines that come one by one.
#[derive(Debug)]
pub(super) struct Cutter {
    secret: Arc<Secret>,
    bytes: Vec<u8>,
    lines: u32,
    pieces: Vec<Cut>,
}

/// A piece of lines that came one by one.
#[derive(Debug)]
pub(super) struct Cut {
    pub(super) hash: Hash,
    pub(super) length: usize,
    pub(super) lines: u32,
}

impl Cutter {
    pub(super) fn new(secret: Arc<Secret>) -> Self {
        Self { secret, bytes: Vec::new(), lines: 0, pieces: Vec::new() }
    }

    /// Takes the next line, with its end.
    pub(super) fn line(&mut self, line: &[u8]) {
        if begins_piece(line) || self.bytes.len() + line.len() > LONGEST {
            self.cut();
        }
        self.bytes.extend_from_slice(line);
        self.lines += 1;
    }

    /// The pieces, and what their hashes were made under.
    pub(super) fn finish(mut self) -> (Vec<Cut>, Arc<Secret>) {
        self.cut();
        (self.pieces, self.secret)
    }

    fn cut(&mut self) {
        if !self.bytes.is_empty() {
            let hash = self.secret.sum(&self.bytes);
            self.pieces.push(Cut { hash, length: self.bytes.len(), lines: self.lines });
            self.bytes.clear();
            self.lines = 0;
        }
    }
}

/// The pieces of the first `length` bytes of a file, and how long other threads were busy with them.
/// Nothing where it cannot be read or has no lines. Where nothing changed, it costs no more than to read
/// the file and sum it up: what is known of lines is not looked for.
pub(super) fn of_file(
    file: &File,
    length: u64,
    secret: &Secret,
    known: &Known,
) -> (Option<Vec<Piece>>, Duration) {
    let parts = (length / WORTHWHILE).max(1);
    let part = |number: u64| Part {
        file,
        secret,
        known,
        from: length * number / parts,
        until: length * (number + 1) / parts,
        end: length,
    };
    // Whoever is done takes the next: on a busy machine some threads get on faster than others.
    let next = AtomicU64::new(0);
    let work = || {
        let mut buffer = Window::buffer();
        let numbers = iter::from_fn(|| Some(next.fetch_add(1, Ordering::Relaxed)));
        let numbers = numbers.take_while(|number| *number < parts);
        let pieces = numbers.map(|number| Ok((number, part(number).pieces(&mut buffer)?)));
        pieces.collect::<io::Result<Vec<_>>>()
    };
    let cores = thread::available_parallelism().map_or(1, |cores| cores.get().min(4)) as u64;
    thread::scope(|scope| {
        let help = || {
            let began = clock::instant();
            let done = work();
            (done, clock::busy().unwrap_or(clock::instant() - began))
        };
        let helpers: Vec<_> = (1..cores.min(parts)).map(|_| scope.spawn(help)).collect();
        let mut all = work().ok();
        let mut helped = Duration::ZERO;
        for helper in helpers {
            let Ok((done, took)) = helper.join() else { return (None, helped) };
            helped += took;
            all = all.zip(done.ok()).map(|(all, done)| [all, done].concat());
        }
        let all = all.map(|mut all| {
            all.sort_unstable_by_key(|(number, _)| *number);
            all.into_iter().flat_map(|(_, pieces)| pieces).collect()
        });
        (all, helped)
    })
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use proptest::prelude::*;

    use super::*;

    fn secret() -> Arc<Secret> {
        Arc::new(Secret::new().unwrap())
    }

    fn cut(text: &[u8], secret: &Arc<Secret>) -> Vec<Cut> {
        let mut cutter = Cutter::new(Arc::clone(secret));
        text.split_inclusive(|byte| *byte == b'\n').for_each(|line| cutter.line(line));
        cutter.finish().0
    }

    fn known(cuts: &[Cut]) -> Known {
        Known::new(cuts.iter().map(|cut| (cut.hash, cut.length)))
    }

    fn in_parts(text: &[u8], parts: u64, secret: &Secret, known: &Known) -> Vec<Piece> {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(text).unwrap();
        let end = text.len() as u64;
        let part = |number| Part {
            file: &file,
            secret,
            known,
            from: end * number / parts,
            until: end * (number + 1) / parts,
            end,
        };
        let mut buffer = Window::buffer();
        (0..parts).flat_map(|number| part(number).pieces(&mut buffer).unwrap()).collect()
    }

    fn hashes(cuts: &[Cut]) -> Vec<Hash> {
        cuts.iter().map(|cut| cut.hash).collect()
    }

    const LINE: &str = "[a-z]{8,40}\n";

    proptest! {
        #[test]
        fn for_every_text_the_parts_are_cut_as_the_whole(
            lines in proptest::collection::vec(LINE, 1..400),
            parts in 1..6_u64,
        ) {
            let (text, secret) = (lines.concat().into_bytes(), secret());
            let whole = cut(&text, &secret);
            for known in [Known::default(), known(&whole)] {
                let pieces = in_parts(&text, parts, &secret, &known);
                let found: Vec<Hash> = pieces.iter().map(|piece| piece.hash).collect();
                prop_assert_eq!(found, hashes(&whole));
            }
        }

        #[test]
        fn for_every_change_the_parts_are_the_text_and_known_are_those_that_are(
            lines in proptest::collection::vec(LINE, 1..400),
            edits in proptest::collection::vec((any::<prop::sample::Index>(), 0..4_u8, LINE), 0..6),
            parts in 1..6_u64,
        ) {
            let secret = secret();
            let before = cut(lines.concat().as_bytes(), &secret);
            let mut lines = lines;
            for (at, how, line) in edits {
                let at = at.index(lines.len());
                match how {
                    0 if lines.len() > 1 => _ = lines.remove(at),
                    1 => lines.insert(at, line),
                    2 => lines[at] = line,
                    _ => lines.rotate_left(at),
                }
            }
            let text = lines.concat().into_bytes();
            let pieces = in_parts(&text, parts, &secret, &known(&before));
            let mut place = 0;
            for piece in &pieces {
                prop_assert_eq!(piece.start, place as u64);
                let bytes = &text[place..place + piece.length];
                prop_assert_eq!(piece.hash, secret.sum(bytes));
                prop_assert!(bytes.ends_with(b"\n"));
                let mut lines = bytes.split_inclusive(|byte| *byte == b'\n').skip(1);
                prop_assert!(lines.all(|line| !begins_piece(line)));
                let like = before.iter().position(|cut| cut.hash == piece.hash);
                prop_assert_eq!(piece.known, like);
                place += piece.length;
            }
            prop_assert_eq!(place, text.len());
        }
    }

    /// As keys are, of which none has the text of another.
    fn many(count: u32) -> Vec<String> {
        let line = |n: u32| {
            let hash = blake3::hash(&n.to_le_bytes());
            format!("{{\"id\":\"k_{n:010}\",\"hash\":\"blake3:{hash}\",\"revoked\":null}}\n")
        };
        (0..count).map(line).collect()
    }

    #[test]
    fn a_change_leaves_the_other_pieces_as_they_are() {
        let (mut lines, secret) = (many(20_001), secret());
        let more = lines.pop().unwrap();
        let before = cut(lines.concat().as_bytes(), &secret);
        assert!((200..500).contains(&before.len()), "{}", before.len());
        assert_eq!(before.iter().map(|cut| cut.lines).sum::<u32>(), 20_000);
        lines[7000] = lines[7000].replace("null", "true");
        lines[9000] = lines[9000].replace("null", "\"2026-01-01T00:00:00Z\"");
        lines.remove(12_000);
        lines.insert(3, more);
        let text = lines.concat();
        let after = hashes(&cut(text.as_bytes(), &secret));
        let new = after.iter().filter(|hash| !hashes(&before).contains(hash)).count();
        assert!((1..=8).contains(&new), "{new}");
        for parts in 1..4 {
            let pieces = in_parts(text.as_bytes(), parts, &secret, &known(&before));
            let new = pieces.iter().filter(|piece| piece.known.is_none()).count();
            assert!((1..=8).contains(&new), "{new} in {parts} parts");
        }
    }

    #[test]
    fn a_change_of_one_byte_in_any_line_is_seen() {
        let (lines, secret) = (many(2_000), secret());
        let before = known(&cut(lines.concat().as_bytes(), &secret));
        let text = lines.concat();
        let length = lines[0].len();
        for number in (0..2_000).step_by(37) {
            let mut text = text.clone().into_bytes();
            text[(number + 1) * length - 7..][..4].copy_from_slice(b"true");
            let pieces = in_parts(&text, 2, &secret, &before);
            let mut new = pieces.iter().filter(|piece| piece.known.is_none());
            let at = (number * length) as u64;
            let has =
                |piece: &Piece| (piece.start..piece.start + piece.length as u64).contains(&at);
            assert!(new.clone().count() <= 2 && new.any(has), "{number}");
        }
    }

    #[test]
    fn what_has_no_cut_is_cut_by_length_and_what_has_no_line_is_given_up() {
        let secret = secret();
        let line = format!("{}\n", "x".repeat(300));
        let text = line.repeat(5000);
        let pieces = in_parts(text.as_bytes(), 1, &secret, &Known::default());
        assert_eq!(pieces.len(), cut(text.as_bytes(), &secret).len());
        assert!(pieces.iter().all(|piece| piece.length <= LONGEST));
        let mut file = tempfile::tempfile().unwrap();
        file.write_all("x".repeat(4 * LONGEST).as_bytes()).unwrap();
        let found = |length: usize| of_file(&file, length as u64, &secret, &Known::default()).0;
        assert_eq!(found(4 * LONGEST), None, "too long");
        assert_eq!(found(2 * LONGEST).map(|pieces| pieces.len()), Some(1));
        file.set_len(LONGEST as u64).unwrap();
        assert_eq!(found(2 * LONGEST), None, "cut while it is read");
    }
}
