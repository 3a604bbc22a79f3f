//! Each way in which people and machines write files, and how long until it acts, over the whole
//! program: `cargo test --test writes -- --nocapture` prints the table.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on should stop")]

#[expect(dead_code, reason = "other tests use the rest of it")]
mod harness;

use std::fs::{self, File, FileTimes};
use std::io::Write as _;
use std::os::unix::fs::{MetadataExt as _, symlink};
use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use sidegate::clock;

use harness::{Gate, ask, record, until};

/// Nobody listens there: who may pass gets 502.
const UPSTREAM: u16 = 9;
/// Of a writer between two parts of a file.
const PAUSE: Duration = Duration::from_millis(50);
const ROUTES: &str = r#"
[[route]]
name = "app"
prefix = "/app"
workspace = "main"
product = "app"
upstream = "app"
"#;

/// What the reader's key may do under it: nothing, or view. Both are of one length.
fn policy(level: &str) -> String {
    format!(
        r#"version = 1
[role.owner]
bypass = true
[role.member]
[product.app]
permissions = []
[workspace.main]
environment = "production"
[workspace.main.members]
olga = "owner"
otto = "owner"
reader = "member"
[workspace.main.product.app]
subscription = "active"
[[workspace.main.grant]]
to = "account:reader"
product = "app"
level = "{level}"
{ROUTES}"#
    )
}

type Step = fn(&Path);

/// What it is called, how the files lie, how they are edited: the last step is measured from its end.
struct Way {
    name: &'static str,
    lay: Step,
    edit: Step,
}

const fn way(name: &'static str, lay: Step, edit: Step) -> Way {
    Way { name, lay, edit }
}

const WAYS: [Way; 26] = [
    way("rename over it", plain, |r| rename_over(&r.join("policy.toml"), &policy("view"))),
    way("truncate and write in one", plain, |r| {
        fs::write(r.join("policy.toml"), policy("view")).unwrap();
    }),
    way("truncate and write in five parts, 50 ms apart", plain, |r| {
        let mut file = File::create(r.join("policy.toml")).unwrap();
        for part in parts(&policy("view"), 5) {
            file.write_all(part).unwrap();
            thread::sleep(PAUSE);
        }
    }),
    way("`sed -i`", plain, |r| {
        shell(r, "sed -i 's/level = \"none\"/level = \"view\"/' policy.toml");
    }),
    way("as vim: move to a backup, write anew, remove the backup", plain, |r| {
        let (file, backup) = (r.join("policy.toml"), r.join("policy.toml~"));
        fs::write(r.join("4913"), "").unwrap();
        fs::remove_file(r.join("4913")).unwrap();
        fs::rename(&file, &backup).unwrap();
        fs::write(&file, policy("view")).unwrap();
        fs::remove_file(backup).unwrap();
    }),
    way("delete, then create", plain, |r| {
        fs::remove_file(r.join("policy.toml")).unwrap();
        fs::write(r.join("policy.toml"), policy("view")).unwrap();
    }),
    way("`..data` flip of Kubernetes", kubernetes, |r| {
        fs::create_dir(r.join("..two")).unwrap();
        fs::write(r.join("..two/policy.toml"), policy("view")).unwrap();
        flip(&r.join("..data"), "..two");
        fs::remove_dir_all(r.join("..one")).unwrap();
    }),
    way("symbolic link to another file", linked, |r| {
        fs::write(r.join("other.toml"), policy("view")).unwrap();
        flip(&r.join("policy.toml"), "other.toml");
    }),
    way("in-place write behind a symbolic link", linked, |r| {
        fs::write(r.join("elsewhere/real.toml"), policy("view")).unwrap();
    }),
    way("hard link renamed over it", plain, |r| {
        fs::write(r.join("other.toml"), policy("view")).unwrap();
        fs::hard_link(r.join("other.toml"), r.join("policy.new")).unwrap();
        fs::rename(r.join("policy.new"), r.join("policy.toml")).unwrap();
    }),
    way("delete, then hard link", plain, |r| {
        fs::write(r.join("other.toml"), policy("view")).unwrap();
        fs::remove_file(r.join("policy.toml")).unwrap();
        fs::hard_link(r.join("other.toml"), r.join("policy.toml")).unwrap();
    }),
    way("`dd conv=notrunc` over the same length", plain, |r| {
        fs::write(r.join("other"), policy("view")).unwrap();
        shell(r, "dd if=other of=policy.toml conv=notrunc status=none");
    }),
    way("`cp` over it", plain, |r| {
        fs::write(r.join("other"), policy("view")).unwrap();
        shell(r, "cp other policy.toml");
    }),
    way("`cp -p` of an older file", plain, |r| {
        fs::write(r.join("other"), policy("view")).unwrap();
        shell(r, "touch -d 2001-01-01 other && cp -p other policy.toml");
    }),
    way("`mv` from another mount", plain, |r| {
        let there = tempfile::tempdir_in("/dev/shm").unwrap();
        fs::write(there.path().join("other"), policy("view")).unwrap();
        shell(r, &format!("mv -f {}/other policy.toml", there.path().display()));
    }),
    way("rename of one with an old time", plain, |r| {
        fs::write(r.join("other"), policy("view")).unwrap();
        set_modified(&r.join("other"), UNIX_EPOCH);
        fs::rename(r.join("other"), r.join("policy.toml")).unwrap();
    }),
    way("same length, time of modification put back", plain, |r| {
        let file = r.join("policy.toml");
        let before = fs::metadata(&file).unwrap();
        fs::write(&file, policy("view")).unwrap();
        set_modified(&file, before.modified().unwrap());
        assert_eq!(fs::metadata(&file).unwrap().size(), before.size());
    }),
    way("clock jump: time of modification in 2100", plain, |r| {
        fs::write(r.join("policy.toml"), policy("view")).unwrap();
        set_modified(&r.join("policy.toml"), UNIX_EPOCH + Duration::from_secs(4_102_444_800));
    }),
    way("folder: one file added", several, |r| {
        fs::write(r.join("policy.toml/public.toml"), public()).unwrap();
    }),
    way("folder: one file removed", several_deny, |r| {
        fs::remove_file(r.join("policy.toml/suspended.toml")).unwrap();
    }),
    way("folder: one file renamed over", several_deny, |r| {
        rename_over(&r.join("policy.toml/suspended.toml"), "version = 1\n");
    }),
    way("folder: the whole of it swapped by a symbolic link", folder_link, |r| {
        fs::create_dir(r.join("two")).unwrap();
        fs::write(r.join("two/all.toml"), policy("view")).unwrap();
        flip(&r.join("policy.toml"), "two");
    }),
    way("folder: the whole of it moved away, another moved there", several, |r| {
        fs::create_dir(r.join("two")).unwrap();
        fs::write(r.join("two/all.toml"), policy("view")).unwrap();
        fs::rename(r.join("policy.toml"), r.join("one")).unwrap();
        fs::rename(r.join("two"), r.join("policy.toml")).unwrap();
    }),
    way("no events: written by another name elsewhere", twin, |r| {
        fs::write(r.join("elsewhere/twin.toml"), policy("view")).unwrap();
    }),
    way("no events, in five parts, 50 ms apart", twin, |r| {
        let mut file = File::create(r.join("elsewhere/twin.toml")).unwrap();
        for part in parts(&policy("view"), 5) {
            file.write_all(part).unwrap();
            thread::sleep(PAUSE);
        }
    }),
    way("keys: append", without_key, |r| {
        let mut file = File::options().append(true).open(r.join("keys.jsonl")).unwrap();
        writeln!(file, "{}", record("reader", "reader")).unwrap();
    }),
];

fn plain(root: &Path) {
    fs::write(root.join("policy.toml"), policy("none")).unwrap();
}

fn kubernetes(root: &Path) {
    fs::create_dir(root.join("..one")).unwrap();
    fs::write(root.join("..one/policy.toml"), policy("none")).unwrap();
    symlink("..one", root.join("..data")).unwrap();
    symlink("..data/policy.toml", root.join("policy.toml")).unwrap();
}

fn linked(root: &Path) {
    fs::create_dir(root.join("elsewhere")).unwrap();
    fs::write(root.join("elsewhere/real.toml"), policy("none")).unwrap();
    symlink("elsewhere/real.toml", root.join("policy.toml")).unwrap();
}

/// A file with two names; only one of the two folders is looked at.
fn twin(root: &Path) {
    plain(root);
    fs::create_dir(root.join("elsewhere")).unwrap();
    fs::hard_link(root.join("policy.toml"), root.join("elsewhere/twin.toml")).unwrap();
}

fn folder_link(root: &Path) {
    fs::create_dir(root.join("one")).unwrap();
    fs::write(root.join("one/all.toml"), policy("none")).unwrap();
    symlink("one", root.join("policy.toml")).unwrap();
}

/// A route that opens is in a file of its own, which is not there yet.
fn several(root: &Path) {
    fs::create_dir(root.join("policy.toml")).unwrap();
    fs::write(root.join("policy.toml/main.toml"), policy("none")).unwrap();
}

/// A route that asks for no key.
fn public() -> String {
    "version = 1\n[[route]]\nname = \"open\"\nprefix = \"/app/reports\"\npublic = true\nupstream = \"app\"\n"
        .to_owned()
}

/// A file of its own says that the reader is suspended.
fn several_deny(root: &Path) {
    fs::create_dir(root.join("policy.toml")).unwrap();
    fs::write(root.join("policy.toml/main.toml"), policy("view")).unwrap();
    let suspended = "version = 1\n[account.reader]\nsuspended = true\n";
    fs::write(root.join("policy.toml/suspended.toml"), suspended).unwrap();
}

fn without_key(root: &Path) {
    fs::write(root.join("policy.toml"), policy("view")).unwrap();
}

fn rename_over(file: &Path, text: &str) {
    let new = file.with_extension("new");
    fs::write(&new, text).unwrap();
    fs::rename(new, file).unwrap();
}

fn flip(link: &Path, target: &str) {
    let new = link.with_file_name("link.new");
    symlink(target, &new).unwrap();
    fs::rename(new, link).unwrap();
}

fn parts(text: &str, count: usize) -> impl Iterator<Item = &[u8]> {
    text.as_bytes().chunks(text.len().div_ceil(count))
}

fn set_modified(file: &Path, time: SystemTime) {
    let times = FileTimes::new().set_modified(time);
    File::options().write(true).open(file).unwrap().set_times(times).unwrap();
}

fn shell(folder: &Path, line: &str) {
    let status = Command::new("sh").args(["-c", line]).current_dir(folder).status().unwrap();
    assert!(status.success(), "{line}");
}

#[test]
fn each_way_of_writing_acts_and_no_half_of_it() {
    let mut table = Vec::new();
    for Way { name, lay, edit } in WAYS {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().canonicalize().unwrap();
        lay(&root);
        let id = if name.starts_with("keys") { "other" } else { "reader" };
        let gate = Gate::start(&root, UPSTREAM, &[record(id, "reader")]);
        let header = "X-API-Key: key-reader\r\n";
        let passes = || ask(gate.port, "GET", "/app/reports", header).unwrap().status == 502;
        assert!(!passes(), "{name}: passes before");
        edit(&root);
        let written = clock::instant();
        until(name, passes);
        let took = clock::instant() - written;
        let failures = || {
            let page = gate.page("/metrics");
            let lines = page.lines().filter(|line| line.contains("result=\"failure\""));
            lines.map(|line| line.rsplit(' ').next().unwrap().to_owned()).collect::<Vec<_>>()
        };
        assert_eq!(failures(), ["0"], "{name}: half of it was loaded");
        table.push((name, took));
    }
    println!("| way | acted after |\n|---|---|");
    for (name, took) in table {
        println!("| {name} | {} ms |", took.as_millis());
    }
}
