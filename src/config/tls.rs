//! `[listen.tls]` and TLS to upstreams: certificates and keys, from the names of their files to what a
//! handshake needs.

use std::path::{Path, PathBuf};

use rustls::RootCertStore;
use rustls::pki_types::pem::{Error, PemObject as _};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;

use super::fields::Fields;
use super::files::{Files, Reading, whole};
use super::validity::validity;
use crate::clock;
use crate::current::Certificate;
use crate::keystore::{Permissions, Timestamp};
use crate::policy::{FileId, Lint, Problem, Severity};
use crate::proxy::{self, Tls, Trust};

/// Bytes of a file of certificates or of a key: 1 MiB.
const LARGEST: u64 = 1 << 20;

const LARGE: &str = "is it the right file?";

/// The files of `[listen.tls]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsFiles {
    /// Each certificate with its key; the first is for clients that name no other.
    pub certificates: Vec<CertificateFiles>,
    /// Who signs the certificates that clients have to have.
    pub client_ca: Option<PathBuf>,
}

/// A certificate with what it is chained to, and its key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertificateFiles {
    /// In PEM, the certificate itself first.
    pub certificate: PathBuf,
    /// In PEM.
    pub key: PathBuf,
}

impl TlsFiles {
    /// All of them.
    pub fn paths(&self) -> impl Iterator<Item = &PathBuf> {
        let pairs = self.certificates.iter().flat_map(|pair| [&pair.certificate, &pair.key]);
        pairs.chain(&self.client_ca)
    }
}

/// The files of an `[upstream.NAME]` that speaks TLS.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TrustFiles {
    /// Who signs the certificates that it has to have; without it, whom the system believes.
    pub ca: Option<PathBuf>,
    /// What it is shown, if it asks.
    pub own: Option<CertificateFiles>,
}

impl TrustFiles {
    /// All of them.
    pub fn paths(&self) -> impl Iterator<Item = &PathBuf> {
        self.own.iter().flat_map(|pair| [&pair.certificate, &pair.key]).chain(&self.ca)
    }
}

/// Whose files are read, and who refuses them when they are out of date.
#[derive(Debug, Clone, Copy)]
struct Side {
    missing: &'static str,
    refused: &'static str,
}

const LISTENER: Side =
    Side { missing: "`[listen.tls]` of `sidegate.toml` names it", refused: "clients refuse it" };
const UPSTREAM: Side = Side {
    missing: "an `[upstream.NAME]` of `sidegate.toml` names it",
    refused: "no connection to the upstream comes of it",
};

/// Reads the table. Nothing, where it does not say enough.
pub(super) fn files(mut table: Fields<'_>, folder: &Path) -> Option<TlsFiles> {
    table.describe("`tls`");
    let first = pair(&mut table, folder);
    let client_ca = table.text("client_ca").map(|file| folder.join(file.value));
    let more: Vec<_> = table
        .list("certificates")
        .into_iter()
        .map(|mut table| {
            table.describe("certificate");
            let more = pair(&mut table, folder);
            table.finish();
            more
        })
        .collect();
    table.finish();
    let certificates = std::iter::once(first).chain(more).collect::<Option<_>>()?;
    Some(TlsFiles { certificates, client_ca })
}

fn pair(table: &mut Fields<'_>, folder: &Path) -> Option<CertificateFiles> {
    let certificate = table.required(&["certificate"], "such as `certificate = \"server.pem\"`");
    let key = table.required(&["key"], "such as `key = \"server.key\"`");
    let (certificate, key) = (folder.join(certificate?.value), folder.join(key?.value));
    Some(CertificateFiles { certificate, key })
}

/// Reads the files. Nothing, where one of them has a problem that is an error.
pub(super) fn read(
    named: &TlsFiles,
    files: &mut Files,
    permissions: Permissions,
) -> (Option<Tls>, Told) {
    let mut reader = Reader::new(LISTENER, permissions);
    let mut certificates = Vec::new();
    for (position, pair) in named.certificates.iter().enumerate() {
        let certificate = (pair.certificate.as_path(), files.add(&pair.certificate));
        let key = (pair.key.as_path(), files.add(&pair.key));
        if let Some(read) = reader.pair(certificate, key, position == 0) {
            certificates.push(read);
        }
    }
    let clients = named.client_ca.as_ref().map(|path| reader.roots(path, files.add(path)));
    let (mut told, digest) = reader.end();
    if told.has_errors() {
        return (None, told);
    }
    match Tls::new(certificates, clients, digest) {
        Ok(tls) => (Some(tls), told),
        Err(error) => {
            let message = format!("TLS cannot be set up: {error}");
            let file = files.add(Path::new("`[listen.tls]`"));
            told.problems.push(Problem::error(whole(file), message));
            (None, told)
        }
    }
}

/// Reads the files of an upstream. Nothing, where one of them has a problem that is an error.
pub(super) fn read_trust(
    named: &TrustFiles,
    files: &mut Files,
    permissions: Permissions,
) -> (Option<Trust>, Told) {
    let mut reader = Reader::new(UPSTREAM, permissions);
    let roots = match &named.ca {
        Some(path) => reader.roots(path, files.add(path)),
        None => reader.system_roots(files),
    };
    let own = named.own.as_ref().and_then(|pair| {
        let certificate = (pair.certificate.as_path(), files.add(&pair.certificate));
        let key = (pair.key.as_path(), files.add(&pair.key));
        reader.pair(certificate, key, true)
    });
    let (mut told, digest) = reader.end();
    if told.has_errors() {
        return (None, told);
    }
    match Trust::new(roots, own, digest) {
        Ok(trust) => (Some(trust), told),
        Err(error) => {
            let message = format!("TLS cannot be set up: {error}");
            let file = files.add(Path::new("`[upstream]`"));
            told.problems.push(Problem::error(whole(file), message));
            (None, told)
        }
    }
}

/// What is to be said of the files that were read.
#[derive(Debug, Default)]
pub(super) struct Told {
    pub(super) problems: Vec<Problem>,
    pub(super) certificates: Vec<Certificate>,
}

impl Told {
    fn has_errors(&self) -> bool {
        self.problems.iter().any(|problem| problem.severity == Severity::Error)
    }
}

struct Reader {
    side: Side,
    permissions: Permissions,
    problems: Vec<Problem>,
    certificates: Vec<Certificate>,
    /// Of every byte that was read.
    hasher: blake3::Hasher,
}

impl Reader {
    fn new(side: Side, permissions: Permissions) -> Self {
        let (problems, certificates) = (Vec::new(), Vec::new());
        Self { side, permissions, problems, certificates, hasher: blake3::Hasher::new() }
    }

    fn end(self) -> (Told, blake3::Hash) {
        let Self { problems, certificates, hasher, .. } = self;
        (Told { problems, certificates }, hasher.finalize())
    }

    fn pair(
        &mut self,
        (path, file): (&Path, FileId),
        (key_path, key_file): (&Path, FileId),
        is_first: bool,
    ) -> Option<CertifiedKey> {
        let chain = self.certificates(path, file);
        let key = self.key(key_path, key_file);
        let chain = chain?;
        chain
            .first()
            .into_iter()
            .for_each(|certificate| self.judge_times(certificate, (path, file)));
        let made = CertifiedKey::from_der(chain, key?, &proxy::crypto());
        let problem = match made {
            Ok(made) if is_first || !proxy::names(&made).is_empty() => return Some(made),
            Ok(_) => Problem::error(whole(file), "the certificate is for no host name")
                .hint("only the first one is shown to clients whatever they ask for"),
            Err(rustls::Error::InconsistentKeys(_)) => {
                let message = format!("is not the key of {}", path.display());
                Problem::error(whole(key_file), message).hint(
                    "the certificate's own key is needed; the certificate itself stands first",
                )
            }
            Err(rustls::Error::InvalidCertificate(_)) => {
                Problem::error(whole(file), "the first certificate cannot be read")
                    .hint("an X.509 certificate of version 3 is needed")
            }
            Err(_) => Problem::error(whole(key_file), "the key is of no kind that is used")
                .hint("RSA of 2048 bits or more, ECDSA on P-256, P-384 or P-521, and Ed25519 are"),
        };
        self.problems.push(problem);
        None
    }

    fn bytes(&mut self, path: &Path, file: FileId, is_secret: bool) -> Option<Vec<u8>> {
        let reading =
            Reading { path, file, limit: LARGEST, missing: self.side.missing, large: LARGE };
        match reading.bytes() {
            Ok((bytes, metadata)) => {
                if is_secret {
                    self.problems.extend(self.permissions.judge(path, &metadata, file));
                }
                self.hasher.update(&(bytes.len() as u64).to_le_bytes()).update(&bytes);
                Some(bytes)
            }
            Err(problem) => {
                self.problems.push(problem);
                None
            }
        }
    }

    fn certificates(&mut self, path: &Path, file: FileId) -> Option<Vec<CertificateDer<'static>>> {
        let bytes = self.bytes(path, file, false)?;
        let read: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&bytes).collect();
        let message = match read {
            Ok(chain) if !chain.is_empty() => return Some(chain),
            Ok(_) => "has no certificate in it".to_owned(),
            Err(error) => format!("is not PEM: {}", told(&error)),
        };
        let hint = "certificates stand between `-----BEGIN CERTIFICATE-----` and its end";
        self.problems.push(Problem::error(whole(file), message).hint(hint));
        None
    }

    fn key(&mut self, path: &Path, file: FileId) -> Option<PrivateKeyDer<'static>> {
        const ENCRYPTED: &[u8] = b"-----BEGIN ENCRYPTED PRIVATE KEY-----";
        let bytes = zeroize::Zeroizing::new(self.bytes(path, file, true)?);
        let (message, hint) = match PrivateKeyDer::from_pem_slice(&bytes) {
            Ok(key) => return Some(key),
            Err(_) if bytes.windows(ENCRYPTED.len()).any(|part| part == ENCRYPTED) => {
                let hint = "`openssl pkey -in FILE -out PLAIN` takes the passphrase off";
                ("the key is encrypted".to_owned(), hint)
            }
            Err(Error::NoItemsFound) => {
                let hint = "a key stands between `-----BEGIN PRIVATE KEY-----` and its end";
                ("has no key in it".to_owned(), hint)
            }
            Err(error) => (format!("is not PEM: {}", told(&error)), "is it the right file?"),
        };
        self.problems.push(Problem::error(whole(file), message).hint(hint));
        None
    }

    fn roots(&mut self, path: &Path, file: FileId) -> RootCertStore {
        let mut roots = RootCertStore::empty();
        for (number, certificate) in self.certificates(path, file).into_iter().flatten().enumerate()
        {
            self.judge_times(&certificate, (path, file));
            if roots.add(certificate).is_err() {
                let message = format!("certificate {} cannot be read", number + 1);
                let hint = "an X.509 certificate of version 3 is needed";
                self.problems.push(Problem::error(whole(file), message).hint(hint));
            }
        }
        roots
    }

    /// Whom the system believes.
    fn system_roots(&mut self, files: &mut Files) -> RootCertStore {
        let mut roots = RootCertStore::empty();
        let found = rustls_native_certs::load_native_certs().certs;
        found.iter().for_each(|certificate| _ = self.hasher.update(certificate));
        // A few that cannot be read are those of the system's others, too.
        roots.add_parsable_certificates(found);
        if roots.is_empty() {
            let file = files.add(Path::new("`[upstream]`"));
            let problem = Problem::error(whole(file), "this system has no root certificates");
            self.problems.push(problem.hint("name a file with `ca = \"roots.pem\"`"));
        }
        roots
    }

    fn judge_times(&mut self, certificate: &CertificateDer<'_>, (path, file): (&Path, FileId)) {
        let Some((first, last)) = validity(certificate) else { return };
        let name = path.display().to_string();
        match self.certificates.iter_mut().find(|it| it.file == name) {
            Some(known) => known.expires = known.expires.min(last),
            None => self.certificates.push(Certificate { file: name, expires: last }),
        }
        let now = clock::now();
        let shown = |seconds| Timestamp::new(seconds).map_or_else(String::new, |it| it.to_string());
        let (message, hint) = if last < now {
            (format!("the certificate expired at {}", shown(last)), ": renew it")
        } else if now < first {
            let message = format!("the certificate is not good before {}", shown(first));
            (message, " until then: look at this machine's clock, too")
        } else {
            return;
        };
        let hint = format!("{}{hint}", self.side.refused);
        let problem = Problem::warning(Lint::CertificateTime, whole(file), message);
        self.problems.push(problem.hint(hint));
    }
}

/// What is wrong with PEM, without what stands there.
fn told(error: &Error) -> &'static str {
    match error {
        Error::MissingSectionEnd { .. } => "a section has no end",
        Error::IllegalSectionStart { .. } => "a section's first line is broken",
        Error::Base64Decode(_) => "a section has something else than base64 in it",
        _ => "it cannot be read",
    }
}
