//! The proxies and their upstream.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use rcgen::{CertifiedKey, generate_simple_self_signed};
use rustls::{ClientConfig, RootCertStore};
use serde_json::json;
use sidegate::clock;
use sidegate::policy::key::KeyDigest;
use tempfile::TempDir;

use super::Outcome;
use super::process::Running;

/// A key of another spelling than sidegate's own.
const KEY: &str = "key-of-the-bench";
const ANSWER_BYTES: usize = 121;
/// A download that nobody ends; it takes no room.
const LARGE_BYTES: u64 = 1 << 30;
const PATIENCE: Duration = Duration::from_secs(10);
const TEMPLATES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/attack");

/// A proxy, and where it listens.
pub(crate) struct Proxy {
    pub(crate) name: &'static str,
    pub(crate) port: u16,
    /// For clients of TLS.
    pub(crate) tls: u16,
    /// For clients of HTTP/2 without TLS.
    pub(crate) h2: u16,
    pub(crate) running: Vec<Running>,
}

/// All of them.
pub(crate) struct Site {
    pub(crate) proxies: Vec<Proxy>,
    pub(crate) client: Arc<ClientConfig>,
    _upstream: Running,
    _folder: TempDir,
}

impl Site {
    pub(crate) fn start(sidegate: &Path) -> Outcome<Self> {
        let folder = tempfile::tempdir()?;
        let CertifiedKey { cert, signing_key } =
            generate_simple_self_signed(["localhost".to_owned()])?;
        let key = signing_key.serialize_pem();
        let record = json!({
            "id": "k_bench", "hash": KeyDigest::sha256(KEY).to_string(), "workspace": "bench",
            "account": "owner1", "environment": "production", "label": "bench",
            "created": "2026-01-01T00:00:00Z", "not_before": null, "expires": null,
            "revoked": null, "ceiling": null,
        });
        for (name, text) in [
            ("server.pem", cert.pem()),
            ("server.key", key.clone()),
            ("both.pem", cert.pem() + &key),
            ("keys.jsonl", format!("{record}\n")),
            ("policy.toml", fs::read_to_string(Path::new(TEMPLATES).join("policy.toml"))?),
        ] {
            let file = folder.path().join(name);
            fs::write(&file, text)?;
            fs::set_permissions(&file, fs::Permissions::from_mode(0o600))?;
        }
        fs::File::create(folder.path().join("large"))?.set_len(LARGE_BYTES)?;
        let mut roots = RootCertStore::empty();
        roots.add(cert.der().clone())?;
        let client = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();

        let upstream = free_port()?;
        let ground = Ground { folder: folder.path(), upstream };
        let words = ["-p", ".", "-e", "stderr", "-c", "upstream.conf"];
        let running = ground.start("nginx".as_ref(), &words, [upstream, 0, 0], "", "1-3")?;
        let mut proxies = Vec::new();
        for name in ["sidegate", "haproxy", "nginx"] {
            match ground.proxy(name, sidegate) {
                Ok(proxy) => proxies.push(proxy),
                Err(missing) if name != "sidegate" => println!("{name}: left out: {missing}"),
                Err(missing) => return Err(missing),
            }
        }
        let client = Arc::new(client);
        Ok(Self { proxies, client, _upstream: running, _folder: folder })
    }

    pub(crate) fn sidegate(&self) -> Outcome<&Proxy> {
        self.proxies.iter().find(|proxy| proxy.name == "sidegate").ok_or("no sidegate".into())
    }
}

/// A whole request.
pub(crate) fn request(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nX-API-Key: {KEY}\r\n\r\n")
}

/// The same in HTTP/2, as the first of a connection: fields as literals (RFC 7541 §6.2.2).
pub(crate) fn request_of_http_2() -> Vec<u8> {
    let mut fields = Vec::new();
    for (name, value) in [
        (":method", "GET"),
        (":scheme", "http"),
        (":authority", "localhost"),
        (":path", "/"),
        ("x-api-key", KEY),
    ] {
        for text in [name, value] {
            // Each is shorter than what one byte tells.
            fields.extend(if text == name { &[0][..] } else { &[] });
            fields.push(u8::try_from(text.len()).unwrap_or(0));
            fields.extend_from_slice(text.as_bytes());
        }
    }
    fields
}

struct Ground<'g> {
    folder: &'g Path,
    upstream: u16,
}

impl Ground<'_> {
    fn proxy(&self, name: &'static str, sidegate: &Path) -> Outcome<Proxy> {
        let ports = [free_port()?, free_port()?, free_port()?];
        let mut running = Vec::new();
        let [port, tls, mut h2] = ports;
        match name {
            "nginx" => {
                let words = ["-p", ".", "-e", "stderr", "-c", "nginx.conf"];
                running.push(self.start(name.as_ref(), &words, ports, "", "0")?);
            }
            "haproxy" => {
                let words = ["-db", "-f", "haproxy.cfg"];
                running.push(self.start(name.as_ref(), &words, ports, "", "0")?);
            }
            _ => {
                // It speaks both versions on one port, and TLS on that of another process.
                h2 = port;
                let words = ["serve", "-c", "sidegate.toml"];
                let secure = "[listen.tls]\ncertificate = \"server.pem\"\nkey = \"server.key\"\n";
                running.push(self.start(sidegate, &words, ports, "", "0")?);
                running.push(self.start(sidegate, &words, [tls, 0, 0], secure, "0")?);
            }
        }
        Ok(Proxy { name, port, tls, h2, running })
    }

    /// Starts a program on some cores, and waits until it listens.
    fn start(
        &self,
        program: &Path,
        words: &[&str],
        [port, tls, h2]: [u16; 3],
        more: &str,
        cores: &str,
    ) -> Outcome<Running> {
        let file = words.last().ok_or("no configuration")?;
        let config = fs::read_to_string(Path::new(TEMPLATES).join(file))?
            .replace("@PORT@", &port.to_string())
            .replace("@TLS@", &tls.to_string())
            .replace("@H2@", &h2.to_string())
            .replace("@ADMIN@", &free_port()?.to_string())
            .replace("@UPSTREAM@", &self.upstream.to_string())
            .replace("@ANSWER@", &"x".repeat(ANSWER_BYTES));
        fs::write(self.folder.join(file), config + more)?;
        let said = self.folder.join(format!("{file}-{port}.log"));
        let log = fs::File::create(&said)?;
        let child = Command::new("taskset")
            .args(["-c", cores])
            .arg(program)
            .args(words)
            .current_dir(self.folder)
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()
            .map_err(|error| format!("`taskset`: {error}"))?;
        let mut running = Running(child);
        let deadline = clock::instant() + PATIENCE;
        while !self.listens(port, more.is_empty()) {
            if running.0.try_wait()?.is_some() || clock::instant() > deadline {
                return Err(format!("does not answer: {}", fs::read_to_string(said)?).into());
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        Ok(running)
    }

    fn listens(&self, port: u16, in_the_open: bool) -> bool {
        let Ok(mut stream) = TcpStream::connect(("127.0.0.1", port)) else { return false };
        let request = request("/");
        let mut first = [0; 12];
        !in_the_open
            || stream.write_all(request.as_bytes()).is_ok()
                && stream.read_exact(&mut first).is_ok()
                && &first == b"HTTP/1.1 200"
    }
}

fn free_port() -> Outcome<u16> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}
