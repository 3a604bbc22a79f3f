//! The names that a path leads through: any of them can be swapped to change what it means.

use std::collections::VecDeque;
use std::ffi::OsString;
use std::fs;
use std::path::{Component, Path, PathBuf};

/// As many symbolic links as Linux follows in one path.
const LINKS: usize = 40;

/// Where a path ends, and every link on the way; all in folders without links, as events name them.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Trail {
    /// Each link followed, then the end.
    pub(super) names: Vec<PathBuf>,
}

impl Trail {
    /// Follows `path`, which need not exist.
    pub(super) fn of(path: &Path) -> Self {
        // An error here means an empty path, which leads nowhere.
        Self::within(PathBuf::new(), &std::path::absolute(path).unwrap_or_default())
    }

    /// Follows `path` from `folder`, which has no links in it.
    pub(super) fn within(folder: PathBuf, path: &Path) -> Self {
        let mut names = Vec::new();
        let mut end = folder;
        let mut rest = VecDeque::new();
        prepend(&mut rest, path);
        while let Some(step) = rest.pop_front() {
            match step {
                Step::Root => end = PathBuf::from("/"),
                Step::Up => _ = end.pop(),
                Step::Into(name) => {
                    let next = end.join(name);
                    match fs::read_link(&next) {
                        Ok(target) if names.len() < LINKS => {
                            prepend(&mut rest, &target);
                            names.push(next);
                        }
                        _ => end = next,
                    }
                }
            }
        }
        names.push(end);
        Self { names }
    }

    /// Where it ends.
    pub(super) fn end(&self) -> &Path {
        self.names.last().map_or(Path::new(""), PathBuf::as_path)
    }

    /// The folders in which the names stand; for one that is missing, the nearest that exists.
    pub(super) fn folders(&self) -> impl Iterator<Item = &Path> {
        self.names.iter().filter_map(|name| name.ancestors().skip(1).find(|above| above.is_dir()))
    }
}

enum Step {
    Root,
    Up,
    Into(OsString),
}

fn prepend(rest: &mut VecDeque<Step>, path: &Path) {
    for component in path.components().rev() {
        match component {
            Component::RootDir => rest.push_front(Step::Root),
            Component::ParentDir => rest.push_front(Step::Up),
            Component::Normal(name) => rest.push_front(Step::Into(name.to_owned())),
            Component::CurDir | Component::Prefix(_) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn a_trail_names_every_link_on_the_way() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().canonicalize().unwrap();
        fs::create_dir_all(root.join("conf/..v1")).unwrap();
        fs::write(root.join("conf/..v1/policy.toml"), "").unwrap();
        symlink("..v1", root.join("conf/..data")).unwrap();
        symlink("..data/policy.toml", root.join("conf/policy.toml")).unwrap();
        symlink(root.join("conf"), root.join("etc")).unwrap();

        let names = |path: &str| {
            let trail = Trail::of(&root.join(path));
            let relative = |name: &PathBuf| name.strip_prefix(&root).unwrap().to_owned();
            trail.names.iter().map(relative).collect::<Vec<_>>()
        };
        let whole = ["conf/policy.toml", "conf/..data", "conf/..v1/policy.toml"].map(PathBuf::from);
        assert_eq!(names("conf/policy.toml"), whole);
        assert_eq!(names("etc/../conf/policy.toml")[1..], whole);
        assert_eq!(names("conf/none/here"), [PathBuf::from("conf/none/here")]);
        let trail = Trail::of(&root.join("conf/none/here"));
        assert_eq!(trail.folders().collect::<Vec<_>>(), [root.join("conf")]);
    }

    #[test]
    fn a_loop_of_links_ends() {
        let folder = tempfile::tempdir().unwrap();
        symlink("b", folder.path().join("a")).unwrap();
        symlink("a", folder.path().join("b")).unwrap();
        assert!(Trail::of(&folder.path().join("a")).names.len() <= LINKS + 1);
    }
}
