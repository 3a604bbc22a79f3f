//! `key prune`

use super::*;

/// Days after [`NOW`].
fn day(number: i64) -> UnixSeconds {
    UnixSeconds(NOW.0 + number * 86_400)
}

/// One that lives on, one that expires after 10 days and one that was revoked at once.
fn place() -> (Place, [String; 3]) {
    let place = Place::new("");
    let ids = ["", " --expires 10d", " --expires 400d"].map(|more| place.create(more).1);
    assert_eq!(place.run(&format!("revoke {} --reason leaked", ids[2])).code, 0);
    (place, ids)
}

#[test]
fn prune_removes_what_is_over_for_long_and_says_what() {
    let cases = [
        (89, "", 3),
        (90, "", 2),
        (99, "", 2),
        (100, "", 1),
        (10, " --older-than 0d", 1),
        (9, " --older-than 6w", 3),
        (100, " --dry-run", 3),
    ];
    for (now, more, left) in cases {
        let (place, ids) = place();
        let done = place.run_with(&format!("prune{more}"), b"", day(now));
        assert_eq!(done.code, 0, "{done:?}");
        assert_eq!(place.records().len(), left, "day {now}{more}: {done:?}");
        assert_eq!(place.records()[0]["id"], ids[0]);
    }
}

#[test]
fn prune_says_what_went() {
    let (place, _) = place();
    let dry = place.run_with("prune --dry-run", b"", day(100));
    insta::assert_snapshot!("dry", place.shown(&dry));
    let json = place.run_with("prune --dry-run --output json", b"", day(100));
    insta::assert_snapshot!("json", place.shown(&json));
    let said = dry.out.replace("would be removed", "removed");
    let done = place.run_with("prune", b"", day(100));
    assert_eq!(done.out, said);
    let again = place.run_with("prune", b"", day(100));
    assert_eq!((again.code, &*again.out), (0, "0 removed\n"));
}

#[test]
fn a_file_of_which_all_is_pruned_says_that_there_are_no_keys() {
    let place = Place::new("");
    let (_, id) = place.create("");
    place.run(&format!("revoke {id}"));
    assert_eq!(place.run_with("prune", b"", day(90)).code, 0);
    assert_eq!(fs::read_to_string(place.keys()).unwrap(), "\n");
    assert_eq!(place.run("list").err, "no such key\n");
    place.create("");
    assert_eq!(place.records().len(), 1);
}

#[test]
fn prune_refuses_what_cannot_be() {
    let (place, _) = place();
    for (line, code, expected) in [
        ("prune --older-than soon", 2, "it is not a span of time such as"),
        ("prune --older-than 2026-11-20", 2, "it is not a span of time such as"),
        ("prune --older-than 9999999w", 2, "--older-than: that is before the year 0"),
    ] {
        let done = place.run(line);
        assert_eq!((done.code, &*done.out), (code, ""), "{done:?}");
        assert!(done.err.contains(expected), "{done:?}");
    }
    fs::remove_file(place.keys()).unwrap();
    assert_eq!(place.run("prune").code, 3);
}
