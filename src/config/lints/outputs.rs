//! What `serve` is to write, and whether it could: looked at, never tried.

use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::FileTypeExt as _;
use std::path::Path;

use rustix::fs::{Access, AtFlags, CWD, accessat};

use crate::config::Config;
use crate::policy::{Lint, Place, Problem};

/// Files that are added to, and a folder that is filled, where this process could not do it.
pub(super) fn check(config: &Config) -> Vec<Problem> {
    let audit = config.audit.as_ref().map(|audit| audit.file.as_path());
    let files = [("`audit.file`", audit), ("`last_used`", config.last_used.as_deref())];
    let files = files.into_iter().filter_map(|(field, path)| Some((field, path?, added_to(path?))));
    let folder = config.reload.last_good.as_deref();
    let folder = folder.map(|path| ("`reload.last_good`", path, filled(path)));
    files
        .chain(folder)
        .filter_map(|(field, path, judged)| Some(problem(field, path, judged.err()?)))
        .collect()
}

fn problem(field: &str, path: &Path, (why, hint): Fault) -> Problem {
    let message = format!("{field}: `{}` cannot be written: {why}", path.display());
    Problem::warning(Lint::Unwritable, Place::default(), message).hint(hint)
}

/// What is wrong, and the way out.
type Fault = (String, String);

/// A file, or where there is none the folder that it is to be made in.
fn added_to(path: &Path) -> Result<(), Fault> {
    match found(path)? {
        Some(metadata) if metadata.is_dir() || metadata.file_type().is_fifo() => {
            Err(("it is no file that can be added to".to_owned(), "name a file".to_owned()))
        }
        Some(_) => allowed(path, Access::WRITE_OK),
        None => {
            let folder = above(path);
            match found(folder)? {
                Some(_) => allowed(folder, Access::WRITE_OK | Access::EXEC_OK),
                None => {
                    let folder = folder.display();
                    Err((format!("there is no folder `{folder}`"), format!("`mkdir -p {folder}`")))
                }
            }
        }
    }
}

/// A folder, or where there is none the nearest above that it is to be made in.
fn filled(path: &Path) -> Result<(), Fault> {
    match found(path)? {
        Some(metadata) if !metadata.is_dir() => {
            Err((format!("`{}` is no folder", path.display()), "name a folder".to_owned()))
        }
        Some(_) => allowed(path, Access::WRITE_OK | Access::EXEC_OK),
        None if above(path) == path => Ok(()),
        None => filled(above(path)),
    }
}

fn above(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if parent.as_os_str().is_empty() => Path::new("."),
        Some(parent) => parent,
        None => path,
    }
}

fn found(path: &Path) -> Result<Option<Metadata>, Fault> {
    match fs::metadata(path) {
        Ok(metadata) => Ok(Some(metadata)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) if error.kind() == io::ErrorKind::NotADirectory => Err((
            "a part of its path is not a folder".to_owned(),
            "mend the path, or move that file".to_owned(),
        )),
        Err(error) => Err(refused(path, error)),
    }
}

fn allowed(path: &Path, access: Access) -> Result<(), Fault> {
    // By the user whose rights writing has.
    accessat(CWD, path, access, AtFlags::EACCESS).map_err(|error| refused(path, error.into()))
}

fn refused(path: &Path, error: io::Error) -> Fault {
    let path = path.display();
    let why = match error.kind() {
        io::ErrorKind::PermissionDenied => format!("no permission on `{path}`"),
        io::ErrorKind::ReadOnlyFilesystem => format!("the file system of `{path}` is read-only"),
        _ => format!("`{path}`: {error}"),
    };
    (why, "name another, or run `check` as the user that serves".to_owned())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn what_could_be_written_is_found_without_writing() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::write(at("file"), "").unwrap();
        fs::create_dir(at("folder")).unwrap();
        let before = fs::read_dir(folder.path()).unwrap().count();
        for (path, expected) in [
            ("file", None),
            ("new", None),
            ("folder", Some("it is no file that can be added to")),
            ("none/new", Some("there is no folder")),
            ("file/new", Some("a part of its path is not a folder")),
        ] {
            let judged = added_to(&at(path)).err();
            let why = judged.as_ref().map(|(why, _)| why.as_str());
            assert_eq!(why.is_some(), expected.is_some(), "{path}: {judged:?}");
            assert!(why.unwrap_or("").starts_with(expected.unwrap_or("")), "{path}: {judged:?}");
        }
        for (path, fine) in [("folder", true), ("a/b/c", true), ("file", false), ("file/b", false)]
        {
            assert_eq!(filled(&at(path)).is_ok(), fine, "{path}");
        }
        assert_eq!(added_to(Path::new("/dev/null")), Ok(()));
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), before);
        assert_eq!(fs::metadata(at("file")).unwrap().len(), 0);
    }

    #[test]
    fn rights_are_those_of_who_writes() {
        let folder = tempfile::tempdir().unwrap();
        let locked = folder.path().join("locked");
        fs::create_dir(&locked).unwrap();
        fs::set_permissions(&locked, fs::Permissions::from_mode(0o500)).unwrap();
        // Root may write anywhere, so it says what it could do.
        let could = fs::write(locked.join("tried"), "").is_ok();
        assert_eq!(added_to(&locked.join("new")).is_ok(), could);
        assert_eq!(filled(&locked.join("new")).is_ok(), could);
    }
}
