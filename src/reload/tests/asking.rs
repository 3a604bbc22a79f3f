//! Who asks is told, once it is so.

use super::*;

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
