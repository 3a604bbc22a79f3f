//! `sidegate init DIR`: files to start from.
//!
//! JSON is one object: `wrote` (the files), and of the first key `id`, `key` (its text, shown this
//! once), `workspace`, `account` and `expires`.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use clap::Args;
use serde::Serialize;

use super::key::Wanted;
use super::{Exit, Output};
use crate::clock;
use crate::keystore::{ApiKey, Permissions, Record, Store, Timestamp};
use crate::policy::UnixSeconds;

/// Name and text of each file that is the same for everybody.
const FILES: [(&str, &str); 2] = [
    ("sidegate.toml", include_str!("starter/sidegate.toml")),
    ("policy.toml", include_str!("starter/policy.toml")),
];
/// Seconds for which the first key is good: 90 days.
const FIRST_KEY: i64 = 90 * 24 * 60 * 60;
/// The key file: it is made with a first key in it.
const KEYS: &str = "keys.jsonl";

#[derive(Debug, Args)]
pub(super) struct InitArgs {
    /// The directory to write into; made if it is not there
    #[arg(value_name = "DIR")]
    pub(super) directory: PathBuf,
    /// For people or for scripts
    #[arg(long, value_enum, default_value_t = Output::Text)]
    pub(super) output: Output,
}

/// What was made, as scripts read it.
#[derive(Serialize)]
struct Made<'a> {
    wrote: Vec<String>,
    id: &'a str,
    key: &'a str,
    workspace: &'a str,
    account: &'a str,
    expires: Option<Timestamp>,
}

/// Writes the files and says what to do next.
pub(super) fn run(args: &InitArgs) -> Exit {
    let mut err = io::stderr().lock();
    super::printed(print(args, &mut io::stdout().lock(), &mut err), &mut err)
}

pub(super) fn print(
    args: &InitArgs,
    out: &mut impl Write,
    err: &mut impl Write,
) -> io::Result<Exit> {
    if let Err((path, error)) = write(&args.directory) {
        writeln!(err, "{}: {}", path.display(), reason(&error))?;
        return Ok(Exit::Broke);
    }
    let first = Wanted {
        workspace: "acme",
        account: "svc-nightly",
        environment: "production",
        expires: Timestamp::new(UnixSeconds(clock::now().0.saturating_add(FIRST_KEY))),
        ..Wanted::default()
    };
    let store = Store::new(args.directory.join(KEYS), Permissions::Private);
    match first.make(&store, None, clock::now()) {
        Ok((key, record)) => {
            let printed = match args.output {
                Output::Json => json(&args.directory, &key, &record, out),
                Output::Text => say(&args.directory, &key, out),
            };
            if let Err(error) = printed.and_then(|()| out.flush()) {
                writeln!(err, "cannot print the key: {error} — it is lost: make another one")?;
                return Ok(Exit::Broke);
            }
            Ok(Exit::Fine)
        }
        Err(failure) => {
            write!(err, "{failure}")?;
            Ok(failure.exit())
        }
    }
}

/// Writes all files, or none where one of them stands there already.
fn write(directory: &Path) -> Result<(), (PathBuf, io::Error)> {
    let at = |path: &Path| {
        let path = path.to_owned();
        move |error| (path, error)
    };
    fs::create_dir_all(directory).map_err(at(directory))?;
    let paths = FILES.map(|(name, _)| directory.join(name));
    let keys = directory.join(KEYS);
    if let Some(path) = paths.iter().chain([&keys]).find(|path| path.symlink_metadata().is_ok()) {
        return Err(at(path)(io::ErrorKind::AlreadyExists.into()));
    }
    for ((_, text), path) in FILES.iter().zip(&paths) {
        let file = OpenOptions::new().write(true).create_new(true).open(path);
        file.and_then(|mut file| file.write_all(text.as_bytes())).map_err(at(path))?;
    }
    Ok(())
}

fn wrote(directory: &Path) -> Vec<String> {
    let names = FILES.map(|(name, _)| name).into_iter().chain([KEYS]);
    names.map(|name| directory.join(name).display().to_string()).collect()
}

fn json(
    directory: &Path,
    key: &ApiKey,
    record: &Record<'_>,
    out: &mut impl Write,
) -> io::Result<()> {
    let made = Made {
        wrote: wrote(directory),
        id: &record.id,
        key: key.expose(),
        workspace: &record.workspace,
        account: &record.account,
        expires: record.expires,
    };
    serde_json::to_writer_pretty(&mut *out, &made)?;
    writeln!(out)
}

fn say(directory: &Path, key: &ApiKey, out: &mut impl Write) -> io::Result<()> {
    for path in wrote(directory) {
        writeln!(out, "wrote {path}")?;
    }
    writeln!(out, "\na first key, of `svc-nightly` in `acme`, good for 90 days, shown this once:")?;
    writeln!(out, "  {}", key.expose())?;
    let config = directory.join("sidegate.toml");
    let config = config.display();
    writeln!(out, "\nnext:")?;
    writeln!(out, "  sidegate check -c {config}")?;
    writeln!(out, "  sidegate serve -c {config}")?;
    writeln!(out, "  sidegate key create -c {config} --workspace acme --account alice@acme.example")
}

fn reason(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::AlreadyExists => {
            "stands there already — nothing was written; name another directory".to_owned()
        }
        _ => format!("cannot be written: {}", super::trouble(error)),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn files_are_written_once() {
        let folder = tempfile::tempdir().unwrap();
        let directory = folder.path().join("new/etc");
        let args = InitArgs { directory: directory.clone(), output: Output::Text };
        let (mut out, mut err) = (Vec::new(), Vec::new());
        assert_eq!(print(&args, &mut out, &mut err).unwrap(), Exit::Fine);
        for (name, text) in FILES {
            assert_eq!(fs::read_to_string(directory.join(name)).unwrap(), text);
        }
        let keys = directory.join(KEYS);
        assert_eq!(fs::metadata(&keys).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::read_to_string(&keys).unwrap().lines().count(), 1);
        assert_eq!(print(&args, &mut out, &mut err).unwrap(), Exit::Broke);
        let expected = format!(
            "{}: stands there already — nothing was written; name another directory\n",
            directory.join("sidegate.toml").display()
        );
        assert_eq!(String::from_utf8(err).unwrap(), expected);
    }

    #[test]
    fn nothing_is_overwritten_and_nothing_half_written() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("keys.jsonl"), "mine").unwrap();
        let (path, error) = write(folder.path()).unwrap_err();
        assert!(path.ends_with("keys.jsonl") && error.kind() == io::ErrorKind::AlreadyExists);
        assert_eq!(fs::read_to_string(path).unwrap(), "mine");
        assert!(!folder.path().join("policy.toml").exists());
    }

    #[test]
    fn a_file_in_the_way_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        fs::write(&file, "").unwrap();
        assert_eq!(write(&file).unwrap_err().0, file);
    }

    #[test]
    fn the_next_commands_are_said() {
        let (key, mut out) = (ApiKey::generate("production").unwrap(), Vec::new());
        say(Path::new("etc"), &key, &mut out).unwrap();
        let text = String::from_utf8(out).unwrap().replace(key.expose(), "sg_production_…");
        insta::assert_snapshot!(text);
    }
}
