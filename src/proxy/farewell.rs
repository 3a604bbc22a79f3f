//! Where the frames of a WebSocket end (RFC 6455 §5.2): only there can something be said in between.

/// The longest head of a frame: two bytes, a length of eight, a mask of four.
const LONGEST_HEAD: usize = 14;

/// What one side of a WebSocket says, followed from frame to frame.
#[derive(Debug, Default)]
pub(super) struct Frames {
    head: [u8; LONGEST_HEAD],
    /// Bytes of a head that is not whole.
    begun: usize,
    /// Bytes of the payload that are still to come.
    left: u64,
}

/// Why a WebSocket is ended from here (RFC 6455 §7.4.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Farewell {
    /// 1001: the process ends.
    GoingAway,
    /// 1008: what it was opened by is no longer so.
    Policy,
}

impl Farewell {
    fn code(self) -> [u8; 2] {
        match self {
            Self::GoingAway => 1001_u16,
            Self::Policy => 1008,
        }
        .to_be_bytes()
    }

    /// A close frame as a server says it.
    pub(super) fn to_client(self) -> [u8; 4] {
        let [high, low] = self.code();
        [0x88, 2, high, low]
    }

    /// A close frame as a client says it: masked, though with a mask that changes nothing. It keeps
    /// scripts from choosing what is on the wire (RFC 6455 §10.3), and no script chose this.
    pub(super) fn to_upstream(self) -> [u8; 8] {
        let [high, low] = self.code();
        [0x88, 0x82, 0, 0, 0, 0, high, low]
    }
}

impl Frames {
    /// Follows what was said next.
    pub(super) fn follow(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let taken = self.follow_one(bytes);
            bytes = bytes.get(taken..).unwrap_or_default();
        }
    }

    /// Follows the bytes to the end of the frame that is begun, or to be begun, and returns how many
    /// of them that were: at least one, if there are any.
    pub(super) fn follow_one(&mut self, bytes: &[u8]) -> usize {
        let mut head = 0;
        if self.left == 0 {
            for &byte in bytes {
                if let Some(place) = self.head.get_mut(self.begun) {
                    *place = byte;
                }
                self.begun += 1;
                head += 1;
                if let Some(length) = self.length() {
                    (self.begun, self.left) = (0, length);
                    break;
                }
            }
        }
        let here = bytes.len() - head;
        let payload = usize::try_from(self.left).unwrap_or(usize::MAX).min(here);
        self.left -= payload as u64;
        head + payload
    }

    /// Whether the last frame is whole.
    pub(super) fn is_between(&self) -> bool {
        self.begun == 0 && self.left == 0
    }

    /// The payload's length, once the head is whole.
    fn length(&self) -> Option<u64> {
        let [_, second, two, three, four, five, six, seven, eight, nine, ..] = self.head;
        let (extended, length) = match second & 0x7f {
            126 => (2, u64::from(u16::from_be_bytes([two, three]))),
            127 => (8, u64::from_be_bytes([two, three, four, five, six, seven, eight, nine])),
            length => (0, u64::from(length)),
        };
        let mask = if second & 0x80 == 0 { 0 } else { 4 };
        (self.begun >= 2 && self.begun == 2 + extended + mask).then_some(length)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(length: usize, masked: bool) -> Vec<u8> {
        let mask = if masked { 0x80 } else { 0 };
        let mut bytes = vec![0x82];
        match length {
            0..126 => bytes.push(mask | length as u8),
            126..65_536 => {
                bytes.push(mask | 126);
                bytes.extend((length as u16).to_be_bytes());
            }
            _ => {
                bytes.push(mask | 127);
                bytes.extend((length as u64).to_be_bytes());
            }
        }
        if masked {
            bytes.extend([0xff; 4]);
        }
        bytes.extend(vec![0xff; length]);
        bytes
    }

    #[test]
    fn ends_are_found_however_the_bytes_come() {
        for masked in [false, true] {
            let lengths = [0, 1, 125, 126, 65_535, 65_536, 70_000, 0, 2];
            let all: Vec<Vec<u8>> = lengths.iter().map(|length| frame(*length, masked)).collect();
            let mut ends: Vec<usize> = vec![0];
            all.iter().for_each(|frame| ends.push(ends.last().unwrap() + frame.len()));
            let bytes = all.concat();
            for step in [1, 2, 3, 7, 1000, 65_537, bytes.len()] {
                let mut frames = Frames::default();
                let mut at = 0;
                for part in bytes.chunks(step) {
                    frames.follow(part);
                    at += part.len();
                    assert_eq!(frames.is_between(), ends.contains(&at), "{step}, {at}");
                }
            }
        }
    }

    #[test]
    fn a_length_that_nobody_can_send_is_not_between() {
        let mut frames = Frames::default();
        frames.follow(&[0x82, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1, 2, 3]);
        assert!(!frames.is_between());
    }

    #[test]
    fn farewells_are_frames() {
        for farewell in [Farewell::GoingAway, Farewell::Policy] {
            for bytes in [&farewell.to_client()[..], &farewell.to_upstream()] {
                let mut frames = Frames::default();
                frames.follow(bytes);
                assert!(frames.is_between(), "{farewell:?}");
            }
        }
        assert_eq!(Farewell::Policy.to_client(), [0x88, 2, 0x03, 0xf0]);
    }
}
