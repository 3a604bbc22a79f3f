//! What stands in a line. README.md documents every field; a field more is no new version, a field
//! that means something else is.

use serde::Serialize;

use crate::clock;
use crate::policy::Level;
use crate::telemetry::event::RequestEvent;

/// The version of what fields there are and what they mean.
const SCHEMA: u8 = 1;

/// What can be an entry.
pub(super) trait Entry: Serialize {
    /// What kind of entry it is.
    const EVENT: &'static str;
}

/// A request that was refused, or allowed to write.
#[derive(Debug, Serialize)]
pub(super) struct RequestEntry<'a> {
    decision: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'static str>,
    /// It was allowed at first, and cut when it was judged again.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    terminated: bool,
    route: Option<&'a str>,
    path_template: Option<&'a str>,
    workspace: Option<&'a str>,
    environment: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    product: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    permission: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    area: Option<&'a str>,
    needed: Option<&'static str>,
    level: Option<&'static str>,
    account: Option<&'a str>,
    key_id: Option<&'a str>,
    policy_generation: u64,
    method: &'a str,
    status: u16,
    #[serde(skip_serializing_if = "Option::is_none")]
    upstream_status: Option<u16>,
    duration_us: u64,
    request_id: &'a str,
    trace_id: &'a str,
    peer: &'a str,
}

/// A look at the files that took them up or refused them.
#[derive(Debug, Default, Serialize)]
pub struct ReloadEntry<'a> {
    /// `success` or `failure`.
    pub result: &'static str,
    /// What is in force since, or still.
    pub generation: u64,
    /// What was held back and let in, by the id that somebody accepted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub accepted: Option<String>,
    /// The id under which what is held back can be accepted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub waiting: Option<String>,
    /// Why the files were refused; the first of them.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    pub problems: &'a [String],
    /// What changed, counted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub changes: Option<String>,
    /// What changed, the first of it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub access: Vec<AccessChange>,
    /// How much more changed, or is wrong.
    #[serde(skip_serializing_if = "is_zero")]
    pub left_out: usize,
}

/// What changed of one holder, route or setting.
#[derive(Debug, Serialize)]
pub struct AccessChange {
    /// In words.
    pub change: String,
    /// Whether something is allowed that was not.
    pub gained: bool,
    /// Whether something was allowed that is not.
    pub lost: bool,
}

/// The beginning or the end of a process that serves.
#[derive(Debug, Serialize)]
pub struct ServiceEntry<'a> {
    /// `started` or `stopped`.
    pub state: &'static str,
    /// The version.
    pub version: &'a str,
    /// The process.
    pub pid: u32,
    /// What is in force.
    pub generation: u64,
}

/// A command that changes keys or the policy.
#[derive(Debug, Clone, Serialize)]
pub struct CommandEntry<'a> {
    /// Such as `key create`.
    pub command: &'static str,
    /// How far it is.
    pub stage: Stage,
    /// The user whose process it is.
    pub uid: u32,
    /// The account that it was said to be for.
    #[serde(rename = "as", skip_serializing_if = "Option::is_none")]
    pub by: Option<&'a str>,
    /// The workspace.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub workspace: Option<&'a str>,
    /// The account.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub account: Option<&'a str>,
    /// What is done, in words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub change: Option<&'a str>,
    /// The keys that it is about.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    pub key_ids: &'a [String],
    /// How many more keys it is about.
    #[serde(skip_serializing_if = "is_zero")]
    pub left_out: usize,
}

/// How far a command is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Stage {
    /// Nothing is changed yet.
    Begun,
    /// All is changed.
    Done,
    /// Nothing was changed.
    Failed,
    /// Who asks may not.
    Refused,
}

/// Entries that there was no room for.
#[derive(Debug, Serialize)]
pub(super) struct LostEntry {
    pub(super) events: u64,
}

impl Entry for RequestEntry<'_> {
    const EVENT: &'static str = "request";
}

impl Entry for ReloadEntry<'_> {
    const EVENT: &'static str = "reload";
}

impl Entry for ServiceEntry<'_> {
    const EVENT: &'static str = "service";
}

impl Entry for CommandEntry<'_> {
    const EVENT: &'static str = "command";
}

impl Entry for LostEntry {
    const EVENT: &'static str = "lost";
}

impl<'a> RequestEntry<'a> {
    pub(super) fn of(event: &RequestEvent<'a>) -> Self {
        let words = &event.words;
        Self {
            decision: if event.denial.is_some() { "deny" } else { "allow" },
            reason: event.denial.map(|denial| denial.reason.code()),
            terminated: event.terminated,
            route: words.route,
            path_template: words.template,
            workspace: words.workspace,
            environment: words.environment,
            product: words.product,
            permission: words.permission,
            area: words.area,
            needed: words.needed.map(Level::name),
            level: words.level.map(Level::name),
            account: words.account,
            key_id: words.key_id,
            policy_generation: event.generation,
            method: event.method,
            status: event.status,
            upstream_status: event.upstream_status,
            duration_us: u64::try_from(event.took.as_micros()).unwrap_or(u64::MAX),
            request_id: event.request_id,
            trace_id: event.trace_id,
            peer: event.peer,
        }
    }
}

#[derive(Serialize)]
struct Body<'a, E> {
    time: String,
    event: &'static str,
    #[serde(flatten)]
    entry: &'a E,
}

/// An entry as of now, before it has a number.
pub(super) fn body<E: Entry>(entry: &E) -> Option<Vec<u8>> {
    let time = jiff::Timestamp::from_microsecond(clock::micros()).ok()?;
    let mut line = Vec::with_capacity(512);
    let body = Body { time: format!("{time:.3}"), event: E::EVENT, entry };
    serde_json::to_writer(&mut line, &body).ok()?;
    line.push(b'\n');
    Some(line)
}

/// The same as a line, as the entry `number` of `run`.
pub(super) fn line(run: &str, number: u64, body: &[u8], out: &mut Vec<u8>) {
    let head = format!("{{\"schema\":{SCHEMA},\"run\":\"{run}\",\"seq\":{number},");
    out.extend_from_slice(head.as_bytes());
    out.extend_from_slice(body.strip_prefix(b"{").unwrap_or(body));
}

/// The id of a run: unique, not secret.
pub(super) fn run() -> String {
    format!("{:016x}", fastrand::u64(..))
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands fields over by reference")]
fn is_zero(count: &usize) -> bool {
    *count == 0
}
