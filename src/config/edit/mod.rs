//! Edits of a policy's text: who is in a workspace, and what they are granted.
//!
//! # How
//!
//! `toml_edit` says where things stand; the edit itself is a splice of the text, so that every byte
//! outside of it stays: comments, blank lines, order, line ends. New entries stand behind their
//! like, on a line of their own where those do, with the blank line above that those have. What is
//! taken out goes with its own line and the comment on it; comments on lines of their own stay.
//!
//! # What holds
//!
//! - A text comes out only where its values are those of the old one after the change (`meaning`):
//!   a form that is not understood is refused, never guessed.
//! - It compiles, in the place of the old one, or is refused with every problem and its place.
//! - It is written under the lock of the file's folder, beside and renamed over, and only where no
//!   file of the policy is another than when it was read.
//! - No workspace loses its last owner, whoever asks. Asked for somebody, the rules of
//!   [`administration`](crate::policy::administration) hold, with every pending member but the
//!   one that asks counted as one: an invitation gives what its acceptance gives.
//!
//! Start at [`Amendment::prepare`].

mod amendment;
mod change;
mod entries;
mod grants;
mod layout;
mod list;
mod meaning;
mod names;
#[cfg(test)]
mod tests;

use std::fmt;

pub use amendment::{Amendment, Wish};
pub use change::{Change, Given, NewGrant};

/// Why a policy is not changed: whole lines for the operator.
#[derive(Debug)]
pub enum Obstacle {
    /// The system refused.
    Broke(String),
    /// The policy is wrong, would be, or does not have what is named.
    Invalid(String),
    /// The rules of administration refuse it.
    No(String),
}

/// Why a text cannot be edited.
#[derive(Debug)]
struct Unable(String);

impl Unable {
    fn form() -> Self {
        Self("it is written in a form that cannot be edited here — change it by hand".to_owned())
    }
}

impl fmt::Display for Unable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
