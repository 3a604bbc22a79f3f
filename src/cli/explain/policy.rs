//! A policy that can be asked why.
//!
//! Neither `explain` nor `test` knows the text of a key, only records: a record that is asked for
//! gets the digest of a made-up text before the policy is compiled, and that text is what is sent.
//! So the decision is the one that serves, with nothing special in it.

use std::mem;
use std::sync::Arc;

use zeroize::Zeroizing;

use crate::config::{self, Config, Report};
use crate::keystore::Permissions;
use crate::policy::draft::{Draft, DraftKey};
use crate::policy::explain::{Explanation, Question, explain};
use crate::policy::key::{KeyDigest, Pepper};
use crate::policy::{Decision, Place, Query, Rules, Snapshot, UnixSeconds, Upgrade, compile_with};

use super::url::Address;

/// A policy as it was written, while keys are given texts.
pub(in crate::cli) struct Preparation {
    draft: Draft,
    report: Report,
    sent: Vec<Sent>,
    /// Digests of records before they got that of a made-up text.
    replaced: Vec<(KeyDigest, usize)>,
}

/// What can be sent as a key: an index.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::cli) struct Credential(usize);

struct Sent {
    text: Zeroizing<String>,
    /// Its record's index among the keys.
    record: Option<usize>,
}

/// A compiled policy, and the rules that it was compiled from.
pub(in crate::cli) struct Policy {
    rules: Arc<Rules>,
    snapshot: Snapshot,
    report: Report,
    sent: Vec<(Zeroizing<String>, Option<DraftKey>)>,
}

/// A request as far as the policy is concerned.
#[derive(Debug, Clone, Copy)]
pub(in crate::cli) struct Request<'a> {
    pub(in crate::cli) method: &'a str,
    pub(in crate::cli) address: &'a Address,
    pub(in crate::cli) credential: Option<Credential>,
    pub(in crate::cli) upgrade: Upgrade,
    pub(in crate::cli) preflight: bool,
}

/// What was decided, and why.
pub(in crate::cli) struct Answer<'a> {
    pub(in crate::cli) decision: Decision<'a>,
    pub(in crate::cli) explanation: Explanation<'a>,
}

impl Preparation {
    /// Reads what `config` names.
    ///
    /// # Errors
    ///
    /// Every problem of those files.
    pub(in crate::cli) fn load(config: &Config, permissions: Permissions) -> Result<Self, Report> {
        let (draft, report) = config::load_draft(config, permissions)?;
        Ok(Self { draft, report, sent: Vec::new(), replaced: Vec::new() })
    }

    /// Lets records under a pepper stand where nobody has the pepper: none of their texts is sent.
    pub(in crate::cli) fn stand_in_for_pepper(&mut self) {
        self.draft.pepper = Some(Pepper::new([0; 32]));
    }

    /// A text for the record of that id, if there is one.
    pub(in crate::cli) fn record(&mut self, id: &str) -> Option<Credential> {
        let record = self.draft.keys.iter().position(|key| *key.id == *id)?;
        if let Some(known) = self.sent.iter().position(|sent| sent.record == Some(record)) {
            return Some(Credential(known));
        }
        let text = Zeroizing::new(format!("stand-in:{id}"));
        if let Some(key) = self.draft.keys.get_mut(record) {
            let digest = mem::replace(&mut key.digest, KeyDigest::blake3(&text));
            self.replaced.push((digest, record));
        }
        Some(self.send(text, Some(record)))
    }

    /// A key of that account without a ceiling, if there is such a workspace.
    pub(in crate::cli) fn account(&mut self, account: &str, workspace: &str) -> Option<Credential> {
        let home = self.draft.workspaces.iter().find(|it| it.name.value == workspace)?;
        let is_free = |id: &String| self.draft.keys.iter().all(|key| *key.id != **id);
        let id = (self.sent.len() + 1..).map(|number| format!("test-{number}")).find(is_free)?;
        let text = Zeroizing::new(format!("stand-in:{id}"));
        self.draft.keys.push(DraftKey {
            place: Place::default(),
            id: id.into(),
            digest: KeyDigest::blake3(&text),
            workspace: workspace.into(),
            account: account.into(),
            environment: home.environment.value.as_str().into(),
            not_before: None,
            expires: None,
            revoked: None,
            ceiling: None,
        });
        let record = self.draft.keys.len() - 1;
        Some(self.send(text, Some(record)))
    }

    /// A key that somebody really holds.
    pub(in crate::cli) fn text(&mut self, text: Zeroizing<String>) -> Credential {
        let keyed = self.draft.pepper.as_ref().map(|it| KeyDigest::blake3_keyed(&text, it));
        let plain = [KeyDigest::blake3(&text), KeyDigest::sha256(&text)];
        let is_of = |key: &DraftKey| plain.contains(&key.digest) || Some(key.digest) == keyed;
        let record = self.draft.keys.iter().position(is_of);
        self.send(text, record)
    }

    /// A text that is the key of no record, as far as that can be known without the pepper.
    ///
    /// # Errors
    ///
    /// The id of the record whose key it is.
    pub(in crate::cli) fn made_up(&mut self, text: &str) -> Result<Credential, String> {
        let digests = [KeyDigest::blake3(text), KeyDigest::sha256(text)];
        let is_of = |digest: &KeyDigest| digests.contains(digest);
        let replaced = self.replaced.iter().find(|(digest, _)| is_of(digest)).map(|(_, at)| *at);
        let record = replaced.and_then(|at| self.draft.keys.get(at));
        match record.or_else(|| self.draft.keys.iter().find(|key| is_of(&key.digest))) {
            Some(key) => Err(key.id.to_string()),
            None => Ok(self.send(Zeroizing::new(text.to_owned()), None)),
        }
    }

    fn send(&mut self, text: Zeroizing<String>, record: Option<usize>) -> Credential {
        self.sent.push(Sent { text, record });
        Credential(self.sent.len() - 1)
    }

    /// Ids of the key records.
    pub(in crate::cli) fn ids(&self) -> impl Iterator<Item = &str> {
        self.draft.keys.iter().map(|key| &*key.id)
    }

    /// Names of the workspaces.
    pub(in crate::cli) fn workspaces(&self) -> impl Iterator<Item = &str> {
        self.draft.workspaces.iter().map(|workspace| &*workspace.name.value)
    }

    /// Compiles it.
    ///
    /// # Errors
    ///
    /// Every problem of the policy.
    pub(in crate::cli) fn compile(mut self) -> Result<Policy, Report> {
        let keys = mem::take(&mut self.draft.keys);
        let of = |sent: Sent| (sent.text, sent.record.and_then(|at| keys.get(at)).cloned());
        let sent = self.sent.into_iter().map(of).collect();
        match compile_with(&self.draft, keys) {
            Ok(snapshot) => {
                let rules = Arc::new(Rules::new(self.draft, Vec::new()));
                Ok(Policy { rules, snapshot, report: self.report, sent })
            }
            Err(problems) => {
                self.report.extend(problems);
                Err(self.report)
            }
        }
    }
}

impl Policy {
    /// The rules, what they became, the files that they stand in, and what can be sent as a key: it
    /// is a [`Credential`] of its own.
    pub(super) fn of_rules(
        rules: Arc<Rules>,
        snapshot: Snapshot,
        report: Report,
        sent: Option<(Zeroizing<String>, Option<DraftKey>)>,
    ) -> (Self, Option<Credential>) {
        let credential = sent.is_some().then_some(Credential(0));
        (Self { rules, snapshot, report, sent: sent.into_iter().collect() }, credential)
    }

    /// Decides, and says why.
    pub(in crate::cli) fn ask(&self, request: &Request<'_>, now: UnixSeconds) -> Answer<'_> {
        let sent = request.credential.and_then(|Credential(at)| self.sent.get(at));
        let query = Query {
            method: request.method,
            host: &request.address.host,
            target: &request.address.target,
            credential: sent.map(|(text, _)| text.as_str()),
            upgrade: request.upgrade,
            preflight: request.preflight,
        };
        let key = sent.and_then(|(_, record)| record.as_ref());
        let question = Question { draft: self.rules.draft(), query, key, now };
        Answer { decision: self.snapshot.decide(&query, now), explanation: explain(question) }
    }

    /// The rules.
    pub(in crate::cli) fn draft(&self) -> &Draft {
        self.rules.draft()
    }

    /// What they became.
    pub(in crate::cli) fn snapshot(&self) -> &Snapshot {
        &self.snapshot
    }

    /// As messages name a place; nothing for what stands in no file.
    pub(in crate::cli) fn place(&self, place: Place) -> Option<String> {
        (place != Place::default()).then(|| self.report.place(place))
    }

    /// What was noticed while the files were read.
    pub(in crate::cli) fn report(&self) -> &Report {
        &self.report
    }
}
