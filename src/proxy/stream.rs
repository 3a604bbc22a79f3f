//! One HTTP/2 stream: its request in the form that the gate judges, and its answer without what only
//! HTTP/1 has.

use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use bytes::Bytes;
use h2::Reason;
use http::header::{COOKIE, HOST, HeaderMap, HeaderValue};
use http::{Method, Request, Response};
use http_body::{Body, Frame, SizeHint};
use hyper::body;

use super::activity::Activity;
use super::body::AnswerBody;
use super::extended::{self, Near};
use super::fault::Fault;
use super::fields::Fields;
use super::gate;
use super::http2::Streams;
use super::incoming::Incoming;
use super::message::{Answer, Asking};
use super::tunnel::Leg;
use super::worker::Worker;
use crate::clock;

/// Answers the request of one stream.
pub(super) async fn answer(
    worker: Rc<Worker>,
    activity: Rc<Activity>,
    streams: Streams,
    mut request: Request<body::Incoming>,
) -> Response<StreamBody> {
    let is_head = request.method() == Method::HEAD;
    name_host(&mut request);
    join_cookies(request.headers_mut());
    let stream = extended::take(&mut request);
    let (parts, incoming) = request.into_parts();
    let mut asking = Asking {
        method: parts.method,
        target: parts.uri.into(),
        version: parts.version,
        fields: Fields::from(&parts.headers),
    };
    if stream.is_some() {
        extended::ask(&mut asking);
    }
    let Answer { mut head, body } =
        gate::answer(&worker, &activity, asking, Incoming::Shared(incoming)).await;
    if let Some((stream, tunnel)) = stream.zip(activity.take_tunnel()) {
        extended::agree(&mut head);
        let (live, activity) = (streams.enter(), Rc::clone(&activity));
        tokio::task::spawn_local(async move {
            match stream.await {
                Ok(stream) => {
                    tunnel.run(Leg { stream: Near::new(stream), read: Bytes::new() }).await;
                }
                // The client has gone before it had its answer.
                Err(_) => drop(tunnel),
            }
            worker.give_back_of(&activity);
            drop(live);
        });
    }
    // A stream's end is no connection's.
    head.fields.remove("connection");
    activity.set_stalled(Some(clock::instant()));
    let mut response = Response::new(StreamBody { body, activity, is_head });
    *response.status_mut() = head.status;
    *response.headers_mut() = HeaderMap::from(&head.fields);
    response
}

/// `:authority` is `Host` (RFC 9113 §8.3.1). Where there are both, both stay: they have to agree.
fn name_host(request: &mut Request<body::Incoming>) {
    if request.headers().contains_key(HOST) {
        return;
    }
    let Some(authority) = request.uri().authority() else { return };
    // An authority has no byte that a field's value must not have.
    if let Ok(host) = HeaderValue::from_str(authority.as_str()) {
        request.headers_mut().insert(HOST, host);
    }
}

/// HTTP/1 takes one `Cookie` (RFC 9113 §8.2.3).
fn join_cookies(headers: &mut HeaderMap) {
    if headers.get_all(COOKIE).iter().nth(1).is_none() {
        return;
    }
    let crumbs: Vec<&[u8]> = headers.get_all(COOKIE).iter().map(HeaderValue::as_bytes).collect();
    if let Ok(whole) = HeaderValue::from_bytes(&crumbs.join(&b"; "[..])) {
        headers.insert(COOKIE, whole);
    }
}

/// An answer's body. While it is not waited for, the client is: only that opens its window.
#[derive(Debug)]
pub(super) struct StreamBody {
    body: AnswerBody,
    activity: Rc<Activity>,
    is_head: bool,
}

impl Body for StreamBody {
    type Data = Bytes;
    type Error = h2::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, h2::Error>>> {
        let polled = Pin::new(&mut self.body).poll_frame(cx);
        self.activity.set_stalled(polled.is_ready().then(clock::instant));
        polled.map(|frame| frame.map(|frame| frame.map_err(|fault| reset(fault).into())))
    }

    fn is_end_stream(&self) -> bool {
        self.is_head || self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// How a stream breaks off whose answer has begun (RFC 9113 §7). One that lost its right is canceled,
/// as nobody wants the rest of it: it was processed, so it was not refused (§8.7: a client would send
/// it again by itself), and nothing is wrong with the connection.
fn reset(fault: Fault) -> Reason {
    match fault {
        Fault::Lost => Reason::CANCEL,
        Fault::BodyBroken
        | Fault::BodyTimeout
        | Fault::BodyTooLarge
        | Fault::HeadTooLarge
        | Fault::Overloaded
        | Fault::RouteBodyTooLarge
        | Fault::RouteFull
        | Fault::RouteLate
        | Fault::TargetTooLong
        | Fault::Unaudited
        | Fault::Upstream(_) => Reason::INTERNAL_ERROR,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cookies_become_one() {
        for (crumbs, whole) in
            [(&["a=1"][..], "a=1"), (&["a=1", "b=2; c=3", "d=4"], "a=1; b=2; c=3; d=4")]
        {
            let mut headers = HeaderMap::new();
            for crumb in crumbs {
                headers.append(COOKIE, HeaderValue::from_static(crumb));
            }
            join_cookies(&mut headers);
            assert_eq!(headers.get_all(COOKIE).iter().collect::<Vec<_>>(), [whole]);
        }
        let mut none = HeaderMap::new();
        join_cookies(&mut none);
        assert!(none.is_empty());
    }
}
