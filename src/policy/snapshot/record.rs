//! A key's record: one line of the processor's cache.

use super::access::AccessId;
use super::holder::Holder;
use crate::policy::draft::DraftKey;
use crate::policy::time::UnixSeconds;

/// A credential of one account in one workspace. It lies on one cache line of 64 bytes, so that a
/// key that nobody asked for in a while is one read of far memory away.
#[derive(Debug, Clone, PartialEq, Eq)]
#[repr(align(64))]
pub(in crate::policy) struct Key {
    pub(super) digest: [u8; 32],
    pub(super) not_before: Seconds,
    pub(super) expires: Seconds,
    pub(super) revoked: Seconds,
    /// 0 where there is no key: an id has at least one character.
    pub(super) id_length: u8,
    /// `u32::MAX` where the workspace is gone or of another environment: such a key is revoked, now
    /// or later, or the policy is refused.
    pub(in crate::policy) workspace: u32,
    pub(in crate::policy) account: u32,
    /// Nothing where the account is no member.
    pub(in crate::policy) access: Option<AccessId>,
    pub(super) ceiling: u32,
}

/// Why a key is not good at some time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::policy) enum KeyState {
    Expired,
    Good,
    NotYetValid,
    Revoked,
}

impl Key {
    /// What lies at a place that no key has.
    pub(super) const VACANT: Self = Self {
        digest: [0; 32],
        not_before: Seconds::NEVER,
        expires: Seconds::NEVER,
        revoked: Seconds::NEVER,
        id_length: 0,
        workspace: u32::MAX,
        account: u32::MAX,
        access: None,
        ceiling: u32::MAX,
    };

    /// `holder` is what [`Reader::holder`](super::holder::Reader::holder) says.
    pub(super) fn new(draft: &DraftKey, holder: Holder, ceiling: u32) -> Self {
        let Holder { workspace, account, access } = holder;
        Self {
            digest: draft.digest.bytes,
            not_before: draft.not_before.map_or(Seconds::ALWAYS, Seconds::new),
            expires: draft.expires.map_or(Seconds::NEVER, Seconds::new),
            revoked: draft.revoked.map_or(Seconds::NEVER, Seconds::new),
            id_length: draft.id.len() as u8,
            workspace,
            account,
            access,
            ceiling,
        }
    }

    /// The same, of that holder.
    pub(super) fn of(self, Holder { workspace, account, access }: Holder) -> Self {
        Self { workspace, account, access, ..self }
    }

    pub(super) fn is_of(&self, Holder { workspace, account, access }: Holder) -> bool {
        (self.workspace, self.account, self.access) == (workspace, account, access)
    }

    /// Whether it is never to be revoked.
    pub(super) fn is_live(&self) -> bool {
        self.revoked == Seconds::NEVER
    }

    /// Whether the policy has a warning of it: only a live key whose account is no member is refused
    /// with one.
    pub(super) fn is_warned_of(&self) -> bool {
        self.is_live() && self.access.is_none()
    }

    pub(super) fn is_vacant(&self) -> bool {
        self.id_length == 0
    }

    pub(in crate::policy) fn state(&self, UnixSeconds(now): UnixSeconds) -> KeyState {
        // Never does not come, however late it is.
        let now = now.clamp(Seconds::ALWAYS.number(), Seconds::NEVER.number() - 1);
        if now >= self.revoked.number() {
            KeyState::Revoked
        } else if now < self.not_before.number() {
            KeyState::NotYetValid
        } else if now >= self.expires.number() {
            KeyState::Expired
        } else {
            KeyState::Good
        }
    }

    /// The time from which the key is no longer good, where there is one and it was not revoked.
    pub(super) fn expiry(&self) -> Option<UnixSeconds> {
        (self.is_live() && self.expires != Seconds::NEVER)
            .then(|| UnixSeconds(self.expires.number()))
    }
}

/// A time in five bytes. They reach 17,000 years back and forth, farther than a time that can be
/// written; what is beyond is always or never.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Seconds([u8; 5]);

impl Seconds {
    pub(super) const ALWAYS: Self = Self([0, 0, 0, 0, 0x80]);
    pub(super) const NEVER: Self = Self([0xff, 0xff, 0xff, 0xff, 0x7f]);

    pub(super) fn new(UnixSeconds(seconds): UnixSeconds) -> Self {
        match seconds.to_le_bytes() {
            _ if seconds <= Self::ALWAYS.number() => Self::ALWAYS,
            _ if seconds >= Self::NEVER.number() => Self::NEVER,
            [a, b, c, d, e, ..] => Self([a, b, c, d, e]),
        }
    }

    pub(super) const fn number(self) -> i64 {
        let Self([a, b, c, d, e]) = self;
        i64::from_le_bytes([0, 0, 0, a, b, c, d, e]) >> 24
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_one_cache_line() {
        assert_eq!((size_of::<Key>(), align_of::<Key>()), (64, 64));
    }

    #[test]
    fn times_read_back_what_they_were() {
        let written = [-377_705_023_201, -1, 0, 1, 1_800_000_000, 253_402_207_200];
        let bounds = [-(1 << 39) + 1, (1 << 39) - 2];
        for seconds in written.into_iter().chain(bounds) {
            assert_eq!(Seconds::new(UnixSeconds(seconds)).number(), seconds);
        }
        for (beyond, is) in [
            (i64::MIN, Seconds::ALWAYS),
            (-(1 << 39), Seconds::ALWAYS),
            ((1 << 39) - 1, Seconds::NEVER),
            (i64::MAX, Seconds::NEVER),
        ] {
            assert_eq!(Seconds::new(UnixSeconds(beyond)), is);
        }
    }

    #[test]
    fn what_never_ends_is_good_at_every_time() {
        let key = Key { not_before: Seconds::ALWAYS, ..Key::VACANT };
        for now in [i64::MIN, 0, i64::MAX] {
            assert_eq!(key.state(UnixSeconds(now)), KeyState::Good);
            assert_eq!(Key::VACANT.state(UnixSeconds(now)), KeyState::NotYetValid);
        }
    }
}
