//! `--output json`, as the README has it.

use super::*;

const README: &str = include_str!("../../../../README.md");

fn fields(json: &Value) -> BTreeSet<&str> {
    json.as_object().unwrap().keys().map(String::as_str).collect()
}

#[test]
fn every_command_has_the_shape_that_the_readme_has() {
    let block = README.split("```json key\n").nth(1).unwrap().split("```").next().unwrap();
    let documented: Value = serde_json::from_str(block).unwrap();
    let record = fields(&documented);
    let place = Place::new("");
    place.grant();
    let (key, id) = place.create("");
    let (_, other) = place.create(" --expires 30d");
    let json = |line: &str, input: &str| -> Value {
        let done = place.run_with(&format!("{line} --output json"), input.as_bytes(), NOW);
        assert_eq!(done.code, 0, "{done:?}");
        serde_json::from_str(&done.out).unwrap()
    };
    let with = |more: &[&'static str]| -> BTreeSet<&str> {
        record.iter().copied().chain(more.iter().copied()).collect()
    };
    let created = json("create --workspace acme-prod --account svc-reporting", "");
    assert_eq!(fields(&created), with(&["key"]));
    assert_eq!(fields(&json("list", "")[0]), record);
    let shown = json(&format!("show {id}"), "");
    assert_eq!(fields(&shown), record);
    assert_eq!(fields(&shown["reaches"][1]), fields(&documented["reaches"][0]));
    let rotated = json(&format!("rotate {other}"), "");
    assert_eq!(fields(&rotated), with(&["key", "replaces"]));
    assert_eq!(fields(&rotated["replaces"]), record);
    let verified = json("verify", &key);
    assert_eq!(fields(&verified), BTreeSet::from(["valid", "reason", "key"]));
    assert_eq!(fields(&verified["key"]), record);
    let revoked = json(&format!("revoke {id}"), "");
    assert_eq!(fields(&revoked), BTreeSet::from(["revoked", "already"]));
    assert_eq!(fields(&revoked["revoked"][0]), record);
    let rows = "key,workspace,account\ntk_1,acme-prod,svc-reporting\n";
    let imported = json("import - --format csv", rows);
    assert_eq!(fields(&imported), BTreeSet::from(["dry_run", "imported", "skipped", "expired"]));
    let pruned = json("prune --older-than 0d", "");
    assert_eq!(fields(&pruned), BTreeSet::from(["dry_run", "removed"]));
    assert_eq!(fields(&pruned["removed"][0]), record);
    assert_eq!(fields(&json("hash", &key)), BTreeSet::from(["hash"]));
}
