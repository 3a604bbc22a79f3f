//! Keys, told of together: one line, however many there are.

use crate::policy::draft::DraftKey;
use crate::policy::{Lint, Place, Problem, UnixSeconds};

/// Keys that are named, of many.
const NAMED: usize = 3;

/// Keys that work and never expire.
pub(super) fn check(keys: &[DraftKey], now: UnixSeconds) -> Option<Problem> {
    let is_over = |end: &Option<UnixSeconds>| end.is_some_and(|end| end <= now);
    let works = |key: &&DraftKey| !is_over(&key.revoked) && !is_over(&key.expires);
    let working = keys.iter().filter(works).count();
    let is_endless = |key: &&DraftKey| key.expires.is_none() && key.revoked.is_none();
    let mut endless = keys.iter().filter(is_endless);
    let first = keys.iter().find(is_endless)?;
    let count = endless.by_ref().count();
    let named: Vec<_> =
        keys.iter().filter(is_endless).take(NAMED).map(|key| format!("`{}`", key.id)).collect();
    let more = if count > NAMED { ", …" } else { "" };
    let never = if count == 1 { "never expires" } else { "never expire" };
    let message = format!("{count} of {working} working keys {never}: {}{more}", named.join(", "));
    let place = Place { line: 0, column: 0, ..first.place };
    let hint = "`sidegate key create --expires 90d` makes one that does";
    Some(Problem::warning(Lint::EndlessKeys, place, message).hint(hint))
}
