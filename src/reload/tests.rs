//! What is loaded when, on real folders.

mod asking;
mod loads;
mod others;
mod publish;
mod ways;
mod writing;

use std::fs::{self, File};
use std::io::Write as _;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::mpsc::{self, Receiver};
use std::time::Duration;

use tempfile::TempDir;

use super::lookout::News;
use super::mailbox::Sign;
use super::*;
use crate::clock;
use crate::config::Report;
use crate::keystore::{ApiKey, NewRecord, Permissions, Store, Text};
use crate::policy::{Draft, compile};

const LONG: Duration = Duration::from_secs(20);
const SHORT: Duration = Duration::from_millis(30);

/// Nothing but proof makes a change count.
const STRICT: Patience =
    Patience { unproven: LONG, open: LONG, gone: LONG, restless: LONG, ..Patience::DEFAULT };

/// A lookout over `policy.toml` (or a folder of that name) and `keys`, whose load is their text.
struct Bench {
    folder: TempDir,
    news: Receiver<News<String>>,
    wanted: Receiver<Extent>,
    handle: Handle,
}

impl Bench {
    fn new(patience: Patience, lay: impl FnOnce(&Path)) -> Self {
        Self::with(patience, Folders::new, lay, || {})
    }

    /// `during` is called in the middle of each load.
    fn with(
        patience: Patience,
        folders: impl FnOnce(Arc<Mailbox>) -> Folders,
        lay: impl FnOnce(&Path),
        during: impl FnMut() + Send + 'static,
    ) -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("keys"), "k1").unwrap();
        lay(folder.path());
        Self::over(folder, patience, folders, during, |_| {})
    }

    fn over(
        folder: TempDir,
        patience: Patience,
        folders: impl FnOnce(Arc<Mailbox>) -> Folders,
        mut during: impl FnMut() + Send + 'static,
        late: impl FnOnce(&Path),
    ) -> Self {
        let (policy, keys) = (folder.path().join("policy.toml"), folder.path().join("keys"));
        let sources = Sources { policy: policy.clone(), keys: keys.clone(), others: Vec::new() };
        let mailbox = Arc::new(Mailbox::default());
        let mut folders = folders(Arc::clone(&mailbox));
        folders.follow(&sources.look());
        let loaded = sources.look().fingerprint;
        late(folder.path());
        let (sender, news) = mpsc::channel();
        let (extents, wanted) = mpsc::channel();
        let mut whole = move || {
            let policy = read(&policy)?;
            during();
            Ok(format!("{policy} {}", read(&keys)?))
        };
        let load = move |extent| {
            extents.send(extent).unwrap_or_default();
            Load { result: whole(), helped: Duration::ZERO }
        };
        let publish = move |news| sender.send(news).unwrap_or_default();
        let handle = Arc::clone(&mailbox);
        let lookout = Lookout { sources, patience, mailbox, folders, load, publish, loaded };
        let handle = Handle::start(handle, move || lookout.run()).unwrap();
        Self { folder, news, wanted, handle }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn waiting(&self) {
        while self.news.try_recv().is_ok() {}
        loop {
            match self.news.recv_timeout(LONG).unwrap() {
                News::Told => {}
                news => return assert_eq!(news, News::Waiting),
            }
        }
    }

    /// The next load that counts.
    fn result(&self) -> Result<String, String> {
        loop {
            match self.news.recv_timeout(LONG).unwrap() {
                News::Waiting | News::Told => {}
                News::Loaded(text, _) => return Ok(text),
                News::Refused(problems) => return Err(problems.join("\n")),
            }
        }
    }

    fn loaded(&self) -> String {
        self.result().unwrap()
    }
}

fn read(path: &Path) -> Result<String, Vec<String>> {
    let text = if path.is_dir() {
        let mut files: Vec<PathBuf> =
            fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path()).collect();
        files.retain(|file| file.extension().is_some_and(|end| end == "toml"));
        files.sort();
        files.iter().map(|file| fs::read_to_string(file).unwrap()).collect()
    } else {
        fs::read_to_string(path).map_err(|error| vec![error.kind().to_string()])?
    };
    if text.contains("broken") { Err(vec![text]) } else { Ok(text) }
}

fn plain(root: &Path) {
    fs::write(root.join("policy.toml"), "v1").unwrap();
}

fn several(root: &Path) {
    fs::create_dir(root.join("policy.toml")).unwrap();
    fs::write(root.join("policy.toml/a.toml"), "v1").unwrap();
}

fn kubernetes(root: &Path) {
    fs::create_dir(root.join("..one")).unwrap();
    fs::write(root.join("..one/policy.toml"), "v1").unwrap();
    symlink("..one", root.join("..data")).unwrap();
    symlink("..data/policy.toml", root.join("policy.toml")).unwrap();
}

fn linked(root: &Path) {
    fs::create_dir(root.join("elsewhere")).unwrap();
    fs::write(root.join("elsewhere/real"), "v1").unwrap();
    symlink("elsewhere", root.join("folder")).unwrap();
    symlink("folder/real", root.join("policy.toml")).unwrap();
}

fn rename_over(file: &Path, text: &str) {
    let temporary = file.with_extension("tmp");
    fs::write(&temporary, text).unwrap();
    fs::rename(temporary, file).unwrap();
}

fn flip_link(link: &Path, target: &str) {
    let temporary = link.with_file_name("link.tmp");
    symlink(target, &temporary).unwrap();
    fs::rename(temporary, link).unwrap();
}

type Step = fn(&Path);
