//! The decision core: what an operator wrote becomes levels, a request becomes an answer.
//!
//! # Words
//!
//! Those of domain.md: a *key* is a credential of one *account* in one *workspace*; a *route* maps
//! host and path prefix to a *scope* (a product, one of its permissions, or an area); the method
//! asks for a *level* (`view` or `full`) on it.
//!
//! # What goes in and out
//!
//! A [`Draft`] (names and places, as written) is [`compile`]d to a [`Snapshot`] or to every problem
//! that it has. [`Snapshot::decide`] takes a [`Query`] and a time and gives a [`Permit`] or a
//! [`Denial`]. A permit carries the canonical target that was judged, so that nothing else can be
//! forwarded. [`explain`] says why, from the draft. Where a few keys came or went,
//! [`Snapshot::amended`] makes another snapshot without compiling; where only the rules changed,
//! [`compile_under`] keeps the keys.
//!
//! # Invariants
//!
//! - No I/O, clock, log, lock or panic here: the same snapshot, query and time give the same answer.
//! - The snapshot holds levels, not rules: nothing on the request path walks a grant, and the cost
//!   of a decision is that of the request's own segments, one hash of the key and two look-ups.
//! - Whoever adds a reason adds it to [`DenyReason::ALL`].
//!
//! # Where domain.md is silent
//!
//! - An *owner* is a member with the role `owner`; where a policy declares no such role, a member
//!   whose role has `bypass`.
//! - A live key whose account is no longer a member is a warning, and denied as `not_a_member`:
//!   were it an error, removing a member would leave the last good policy, and the member, in force.
//! - A revoked key may name a workspace, account or product that is gone.
//! - Account names that differ only in case are refused, and a name captured by `{account}` finds
//!   its account in any case: `protect` cannot be walked around by spelling.
//! - `*.domain` and `{workspace}.domain` match exactly one label.
//! - Which route wins: an exact host before one label before no host; then, segment by segment from
//!   the left, a literal before `*` or a capture, and only then the longer prefix. A host or branch
//!   that has no route for the rest leaves it to the next.
//! - Hosts have no case and labels no dots: a workspace with a capital or a dot in its name is
//!   captured by paths only.
//! - `*` means the same wherever levels stand by name, in grants too: what is not named, and of a
//!   product's rows the product itself.
//! - A list of methods with GET has HEAD; methods are compared with their case.
//! - `protect` asks in addition to the route's own scope, for as much as the method needs there, and
//!   a key's ceiling counts on both.
//! - A key that is yet to be revoked and whose workspace is gone, or of another environment than the
//!   key, reaches nothing; what its ceiling names and nobody has is left out.
//! - On a public route a key is neither asked for nor looked at.
//! - A WebSocket needs the route's `upgrade` or what its method needs, whichever is more, on the
//!   route's scope and where `protect` asks for an area. On a public route any level lets it through.
//! - A preflight that goes on without a key is held against neither `methods` nor the workspace:
//!   nothing of either is asked for. With a key it is a request as any other, on public routes too.
//! - A *pending* member was invited and has not accepted: it has a seat, is in no group and gets no
//!   grant, and its keys are denied as `not_a_member`.
//! - `OPTIONS *` belongs to no route.
//! - A route's `limits` are no part of a decision: the same request gets the same answer, however
//!   many there are.
//! - What readers of paths do not agree on (`%2F`, `;`) is [`Disputed`]: `bad_target` unless the route
//!   keeps it, and so where there is none. What has a dot or an empty segment, whether `%2F` splits
//!   and `;` cuts or not, is refused on every route.
//!
//! Start at [`Snapshot::decide`].

pub mod administration;
mod bytes;
mod decide;
mod describe;
pub mod difference;
mod disputed;
pub mod draft;
pub mod explain;
mod host;
pub mod key;
mod level;
mod limits;
mod lint;
mod method;
mod problem;
mod reason;
pub mod review;
mod rules;
mod segment;
mod snapshot;
mod target;
mod time;

pub use decide::{Decision, Denial, Facts, Permit, Query, Upgrade};
pub use describe::Description;
pub use disputed::Disputed;
pub use draft::Draft;
pub use host::Host;
pub use level::Level;
pub use limits::RouteLimits;
pub use lint::{Allow, Lint};
pub use problem::{At, FileId, Place, Problem, Severity, nearest};
pub use reason::DenyReason;
pub use rules::Rules;
pub use snapshot::{
    Cell, Column, Columns, KeyView, MemberView, Route, Snapshot, Unheld, WorkspaceView, compile,
    compile_under, compile_with,
};
pub use target::{Target, TargetError};
pub use time::UnixSeconds;
