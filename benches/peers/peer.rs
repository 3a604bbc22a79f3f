//! The proxies: how each is set up and started.

use std::fs;
use std::path::{Path, PathBuf};

use super::Outcome;
use super::keys::{ACCOUNTS, Keys, level};
use super::options::Options;
use super::process::Running;
use super::relay;
use super::site::{Site, TEMPLATES, find, free_port, listens, write_secret};
use super::workload::{Listen, Setting, Upstream};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Peer {
    Relay,
    Nginx,
    Haproxy,
    Envoy,
    /// A sidegate of another build, to compare with.
    Before,
    Sidegate,
}

impl Peer {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Relay => "relay",
            Self::Nginx => "nginx",
            Self::Haproxy => "haproxy",
            Self::Envoy => "envoy",
            Self::Before => "before",
            Self::Sidegate => "sidegate",
        }
    }

    pub(crate) fn program(self, options: &Options) -> Outcome<PathBuf> {
        Ok(match self {
            Self::Relay => std::env::current_exe()?,
            Self::Nginx | Self::Haproxy => find(self.name()),
            Self::Envoy => options.envoy.clone().ok_or("none in `target/envoy`, no `--envoy`")?,
            Self::Before => options.before.clone().ok_or("no `--before`")?,
            Self::Sidegate => options.sidegate.clone(),
        })
    }
}

/// A proxy that runs.
pub(crate) struct Proxy {
    pub(crate) peer: Peer,
    pub(crate) setting: Setting,
    pub(crate) port: u16,
    pub(crate) running: Running,
    folder: PathBuf,
    policy: String,
}

impl Proxy {
    pub(crate) fn start(
        peer: Peer,
        setting: Setting,
        site: &Site,
        keys: &Keys,
        options: &Options,
    ) -> Outcome<Self> {
        let program = peer.program(options)?;
        let port = free_port()?;
        let folder = site.path().join(format!("{}-{port}", peer.name()));
        fs::create_dir(&folder)?;
        let policy = policy(&setting)?;
        let script = Script { peer, setting, site, keys, port };
        let words = script.words();
        for (name, text) in script.files(&policy)? {
            write_secret(&folder.join(name), &text)?;
            if options.shows_config {
                let shown = text.lines().map(shorten).collect::<Vec<_>>().join("\n");
                println!("==> {} {}: {name}\n{shown}\n", peer.name(), setting.name);
            }
        }
        let is_ready = || listens(port);
        let running = Running::start(&program, &words, &folder, &site.cores.proxy, is_ready)?;
        Ok(Self { peer, setting, port, running, folder, policy })
    }

    /// Has it take up another configuration, that says the same but for one account.
    pub(crate) fn reload(&self, turn: usize) -> Outcome<()> {
        match self.peer {
            Peer::Nginx => self.running.signal("HUP"),
            Peer::Haproxy => self.running.signal("USR2"),
            Peer::Before | Peer::Sidegate => {
                let more = if turn.is_multiple_of(2) { "owner3 = \"owner\"" } else { "" };
                let policy = self.policy.replace("@MORE@", more);
                Ok(write_secret(&self.folder.join("policy.toml"), &policy)?)
            }
            Peer::Relay | Peer::Envoy => Err("does not reload here".into()),
        }
    }
}

/// Long lines are lists of keys.
fn shorten(line: &str) -> String {
    line.chars().take(300).collect()
}

/// What a proxy is told, in files and words.
struct Script<'s> {
    peer: Peer,
    setting: Setting,
    site: &'s Site,
    keys: &'s Keys,
    port: u16,
}

impl Script<'_> {
    fn words(&self) -> Vec<String> {
        let words: &[&str] = match self.peer {
            Peer::Relay => {
                let upstream = match self.setting.upstream {
                    Upstream::Tcp => self.site.upstream.to_string(),
                    Upstream::Unix => self.site.upstream_socket().display().to_string(),
                    Upstream::Echo => self.site.echo.to_string(),
                };
                return vec![relay::CHILD.into(), self.port.to_string(), upstream];
            }
            Peer::Nginx => &["-p", ".", "-e", "stderr", "-c", "nginx.conf"],
            // Only a master starts another one.
            Peer::Haproxy if self.setting.reloads => &["-W", "-db", "-f", "haproxy.cfg"],
            Peer::Haproxy => &["-db", "-f", "haproxy.cfg"],
            Peer::Envoy => &[
                "-c",
                "envoy.yaml",
                "--concurrency",
                "1",
                "--disable-hot-restart",
                "--log-level",
                "error",
            ],
            Peer::Before | Peer::Sidegate => &["serve", "-c", "sidegate.toml"],
        };
        words.iter().map(|word| (*word).to_owned()).collect()
    }

    fn files(&self, policy: &str) -> Outcome<Vec<(&'static str, String)>> {
        Ok(match self.peer {
            Peer::Relay => Vec::new(),
            Peer::Nginx => vec![
                ("nginx.conf", self.fill("nginx.conf")?),
                ("headers.conf", self.fill("headers.conf")?),
            ],
            Peer::Haproxy => vec![
                ("haproxy.cfg", self.fill("haproxy.cfg")?),
                ("routes", self.each_route(|route| format!("/r{route}/ app\n"))),
            ],
            Peer::Envoy => vec![("envoy.yaml", self.fill("envoy.yaml")?)],
            Peer::Before | Peer::Sidegate => vec![
                ("sidegate.toml", self.fill("sidegate.toml")?),
                ("policy.toml", policy.replace("@MORE@", "")),
            ],
        })
    }

    fn fill(&self, name: &str) -> Outcome<String> {
        let site = self.site.path().display().to_string();
        let upstream = self.upstream();
        let (buckets, bucket_bytes) = self.hash();
        // What others stand in comes first.
        Ok(template(name)?
            .replace("@SECURE@", &self.secure()?)
            .replace("@ROUTES@", self.routes().trim_end())
            .replace("@SCHEME@", if self.setting.listen == Listen::Tls { "https" } else { "http" })
            .replace("@SITE@", &site)
            .replace("@KEYS@", &self.site.keys_folder(&self.setting).display().to_string())
            .replace("@PORT@", &self.port.to_string())
            .replace("@ADMIN@", &free_port()?.to_string())
            .replace("@UPSTREAM@", &upstream)
            .replace("@ECHO@", &self.site.echo.to_string())
            .replace("@BUCKETS@", &buckets.to_string())
            .replace("@BUCKET_BYTES@", &bucket_bytes.to_string())
            .replace(
                "@CREDENTIALS@",
                &if self.peer == Peer::Envoy { self.keys.credentials() } else { String::new() },
            ))
    }

    /// nginx tries sizes from near the largest on: one that is large enough makes it start at once.
    fn hash(&self) -> (usize, usize) {
        match self.setting.keys {
            ..=20_000 => (262_144, 512),
            keys => ((keys * 2).next_power_of_two(), 1536),
        }
    }

    fn secure(&self) -> Outcome<String> {
        if self.setting.listen == Listen::Plain {
            return Ok(String::new());
        }
        Ok(match self.peer {
            Peer::Nginx => template("nginx-tls.conf")?.trim_end().into(),
            Peer::Haproxy => " ssl crt @SITE@/both.pem alpn h2,http/1.1".into(),
            Peer::Envoy => template("envoy-tls.yaml")?,
            Peer::Relay | Peer::Before | Peer::Sidegate => {
                "[listen.tls]\ncertificate = \"@SITE@/server.pem\"\nkey = \"@SITE@/server.key\"\n"
                    .into()
            }
        })
    }

    fn upstream(&self) -> String {
        let (port, path) = (self.site.upstream, self.site.upstream_socket().display().to_string());
        match (self.peer, self.setting.upstream == Upstream::Unix) {
            (Peer::Nginx, true) => format!("unix:{path}"),
            (Peer::Haproxy, true) => format!("unix@{path}"),
            (Peer::Envoy, true) => format!("{{ pipe: {{ path: \"{path}\" }} }}"),
            (Peer::Envoy, false) => {
                format!("{{ socket_address: {{ address: 127.0.0.1, port_value: {port} }} }}")
            }
            (Peer::Before | Peer::Sidegate, true) => format!("unix:{path}"),
            (Peer::Before | Peer::Sidegate, false) => format!("http://127.0.0.1:{port}"),
            (_, false) => format!("127.0.0.1:{port}"),
            (Peer::Relay, true) => path,
        }
    }

    fn routes(&self) -> String {
        let has_one = self.setting.routes == 1;
        match self.peer {
            Peer::Nginx if has_one => "        location / { proxy_pass http://app; }".into(),
            Peer::Nginx => self.each_route(|route| {
                format!("        location /r{route}/ {{ proxy_pass http://app; }}\n")
            }),
            Peer::Haproxy if !has_one => {
                "    http-request set-var(txn.route) path,map_beg(routes)\n    \
                 http-request deny deny_status 404 if !{ var(txn.route) -m found }"
                    .into()
            }
            _ => String::new(),
        }
    }

    fn each_route(&self, line: impl Fn(usize) -> String) -> String {
        (0..self.setting.routes).map(line).collect()
    }
}

fn template(name: &str) -> Outcome<String> {
    let path = Path::new(TEMPLATES).join(name);
    fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()).into())
}

/// sidegate's, but for what a reload changes.
fn policy(setting: &Setting) -> Outcome<String> {
    let quoted = |wanted: &str| {
        let names = (0..ACCOUNTS).filter(|account| level(*account) == wanted);
        names.map(|account| format!("\"app{account}\"")).collect::<Vec<_>>().join(", ")
    };
    let members: String =
        (0..ACCOUNTS).map(|account| format!("app{account} = \"member\"\n")).collect();
    let route = |prefix: String| {
        format!(
            "[[route]]\nprefix = \"{prefix}\"\nworkspace = \"bench\"\nproduct = \"app\"\n\
             upstream = \"app\"\n"
        )
    };
    let routes = match setting.routes {
        1 => route("/".into()),
        routes => (0..routes).map(|number| route(format!("/r{number}"))).collect(),
    };
    Ok(template("policy.toml")?
        .replace("@MEMBERS@", &members)
        .replace("@READERS@", &quoted("view"))
        .replace("@WRITERS@", &quoted("full"))
        .replace("@ROUTES@", &routes))
}
