//! The pepper file: 32 bytes, kept from others.

use std::path::Path;

use super::files::Reading;
use crate::keystore::Permissions;
use crate::policy::key::Pepper;
use crate::policy::{FileId, Problem, Severity};

/// Reads it. A pepper with problems that are errors is none.
pub(super) fn read(
    path: &Path,
    file: FileId,
    permissions: Permissions,
) -> (Option<Pepper>, Vec<Problem>) {
    let hint = "`head -c 32 /dev/urandom > FILE` makes one, `pepper` in `sidegate.toml` names it";
    let reading = Reading { path, file, limit: 32, missing: hint, large: hint };
    let (bytes, metadata) = match reading.bytes() {
        Ok(read) => read,
        Err(problem) => return (None, vec![problem]),
    };
    let mut problems: Vec<_> = permissions.judge(path, &metadata, file).into_iter().collect();
    let pepper = <[u8; 32]>::try_from(bytes).map(Pepper::new);
    if let Err(bytes) = &pepper {
        problems.push(reading.problem(format!("has {} bytes, not 32", bytes.len())).hint(hint));
    }
    let refused = problems.iter().any(|problem| problem.severity == Severity::Error);
    (pepper.ok().filter(|_| !refused), problems)
}

#[cfg(test)]
mod tests {
    use std::fs::{self, Permissions as Mode};
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn only_32_private_bytes_are_a_pepper() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("pepper.bin");
        let cases = [
            (32, 0o600, Permissions::Private, true, vec![]),
            (32, 0o400, Permissions::Private, true, vec![]),
            (
                32,
                0o640,
                Permissions::Private,
                false,
                vec!["mode 0640 lets group or others read or write it"],
            ),
            (
                32,
                0o644,
                Permissions::Insecure,
                true,
                vec!["mode 0644 lets group or others read or write it"],
            ),
            (31, 0o600, Permissions::Private, false, vec!["has 31 bytes, not 32"]),
            (0, 0o600, Permissions::Private, false, vec!["has 0 bytes, not 32"]),
            (33, 0o600, Permissions::Private, false, vec!["is larger than 32 bytes"]),
        ];
        for (length, mode, permissions, expected, told) in cases {
            fs::write(&path, vec![7; length]).unwrap();
            fs::set_permissions(&path, Mode::from_mode(mode)).unwrap();
            let (pepper, problems) = read(&path, FileId(0), permissions);
            let messages: Vec<_> = problems.iter().map(|p| p.message.as_str()).collect();
            assert_eq!((pepper.is_some(), messages), (expected, told), "{length} {mode:o}");
        }
        let (none, problems) = read(&folder.path().join("no"), FileId(0), Permissions::Private);
        assert!(none.is_none() && problems[0].message == "no such file");
    }
}
