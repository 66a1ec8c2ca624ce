//! `quorate start --accept-loss`: a node that is the only one of its ranges goes on with what is left of its store.
//!
//! A node whose ranges have voters elsewhere must not: it would vote without what it has acknowledged. It is told to
//! rejoin instead. Where nothing is wrong nothing is done, so that the flag may stay in a script.

use std::path::Path;

use quorate_engine::rocks::{RocksOptions, RocksStore};
use quorate_raft_groups::cluster::error::ClusterError;
use quorate_raft_groups::identity;
use quorate_raft_groups::store::is_sole_voter;

use super::error::StartError;

/// Opens the store, and as it is left where it has lost something and nobody else has its ranges.
pub(super) fn open_or_accept(path: &Path) -> Result<RocksStore, StartError> {
    let failed = |source| StartError::Store { path: path.to_owned(), source };
    let store = RocksStore::open(path, RocksOptions::default()).map_err(failed)?;
    let Some(loss) = store.loss().map(ToString::to_string) else {
        tracing::warn!("--accept-loss: the store has lost nothing as far as it knows; it stays as it is");
        return Ok(store);
    };
    let identity = identity::load(&store).map_err(ClusterError::from)?;
    let is_alone = identity.map(|own| is_sole_voter(&store, own.node_id)).transpose().map_err(failed)?;
    if is_alone != Some(true) {
        return Err(StartError::NotAlone { path: path.to_owned(), loss });
    }
    tracing::warn!(path = %path.display(), %loss, "--accept-loss: the node goes on with what is left");
    store.accept_loss().map_err(failed)?;
    RocksStore::open(path, RocksOptions::default()).map_err(failed)
}
