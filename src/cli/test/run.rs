//! Runs the cases of some files against one policy.

use std::path::Path;

use crate::cli::explain::{Address, Answer, Credential, Policy, Preparation, Request, View};
use crate::config::{Case, Config, Expect, Report, Suite, Who};
use crate::keystore::Permissions;
use crate::policy::{Decision, Level, Problem};

use super::coverage::Coverage;
use super::outcome::{Failure, FileOutcome, Outcome, PolicyOutcome};

/// One file of tests.
pub(super) struct Read<'a> {
    pub(super) path: &'a Path,
    pub(super) suite: Suite,
    pub(super) report: Report,
}

/// A case whose names are known.
struct Ready<'a> {
    case: &'a Case,
    credential: Option<Credential>,
    addresses: Vec<Address>,
}

/// Files of tests and the policy that they are about, all of whose names are known.
struct Prepared<'f> {
    policy: Policy,
    files: Vec<(&'f Path, &'f Report, Vec<Ready<'f>>)>,
}

/// Why nothing could be asked.
enum Wrong {
    /// Of each file, names that the policy does not have.
    Names(Vec<Vec<Problem>>),
    Policy(Report),
}

/// Runs every case.
///
/// # Errors
///
/// Every problem of the policy, and every name in the tests that it does not have.
pub(super) fn run(config: &Config, files: Vec<Read<'_>>) -> Result<Outcome, Vec<Report>> {
    match Prepared::of(config, &files) {
        Ok(prepared) => Ok(prepared.run(config)),
        Err(wrong) => Err(wrong.reports(files)),
    }
}

/// Asks what every case asks that expects to be allowed.
///
/// # Errors
///
/// As [`run`].
pub(super) fn ask(
    config: &Config,
    files: Vec<Read<'_>>,
    mut each: impl FnMut(&Answer<'_>),
) -> Result<(), Vec<Report>> {
    match Prepared::of(config, &files) {
        Ok(Prepared { policy, files }) => {
            let ready = files.iter().flat_map(|(.., ready)| ready);
            let ready = ready.filter(|ready| matches!(ready.case.expect, Expect::Allow(_)));
            ready.for_each(|ready| ready.ask(&policy, |_, answer| each(answer)));
            Ok(())
        }
        Err(wrong) => Err(wrong.reports(files)),
    }
}

impl<'f> Prepared<'f> {
    fn of(config: &Config, files: &'f [Read<'_>]) -> Result<Self, Wrong> {
        // Nothing is served, and no key's text is known: neither modes nor the pepper matter.
        let unpeppered = Config { pepper: None, ..config.clone() };
        let prepared = Preparation::load(&unpeppered, Permissions::Insecure);
        let mut preparation = prepared.map_err(Wrong::Policy)?;
        preparation.stand_in_for_pepper();

        let (mut all, mut wrong) = (Vec::new(), Vec::new());
        for Read { path, suite, report } in files {
            let mut problems = Vec::new();
            let ready = suite.cases.iter();
            let ready = ready.filter_map(|case| ready_for(case, &mut preparation, &mut problems));
            all.push((*path, report, ready.collect()));
            wrong.push(problems);
        }
        if wrong.iter().any(|problems| !problems.is_empty()) {
            return Err(Wrong::Names(wrong));
        }
        let policy = preparation.compile().map_err(Wrong::Policy)?;
        Ok(Self { policy, files: all })
    }

    fn run(self, config: &Config) -> Outcome {
        let Self { policy, files } = self;
        let mut coverage = Coverage::new(&policy);
        let files = files.iter().map(|(path, report, ready)| {
            let mut outcome = FileOutcome::new(path);
            ready.iter().for_each(|ready| ready.run(&policy, report, &mut coverage, &mut outcome));
            outcome
        });
        let files = files.collect();
        let config = config.path.display().to_string();
        Outcome::of(PolicyOutcome { config, files, untouched: coverage.untouched(&policy) })
    }
}

impl Wrong {
    fn reports(self, files: Vec<Read<'_>>) -> Vec<Report> {
        let names = match self {
            Self::Policy(report) => return vec![report],
            Self::Names(names) => names,
        };
        let reports = files.into_iter().zip(names).map(|(file, names)| {
            let mut report = file.report;
            report.extend(names);
            report
        });
        reports.filter(|report| report.errors() > 0).collect()
    }
}

fn ready_for<'a>(
    case: &'a Case,
    preparation: &mut Preparation,
    problems: &mut Vec<Problem>,
) -> Option<Ready<'a>> {
    let about = format!("case `{}`", case.name.value);
    let credential = match &case.who {
        Who::Nobody => Some(None),
        Who::Key(id) => preparation.record(&id.value).map(Some).or_else(|| {
            let problem = Problem::error(id.place, format!("{about}: unknown key `{}`", id.value));
            problems.push(problem.did_you_mean(&id.value, preparation.ids()));
            None
        }),
        Who::Text(text) => match preparation.made_up(&text.value) {
            Ok(credential) => Some(Some(credential)),
            Err(id) => {
                let message = format!("{about}: `send_key` is the key of record `{id}`");
                let hint = format!("a key is not for files: write `key = \"{id}\"`");
                problems.push(Problem::error(text.place, message).hint(hint));
                None
            }
        },
        Who::Account(account, workspace) => {
            preparation.account(&account.value, &workspace.value).map(Some).or_else(|| {
                let what = format!("{about}: unknown workspace `{}`", workspace.value);
                let problem = Problem::error(workspace.place, what);
                problems.push(problem.did_you_mean(&workspace.value, preparation.workspaces()));
                None
            })
        }
    };
    let mut addresses = Vec::new();
    for url in &case.urls {
        match Address::read(&url.value, case.host.as_deref()) {
            Ok(address) => addresses.push(address),
            Err(wrong) => problems.push(
                Problem::error(url.place, format!("{about}: `{}` {wrong}", url.value))
                    .hint("write all of it, or `host = \"…\"` before the first case"),
            ),
        }
    }
    Some(Ready { case, credential: credential?, addresses })
}

impl Ready<'_> {
    fn ask(&self, policy: &Policy, mut each: impl FnMut(&Request<'_>, &Answer<'_>)) {
        let Case { at, methods, upgrade, preflight, .. } = self.case;
        for (method, address) in
            methods.iter().flat_map(|m| self.addresses.iter().map(move |a| (m, a)))
        {
            let credential = self.credential;
            let (upgrade, preflight) = (*upgrade, *preflight);
            let request =
                Request { method: &method.value, address, credential, upgrade, preflight };
            each(&request, &policy.ask(&request, *at));
        }
    }

    fn run(
        &self,
        policy: &Policy,
        report: &Report,
        coverage: &mut Coverage,
        outcome: &mut FileOutcome,
    ) {
        let Case { name, from, at, expect, .. } = self.case;
        self.ask(policy, |request, answer| {
            coverage.touch(policy, answer);
            let got = Got::of(policy, &answer.decision);
            let failure = (!got.is(expect)).then(|| {
                let view = View::new(policy, request, *at, answer);
                Failure { expected: expected(expect), got: got.to_string(), explanation: view }
            });
            let Address { host, target, .. } = request.address;
            outcome.add(super::outcome::CaseOutcome {
                name: name.value.clone(),
                from: from.clone(),
                place: report.place(name.place),
                request: format!("{} {host}{target}", request.method),
                failure,
            });
        });
    }
}

/// What became of a request, as far as a case can speak of it.
struct Got {
    reason: Option<crate::policy::DenyReason>,
    status: u16,
    level: Option<Level>,
}

impl Got {
    fn of(policy: &Policy, decision: &Decision<'_>) -> Self {
        let (reason, facts) = match decision {
            Decision::Allow(permit) => (None, permit.facts()),
            Decision::Deny(denial) => (Some(denial.reason), denial.facts),
        };
        let snapshot = policy.snapshot();
        let status = reason.map_or(0, |reason| reason.status(snapshot.hide_none()));
        Self { reason, status, level: snapshot.describe(&facts).level }
    }

    fn is(&self, expect: &Expect) -> bool {
        match *expect {
            Expect::Allow(level) => {
                self.reason.is_none() && (level.is_none() || level == self.level)
            }
            Expect::Deny(reason, status) => {
                self.reason == Some(reason) && status.is_none_or(|status| status == self.status)
            }
        }
    }
}

impl std::fmt::Display for Got {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match (self.reason, self.level) {
            (Some(reason), _) => write!(f, "deny: {reason} ({})", self.status),
            (None, Some(level)) => write!(f, "allow with {level}"),
            (None, None) => f.write_str("allow without a key"),
        }
    }
}

fn expected(expect: &Expect) -> String {
    match expect {
        Expect::Allow(None) => "allow".to_owned(),
        Expect::Allow(Some(level)) => format!("allow with {level}"),
        Expect::Deny(reason, None) => format!("deny: {reason}"),
        Expect::Deny(reason, Some(status)) => format!("deny: {reason} ({status})"),
    }
}
