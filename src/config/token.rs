//! The file of the token that the operators' page asks for.

use std::path::Path;

use super::files::{Files, Reading};
use super::{Report, is_error};
use crate::admin::Token;
use crate::keystore::Permissions;
use crate::policy::{FileId, Problem};

/// Reads it.
///
/// # Errors
///
/// What is wrong with the file.
pub fn read_token(path: &Path, permissions: Permissions) -> Result<Token, Report> {
    let mut files = Files::default();
    let file = files.add(path);
    let (token, problems) = read(path, file, permissions);
    token.ok_or_else(|| Report::new(files, problems))
}

/// As [`read_token`]. A token with problems that are errors is none.
pub(super) fn read(
    path: &Path,
    file: FileId,
    permissions: Permissions,
) -> (Option<Token>, Vec<Problem>) {
    let hint =
        "`openssl rand -hex 32 > FILE` makes one, `[admin] token` in `sidegate.toml` names it";
    let reading = Reading { path, file, limit: 1024, missing: hint, large: hint };
    let (bytes, metadata) = match reading.bytes() {
        Ok(read) => read,
        Err(problem) => return (None, vec![problem]),
    };
    let mut problems: Vec<_> = permissions.judge(path, &metadata, file).into_iter().collect();
    let token = Token::parse(&String::from_utf8_lossy(&bytes));
    if let Err(wrong) = &token {
        problems.push(reading.problem(wrong.clone()).hint(hint));
    }
    let refused = problems.iter().any(is_error);
    (token.ok().filter(|_| !refused), problems)
}

#[cfg(test)]
mod tests {
    use std::fs::{self, Permissions as Mode};
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn only_a_long_private_text_is_a_token() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("admin.token");
        let long = "0123456789abcdef0123456789abcdef\n";
        for (text, mode, expected) in [
            (long, 0o600, ""),
            (long, 0o644, "mode 0644 lets group or others read or write it"),
            ("short\n", 0o600, "has 5 characters, not 24 to 256"),
            ("", 0o600, "has 0 characters, not 24 to 256"),
            ("0123456789abcdef 0123456789abcdef", 0o600, "is not visible ASCII"),
        ] {
            fs::write(&path, text).unwrap();
            fs::set_permissions(&path, Mode::from_mode(mode)).unwrap();
            let told = read_token(&path, Permissions::Private).err();
            let told = told.map(|report| report.to_string()).unwrap_or_default();
            assert_eq!(told.is_empty(), expected.is_empty(), "{told}");
            assert!(told.contains(expected), "{told}");
        }
        assert!(read_token(&folder.path().join("no"), Permissions::Private).is_err());
    }
}
