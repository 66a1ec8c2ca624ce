//! The files that rules look at: those of the repository, or a few made up by a rule's own test.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::process::Command;

/// What breaks a rule, and where.
#[derive(Debug)]
pub struct Violation {
    path: String,
    line: Option<usize>,
    what: String,
}

impl Violation {
    /// Something wrong with a file as a whole.
    pub fn of_file(path: &str, what: impl Into<String>) -> Self {
        Self { path: path.to_owned(), line: None, what: what.into() }
    }

    /// Something wrong with a line, counted from 1.
    pub fn of_line(path: &str, line: usize, what: impl Into<String>) -> Self {
        Self { path: path.to_owned(), line: Some(line), what: what.into() }
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            Some(line) => write!(f, "{}:{line}: {}", self.path, self.what),
            None => write!(f, "{}: {}", self.path, self.what),
        }
    }
}

/// Text files by their path from the repository's root.
pub struct Tree {
    files: BTreeMap<String, String>,
}

impl Tree {
    /// The files that git tracks, as they are in the working copy. Files that are not UTF-8 have no rules.
    pub fn tracked() -> Self {
        let root = root();
        let git = Command::new("git")
            .args(["-c", "safe.directory=*", "ls-files", "-z"])
            .current_dir(&root)
            .output()
            .expect("git is needed to list the files of the repository");
        assert!(git.status.success(), "git ls-files: {}", String::from_utf8_lossy(&git.stderr));
        let paths = String::from_utf8(git.stdout).expect("paths are UTF-8");
        let paths = paths.split_terminator('\0').filter(|path| root.join(path).is_file());
        let read =
            |path: &str| String::from_utf8(std::fs::read(root.join(path)).expect("a tracked file")).ok();
        let files: BTreeMap<_, _> = paths.filter_map(|path| Some((path.to_owned(), read(path)?))).collect();
        assert!(files.contains_key("Cargo.toml"), "these are not the repository's files");
        Self { files }
    }

    /// A tree of made-up files.
    pub fn of(files: &[(&str, &str)]) -> Self {
        Self { files: files.iter().map(|(path, text)| ((*path).to_owned(), (*text).to_owned())).collect() }
    }

    /// All files.
    pub fn files(&self) -> impl Iterator<Item = (&str, &str)> {
        self.files.iter().map(|(path, text)| (path.as_str(), text.as_str()))
    }

    /// The text of one file.
    pub fn get(&self, path: &str) -> Option<&str> {
        self.files.get(path).map(String::as_str)
    }

    /// Whether there is a file, or a folder with files, of this path.
    pub fn has(&self, path: &str) -> bool {
        let path = path.trim_end_matches('/');
        let folder = format!("{path}/");
        self.files.contains_key(path) || self.files.keys().any(|file| file.starts_with(&folder))
    }

    /// Rust sources.
    pub fn rust(&self) -> impl Iterator<Item = (&str, &str)> {
        self.files().filter(|(path, _)| path.ends_with(".rs"))
    }

    /// Folders of the workspace's crates, from the root manifest's list of members.
    pub fn crates(&self) -> Vec<String> {
        let manifest = self.get("Cargo.toml").unwrap_or_default();
        let members = manifest.lines().find_map(|line| line.strip_prefix("members = ["));
        let members = members.and_then(|rest| rest.split(']').next()).unwrap_or_default();
        members.split(',').map(|member| member.trim().trim_matches('"').to_owned()).collect()
    }
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

#[test]
fn tree_finds_this_very_file_and_the_crates() {
    let tree = Tree::tracked();
    assert!(tree.get("tests/tidy/tree.rs").is_some_and(|text| text.contains("tree_finds_this_very_file")));
    assert!(tree.crates().iter().any(|folder| folder == "tests"), "{:?}", tree.crates());
}
