//! `policy.toml`, or a directory of `*.toml` read as one, to a draft.
//!
//! Each file says `version = 1` by itself. Files of a directory are read in the order of their
//! names, which is the order of their routes; names that start with a dot are skipped (Kubernetes
//! keeps `..data` there), symbolic links are followed. One table stands in one file: what a role
//! gives or who is in a workspace is read in one place.
//!
//! INVARIANT: what is left out of the draft was told as a problem, so a draft with gaps is never
//! put in force. Shapes are judged here, names by [`compile`](crate::policy::compile).

mod catalogue;
mod grant;
mod route;
mod workspace;

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use super::allow;
use super::fields::Fields;
use super::files::{Files, Reading};
use super::page::{Notes, Page};
use crate::policy::draft::Draft;
use crate::policy::{At, Place, Problem};

/// Bytes of all policy files together: 64 MiB.
const LARGEST_POLICY: u64 = 64 << 20;

/// Bytes of one of them: 16 MiB. While a file is read, its tree takes 35 to 70 times its size.
const LARGEST_FILE: u64 = 16 << 20;

/// Files of a policy's directory.
const MOST_FILES: usize = 10_000;

const MISSING: &str = "`policy` in `sidegate.toml` says where it is";
const LARGE: &str = "a policy can be a directory of smaller files";

/// A text that is read in the place of a file's.
#[derive(Debug, Clone, Copy)]
pub(super) struct Instead<'a> {
    /// The file.
    pub(super) path: &'a Path,
    /// The text.
    pub(super) text: &'a str,
}

/// The files that are read, in order.
///
/// # Errors
///
/// Where the directory cannot be read.
pub(super) fn files_of(path: &Path) -> io::Result<Vec<PathBuf>> {
    if path.is_dir() { names(path) } else { Ok(vec![path.to_owned()]) }
}

/// Reads all of it. The first id that it takes from `files` is that of `path` itself; where that is
/// a directory, those of its files follow.
pub(super) fn read(path: &Path, instead: Option<Instead<'_>>, files: &mut Files) -> (Draft, Notes) {
    let whole = files.add(path);
    let reading =
        Reading { path, file: whole, limit: LARGEST_FILE, missing: MISSING, large: LARGE };
    let mut reader = Reader { instead, ..Reader::default() };
    if !path.is_dir() {
        reader.file(reading, files);
        return (reader.draft, reader.notes);
    }
    match names(path) {
        Err(error) => reader.unreadable(reading.unreadable(&error)),
        Ok(paths) if paths.is_empty() => {
            let problem = reading.problem("no `*.toml` file in this directory");
            reader.unreadable(problem.hint("put `policy.toml` there"));
        }
        Ok(paths) if paths.len() > MOST_FILES => {
            reader.unreadable(reading.problem(format!("more than {MOST_FILES} `*.toml` files")));
        }
        Ok(paths) => paths.iter().for_each(|path| {
            let file = files.add(path);
            reader.file(Reading { path, file, ..reading }, files);
        }),
    }
    (reader.draft, reader.notes)
}

/// What is wrong with one page by itself goes to its notes.
#[cfg(test)]
pub(super) fn read_fields(fields: Fields<'_>, files: &Files) -> Draft {
    let mut reader = Reader::default();
    reader.page(fields, files);
    reader.draft
}

/// The files of a policy's directory, in the order of their names.
pub(super) fn names(directory: &Path) -> io::Result<Vec<PathBuf>> {
    let mut paths = Vec::new();
    for entry in directory.read_dir()? {
        let entry = entry?;
        let hidden = entry.file_name().as_encoded_bytes().starts_with(b".");
        let path = entry.path();
        if !hidden && path.extension().is_some_and(|extension| extension == "toml") {
            paths.push(path);
        }
    }
    paths.sort();
    Ok(paths)
}

/// The draft so far, and where its tables stand.
#[derive(Debug, Default)]
struct Reader<'a> {
    instead: Option<Instead<'a>>,
    draft: Draft,
    notes: Notes,
    declared: BTreeMap<(&'static str, String), Place>,
    bytes: u64,
}

impl Reader<'_> {
    fn file(&mut self, reading: Reading<'_>, files: &Files) {
        if self.bytes > LARGEST_POLICY {
            return;
        }
        let instead = self.instead.filter(|instead| instead.path == reading.path);
        let text = match instead.map_or_else(|| reading.text(), |it| Ok(it.text.to_owned())) {
            Ok(text) => text,
            Err(problem) => return self.unreadable(problem),
        };
        self.bytes += text.len() as u64;
        if self.bytes > LARGEST_POLICY {
            let limit = LARGEST_POLICY >> 20;
            let problem = reading.problem(format!("with it the policy is larger than {limit} MiB"));
            return self.unreadable(problem);
        }
        let (page, root) = Page::parse(reading.file, &text);
        self.page(Fields::root(&page, &root), files);
        self.notes.absorb(page.into_notes());
    }

    fn unreadable(&mut self, problem: Problem) {
        self.notes.problems.push(problem);
        self.notes.hollow = true;
    }

    fn page(&mut self, mut fields: Fields<'_>, files: &Files) {
        if !speaks_version_1(&mut fields) {
            return;
        }
        self.settings(&mut fields, files);
        for (name, table) in fields.tables("role") {
            let role = catalogue::role(name, table);
            if self.is_first("role", &role.name, &fields, files) {
                self.draft.roles.push(role);
            }
        }
        for (name, table) in fields.tables("product") {
            let product = catalogue::product(name, table);
            if self.is_first("product", &product.name, &fields, files) {
                self.draft.products.push(product);
            }
        }
        for (name, table) in fields.tables("account") {
            let account = catalogue::account(name, table);
            if self.is_first("account", &account.name, &fields, files) {
                self.draft.accounts.push(account);
            }
        }
        for (name, table) in fields.tables("workspace") {
            let first = self.is_first("workspace", &name, &fields, files);
            self.draft.workspaces.extend(workspace::read(name, table).filter(|_| first));
        }
        self.draft.routes.extend(fields.list("route").into_iter().filter_map(route::read));
        self.draft.allows.extend(allow::allows(&mut fields));
        fields.finish();
    }

    fn settings(&mut self, fields: &mut Fields<'_>, files: &Files) {
        if let Some(value) = fields.value("areas") {
            let place = fields.place_of(value);
            match fields.as_texts("areas", value) {
                None => fields.page().hollow(),
                Some(areas)
                    if self.is_first("", &At::new("areas".into(), place), fields, files) =>
                {
                    self.draft.areas = areas;
                }
                Some(_) => {}
            }
        }
        if let Some(value) = fields.value("hide_none") {
            let place = fields.place_of(value);
            self.is_first("", &At::new("hide_none".into(), place), fields, files);
            self.draft.hide_none |= fields.flag("hide_none");
        }
    }

    /// Whether `name` was not declared before; says where if it was.
    fn is_first(
        &mut self,
        kind: &'static str,
        name: &At<String>,
        fields: &Fields<'_>,
        files: &Files,
    ) -> bool {
        let first = *self.declared.entry((kind, name.value.clone())).or_insert(name.place);
        if first != name.place {
            let what = format!("{kind} `{}`", name.value);
            let message = format!("{} stands in {} too", what.trim_start(), files.show(first));
            fields.report(Problem::error(name.place, message).hint("keep it in one file"));
        }
        first == name.place
    }
}

/// Another version is another language: nothing else on its page is read.
pub(super) fn speaks_version_1(fields: &mut Fields<'_>) -> bool {
    if !fields.has("version") {
        let problem = Problem::error(fields.place(), "`version` is missing");
        fields.absent(problem.hint("begin the file with `version = 1`"), &["version"]);
    }
    match fields.number("version", 0..=u64::MAX) {
        Some(version) if version.value != 1 => {
            let message = format!("version `{}` is not known", version.value);
            fields.report(Problem::error(version.place, message).hint("write `version = 1`"));
            fields.page().hollow();
            false
        }
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_read_until_their_sum_is_too_large() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("policy.toml");
        std::fs::write(&path, "version = 1\n[role.a]\n").unwrap();
        let mut files = Files::default();
        let file = files.add(&path);
        let reading =
            Reading { path: &path, file, limit: LARGEST_FILE, missing: MISSING, large: LARGE };
        let mut reader = Reader { bytes: LARGEST_POLICY - 20, ..Reader::default() };
        reader.file(reading, &files);
        reader.file(reading, &files);
        let messages: Vec<_> = reader.notes.problems.iter().map(|p| p.message.as_str()).collect();
        assert_eq!(messages, ["with it the policy is larger than 64 MiB"]);
        assert!(reader.draft.roles.is_empty() && reader.notes.hollow);
    }
}
