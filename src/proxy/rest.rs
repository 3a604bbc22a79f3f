//! A connection of HTTP/1.1 between its requests.
//!
//! Nearly all that a connection takes is its buffers and the room for a request. Where none comes
//! for a moment, that is given up, and made anew at the client's next byte: who waits keeps a socket
//! and a timer.

use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use tokio::io::{AsyncRead as _, AsyncWrite as _, ReadBuf};

use super::activity::Activity;
use super::connection;
use super::timer::deadline;
use super::transport::Transport;
use super::worker::Worker;

/// How long a connection is kept as it was. Whoever asks more often never rests.
pub(super) const MOMENT: Duration = Duration::from_secs(2);

/// Of what can only be read, and not looked at: this much is.
const FIRST_BYTES: usize = 64;

/// Serves a connection to its end.
pub(super) async fn serve(worker: Rc<Worker>, transport: Transport, activity: Rc<Activity>) {
    let mut next = Some(transport);
    while let Some(transport) = next {
        // Boxed, as nothing of it is there while the connection rests.
        let served = connection::serve(Rc::clone(&worker), transport, Rc::clone(&activity));
        next = match Box::pin(served).await {
            Some(transport) => rest(&worker, transport, &activity).await,
            None => None,
        };
    }
}

/// Waits for the client's next byte. Nothing, where it does not come in time, or need not come.
async fn rest(worker: &Worker, mut transport: Transport, activity: &Activity) -> Option<Transport> {
    let end = deadline(activity.since(), worker.timeouts().idle);
    tokio::select! {
        biased;
        first = poll_fn(|cx| poll_first(&mut transport, cx)) => {
            return Some(transport.put_back(first.ok()??));
        }
        () = tokio::time::sleep_until(end.into()) => {}
        // Who has not heard of a drain may bring one more request.
        () = worker.drain().lingered() => {}
    }
    // TLS has a word for it, which is not waited for.
    poll_fn(|cx| Poll::Ready(Pin::new(&mut transport).poll_shutdown(cx).is_ready())).await;
    None
}

/// What had to be taken to see that there is something. Nothing at the client's end.
fn poll_first(transport: &mut Transport, cx: &mut Context<'_>) -> Poll<io::Result<Option<Bytes>>> {
    // Of an answer through TLS, the last may still be there.
    if let Poll::Ready(Err(error)) = Pin::new(&mut *transport).poll_flush(cx) {
        return Poll::Ready(Err(error));
    }
    let mut first = [0; FIRST_BYTES];
    let mut buffer = ReadBuf::new(&mut first);
    match transport.poll_peek(cx, &mut buffer) {
        Poll::Ready(Err(error)) if error.kind() == io::ErrorKind::Unsupported => {}
        peeked => {
            return peeked.map_ok(|length| (length > 0).then(Bytes::new));
        }
    }
    let polled = Pin::new(transport).poll_read(cx, &mut buffer);
    polled.map_ok(|()| match buffer.filled() {
        [] => None,
        taken => Some(Bytes::copy_from_slice(taken)),
    })
}
