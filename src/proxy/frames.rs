//! HTTP/2 frames as they go by, by their first nine bytes (RFC 9113 §4.1).
//!
//! What a frame says is h2's to read, and h2 bounds what it keeps: streams, header lists,
//! continuations, bodies. Here is watched what costs time without being kept: frames that carry
//! nothing, requests that are taken back, heads that do not end.

use std::time::{Duration, Instant};

/// What a client says before its first frame.
pub(super) const PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const WINDOW_UPDATE: u8 = 8;
const CONTINUATION: u8 = 9;

const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;

/// Window updates that a client may send for a part of a body, which has 16 KiB mostly.
const WINDOWS_A_PART: u32 = 64;

/// `ENHANCE_YOUR_CALM` (RFC 9113 §7).
const ENHANCE_YOUR_CALM: u8 = 11;

/// What a client does too much of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Flood {
    /// SETTINGS, PING, PRIORITY, empty DATA and the like.
    Idle,
    /// Requests that are taken back before they are answered.
    Resets,
}

/// Both directions of a connection.
#[derive(Debug)]
pub(super) struct Frames {
    preface: usize,
    inbound: Cursor,
    outbound: Cursor,
    idle: Budget,
    resets: Budget,
    windows: Budget,
    /// Since when a head has not been whole.
    head: Option<Instant>,
    last_stream: u32,
}

impl Frames {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            preface: PREFACE.len(),
            inbound: Cursor::default(),
            outbound: Cursor::default(),
            // A client that only measures round trips stays far below it.
            idle: Budget::new(1000, 100, now),
            // A page that is left takes back all that it had asked for.
            resets: Budget::new(200, 50, now),
            // Some for each part of a body that is read, however small the parts.
            windows: Budget::new(10_000, 1000, now),
            head: Some(now),
            last_stream: 0,
        }
    }

    /// Since when the head that is coming has been.
    pub(super) fn head(&self) -> Option<Instant> {
        self.head
    }

    /// Notes what the client sent.
    pub(super) fn received(&mut self, bytes: &[u8], now: Instant) -> Result<(), Flood> {
        let preface = self.preface.min(bytes.len());
        if preface > 0 {
            self.preface -= preface;
            if self.preface == 0 {
                self.head = None;
            }
        }
        let mut rest = bytes.get(preface..).unwrap_or_default();
        while let Some(seen) = self.inbound.next(&mut rest) {
            match seen {
                Seen::Start(frame) => self.started(frame, now)?,
                Seen::End(frame) => {
                    if frame.is_head() && frame.flags & END_HEADERS != 0 {
                        self.head = None;
                    }
                }
            }
        }
        Ok(())
    }

    fn started(&mut self, frame: Frame, now: Instant) -> Result<(), Flood> {
        match frame.kind {
            DATA if frame.length > 0 || frame.flags & END_STREAM != 0 => self.idle.earn(),
            HEADERS => {
                self.idle.earn();
                self.last_stream = self.last_stream.max(frame.stream);
                self.head = Some(now);
            }
            // h2 counts them.
            CONTINUATION => {}
            WINDOW_UPDATE => self.windows.spend(now).ok_or(Flood::Idle)?,
            RST_STREAM => self.resets.spend(now).ok_or(Flood::Resets)?,
            _ => self.idle.spend(now).ok_or(Flood::Idle)?,
        }
        Ok(())
    }

    /// Notes what we sent.
    pub(super) fn sent(&mut self, bytes: &[u8]) {
        let mut rest = bytes;
        while let Some(seen) = self.outbound.next(&mut rest) {
            if let Seen::Start(frame) = seen
                && matches!(frame.kind, DATA | HEADERS)
            {
                self.idle.earn();
                if frame.kind == DATA {
                    self.windows.earn_many(WINDOWS_A_PART);
                }
                if frame.flags & END_STREAM != 0 {
                    self.resets.earn();
                }
            }
        }
    }

    /// The last word to a client that floods, where it can be said.
    pub(super) fn go_away(&self) -> Option<[u8; 17]> {
        let [a, b, c, d] = self.last_stream.to_be_bytes();
        let frame = [0, 0, 8, 7, 0, 0, 0, 0, 0, a, b, c, d, 0, 0, 0, ENHANCE_YOUR_CALM];
        self.outbound.is_between().then_some(frame)
    }
}

/// How much of something may be done: so much at once, and so much more each second.
#[derive(Debug)]
struct Budget {
    left: u32,
    most: u32,
    each_second: u32,
    since: Instant,
}

impl Budget {
    fn new(most: u32, each_second: u32, now: Instant) -> Self {
        Self { left: most, most, each_second, since: now }
    }

    fn earn(&mut self) {
        self.earn_many(1);
    }

    fn earn_many(&mut self, many: u32) {
        self.left = self.most.min(self.left + many);
    }

    fn spend(&mut self, now: Instant) -> Option<()> {
        if self.left == 0 {
            let passed = now.saturating_duration_since(self.since).as_millis();
            let earned = passed.saturating_mul(u128::from(self.each_second)) / 1000;
            self.left = u32::try_from(earned).unwrap_or(u32::MAX).min(self.most);
            let paid = Duration::from_millis(u64::try_from(passed).unwrap_or(u64::MAX));
            self.since += if self.left > 0 { paid } else { Duration::ZERO };
        }
        self.left = self.left.checked_sub(1)?;
        Some(())
    }
}

#[derive(Debug, Clone, Copy)]
struct Frame {
    length: usize,
    kind: u8,
    flags: u8,
    stream: u32,
}

impl Frame {
    fn is_head(self) -> bool {
        matches!(self.kind, HEADERS | CONTINUATION)
    }
}

enum Seen {
    /// Its first nine bytes.
    Start(Frame),
    /// Its last byte.
    End(Frame),
}

/// Where in a sequence of frames a direction is.
#[derive(Debug, Default)]
struct Cursor {
    start: [u8; 9],
    had: usize,
    /// With the bytes that are still to come.
    frame: Option<(Frame, usize)>,
}

impl Cursor {
    fn is_between(&self) -> bool {
        self.had == 0 && self.frame.is_none()
    }

    /// What comes next in `rest`, which is taken off it.
    fn next(&mut self, rest: &mut &[u8]) -> Option<Seen> {
        if let Some((frame, left)) = &mut self.frame {
            let taken = (*left).min(rest.len());
            *rest = rest.get(taken..).unwrap_or_default();
            *left -= taken;
            let (frame, left) = (*frame, *left);
            if left > 0 {
                return None;
            }
            self.frame = None;
            return Some(Seen::End(frame));
        }
        let wanted = self.start.get_mut(self.had..).unwrap_or_default();
        let taken = wanted.len().min(rest.len());
        let (these, after) = rest.split_at_checked(taken)?;
        wanted.iter_mut().zip(these).for_each(|(place, byte)| *place = *byte);
        *rest = after;
        self.had += taken;
        if self.had < self.start.len() {
            return None;
        }
        self.had = 0;
        let [l0, l1, l2, kind, flags, s0, s1, s2, s3] = self.start;
        let length = u32::from_be_bytes([0, l0, l1, l2]) as usize;
        let stream = u32::from_be_bytes([s0 & 0x7F, s1, s2, s3]);
        let frame = Frame { length, kind, flags, stream };
        self.frame = Some((frame, length));
        Some(Seen::Start(frame))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock;

    fn frame(kind: u8, flags: u8, stream: u8, length: u8) -> Vec<u8> {
        let mut bytes = vec![0, 0, length, kind, flags, 0, 0, 0, stream];
        bytes.extend(vec![7; usize::from(length)]);
        bytes
    }

    fn opened(now: Instant) -> Frames {
        let mut frames = Frames::new(now);
        frames.received(PREFACE, now).unwrap();
        frames
    }

    #[test]
    fn a_head_is_open_until_its_last_byte_however_it_comes() {
        let now = clock::instant();
        let bytes = [
            frame(HEADERS, END_STREAM, 1, 20),
            frame(CONTINUATION, 0, 1, 3),
            frame(CONTINUATION, END_HEADERS, 1, 30),
        ]
        .concat();
        for step in 1..=bytes.len() {
            let mut frames = opened(now);
            assert_eq!(frames.head(), None);
            let mut had = 0;
            for part in bytes.chunks(step) {
                frames.received(part, now).unwrap();
                had += part.len();
                let open = (9..bytes.len()).contains(&had);
                assert_eq!(frames.head().is_some(), open, "{had} in steps of {step}");
            }
            assert_eq!(frames.last_stream, 1);
        }
    }

    /// What it is called, what is sent again and again, and when it is too much.
    type Case = (&'static str, Vec<u8>, Option<(usize, Flood)>);

    #[test]
    fn what_carries_nothing_is_bounded_and_what_does_is_not() {
        let now = clock::instant();
        let floods: &[Case] = &[
            ("settings", frame(4, 0, 0, 0), Some((1000, Flood::Idle))),
            ("ping", frame(6, 0, 0, 8), Some((1000, Flood::Idle))),
            ("priority", frame(2, 0, 1, 5), Some((1000, Flood::Idle))),
            ("unknown", frame(200, 0, 1, 5), Some((1000, Flood::Idle))),
            ("empty data", frame(DATA, 0, 1, 0), Some((1000, Flood::Idle))),
            ("resets", frame(RST_STREAM, 0, 1, 4), Some((200, Flood::Resets))),
            (
                "rapid reset",
                [frame(HEADERS, 5, 1, 9), frame(RST_STREAM, 0, 1, 4)].concat(),
                Some((200, Flood::Resets)),
            ),
            ("data", frame(DATA, 0, 1, 1), None),
            ("requests", frame(HEADERS, 5, 1, 9), None),
            ("window updates", frame(WINDOW_UPDATE, 0, 1, 4), Some((10_000, Flood::Idle))),
        ];
        for (what, bytes, expected) in floods {
            let mut frames = opened(now);
            let ended = (0..20_000).find_map(|at| Some((at, frames.received(bytes, now).err()?)));
            assert_eq!(ended, *expected, "{what}");
            // A second later some more are taken.
            let later = now + Duration::from_secs(1);
            assert_eq!(frames.received(bytes, later), Ok(()), "{what}");
        }
    }

    #[test]
    fn who_reads_may_say_so_often() {
        let now = clock::instant();
        let mut frames = opened(now);
        for _part in 0..1000 {
            frames.sent(&frame(DATA, 0, 1, 200));
            for _update in 0..WINDOWS_A_PART {
                assert_eq!(frames.received(&frame(WINDOW_UPDATE, 0, 1, 4), now), Ok(()));
            }
        }
    }

    #[test]
    fn who_is_answered_may_take_back_as_much() {
        let now = clock::instant();
        let mut frames = opened(now);
        for _ in 0..5000 {
            frames.received(&frame(RST_STREAM, 0, 1, 4), now).unwrap();
            frames.sent(&frame(DATA, END_STREAM, 1, 200));
        }
        assert!(frames.go_away().is_some());
        frames.sent(&frame(DATA, 0, 1, 200)[..100]);
        assert!(frames.go_away().is_none());
    }
}
