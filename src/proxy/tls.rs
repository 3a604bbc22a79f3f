//! TLS to clients: what is offered in a handshake, and which certificate is shown.

use std::error::Error;
use std::sync::Arc;

use hashbrown::HashMap;
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::server::{
    ClientHello, NoServerSessionStorage, ResolvesServerCert, WebPkiClientVerifier,
};
use rustls::sign::CertifiedKey;
use rustls::{RootCertStore, ServerConfig};
use webpki::EndEntityCert;

/// Protocols over TLS (RFC 7301), the preferred first.
const PROTOCOLS: [&[u8]; 2] = [b"h2", b"http/1.1"];

/// What clients are shown, and what is asked of them. Two are equal where they were made of the
/// same files.
#[derive(Debug, Clone)]
pub struct Tls {
    config: Arc<ServerConfig>,
    digest: blake3::Hash,
}

impl PartialEq for Tls {
    fn eq(&self, other: &Self) -> bool {
        self.digest == other.digest
    }
}

impl Tls {
    /// TLS with these certificates, the first for clients that ask for a name that none of them has,
    /// or for no name. Where `clients` are given, every client has to have a certificate of them.
    /// `digest` is that of all the files that these came from.
    ///
    /// Sessions are resumed by tickets, which are good as long as this value is in use: a client
    /// that resumes is not asked for its certificate again.
    ///
    /// # Errors
    ///
    /// When the system has no randomness, or `clients` is empty.
    pub fn new(
        certificates: Vec<CertifiedKey>,
        clients: Option<RootCertStore>,
        digest: blake3::Hash,
    ) -> Result<Self, Box<dyn Error>> {
        let provider = Arc::new(crypto());
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()?;
        let builder = match clients {
            None => builder.with_no_client_auth(),
            Some(roots) => {
                let verifier =
                    WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
                builder.with_client_cert_verifier(verifier.build()?)
            }
        };
        let mut config = builder.with_cert_resolver(Arc::new(Shelf::new(certificates)));
        config.alpn_protocols = PROTOCOLS.map(<[u8]>::to_vec).into();
        config.ticketer = aws_lc_rs::Ticketer::new()?;
        config.session_storage = Arc::new(NoServerSessionStorage {});
        Ok(Self { config: Arc::new(config), digest })
    }

    /// For a handshake.
    pub fn config(&self) -> Arc<ServerConfig> {
        Arc::clone(&self.config)
    }
}

/// The algorithms that are used, towards clients and upstreams: nothing else says whose they are.
pub fn crypto() -> CryptoProvider {
    aws_lc_rs::default_provider()
}

/// The host names that a certificate is for, with `*.` for any one label.
pub fn names(certificate: &CertifiedKey) -> Vec<String> {
    let Some(parsed) = certificate.cert.first().map(EndEntityCert::try_from) else {
        return Vec::new();
    };
    parsed.map_or_else(|_| Vec::new(), |it| it.valid_dns_names().map(str::to_lowercase).collect())
}

/// The certificates by the names that they are for.
#[derive(Debug)]
struct Shelf {
    by_name: HashMap<String, Vec<Arc<CertifiedKey>>, foldhash::fast::RandomState>,
    /// With the first that was given.
    otherwise: Vec<Arc<CertifiedKey>>,
}

impl Shelf {
    fn new(certificates: Vec<CertifiedKey>) -> Self {
        let mut by_name: HashMap<_, Vec<_>, _> = HashMap::default();
        let mut otherwise = Vec::new();
        for certificate in certificates {
            let certificate = Arc::new(certificate);
            for name in names(&certificate) {
                by_name.entry(name).or_default().push(Arc::clone(&certificate));
            }
            otherwise.push(certificate);
        }
        Self { by_name, otherwise }
    }

    /// Those for `name`: of different kinds where clients take different ones.
    fn of(&self, name: Option<&str>) -> &[Arc<CertifiedKey>] {
        let found = name.and_then(|name| {
            let name = name.to_ascii_lowercase();
            self.by_name.get(&name).or_else(|| {
                let (_, domain) = name.split_once('.')?;
                self.by_name.get(&format!("*.{domain}"))
            })
        });
        found.unwrap_or(&self.otherwise)
    }
}

impl ResolvesServerCert for Shelf {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let fits =
            |it: &&Arc<CertifiedKey>| it.key.choose_scheme(hello.signature_schemes()).is_some();
        self.of(hello.server_name()).iter().find(fits).map(Arc::clone)
    }
}
