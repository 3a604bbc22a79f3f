//! Connections of the operator's plane.

use std::convert::Infallible;
use std::io;
use std::net::{IpAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use serde_json::Value;
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tracing::{debug, warn};

use super::answer::{Answer, answer, looked, walked};
use super::api::Topic;
use super::look::look;
use super::page::harden;
use super::{Settings, State};

/// Connections at once; more wait in the listener's queue.
const CONNECTIONS: usize = 64;
/// Bytes of a request's head, at most: the smallest that hyper takes.
const HEAD_BYTES: usize = 8 * 1024;
/// From a connection's first byte to its end.
const LIFE: Duration = Duration::from_secs(10);
/// From there to the end of its head: silent connections make room for a health check in time.
const HEAD: Duration = Duration::from_secs(1);
/// How long to wait for a turn to look into the policy.
const TURN: Duration = Duration::from_secs(3);
/// How long to wait when the system has no connection to give.
const RESPITE: Duration = Duration::from_millis(100);

/// Opens the listener, early, so that a port that is taken is known before anything else begins.
///
/// # Errors
///
/// If the address cannot be listened on.
pub fn bind(settings: &Settings) -> io::Result<TcpListener> {
    let listener = TcpListener::bind(settings.listen)?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}

/// Answers on `listener`, which is from [`bind`], until `stop` holds true or has no sender, and ends
/// with the answers that are then under way.
///
/// # Errors
///
/// If the listener cannot be used in this runtime.
pub async fn serve(
    listener: TcpListener,
    state: State,
    mut stop: watch::Receiver<bool>,
) -> io::Result<()> {
    let listener = tokio::net::TcpListener::from_std(listener)?;
    let state = Arc::new(state);
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            _ = stop.wait_for(|stop| *stop) => break,
            Some(_) = connections.join_next() => {}
            accepted = listener.accept(), if connections.len() < CONNECTIONS => match accepted {
                Ok((stream, peer)) => {
                    connections.spawn(connection(stream, peer.ip(), Arc::clone(&state)));
                }
                Err(error) => {
                    warn!(%error, "admin listener: no connection accepted");
                    sleep(RESPITE).await;
                }
            },
        }
    }
    drop(listener);
    while connections.join_next().await.is_some() {}
    Ok(())
}

async fn connection(stream: TcpStream, peer: IpAddr, state: Arc<State>) {
    let service = service_fn(|request| {
        let (answer, state) = (answer(&request, peer, &state), Arc::clone(&state));
        async move {
            let mut response = match answer {
                Answer::Ready(response) => response,
                Answer::Look(accept) => looked(look(&state, accept.as_ref()).await),
                Answer::Walk(topic, query) => walked(walk(topic, query, &state).await),
            };
            harden(&mut response);
            Ok::<_, Infallible>(response)
        }
    });
    let connection = http1::Builder::new()
        .keep_alive(false)
        .max_buf_size(HEAD_BYTES)
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD)
        .serve_connection(TokioIo::new(stream), service);
    match timeout(LIFE, connection).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => debug!(%error, "admin connection broke"),
        Err(_) => debug!("admin connection cut after {} s", LIFE.as_secs()),
    }
}

/// Looks into the policy on a thread that nobody waits for; nothing where there is no turn in time.
async fn walk(topic: Topic, query: String, state: &Arc<State>) -> Option<Result<Value, String>> {
    let walks = Arc::clone(&state.desk.walks);
    let turn = timeout(TURN, walks.acquire_owned()).await.ok()?.ok()?;
    let state = Arc::clone(state);
    let walk = tokio::task::spawn_blocking(move || {
        // Who asked may be gone; the turn is over when the walk is.
        let _turn = turn;
        topic.answer(&query, &state)
    });
    let broken = |_| Err("looking broke off, which is a bug in sidegate".to_owned());
    Some(walk.await.unwrap_or_else(broken))
}
