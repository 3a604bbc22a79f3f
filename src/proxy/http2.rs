//! One HTTP/2 connection of a client: a task for each stream, with a timer of its own, and what the
//! connection as a whole may take.

use std::cell::{Cell, RefCell};
use std::convert::Infallible;
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Poll, Waker, ready};
use std::time::{Duration, Instant};

use hyper::rt::Executor;
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;

use super::activity::Activity;
use super::door::Peer;
use super::frames::Flood;
use super::settings::{Limits, Timeouts};
use super::stream;
use super::timer::{LazyTimer, deadline};
use super::transport::Transport;
use super::watched::Wire;
use super::worker::Worker;
use crate::clock;
use crate::telemetry::CutKind;

/// What a client may send of one body, and of all together, before it is taken: bounds what is kept
/// for upstreams that do not read.
const STREAM_WINDOW_BYTES: u32 = 256 * 1024;
const CONNECTION_WINDOW_BYTES: u32 = 1024 * 1024;
/// What is kept of one answer for a client that does not read.
const SEND_BYTES: usize = 64 * 1024;
/// How long a client has to close a connection that was said to be over.
const GRACE: Duration = Duration::from_secs(1);

fn builder(limits: &Limits, streams: Streams) -> http2::Builder<Streams> {
    let mut builder = http2::Builder::new(streams);
    builder
        .max_concurrent_streams(limits.streams)
        .max_header_list_size(u32::try_from(limits.header_bytes).unwrap_or(u32::MAX))
        .initial_stream_window_size(STREAM_WINDOW_BYTES)
        .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
        .max_send_buf_size(SEND_BYTES)
        .enable_connect_protocol();
    builder
}

/// How a connection ended.
enum End {
    Closed,
    Cut(CutKind),
    /// Nobody needs it any more.
    Over,
}

/// Serves a connection until it is closed, times out, or is drained.
pub(super) async fn serve(worker: Rc<Worker>, transport: Transport, peer: Peer) {
    let timeouts = *worker.timeouts();
    let wire = Wire::new(transport);
    let streams = Streams::new(&worker);
    let requests = {
        let (worker, streams) = (Rc::clone(&worker), streams.clone());
        service_fn(move |request| {
            let activity = Activity::stream(peer.clone(), worker.room());
            *streams.0.next.borrow_mut() = Some(Rc::clone(&activity));
            let streams = streams.clone();
            // Boxed, as it is moved half a dozen times on its way to a task.
            let answer = Box::pin(stream::answer(Rc::clone(&worker), activity, streams, request));
            async { Ok::<_, Infallible>(answer.await) }
        })
    };
    let mut connection = builder(worker.limits(), streams.clone())
        .serve_connection(TokioIo::new(wire.clone()), requests);
    let mut timer = LazyTimer::new(deadline(clock::instant(), timeouts.header));
    let mut drain = pin!(worker.drain().begins());
    let (mut listening, mut closing) = (false, None);
    let end = poll_fn(|cx| {
        if !listening {
            listening = true;
            let _ = drain.as_mut().poll(cx);
        }
        // Before its first request, a client may not even have said what it speaks.
        if worker.drain().has_begun() && closing.is_none() && streams.has_begun() {
            closing = Some(clock::instant());
            Pin::new(&mut connection).graceful_shutdown();
        }
        loop {
            if Pin::new(&mut connection).poll(cx).is_ready() {
                let flood = wire.flood();
                return Poll::Ready(flood.map_or(End::Closed, |flood| {
                    End::Cut(match flood {
                        Flood::Idle => CutKind::Flood,
                        Flood::Resets => CutKind::Resets,
                    })
                }));
            }
            let Some((due, wait)) = due(&worker, &wire, &streams, closing) else {
                streams.wake_at_the_end(cx.waker());
                return Poll::Pending;
            };
            ready!(timer.poll(cx, due));
            match wait {
                Wait::Cut(kind) => return Poll::Ready(End::Cut(kind)),
                Wait::Idle => {
                    closing = Some(clock::instant());
                    Pin::new(&mut connection).graceful_shutdown();
                }
                Wait::Close => return Poll::Ready(End::Over),
            }
        }
    })
    .await;
    // With it go what streams there are.
    drop(connection);
    match end {
        End::Cut(kind) => {
            worker.meters().connection_cut(kind);
            tracing::debug!(kind = kind.code(), "http/2 connection cut");
            if matches!(kind, CutKind::Flood | CutKind::Resets) {
                let _ = tokio::time::timeout(GRACE, wire.last_word()).await;
            }
        }
        End::Closed | End::Over if closing.is_some() => {
            let _ = tokio::time::timeout(GRACE, wire.part()).await;
        }
        End::Closed | End::Over => {}
    }
}

/// What is waited for.
enum Wait {
    /// What a client must not keep us waiting for.
    Cut(CutKind),
    /// The next stream.
    Idle,
    /// The client's end, after ours.
    Close,
}

/// When patience ends, and whose. Streams have timers of their own.
fn due(
    worker: &Worker,
    wire: &Wire,
    streams: &Streams,
    closing: Option<Instant>,
) -> Option<(Instant, Wait)> {
    let timeouts = worker.timeouts();
    if let Some(stalled) = wire.stalled() {
        return Some((deadline(stalled, timeouts.body), Wait::Cut(CutKind::Stalled)));
    }
    if let Some(head) = wire.head() {
        return Some((deadline(head, timeouts.header), Wait::Cut(CutKind::SlowHead)));
    }
    let since = streams.idle_since()?;
    Some(match closing {
        None => {
            let idle = deadline(since, timeouts.idle);
            (worker.drain().lingers_until(since).map_or(idle, |last| last.min(idle)), Wait::Idle)
        }
        Some(closing) => {
            let since = since.max(closing);
            let last = worker.drain().lingers_until(since);
            (last.map_or(since + GRACE, |last| last.max(since + GRACE)), Wait::Close)
        }
    })
}

/// The streams of a connection: hyper starts a task for each.
#[derive(Debug, Clone)]
pub(super) struct Streams(Rc<Shared>);

#[derive(Debug)]
struct Shared {
    /// Of the stream whose task is started next: hyper does that right after its request.
    next: RefCell<Option<Rc<Activity>>>,
    live: Cell<usize>,
    begun: Cell<bool>,
    /// When the last one ended.
    since: Cell<Instant>,
    /// Who then waits for the next one.
    waker: RefCell<Option<Waker>>,
    worker: Rc<Worker>,
}

/// A stream that is counted.
#[derive(Debug)]
pub(super) struct Live(Rc<Shared>);

impl Streams {
    fn new(worker: &Rc<Worker>) -> Self {
        let since = Cell::new(clock::instant());
        let (live, begun) = (Cell::new(0), Cell::new(false));
        let (next, waker, worker) = (RefCell::default(), RefCell::default(), Rc::clone(worker));
        Self(Rc::new(Shared { next, live, begun, since, waker, worker }))
    }

    /// One more, for as long as this is kept.
    pub(super) fn enter(&self) -> Live {
        self.0.live.set(self.0.live.get() + 1);
        self.0.begun.set(true);
        Live(Rc::clone(&self.0))
    }

    /// Whether there has been one.
    fn has_begun(&self) -> bool {
        self.0.begun.get()
    }

    /// The last to end wakes this: its last frame may have gone before.
    fn wake_at_the_end(&self, waker: &Waker) {
        let mut known = self.0.waker.borrow_mut();
        if !known.as_ref().is_some_and(|known| known.will_wake(waker)) {
            *known = Some(waker.clone());
        }
    }

    /// Since when there has been none.
    fn idle_since(&self) -> Option<Instant> {
        (self.0.live.get() == 0).then(|| self.0.since.get())
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        self.0.live.set(self.0.live.get() - 1);
        self.0.since.set(clock::instant());
        if self.0.live.get() == 0
            && let Some(waker) = &*self.0.waker.borrow()
        {
            waker.wake_by_ref();
        }
    }
}

impl<F: Future<Output = ()> + 'static> Executor<F> for Streams {
    fn execute(&self, future: F) {
        let Some(activity) = self.0.next.take() else {
            // What goes on behind a stream that was answered.
            tokio::task::spawn_local(future);
            return;
        };
        let live = self.enter();
        // Boxed, as a task moves what it is made of when it ends, three times.
        tokio::task::spawn_local(Box::pin(async move {
            drive(future, &activity, &live.0.worker).await;
            activity.cut();
            live.0.worker.give_back_of(&activity);
        }));
    }
}

/// Polls a stream to its end, and wakes it when what it waits for is overdue.
async fn drive(future: impl Future<Output = ()>, activity: &Rc<Activity>, worker: &Worker) {
    let mut future = pin!(future);
    let mut timer = None;
    poll_fn(|cx| {
        loop {
            if future.as_mut().poll(cx).is_ready() {
                return Poll::Ready(());
            }
            let Some((due, what)) = next(activity, worker.timeouts()) else {
                return Poll::Pending;
            };
            let timer = timer.get_or_insert_with(|| LazyTimer::new(due));
            ready!(timer.poll(cx, due));
            match what {
                Due::Reset => return Poll::Ready(()),
                Due::Request => activity.set_overdue(),
                Due::Moment => worker.lasting().enter(worker, activity, cx.waker()),
            }
        }
    })
    .await;
}

/// What happens next to a stream of which nothing is heard.
enum Due {
    /// Its client does not read what it asked for, or it lost what let it through and does not end.
    Reset,
    /// The request answers for itself.
    Request,
    /// It begins to last.
    Moment,
}

fn next(activity: &Activity, timeouts: &Timeouts) -> Option<(Instant, Due)> {
    let stalled = activity.stalled();
    let stalled = stalled.map(|since| (activity.patience(since, timeouts.body), Due::Reset));
    let patience = stalled.or(activity.due().map(|due| (due, Due::Request)));
    let moment = activity.right.moment().map(|moment| (moment, Due::Moment));
    let own = moment.or(activity.right.lost().map(|lost| (lost.due(), Due::Reset)));
    [patience, own].into_iter().flatten().min_by_key(|(due, _)| *due)
}
