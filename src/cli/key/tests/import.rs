//! `key import`

use super::*;

const HEAD: &str = "hash,workspace,account,label,expires\n";

fn hash(text: &str) -> String {
    KeyDigest::sha256(text).to_string()
}

fn write(place: &Place, name: &str, text: &str) -> String {
    let path = place.0.path().join(name);
    fs::write(&path, text).unwrap();
    path.to_str().unwrap().to_owned()
}

#[test]
fn keys_and_hashes_are_taken_up_and_keys_never_stored() {
    let place = Place::new("pepper = \"pepper.bin\"");
    let (ours, _) = place.create("");
    let ours_elsewhere = ApiKey::generate("production").unwrap();
    let text = format!(
        "key,hash,workspace,account,label,expires\n\
         tk_elsewhere,,acme-prod,svc-reporting,nightly,2027-02-18\n\
         {},,acme-prod,svc-reporting,,\n,{},acme-dev,bob@acme.example,,\n",
        ours_elsewhere.expose(),
        hash("another")
    );
    let file = write(&place, "keys.csv", &text);
    let done = place.run(&format!("import {file}"));
    insta::assert_snapshot!(place.shown(&done));
    let records = place.records();
    let pepper = Pepper::new([7; 32]);
    assert_eq!(records.len(), 4);
    assert_eq!(records[1]["hash"], KeyDigest::blake3_keyed("tk_elsewhere", &pepper).to_string());
    assert_eq!(records[1]["expires"], "2027-02-18T00:00:00Z");
    assert_eq!(records[1]["label"], "nightly");
    assert_eq!(records[3]["hash"], hash("another"));
    assert_eq!(records[3]["environment"], "staging");
    let stored = fs::read_to_string(place.keys()).unwrap();
    for key in ["tk_elsewhere", ours_elsewhere.expose(), &ours] {
        assert!(!stored.contains(key) && !done.err.contains(key) && !done.out.contains(key));
        let verified = place.run_with("verify", key.as_bytes(), NOW);
        assert_eq!(verified.code, 0, "{verified:?}");
    }
}

#[test]
fn lines_of_json_come_from_standard_input() {
    let place = Place::new("");
    place.grant();
    let row = "{\"key\":\"tk_1\",\"workspace\":\"acme-prod\",\"account\":\"svc-reporting\",\
               \"owner\":\"team-data\",\"created\":\"2020-01-01\",\"expires\":\"2026-01-01\",\
               \"ceiling\":{\"level\":\"view\",\"products\":[\"vault\"]}}\n";
    let line = "import - --format jsonl --output json";
    let dry = place.run_with(&format!("{line} --dry-run"), row.as_bytes(), NOW);
    assert_eq!(dry.code, 0, "{dry:?}");
    assert!(!place.keys().exists());
    let done = place.run_with(line, row.as_bytes(), NOW);
    insta::assert_snapshot!(place.shown(&done));
    let record = &place.records()[0];
    assert_eq!(record["hash"], KeyDigest::blake3("tk_1").to_string());
    assert_eq!(record["created"], "2020-01-01T00:00:00Z");
    assert_eq!(record["owner"], "team-data");
    assert_eq!(record["ceiling"], serde_json::json!({"level": "view", "products": ["vault"]}));
}

#[test]
fn a_damaged_row_refuses_all_and_names_the_row_and_the_column() {
    let place = Place::new("");
    place.grant();
    let (_, id) = place.create("");
    let stored = place.records()[0]["hash"].as_str().unwrap().to_owned();
    let before = fs::read(place.keys()).unwrap();
    let good = format!("{},acme-prod,svc-reporting,,\n", hash("good"));
    let keyed = KeyDigest::blake3_keyed("x", &Pepper::new([7; 32])).to_string();
    let cases = [
        (
            format!("{},acme-prd,svc-reporting,,", hash("x")),
            "3:73: `workspace`: unknown workspace `acme-prd` — did you mean `acme-prod`?",
        ),
        (
            format!("{},acme-dev,svc-reporting,,", hash("x")),
            "3:82: `account`: it is not a member of workspace `acme-dev` — give it a role",
        ),
        (
            format!("{},acme-prod,svc-reporting,,soon", hash("x")),
            "3:98: `expires`: it is no time such as",
        ),
        (
            "sha256:12,acme-prod,svc-reporting,,".into(),
            "3:1: `hash`: a `sha256:` hash has 64 hex digits",
        ),
        (
            format!("{keyed},acme-prod,svc-reporting,,"),
            "3:1: `hash`: it is `blake3-keyed` and there is no pepper — name",
        ),
        (good.trim().to_owned(), "3:1: `hash`: the row in line 2 has the same key"),
        (
            format!("{stored},acme-prod,svc-reporting,,"),
            "3:1: `hash`: this key is there already: `ID` of svc-reporting in acme-prod — `--skip-existing` leaves out what is there",
        ),
    ];
    for (row, expected) in cases {
        let file = write(&place, "rows.csv", &format!("{HEAD}{good}{row}\n"));
        let done = place.run(&format!("import {file}"));
        assert_eq!((done.code, &*done.out), (3, ""), "{row}: {done:?}");
        let expected = format!("{file}:{}", expected.replace("ID", &id));
        assert!(done.err.starts_with(&expected), "{done:?}\n{expected}");
        assert_eq!(done.err.lines().count(), 1, "{done:?}");
        assert_eq!(fs::read(place.keys()).unwrap(), before, "{row}");
        assert!(!place.0.path().join(".keys.jsonl.new").exists());
    }
}

#[test]
fn rows_whose_key_is_there_can_be_left_out() {
    let place = Place::new("");
    let row = |text: &str, account: &str| format!("{},acme-prod,{account},,\n", hash(text));
    let first = row("1", "svc-reporting");
    let file = write(&place, "a.csv", &format!("{HEAD}{first}"));
    assert_eq!(place.run(&format!("import {file}")).code, 0);
    let both = format!("{HEAD}{first}{}", row("2", "svc-reporting"));
    let file = write(&place, "b.csv", &both);
    let done = place.run(&format!("import {file} --skip-existing"));
    assert_eq!((done.code, &*done.out), (0, "1 key imported, 1 were there\n"), "{done:?}");
    let before = fs::read(place.keys()).unwrap();
    let again = place.run(&format!("import {file} --skip-existing"));
    assert_eq!((again.code, &*again.out), (0, "0 keys imported, 2 were there\n"), "{again:?}");
    let other = format!("{HEAD}{}", row("1", "bob@acme.example"));
    let file = write(&place, "c.csv", &other);
    let refused = place.run(&format!("import {file} --skip-existing"));
    let expected = "leaves out only what is there for the same account and workspace";
    assert!(refused.code == 3 && refused.err.contains(expected), "{refused:?}");
    assert_eq!(fs::read(place.keys()).unwrap(), before);
}

/// Two records of one key would both stand in the way of its revocation.
#[test]
fn a_key_is_known_by_any_hash_of_it() {
    let cases = [
        ("hash,key,workspace,account\n,tk_1,acme-prod,svc-reporting\n", hash("tk_1")),
        (
            "hash,key,workspace,account\n,tk_1,acme-prod,svc-reporting\n",
            KeyDigest::blake3("tk_1").to_string(),
        ),
    ];
    for (first, second) in cases {
        let place = Place::new("pepper = \"pepper.bin\"");
        let file = write(&place, "a.csv", &format!("{first}{second},,acme-prod,svc-reporting\n"));
        let refused = place.run(&format!("import {file}"));
        let expected = "3:1: `hash`: the row in line 2 has the same key\n";
        assert!(refused.code == 3 && refused.err.ends_with(expected), "{refused:?}");
        let file = write(
            &place,
            "b.csv",
            &format!("hash,workspace,account\n{second},acme-prod,svc-reporting\n"),
        );
        assert_eq!(place.run(&format!("import {file}")).code, 0);
        let file = write(&place, "c.csv", first);
        let refused = place.run(&format!("import {file}"));
        assert!(
            refused.code == 3 && refused.err.contains("2:2: `key`: this key is there"),
            "{refused:?}"
        );
    }
}

#[test]
fn import_refuses_what_cannot_be() {
    let place = Place::new("");
    let file = write(&place, "rows.txt", "");
    let empty = write(&place, "rows.csv", HEAD);
    let cases = [
        (file, 2, "--format: csv or jsonl, which the name of the file does not say"),
        ("-".to_owned(), 2, "--format: csv or jsonl"),
        ("absent.csv".to_owned(), 1, "absent.csv: cannot be read: no such file"),
        (empty, 3, "rows.csv: there is no row in it"),
        ("- --format xml".to_owned(), 2, "possible values: csv, jsonl"),
    ];
    for (line, code, expected) in cases {
        let done = place.run(&format!("import {line}"));
        assert_eq!((done.code, &*done.out), (code, ""), "{line}: {done:?}");
        assert!(done.err.contains(expected), "{line}: {done:?}");
        assert!(!place.keys().exists());
    }
    let done = place.run_with("import - --format csv", b"key\n", NOW);
    assert!(done.err.starts_with("standard input:1: the header has no `workspace`"), "{done:?}");
}

/// Where columns are mixed up, a key of elsewhere is in the place of a name.
#[test]
fn a_key_in_the_wrong_column_is_not_said_again() {
    let place = Place::new("");
    for row in ["tk_live_SECRET,acme-prod", "acme-prod,tk_live_SECRET"] {
        for head in ["workspace,account,key", "account,workspace,key", "key,account,workspace"] {
            let text = format!("{head}\n{row},tk_live_SECRET\n");
            let done = place.run_with("import - --format csv", text.as_bytes(), NOW);
            assert_eq!(done.code, 3, "{done:?}");
            assert!(!done.err.contains("SECRET"), "{done:?}");
        }
    }
}
