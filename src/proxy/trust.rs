//! What TLS to upstreams rests on: whom we believe, and who we say that we are.

use std::error::Error;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{ClientConfig, RootCertStore};

use super::tls::crypto;

/// Names of protocols (RFC 7301 §6).
pub(super) const H2: &[u8] = b"h2";
const HTTP1: &[u8] = b"http/1.1";

/// Whom an upstream's certificate has to come from, and what it is shown in return. Clones are one:
/// what one of them [`follow`](Self::follow)s, all do. Two are equal where they were made of the same
/// files.
#[derive(Clone)]
pub struct Trust(Arc<Mutex<Known>>);

/// Looked at for each connection to an upstream, not for each request.
#[derive(Clone)]
struct Known {
    any: Arc<ClientConfig>,
    http1: Arc<ClientConfig>,
    digest: blake3::Hash,
}

impl Trust {
    /// Believes certificates of `roots`, and shows `own` to an upstream that asks for one. `digest`
    /// is that of all that these came from.
    ///
    /// # Errors
    ///
    /// When the versions of TLS that are spoken are none of the provider's.
    pub fn new(
        roots: RootCertStore,
        own: Option<CertifiedKey>,
        digest: blake3::Hash,
    ) -> Result<Self, Box<dyn Error>> {
        let config = ClientConfig::builder_with_provider(Arc::new(crypto()))
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots);
        let config = match own {
            None => config.with_no_client_auth(),
            Some(own) => config.with_client_cert_resolver(Arc::new(SingleCertAndKey::from(own))),
        };
        let offering = |protocols: &[&[u8]]| {
            let mut config = config.clone();
            config.alpn_protocols = protocols.iter().map(|name| name.to_vec()).collect();
            Arc::new(config)
        };
        let known = Known { any: offering(&[H2, HTTP1]), http1: offering(&[HTTP1]), digest };
        Ok(Self(Arc::new(Mutex::new(known))))
    }

    /// Is as `other` is, from the next connection on. Where both are the same already, sessions go on
    /// being resumed.
    pub fn follow(&self, other: &Self) {
        if self != other {
            let known = other.known().clone();
            *self.known() = known;
        }
    }

    /// For whatever the other side likes best.
    pub(super) fn any(&self) -> Arc<ClientConfig> {
        Arc::clone(&self.known().any)
    }

    /// For HTTP/1.1.
    pub(super) fn http1(&self) -> Arc<ClientConfig> {
        Arc::clone(&self.known().http1)
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Trust {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Trust")
    }
}

impl PartialEq for Trust {
    fn eq(&self, other: &Self) -> bool {
        // One after the other: a trust may be compared with itself.
        let ours = self.known().digest;
        ours == other.known().digest
    }
}

impl Eq for Trust {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clones_follow_together_and_only_what_differs() {
        let made =
            |name: &[u8]| Trust::new(RootCertStore::empty(), None, blake3::hash(name)).unwrap();
        let (first, again, other) = (made(b"a"), made(b"a"), made(b"b"));
        let clone = first.clone();
        let before = clone.any();
        first.follow(&again);
        assert!(Arc::ptr_eq(&clone.any(), &before));
        first.follow(&other);
        assert!(Arc::ptr_eq(&clone.any(), &other.any()) && clone == other && first != again);
        first.follow(&clone);
    }
}
