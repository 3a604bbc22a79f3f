//! By what a request goes on: what was asked, and what the answer to that is made of.
//!
//! It is kept of every request that was let through, so that one that lasts can be judged again.
//! Nothing is copied for it: it shares the bytes that the head came in, until it lasts.

use std::fmt;
use std::rc::Rc;

use bytes::Bytes;
use http::Method;
use http::header::{AUTHORIZATION, HOST, HeaderMap, HeaderValue};
use http::request::Parts;
use http::uri::PathAndQuery;
use zeroize::Zeroizing;

use super::extract;
use super::headers::API_KEY;
use super::trace::Trace;
use crate::current::Held;
use crate::policy::{Decision, Denial, Facts, Query, UnixSeconds, Upgrade};

/// The question that was answered with yes, and the last answer. Its `Debug` says nothing: it holds
/// the key.
pub(super) struct Claim {
    method: Method,
    host: HeaderValue,
    target: PathAndQuery,
    credential: Credential,
    upgrade: Upgrade,
    is_preflight: bool,
    generation: Rc<Held>,
    facts: Facts,
    /// Under which ids it is told of, once it was answered.
    trace: Option<Trace>,
}

/// Where the key is.
enum Credential {
    /// In the fields that do not go on.
    Fields {
        authorization: Option<HeaderValue>,
        api_key: Option<HeaderValue>,
    },
    Text(Option<Zeroizing<String>>),
}

impl fmt::Debug for Claim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Claim").finish_non_exhaustive()
    }
}

impl Claim {
    /// Of a request that was let through, whose credential goes from its head into this.
    pub(super) fn of(
        parts: &mut Parts,
        has_body: bool,
        upgrades: bool,
        generation: Rc<Held>,
        facts: Facts,
    ) -> Self {
        let is_preflight = parts.method == Method::OPTIONS
            && !has_body
            && matches!(extract::asks(&parts.method, &parts.headers), Ok((_, true)));
        let target = parts.uri.path_and_query().cloned();
        Self {
            method: parts.method.clone(),
            // It was judged: it has both.
            host: parts.headers.get(HOST).cloned().unwrap_or(HeaderValue::from_static("")),
            target: target.unwrap_or(PathAndQuery::from_static("/")),
            credential: Credential::take(parts, upgrades),
            upgrade: if upgrades { Upgrade::WebSocket } else { Upgrade::None },
            is_preflight,
            generation,
            facts,
            trace: None,
        }
    }

    /// Judges again. If it is still yes, that is what it goes on by; if not, it ends by what it had.
    ///
    /// # Errors
    ///
    /// Why it is no.
    pub(super) fn judge(&mut self, by: &Rc<Held>, now: UnixSeconds) -> Result<(), Denial> {
        let query = Query {
            method: self.method.as_str(),
            host: self.host.to_str().unwrap_or_default(),
            target: self.target.as_str(),
            credential: self.credential.text(),
            upgrade: self.upgrade,
            preflight: self.is_preflight,
        };
        match by.snapshot.decide(&query, now) {
            Decision::Allow(permit) => self.facts = permit.facts(),
            Decision::Deny(denial) => return Err(denial),
        }
        self.generation = Rc::clone(by);
        Ok(())
    }

    /// Lets go of the bytes that the head came in: it is to last.
    pub(super) fn settle(&mut self) {
        let text = self.credential.text().map(|key| Zeroizing::new(key.to_owned()));
        self.credential = Credential::Text(text);
        if let Ok(host) = HeaderValue::from_bytes(self.host.as_bytes()) {
            self.host = host;
        }
        let target = Bytes::copy_from_slice(self.target.as_str().as_bytes());
        if let Ok(target) = PathAndQuery::from_maybe_shared(target) {
            self.target = target;
        }
    }

    pub(super) fn generation(&self) -> &Held {
        &self.generation
    }

    pub(super) fn facts(&self) -> &Facts {
        &self.facts
    }

    pub(super) fn method(&self) -> &Method {
        &self.method
    }

    pub(super) fn trace(&self) -> Option<&Trace> {
        self.trace.as_ref()
    }

    pub(super) fn set_trace(&mut self, trace: Trace) {
        self.trace = Some(trace);
    }
}

impl Credential {
    fn take(parts: &mut Parts, upgrades: bool) -> Self {
        if upgrades {
            // It may be among the protocols.
            let query =
                extract::query(&parts.method, &parts.uri, parts.version, &parts.headers).ok();
            let text = query.and_then(|query| query.credential);
            return Self::Text(text.map(|key| Zeroizing::new(key.to_owned())));
        }
        let mut field = |name| HeaderMap::remove(&mut parts.headers, name);
        Self::Fields { authorization: field(AUTHORIZATION), api_key: field(API_KEY) }
    }

    fn text(&self) -> Option<&str> {
        match self {
            Self::Fields { authorization, api_key } => {
                extract::key(authorization.as_ref(), api_key.as_ref())
            }
            Self::Text(text) => text.as_ref().map(|text| text.as_str()),
        }
    }
}
