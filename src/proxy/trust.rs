//! What TLS to upstreams rests on: whom we believe, and who we say that we are.

use std::fmt;
use std::fs;
use std::path::Path;
use std::sync::Arc;

use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore};

use super::tls::crypto;

/// Bytes of a PEM file that are read: 1 MiB.
const LARGEST: u64 = 1 << 20;

/// Names of protocols (RFC 7301 §6).
pub(super) const H2: &[u8] = b"h2";
const HTTP1: &[u8] = b"http/1.1";

/// Whom an upstream's certificate has to come from, and what it is shown in return. Read once.
#[derive(Clone)]
pub struct Trust {
    any: Arc<ClientConfig>,
    http1: Arc<ClientConfig>,
}

/// Why there is no trust: the field that names what is wrong, and what that is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrustError {
    /// `ca`, `certificate`, `key` or `urls`.
    pub field: &'static str,
    /// What is wrong, for people.
    pub message: String,
}

impl Trust {
    /// Reads the roots of `ca`, or those of the system, and the certificate and key that are shown
    /// to an upstream that asks for them. All files are PEM.
    ///
    /// # Errors
    ///
    /// When a file cannot be read, or does not hold what it should, or there are no roots.
    pub fn load(ca: Option<&Path>, own: Option<(&Path, &Path)>) -> Result<Self, TrustError> {
        let roots = Arc::new(match ca {
            Some(path) => roots_of(path)?,
            None => system_roots()?,
        });
        let wrong =
            |field| move |error: rustls::Error| TrustError { field, message: error.to_string() };
        let config = ClientConfig::builder_with_provider(Arc::new(crypto()))
            .with_safe_default_protocol_versions()
            .map_err(wrong("urls"))?
            .with_root_certificates(roots);
        let config = match own {
            None => config.with_no_client_auth(),
            Some((certificate, key)) => {
                let chain = certificates("certificate", certificate)?;
                let text = read("key", key)?;
                let key = PrivateKeyDer::from_pem_slice(&text)
                    .map_err(|error| unreadable("key", "private key", key, &error))?;
                config.with_client_auth_cert(chain, key).map_err(wrong("certificate"))?
            }
        };
        let offering = |protocols: &[&[u8]]| {
            let mut config = config.clone();
            config.alpn_protocols = protocols.iter().map(|name| name.to_vec()).collect();
            Arc::new(config)
        };
        Ok(Self { any: offering(&[H2, HTTP1]), http1: offering(&[HTTP1]) })
    }

    /// For whatever the other side likes best.
    pub(super) fn any(&self) -> &Arc<ClientConfig> {
        &self.any
    }

    /// For HTTP/1.1.
    pub(super) fn http1(&self) -> &Arc<ClientConfig> {
        &self.http1
    }
}

fn roots_of(path: &Path) -> Result<RootCertStore, TrustError> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates("ca", path)? {
        roots.add(certificate).map_err(|error| TrustError {
            field: "ca",
            message: format!("`{}`: {error}", path.display()),
        })?;
    }
    Ok(roots)
}

fn system_roots() -> Result<RootCertStore, TrustError> {
    let mut roots = RootCertStore::empty();
    // A few that cannot be read are those of the system's others, too.
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if roots.is_empty() {
        let message = "this system has no root certificates".to_owned();
        return Err(TrustError { field: "urls", message });
    }
    Ok(roots)
}

fn certificates(
    field: &'static str,
    path: &Path,
) -> Result<Vec<CertificateDer<'static>>, TrustError> {
    let text = read(field, path)?;
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&text).collect();
    let found = found.and_then(|found| match found.is_empty() {
        true => Err(pem::Error::NoItemsFound),
        false => Ok(found),
    });
    found.map_err(|error| unreadable(field, "certificate", path, &error))
}

/// A key is read as well: of what is in the file, nothing is said.
fn unreadable(field: &'static str, what: &str, path: &Path, error: &pem::Error) -> TrustError {
    let why = match error {
        pem::Error::NoItemsFound => format!("has no {what} in PEM"),
        pem::Error::MissingSectionEnd { .. } => "ends before its PEM does".to_owned(),
        _ => "is not PEM".to_owned(),
    };
    TrustError { field, message: format!("`{}` {why}", path.display()) }
}

fn read(field: &'static str, path: &Path) -> Result<Vec<u8>, TrustError> {
    let wrong = |why: String| TrustError { field, message: format!("`{}` {why}", path.display()) };
    let length =
        fs::metadata(path).map_err(|error| wrong(format!("cannot be read: {error}")))?.len();
    if length > LARGEST {
        return Err(wrong("is larger than 1 MiB".to_owned()));
    }
    fs::read(path).map_err(|error| wrong(format!("cannot be read: {error}")))
}

impl fmt::Debug for Trust {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Trust")
    }
}

impl PartialEq for Trust {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.any, &other.any)
    }
}

impl Eq for Trust {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wrong_with_a_file_is_said() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| {
            let path = folder.path().join(name);
            fs::write(&path, text).unwrap();
            path
        };
        let made = rcgen::generate_simple_self_signed(["vault".to_owned()]).unwrap();
        let other = rcgen::generate_simple_self_signed(["vault".to_owned()]).unwrap();
        let good = write("good.pem", &made.cert.pem());
        let key = write("good.key", &made.signing_key.serialize_pem());
        let stranger = write("other.key", &other.signing_key.serialize_pem());
        let empty = write("empty.pem", "");
        let half = write("half.pem", &made.cert.pem().replace("-----END", "--"));
        let missing = folder.path().join("missing.pem");
        let large = write("large.pem", "");
        fs::File::options().write(true).open(&large).unwrap().set_len(LARGEST + 1).unwrap();
        let cases = [
            (&good, &good, &key, None),
            (&missing, &good, &key, Some(("ca", "cannot be read: No such file"))),
            (&empty, &good, &key, Some(("ca", "has no certificate in PEM"))),
            (&half, &good, &key, Some(("ca", "ends before its PEM does"))),
            (&key, &good, &key, Some(("ca", "has no certificate in PEM"))),
            (&large, &good, &key, Some(("ca", "is larger than 1 MiB"))),
            (&good, &missing, &key, Some(("certificate", "cannot be read"))),
            (&good, &good, &good, Some(("key", "has no private key in PEM"))),
            (&good, &good, &stranger, Some(("certificate", ""))),
        ];
        for (ca, certificate, key, expected) in cases {
            let loaded = Trust::load(Some(ca), Some((certificate, key)));
            match (loaded, expected) {
                (Ok(_), None) => {}
                (Err(error), Some((field, part))) => {
                    assert_eq!(error.field, field, "{error:?}");
                    assert!(error.message.contains(part), "{error:?}");
                }
                (loaded, expected) => panic!("{loaded:?}, {expected:?}"),
            }
        }
    }
}
