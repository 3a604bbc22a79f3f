//! One process follows another on the same sockets: no connection is refused, and none is lost in the
//! queue of a listener that closes, because none does.
//!
//! The follower has read and compiled everything before it asks, over a Unix socket (`[handover]
//! socket`, of this user alone). Everything that is said is one byte:
//!
//! | follower | process that runs |
//! |---|---|
//! | `1`: this version of what follows | `d` for each listener of clients, `a` for that of operators, `h` for this socket itself, each with the file descriptor; then `.` |
//! | `+` once it serves | `-`, and drains |
//!
//! # Invariants
//!
//! - Both have the same sockets, so both accept until one drains. Whichever of them breaks before `+`,
//!   the process that runs goes on as if nothing had been asked.
//! - One follower at a time. Who comes while there is one waits in the queue of the socket, which
//!   moves on with the rest.
//! - Only this user's processes are spoken with, on both sides.
//! - Files of Unix sockets stay where they are: what moves is the socket.
//!
//! Start at [`ask`], and at [`Offer::next`] for the other side.

mod offer;
mod take;
mod wire;

pub(super) use self::offer::{Offer, Shares};
pub(super) use self::take::{Taken, Taking, ask};
