//! `sidegate reload`: has a running process look at its files now, and waits for what comes of it.
//!
//! With `--accept`, a change that a guard rail holds back is let in: the one that is named, or the one
//! that waits when it is asked for. If the files are another change by then, that waits in turn.
//!
//! Exit codes: 0 the files as they are, are in force; 1 nobody could be asked, or not in time; 3 they
//! are refused.

use std::io::{self, Write};
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use serde_json::json;

use super::plane::{self, Look, Whose, duration};
use super::{Exit, Output};
use crate::admin::Looked;
use crate::current::ChangeId;
use crate::{clock, config};

#[derive(Debug, Args)]
pub(super) struct ReloadArgs {
    /// Its settings [default: config/sidegate.toml, then /etc/sidegate/sidegate.toml]
    #[arg(short, long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Let in the change that waits for it, as `status` shows it; with ID, that one and no other
    #[arg(long, value_name = "ID", num_args = 0..=1, value_parser = id)]
    accept: Option<Option<ChangeId>>,
    /// How long to wait at most
    #[arg(long, value_name = "SECONDS", default_value_t = 30)]
    timeout: u32,
    /// For people or for scripts
    #[arg(long, value_enum, default_value_t = Output::Text)]
    output: Output,
}

fn id(text: &str) -> Result<ChangeId, &'static str> {
    ChangeId::parse(text).ok_or("an id has 32 digits from `0` to `f`: `sidegate status` shows it")
}

pub(super) fn run(args: &ReloadArgs) -> Exit {
    let mut err = io::stderr().lock();
    super::printed(print(args, &mut io::stdout().lock(), &mut err), &mut err)
}

fn print(args: &ReloadArgs, out: &mut impl Write, err: &mut impl Write) -> io::Result<Exit> {
    let config = match config::read(&config::locate(args.config.as_deref())) {
        Ok(config) => config,
        Err(report) => {
            write!(err, "{report}")?;
            return Ok(Exit::Invalid);
        }
    };
    let address = plane::address(&config);
    let began = clock::instant();
    let patience = Duration::from_secs(args.timeout.into());
    let (look, accepted) = match &args.accept {
        None => (plane::look(&config, patience), None),
        Some(Some(id)) => (plane::accept(&config, id, patience), Some(id.clone())),
        Some(None) => match plane::look(&config, patience) {
            Look::Settled(looked, whose) => match waiting(&looked) {
                Some(id) => {
                    writeln!(err, "accepting {id}:")?;
                    told(&looked, err)?;
                    (plane::accept(&config, &id, patience), Some(id))
                }
                None => (Look::Settled(looked, whose), None),
            },
            other => (other, None),
        },
    };
    let took = clock::instant() - began;
    let (looked, whose) = match look {
        Look::Settled(looked, whose) => (looked, whose),
        Look::Nobody => {
            writeln!(err, "no sidegate runs at {address}: nothing is in force")?;
            return Ok(Exit::Broke);
        }
        Look::Unanswered(problem) => {
            writeln!(err, "{address}: {problem}")?;
            return Ok(Exit::Broke);
        }
        Look::Unsettled(after) => {
            writeln!(
                err,
                "{address}: the files are not in force after {}: are they still being written? \
                 `sidegate status` says what is",
                duration(after)
            )?;
            return Ok(Exit::Broke);
        }
    };
    if whose == Whose::Other {
        let (settings, ours) = (&looked.settings, config.path.display());
        writeln!(err, "warning: what runs at {address} reads {settings}, not {ours}")?;
    }
    let number = looked.generation.number;
    let exit = if looked.failing.is_some() { Exit::Invalid } else { Exit::Fine };
    match (args.output, &looked.failing) {
        (Output::Json, failing) => {
            let shown = json!({
                "in_force": failing.is_none(),
                "generation": looked.generation,
                "duration_ms": took.as_micros() as f64 / 1000.0,
                "settings": looked.settings,
                "failing": failing,
            });
            serde_json::to_writer_pretty(&mut *out, &shown)?;
            writeln!(out)?;
        }
        (Output::Text, None) => {
            let since = &looked.generation.since;
            let took = duration(took);
            writeln!(
                out,
                "generation {number}, since {since}, holds the files as they are ({took})"
            )?;
        }
        (Output::Text, Some(failing)) => {
            told(&looked, err)?;
            let took = duration(took);
            let other = accepted.filter(|id| Some(id) != waiting(&looked).as_ref());
            match (other, args.accept.is_some() && failing.waiting.is_none()) {
                (Some(id), _) => writeln!(
                    err,
                    "the files are not what {id} stands for any more, and were refused again; \
                     generation {number} stays in force ({took})"
                )?,
                (None, true) => writeln!(
                    err,
                    "nothing here can be accepted; generation {number} stays in force ({took})"
                )?,
                (None, false) => {
                    writeln!(err, "refused; generation {number} stays in force ({took})")?;
                }
            }
        }
    }
    out.flush()?;
    Ok(exit)
}

fn waiting(looked: &Looked) -> Option<ChangeId> {
    ChangeId::parse(looked.failing.as_ref()?.waiting.as_ref()?)
}

fn told(looked: &Looked, err: &mut impl Write) -> io::Result<()> {
    let problems = looked.failing.iter().flat_map(|failing| &failing.problems);
    problems.into_iter().try_for_each(|problem| writeln!(err, "{problem}"))
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use super::*;
    use crate::cli::plane::tests::{looked, serve};

    fn run(admin: SocketAddr, timeout: u32, output: Output) -> (Exit, String, String) {
        accepting(admin, timeout, output, None)
    }

    fn accepting(
        admin: SocketAddr,
        timeout: u32,
        output: Output,
        accept: Option<Option<ChangeId>>,
    ) -> (Exit, String, String) {
        let folder = tempfile::tempdir().unwrap();
        let config = folder.path().join("sidegate.toml");
        let settings = format!(
            "policy = \"policy.toml\"\nkeys = \"keys.jsonl\"\nadmin.address = \"{admin}\"\n\
             upstream.app.urls = [\"http://127.0.0.1:9000\"]\n"
        );
        std::fs::write(&config, settings).unwrap();
        let (mut out, mut err) = (Vec::new(), Vec::new());
        let args = ReloadArgs { config: Some(config.clone()), accept, timeout, output };
        let exit = print(&args, &mut out, &mut err).unwrap();
        let config = config.canonicalize().unwrap().display().to_string();
        let text = |bytes| String::from_utf8(bytes).unwrap().replace(&config, "CONFIG");
        (exit, text(out), text(err))
    }

    #[test]
    fn what_runs_there_is_asked_until_it_knows() {
        let fine = looked(true, None);
        let (asked, server) =
            serve(vec![(202, looked(false, None)), (503, "{}".into()), (200, fine)]);
        let (exit, out, err) = run(asked, 30, Output::Text);
        assert_eq!(server.join().unwrap(), ["POST /reload HTTP/1.1"; 3]);
        assert_eq!(exit, Exit::Fine, "{err}");
        assert!(out.starts_with("generation 8, since A, holds the files as they are ("), "{out}");
        assert!(err.ends_with(" reads /etc/sidegate.toml, not CONFIG\n"), "{err}");
    }

    #[test]
    fn a_refusal_is_told_with_its_problems() {
        let refused = looked(true, Some("policy.toml:1:2: no"));
        for output in [Output::Text, Output::Json] {
            let (asked, server) = serve(vec![(200, refused.clone())]);
            let (exit, out, err) = run(asked, 30, output);
            server.join().unwrap();
            assert_eq!(exit, Exit::Invalid, "{err}");
            match output {
                Output::Text => {
                    assert!(err.contains("\npolicy.toml:1:2: no\nrefused; generation 8"), "{err}");
                }
                Output::Json => {
                    let json: serde_json::Value = serde_json::from_str(&out).unwrap();
                    assert_eq!(
                        (&json["in_force"], &json["generation"]["number"]),
                        (&false.into(), &8.into())
                    );
                }
            }
        }
    }

    /// What a process says that holds back the change of that id.
    fn held(id: &str) -> String {
        let mut said: serde_json::Value =
            serde_json::from_str(&looked(true, Some("too much"))).unwrap();
        said["failing"]["waiting"] = id.into();
        said.to_string()
    }

    #[test]
    fn a_change_that_waits_is_let_in_by_its_id_and_no_other() {
        let [one, other] = ["1", "2"].map(|digit| digit.repeat(32));
        let [this, broken, fine] = [held(&one), looked(true, Some("broken")), looked(true, None)];
        let changed = format!("the files are not what {one} stands for any more");
        let named = || Some(Some(ChangeId::parse(&one).unwrap()));
        let (ask, accept) =
            ("POST /reload HTTP/1.1", format!("POST /reload?accept={one} HTTP/1.1"));
        for (given, answers, asked, exit, told) in [
            (Some(None), vec![&this, &fine], vec![ask, &accept], Exit::Fine, "too much"),
            (Some(None), vec![&this, &held(&other)], vec![ask, &accept], Exit::Invalid, &*changed),
            (Some(None), vec![&this, &broken], vec![ask, &accept], Exit::Invalid, &changed),
            (Some(None), vec![&fine], vec![ask], Exit::Fine, ""),
            (Some(None), vec![&broken], vec![ask], Exit::Invalid, "nothing here can be accepted"),
            (named(), vec![&fine], vec![&*accept], Exit::Fine, ""),
            (named(), vec![&held(&other)], vec![&accept], Exit::Invalid, &changed),
            (named(), vec![&this], vec![&accept], Exit::Invalid, "\nrefused; generation 8"),
            (None, vec![&this], vec![ask], Exit::Invalid, "\nrefused; generation 8"),
        ] {
            let answers = answers.into_iter().map(|body| (200, body.clone())).collect();
            let (admin, server) = serve(answers);
            let (code, out, err) = accepting(admin, 30, Output::Text, given);
            assert_eq!(server.join().unwrap(), asked, "{err}");
            assert_eq!(code, exit, "{err}");
            assert!(err.contains(told), "{err}");
            assert_eq!(out.starts_with("generation 8"), exit == Exit::Fine, "{out}");
        }
    }

    #[test]
    fn nobody_and_strangers_are_told_apart() {
        for (answers, told) in [
            (vec![], "no sidegate runs at "),
            (vec![(200, "<html>".to_owned())], "this is not sidegate"),
            (vec![(404, "{}".to_owned())], "what runs there cannot be asked to look"),
            (vec![(500, "{}".to_owned())], "it answered /reload with status 500"),
            (vec![(202, looked(false, None))], "the files are not in force after 0 ms"),
        ] {
            let timeout = if told.contains("0 ms") { 0 } else { 30 };
            let (asked, server) = serve(if timeout == 0 { vec![] } else { answers });
            let (exit, out, err) = run(asked, timeout, Output::Text);
            server.join().unwrap();
            assert_eq!((exit, &*out), (Exit::Broke, ""));
            assert!(err.contains(told), "{err}");
        }
    }
}
