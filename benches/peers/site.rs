//! A folder with all that the proxies share: certificate, keys, and what they forward to.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;
use std::thread;

use rcgen::{CertifiedKey, generate_simple_self_signed};
use rustls::{ClientConfig, RootCertStore};
use tempfile::TempDir;

use super::Outcome;
use super::keys::Keys;
use super::process::Running;
use super::socket;
use super::workload::{ANSWER_BYTES, LARGE_BYTES, Setting};

pub(crate) const TEMPLATES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/peers");

/// Cores as `taskset` has them. The proxies have one to themselves.
pub(crate) struct Cores {
    pub(crate) proxy: String,
    pub(crate) upstream: String,
    pub(crate) load: String,
    pub(crate) load_threads: usize,
}

impl Cores {
    fn of_this_machine() -> Outcome<Self> {
        let (upstream, load, load_threads) = match thread::available_parallelism()?.get() {
            1 => return Err("two cores are needed, one of them for the proxy alone".into()),
            2 => ("1", "1".to_owned(), 1),
            3 => ("1", "2".to_owned(), 1),
            cores => ("1", format!("2-{}", cores - 1), 2),
        };
        Ok(Self { proxy: "0".into(), upstream: upstream.into(), load, load_threads })
    }
}

pub(crate) struct Site {
    pub(crate) cores: Cores,
    /// Of nginx, and of what sends WebSocket messages back.
    pub(crate) upstream: u16,
    pub(crate) echo: u16,
    /// Trusts the certificate that all proxies show.
    pub(crate) client: Arc<ClientConfig>,
    keys: BTreeMap<usize, Rc<Keys>>,
    // They end before their folder does.
    _upstreams: [Running; 2],
    folder: TempDir,
}

impl Site {
    pub(crate) fn start() -> Outcome<Self> {
        let cores = Cores::of_this_machine()?;
        let folder = tempfile::tempdir()?;
        let CertifiedKey { cert, signing_key } =
            generate_simple_self_signed(["localhost".to_owned()])?;
        let key = signing_key.serialize_pem();
        for (name, text) in [
            ("server.pem", cert.pem()),
            ("server.key", key.clone()),
            ("both.pem", cert.pem() + &key),
        ] {
            write_secret(&folder.path().join(name), &text)?;
        }
        let mut roots = RootCertStore::empty();
        roots.add(cert.der().clone())?;
        let client = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();

        let (upstream, echo) = (free_port()?, free_port()?);
        let [nginx, echoing] = ["upstream", "echo"].map(|name| folder.path().join(name));
        fs::create_dir(&nginx)?;
        fs::create_dir(&echoing)?;
        fs::write(nginx.join("large"), vec![b'x'; LARGE_BYTES])?;
        let config = fs::read_to_string(Path::new(TEMPLATES).join("upstream.conf"))?
            .replace("@UPSTREAM@", &upstream.to_string())
            .replace("@ANSWER@", &"x".repeat(ANSWER_BYTES));
        fs::write(nginx.join("upstream.conf"), config)?;
        let words = ["-p", ".", "-e", "stderr", "-c", "upstream.conf"].map(str::to_owned);
        let listens = || listens(upstream);
        let nginx = Running::start(&find("nginx"), &words, &nginx, &cores.upstream, listens)
            .map_err(|error| format!("nginx as the upstream: {error}"))?;
        let words = [socket::ECHO.to_owned(), echo.to_string()];
        let listens = || self::listens(echo);
        let own = std::env::current_exe()?;
        let echoing = Running::start(&own, &words, &echoing, &cores.upstream, listens)?;
        Ok(Self {
            cores,
            upstream,
            echo,
            client: Arc::new(client),
            keys: BTreeMap::new(),
            _upstreams: [nginx, echoing],
            folder,
        })
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn upstream_socket(&self) -> PathBuf {
        self.path().join("upstream/upstream.sock")
    }

    pub(crate) fn keys_folder(&self, setting: &Setting) -> PathBuf {
        self.path().join(format!("keys-{}", setting.keys))
    }

    /// Made and written when they are first asked for.
    pub(crate) fn keys(&mut self, setting: &Setting) -> Outcome<Rc<Keys>> {
        if let Some(keys) = self.keys.get(&setting.keys) {
            return Ok(Rc::clone(keys));
        }
        let keys = Rc::new(Keys::new(setting.keys));
        keys.write(&self.keys_folder(setting))?;
        self.keys.insert(setting.keys, Rc::clone(&keys));
        Ok(keys)
    }
}

/// Of those that Debian does not have where every user looks, too.
pub(crate) fn find(name: &str) -> PathBuf {
    let aside = Path::new("/usr/sbin").join(name);
    if aside.exists() { aside } else { name.into() }
}

pub(crate) fn free_port() -> io::Result<u16> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}

pub(crate) fn listens(port: u16) -> bool {
    TcpStream::connect(("127.0.0.1", port)).is_ok()
}

/// What nobody else may read, at once and as a whole.
pub(crate) fn write_secret(path: &Path, text: &str) -> io::Result<()> {
    let aside = path.with_extension("new");
    fs::write(&aside, text)?;
    fs::set_permissions(&aside, fs::Permissions::from_mode(0o600))?;
    fs::rename(aside, path)
}
