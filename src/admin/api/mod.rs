//! What the page shows, as JSON. Each answer is bounded, whatever the policy is like.
//!
//! | path | answer | asked for by |
//! |---|---|---|
//! | `/api/overview` | the status, with the files and counts of keys | |
//! | `/api/reloads` | what the last reloads changed, row by row | |
//! | `/api/denials` | refusals of the last half hour by reason, with examples | |
//! | `/api/routes` | routes, by host and prefix | `text`, `after`, `limit` |
//! | `/api/workspaces` | names of workspaces and products | `text`, `limit` |
//! | `/api/members` | who has which level on what | `workspace`, `account`, `text`, `product`, `columns`, `level`, `after`, `limit` |
//! | `/api/keys` | keys with their states, who ends first comes first | `text`, `workspace`, `state`, `days`, `after`, `limit` |
//! | `/api/explain` | why a request would pass or not | `method`, `host`, `path`, `key_id` or `account` and `workspace`, `upgrade` |
//!
//! A list has `rows`, and `next` where there is more: it is asked for with `after`. What takes long is
//! cut short, and says by `next` where it goes on; so a page may be shorter than `limit`, or empty.

mod denials;
mod explain;
mod keys;
mod members;
mod overview;
mod query;
mod reloads;
mod routes;
mod workspaces;

use std::sync::Arc;

use serde::Serialize;
use serde_json::Value;

use super::State;
use super::status::Generation;
use crate::clock;
use crate::current;
use crate::policy::UnixSeconds;
use query::Fields;

/// Rows of an answer, where nobody says otherwise.
const ROWS: usize = 100;
/// Rows of an answer, at most.
const MOST_ROWS: usize = 500;

/// What can be asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Topic {
    Denials,
    Explain,
    Keys,
    Members,
    Overview,
    Reloads,
    Routes,
    Workspaces,
}

impl Topic {
    pub(super) fn at(path: &str) -> Option<Self> {
        match path.strip_prefix("/api/")? {
            "denials" => Some(Self::Denials),
            "explain" => Some(Self::Explain),
            "keys" => Some(Self::Keys),
            "members" => Some(Self::Members),
            "overview" => Some(Self::Overview),
            "reloads" => Some(Self::Reloads),
            "routes" => Some(Self::Routes),
            "workspaces" => Some(Self::Workspaces),
            _ => None,
        }
    }

    /// The answer to `query`. It may walk through the whole policy: not for a thread that others
    /// wait for.
    ///
    /// # Errors
    ///
    /// In the reader's words, what is wrong with the question.
    pub(super) fn answer(self, query: &str, state: &State) -> Result<Value, String> {
        let mut fields = Fields::parse(query)?;
        let view = Viewed { state, generation: state.current.load(), now: clock::now() };
        let answer = match self {
            Self::Denials => to_value(&denials::answer(&view)),
            Self::Explain => explain::answer(&view, &mut fields),
            Self::Keys => keys::answer(&view, &mut fields).and_then(|it| to_value(&it)),
            Self::Members => members::answer(&view, &mut fields).and_then(|it| to_value(&it)),
            Self::Overview => to_value(&overview::answer(&view)),
            Self::Reloads => to_value(&reloads::answer(&view)),
            Self::Routes => routes::answer(&view, &mut fields).and_then(|it| to_value(&it)),
            Self::Workspaces => workspaces::answer(&view, &mut fields).and_then(|it| to_value(&it)),
        }?;
        fields.finish()?;
        Ok(answer)
    }
}

/// What is looked at: one generation, at one time.
struct Viewed<'s> {
    state: &'s State,
    generation: Arc<current::Generation>,
    now: UnixSeconds,
}

impl Viewed<'_> {
    fn generation(&self) -> Generation {
        Generation::of(&self.generation)
    }
}

fn to_value(shown: &impl Serialize) -> Result<Value, String> {
    serde_json::to_value(shown).map_err(|error| error.to_string())
}

/// Whether `text` has `part` in it, which is in lower case, whatever the case.
fn has(text: &str, part: &str) -> bool {
    let (text, part) = (text.as_bytes(), part.as_bytes());
    part.is_empty() || text.windows(part.len()).any(|window| window.eq_ignore_ascii_case(part))
}
