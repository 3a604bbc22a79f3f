//! The addresses of a name, looked up again and again, off the workers.
//!
//! By the system's resolver: what `/etc/hosts`, `nsswitch.conf` and search domains say counts, as it
//! does for every other program on the machine.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::sync::watch;

use super::address::{Known, Spot};
use crate::telemetry::EndpointBoard;

/// Addresses of one name that are taken.
const MOST_ADDRESSES: usize = 64;
/// How long after a first failure it is tried again. It doubles up to the usual time.
const FIRST_RETRY: Duration = Duration::from_secs(1);

/// A name in a url.
#[derive(Debug)]
pub(super) struct Name {
    pub(super) host: String,
    pub(super) port: u16,
    /// How long what was found is taken to be true.
    pub(super) refresh: Duration,
    pub(super) board: EndpointBoard,
}

impl Name {
    /// Follows the name for ever.
    pub(super) async fn follow(self, known: watch::Sender<Known>) {
        let target = (self.host.clone(), self.port);
        let lookup = || async { tokio::net::lookup_host(&target).await.map(Iterator::collect) };
        self.follow_by(known, lookup).await;
    }

    async fn follow_by<F: Future<Output = io::Result<Vec<SocketAddr>>>>(
        &self,
        known: watch::Sender<Known>,
        lookup: impl Fn() -> F,
    ) {
        let mut failures = 0;
        while !known.is_closed() {
            let found = lookup().await.and_then(|found| match found.is_empty() {
                true => Err(io::Error::other("it has no address")),
                false => Ok(found),
            });
            let wait = match found {
                Ok(found) => {
                    failures = 0;
                    self.found(found, &known);
                    self.refresh
                }
                Err(error) => {
                    known.send_if_modified(Known::fail);
                    if failures == 0 {
                        let left = known.borrow().addresses().len();
                        tracing::warn!(
                            name = self.host, %error, addresses = left,
                            "upstream name cannot be looked up, what was known stays"
                        );
                    }
                    failures += 1;
                    FIRST_RETRY.saturating_mul(1 << (failures - 1).min(16)).min(self.refresh)
                }
            };
            tokio::time::sleep(wait.mul_f64(0.9 + 0.2 * fastrand::f64())).await;
        }
    }

    fn found(&self, mut found: Vec<SocketAddr>, known: &watch::Sender<Known>) {
        // The order changes with each answer, and says nothing.
        found.sort_unstable();
        found.dedup();
        found.truncate(MOST_ADDRESSES);
        let spots: Vec<Spot> = found.into_iter().map(Spot::Tcp).collect();
        self.board.addresses(spots.len());
        if known.send_if_modified(|known| known.learn(&spots)) {
            let shown: Vec<String> = spots.iter().map(ToString::to_string).collect();
            let addresses = shown.join(" ");
            tracing::info!(name = self.host, addresses, "upstream name is at");
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::collections::VecDeque;

    use tokio::runtime::Builder;

    use super::*;
    use crate::telemetry::Telemetry;

    #[test]
    fn the_last_good_answer_stays_and_a_new_one_counts() {
        let all = ["127.0.0.2:1", "127.0.0.1:1", "127.0.0.2:1", "[::1]:1"];
        let all: Vec<SocketAddr> = all.map(|text| text.parse().unwrap()).to_vec();
        let answers = RefCell::new(VecDeque::from([
            Err(io::Error::other("no server")),
            Ok(all.clone()),
            Err(io::Error::other("no server")),
            Ok(vec![]),
            Ok(all[..1].to_vec()),
        ]));
        let name = Name {
            host: "vault".to_owned(),
            port: 1,
            refresh: Duration::from_millis(1),
            board: Telemetry::new("test").unwrap().endpoint("vault", "http://vault:1", false),
        };
        let (sender, mut known) = watch::channel(Known::default());
        let lookup = || {
            let answer = answers.borrow_mut().pop_front();
            async { answer.unwrap_or_else(|| Err(io::Error::other("no more"))) }
        };
        let seen = async {
            let mut seen = Vec::new();
            while seen.len() < 3 {
                known.changed().await.unwrap();
                let addresses = known.borrow_and_update().clone();
                let shown: Vec<_> =
                    addresses.addresses().iter().map(|it| it.spot().to_string()).collect();
                seen.push(shown.join(" "));
            }
            seen
        };
        let seen = Builder::new_current_thread().enable_time().build().unwrap().block_on(async {
            tokio::select! {
                () = name.follow_by(sender, lookup) => Vec::new(),
                seen = seen => seen,
            }
        });
        assert_eq!(seen, ["", "127.0.0.1:1 127.0.0.2:1 [::1]:1", "127.0.0.2:1"]);
    }
}
