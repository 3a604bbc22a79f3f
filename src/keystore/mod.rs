//! Key records on disk.
//!
//! `keys.jsonl` holds one [`Record`] a line: a JSON object with `id`, `hash`, `workspace`, `account`,
//! `environment`, `created` and, each of them null or left out where there is nothing to say,
//! `label`, `owner` (who is asked about it), `not_before`, `expires`, `revoked`, `reason` (why it was)
//! and `ceiling` (`level`, `products`, `areas`). Times are RFC 3339 in whole seconds. `owner` and
//! `reason` are written only where there is something to say.
//!
//! What holds:
//! - A damaged line is a problem with its number, never skipped. Damaged is also: blank, without the
//!   newline at its end (it may be half of what was to be written), longer than 64 KiB, an unknown
//!   field or one that stands twice.
//! - An empty file is an error, because a file that is being written in place is empty for a
//!   moment. A newline alone says that there are no keys; `sidegate key create` takes both, and none.
//! - Writers go through [`Store`]: under an exclusive lock of the *folder* (it stays when the file in
//!   it is replaced, and leaves nothing behind), a whole new file beside the old one, `fsync`,
//!   `rename`, `fsync` of the folder. Whoever is killed at any moment leaves the old file or the new.
//! - Who reads a file again finds what changed by its [`Ledger`]: sums of pieces of whole lines, under
//!   a secret that is made anew for each whole load (`sum.rs` says why no change is missed). What is
//!   new is read as strictly as the whole, and where anything is wrong with it nothing is said: only
//!   [`read_to_follow`] says what.
//! - A key's text is nowhere but in [`ApiKey`], which shows itself only where it is told to.
//!
//! Absent: whether ids and hashes are unique and names known, which is
//! [`compile`](crate::policy::compile)'s to say.
//!
//! Start at [`read`], then [`Store`].

mod api_key;
mod canonical;
mod damage;
mod foreign;
mod last_used;
mod ledger;
mod permissions;
mod pieces;
mod read;
mod record;
mod refusal;
mod replace;
mod store;
mod sum;
mod text;
mod timestamp;

pub use api_key::ApiKey;
pub use foreign::{Column, Format, Row, Secret, Wrong};
pub use last_used::LastUsed;
pub use ledger::{Changes, Ledger};
pub use permissions::Permissions;
pub use read::{labels, look, read, read_to_follow, records};
pub use record::{Ceiling, Record, State};
pub use refusal::Refusal;
pub(crate) use replace::Target;
pub use store::{Imported, NewRecord, Revocation, Revoked, Rotated, Store, Terms, Whom};
pub use text::Text;
pub use timestamp::Timestamp;
