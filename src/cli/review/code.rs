//! What can be found: one code for each kind, with the sentence that says what to do.

use std::fmt;

use clap::ValueEnum;
use serde::Serialize;

/// How urgent a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, ValueEnum, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Severity {
    /// To be known: who holds what
    Info,
    /// To be tidied up
    Low,
    /// Open for longer, or for more, than somebody may think
    Medium,
    /// One mistake away from losing a workspace
    High,
}

impl Severity {
    /// The most urgent first.
    pub(super) const ALL: [Self; 4] = [Self::High, Self::Medium, Self::Low, Self::Info];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::High => "high",
            Self::Info => "info",
            Self::Low => "low",
            Self::Medium => "medium",
        }
    }
}

/// What kind of finding it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Code {
    AccountReachesNothing,
    BypassingRole,
    EndedSubscriptionWithKeys,
    GrantWiderThanTests,
    GroupWithoutGrants,
    HoldsFull,
    KeyExpiresSoon,
    KeyLabelShared,
    KeyNeverExpires,
    KeyOfNoMember,
    KeyReachesNothing,
    KeyUnbounded,
    KeyUnused,
    NoActiveOwner,
    PastDueWithKeys,
    ProductWithoutMembers,
    ProductWithoutWorkspace,
    PublicRoute,
    RevokedOnlyAccount,
    Seats,
    SoleOwner,
    StaleInvitation,
    SubscriptionEnds,
    SuspendedAccountWithKeys,
    SuspendedMember,
    SuspendedWorkspaceWithKeys,
    WriteAsView,
}

impl Code {
    /// Every code, by name.
    #[cfg(test)]
    pub(super) const ALL: [Self; 27] = [
        Self::AccountReachesNothing,
        Self::BypassingRole,
        Self::EndedSubscriptionWithKeys,
        Self::GrantWiderThanTests,
        Self::GroupWithoutGrants,
        Self::HoldsFull,
        Self::KeyExpiresSoon,
        Self::KeyLabelShared,
        Self::KeyNeverExpires,
        Self::KeyOfNoMember,
        Self::KeyReachesNothing,
        Self::KeyUnbounded,
        Self::KeyUnused,
        Self::NoActiveOwner,
        Self::PastDueWithKeys,
        Self::ProductWithoutMembers,
        Self::ProductWithoutWorkspace,
        Self::PublicRoute,
        Self::RevokedOnlyAccount,
        Self::Seats,
        Self::SoleOwner,
        Self::StaleInvitation,
        Self::SubscriptionEnds,
        Self::SuspendedAccountWithKeys,
        Self::SuspendedMember,
        Self::SuspendedWorkspaceWithKeys,
        Self::WriteAsView,
    ];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::AccountReachesNothing => "account_reaches_nothing",
            Self::BypassingRole => "bypassing_role",
            Self::EndedSubscriptionWithKeys => "ended_subscription_with_keys",
            Self::GrantWiderThanTests => "grant_wider_than_tests",
            Self::GroupWithoutGrants => "group_without_grants",
            Self::HoldsFull => "holds_full",
            Self::KeyExpiresSoon => "key_expires_soon",
            Self::KeyLabelShared => "key_label_shared",
            Self::KeyNeverExpires => "key_never_expires",
            Self::KeyOfNoMember => "key_of_no_member",
            Self::KeyReachesNothing => "key_reaches_nothing",
            Self::KeyUnbounded => "key_unbounded",
            Self::KeyUnused => "key_unused",
            Self::NoActiveOwner => "no_active_owner",
            Self::PastDueWithKeys => "past_due_with_keys",
            Self::ProductWithoutMembers => "product_without_members",
            Self::ProductWithoutWorkspace => "product_without_workspace",
            Self::PublicRoute => "public_route",
            Self::RevokedOnlyAccount => "revoked_only_account",
            Self::Seats => "seats",
            Self::SoleOwner => "sole_owner",
            Self::StaleInvitation => "stale_invitation",
            Self::SubscriptionEnds => "subscription_ends",
            Self::SuspendedAccountWithKeys => "suspended_account_with_keys",
            Self::SuspendedMember => "suspended_member",
            Self::SuspendedWorkspaceWithKeys => "suspended_workspace_with_keys",
            Self::WriteAsView => "write_as_view",
        }
    }

    /// What to do about it.
    pub(super) fn remedy(self) -> &'static str {
        match self {
            Self::AccountReachesNothing => "grant the member what it is there for, or remove it",
            Self::BypassingRole => {
                "keep it to whoever needs everything; give the others a role with levels"
            }
            Self::EndedSubscriptionWithKeys => {
                "revoke the keys, or they work again the day the subscription does"
            }
            Self::GrantWiderThanTests => {
                "lower the grant to what the tests use, or write the case that needs it"
            }
            Self::GroupWithoutGrants => "grant the group something, or remove it",
            Self::HoldsFull => "lower the role or the grant of whoever needs less",
            Self::KeyExpiresSoon => {
                "make the next key now, move its user over, then revoke this one"
            }
            Self::KeyLabelShared => {
                "make a key for each environment with a label of its own, and see where each is kept"
            }
            Self::KeyNeverExpires => {
                "replace it by one with an end: `sidegate key create --expires 90d`"
            }
            Self::KeyOfNoMember => {
                "revoke it (`sidegate key revoke ID`): it works again once its account is a member"
            }
            Self::KeyReachesNothing => "revoke it, or mend its ceiling",
            Self::KeyUnbounded => {
                "replace it by a key with a ceiling, or of an account that holds less, and revoke it"
            }
            Self::KeyUnused => "ask its owner, then revoke it: `sidegate key revoke ID`",
            Self::NoActiveOwner => "make somebody owner who is not suspended",
            Self::PastDueWithKeys => "settle the bill, or revoke the keys: reads still pass",
            Self::ProductWithoutMembers => "grant it to whoever uses it, or drop the product",
            Self::ProductWithoutWorkspace => "drop the product, or subscribe a workspace to it",
            Self::PublicRoute => {
                "say who needs it without a key, limit its methods, or give it a scope"
            }
            Self::RevokedOnlyAccount => "remove the member if it is gone, or make it a key",
            Self::Seats => "remove who has left, or raise `seats`, before the next invitation",
            Self::SoleOwner => "make a second member owner",
            Self::StaleInvitation => {
                "ask whether they still come, or take it back: `sidegate member remove`"
            }
            Self::SubscriptionEnds => "renew it, or tell who uses it",
            Self::SuspendedAccountWithKeys => {
                "revoke the keys: they work again the moment the suspension is lifted"
            }
            Self::SuspendedMember => "remove the member, or end the suspension",
            Self::SuspendedWorkspaceWithKeys => {
                "revoke the keys: they work again the moment the suspension is lifted"
            }
            Self::WriteAsView => {
                "make sure that it changes nothing there, or take it out of `view_methods`"
            }
        }
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
