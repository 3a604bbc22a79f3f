//! `sidegate reload`: has a running process look at its files now, and waits for what comes of it.
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
use crate::{clock, config};

#[derive(Debug, Args)]
pub(super) struct ReloadArgs {
    /// Its settings [default: config/sidegate.toml, then /etc/sidegate/sidegate.toml]
    #[arg(short, long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// How long to wait at most
    #[arg(long, value_name = "SECONDS", default_value_t = 30)]
    timeout: u32,
    /// For people or for scripts
    #[arg(long, value_enum, default_value_t = Output::Text)]
    output: Output,
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
    let look = plane::look(&config, Duration::from_secs(args.timeout.into()));
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
            for problem in &failing.problems {
                writeln!(err, "{problem}")?;
            }
            let took = duration(took);
            writeln!(err, "refused; generation {number} stays in force ({took})")?;
        }
    }
    out.flush()?;
    Ok(exit)
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use super::*;
    use crate::cli::plane::tests::{looked, serve};

    fn run(admin: SocketAddr, timeout: u32, output: Output) -> (Exit, String, String) {
        let folder = tempfile::tempdir().unwrap();
        let config = folder.path().join("sidegate.toml");
        let settings = format!(
            "policy = \"policy.toml\"\nkeys = \"keys.jsonl\"\nadmin.address = \"{admin}\"\n\
             upstream.app.urls = [\"http://127.0.0.1:9000\"]\n"
        );
        std::fs::write(&config, settings).unwrap();
        let (mut out, mut err) = (Vec::new(), Vec::new());
        let args = ReloadArgs { config: Some(config.clone()), timeout, output };
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
