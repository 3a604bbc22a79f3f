//! The heads of messages as the data plane has them, whatever HTTP they came by.

use http::{Method, StatusCode, Uri, Version};
use hyper::ext::ReasonPhrase;

use super::fields::Fields;

/// The head of a request.
#[derive(Debug)]
pub(super) struct Asking {
    pub(super) method: Method,
    pub(super) uri: Uri,
    pub(super) version: Version,
    pub(super) fields: Fields,
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
