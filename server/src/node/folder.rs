//! Whether a folder can be a node's data directory: its own from an earlier start, or one without anybody's files.

use std::io;
use std::path::Path;

use super::error::StartError;
use crate::rpc::socket::SOCKET_NAME;

/// Files by which RocksDB's folders are known: one of them is there from the first start on.
const STORE_FILE: &str = "CURRENT";
/// What a first start that ended early may have left, by the beginnings of the names; and what file systems put there.
const LEFTOVERS: [&str; 13] = [
    "LOCK",
    "LOG",
    "IDENTITY",
    "STORE",
    "SYNCED",
    "FORGOTTEN",
    "staged",
    "MANIFEST-",
    "OPTIONS-",
    "quorate",
    SOCKET_NAME,
    PROBE_NAME,
    "lost+found",
];
/// Name of the file that is written and removed to see whether that is possible.
const PROBE_NAME: &str = ".quorate-probe";
/// Foreign files that are named.
const FILES_TOLD_MAX: usize = 3;

/// Checks a folder that exists; nothing in it is changed.
///
/// # Errors
/// [`StartError::Foreign`] and [`StartError::ReadOnly`]; [`StartError::Directory`] where it cannot be read.
pub fn check(path: &Path) -> Result<(), StartError> {
    let names = names(path).map_err(|source| StartError::Directory { path: path.to_owned(), source })?;
    let is_leftover =
        |name: &String| LEFTOVERS.iter().any(|known| name.starts_with(known)) || name.ends_with(".log");
    let is_store = names.iter().any(|name| name == STORE_FILE);
    let mut foreign: Vec<String> = names.into_iter().filter(|name| !is_leftover(name)).collect();
    if !is_store && !foreign.is_empty() {
        foreign.sort();
        foreign.truncate(FILES_TOLD_MAX);
        return Err(StartError::Foreign { path: path.to_owned(), found: foreign });
    }
    let forbidden = [io::ErrorKind::PermissionDenied, io::ErrorKind::ReadOnlyFilesystem];
    probe(path).map_err(|source| {
        let path = path.to_owned();
        if forbidden.contains(&source.kind()) {
            StartError::ReadOnly { path, source }
        } else {
            StartError::Directory { path, source }
        }
    })
}

fn names(path: &Path) -> io::Result<Vec<String>> {
    let entries = std::fs::read_dir(path)?;
    entries.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned())).collect()
}

/// Writes an empty file, which takes no space, and removes it.
fn probe(path: &Path) -> io::Result<()> {
    let probe = path.join(PROBE_NAME);
    std::fs::write(&probe, [])?;
    std::fs::remove_file(&probe)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folder_is_its_own_or_nobodys() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path();
        check(path).unwrap();
        for name in ["lost+found", "LOCK", "LOG", "000004.log", SOCKET_NAME] {
            std::fs::write(path.join(name), b"").unwrap();
        }
        check(path).unwrap();
        std::fs::write(path.join("thesis.tex"), b"").unwrap();
        let error = check(path).unwrap_err();
        assert!(matches!(&error, StartError::Foreign { found, .. } if found == &["thesis.tex"]), "{error}");
        assert!(!path.join(PROBE_NAME).exists());
        // Beside a store a stray file is no reason not to start.
        std::fs::write(path.join(STORE_FILE), b"").unwrap();
        check(path).unwrap();
        let file = path.join("thesis.tex");
        assert!(matches!(check(&file).unwrap_err(), StartError::Directory { .. }));
    }
}
