//! `sidegate explain METHOD URL`: what would become of a request, and why.
//!
//! The decision is that of the policy core, at any time and for any key; the steps beside it come
//! from the files as they are written. Nothing is sent anywhere, and what the proxy refuses before
//! the policy is asked (framing, headers that contradict each other) is no part of it.
//!
//! JSON has the shape of [`view::View`]. Exit codes: 0 allowed, 4 denied.

mod build;
mod live;
mod needed;
mod policy;
#[cfg(test)]
mod tests;
mod text;
mod url;
mod view;

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::AsFd as _;

use clap::Args;
use http::Method;
use http::header::{self, HeaderMap, HeaderName, HeaderValue};

use super::key::{Failure, When, read_text};
use super::{Exit, FileArgs, Output};
use crate::policy::key::redacted;
use crate::policy::{Place, Problem, UnixSeconds, Upgrade};
use crate::proxy::asks;
use crate::{clock, config};

pub(super) use build::grantee;
pub(super) use live::answer;
pub(super) use policy::{Answer, Credential, Policy, Preparation, Request};
pub(super) use url::Address;
pub(super) use view::View;

#[derive(Debug, Args)]
pub(super) struct ExplainArgs {
    /// The method, in the case in which it would be sent
    method: String,
    /// `https://host/path`, or `/path` with `--host`; taken as it stands
    url: String,
    /// The host, where the URL is only a path
    #[arg(long, value_name = "NAME")]
    host: Option<String>,
    /// The id of the key that would be sent, k_…
    #[arg(long, value_name = "ID", conflicts_with = "key_stdin")]
    key_id: Option<String>,
    /// Read the key that would be sent from standard input
    #[arg(long)]
    key_stdin: bool,
    /// When: a date and time, or how long from now (90d) [default: now]
    #[arg(long, value_name = "TIME")]
    at: Option<When>,
    /// A header that would be sent: those that ask for a WebSocket or make a preflight have a say
    #[arg(long = "header", value_name = "NAME: VALUE")]
    headers: Vec<String>,
    #[command(flatten)]
    files: FileArgs,
    /// How the explanation is printed
    #[arg(long, value_enum, default_value_t = Output::Text)]
    output: Output,
}

pub(super) fn run(args: &ExplainArgs) -> Exit {
    // Past the standard library's buffer, which would keep a copy of the key.
    let Ok(mut input) = io::stdin().as_fd().try_clone_to_owned().map(File::from) else {
        eprintln!("standard input is closed");
        return Exit::Broke;
    };
    let (mut out, mut err) = (io::stdout().lock(), io::stderr());
    match print(args, &mut input, &mut out, &mut err, clock::now()) {
        Ok(exit) => exit,
        Err(failure) => {
            let _ = write!(err, "{failure}");
            failure.exit()
        }
    }
}

fn print(
    args: &ExplainArgs,
    input: &mut dyn Read,
    out: &mut dyn Write,
    err: &mut dyn Write,
    now: UnixSeconds,
) -> Result<Exit, Failure> {
    let usage = |what: String| Failure::Usage(what);
    let address = Address::read(&args.url, args.host.as_deref()).map_err(|wrong| {
        let way_out = match args.url.starts_with('/') {
            true => " — write all of it, or `--host HOST`",
            false => "",
        };
        usage(format!("`{}` {wrong}{way_out}", args.url))
    })?;
    let at = match args.at {
        None => now,
        Some(when) => when
            .from(now)
            .map(|time| time.seconds())
            .ok_or_else(|| usage("`--at` is in no four-digit year".to_owned()))?,
    };
    let headers = Headers::read(&args.method, &args.headers).map_err(usage)?;

    let invalid = |report: config::Report| Failure::Invalid(report.to_string());
    let config = config::read(&args.files.path()).map_err(invalid)?;
    let mut preparation = Preparation::load(&config, args.files.permissions()).map_err(invalid)?;
    let credential = match &args.key_id {
        Some(id) => Some(record(&mut preparation, id)?),
        None if args.key_stdin => Some(preparation.text(read_text(input)?)),
        None => None,
    };
    let policy = preparation.compile().map_err(invalid)?;
    write!(err, "{}", policy.report())?;
    for name in &headers.idle {
        writeln!(err, "header `{}` has no influence", redacted(name))?;
    }
    let Headers { upgrade, preflight, .. } = headers;
    let request =
        Request { method: &args.method, address: &address, credential, upgrade, preflight };
    let view = View::new(&policy, &request, at, &policy.ask(&request, at));
    match args.output {
        // The URL is repeated, and may have a key in it.
        Output::Text => write!(out, "{}", redacted(&view.to_string()))?,
        Output::Json => {
            let text = serde_json::to_string_pretty(&view).map_err(io::Error::from)?;
            writeln!(out, "{}", redacted(&text))?;
        }
    }
    out.flush()?;
    Ok(if view.reason.is_none() { Exit::Fine } else { Exit::No })
}

fn record(preparation: &mut Preparation, id: &str) -> Result<Credential, Failure> {
    preparation.record(id).ok_or_else(|| {
        let problem = Problem::error(Place::default(), format!("unknown key `{id}`"));
        let problem = problem.hint("`sidegate key list` shows them all");
        Failure::Invalid(problem.did_you_mean(id, preparation.ids()).to_string())
    })
}

/// Fields that have a say, but for those of a key and `Host`.
const SPEAKING: [HeaderName; 7] = [
    header::ACCESS_CONTROL_REQUEST_METHOD,
    header::CONNECTION,
    header::CONTENT_LENGTH,
    header::COOKIE,
    header::ORIGIN,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
];

/// What the headers of the request come to.
#[derive(Debug, Default, PartialEq, Eq)]
struct Headers {
    upgrade: Upgrade,
    preflight: bool,
    /// Names of those that have no say.
    idle: Vec<String>,
}

impl Headers {
    fn read(method: &str, headers: &[String]) -> Result<Self, String> {
        let mut fields = HeaderMap::new();
        let mut idle = Vec::new();
        for header in headers {
            let (name, value) = header.split_once(':').ok_or("a header reads `NAME: VALUE`")?;
            let shown = name.escape_debug();
            let name = HeaderName::from_bytes(name.as_bytes())
                .map_err(|_| format!("`{shown}` is no name of a header"))?;
            let value = HeaderValue::from_str(value.trim())
                .map_err(|_| format!("what header `{name}` says is no value of one"))?;
            if name == "x-api-key"
                || name == header::AUTHORIZATION
                || name == header::SEC_WEBSOCKET_PROTOCOL && names_a_key(&value)
            {
                return Err("a key is not for arguments, which other processes can read — use \
                            `--key-id` or `--key-stdin`"
                    .to_owned());
            }
            if name == header::HOST {
                return Err("the URL or `--host` says the host".to_owned());
            }
            if !SPEAKING.contains(&name) {
                idle.push(shown.to_string());
            }
            fields.append(name, value);
        }
        // What is no method at all is none that the headers are of.
        let method = Method::from_bytes(method.as_bytes()).unwrap_or_default();
        let (upgrade, preflight) = asks(&method, &fields).map_err(|reason| {
            format!("the headers contradict each other: the proxy answers `{reason}`")
        })?;
        Ok(Self { upgrade, preflight, idle })
    }
}

/// Whether it is that of a browser's WebSocket: `bearer, KEY`.
fn names_a_key(protocols: &HeaderValue) -> bool {
    let mut elements = protocols.to_str().unwrap_or_default().split(',').map(str::trim);
    elements.any(|element| element.eq_ignore_ascii_case("bearer"))
}
