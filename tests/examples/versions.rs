//! A change that an operator would make to each example, and what `sidegate diff` says of it, as
//! files to review.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

use crate::example::{NAMES, folder};

const FILES: [&str; 3] = ["sidegate.toml", "policy.toml", "keys.jsonl"];

/// The example, the file, what stands there once, and what stands there then.
type Edit = (&'static str, &'static str, &'static str, &'static str);

const EDITS: [Edit; 18] = [
    // Oleg runs payments now, Rita has left, the search has moved, the subscription is renewed, and
    // screening is no longer on trial but canceled; a service's key was seen in a log.
    (
        "atomyx",
        "policy.toml",
        "operators = [\"oleg@acme.example\", \"svc-payments\"]",
        "operators = [\"svc-payments\"]",
    ),
    (
        "atomyx",
        "policy.toml",
        "to = \"account:max@acme.example\"",
        "to = \"account:oleg@acme.example\"",
    ),
    ("atomyx", "policy.toml", "\"rita@acme.example\" = \"member\"\n", ""),
    (
        "atomyx",
        "policy.toml",
        "access-reviewers = [\"rita@acme.example\"]",
        "access-reviewers = [\"mia@acme.example\"]",
    ),
    (
        "atomyx",
        "policy.toml",
        "subscription_ends = 2027-03-31T00:00:00Z",
        "subscription_ends = 2028-03-31T00:00:00Z",
    ),
    ("atomyx", "policy.toml", "subscription = \"trialing\"", "subscription = \"canceled\""),
    (
        "atomyx",
        "policy.toml",
        "prefix = \"/payments/reports/search\"",
        "prefix = \"/payments/search\"",
    ),
    (
        "atomyx",
        "keys.jsonl",
        "\"label\":\"nightly export\",\"created\":\"2026-11-08T08:00:00Z\",\"not_before\":null,\"expires\":\"2027-05-08T08:00:00Z\",\"revoked\":null",
        "\"label\":\"nightly export\",\"created\":\"2026-11-08T08:00:00Z\",\"not_before\":null,\"expires\":\"2027-05-08T08:00:00Z\",\"revoked\":\"2026-11-20T11:00:00Z\"",
    ),
    // Mel is promoted, the agent may only read tasks, builders may look at agents and no more, and
    // governance is shown to members.
    (
        "alludium",
        "policy.toml",
        "\"mel@northwind.example\" = \"member\"",
        "\"mel@northwind.example\" = \"admin\"",
    ),
    ("alludium", "policy.toml", "permissions.tasks = \"full\"", "permissions.tasks = \"view\""),
    (
        "alludium",
        "policy.toml",
        "areas = { agents = \"full\", skills = \"view\" }",
        "areas = { agents = \"view\", skills = \"view\" }",
    ),
    (
        "alludium",
        "policy.toml",
        "people = \"view\"\nowner-memberships = \"view\"\n\n[role.agent]",
        "people = \"view\"\ngovernance = \"view\"\nowner-memberships = \"view\"\n\n[role.agent]",
    ),
    (
        "alludium",
        "policy.toml",
        "prefix = \"/w/{workspace}/settings/people/{account}\"\narea = \"people\"\nprotect = { owner = \"owner-memberships\" }\n",
        "prefix = \"/w/{workspace}/settings/people/{account}\"\narea = \"people\"\n",
    ),
    // The client reads data, too; the agency gives the blog back; None is said, not hidden; a crawler
    // gets no further than reading.
    (
        "atomicagi",
        "policy.toml",
        "\"*\" = \"view\"                          # the project itself, and reporting\ndata = \"none\"",
        "\"*\" = \"view\"                          # the project itself, and reporting\ndata = \"view\"",
    ),
    (
        "atomicagi",
        "policy.toml",
        "permissions = { \"*\" = \"view\", data = \"none\", SETTINGS_PUBLISHING = \"full\" }",
        "permissions = { reporting = \"view\" }",
    ),
    ("atomicagi", "policy.toml", "hide_none = true", "hide_none = false"),
    (
        "atomicagi",
        "policy.toml",
        "level = \"view\"\n\n# --- Organization settings",
        "permissions = { reporting = \"view\" }\n\n# --- Organization settings",
    ),
    (
        "atomicagi",
        "policy.toml",
        "name = \"blog-technical\"\nhost = \"{workspace}.blog.atomicagi.example\"\nprefix = \"/technical\"\n",
        "name = \"blog-technical\"\nhost = \"{workspace}.blog.atomicagi.example\"\nprefix = \"/technical\"\nmethods = [\"GET\"]\n",
    ),
];

/// Writes the example; with its edits, where it is to be the new version.
fn lay(name: &str, to: &Path, edited: bool) {
    fs::create_dir(to).unwrap();
    for file in FILES {
        let mut text = fs::read_to_string(folder(name).join(file)).unwrap();
        let edits = EDITS.iter().filter(|(example, of, ..)| (*example, *of) == (name, file));
        for (_, _, from, into) in edits.filter(|_| edited) {
            assert_eq!(text.matches(from).count(), 1, "{name}/{file}: {from}");
            text = text.replace(from, into);
        }
        fs::write(to.join(file), text).unwrap();
        fs::set_permissions(to.join(file), fs::Permissions::from_mode(0o600)).unwrap();
    }
}

fn diff(at: &Path, arguments: &[&str]) -> (Option<i32>, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sidegate"));
    command.args(["diff", "--at", "2026-11-20T12:00:00Z"]).args(arguments).current_dir(at);
    let output = command.output().unwrap();
    assert_eq!(String::from_utf8(output.stderr).unwrap(), "");
    (output.status.code(), String::from_utf8(output.stdout).unwrap())
}

#[test]
fn what_a_change_of_each_example_changes() {
    for name in NAMES {
        let copy = tempfile::tempdir().unwrap();
        lay(name, &copy.path().join("old"), false);
        lay(name, &copy.path().join("new"), true);
        let (code, text) = diff(copy.path(), &["old", "new"]);
        assert_eq!(code, Some(0), "{text}");
        insta::assert_snapshot!(format!("{name}_text"), text);
        let (_, markdown) = diff(copy.path(), &["old", "new", "--output", "markdown"]);
        insta::assert_snapshot!(format!("{name}_markdown"), markdown);
        for (arguments, code) in [
            (["old", "new", "--fail-on", "gained"], 4),
            (["old", "new", "--fail-on", "lost"], 4),
            (["old", "old", "--fail-on", "any"], 0),
        ] {
            assert_eq!(diff(copy.path(), &arguments).0, Some(code), "{name}: {arguments:?}");
        }
    }
}
