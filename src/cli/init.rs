//! `sidegate init DIR`: files to start from.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use clap::Args;

/// Everything was written.
const FINE: u8 = 0;
/// Something could not be written, or stands there already.
const BROKE: u8 = 1;

/// Name, mode and text of each file.
const FILES: [(&str, u32, &str); 3] = [
    ("sidegate.toml", 0o644, include_str!("starter/sidegate.toml")),
    ("policy.toml", 0o644, include_str!("starter/policy.toml")),
    ("keys.jsonl", 0o600, ""),
];

/// `sidegate init`
#[derive(Debug, Args)]
pub struct InitArgs {
    /// The directory to write into; made if it is not there
    #[arg(value_name = "DIR")]
    pub directory: PathBuf,
}

/// Writes the files, says what to do next, and returns the exit code.
pub fn run(args: &InitArgs) -> u8 {
    print(args, &mut io::stdout().lock(), &mut io::stderr().lock()).unwrap_or(BROKE)
}

pub(super) fn print(args: &InitArgs, out: &mut impl Write, err: &mut impl Write) -> io::Result<u8> {
    match write(&args.directory) {
        Ok(()) => {
            say(&args.directory, out)?;
            Ok(FINE)
        }
        Err((path, error)) => {
            writeln!(err, "{}: {}", path.display(), reason(&error))?;
            Ok(BROKE)
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
    let paths = FILES.map(|(name, ..)| directory.join(name));
    if let Some(path) = paths.iter().find(|path| path.symlink_metadata().is_ok()) {
        return Err(at(path)(io::ErrorKind::AlreadyExists.into()));
    }
    for ((_, mode, text), path) in FILES.iter().zip(&paths) {
        let mut options = OpenOptions::new();
        let file = options.write(true).create_new(true).mode(*mode).open(path);
        file.and_then(|mut file| file.write_all(text.as_bytes())).map_err(at(path))?;
    }
    Ok(())
}

fn say(directory: &Path, out: &mut impl Write) -> io::Result<()> {
    for (name, ..) in FILES {
        writeln!(out, "wrote {}", directory.join(name).display())?;
    }
    let config = directory.join("sidegate.toml");
    let config = config.display();
    writeln!(out, "\nnext:")?;
    writeln!(out, "  sidegate check -c {config}")?;
    writeln!(out, "  sidegate key create -c {config} --workspace acme --account svc-nightly")?;
    writeln!(out, "  sidegate serve -c {config}")
}

fn reason(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::AlreadyExists => {
            "stands there already — nothing was written; name another directory".to_owned()
        }
        _ => format!("cannot be written: {error}"),
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
        let args = InitArgs { directory: directory.clone() };
        let (mut out, mut err) = (Vec::new(), Vec::new());
        assert_eq!(print(&args, &mut out, &mut err).unwrap(), FINE);
        for (name, mode, text) in FILES {
            let path = directory.join(name);
            assert_eq!(fs::read_to_string(&path).unwrap(), text);
            let written = fs::metadata(&path).unwrap().permissions().mode();
            assert_eq!(written & 0o077 & !mode, 0, "{name} {written:o}");
        }
        assert_eq!(print(&args, &mut out, &mut err).unwrap(), BROKE);
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
        let mut out = Vec::new();
        say(Path::new("etc"), &mut out).unwrap();
        insta::assert_snapshot!(String::from_utf8(out).unwrap());
    }
}
