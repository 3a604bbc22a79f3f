//! What somebody should look at though it has no fault: every warning has a code of its own.
//!
//! Codes are kept for good: one that is no longer told keeps its number.

use super::problem::{At, Problem, Severity};

/// What a warning is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Lint {
    /// An `[[allow]]` whose code is none.
    UnknownLint,
    /// An `[[allow]]` without anything to allow.
    IdleAllow,
    /// A workspace with one owner.
    OneOwner,
    /// A grant that can never act.
    IdleGrant,
    /// An `[account]` that is a member of no workspace.
    AccountNowhere,
    /// A group that is granted nothing.
    IdleGroup,
    /// A role that nobody has.
    UnusedRole,
    /// A role that gives areas that are yet to be declared.
    WildcardAreas,
    /// A product that no route asks for.
    UnroutedProduct,
    /// A policy without a route.
    NoRoute,
    /// A public route under a guarded one.
    PublicUnderGuarded,
    /// Guarded routes under a public one.
    GuardedUnderPublic,
    /// A method that writes as a read, beside methods that write.
    WriteAsView,
    /// A method in `view_methods` that the route does not take.
    ViewNotTaken,
    /// A route that takes no method.
    TakesNothing,
    /// An upgrade on a route that does not take GET.
    UpgradeWithoutGet,
    /// `%2F` is let through.
    EncodedSlash,
    /// `;` is let through.
    PathParams,
    /// A route that nobody passes.
    UnheldRoute,
    /// A key whose account is no member.
    KeyOfNobody,
    /// Keys that never expire.
    EndlessKeys,
    /// Operators are listened for on an address that others reach.
    AdminReachable,
    /// An upstream behind a network without TLS.
    PlainUpstream,
    /// Too many addresses are believed.
    WideProxies,
    /// An upstream that no route names.
    UnroutedUpstream,
    /// Several environments and no pin.
    NoPin,
    /// Spans are asked for that this build does not send.
    SpansNotBuilt,
    /// A file that decides, and that others can write.
    OthersWrite,
    /// A secret that others can read.
    OthersRead,
    /// A certificate that is not good now.
    CertificateTime,
    /// A file that is to be written, and cannot be.
    Unwritable,
}

/// Code, title and explanation.
type About = (&'static str, &'static str, &'static str);

impl Lint {
    /// Every lint, in the order of the codes.
    pub const ALL: [Self; 31] = [
        Self::UnknownLint,
        Self::IdleAllow,
        Self::OneOwner,
        Self::IdleGrant,
        Self::AccountNowhere,
        Self::IdleGroup,
        Self::UnusedRole,
        Self::WildcardAreas,
        Self::UnroutedProduct,
        Self::NoRoute,
        Self::PublicUnderGuarded,
        Self::GuardedUnderPublic,
        Self::WriteAsView,
        Self::ViewNotTaken,
        Self::TakesNothing,
        Self::UpgradeWithoutGet,
        Self::EncodedSlash,
        Self::PathParams,
        Self::UnheldRoute,
        Self::KeyOfNobody,
        Self::EndlessKeys,
        Self::AdminReachable,
        Self::PlainUpstream,
        Self::WideProxies,
        Self::UnroutedUpstream,
        Self::NoPin,
        Self::SpansNotBuilt,
        Self::OthersWrite,
        Self::OthersRead,
        Self::CertificateTime,
        Self::Unwritable,
    ];

    /// The lint of that code.
    pub fn of_code(code: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|lint| lint.code() == code)
    }

    /// The code: stable, and never used again for another.
    pub fn code(self) -> &'static str {
        self.about().0
    }

    /// What it is about, in a few words.
    pub fn title(self) -> &'static str {
        self.about().1
    }

    /// Why it is told, and what to do.
    pub fn explanation(self) -> &'static str {
        self.about().2
    }

    fn about(self) -> About {
        match self {
            Self::UnknownLint => (
                "SG001",
                "an `[[allow]]` names no lint",
                "The code is not one of `sidegate check --explain list`, so nothing is allowed by it. \
                 It is a warning and no error, so that a file for a newer sidegate can be read by an \
                 older one.",
            ),
            Self::IdleAllow => (
                "SG002",
                "an `[[allow]]` silences nothing",
                "What it was for is gone, or `where` is no part of the message as it is printed. Drop \
                 it: otherwise it may one day silence something that nobody has looked at.",
            ),
            Self::OneOwner => (
                "SG010",
                "a workspace has one owner",
                "When that person is away, or the account is lost, nobody can do what only owners may. \
                 Give a second member the role.",
            ),
            Self::IdleGrant => (
                "SG011",
                "a grant can never act",
                "It is to an empty group, gives nothing, gives no more than the role does, or gives what \
                 no route of the workspace asks for. Whoever wrote it thinks that it gives something.",
            ),
            Self::AccountNowhere => (
                "SG012",
                "an `[account]` is a member of no workspace",
                "The entry acts on nobody. It may be left from somebody who is gone, or be another \
                 spelling of somebody who is not.",
            ),
            Self::IdleGroup => (
                "SG013",
                "a group is granted nothing",
                "Whoever puts an account into it thinks that this gives something. Add a grant to the \
                 group, or drop it.",
            ),
            Self::UnusedRole => (
                "SG014",
                "a role is nobody's",
                "No member of any workspace has it, so nothing of what it gives was ever tried. Drop \
                 it, or allow it where the role is kept for later.",
            ),
            Self::WildcardAreas => (
                "SG015",
                "a role gives areas that are yet to be declared",
                "`\"*\"` is every area not named: an area that is added later is open to everybody with \
                 this role from that moment, without a word about it. That is meant for administrators; \
                 for other roles, name the areas.",
            ),
            Self::UnroutedProduct => (
                "SG016",
                "no route asks for a product",
                "It is declared, may be subscribed to and granted, and none of that opens anything. A \
                 route is missing, or the product is gone.",
            ),
            Self::NoRoute => (
                "SG020",
                "the policy has no route",
                "What matches no route is refused, so everything is.",
            ),
            Self::PublicUnderGuarded => (
                "SG021",
                "a public route lies under a guarded one",
                "The longer prefix decides: this part of what the guarded route covers is open to \
                 everybody, without a key. Whoever reads the guarded route alone does not see it.",
            ),
            Self::GuardedUnderPublic => (
                "SG022",
                "guarded routes lie under a public one",
                "Whatever the guarded routes do not match is open to everybody, without a key: a page \
                 that is added beside them, another spelling of their prefix, a version of it. It is \
                 safer the other way round: a guarded prefix with public routes under it.",
            ),
            Self::WriteAsView => (
                "SG023",
                "a method that writes counts as a read, beside methods that write",
                "`view_methods` lets POST or the like pass with `view`, as a search by POST needs. On the \
                 same prefix, other methods write: there POST often creates, and it would need `full`. \
                 Give the search a route of its own, or say with `methods` that nothing else is taken.",
            ),
            Self::ViewNotTaken => (
                "SG024",
                "`view_methods` has what `methods` has not",
                "The route answers the method with 405, so its level means nothing.",
            ),
            Self::TakesNothing => (
                "SG025",
                "a route takes no method",
                "`methods` is empty: every request that the route matches is answered with 405.",
            ),
            Self::UpgradeWithoutGet => (
                "SG026",
                "a WebSocket on a route without GET",
                "A WebSocket is opened by GET, which the route does not take: `upgrade` lets nothing \
                 through.",
            ),
            Self::EncodedSlash => (
                "SG027",
                "`%2F` is let through",
                "With `encoded_slash = \"keep\"`, `%2F` is a part of its segment. An upstream that \
                 decodes it before it splits at `/` reads another path than was judged, perhaps that of \
                 a stricter route. Allow it where you know that the upstream does not.",
            ),
            Self::PathParams => (
                "SG028",
                "`;` is let through",
                "With `path_params = \"keep\"`, `;` and what follows it in a segment is not looked at. An \
                 upstream that does not cut it off reads another path than was judged. Allow it where \
                 you know that it does.",
            ),
            Self::UnheldRoute => (
                "SG029",
                "nobody passes a route",
                "No member of the workspaces that it is for has a level on its scope, or none of them \
                 has the product: a grant or a subscription is missing, or the route is gone.",
            ),
            Self::KeyOfNobody => (
                "SG030",
                "a key's account is no member",
                "The key is refused as `not_a_member`. If the account was removed on purpose, revoke \
                 the key: should the account come back, the key would be good again.",
            ),
            Self::EndlessKeys => (
                "SG031",
                "keys never expire",
                "A key that leaks and is never missed is good for ever. Make keys with `--expires 90d`, \
                 and rotate them.",
            ),
            Self::AdminReachable => (
                "SG040",
                "operators are listened for on an address that others reach",
                "Metrics name workspaces and routes, `/status` shows problems of the files, and whoever \
                 reaches `POST /reload` can let in a change that the guard rails hold back. There is no \
                 password: listen on 127.0.0.1, or allow it where a network policy stands before it.",
            ),
            Self::PlainUpstream => (
                "SG041",
                "an upstream on another host without TLS",
                "Bodies and the identity fields go over the network as they are: whoever is on the way \
                 can read and change them. Use `https://`, a Unix socket, or allow it where the network \
                 itself is encrypted.",
            ),
            Self::WideProxies => (
                "SG042",
                "very many addresses are believed",
                "Everybody in `trusted_proxies` can say where a client comes from. Name the proxies that \
                 stand before this one, or their own network.",
            ),
            Self::UnroutedUpstream => (
                "SG043",
                "no route goes to an upstream",
                "It is kept ready, and checked, for nothing: a route is missing, or the upstream is gone.",
            ),
            Self::NoPin => (
                "SG044",
                "several environments, and no pin",
                "Workspaces of several environments stand in the policy, and without `environment` in \
                 `sidegate.toml` keys of all of them are good here: a staging key passes in production.",
            ),
            Self::SpansNotBuilt => (
                "SG045",
                "spans are asked for that this build does not send",
                "`[tracing]` needs a sidegate that was built with `--features otlp`; without it `serve` \
                 does not start. It is a warning, as the one that checks may not be the one that serves.",
            ),
            Self::OthersWrite => (
                "SG050",
                "others can write what decides",
                "Whoever can write the settings or the policy can open everything. `chmod go-w` them, \
                 and the folder of a policy that is one.",
            ),
            Self::OthersRead => (
                "SG051",
                "others can read a secret",
                "Key records, the pepper or a TLS key can be read or written by group or others; it was \
                 let through by `--insecure-permissions`. `chmod 600` the file.",
            ),
            Self::CertificateTime => (
                "SG052",
                "a certificate is not good now",
                "It expired, or is not good yet: clients refuse it. Renew it, and look at the machine's \
                 clock.",
            ),
            Self::Unwritable => (
                "SG053",
                "a file that is to be written cannot be",
                "The audit log, the file of `last_used` or the folder of `last_good`: its folder is not \
                 there, or who runs `check` may not write. Nothing was tried. Without the audit log \
                 `serve` does not start; the others are missed when they are needed. Allow it where \
                 another user serves.",
            ),
        }
    }
}

/// `[[allow]]`: a warning that somebody has looked at, and why it may stay.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Allow {
    /// The code.
    pub lint: At<String>,
    /// Why.
    pub reason: String,
    /// A part of the message, as it is printed; without it, every message of that code.
    pub part: Option<String>,
}

impl Allow {
    /// Whether it silences `problem`: never an error.
    pub fn covers(&self, problem: &Problem) -> bool {
        let is_meant = problem.lint.is_some_and(|lint| lint.code() == self.lint.value);
        let is_part = self.part.as_ref().is_none_or(|part| problem.message.contains(part.as_str()));
        problem.severity == Severity::Warning && is_meant && is_part
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_in_order_and_found() {
        let codes = Lint::ALL.map(Lint::code);
        assert!(codes.is_sorted() && codes.windows(2).all(|pair| pair[0] != pair[1]), "{codes:?}");
        assert_eq!(codes.map(Lint::of_code), Lint::ALL.map(Some));
        assert_eq!(Lint::of_code("SG"), None);
        for lint in Lint::ALL {
            assert!(!lint.title().ends_with('.') && lint.explanation().ends_with('.'), "{lint:?}");
        }
    }
}
