//! Every way in which people and machines write files, on real folders.

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
        folders.follow(&sources.look().folders);
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

/// What it is called, how the files lie, how they are edited, what is loaded then.
const WAYS: [(&str, Step, Step, &str); 16] = [
    ("rename over", plain, |r| rename_over(&r.join("policy.toml"), "v2"), "v2 k1"),
    ("write in place", plain, |r| fs::write(r.join("policy.toml"), "v2").unwrap(), "v2 k1"),
    (
        "truncate, two halves, close",
        plain,
        |r| {
            let mut file = File::create(r.join("policy.toml")).unwrap();
            file.write_all(b"v").unwrap();
            file.sync_all().unwrap();
            file.write_all(b"2").unwrap();
        },
        "v2 k1",
    ),
    (
        "append",
        plain,
        |r| {
            let mut file = File::options().append(true).open(r.join("policy.toml")).unwrap();
            file.write_all(b"+").unwrap();
        },
        "v1+ k1",
    ),
    (
        "delete, then write anew",
        plain,
        |r| {
            fs::remove_file(r.join("policy.toml")).unwrap();
            fs::write(r.join("policy.toml"), "v2").unwrap();
        },
        "v2 k1",
    ),
    (
        "delete, then hard link",
        plain,
        |r| {
            fs::write(r.join("other"), "v2").unwrap();
            fs::remove_file(r.join("policy.toml")).unwrap();
            fs::hard_link(r.join("other"), r.join("policy.toml")).unwrap();
        },
        "v2 k1",
    ),
    (
        "hard link renamed over",
        plain,
        |r| {
            fs::write(r.join("other"), "v2").unwrap();
            fs::hard_link(r.join("other"), r.join("policy.tmp")).unwrap();
            fs::rename(r.join("policy.tmp"), r.join("policy.toml")).unwrap();
        },
        "v2 k1",
    ),
    (
        "delete, then symbolic link",
        plain,
        |r| {
            fs::write(r.join("other"), "v2").unwrap();
            fs::remove_file(r.join("policy.toml")).unwrap();
            symlink("other", r.join("policy.toml")).unwrap();
        },
        "v2 k1",
    ),
    (
        "flip as Kubernetes does",
        kubernetes,
        |r| {
            fs::create_dir(r.join("..two")).unwrap();
            fs::write(r.join("..two/policy.toml"), "v2").unwrap();
            flip_link(&r.join("..data"), "..two");
            fs::remove_dir_all(r.join("..one")).unwrap();
        },
        "v2 k1",
    ),
    (
        "rename over a link's target",
        linked,
        |r| rename_over(&r.join("elsewhere/real"), "v2"),
        "v2 k1",
    ),
    ("write a link's target", linked, |r| fs::write(r.join("policy.toml"), "v2").unwrap(), "v2 k1"),
    (
        "flip a folder on the way",
        linked,
        |r| {
            fs::create_dir(r.join("new")).unwrap();
            fs::write(r.join("new/real"), "v2").unwrap();
            flip_link(&r.join("folder"), "new");
        },
        "v2 k1",
    ),
    (
        "add to a folder",
        several,
        |r| fs::write(r.join("policy.toml/b.toml"), "+b").unwrap(),
        "v1+b k1",
    ),
    (
        "rename within a folder",
        several,
        |r| rename_over(&r.join("policy.toml/a.toml"), "v2"),
        "v2 k1",
    ),
    (
        "swap a folder by a link",
        |r| {
            fs::create_dir(r.join("one")).unwrap();
            fs::write(r.join("one/a.toml"), "v1").unwrap();
            symlink("one", r.join("policy.toml")).unwrap();
        },
        |r| {
            fs::create_dir(r.join("two")).unwrap();
            fs::write(r.join("two/a.toml"), "v2").unwrap();
            flip_link(&r.join("policy.toml"), "two");
        },
        "v2 k1",
    ),
    ("keys", plain, |r| rename_over(&r.join("keys"), "k2"), "v1 k2"),
];

#[test]
fn every_way_of_writing_acts_on_proof_alone() {
    for (way, lay, edit, expected) in WAYS {
        let bench = Bench::new(STRICT, lay);
        edit(bench.folder.path());
        assert_eq!(bench.loaded(), expected, "{way}");
    }
}

#[test]
fn every_way_of_writing_is_found_without_events() {
    let patience =
        Patience { poll: SHORT, unproven: SHORT, unsettled: Duration::from_millis(5), ..STRICT };
    for (way, lay, edit, expected) in WAYS {
        let bench = Bench::with(patience, |_| Folders::blind(), lay, || {});
        edit(bench.folder.path());
        assert_eq!(bench.loaded(), expected, "{way}");
    }
}

#[test]
fn what_was_flipped_to_is_watched_too() {
    let bench = Bench::new(STRICT, kubernetes);
    for (round, text) in [("..b", "v2"), ("..c", "v3"), ("..d", "v4")] {
        fs::create_dir(bench.path(round)).unwrap();
        fs::write(bench.path(round).join("policy.toml"), text).unwrap();
        flip_link(&bench.path("..data"), round);
        assert_eq!(bench.loaded(), format!("{text} k1"));
    }
    // The watch on the last folder stands once the loop has looked again after its load.
    bench.handle.trigger();
    assert_eq!(bench.loaded(), "v4 k1");
    fs::write(bench.path("..d/policy.toml"), "v5").unwrap();
    assert_eq!(bench.loaded(), "v5 k1");
}

#[test]
fn a_half_written_file_is_never_loaded_not_even_when_asked() {
    let bench = Bench::new(STRICT, plain);
    let mut file = File::create(bench.path("policy.toml")).unwrap();
    file.write_all(b"ha").unwrap();
    bench.waiting();
    bench.handle.trigger();
    bench.waiting();
    rename_over(&bench.path("keys"), "k2");
    bench.waiting();
    file.write_all(b"lf").unwrap();
    drop(file);
    assert_eq!(bench.loaded(), "half k2");
}

#[test]
fn a_file_left_open_is_loaded_once_it_is_quiet() {
    let bench = Bench::new(Patience { open: SHORT, ..STRICT }, plain);
    let mut file = File::create(bench.path("policy.toml")).unwrap();
    file.write_all(b"v2").unwrap();
    assert_eq!(bench.loaded(), "v2 k1");
}

#[test]
fn a_file_without_rest_is_a_failure_until_it_rests() {
    let bench = Bench::new(Patience { restless: SHORT, ..STRICT }, plain);
    let mut file = File::create(bench.path("policy.toml")).unwrap();
    file.write_all(b"v").unwrap();
    let problem = bench.result().unwrap_err();
    assert!(problem.contains("policy.toml: changes without a pause"), "{problem}");
    file.write_all(b"2").unwrap();
    drop(file);
    assert_eq!(bench.loaded(), "v2 k1");
}

#[test]
fn a_file_that_is_gone_may_come_back() {
    let bench = Bench::new(STRICT, plain);
    fs::remove_file(bench.path("policy.toml")).unwrap();
    bench.waiting();
    fs::write(bench.path("policy.toml"), "v2").unwrap();
    assert_eq!(bench.loaded(), "v2 k1");
}

#[test]
fn a_file_or_folder_that_stays_away_is_an_error_until_it_is_made_anew() {
    for lay in [plain as Step, several] {
        let bench = Bench::new(Patience { gone: SHORT, unproven: SHORT, ..STRICT }, lay);
        fs::rename(bench.path("policy.toml"), bench.path("away")).unwrap();
        assert_eq!(bench.result(), Err("entity not found".to_owned()));
        lay(bench.folder.path());
        while bench.result() != Ok("v1 k1".to_owned()) {}
    }
}

#[test]
fn taking_a_file_out_of_a_folder_counts() {
    let bench = Bench::new(Patience { gone: SHORT, ..STRICT }, |root| {
        several(root);
        fs::write(root.join("policy.toml/b.toml"), "+b").unwrap();
    });
    fs::remove_file(bench.path("policy.toml/b.toml")).unwrap();
    assert_eq!(bench.loaded(), "v1 k1");
}

#[test]
fn a_broken_file_is_refused_and_its_repair_to_what_is_in_force_is_a_reload() {
    let bench = Bench::new(STRICT, plain);
    fs::write(bench.path("policy.toml"), "broken").unwrap();
    assert_eq!(bench.result(), Err("broken".to_owned()));
    fs::write(bench.path("policy.toml"), "v1").unwrap();
    assert_eq!(bench.loaded(), "v1 k1");
}

#[test]
fn a_signal_reloads_what_did_not_change() {
    let bench = Bench::new(STRICT, plain);
    bench.handle.trigger();
    assert_eq!(bench.loaded(), "v1 k1");
}

#[test]
fn other_files_of_the_folder_are_nobodys_business() {
    let folder = tempfile::tempdir().unwrap();
    several(folder.path());
    fs::write(folder.path().join("keys"), "k1").unwrap();
    let policy = folder.path().join("policy.toml");
    let keys = folder.path().join("keys");
    let sources = Sources { policy: policy.clone(), keys, others: Vec::new() };
    let before = sources.look();
    let others = [
        folder.path().join("keys.lock"),
        folder.path().join(".keys.swp"),
        policy.join("a.toml~"),
        policy.join(".a.toml"),
        policy.join("4913"),
    ];
    for other in others {
        fs::write(&other, "x").unwrap();
        let after = sources.look();
        assert_eq!(after.fingerprint, before.fingerprint, "{}", other.display());
        assert!(!after.has_name(&other.canonicalize().unwrap()), "{}", other.display());
    }
}

#[test]
fn what_the_keystore_writes_is_told_once() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().canonicalize().unwrap();
    let store = Store::new(root.join("keys"), Permissions::Private);
    store.add(new_record()).unwrap();
    let mailbox = Arc::new(Mailbox::default());
    let mut folders = Folders::new(Arc::clone(&mailbox));
    folders.follow(&[root.clone()].into());
    store.add(new_record()).unwrap();
    fs::write(root.join("end"), "").unwrap();
    let (mut told, due) = (Vec::new(), clock::instant() + LONG);
    while !told.contains(&(root.join("end"), Sign::Completed)) {
        assert!(clock::instant() < due, "{told:?}");
        told.extend(mailbox.wait(clock::instant(), due).signs);
    }
    told.retain(|(name, _)| *name == root.join("keys"));
    assert_eq!(told, [(root.join("keys"), Sign::Completed)]);
}

fn new_record() -> NewRecord {
    let text = |text| Text::parse(text).unwrap();
    NewRecord {
        hash: ApiKey::generate("production").unwrap().digest(None),
        workspace: text("acme"),
        account: text("ann"),
        environment: text("production"),
        label: None,
        owner: None,
        created: Timestamp::new(UnixSeconds(0)).unwrap(),
        not_before: None,
        expires: None,
        ceiling: None,
    }
}

#[test]
fn a_load_during_which_a_file_was_written_counts_for_nothing() {
    let (sender, wanted) = mpsc::channel::<PathBuf>();
    let during = move || {
        if let Ok(path) = wanted.try_recv() {
            fs::write(path, "v3").unwrap();
        }
    };
    let bench = Bench::with(STRICT, Folders::new, plain, during);
    sender.send(bench.path("policy.toml")).unwrap();
    fs::write(bench.path("policy.toml"), "v2").unwrap();
    assert_eq!(bench.loaded(), "v3 k1");
}

#[test]
fn a_load_during_which_a_file_was_replaced_counts_and_another_follows() {
    let (sender, orders) = mpsc::channel::<(PathBuf, Arc<Mailbox>)>();
    let during = move || {
        if let Ok((path, mailbox)) = orders.try_recv() {
            rename_over(&path, "v3");
            mailbox.sign(path.canonicalize().unwrap(), mailbox::Sign::Completed);
        }
    };
    let bench = Bench::with(STRICT, |_| Folders::blind(), plain, during);
    let path = bench.path("policy.toml");
    sender.send((path, Arc::clone(&bench.handle.mailbox))).unwrap();
    bench.handle.trigger();
    assert_eq!(bench.loaded(), "v1 k1");
    assert_eq!(bench.loaded(), "v3 k1");
}

#[test]
fn a_sign_counts_though_the_file_looks_the_same_for_its_times_are_coarse() {
    let bench = Bench::with(STRICT, |_| Folders::blind(), plain, || {});
    let path = bench.path("policy.toml").canonicalize().unwrap();
    bench.handle.mailbox.sign(path, mailbox::Sign::Completed);
    assert_eq!(bench.loaded(), "v1 k1");
}

#[test]
fn an_edit_before_the_thread_began_is_not_lost() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("keys"), "k1").unwrap();
    plain(folder.path());
    let patience = Patience { unproven: SHORT, ..STRICT };
    let late = |root: &Path| rename_over(&root.join("policy.toml"), "v2");
    let bench = Bench::over(folder, patience, |_| Folders::blind(), || {}, late);
    assert_eq!(bench.loaded(), "v2 k1");
}

#[test]
fn only_where_nothing_but_the_keys_changed_are_they_loaded_by_themselves() {
    let (sender, wanted) = mpsc::channel::<PathBuf>();
    let during = move || {
        if let Ok(path) = wanted.try_recv() {
            fs::write(path, "k4").unwrap();
        }
    };
    let bench = Bench::with(STRICT, Folders::new, plain, during);
    let extents = || bench.wanted.try_iter().collect::<Vec<_>>();
    rename_over(&bench.path("keys"), "k2");
    assert_eq!((bench.loaded().as_str(), extents()), ("v1 k2", vec![Extent::Keys]));
    bench.handle.trigger();
    assert_eq!((bench.loaded().as_str(), extents()), ("v1 k2", vec![Extent::Everything]));
    rename_over(&bench.path("policy.toml"), "v2");
    assert_eq!((bench.loaded().as_str(), extents()), ("v2 k2", vec![Extent::Everything]));
    // After a load that counts for nothing, nobody knows what was read.
    sender.send(bench.path("keys")).unwrap();
    rename_over(&bench.path("keys"), "k3");
    let both = vec![Extent::Keys, Extent::Everything];
    assert_eq!((bench.loaded().as_str(), extents()), ("v2 k4", both));
    rename_over(&bench.path("keys"), "k5");
    assert_eq!((bench.loaded().as_str(), extents()), ("v2 k5", vec![Extent::Keys]));
}

#[test]
fn a_storm_costs_few_loads_and_ends_on_the_last_edit() {
    type Edit = fn(&Path, &str);
    let in_place: Edit = |path, text| fs::write(path, text).unwrap();
    let edits = [("rename", rename_over as Edit), ("in place", in_place)];
    for (way, edit) in edits {
        let bench = Bench::new(STRICT, plain);
        let began = clock::instant();
        for number in 1..=2000 {
            edit(&bench.path("policy.toml"), &format!("n{number:04}"));
        }
        let mut loads = 1;
        while bench.loaded() != "n2000 k1" {
            loads += 1;
        }
        let most = 2 + (clock::instant() - began).as_millis() / STRICT.pause.as_millis();
        assert!(loads <= most, "{way}: {loads} loads, {most} at most");
    }
}

#[test]
fn dropping_the_handle_ends_the_thread() {
    let Bench { news, handle, folder, .. } = Bench::new(STRICT, plain);
    handle.stop();
    // The thread had the only sender.
    while news.try_recv().is_ok() {}
    assert_eq!(news.try_recv(), Err(mpsc::TryRecvError::Disconnected));
    drop(folder);
}

/// A sink for log lines.
#[derive(Debug, Clone, Default)]
struct Sink(Arc<Mutex<Vec<u8>>>);

impl io::Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_refusal_is_counted_each_time_and_logged_once() {
    let first = || compile(Draft::default()).unwrap();
    let current = Current::new(first(), None, clock::now());
    let sink = Sink::default();
    let writer = sink.clone();
    let log = tracing_subscriber::fmt().with_ansi(false).with_writer(move || writer.clone());
    let refused = |text: &str| News::Refused(vec![format!("policy.toml:1:1: {text}")]);
    tracing::subscriber::with_default(log.finish(), || {
        let sources = Sources { policy: PathBuf::new(), keys: PathBuf::new(), others: Vec::new() };
        let seen = sources.look().fingerprint;
        let guard = Guard { rules: <_>::default(), sources, consents: <_>::default() };
        let mut publisher =
            Publisher::new(Arc::clone(&current), Vec::new(), None, Vec::new(), guard, None);
        let loaded = Loaded {
            snapshot: first(),
            tls: None,
            trusts: Vec::new(),
            certificates: Arc::default(),
            report: Report::default(),
        };
        for news in [
            News::Waiting,
            refused("one"),
            refused("one"),
            refused("two"),
            News::Loaded(Candidate { loaded, seen }, SHORT),
            News::Told,
            refused("one"),
        ] {
            publisher.publish(news);
        }
    });
    let log = String::from_utf8(sink.0.lock().unwrap().clone()).unwrap();
    let told = |text: &str| log.matches(text).count();
    assert_eq!(told("policy refused, generation 1 stays in force"), 2, "{log}");
    assert_eq!(told("policy refused, generation 2 stays in force"), 1, "{log}");
    assert_eq!((told("policy.toml:1:1: one"), told("policy.toml:1:1: two")), (2, 1), "{log}");
    assert_eq!(told("policy reloaded generation=2 keys=0 routes=0 duration_ms=30"), 1, "{log}");
    let status = current.status();
    assert_eq!((status.successes, status.failures), (2, 4));
    assert_eq!(status.failing.unwrap().problems, ["policy.toml:1:1: one"]);
}

/// What has been made known by the time that who asked is told, if anything.
fn asked(bench: &Bench) -> Option<Result<String, String>> {
    let (sender, settled) = mpsc::channel();
    bench.handle.asker().ask(move || sender.send(()).unwrap());
    settled.recv_timeout(LONG).unwrap();
    let results = bench.news.try_iter().filter_map(|news| match news {
        News::Waiting | News::Told => None,
        News::Loaded(text, _) => Some(Ok(text)),
        News::Refused(problems) => Some(Err(problems.join("\n"))),
    });
    results.last()
}

#[test]
fn who_asks_is_told_once_the_files_as_they_are_were_loaded() {
    let bench = Bench::new(STRICT, |folder| fs::write(folder.join("policy.toml"), "p0").unwrap());
    assert_eq!(asked(&bench), None, "nothing changed, and something was loaded");
    let replace = |text: &str| {
        fs::write(bench.path("new"), text).unwrap();
        fs::rename(bench.path("new"), bench.path("policy.toml")).unwrap();
    };
    for (text, expected) in [
        ("p1", Ok("p1 k1".to_owned())),
        ("broken", Err("broken".to_owned())),
        ("p2", Ok("p2 k1".to_owned())),
    ] {
        replace(text);
        assert_eq!(asked(&bench), Some(expected));
    }
    assert_eq!(asked(&bench), None);
}

#[test]
fn who_asks_waits_for_a_file_that_is_still_written() {
    let patience = Patience { open: SHORT, ..STRICT };
    let bench = Bench::new(patience, |folder| fs::write(folder.join("policy.toml"), "p0").unwrap());
    let mut file = File::create(bench.path("policy.toml")).unwrap();
    file.write_all(b"p1").unwrap();
    assert_eq!(asked(&bench), Some(Ok("p1 k1".to_owned())));
}

#[test]
fn who_asks_during_a_load_is_told_of_what_was_changed_meanwhile() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("policy.toml"), "p0").unwrap();
    fs::write(folder.path().join("keys"), "k1").unwrap();
    let (inside, loading) = mpsc::channel();
    let (resume, go_on) = mpsc::channel::<()>();
    let during = move || {
        inside.send(()).unwrap();
        go_on.recv().unwrap_or_default();
    };
    let bench = Bench::over(folder, STRICT, Folders::new, during, |_| {});
    bench.handle.trigger();
    loading.recv_timeout(LONG).unwrap();
    let (sender, settled) = mpsc::channel();
    fs::write(bench.path("new"), "p1").unwrap();
    fs::rename(bench.path("new"), bench.path("policy.toml")).unwrap();
    bench.handle.asker().ask(move || sender.send(()).unwrap());
    drop(resume);
    settled.recv_timeout(LONG).unwrap();
    let results = bench.news.try_iter().filter_map(|news| match news {
        News::Loaded(text, _) => Some(text),
        News::Waiting | News::Told | News::Refused(_) => None,
    });
    assert_eq!(results.last().unwrap(), "p1 k1");
}

#[test]
fn who_asks_a_thread_that_ends_is_not_left_waiting() {
    let bench = Bench::new(STRICT, |folder| fs::write(folder.join("policy.toml"), "p0").unwrap());
    let asker = bench.handle.asker();
    fs::remove_file(bench.path("policy.toml")).unwrap();
    bench.waiting();
    let (sender, settled) = mpsc::channel::<()>();
    let waiting = sender.clone();
    asker.ask(move || waiting.send(()).unwrap());
    bench.handle.stop();
    asker.ask(move || sender.send(()).unwrap());
    assert_eq!(settled.recv_timeout(LONG), Err(mpsc::RecvTimeoutError::Disconnected));
}
