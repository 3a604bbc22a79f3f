//! A gate that clients speak TLS to, and clients that do.

use std::io::{self, Read as _, Write as _};
use std::net::TcpStream;
use std::sync::Arc;

use rustls::client::Resumption;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{
    ClientConfig, ClientConnection, HandshakeKind, StreamOwned, SupportedProtocolVersion,
};
use tempfile::TempDir;

use crate::authority::{Authority, Issued};
use crate::harness::PATIENCE;
use crate::rig::Rig;

/// A gate with a certificate for `localhost`.
pub(crate) struct Secure {
    pub(crate) rig: Rig,
    pub(crate) authority: Authority,
    pub(crate) files: TempDir,
}

impl Secure {
    /// With more lines for `sidegate.toml`, in which `@` is the folder of the certificates.
    pub(crate) fn new(lines: &str) -> Self {
        Self::with(lines, |_, _| {})
    }

    /// With more files.
    pub(crate) fn with(lines: &str, more: impl FnOnce(&Authority, &TempDir)) -> Self {
        let (authority, files) = (Authority::new(), tempfile::tempdir().unwrap());
        authority.issue(&["localhost"]).write(files.path(), "server");
        more(&authority, &files);
        let lines = format!(
            "listen.tls.certificate = \"@/server.pem\"\nlisten.tls.key = \"@/server.key\"\n{lines}"
        );
        let rig = Rig::new(&lines.replace('@', files.path().to_str().unwrap()));
        Self { rig, authority, files }
    }

    pub(crate) fn client(&self) -> Client {
        Client::new(ClientConfig::builder().with_root_certificates(self.authority.roots()))
    }
}

type Builder = rustls::ConfigBuilder<ClientConfig, rustls::client::WantsClientCert>;

/// How a client connects.
#[derive(Clone)]
pub(crate) struct Client(Arc<ClientConfig>);

impl Client {
    fn new(builder: Builder) -> Self {
        let mut config = builder.with_no_client_auth();
        config.resumption = Resumption::disabled();
        Self(Arc::new(config))
    }

    pub(crate) fn of(config: ClientConfig) -> Self {
        Self(Arc::new(config))
    }

    pub(crate) fn with_version(
        authority: &Authority,
        version: &'static SupportedProtocolVersion,
    ) -> Self {
        let builder = ClientConfig::builder_with_protocol_versions(&[version]);
        Self::of(builder.with_root_certificates(authority.roots()).with_no_client_auth())
    }

    pub(crate) fn with_certificate(authority: &Authority, own: &Issued) -> Self {
        let builder = ClientConfig::builder().with_root_certificates(authority.roots());
        let config = builder.with_client_auth_cert(own.chain.clone(), own.secret()).unwrap();
        Self::of(config)
    }

    pub(crate) fn offering(&self, protocols: &[&str]) -> Self {
        let mut config = ClientConfig::clone(&self.0);
        config.alpn_protocols = protocols.iter().map(|it| it.as_bytes().to_vec()).collect();
        Self::of(config)
    }

    /// A connection whose handshake is over.
    pub(crate) fn connect(&self, port: u16, name: &str) -> io::Result<Connection> {
        let stream = TcpStream::connect(("127.0.0.1", port))?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        let name = ServerName::try_from(name.to_owned()).unwrap();
        let session = ClientConnection::new(Arc::clone(&self.0), name).unwrap();
        let mut stream = StreamOwned::new(session, stream);
        while stream.conn.is_handshaking() {
            stream.conn.complete_io(&mut stream.sock)?;
        }
        Ok(Connection(stream))
    }
}

/// A client's side of a connection.
pub(crate) struct Connection(pub(crate) StreamOwned<ClientConnection, TcpStream>);

impl Connection {
    pub(crate) fn certificate(&self) -> CertificateDer<'static> {
        self.0.conn.peer_certificates().unwrap()[0].clone().into_owned()
    }

    pub(crate) fn was_resumed(&self) -> bool {
        self.0.conn.handshake_kind() == Some(HandshakeKind::Resumed)
    }

    /// Sends this and reads until `end`, which is the answer's.
    pub(crate) fn exchange(&mut self, request: &str, end: &str) -> io::Result<String> {
        self.0.write_all(request.as_bytes())?;
        self.through(end)
    }

    pub(crate) fn through(&mut self, end: &str) -> io::Result<String> {
        let mut text = Vec::new();
        let mut chunk = [0; 4096];
        while !text.ends_with(end.as_bytes()) {
            let length = self.0.read(&mut chunk)?;
            if length == 0 {
                return Err(io::Error::other(format!("end after {text:?}")));
            }
            text.extend_from_slice(&chunk[..length]);
        }
        Ok(String::from_utf8_lossy(&text).into_owned())
    }
}
