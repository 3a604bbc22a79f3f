//! `sidegate demo`: the main job, with nothing else installed.
//!
//! An upstream that echoes, a policy and three keys in a temporary folder, and the same serving as
//! `sidegate serve`. It prints requests to try; `--once` sends them itself, and is fine only if
//! every answer is what was said.

mod echo;
mod requests;
mod try_it;

use std::io::{self, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::Path;

use clap::Args;
use tempfile::TempDir;

use self::requests::{Keys, Request};
use super::Exit;
use super::key::Wanted;
use super::life::Service;
use super::manager::Manager;
use super::serve::{Failure, Plane};
use super::sockets::Sockets;
use crate::keystore::{ApiKey, Permissions, Store};
use crate::telemetry::Journal;
use crate::{clock, config};

const POLICY: &str = include_str!("policy.toml");

#[derive(Debug, Args)]
pub(super) struct DemoArgs {
    /// Send the requests, print what became of them, and end
    #[arg(long)]
    once: bool,
}

pub(super) fn run(args: &DemoArgs) -> Exit {
    match demo(args, &mut io::stdout().lock()) {
        Ok(true) => Exit::Fine,
        Ok(false) => Exit::Broke,
        Err(error) => {
            eprintln!("{error}");
            Exit::Broke
        }
    }
}

fn demo(args: &DemoArgs, out: &mut impl Write) -> Result<bool, String> {
    let broke = |error: io::Error| format!("the demo cannot run: {error}");
    let echo = echo::start().map_err(broke)?;
    let folder = Folder::write(echo)?;
    let config = config::read(&folder.config()).map_err(|report| report.to_string())?;
    let plane =
        Plane::bind(config, Permissions::Private, Sockets::default()).map_err(|failure| {
            match failure {
                Failure::Broke(what) | Failure::Usage(what) => what,
                Failure::Invalid(report) | Failure::NotEvenCopied(report, _) => report.to_string(),
            }
        })?;
    let service =
        plane.start(Manager::default(), Journal::without_log(0.0), None).map_err(broke)?;
    let requests = requests::all(&folder.keys);
    introduce(&service, &folder, out).map_err(broke)?;
    let address = service.address.ip().ok_or("the demo listens on no IP address")?;
    if !args.once {
        list(&requests, address, out).map_err(broke)?;
        return service.until_ended().map_err(broke);
    }
    let admin = service.admin_address;
    let control = service.control();
    let serving = std::thread::spawn(move || service.until_ended());
    let tried = try_it::all(&requests, address, admin, &folder.keys, out);
    control.stop();
    let ended = serving.join().map_err(|_| "serving broke off".to_owned())?.map_err(broke)?;
    Ok(tried.map_err(broke)? && ended)
}

/// Settings, policy and keys of the demo, gone when this is dropped.
struct Folder {
    place: TempDir,
    keys: Keys,
}

impl Folder {
    fn write(echo: SocketAddr) -> Result<Self, String> {
        let broke = |error: io::Error| format!("the demo's folder cannot be written: {error}");
        let place = tempfile::Builder::new().prefix("sidegate-demo-").tempdir().map_err(broke)?;
        let settings = format!(
            "environment = \"demo\"\n\n[listen]\naddress = \"{}\"\n\n[admin]\naddress = \"{}\"\n\n\
             [upstream.echo]\nurls = [\"http://{echo}\"]\n",
            free(8080).map_err(broke)?,
            free(9464).map_err(broke)?,
        );
        let write = |name: &str, text: &str| std::fs::write(place.path().join(name), text);
        write("sidegate.toml", &settings).map_err(broke)?;
        write("policy.toml", POLICY).map_err(broke)?;
        let store = Store::new(place.path().join("keys.jsonl"), Permissions::Private);
        let keys = Keys {
            full: key(&store, "acme", "deploy-bot")?,
            view: key(&store, "acme", "report-bot")?,
            other: key(&store, "globex", "globex-bot")?,
            unknown: ApiKey::generate("demo")?,
        };
        Ok(Self { place, keys })
    }

    fn config(&self) -> std::path::PathBuf {
        self.path().join("sidegate.toml")
    }

    fn path(&self) -> &Path {
        self.place.path()
    }
}

fn key(store: &Store, workspace: &str, account: &str) -> Result<ApiKey, String> {
    let wanted = Wanted { workspace, account, environment: "demo", ..Wanted::default() };
    let made = wanted.make(store, None, clock::now());
    made.map(|(key, _)| key).map_err(|failure| failure.to_string())
}

/// The port that the documentation speaks of, or any other where that one is taken.
fn free(port: u16) -> io::Result<SocketAddr> {
    let bind = |port| TcpListener::bind((Ipv4Addr::LOCALHOST, port))?.local_addr();
    bind(port).or_else(|_| bind(0))
}

fn introduce(service: &Service, folder: &Folder, out: &mut impl Write) -> io::Result<()> {
    writeln!(out, "sidegate listens on http://{}", service.address)?;
    writeln!(out, "the operators' page: http://{}/", service.admin_address)?;
    writeln!(
        out,
        "metrics and status: http://{0}/metrics http://{0}/status",
        service.admin_address
    )?;
    writeln!(
        out,
        "settings, policy and keys (edit them, they act at once): {}\n",
        folder.path().display()
    )
}

fn list(requests: &[Request<'_>], address: SocketAddr, out: &mut impl Write) -> io::Result<()> {
    writeln!(out, "try:\n")?;
    for request in requests {
        writeln!(out, "# {}: {} {}", request.about, request.status, request.reason)?;
        writeln!(out, "{}\n", request.curl(address))?;
    }
    writeln!(out, "Ctrl-C ends it and removes the folder")?;
    out.flush()
}
