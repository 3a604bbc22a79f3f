//! Tests of a policy: `[[case]]` tables, each a question with its expected answer.
//!
//! ```toml
//! version = 1
//! at = 2026-11-20T12:00:00Z          # when, unless a case says otherwise
//! host = "api.example"               # of URLs that are only paths
//!
//! [[case]]
//! name = "an analyst reads reports"
//! from = "Roles / Analyst"           # where the rule comes from, if anywhere
//! account = "svc"                    # with `workspace`: a key without a ceiling; or `key`, a
//! workspace = "acme"                 # record's id; or `send_key`, a text that is nobody's key, whole
//!                                    # or not; or none of them: no key
//! methods = ["GET", "HEAD"]          # or `method`
//! urls = ["/reports", "/reports/1"]  # or `url`: every method with every URL
//! upgrade = "websocket"              # where the request is for one
//! preflight = true                   # where it is a CORS preflight; the method is OPTIONS
//! expect = "allow"                   # with `level`, if it matters; or "deny" with `reason`, and
//! level = "view"                     # `status`, if it matters
//! ```
//!
//! Shapes are judged here; ids and names are those of the policy under test.

use std::path::Path;

use super::fields::Fields;
use super::files::{Files, Reading};
use super::page::{Notes, Page, quoted};
use super::report::Report;
use super::time;
use crate::policy::{At, DenyReason, Level, Problem, UnixSeconds, Upgrade};

/// Bytes of one file of tests: 4 MiB.
const LARGEST: u64 = 4 << 20;

/// The tests of one file.
#[derive(Debug, Default)]
pub struct Suite {
    /// In the order of the file.
    pub cases: Vec<Case>,
}

/// One named case: each method with each URL is a request of its own.
#[derive(Debug)]
pub struct Case {
    /// What it says.
    pub name: At<String>,
    /// Where the rule comes from.
    pub from: Option<String>,
    /// Who asks.
    pub who: Who,
    /// When.
    pub at: UnixSeconds,
    /// The host of URLs that are only paths.
    pub host: Option<String>,
    /// The methods.
    pub methods: Vec<At<String>>,
    /// The URLs.
    pub urls: Vec<At<String>>,
    /// The other protocol that they ask for.
    pub upgrade: Upgrade,
    /// Whether they are CORS preflights.
    pub preflight: bool,
    /// What should become of it.
    pub expect: Expect,
}

/// Who asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Who {
    /// An account in a workspace, with a key that has no ceiling.
    Account(At<String>, At<String>),
    /// The key of that id.
    Key(At<String>),
    /// Somebody without a key.
    Nobody,
    /// Somebody who sends this in its place.
    Text(At<String>),
}

/// What should become of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expect {
    /// It is allowed; with that level, where one is said.
    Allow(Option<Level>),
    /// It is denied for that reason; with that status, where one is said.
    Deny(DenyReason, Option<u16>),
}

/// Reads one file of tests. The report knows where the places are.
///
/// # Errors
///
/// Every problem of the file.
pub fn read_suite(path: &Path) -> Result<(Suite, Report), Report> {
    let mut files = Files::default();
    let file = files.add(path);
    let (missing, large) = ("name a file of tests", "tests can be in several files");
    let text = match (Reading { path, file, limit: LARGEST, missing, large }).text() {
        Ok(text) => text,
        Err(problem) => return Err(Report::new(files, vec![problem])),
    };
    let (page, root) = Page::parse(file, &text);
    let suite = suite(Fields::root(&page, &root));
    let Notes { problems, .. } = page.into_notes();
    let report = Report::new(files, problems);
    if report.errors() == 0 { Ok((suite, report)) } else { Err(report) }
}

/// What holds for every case that does not say otherwise.
struct Defaults {
    at: Option<UnixSeconds>,
    /// Whether `at` stands there, readable or not.
    has_at: bool,
    host: Option<String>,
}

pub(super) fn suite(mut fields: Fields<'_>) -> Suite {
    if !super::draft::speaks_version_1(&mut fields) {
        return Suite::default();
    }
    let defaults = Defaults {
        has_at: fields.has("at"),
        at: time::instant(&mut fields, "at"),
        host: fields.text("host").map(|host| host.value),
    };
    if !fields.has("case") {
        let problem = Problem::error(fields.place(), "no tests");
        fields.absent(problem.hint("add a `[[case]]`"), &["case"]);
    }
    let cases = fields.list("case").into_iter().filter_map(|it| case(it, &defaults)).collect();
    fields.finish();
    Suite { cases }
}

fn case(mut fields: Fields<'_>, defaults: &Defaults) -> Option<Case> {
    let name = fields.required(&["name"], "say what the case is about");
    if let Some(name) = &name {
        fields.describe(format!("case {}", quoted(&name.value)));
    }
    let from = fields.text("from").map(|from| from.value);
    let who = who(&mut fields);
    if !defaults.has_at && !fields.has("at") {
        let problem = Problem::error(fields.place(), "`at` is missing");
        fields.absent(problem.hint("say when: here, or once before the first case"), &["at"]);
    }
    let at = time::instant(&mut fields, "at").or(defaults.at);
    let methods = one_or_many(&mut fields, ["method", "methods"], "`method = \"GET\"`");
    let urls = one_or_many(&mut fields, ["url", "urls"], "`url = \"https://host/path\"`");
    let upgrade = fields.choice("upgrade", &[Upgrade::WebSocket], |_| "websocket");
    let preflight = preflight(&mut fields, methods.as_deref().unwrap_or_default());
    let expect = expect(&mut fields);
    fields.finish();
    Some(Case {
        name: name?,
        from,
        who: who?,
        at: at?,
        host: defaults.host.clone(),
        methods: methods?,
        urls: urls?,
        upgrade: upgrade.unwrap_or_default(),
        preflight,
        expect: expect?,
    })
}

fn who(fields: &mut Fields<'_>) -> Option<Who> {
    let key = fields.text("key");
    let account = fields.text("account");
    let workspace = fields.text("workspace");
    let text = fields.text("send_key");
    if fields.has("send_key") {
        let mut others = ["key", "account", "workspace"].into_iter();
        let Some(other) = others.find(|field| fields.has(field)) else {
            return text.map(Who::Text);
        };
        let message = format!("`send_key` and `{other}` at once");
        let problem = Problem::error(fields.place_of_field("send_key"), message);
        fields.report(problem.hint("`send_key` is a text that is nobody's key"));
        return None;
    }
    match (fields.has("key"), fields.has("account"), fields.has("workspace")) {
        (false, false, false) => Some(Who::Nobody),
        (true, false, false) => key.map(Who::Key),
        (false, true, true) => account.zip(workspace).map(|(a, w)| Who::Account(a, w)),
        (true, ..) => {
            let problem = Problem::error(fields.place(), "`key` and an account at once");
            fields.report(problem.hint("a key's record says whose it is"));
            None
        }
        (false, true, false) => {
            let problem = Problem::error(fields.place(), "`account` without its `workspace`");
            fields.absent(problem.hint("add `workspace = \"NAME\"`"), &["workspace"]);
            None
        }
        (false, false, true) => {
            let problem = Problem::error(fields.place(), "`workspace` without an `account`");
            fields
                .absent(problem.hint("add `account = \"NAME\"`"), &["account", "key", "send_key"]);
            None
        }
    }
}

/// A text or a list of them, in one of two fields.
fn one_or_many(
    fields: &mut Fields<'_>,
    names: [&'static str; 2],
    form: &str,
) -> Option<Vec<At<String>>> {
    let [one, many] = names;
    let (single, several) = (fields.text(one), fields.texts(many));
    match (fields.has(one), fields.has(many)) {
        (true, false) => Some(vec![single?]),
        (false, true) => {
            if several.as_ref().is_some_and(Vec::is_empty) {
                let place = fields.place_of_field(many);
                fields.report(Problem::error(place, format!("`{many}` is empty")));
            }
            several
        }
        (true, true) => {
            let place = fields.place_of_field(many);
            let problem = Problem::error(place, format!("both `{one}` and `{many}`"));
            fields.report(problem.hint("write one of them"));
            None
        }
        (false, false) => {
            let problem = Problem::error(fields.place(), format!("`{one}` is missing"));
            let mends: &'static [&'static str] = match one {
                "method" => &["method", "methods"],
                _ => &["url", "urls"],
            };
            fields.absent(problem.hint(format!("write {form}")), mends);
            None
        }
    }
}

fn preflight(fields: &mut Fields<'_>, methods: &[At<String>]) -> bool {
    let preflight = fields.flag("preflight");
    if let Some(other) = methods.iter().find(|method| preflight && method.value != "OPTIONS") {
        let message = format!("a preflight with method {}", quoted(&other.value));
        fields.report(Problem::error(other.place, message).hint("its method is OPTIONS"));
    }
    preflight
}

fn expect(fields: &mut Fields<'_>) -> Option<Expect> {
    const WORDS: [bool; 2] = [true, false];
    if !fields.has("expect") {
        let problem = Problem::error(fields.place(), "`expect` is missing");
        fields.absent(problem.hint("it is `allow` or `deny`"), &["expect"]);
    }
    let allow = fields.choice("expect", &WORDS, |allow| if allow { "allow" } else { "deny" });
    let level = fields.level("level");
    let reason = fields.choice("reason", &DenyReason::ALL, DenyReason::code);
    let status = fields.number("status", 400..=599);
    let misplaced: &[&str] = match allow? {
        true => &["reason", "status"],
        false => &["level"],
    };
    for field in misplaced.iter().filter(|field| fields.has(field)) {
        let word = if allow? { "allow" } else { "deny" };
        let place = fields.place_of_field(field);
        fields.report(Problem::error(place, format!("`{field}` with `expect = \"{word}\"`")));
    }
    if allow? {
        return Some(Expect::Allow(level));
    }
    if !fields.has("reason") {
        let problem = Problem::error(fields.place(), "`reason` is missing");
        fields.absent(problem.hint("a denial has one: `reason = \"no_access\"`"), &["reason"]);
    }
    let status = status.and_then(|status| u16::try_from(status.value).ok());
    Some(Expect::Deny(reason?, status))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Suite, String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("tests.toml");
        std::fs::write(&path, text).unwrap();
        let prefix = format!("{}/", folder.path().display());
        let read = read_suite(&path).map(|(suite, _)| suite);
        read.map_err(|report| report.to_string().replace(&prefix, ""))
    }

    #[test]
    fn every_mistake_of_a_suite_is_told() {
        insta::assert_snapshot!(read(include_str!("samples/suite-mistakes.toml")).unwrap_err());
    }

    #[test]
    fn other_files_are_told() {
        let cases = [
            ("version = 2", "tests.toml:1:11: version `2` is not known"),
            ("version = 1", "tests.toml: no tests — add a `[[case]]`"),
            ("[[case]]", "`version` is missing"),
            ("version = 1\ncase = 1", "`case` must be a list of tables"),
            ("= 1", "not TOML"),
        ];
        for (text, expected) in cases {
            let told = read(text).unwrap_err();
            assert!(told.contains(expected), "{text}: {told}");
        }
        let missing = read_suite(Path::new("/nonexistent/tests.toml")).unwrap_err();
        assert!(missing.to_string().contains("no such file"), "{missing}");
    }

    #[test]
    fn a_case_says_who_when_what_and_what_of_it() {
        let text = r#"
            version = 1
            at = 2026-11-20T12:00:00Z
            host = "api.example"
            [[case]]
            name = "a"
            from = "here"
            account = "svc"
            workspace = "acme"
            methods = ["GET", "HEAD"]
            url = "/x"
            expect = "allow"
            level = "view"
            [[case]]
            name = "b"
            key = "k_1"
            at = 1970-01-01T00:00:00Z
            method = "GET"
            urls = ["/x", "https://other.example/"]
            expect = "deny"
            reason = "no_access"
            status = 404
            [[case]]
            name = "c"
            method = "OPTIONS"
            url = "/"
            preflight = true
            expect = "deny"
            reason = "key_missing"
            [[case]]
            name = "d"
            key = "k_1"
            method = "GET"
            url = "/"
            upgrade = "websocket"
            expect = "allow"
            [[case]]
            name = "e"
            send_key = "made up"
            method = "GET"
            url = "/"
            expect = "deny"
            reason = "key_malformed"
        "#;
        let cases = read(text).unwrap().cases;
        let texts =
            |list: &[At<String>]| list.iter().map(|it| it.value.clone()).collect::<Vec<_>>();
        let [a, b, c, d, e] = cases.as_slice() else { panic!("{cases:?}") };
        assert!(matches!(&a.who, Who::Account(account, workspace)
            if account.value == "svc" && workspace.value == "acme"));
        assert_eq!((a.from.as_deref(), a.at), (Some("here"), UnixSeconds(1_795_176_000)));
        assert_eq!(texts(&a.methods), ["GET", "HEAD"]);
        assert_eq!(a.expect, Expect::Allow(Some(Level::View)));
        assert!(matches!(&b.who, Who::Key(id) if id.value == "k_1"));
        assert_eq!((b.at, b.host.as_deref()), (UnixSeconds(0), Some("api.example")));
        assert_eq!(texts(&b.urls), ["/x", "https://other.example/"]);
        assert_eq!(b.expect, Expect::Deny(DenyReason::NoAccess, Some(404)));
        assert_eq!(c.who, Who::Nobody);
        assert!(matches!(&e.who, Who::Text(text) if text.value == "made up"));
        assert_eq!((c.upgrade, c.preflight), (Upgrade::None, true));
        assert_eq!((d.upgrade, d.preflight), (Upgrade::WebSocket, false));
        assert_eq!(c.expect, Expect::Deny(DenyReason::KeyMissing, None));
    }
}
