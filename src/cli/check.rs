//! `sidegate check`: every problem of every file, without serving.

use std::io::{self, Write};

use clap::Args;
use serde::Serialize;

use super::{Exit, FileArgs, Output};
use crate::config::{self, Loaded, Report};

#[derive(Debug, Args)]
pub(super) struct CheckArgs {
    #[command(flatten)]
    files: FileArgs,
    /// How the outcome is printed: problems to standard error, JSON to standard output
    #[arg(long, value_enum, default_value_t = Output::Text)]
    output: Output,
}

/// What a policy holds, as scripts read it.
#[derive(Debug, Serialize)]
struct Outcome<'a> {
    ok: bool,
    workspaces: Option<usize>,
    routes: Option<usize>,
    keys: Option<usize>,
    #[serde(flatten)]
    report: &'a Report,
}

/// Checks and prints. Warnings are fine.
pub(super) fn run(args: &CheckArgs) -> Exit {
    let mut err = io::stderr().lock();
    super::printed(print(args, &mut io::stdout().lock(), &mut err), &mut err)
}

fn print(args: &CheckArgs, out: &mut impl Write, err: &mut impl Write) -> io::Result<Exit> {
    let opened = config::open(&args.files.path(), args.files.permissions());
    let opened = opened.map(|(_, loaded)| loaded);
    match args.output {
        Output::Text => text(&opened, out, err)?,
        Output::Json => {
            let (loaded, report) = match &opened {
                Ok(loaded) => (Some(&loaded.snapshot), &loaded.report),
                Err(report) => (None, report),
            };
            let outcome = Outcome {
                ok: loaded.is_some(),
                workspaces: loaded.map(|snapshot| snapshot.workspace_count()),
                routes: loaded.map(|snapshot| snapshot.route_count()),
                keys: loaded.map(|snapshot| snapshot.key_count()),
                report,
            };
            serde_json::to_writer_pretty(&mut *out, &outcome)?;
            writeln!(out)?;
        }
    }
    out.flush()?;
    Ok(if opened.is_ok() { Exit::Fine } else { Exit::Invalid })
}

fn text(
    opened: &Result<Loaded, Report>,
    out: &mut impl Write,
    err: &mut impl Write,
) -> io::Result<()> {
    match opened {
        Ok(Loaded { snapshot, report, .. }) => {
            write!(err, "{report}")?;
            let counts = [
                counted(snapshot.workspace_count(), "workspace"),
                counted(snapshot.route_count(), "route"),
                counted(snapshot.key_count(), "key"),
            ];
            write!(out, "ok: {}", counts.join(", "))?;
            match report.warnings() {
                0 => writeln!(out),
                warnings => writeln!(out, ", {}", counted(warnings, "warning")),
            }
        }
        Err(report) => {
            write!(err, "{report}")?;
            writeln!(err, "{}", total(report))
        }
    }
}

/// `5 errors`, or `5 errors, 1 warning`.
fn total(report: &Report) -> String {
    let errors = counted(report.errors(), "error");
    match report.warnings() {
        0 => errors,
        warnings => format!("{errors}, {}", counted(warnings, "warning")),
    }
}

fn counted(number: usize, what: &str) -> String {
    match number {
        1 => format!("1 {what}"),
        number => format!("{number} {what}s"),
    }
}

#[cfg(test)]
mod tests {
    use std::path::{Path, PathBuf};

    use super::*;
    use crate::cli::init;

    fn check(config: &Path, output: Output) -> (Exit, String, String) {
        let files = FileArgs { config: Some(config.to_owned()), ..FileArgs::default() };
        let args = CheckArgs { files, output };
        let (mut out, mut err) = (Vec::new(), Vec::new());
        let code = print(&args, &mut out, &mut err).unwrap();
        let [out, err] = [out, err].map(|bytes| String::from_utf8(bytes).unwrap());
        (code, out, err)
    }

    fn starter() -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let args = init::InitArgs { directory: folder.path().to_owned() };
        assert_eq!(init::print(&args, &mut Vec::new(), &mut Vec::new()).unwrap(), Exit::Fine);
        let config = folder.path().join("sidegate.toml");
        (folder, config)
    }

    #[test]
    fn a_starter_is_fine() {
        let (_folder, config) = starter();
        let (code, out, err) = check(&config, Output::Text);
        assert_eq!((code, err.as_str()), (Exit::Fine, ""), "{out}");
        assert!(out.starts_with("ok: "), "{out}");
        let (code, out, _) = check(&config, Output::Json);
        let outcome: serde_json::Value = serde_json::from_str(&out).unwrap();
        assert_eq!(
            (code, &outcome["ok"], &outcome["errors"]),
            (Exit::Fine, &true.into(), &0.into())
        );
    }

    #[test]
    fn problems_are_printed_and_counted() {
        let (folder, config) = starter();
        let policy = folder.path().join("policy.toml");
        let text = std::fs::read_to_string(&policy).unwrap();
        std::fs::write(&policy, text.replacen("bypass = true", "bypas = true", 1)).unwrap();
        let (code, out, err) = check(&config, Output::Text);
        assert_eq!((code, out.as_str()), (Exit::Invalid, ""));
        assert!(err.contains("unknown field `bypas` — did you mean `bypass`?"), "{err}");
        assert!(err.ends_with("\n1 error\n"), "{err}");
        let (code, out, err) = check(&config, Output::Json);
        let outcome: serde_json::Value = serde_json::from_str(&out).unwrap();
        assert_eq!((code, err.as_str(), &outcome["ok"]), (Exit::Invalid, "", &false.into()));
        assert_eq!(outcome["problems"][0]["hint"], "did you mean `bypass`?");
        assert_eq!(outcome["problems"][0]["severity"], "error");
    }

    /// A route with a fault of its own once hid that no order could separate it from another.
    #[test]
    fn five_mistakes_of_five_kinds_are_told_together() {
        let (folder, config) = starter();
        let change = |file: &str, changes: &[(&str, &str)]| {
            let path = folder.path().join(file);
            let mut text = std::fs::read_to_string(&path).unwrap();
            for (from, to) in changes {
                assert!(text.contains(from), "{from}");
                text = text.replacen(from, to, 1);
            }
            std::fs::write(path, text).unwrap();
        };
        let mistakes = [
            ("name = \"members\"", "nmae = \"members\""),
            ("permission = \"reports\"", "permission = \"report\""),
            ("to = \"group:analysts\"", "to = \"account:svc-nigthly\""),
            ("prefix = \"/vault/reports\"", "prefix = \"/vault\""),
        ];
        change("policy.toml", &mistakes);
        change("keys.jsonl", &[("\"environment\":\"production\"", "\"environment\":\"staging\"")]);
        let (code, out, err) = check(&config, Output::Text);
        assert_eq!((code, out.as_str()), (Exit::Invalid, ""));
        let told = [
            "account `svc-nigthly` is not a member of the workspace — did you mean `svc-nightly`?",
            "no order can separate it from route `vault`",
            "unknown permission `report` of product `vault` — did you mean `reports`?",
            "unknown field `nmae` — did you mean `name`?",
            "environment `staging` is not that of workspace `acme` (`production`)",
        ];
        for (line, told) in err.lines().zip(told) {
            assert!(line.contains(told), "{line}");
        }
        assert!(err.ends_with("\n5 errors\n"), "{err}");
    }

    #[test]
    fn no_configuration_is_invalid() {
        let folder = tempfile::tempdir().unwrap();
        let (code, _, err) = check(&folder.path().join("sidegate.toml"), Output::Text);
        assert_eq!(code, Exit::Invalid);
        assert!(err.contains("no such file — name it with `-c FILE`, or"), "{err}");
    }
}
