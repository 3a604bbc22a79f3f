use std::fs;
use std::path::PathBuf;

use clap::{Command, FromArgMatches as _};
use serde_json::Value;
use tempfile::TempDir;

use super::*;
use crate::cli::grant::{self, GrantArgs};
use crate::cli::init;
use crate::cli::plane::tests::{looked, serve};

/// 2026-11-21T10:00:00Z
const NOW: UnixSeconds = UnixSeconds(1_795_255_200);

/// A folder as `init` writes it.
struct Place(TempDir);

#[derive(Debug)]
struct Done {
    code: u8,
    out: String,
    err: String,
}

impl Place {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let args = init::InitArgs {
            directory: folder.path().to_owned(),
            output: crate::cli::Output::Text,
        };
        init::print(&args, &mut Vec::new(), &mut Vec::new()).unwrap();
        Self(folder)
    }

    fn policy(&self) -> PathBuf {
        self.0.path().join("policy.toml")
    }

    fn text(&self) -> String {
        fs::read_to_string(self.policy()).unwrap()
    }

    /// Runs `member …` or `grant …`; nobody else's sidegate is asked.
    fn run(&self, line: &str) -> Done {
        let edits = !line.contains(" list");
        self.run_as_it_is(&format!("{line}{}", if edits { " --no-wait" } else { "" }))
    }

    fn run_as_it_is(&self, line: &str) -> Done {
        let config = self.0.path().join("sidegate.toml");
        let words = line.split(' ').map(str::to_owned);
        let words = words.chain(["--config".to_owned(), config.to_str().unwrap().to_owned()]);
        let (mut out, mut err) = (Vec::new(), Vec::new());
        let mut input = std::io::empty();
        let mut terminal =
            Terminal { input: &mut input, out: &mut out, err: &mut err, watched: false };
        let done = if line.starts_with("member") {
            let command = MemberArgs::augment_args(Command::new("member"));
            command.try_get_matches_from(words).map(|matches| {
                execute(&MemberArgs::from_arg_matches(&matches).unwrap(), &mut terminal, NOW)
            })
        } else {
            let command = GrantArgs::augment_args(Command::new("grant"));
            command.try_get_matches_from(words).map(|matches| {
                grant::execute(&GrantArgs::from_arg_matches(&matches).unwrap(), &mut terminal, NOW)
            })
        };
        let (code, failure) = match done {
            Err(error) => (u8::try_from(error.exit_code()).unwrap(), error.to_string()),
            Ok(Err(failure)) => (failure.exit() as u8, failure.to_string()),
            Ok(Ok(())) => (0, String::new()),
        };
        let text = |bytes| String::from_utf8(bytes).unwrap();
        let folder = format!("{}/", self.0.path().display());
        let [out, err] = [text(out), text(err) + &failure].map(|text| text.replace(&folder, ""));
        Done { code, out, err }
    }
}

#[test]
fn a_member_comes_is_raised_and_goes() {
    let place = Place::new();
    let before = place.text();
    let mut told = String::new();
    for line in [
        "member invite --workspace acme dana@acme.example member --as alice@acme.example",
        "member list --workspace acme",
        "member accept --workspace acme dana@acme.example --as dana@acme.example",
        "grant add --workspace acme --to account:dana@acme.example --product vault --level view",
        "grant add --workspace acme --to account:dana@acme.example --area members=full",
        "grant list",
        "member set-role --workspace acme dana@acme.example owner",
        "grant revoke --workspace acme --to account:dana@acme.example --product vault",
        "member remove --workspace acme dana@acme.example --dry-run",
        "member remove --workspace acme dana@acme.example",
    ] {
        let done = place.run(line);
        assert_eq!(done.code, 0, "{line}: {done:?}");
        told.push_str(&format!("$ sidegate {line}\n{}{}", done.out, done.err));
    }
    insta::assert_snapshot!(told);
    assert_eq!(place.text(), before);
}

#[test]
fn what_is_refused_says_why_and_writes_nothing() {
    let place = Place::new();
    let before = place.text();
    for (line, code, expected) in [
        (
            "member remove --workspace acme alice",
            3,
            "is not a member of workspace `acme` — `sidegate member list` shows who",
        ),
        (
            "member remove --workspace acm svc-nightly",
            3,
            "unknown workspace `acm` — did you mean `acme`?\n",
        ),
        (
            "member remove --workspace acme bob@acme.example --as svc-nightly",
            4,
            "refused to `svc-nightly`: it does not administer the members of this workspace\n",
        ),
        ("member set-role --workspace acme svc-nightly admn", 3, "unknown role `admn`"),
        (
            "member set-role --workspace acme svc-nightly admn",
            3,
            "\nthe change is refused, nothing is written\n",
        ),
        ("member set-role --workspace acme svc-nightly", 2, "<ROLE>"),
        (
            "grant add --workspace acme --to svc-nightly --area members=view",
            2,
            "account:NAME or group:NAME",
        ),
        ("grant add --workspace acme --to account:svc-nightly", 2, "a grant that gives nothing"),
        ("grant add --workspace acme --to account:svc-nightly --product vault", 2, "gives nothing"),
        ("grant add --workspace acme --to account:svc-nightly --level view", 2, "--product"),
        ("grant add --workspace acme --to account:svc-nightly --area members=all", 2, "a level is"),
        (
            "grant add --workspace acme --to account:svc-nightly --product valt --level view",
            3,
            "unknown product `valt`",
        ),
        (
            "grant revoke --workspace acme --to account:svc-nightly",
            3,
            "`sidegate grant list` shows them all\n",
        ),
        (
            "grant revoke --workspace acme --to group:analysts --product vault --level view",
            3,
            "like that",
        ),
        ("grant list --workspace acm", 3, "did you mean `acme`?\n"),
    ] {
        let done = place.run(line);
        assert_eq!((done.code, &*done.out), (code, ""), "{line}: {done:?}");
        assert!(done.err.contains(expected), "{line}: {}", done.err);
    }
    assert_eq!(place.text(), before);
}

#[test]
fn several_grants_are_revoked_by_name_or_all() {
    let place = Place::new();
    for area in ["members", "billing"] {
        let to = "--workspace acme --to account:svc-nightly";
        assert_eq!(place.run(&format!("grant add {to} --area {area}=view")).code, 0);
    }
    let text = place.text();
    let several = place.run("grant revoke --workspace acme --to account:svc-nightly");
    assert_eq!(several.code, 3, "{several:?}");
    assert!(several.err.contains("areas billing = view\n2 grants are like that"), "{several:?}");
    let one = place.run(
        "grant revoke --workspace acme --to account:svc-nightly --area members=view --dry-run",
    );
    assert!(one.code == 0 && one.out.contains("-areas = { members = \"view\" }"), "{one:?}");
    assert_eq!(place.text(), text);
    let all = place.run("grant revoke --workspace acme --to account:svc-nightly --all");
    assert_eq!(all.code, 0, "{all:?}");
    assert!(!place.text().contains("account:svc-nightly\"\nareas"), "{}", place.text());
}

#[test]
fn scripts_read_json() {
    let place = Place::new();
    let json = |line: &str| -> Value {
        let done = place.run(&format!("{line} --output json"));
        serde_json::from_str(&done.out).unwrap_or_else(|_| panic!("{done:?}"))
    };
    let edit = json("member set-role --workspace acme svc-nightly owner --dry-run");
    assert_eq!((&edit["written"], &edit["access"]["gained"]), (&false.into(), &true.into()));
    assert!(edit["patch"].as_str().unwrap().contains("+svc-nightly = \"owner\"\n"), "{edit}");
    assert_eq!(json("member invite --workspace acme eve member")["written"], true);
    let members = json("member list");
    let eve = members.as_array().unwrap().iter().find(|row| row["account"] == "eve").unwrap();
    assert_eq!(
        (&eve["state"], &eve["invited"]),
        (&"pending".into(), &"2026-11-21T00:00:00Z".into())
    );
    assert_eq!(json("grant list")[0]["to"], "group:analysts");
}

#[test]
fn an_edit_waits_until_it_is_in_force() {
    for (answer, code, told) in [
        (looked(true, None), 0, "in force in its generation 8 after"),
        (looked(true, Some("policy.toml:1:2: no")), 3, "not in force: the files are refused"),
    ] {
        let place = Place::new();
        let (address, server) = serve(vec![(200, answer)]);
        let settings = place.0.path().join("sidegate.toml");
        let text = fs::read_to_string(&settings).unwrap();
        let text = text.replace("127.0.0.1:9464", &address.to_string());
        fs::write(&settings, text).unwrap();
        let done = place.run_as_it_is("member invite --workspace acme eve member");
        server.join().unwrap();
        assert!(done.code == code && done.err.contains(told), "{done:?}");
        assert!(place.text().contains("\neve = { role"), "{done:?}");
    }
}
