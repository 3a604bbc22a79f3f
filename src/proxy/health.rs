//! Active health checks: a request now and then to each address of an endpoint.
//!
//! Only an answer with 2xx in time is good. The first one decides at once; later it takes several
//! in a row to change that. Until something has come, an address is taken to be healthy: a start
//! refuses nobody.

use std::error::Error;
use std::sync::Arc;

use http::Request;
use http::header::{HOST, USER_AGENT};
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::sync::watch;
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::{sleep, timeout};

use super::address::{Address, Known, Spot};
use super::dial::{Dial, Spoken};
use super::settings::Health;
use crate::telemetry::EndpointBoard;

/// The checks of one endpoint.
#[derive(Debug)]
pub(super) struct Checks {
    pub(super) url: String,
    pub(super) dial: Dial,
    pub(super) health: Health,
    pub(super) known: watch::Receiver<Known>,
    pub(super) board: EndpointBoard,
}

/// What is thought of an address.
#[derive(Debug)]
struct Verdict {
    /// Results in a row that change it.
    after: u32,
    is_healthy: Option<bool>,
    /// Results in a row that say otherwise.
    against: u32,
}

impl Checks {
    /// Checks every address that is known, for ever.
    pub(super) async fn run(self) {
        let (mut changes, checks) = (self.known.clone(), Arc::new(self));
        let mut tasks = JoinSet::new();
        let mut running: Vec<(Arc<Address>, AbortHandle)> = Vec::new();
        loop {
            let known = changes.borrow_and_update().clone();
            running.retain(|(address, task)| {
                let is_known = known.addresses().iter().any(|it| Arc::ptr_eq(it, address));
                if !is_known {
                    task.abort();
                }
                is_known
            });
            for address in known.addresses() {
                if !running.iter().any(|(it, _)| Arc::ptr_eq(it, address)) {
                    let task = tasks.spawn(Arc::clone(&checks).follow(Arc::clone(address)));
                    running.push((Arc::clone(address), task));
                }
            }
            checks.count();
            if changes.changed().await.is_err() {
                // An address that was written as one stays.
                while tasks.join_next().await.is_some() {}
                return;
            }
        }
    }

    async fn follow(self: Arc<Self>, address: Arc<Address>) {
        let mut verdict = Verdict::new(self.health.after);
        loop {
            let probe = timeout(self.health.timeout, self.probe(address.spot())).await;
            let error = match probe {
                Ok(Ok(())) => None,
                Ok(Err(error)) => Some(error.to_string()),
                Err(_) => Some("no answer in time".to_owned()),
            };
            if let Some(is_healthy) = verdict.heard(error.is_none()) {
                address.set_healthy(is_healthy);
                self.count();
                let (endpoint, at) = (&self.url, address.spot());
                match error {
                    None => tracing::info!(endpoint, address = %at, "upstream endpoint is healthy"),
                    Some(error) => {
                        tracing::warn!(endpoint, address = %at, error, "upstream endpoint is unhealthy");
                    }
                }
            }
            // No two processes ask in step.
            sleep(self.health.interval.mul_f64(0.9 + 0.2 * fastrand::f64())).await;
        }
    }

    async fn probe(&self, spot: &Spot) -> Result<(), Box<dyn Error + Send + Sync>> {
        let (link, spoken) = self.dial.connect(spot, None).await?;
        let request =
            Request::builder().header(USER_AGENT, concat!("sidegate/", env!("CARGO_PKG_VERSION")));
        let (io, Health { path, host, .. }) = (TokioIo::new(link), &self.health);
        // Ends with this probe, however that ends.
        let mut driver = JoinSet::new();
        let status = match spoken {
            Spoken::Http1 => {
                let (mut sender, connection) = http1::handshake(io).await?;
                driver.spawn(async { drop(connection.await) });
                let request = request.uri(path).header(HOST, host).body(String::new())?;
                sender.send_request(request).await?.status()
            }
            Spoken::Http2 => {
                let (mut sender, connection) = http2::handshake(TokioExecutor::new(), io).await?;
                driver.spawn(async { drop(connection.await) });
                let uri = format!("{}://{host}{path}", self.dial.scheme());
                sender.send_request(request.uri(uri).body(String::new())?).await?.status()
            }
        };
        if status.is_success() { Ok(()) } else { Err(format!("status {status}").into()) }
    }

    fn count(&self) {
        let known = self.known.borrow();
        self.board.healthy(known.addresses().iter().filter(|it| it.is_healthy()).count());
    }
}

impl Verdict {
    fn new(after: u32) -> Self {
        Self { after, is_healthy: None, against: 0 }
    }

    /// A result. Returns what is thought now, if that is new.
    fn heard(&mut self, is_good: bool) -> Option<bool> {
        if self.is_healthy == Some(is_good) {
            self.against = 0;
            return None;
        }
        self.against += 1;
        if self.is_healthy.is_some() && self.against < self.after {
            return None;
        }
        self.against = 0;
        self.is_healthy = Some(is_good);
        Some(is_good)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_takes_several_in_a_row_to_change_a_verdict() {
        // Results, and what each says that is new: `+` and `-`, or nothing.
        let cases = [
            (2, "+-+--", "+ . . . -"),
            (2, "-+++", "- . + ."),
            (1, "-+-", "- + -"),
            (3, "+--+---", "+ . . . . . -"),
        ];
        for (after, results, expected) in cases {
            let mut verdict = Verdict::new(after);
            let said = |result| match verdict.heard(result == '+') {
                Some(true) => "+",
                Some(false) => "-",
                None => ".",
            };
            let said: Vec<_> = results.chars().map(said).collect();
            assert_eq!(said.join(" "), expected, "{after}, {results}");
        }
    }
}
