//! `key create`

use super::*;

#[test]
fn create_prints_the_key_alone_and_once() {
    let place = Place::new("");
    place.grant();
    let done = place.run(
        "create --workspace acme-prod --account svc-reporting --label nightly --expires 90d \
         --level view --product vault"
            .trim(),
    );
    assert_eq!(done.code, 0, "{done:?}");
    let key = done.out.strip_suffix('\n').unwrap();
    assert!(is_well_formed(key) && key.starts_with("sg_production_"), "{key}");
    let file = fs::read_to_string(place.keys()).unwrap();
    assert!(!file.contains(key) && !done.err.contains(key), "{done:?}");
    let json: Value = serde_json::from_str(&file).unwrap();
    assert_eq!(json["hash"], KeyDigest::blake3(key).to_string());
    assert_eq!(json["created"], "2026-11-20T10:00:00Z");
    assert_eq!(json["expires"], "2027-02-18T10:00:00Z");
    assert_eq!(json["ceiling"], serde_json::json!({"level": "view", "products": ["vault"]}));
    let expected = format!(
        "key {id} of svc-reporting in acme-prod (production)\n  at most view on product vault\n  \
         expires 2027-02-18T10:00:00Z\nit is shown this once: keys.jsonl keeps its blake3 hash\n\
         next: send it as `Authorization: Bearer …`; take it back with `sidegate key revoke {id}`\n",
        id = json["id"].as_str().unwrap()
    );
    assert_eq!(done.err, expected);
}

#[test]
fn create_uses_the_pepper_where_there_is_one() {
    let place = Place::new("pepper = \"pepper.bin\"");
    let (key, _) = place.create("");
    let file = fs::read_to_string(place.keys()).unwrap();
    let digest = KeyDigest::blake3_keyed(&key, &Pepper::new([7; 32]));
    assert!(file.contains(&digest.to_string()), "{file}");
}

#[test]
fn create_warns_of_a_key_that_will_be_refused_here() {
    let place = Place::new("environment = \"production\"");
    let done = place.run("create --workspace acme-dev --account alice@acme.example");
    assert_eq!(done.code, 0);
    let warning = "warning: this sidecar only takes keys of `production` and will refuse it\n";
    assert!(done.out.starts_with("sg_staging_") && done.err.contains(warning), "{done:?}");
}

#[test]
fn create_refuses_what_cannot_be() {
    let cases = [
        (
            "--workspace acme-prd --account svc-reporting",
            3,
            "unknown workspace `acme-prd` — did you mean `acme-prod`?\n",
        ),
        (
            "--workspace acme-prod --account svc-reportin",
            3,
            "account `svc-reportin` is not a member of workspace `acme-prod` — did you mean \
             `svc-reporting`?\n",
        ),
        (
            "--workspace acme-dev --account svc-reporting",
            3,
            "account `svc-reporting` is not a member of workspace `acme-dev` — give it a role \
             under `[workspace.acme-dev.members]` of the policy\n",
        ),
        (
            "--workspace acme-prod --account svc-reporting --product valt --area member --area x",
            3,
            "unknown product `valt` — did you mean `vault`?\nunknown area `member` — did you mean \
             `members`?\nunknown area `x`\n",
        ),
        (
            "--workspace acme-prod --account svc-reporting --expires 2026-11-20",
            2,
            "--expires: 2026-11-20T00:00:00Z is not in the future\n",
        ),
        (
            "--workspace acme-prod --account svc-reporting --expires 0d",
            2,
            "--expires: 2026-11-20T10:00:00Z is not in the future\n",
        ),
        (
            "--workspace acme-prod --account svc-reporting --expires 1d --not-before 2d",
            2,
            "--expires: 2026-11-21T10:00:00Z is not after --not-before, 2026-11-22T10:00:00Z\n",
        ),
        (
            "--workspace acme-prod --account svc-reporting --expires 9999999w",
            2,
            "--expires: that is after the year 9999\n",
        ),
        ("--workspace acme-prod --account svc-reporting --expires soon", 2, "soon"),
        (
            "--workspace acme-prod --account svc-reporting --level none",
            2,
            "[possible values: view, full]",
        ),
        (
            "--workspace acme-dev --account alice@acme.example --product vault",
            3,
            "workspace `acme-dev` does not have product `vault` — it has none\n",
        ),
        (
            "--workspace acme-prod --account svc-reporting --area general --level view",
            3,
            "the ceiling leaves nothing of what account `svc-reporting` reaches — it reaches view on \
             area members, full on vault/reports\n",
        ),
        ("--workspace acme-prod", 2, "--account"),
        ("--workspace acme-prod --account svc-reporting sg_production_x", 2, "unexpected argument"),
    ];
    let place = Place::new("");
    place.grant();
    for (line, code, expected) in cases {
        let done = place.run(&format!("create {line}"));
        assert_eq!((done.code, &*done.out), (code, ""), "{line}: {done:?}");
        let whole = expected.ends_with('\n');
        assert!(if whole { done.err == expected } else { done.err.contains(expected) }, "{done:?}");
        assert!(!place.keys().exists());
    }
}

#[test]
fn every_id_is_another() {
    let place = Place::new("");
    let ids: BTreeSet<_> = (0..20).map(|_| place.create("").1).collect();
    assert_eq!(ids.len(), 20);
}

/// A script that stops at a failure would lose the key.
#[test]
fn a_key_that_is_not_in_force_yet_is_no_failure() {
    let (address, server) = serve(vec![(200, looked(true, Some("policy.toml:1:2: no")))]);
    let place = Place::new(&format!("admin.address = \"{address}\""));
    let done = place.run("create --workspace acme-prod --account svc-reporting");
    server.join().unwrap();
    assert_eq!(done.code, 0, "{done:?}");
    assert!(done.err.contains("warning: policy.toml:1:2: no\nnot in force"), "{done:?}");
}

#[test]
fn create_refuses_who_is_suspended() {
    let cases = [
        ("\"production\"\nsuspended = false", "workspace `acme-prod` is suspended — its keys are"),
        (
            "[account.svc-reporting]\nsuspended = false",
            "account `svc-reporting` is suspended — its",
        ),
    ];
    for (edit, expected) in cases {
        let place = Place::new("");
        place.edit_policy(edit, &edit.replace("false", "true"));
        let done = place.run("create --workspace acme-prod --account svc-reporting");
        assert_eq!((done.code, &*done.out), (3, ""), "{done:?}");
        assert!(done.err.starts_with(expected), "{done:?}");
        assert!(!place.keys().exists());
    }
}

#[test]
fn create_warns_of_a_key_that_reaches_nothing_yet() {
    let place = Place::new("");
    let done = place.run("create --workspace acme-prod --account svc-reporting");
    let warning = "warning: account svc-reporting reaches nothing yet";
    assert!(done.code == 0 && done.err.contains(warning), "{done:?}");
}

#[test]
fn create_keeps_who_is_asked_about_it() {
    let place = Place::new("");
    place.create(" --owner team-data");
    assert_eq!(place.records()[0]["owner"], "team-data");
    assert_eq!(place.run("list").code, 0);
}
