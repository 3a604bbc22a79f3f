//! The heads of messages as the data plane has them, whatever HTTP they came by.

use http::{Method, StatusCode, Uri, Version};
use hyper::ext::ReasonPhrase;

use super::fields::{Fields, Place};

/// The head of a request.
#[derive(Debug)]
pub(super) struct Asking {
    pub(super) method: Method,
    pub(super) target: Target,
    pub(super) version: Version,
    pub(super) fields: Fields,
}

/// What a request is for (RFC 9112 §3.2).
#[derive(Debug)]
pub(super) enum Target {
    /// In origin-form, of bytes that no reader doubts: where it stands in front of the fields.
    Plain(Place),
    /// In whatever form.
    Uri(Box<Uri>),
}

impl Asking {
    /// Path and query, or `*`. Nothing where there is only an authority.
    pub(super) fn target(&self) -> Option<&[u8]> {
        match &self.target {
            Target::Plain(place) => Some(self.fields.part(*place)),
            Target::Uri(uri) => uri.path_and_query().map(|target| target.as_str().as_bytes()),
        }
    }
}

impl From<Uri> for Target {
    fn from(uri: Uri) -> Self {
        Self::Uri(Box::new(uri))
    }
}

/// The head of an answer.
#[derive(Debug)]
pub(super) struct Answering {
    pub(super) status: StatusCode,
    /// What an upstream of HTTP/1 calls the status, where it has a word of its own.
    pub(super) reason: Option<ReasonPhrase>,
    pub(super) fields: Fields,
}

impl Answering {
    pub(super) fn new(status: StatusCode) -> Self {
        Self { status, reason: None, fields: Fields::with_room() }
    }
}

/// An answer.
#[derive(Debug)]
pub(super) struct Answer<B> {
    pub(super) head: Answering,
    pub(super) body: B,
}

impl<B> Answer<B> {
    pub(super) fn map<C>(self, change: impl FnOnce(B) -> C) -> Answer<C> {
        Answer { head: self.head, body: change(self.body) }
    }
}
