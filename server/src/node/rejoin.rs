//! `quorate start --rejoin`: a node whose store must not be used begins anew, with an empty data directory.
//!
//! Nothing is removed where the store is well, so that the flag may stay in a script. What is removed is gone: whoever
//! gives the flag has been told so by the node's log.

use std::io;
use std::path::Path;

use quorate_engine::rocks::{RocksOptions, RocksStore, VERDICT_FILE};
use quorate_engine::store::StoreError;
use quorate_raft_groups::cluster::error::ClusterError;
use quorate_raft_groups::cluster::refusal::standing_refusal;

use super::error::StartError;
use super::home::DirectoryHome;

/// Opens the store, or an empty one in its place where it must not be used.
pub(super) fn open_or_begin_anew(path: &Path) -> Result<RocksStore, StartError> {
    let failed = |source| StartError::Store { path: path.to_owned(), source };
    let reason = match RocksStore::open(path, RocksOptions::default()) {
        Ok(store) => match refusal_of(&store, path)? {
            None => {
                tracing::warn!(
                    "--rejoin: nothing is wrong with the data directory as far as it knows; it stays as it is"
                );
                return Ok(store);
            }
            Some(reason) => reason,
        },
        Err(error @ (StoreError::Corruption(_) | StoreError::Damaged { .. })) => error.to_string(),
        Err(error @ (StoreError::Locked { .. } | StoreError::Device { .. })) => return Err(failed(error)),
    };
    tracing::warn!(path = %path.display(), %reason, "--rejoin: the data directory is emptied, and the node joins anew");
    empty(path).map_err(|source| StartError::Directory { path: path.to_owned(), source })?;
    RocksStore::open(path, RocksOptions::default()).map_err(failed)
}

fn refusal_of(store: &RocksStore, path: &Path) -> Result<Option<String>, StartError> {
    let home = DirectoryHome::new(path.to_owned());
    standing_refusal(store, &home).map_err(|error: ClusterError| StartError::Cluster(error))
}

/// Removes what lies in the folder: the verdict last, so that what is left where this was cut short is not used.
fn empty(path: &Path) -> io::Result<()> {
    for entry in std::fs::read_dir(path)? {
        let entry = entry?;
        match entry.file_type()?.is_dir() {
            true => std::fs::remove_dir_all(entry.path())?,
            false if entry.file_name() == VERDICT_FILE => {}
            false => std::fs::remove_file(entry.path())?,
        }
    }
    match std::fs::remove_file(path.join(VERDICT_FILE)) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        Ok(()) | Err(_) => Ok(()),
    }
}
