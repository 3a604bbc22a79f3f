//! A key file in pieces of whole lines, which are cut by what the lines say: a line that comes, goes
//! or changes leaves the pieces before and after it as they are.

use std::fs::File;
use std::io;
use std::iter;
use std::os::unix::fs::FileExt as _;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use blake3::Hash;
use memchr::memchr_iter;

use crate::clock;

/// A piece begins at one line of so many, which makes some 20 KiB.
const LINES: u64 = 64;
/// Bytes of a line by which it is cut: they hold its id and most of its hash.
const TELLING: usize = 128;
/// Bytes that a piece may have, and that are read at once.
const LONGEST: usize = 256 * 1024;
/// Bytes that a thread takes at once: for so many, one more is worth its start.
const WORTHWHILE: u64 = 4 * 1024 * 1024;

/// Some whole lines of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Piece {
    /// BLAKE3: whoever writes a label cannot make two pieces look like one.
    pub(super) hash: Hash,
    pub(super) start: u64,
    pub(super) length: usize,
}

impl Piece {
    fn new(bytes: &[u8], start: u64) -> Self {
        Self { hash: blake3::hash(bytes), start, length: bytes.len() }
    }

    /// Its bytes, unless they are no longer what they were.
    pub(super) fn read(&self, file: &File) -> Option<Vec<u8>> {
        let mut bytes = vec![0; self.length];
        file.read_exact_at(&mut bytes, self.start).ok()?;
        (blake3::hash(&bytes) == self.hash).then_some(bytes)
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
#[derive(Debug, Default)]
pub(super) struct Cutter {
    bytes: Vec<u8>,
    start: u64,
    lines: u32,
    pieces: Vec<(Hash, u32)>,
}

impl Cutter {
    /// Takes the next line, with its end.
    pub(super) fn line(&mut self, line: &[u8]) {
        if begins_piece(line) || self.bytes.len() + line.len() > LONGEST {
            self.cut();
        }
        self.bytes.extend_from_slice(line);
        self.lines += 1;
    }

    /// The hash of each piece, and how many lines it has.
    pub(super) fn finish(mut self) -> Vec<(Hash, u32)> {
        self.cut();
        self.pieces
    }

    fn cut(&mut self) {
        if !self.bytes.is_empty() {
            let Piece { hash, length, .. } = Piece::new(&self.bytes, self.start);
            self.start += length as u64;
            self.pieces.push((hash, self.lines));
            self.bytes.clear();
            self.lines = 0;
        }
    }
}

/// The pieces of the first `length` bytes of a file, and how long other threads were busy with them.
/// Nothing where it cannot be read or has no lines.
pub(super) fn of_file(file: &File, length: u64) -> (Option<Vec<Piece>>, Duration) {
    let parts = (length / WORTHWHILE).max(1);
    let part = |number: u64| Part {
        file,
        from: length * number / parts,
        until: length * (number + 1) / parts,
        end: length,
    };
    // Whoever is done takes the next: on a busy machine some threads get on faster than others.
    let next = AtomicU64::new(0);
    let work = || {
        let numbers = iter::from_fn(|| Some(next.fetch_add(1, Ordering::Relaxed)));
        let numbers = numbers.take_while(|number| *number < parts);
        numbers.map(|number| Ok((number, part(number).pieces()?))).collect::<io::Result<Vec<_>>>()
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

/// The pieces that begin in a part of a file.
struct Part<'f> {
    file: &'f File,
    from: u64,
    until: u64,
    end: u64,
}

impl Part<'_> {
    fn pieces(&self) -> io::Result<Vec<Piece>> {
        let mut pieces = Vec::new();
        // Whether a line begins right at `from` is what the byte before says.
        let mut window = Window::new(self.file, self.from.saturating_sub(1), self.end);
        // Of the first line it is known where it begins, and that a piece does.
        let mut line = (self.from == 0).then_some(0);
        let mut piece = line;
        while let Some(fresh) = window.fill()? {
            for newline in memchr_iter(b'\n', window.from(fresh)) {
                let next = fresh + newline + 1;
                let Some(begin) = line.replace(next) else { continue };
                let is_cut = begins_piece(window.between(begin, next));
                let is_long = piece.is_some_and(|start| next - start > LONGEST && start < begin);
                if !is_cut && !is_long {
                    continue;
                }
                if let Some(start) = piece.filter(|start| *start < begin) {
                    pieces.push(window.piece(start, begin));
                }
                if is_cut && window.place(begin) >= self.until {
                    return Ok(pieces);
                }
                piece = Some(begin);
            }
            let kept = piece.or(line).unwrap_or(window.length());
            window.drop_before(kept);
            line = line.map(|line| line - kept);
            piece = piece.map(|piece| piece - kept);
        }
        if let Some(start) = piece.filter(|start| *start < window.length()) {
            pieces.push(window.piece(start, window.length()));
        }
        Ok(pieces)
    }
}

/// A part of a file in memory.
struct Window<'f> {
    file: &'f File,
    buffer: Vec<u8>,
    /// Where in the file the buffer begins, and how much of it is read.
    start: u64,
    length: usize,
    end: u64,
}

impl<'f> Window<'f> {
    fn new(file: &'f File, start: u64, end: u64) -> Self {
        Self { file, buffer: vec![0; 3 * LONGEST], start, length: 0, end }
    }

    /// Reads on, and says where what is new begins; nothing at the end.
    fn fill(&mut self) -> io::Result<Option<usize>> {
        let fresh = self.length;
        let left = self.end.saturating_sub(self.place(fresh));
        let room = self.buffer.get_mut(fresh..).unwrap_or_default();
        let most = usize::try_from(left).unwrap_or(usize::MAX).min(LONGEST);
        let into = room.get_mut(..most).ok_or(io::ErrorKind::InvalidData)?;
        self.length += match self.file.read_at(into, self.start + fresh as u64) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => 0,
            read => read?,
        };
        Ok((self.length > fresh).then_some(fresh))
    }

    fn drop_before(&mut self, kept: usize) {
        self.buffer.copy_within(kept..self.length, 0);
        self.start += kept as u64;
        self.length -= kept;
    }

    fn length(&self) -> usize {
        self.length
    }

    fn place(&self, at: usize) -> u64 {
        self.start + at as u64
    }

    fn from(&self, from: usize) -> &[u8] {
        self.between(from, self.length)
    }

    fn between(&self, from: usize, until: usize) -> &[u8] {
        self.buffer.get(from..until).unwrap_or_default()
    }

    fn piece(&self, from: usize, until: usize) -> Piece {
        Piece::new(self.between(from, until), self.place(from))
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use proptest::prelude::*;

    use super::*;

    fn cut(text: &[u8]) -> Vec<(Hash, u32)> {
        let mut cutter = Cutter::default();
        text.split_inclusive(|byte| *byte == b'\n').for_each(|line| cutter.line(line));
        cutter.finish()
    }

    fn in_parts(text: &[u8], parts: u64) -> Vec<Piece> {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(text).unwrap();
        let end = text.len() as u64;
        let part = |number| Part {
            file: &file,
            from: end * number / parts,
            until: end * (number + 1) / parts,
            end,
        };
        (0..parts).flat_map(|number| part(number).pieces().unwrap()).collect()
    }

    proptest! {
        #[test]
        fn for_every_text_the_parts_are_cut_as_the_whole(
            lines in proptest::collection::vec("[a-z]{8,40}\n", 1..400),
            parts in 1..6_u64,
        ) {
            let text = lines.concat().into_bytes();
            let pieces = in_parts(&text, parts);
            let hashes: Vec<Hash> = pieces.iter().map(|piece| piece.hash).collect();
            let expected: Vec<Hash> = cut(&text).into_iter().map(|(hash, _)| hash).collect();
            prop_assert_eq!(hashes, expected);
            let places: Vec<_> = pieces.iter().map(|piece| piece.start).collect();
            let lengths = pieces.iter().scan(0, |at, piece| {
                let start = *at;
                *at += piece.length as u64;
                Some(start)
            });
            prop_assert_eq!(places, lengths.collect::<Vec<_>>());
        }
    }

    #[test]
    fn a_change_leaves_the_other_pieces_as_they_are() {
        let line = |n: u32| {
            format!(
                "{{\"id\":\"k_{n:010}\",\"hash\":\"blake3:{}\"}}\n",
                blake3::hash(&n.to_le_bytes())
            )
        };
        let lines: Vec<String> = (0..20_000).map(line).collect();
        let before = cut(lines.concat().as_bytes());
        assert!((200..500).contains(&before.len()), "{}", before.len());
        assert_eq!(before.iter().map(|(_, lines)| lines).sum::<u32>(), 20_000);
        let mut changed = lines.clone();
        changed[7000] = changed[7000].replace('}', ",\"revoked\":true}");
        changed.remove(12_000);
        changed.insert(3, line(1_000_000));
        let after = cut(changed.concat().as_bytes());
        let new = after.iter().filter(|piece| !before.contains(piece)).count();
        assert!((1..=6).contains(&new), "{new}");
    }

    #[test]
    fn what_has_no_cut_is_cut_by_length_and_what_has_no_line_is_given_up() {
        let line = format!("{}\n", "x".repeat(300));
        let text = line.repeat(5000);
        let pieces = in_parts(text.as_bytes(), 1);
        assert_eq!(pieces.len(), cut(text.as_bytes()).len());
        assert!(pieces.iter().all(|piece| piece.length <= LONGEST));
        let mut file = tempfile::tempfile().unwrap();
        file.write_all("x".repeat(4 * LONGEST).as_bytes()).unwrap();
        let (pieces, _) = of_file(&file, 4 * LONGEST as u64);
        assert_eq!(pieces, None);
    }
}
