//! What makes a load, and what a load counts for.

use super::*;

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
fn only_what_changed_is_loaded_where_that_is_certain() {
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
    assert_eq!((bench.loaded().as_str(), extents()), ("v2 k2", vec![Extent::Policy]));
    // After a load that counts for nothing, nobody knows what was read.
    sender.send(bench.path("keys")).unwrap();
    rename_over(&bench.path("keys"), "k3");
    let both = vec![Extent::Keys, Extent::Everything];
    assert_eq!((bench.loaded().as_str(), extents()), ("v2 k4", both));
    rename_over(&bench.path("keys"), "k5");
    assert_eq!((bench.loaded().as_str(), extents()), ("v2 k5", vec![Extent::Keys]));
    fs::remove_file(bench.path("policy.toml")).unwrap();
    bench.waiting();
    rename_over(&bench.path("keys"), "k6");
    rename_over(&bench.path("policy.toml"), "v3");
    assert_eq!((bench.loaded().as_str(), extents()), ("v3 k6", vec![Extent::Everything]));
}

/// One of those that were lost may have been of the keys, and left no other mark.
#[test]
fn where_signs_were_lost_everything_is_loaded() {
    let bench = Bench::with(STRICT, |_| Folders::blind(), plain, || {});
    let path = bench.path("policy.toml").canonicalize().unwrap();
    let mailbox = &bench.handle.mailbox;
    mailbox.lose();
    for extent in [Extent::Everything, Extent::Policy] {
        mailbox.sign(path.clone(), mailbox::Sign::Completed);
        assert_eq!(bench.loaded(), "v1 k1");
        assert_eq!(bench.wanted.try_iter().collect::<Vec<_>>(), [extent]);
    }
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
