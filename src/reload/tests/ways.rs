//! Every way in which people and machines write files, on real folders.

use super::*;

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
