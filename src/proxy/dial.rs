//! How connections to an endpoint are made: to where, through TLS or not.

use std::fmt;
use std::io;
use std::sync::Arc;

use rustls::pki_types::ServerName;
use tokio_rustls::TlsConnector;

use super::address::Spot;
use super::fault::Fault;
use super::link::Link;
use super::settings::{Endpoint, Protocol, Timeouts, Upstream};
use crate::telemetry::UpstreamErrorKind;

/// What is known of an endpoint before it is connected to.
#[derive(Clone)]
pub(super) struct Dial {
    secure: Option<(TlsConnector, ServerName<'static>)>,
}

/// Why there is no connection.
#[derive(Debug)]
pub(super) struct Refused {
    pub(super) fault: Fault,
    pub(super) error: io::Error,
}

impl Dial {
    pub(super) fn new(upstream: &Upstream, endpoint: &Endpoint) -> Self {
        let name = match &endpoint.protocol {
            Protocol::Http => None,
            Protocol::Https(name) => Some(name.clone()),
        };
        let connector =
            upstream.trust.as_ref().map(|it| TlsConnector::from(Arc::clone(it.config())));
        Self { secure: connector.zip(name) }
    }

    /// Connects, within the time for that.
    pub(super) async fn open(&self, spot: &Spot, timeouts: &Timeouts) -> Result<Link, Refused> {
        let connecting = tokio::time::timeout(timeouts.connect, self.connect(spot));
        connecting.await.unwrap_or_else(|_| {
            Err(Refused::new(UpstreamErrorKind::ConnectTimeout, io::ErrorKind::TimedOut.into()))
        })
    }

    /// Connects, however long it takes.
    pub(super) async fn connect(&self, spot: &Spot) -> Result<Link, Refused> {
        let link = Link::open(spot)
            .await
            .map_err(|error| Refused::new(UpstreamErrorKind::Connect, error))?;
        let Some((connector, name)) = &self.secure else { return Ok(link) };
        let secured = link.secure(connector, name.clone()).await;
        secured.map_err(|error| Refused::new(UpstreamErrorKind::Tls, error))
    }
}

impl Refused {
    /// HTTP could not begin.
    pub(super) fn handshake(error: hyper::Error) -> Self {
        Self::new(UpstreamErrorKind::Connect, io::Error::other(error))
    }

    fn new(kind: UpstreamErrorKind, error: io::Error) -> Self {
        Self { fault: Fault::Upstream(kind), error }
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.error.fmt(f)
    }
}

impl std::error::Error for Refused {}

impl fmt::Debug for Dial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Dial").field(&self.secure.as_ref().map(|(_, name)| name)).finish()
    }
}
