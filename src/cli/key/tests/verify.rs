//! `key verify`

use super::*;

#[test]
fn verify_says_whose_key_it_is_and_what_it_reaches() {
    let place = Place::new("pepper = \"pepper.bin\"");
    place.grant();
    let (key, _) = place.create(" --expires 90d --level view --label nightly");
    for end in ["", "\n", "\r\n"] {
        let done = place.run_with("verify", format!("{key}{end}").as_bytes(), NOW);
        assert_eq!(done.code, 0);
        insta::assert_snapshot!("valid", place.shown(&done));
    }
    let json = place.run_with("verify --output json", key.as_bytes(), NOW);
    insta::assert_snapshot!("valid_json", place.shown(&json));
}

#[test]
fn every_fault_of_a_key_is_told_and_the_key_never() {
    let place = Place::new("");
    place.grant();
    let (good, _) = place.create("");
    let (revoked, id) = place.create("");
    place.run(&format!("revoke {id} --reason leaked"));
    let (expired, _) = place.create(" --expires 1h");
    let (early, _) = place.create(" --not-before 1d");
    let elsewhere = place.run("create --workspace acme-dev --account bob@acme.example").out;
    let malformed = &good[..good.len() - 1];
    let later = UnixSeconds(NOW.0 + 3_600);
    let settings = place.0.path().join("sidegate.toml");
    let text = fs::read_to_string(&settings).unwrap();
    fs::write(&settings, format!("environment = \"production\"\n{text}")).unwrap();
    let cases = [
        (&*good, None, ""),
        (malformed, Some("key_malformed"), ""),
        ("two words", Some("key_malformed"), ""),
        ("tk_of_nobody", Some("key_unknown"), ""),
        (&revoked, Some("key_revoked"), ""),
        (&early, Some("key_not_yet_valid"), ""),
        (&expired, Some("key_expired"), ""),
        (elsewhere.trim_end(), Some("wrong_environment"), ""),
        (&good, Some("workspace_suspended"), "\"production\"\nsuspended = false"),
        (&good, Some("account_suspended"), "[account.svc-reporting]\nsuspended = false"),
        (&good, Some("not_a_member"), "svc-reporting = \"member\"\n"),
        (&good, Some("wrong_workspace"), "acme-prod"),
    ];
    for (key, expected, edit) in cases {
        let policy = fs::read_to_string(place.0.path().join("policy.toml")).unwrap();
        match expected {
            Some("not_a_member") => {
                place.edit_policy(edit, "");
                place.edit_policy("account:svc-reporting", "account:bob@acme.example");
            }
            Some("wrong_workspace") => place.edit_policy(edit, "acme-other"),
            _ => place.edit_policy(edit, &edit.replace("false", "true")),
        }
        let done = place.run_with("verify --output json", key.as_bytes(), later);
        let json: Value = serde_json::from_str(&done.out).unwrap();
        assert_eq!(json["reason"].as_str(), expected, "{done:?}");
        assert_eq!(json["valid"], expected.is_none());
        assert_eq!(done.code, if expected.is_none() { 0 } else { 4 });
        let text = place.run_with("verify", key.as_bytes(), later);
        assert_eq!(text.code, done.code);
        assert!(expected.is_none_or(|code| text.out.contains(&format!(": {code}, "))), "{text:?}");
        for told in [&done.out, &done.err, &text.out, &text.err] {
            assert!(!told.contains(key), "{told}");
        }
        fs::write(place.0.path().join("policy.toml"), policy).unwrap();
    }
    let empty = place.run_with("verify", b"\n", NOW);
    assert_eq!((empty.code, &*empty.out), (2, ""), "{empty:?}");
    fs::write(place.0.path().join("policy.toml"), "no").unwrap();
    assert_eq!(place.run_with("verify", good.as_bytes(), NOW).code, 3);
}

#[test]
fn a_key_of_elsewhere_is_found_by_its_sha256() {
    let place = Place::new("");
    place.create("");
    let file = fs::read_to_string(place.keys()).unwrap();
    let hash = place.records()[0]["hash"].as_str().unwrap().to_owned();
    let file = file.replace(&hash, &KeyDigest::sha256("tk_elsewhere").to_string());
    fs::write(place.keys(), file).unwrap();
    assert_eq!(place.run_with("verify", b"tk_elsewhere", NOW).code, 0);
}
