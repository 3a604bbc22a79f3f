//! Files that are damaged or readable by others.

use super::*;

#[test]
fn a_damaged_file_is_refused_by_every_command() {
    let place = Place::new("");
    let (_, id) = place.create("");
    let whole = fs::read_to_string(place.keys()).unwrap();
    fs::write(place.keys(), format!("{whole}{{\"id\":\n")).unwrap();
    let create = "create --workspace acme-prod --account svc-reporting".to_owned();
    for line in [create, "list".into(), format!("show {id}"), format!("revoke {id}")] {
        let done = place.run(&line);
        assert_eq!((done.code, &*done.out), (3, ""), "{line}");
        let expected = "keys.jsonl:2:6: the record is cut off before its end";
        assert!(done.err.contains(expected), "{line}: {}", done.err);
    }
    assert_eq!(fs::read_to_string(place.keys()).unwrap().lines().count(), 2);
}

#[test]
fn a_file_that_others_can_read_needs_a_flag_and_is_warned_of() {
    let place = Place::new("");
    let (_, id) = place.create("");
    fs::set_permissions(place.keys(), Mode::from_mode(0o644)).unwrap();
    for line in ["list".to_owned(), format!("show {id}"), format!("revoke {id}")] {
        let refused = place.run(&line);
        let expected = "mode 0644 lets group or others read or write it — `chmod 600 ";
        assert!(refused.code == 3 && refused.err.contains(expected), "{refused:?}");
        let warned = place.run(&format!("{line} --insecure-permissions"));
        assert!(warned.code == 0 && warned.err.contains("warning: mode 0644"), "{warned:?}");
    }
}
