//! How connections to an endpoint are made: to where, through TLS or not.

use std::fmt;
use std::io;

use http::uri::Scheme;
use rustls::pki_types::ServerName;

use super::address::Spot;
use super::fault::Fault;
use super::link::Link;
use super::settings::{Endpoint, Protocol, Timeouts, Upstream};
use super::trust::Trust;
use crate::telemetry::UpstreamErrorKind;

/// What is known of an endpoint before it is connected to.
#[derive(Clone)]
pub(super) struct Dial {
    is_h2c: bool,
    /// Without a trust, nobody is believed.
    secure: Option<(Option<Trust>, ServerName<'static>)>,
}

/// What is to be spoken on a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Spoken {
    Http1,
    Http2,
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
            Protocol::Http | Protocol::H2c => None,
            Protocol::Https(name) => Some(name.clone()),
        };
        let is_h2c = endpoint.protocol == Protocol::H2c;
        Self { is_h2c, secure: name.map(|name| (upstream.trust.clone(), name)) }
    }

    /// What will be spoken, where that does not depend on the other side.
    pub(super) fn spoken(&self) -> Option<Spoken> {
        match (self.is_h2c, &self.secure) {
            (true, _) => Some(Spoken::Http2),
            (false, None) => Some(Spoken::Http1),
            (false, Some(_)) => None,
        }
    }

    pub(super) fn scheme(&self) -> Scheme {
        if self.secure.is_some() { Scheme::HTTPS } else { Scheme::HTTP }
    }

    /// Connects, within the time for that; for one protocol only where it `wants` that.
    pub(super) async fn open(
        &self,
        spot: &Spot,
        wants: Option<Spoken>,
        timeouts: &Timeouts,
    ) -> Result<(Link, Spoken), Refused> {
        let connecting = tokio::time::timeout(timeouts.connect, self.connect(spot, wants));
        connecting.await.unwrap_or_else(|_| Err(Refused::late()))
    }

    /// Connects, however long it takes.
    pub(super) async fn connect(
        &self,
        spot: &Spot,
        wants: Option<Spoken>,
    ) -> Result<(Link, Spoken), Refused> {
        let link = Link::open(spot)
            .await
            .map_err(|error| Refused::new(UpstreamErrorKind::Connect, error))?;
        let Some((trust, name)) = &self.secure else {
            return Ok((link, if self.is_h2c { Spoken::Http2 } else { Spoken::Http1 }));
        };
        let Some(trust) = trust else {
            let error = io::Error::other("nobody is believed");
            return Err(Refused::new(UpstreamErrorKind::Tls, error));
        };
        let config = if wants == Some(Spoken::Http1) { trust.http1() } else { trust.any() };
        let secured = link.secure(&config.into(), name.clone()).await;
        let link = secured.map_err(|error| Refused::new(UpstreamErrorKind::Tls, error))?;
        let spoken = if link.is_h2() { Spoken::Http2 } else { Spoken::Http1 };
        Ok((link, spoken))
    }
}

impl Refused {
    /// HTTP could not begin.
    pub(super) fn handshake(error: hyper::Error) -> Self {
        Self::new(UpstreamErrorKind::Connect, io::Error::other(error))
    }

    /// It does not speak what it should.
    pub(super) fn strange() -> Self {
        let error = io::Error::other("it does not speak HTTP/2");
        Self::new(UpstreamErrorKind::Protocol, error)
    }

    /// It took too long.
    pub(super) fn late() -> Self {
        Self::new(UpstreamErrorKind::ConnectTimeout, io::ErrorKind::TimedOut.into())
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
