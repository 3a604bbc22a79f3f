//! Why a request is refused: one reason, one code, on every surface.

use std::fmt;

/// Why a request is refused. The order of checks is that of [`decide`](super::Snapshot::decide);
/// here they stand in alphabetical order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum DenyReason {
    /// The account is suspended.
    AccountSuspended,
    /// Framing, header or credential ambiguity: two keys, two hosts, …
    BadRequest,
    /// Host or path that has no single reading.
    BadTarget,
    /// The account could, this key may not.
    KeyCeiling,
    /// The key's time is over.
    KeyExpired,
    /// Wrong prefix or checksum of our own format.
    KeyMalformed,
    /// No credential, and the route is not public.
    KeyMissing,
    /// The key's time has not come.
    KeyNotYetValid,
    /// The key was revoked.
    KeyRevoked,
    /// No such hash.
    KeyUnknown,
    /// TRACE, CONNECT, an upgrade or a method that the route does not take.
    MethodRefused,
    /// The level is none, before subscription and ceiling.
    NoAccess,
    /// The key's account is not, or no longer, a member of its workspace.
    NotAMember,
    /// The workspace does not have the product.
    ProductAbsent,
    /// The captured account is protected by an area that the caller does not reach.
    ProtectedAccount,
    /// The key asks more often than it may.
    RateLimited,
    /// No route is there, said only to a good key.
    RouteUnknown,
    /// Suspended, canceled or past its end; a write while past due.
    SubscriptionInactive,
    /// The level is view, the method needs full.
    ViewOnly,
    /// The workspace is suspended.
    WorkspaceSuspended,
    /// The sidecar is pinned to another environment.
    WrongEnvironment,
    /// The key belongs to another workspace.
    WrongWorkspace,
}

impl DenyReason {
    /// Every reason.
    pub const ALL: [Self; 22] = [
        Self::AccountSuspended,
        Self::BadRequest,
        Self::BadTarget,
        Self::KeyCeiling,
        Self::KeyExpired,
        Self::KeyMalformed,
        Self::KeyMissing,
        Self::KeyNotYetValid,
        Self::KeyRevoked,
        Self::KeyUnknown,
        Self::MethodRefused,
        Self::NoAccess,
        Self::NotAMember,
        Self::ProductAbsent,
        Self::ProtectedAccount,
        Self::RateLimited,
        Self::RouteUnknown,
        Self::SubscriptionInactive,
        Self::ViewOnly,
        Self::WorkspaceSuspended,
        Self::WrongEnvironment,
        Self::WrongWorkspace,
    ];

    /// The code in metric, log, audit event and tests.
    pub fn code(self) -> &'static str {
        match self {
            Self::AccountSuspended => "account_suspended",
            Self::BadRequest => "bad_request",
            Self::BadTarget => "bad_target",
            Self::KeyCeiling => "key_ceiling",
            Self::KeyExpired => "key_expired",
            Self::KeyMalformed => "key_malformed",
            Self::KeyMissing => "key_missing",
            Self::KeyNotYetValid => "key_not_yet_valid",
            Self::KeyRevoked => "key_revoked",
            Self::KeyUnknown => "key_unknown",
            Self::MethodRefused => "method_refused",
            Self::NoAccess => "no_access",
            Self::NotAMember => "not_a_member",
            Self::ProductAbsent => "product_absent",
            Self::ProtectedAccount => "protected_account",
            Self::RateLimited => "rate_limited",
            Self::RouteUnknown => "route_unknown",
            Self::SubscriptionInactive => "subscription_inactive",
            Self::ViewOnly => "view_only",
            Self::WorkspaceSuspended => "workspace_suspended",
            Self::WrongEnvironment => "wrong_environment",
            Self::WrongWorkspace => "wrong_workspace",
        }
    }

    /// Whether the policy says it. The others are said before it is asked, of what has no query in
    /// it, and after it has answered, of keys that ask too often.
    pub fn is_of_policy(self) -> bool {
        !matches!(self, Self::BadRequest | Self::RateLimited)
    }

    /// The HTTP status (RFC 9110 §15.5). `hide_none` is the policy's word: what a caller has no
    /// level on answers as if it were not there.
    pub fn status(self, hide_none: bool) -> u16 {
        match self {
            Self::BadRequest | Self::BadTarget => 400,
            Self::KeyExpired
            | Self::KeyMalformed
            | Self::KeyMissing
            | Self::KeyNotYetValid
            | Self::KeyRevoked
            | Self::KeyUnknown
            | Self::WrongEnvironment => 401,
            Self::NoAccess | Self::ProductAbsent | Self::WrongWorkspace if hide_none => 404,
            Self::AccountSuspended
            | Self::KeyCeiling
            | Self::NoAccess
            | Self::NotAMember
            | Self::ProductAbsent
            | Self::ProtectedAccount
            | Self::SubscriptionInactive
            | Self::ViewOnly
            | Self::WorkspaceSuspended
            | Self::WrongWorkspace => 403,
            Self::RouteUnknown => 404,
            Self::MethodRefused => 405,
            Self::RateLimited => 429,
        }
    }
}

impl fmt::Display for DenyReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_is_whole_sorted_and_numbered() {
        for (number, reason) in DenyReason::ALL.into_iter().enumerate() {
            assert_eq!(reason as usize, number, "{reason}");
        }
        let codes = DenyReason::ALL.map(DenyReason::code);
        assert!(codes.is_sorted());
        // The last variant's number says how many there are.
        assert_eq!(DenyReason::WrongWorkspace as usize + 1, DenyReason::ALL.len());
    }
}
