//! `key list` and `key show`

use super::*;

#[test]
fn list_shows_states_and_takes_filters() {
    let place = Place::new("");
    place.grant();
    let (key, _) = place.create(" --label nightly --level view --product vault");
    place.create(" --expires 1h");
    place.create(" --not-before 2026-11-25");
    let (_, revoked) = place.create("");
    assert_eq!(place.run(&format!("revoke {revoked}")).code, 0);
    let other = place.run("create --workspace acme-dev --account alice@acme.example");
    assert_eq!(other.code, 0);
    let later = UnixSeconds(NOW.0 + 7_200);
    let done = place.run_with("list --workspace acme-prod", b"", later);
    insta::assert_snapshot!("list", place.shown(&done));
    let json = |line: &str| -> Vec<Value> {
        serde_json::from_str(&place.run(&format!("{line} --output json")).out).unwrap()
    };
    assert_eq!(json("list").len(), 5);
    assert_eq!(json("list --account alice@acme.example").len(), 1);
    assert_eq!(json("list --workspace acme-dev --account svc-reporting").len(), 0);
    let none = place.run("list --workspace acme-dev --account svc-reporting");
    assert_eq!((none.code, &*none.err), (0, "no such key\n"));
    let all = place.run("list --output json").out;
    assert!(!all.contains(&key) && !all.contains("blake3:"), "{all}");
}

#[test]
fn a_name_that_nobody_has_is_said_to_be_so() {
    let place = Place::new("");
    place.create("");
    place.edit_policy(
        "[workspace.acme-prod.members]",
        "[workspace.acme-prod.pending]\ndana = { role = \"member\", invited = 2026-11-19 }\n\
         [workspace.acme-prod.members]",
    );
    let all = "`sidegate key list` shows all keys";
    let nobody = |kind: &str, name: &str, hint: &str| {
        format!("the policy has no {kind} `{name}`, and no key is of one — {hint}\n")
    };
    for command in ["list", "revoke"] {
        for (names, expected) in [
            (
                "--workspace acme-prdo",
                nobody("workspace", "acme-prdo", "did you mean `acme-prod`?"),
            ),
            (
                "--account svc-reportign",
                nobody("account", "svc-reportign", "did you mean `svc-reporting`?"),
            ),
            (
                "--workspace x --account bob@acme.exampel",
                nobody("workspace", "x", all)
                    + &nobody("account", "bob@acme.exampel", "did you mean `bob@acme.example`?"),
            ),
        ] {
            let done = place.run(&format!("{command} {names}"));
            assert_eq!((done.code, &*done.out, done.err), (3, "", expected), "{command} {names}");
        }
    }
    for names in ["--account dana", "--account alice@acme.example --workspace acme-dev"] {
        let done = place.run(&format!("list {names}"));
        assert_eq!((done.code, &*done.err), (0, "no such key\n"), "{names}");
    }
    // Of those that the policy no longer has, keys are listed all the same.
    place.edit_policy("svc-reporting = \"member\"", "");
    place.edit_policy("[account.svc-reporting]\nsuspended = false", "");
    assert!(place.run("list --account svc-reporting").out.contains("svc-reporting"));
    fs::write(place.0.path().join("policy.toml"), "not a policy").unwrap();
    let done = place.run("list --workspace acme-prdo");
    assert!(done.code == 0 && done.err.ends_with("no such key\n"), "{done:?}");
}

#[test]
fn show_says_all_but_the_hash() {
    let place = Place::new("");
    place.grant();
    let (_, id) = place.create(
        " --level view --area members --area general --product vault --expires 90d --owner me",
    );
    let done = place.run(&format!("show {id}"));
    insta::assert_snapshot!("show", place.shown(&done));
    let unknown = place.run(&format!("show {}", &id[..id.len() - 1]));
    let expected = format!("no key has the id `{}` — did you mean `{id}`?\n", &id[..id.len() - 1]);
    assert_eq!((unknown.code, unknown.err), (3, expected));
}

#[test]
fn list_takes_states_and_what_expires_soon() {
    let place = Place::new("");
    for more in ["", " --expires 1h", " --expires 20d", " --not-before 5d --expires 40d"] {
        place.create(more);
    }
    let (_, revoked) = place.create(" --expires 2d");
    place.run(&format!("revoke {revoked} --reason leaked"));
    let ids: Vec<_> =
        place.records().iter().map(|it| it["id"].as_str().unwrap().to_owned()).collect();
    let later = UnixSeconds(NOW.0 + 86_400);
    let cases: [(&str, &[usize]); 9] = [
        ("", &[0, 1, 2, 3, 4]),
        ("--state active", &[0, 2]),
        ("--state expired", &[1]),
        ("--state not-yet-valid", &[3]),
        ("--state revoked", &[4]),
        ("--expires-within 30d", &[2]),
        ("--expires-within 2026-12-31", &[2, 3]),
        ("--expires-within 6w --state not-yet-valid", &[3]),
        ("--expires-within 18d", &[]),
    ];
    for (line, expected) in cases {
        let done = place.run_with(format!("list --output json {line}").trim(), b"", later);
        let json: Vec<Value> = serde_json::from_str(&done.out).unwrap();
        let listed: Vec<_> = json.iter().map(|it| it["id"].as_str().unwrap()).collect();
        let expected: Vec<_> = expected.iter().map(|at| &*ids[*at]).collect();
        assert_eq!(listed, expected, "{line}");
    }
    for line in ["--state gone", "--expires-within soon", "--expires-within 9999999w"] {
        assert_eq!(place.run(&format!("list {line}")).code, 2, "{line}");
    }
}

#[test]
fn keys_can_be_looked_at_without_a_policy() {
    let place = Place::new("");
    let (_, id) = place.create("");
    fs::write(place.0.path().join("policy.toml"), "no").unwrap();
    for line in ["list".to_owned(), format!("show {id}")] {
        let done = place.run(&line);
        assert!(done.code == 0 && done.out.contains(&id), "{done:?}");
        assert!(done.err.ends_with("warning: what keys reach is not known\n"), "{done:?}");
    }
}

/// What is shown is what is judged: the difference that a key makes to the policy, by the code that
/// tells what a change of files changes.
#[test]
fn what_a_key_is_said_to_reach_is_what_it_makes_a_difference_to() {
    use crate::policy::difference::{Side, Subject, difference};
    let open = |place: &Place| {
        let config = config::read(&place.0.path().join("sidegate.toml")).unwrap();
        config::load(&config, Permissions::Private).unwrap().snapshot
    };
    let place = Place::new("");
    place.grant();
    fs::write(place.keys(), "\n").unwrap();
    fs::set_permissions(place.keys(), Mode::from_mode(0o600)).unwrap();
    let was = open(&place);
    for more in ["", " --level view", " --product vault", " --area members", " --expires 9d"] {
        place.create(more);
    }
    for account in ["alice@acme.example", "bob@acme.example --level view --area general"] {
        let line = format!("create --workspace acme-prod --account {account}");
        assert_eq!(place.run(&line).code, 0);
    }
    let is = open(&place);
    let side = |snapshot| Side { snapshot, upstreams: &[] };
    let difference = difference(side(&was), side(&is), NOW);
    for record in place.records() {
        let id = record["id"].as_str().unwrap();
        let row = difference
            .rows()
            .iter()
            .find(|row| matches!(row.subject(), Subject::Key { id: other, .. } if *other == id))
            .unwrap();
        let mut expected: Vec<_> = row
            .levels()
            .map(|change| (change.scope.to_string(), change.is.level().name().to_owned()))
            .collect();
        let shown: Value =
            serde_json::from_str(&place.run(&format!("show {id} --output json")).out).unwrap();
        let text = |it: &Value, field: &str| it[field].as_str().map(str::to_owned);
        let mut reaches: Vec<_> = shown["reaches"]
            .as_array()
            .unwrap()
            .iter()
            .map(|it| {
                let scope = match (text(it, "area"), text(it, "product"), text(it, "permission")) {
                    (Some(area), ..) => format!("area {area}"),
                    (_, Some(product), None) => product,
                    (_, product, permission) => {
                        format!("{}/{}", product.unwrap(), permission.unwrap())
                    }
                };
                (scope, text(it, "level").unwrap())
            })
            .collect();
        expected.sort();
        reaches.sort();
        assert_eq!(reaches, expected, "{record}");
        assert!(!reaches.is_empty());
    }
}
