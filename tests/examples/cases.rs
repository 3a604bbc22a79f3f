//! `tests.toml`: cases, and what becomes of them.

use std::collections::BTreeSet;

use serde::Deserialize;
use sidegate::policy::{Decision, DenyReason, Level, Query, Snapshot, UnixSeconds, Upgrade};

use crate::example::{Example, key_of_account, key_of_record};

/// A file of cases.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Cases {
    version: u32,
    at: toml::value::Datetime,
    host: Option<String>,
    #[serde(rename = "case")]
    pub(crate) list: Vec<Case>,
}

/// A case: every method on every url.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Case {
    pub(crate) name: String,
    pub(crate) from: String,
    pub(crate) key: Option<String>,
    pub(crate) account: Option<String>,
    pub(crate) workspace: Option<String>,
    send_key: Option<String>,
    at: Option<toml::value::Datetime>,
    method: Option<String>,
    methods: Option<Vec<String>>,
    url: Option<String>,
    urls: Option<Vec<String>>,
    pub(crate) expect: Expect,
    level: Option<String>,
    pub(crate) reason: Option<String>,
    status: Option<u16>,
}

#[derive(Deserialize, Clone, Copy, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Expect {
    Allow,
    Deny,
}

/// One request of a case, and the answer.
pub(crate) struct Answer<'a> {
    pub(crate) case: &'a Case,
    pub(crate) request: String,
    pub(crate) level: Option<Level>,
    pub(crate) denied: Option<DenyReason>,
    pub(crate) route: Option<String>,
    status: Option<u16>,
}

impl Cases {
    pub(crate) fn parse(text: &str) -> Self {
        let cases: Self = toml::from_str(text).unwrap();
        assert_eq!(cases.version, 1);
        cases
    }

    pub(crate) fn at(&self) -> UnixSeconds {
        seconds(&self.at)
    }

    /// Who needs a key: account and workspace.
    pub(crate) fn accounts(&self) -> BTreeSet<(String, String)> {
        self.list
            .iter()
            .filter_map(|case| case.account.clone().zip(case.workspace.clone()))
            .collect()
    }

    /// Every request of every case, answered.
    pub(crate) fn ask(&self, snapshot: &Snapshot) -> Vec<Answer<'_>> {
        self.list.iter().flat_map(|case| self.ask_case(case, snapshot)).collect()
    }

    fn ask_case<'a>(&self, case: &'a Case, snapshot: &Snapshot) -> Vec<Answer<'a>> {
        let credential = case.credential();
        let now = case.at.as_ref().map_or_else(|| self.at(), seconds);
        let mut answers = Vec::new();
        for method in one_or_many(&case.method, &case.methods) {
            for url in one_or_many(&case.url, &case.urls) {
                let (host, target) = match url.split_once("://") {
                    Some((_, rest)) => rest.split_at(rest.find('/').unwrap()),
                    None => (self.host.as_deref().unwrap(), url),
                };
                let credential = credential.as_deref();
                let query = Query {
                    method,
                    host,
                    target,
                    credential,
                    upgrade: Upgrade::None,
                    preflight: false,
                };
                let (denied, facts) = match snapshot.decide(&query, now) {
                    Decision::Allow(permit) => (None, permit.facts()),
                    Decision::Deny(denial) => (Some(denial.reason), denial.facts),
                };
                let words = snapshot.describe(&facts);
                answers.push(Answer {
                    case,
                    request: format!("{method} {host}{target}"),
                    level: words.level,
                    denied,
                    route: words.route.map(str::to_owned),
                    status: denied.map(|reason| reason.status(snapshot.hide_none())),
                });
            }
        }
        answers
    }
}

impl Case {
    fn credential(&self) -> Option<String> {
        if let Some(text) = &self.send_key {
            return Some(text.clone());
        }
        match (&self.key, &self.account, &self.workspace) {
            (Some(id), None, None) => Some(key_of_record(id)),
            (None, Some(account), Some(workspace)) => Some(key_of_account(account, workspace)),
            (None, None, None) => None,
            _ => panic!("`{}`: a key, or account and workspace, or neither", self.name),
        }
    }
}

impl Answer<'_> {
    pub(crate) fn is_expected(&self) -> bool {
        let case = self.case;
        match case.expect {
            Expect::Allow => {
                let level = self.level.map(Level::name);
                self.denied.is_none() && (case.level.is_none() || case.level.as_deref() == level)
            }
            Expect::Deny => {
                self.denied.is_some_and(|got| Some(got.code()) == case.reason.as_deref())
                    && (case.status.is_none() || case.status == self.status)
            }
        }
    }

    fn describe(&self) -> String {
        let Case { name, reason, level, status, .. } = self.case;
        format!(
            "{name}: {}: got {:?} ({:?}) with level {:?} on route {:?}, expected {:?}",
            self.request,
            self.denied,
            self.status,
            self.level,
            self.route,
            (reason, status, level),
        )
    }
}

/// Every one of the field of one and the field of many; one of the two must be there.
fn one_or_many<'a>(one: &'a Option<String>, many: &'a Option<Vec<String>>) -> Vec<&'a str> {
    assert!(one.is_some() != many.is_some(), "one of `method` and `methods`, `url` and `urls`");
    one.iter().chain(many.iter().flatten()).map(String::as_str).collect()
}

fn seconds(written: &toml::value::Datetime) -> UnixSeconds {
    let time: jiff::Timestamp = written.to_string().parse().unwrap();
    UnixSeconds(time.as_second())
}

#[test]
fn every_case_holds() {
    for example in Example::all() {
        let snapshot = example.snapshot();
        let answers = example.cases.ask(&snapshot);
        let wrong: Vec<_> =
            answers.iter().filter(|answer| !answer.is_expected()).map(Answer::describe).collect();
        assert!(wrong.is_empty(), "{}:\n{}", example.name, wrong.join("\n"));
        let cases = example.cases.list.len();
        println!("{}: {cases} cases, {} requests", example.name, answers.len());
        assert!(cases >= 40, "{} has {cases} cases", example.name);
    }
}

#[test]
fn cases_say_what_they_expect_and_have_names_of_their_own() {
    for example in Example::all() {
        let mut names = BTreeSet::new();
        for case in &example.cases.list {
            assert!(names.insert(&case.name), "{}: `{}` twice", example.name, case.name);
            let is_denied = case.expect == Expect::Deny;
            assert_eq!(case.reason.is_some(), is_denied, "`{}`", case.name);
            assert!(!(is_denied && case.level.is_some()), "`{}`", case.name);
            assert!(is_denied || case.status.is_none(), "`{}`", case.name);
            let level = case.level.as_deref();
            assert!(level.is_none_or(|level| Level::parse(level).is_some()), "`{}`", case.name);
        }
    }
}
