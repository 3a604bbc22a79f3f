//! `key revoke`

use super::*;

#[test]
fn a_key_can_be_made_and_revoked_whatever_is_wrong_with_the_others() {
    let place = Place::new("");
    let (_, id) = place.create("");
    let gone = fs::read_to_string(place.keys()).unwrap().replace("svc-reporting", "gone");
    fs::write(place.keys(), gone).unwrap();
    place.create("");
    fs::write(place.0.path().join("policy.toml"), "not a policy").unwrap();
    assert_eq!(place.run(&format!("revoke {id}")).code, 0);
}

#[test]
fn revoke_is_done_once_and_says_since_when() {
    let place = Place::new("");
    let (_, id) = place.create("");
    let done = place.run(&format!("revoke {id}"));
    let expected = format!("key {id} of svc-reporting in acme-prod is revoked\n");
    assert_eq!((done.code, done.out), (0, expected));
    let file = fs::read(place.keys()).unwrap();
    let again = place.run_with(&format!("revoke {id}"), b"", UnixSeconds(NOW.0 + 60));
    let expected = format!("key {id} has been revoked since 2026-11-20T10:00:00Z\n");
    assert_eq!((again.code, again.out), (0, expected));
    assert_eq!(fs::read(place.keys()).unwrap(), file);
    let unknown = place.run("revoke k_nothing");
    let expected = "no key has the id `k_nothing` — `sidegate key list` shows them all\n";
    assert_eq!((unknown.code, &*unknown.err), (3, expected));
}

#[test]
fn a_revocation_waits_until_it_is_in_force() {
    let fine = looked(true, None);
    let refused = looked(true, Some("policy.toml:1:2: no"));
    for (answers, code, told) in [
        (vec![], 0, "no sidegate runs at "),
        (
            vec![(202, looked(false, None)), (200, fine.clone())],
            0,
            "in force in its generation 8 after",
        ),
        (vec![(200, refused)], 3, "policy.toml:1:2: no\nnot in force: the files are refused"),
        (vec![(404, String::new())], 1, "not known to be in force: "),
    ] {
        let (address, server) = serve(answers);
        let place = Place::new(&format!("admin.address = \"{address}\""));
        let (_, id) = place.create(" --no-wait");
        let done = place.run(&format!("revoke {id}"));
        server.join().unwrap();
        assert_eq!((done.code, done.err.contains(told)), (code, true), "{done:?}");
        assert!(done.out.ends_with(" is revoked\n"), "{done:?}");
        let file = fs::read_to_string(place.keys()).unwrap();
        assert!(file.contains("\"revoked\":\"2026-11-20T10:00:00Z\""), "{file}");
    }
}

#[test]
fn several_are_revoked_in_one_write() {
    let setup = || {
        let place = Place::new("");
        let mut ids = ["", " --label nightly", ""].map(|more| place.create(more).1).to_vec();
        for workspace in ["acme-dev", "acme-prod"] {
            let line = format!("create --workspace {workspace} --account bob@acme.example");
            assert_eq!(place.run(&line).code, 0);
        }
        ids.extend(place.records()[3..].iter().map(|it| it["id"].as_str().unwrap().to_owned()));
        assert_eq!(place.run(&format!("revoke {} --reason early", ids[2])).code, 0);
        (place, ids)
    };
    let cases = [
        ("--account svc-reporting", 2, vec![0, 1]),
        ("--workspace acme-prod", 3, vec![0, 1, 4]),
        ("--workspace acme-dev", 1, vec![3]),
        ("--account bob@acme.example --workspace acme-prod", 1, vec![4]),
        ("ID0 ID2 ID4", 2, vec![0, 4]),
        ("ID2", 0, vec![]),
    ];
    for (whom, count, which) in cases {
        let (place, ids) = setup();
        let mut line = format!("revoke {whom} --reason left");
        for (number, id) in ids.iter().enumerate() {
            line = line.replace(&format!("ID{number}"), id);
        }
        let later = UnixSeconds(NOW.0 + 60);
        let done = place.run_with(&format!("{line} --output json"), b"", later);
        assert_eq!(done.code, 0, "{done:?}");
        let json: Value = serde_json::from_str(&done.out).unwrap();
        assert_eq!(json["revoked"].as_array().unwrap().len(), count, "{whom}: {json}");
        for (number, record) in place.records().iter().enumerate() {
            let expected = match number {
                2 => ("2026-11-20T10:00:00Z".into(), "early".into()),
                _ if which.contains(&number) => ("2026-11-20T10:01:00Z".into(), "left".into()),
                _ => (Value::Null, Value::Null),
            };
            let reason = record.get("reason").cloned().unwrap_or_default();
            assert_eq!((record["revoked"].clone(), reason), expected, "{whom}: {record}");
        }
    }
    let (place, _) = setup();
    let done = place.run("revoke --account svc-reporting --reason left");
    insta::assert_snapshot!(place.shown(&done));
}

#[test]
fn of_several_all_are_there_or_none_is_revoked() {
    let place = Place::new("");
    let (_, id) = place.create("");
    let file = fs::read(place.keys()).unwrap();
    let key = ApiKey::generate("production").unwrap();
    let planted = format!("{id} --reason {}", key.expose());
    let cases = [
        (format!("{id} k_nothing"), 3, "no key has the id `k_nothing`"),
        (
            "--account nobody".to_owned(),
            3,
            "the policy has no account `nobody`, and no key is of one — `sidegate key list`",
        ),
        (
            "--account alice@acme.example --workspace acme-dev".to_owned(),
            3,
            "there is no key of account `alice@acme.example` in workspace `acme-dev` — ",
        ),
        (format!("{id} --account svc-reporting"), 2, "cannot be used with"),
        ("--reason x".to_owned(), 2, "required"),
        (planted, 2, "--reason: a name or label has a key in it: revoke that key"),
    ];
    for (line, code, expected) in cases {
        let done = place.run(&format!("revoke {line}"));
        assert_eq!((done.code, &*done.out), (code, ""), "{line}: {done:?}");
        assert!(done.err.contains(expected), "{line}: {done:?}");
        assert!(!done.err.contains(key.expose()));
        assert_eq!(fs::read(place.keys()).unwrap(), file);
    }
    let twice = [&*file, &*file].concat();
    fs::write(place.keys(), twice).unwrap();
    for line in ["--account svc-reporting".to_owned(), format!("{id} k_other"), id.clone()] {
        let done = place.run(&format!("revoke {line}"));
        let expected = format!("keys.jsonl:2: the id `{id}` stands in line 1, too");
        assert!(done.code == 3 && done.err.contains(&expected), "{line}: {done:?}");
    }
}
