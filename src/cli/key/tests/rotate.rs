//! `key rotate`

use super::*;

/// A place where the service reaches something.
fn place() -> Place {
    let place = Place::new("pepper = \"pepper.bin\"");
    place.grant();
    place
}

#[test]
fn rotate_prints_the_new_key_alone_and_ends_the_old_one() {
    let place = place();
    let (old_key, old) = place
        .create(" --expires 90d --level view --product vault --label nightly --owner team-data");
    let later = UnixSeconds(NOW.0 + 10 * 86_400);
    let done = place.run_with(&format!("rotate {old}"), b"", later);
    let key = done.out.strip_suffix('\n').unwrap().to_owned();
    assert!(is_well_formed(&key) && key != old_key, "{done:?}");
    let records = place.records();
    let [was, is] = &*records else { panic!("{records:?}") };
    assert_eq!(is["hash"], KeyDigest::blake3_keyed(&key, &Pepper::new([7; 32])).to_string());
    for field in ["account", "workspace", "environment", "ceiling", "label", "owner"] {
        assert_eq!(was[field], is[field], "{field}");
    }
    assert_eq!(was["expires"], "2026-12-07T10:00:00Z", "seven days later");
    assert_eq!(is["expires"], "2027-02-28T10:00:00Z", "ninety days later");
    insta::assert_snapshot!(place.shown(&done));
}

#[test]
fn rotate_as_json_has_both_records() {
    let place = place();
    let (_, old) = place.create("");
    let done = place.run(&format!("rotate {old} --overlap 0h --expires 30d --output json"));
    let key: Value = serde_json::from_str(&done.out).unwrap();
    assert!(is_well_formed(key["key"].as_str().unwrap()), "{done:?}");
    insta::assert_snapshot!(place.shown(&done));
}

#[test]
fn the_old_key_never_ends_later_than_it_would_have() {
    for (expires, overlap, expected) in [
        ("--expires 1d", "7d", "2026-11-21T10:00:00Z"),
        ("--expires 90d", "2026-11-30", "2026-11-30T00:00:00Z"),
        ("--expires 90d", "0h", "2026-11-20T10:00:00Z"),
        ("--label x", "12h", "2026-11-20T22:00:00Z"),
    ] {
        let place = place();
        let (_, old) = place.create(&format!(" {expires}"));
        let done = place.run(&format!("rotate {old} --overlap {overlap}"));
        assert_eq!(done.code, 0, "{done:?}");
        assert_eq!(place.records()[0]["expires"], expected, "{expires} {overlap}");
    }
}

#[test]
fn a_key_whose_time_has_not_come_is_not_brought_forward() {
    let place = place();
    let (_, old) = place.create(" --not-before 2d --expires 10d");
    assert_eq!(place.run(&format!("rotate {old}")).code, 0);
    let new = &place.records()[1];
    assert_eq!(new["not_before"], "2026-11-22T10:00:00Z");
    assert_eq!(new["expires"], "2026-11-30T10:00:00Z");
}

#[test]
fn rotate_refuses_what_cannot_be() {
    let place = place();
    let (_, good) = place.create("");
    let (_, revoked) = place.create("");
    place.run(&format!("revoke {revoked}"));
    let (_, expired) = place.create(" --expires 1h");
    let (_, planned) = place.create("");
    let file = fs::read_to_string(place.keys()).unwrap();
    let (before, line) = file.trim_end().rsplit_once('\n').unwrap();
    let line = line.replace("\"revoked\":null", "\"revoked\":\"2026-12-01T00:00:00Z\"");
    fs::write(place.keys(), format!("{before}\n{line}\n")).unwrap();
    let file = fs::read(place.keys()).unwrap();
    let cases = [
        (revoked, 3, "was revoked 2026-11-20T10:00:00Z — make a new one: `sidegate key create "),
        (expired, 3, "expired 2026-11-20T11:00:00Z — make a new one: `sidegate key create "),
        (planned, 3, "is to be revoked 2026-12-01T00:00:00Z — make a new one"),
        ("k_nothing".into(), 3, "no key has the id `k_nothing` — `sidegate key list` shows them"),
        (
            format!("{good} --overlap 2026-11-01"),
            2,
            "--overlap: 2026-11-01T00:00:00Z is in the past",
        ),
        (
            format!("{good} --expires 2026-11-01"),
            2,
            "--expires: 2026-11-01T00:00:00Z is over before",
        ),
        (format!("{good} --overlap 9999999w"), 2, "--overlap: that is after the year 9999"),
    ];
    let later = UnixSeconds(NOW.0 + 7_200);
    for (line, code, expected) in cases {
        let done = place.run_with(&format!("rotate {line}"), b"", later);
        assert_eq!((done.code, &*done.out), (code, ""), "{line}: {done:?}");
        assert!(done.err.contains(expected), "{line}: {done:?}");
        assert_eq!(fs::read(place.keys()).unwrap(), file, "{line}");
    }
    place.edit_policy("svc-reporting = \"member\"", "");
    place.edit_policy("to = \"account:svc-reporting\"", "to = \"account:bob@acme.example\"");
    let done = place.run(&format!("rotate {good}"));
    let expected = "account `svc-reporting` is not a member of workspace `acme-prod` — give it a \
                    role under `[workspace.acme-prod.members]` of the policy\n";
    assert_eq!((done.code, &*done.err), (3, expected));
}

#[test]
fn a_record_that_changed_since_it_was_read_is_left_as_it_is() {
    let place = place();
    let (_, old) = place.create("");
    let (records, _) = keystore::records(&place.keys(), FileId(0), Permissions::Private);
    place.run(&format!("revoke {old}"));
    let store = keystore::Store::new(place.keys(), Permissions::Private);
    let text = |text: &str| keystore::Text::parse(text.to_owned()).unwrap();
    let now = keystore::Timestamp::new(NOW).unwrap();
    let new = keystore::NewRecord {
        hash: KeyDigest::blake3("x"),
        workspace: text("acme-prod"),
        account: text("svc-reporting"),
        environment: text("production"),
        label: None,
        owner: None,
        created: now,
        not_before: None,
        expires: None,
        ceiling: None,
    };
    let refused = store.rotate(&records[0], now, new).unwrap_err().to_string();
    let expected = format!("the record of `{old}` was changed by somebody else just now");
    assert!(refused.starts_with(&expected), "{refused}");
    assert_eq!(place.records().len(), 1);
}

#[test]
fn a_rotation_waits_until_it_is_in_force() {
    let (address, server) = serve(vec![(200, looked(true, None))]);
    let place = Place::new(&format!("admin.address = \"{address}\""));
    let (_, id) = place.create(" --no-wait");
    let done = place.run(&format!("rotate {id}"));
    server.join().unwrap();
    assert!(done.code == 0 && done.err.contains("in force in its generation 8"), "{done:?}");
}
