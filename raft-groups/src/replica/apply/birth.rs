//! The right side of a split on this node's disk.
//!
//! Everything goes into the batch of the split's own apply, so that a crash leaves either the whole range or both sides.
//! A node from which the right side's replica was removed already, while its left side was still behind, keeps nothing
//! of it: the keys leave with the same batch. So does one where that replica was created empty meanwhile, by somebody who
//! read the directory before the left side was whole here: it waits for a snapshot already, and that brings them.

use quorate_engine::codec::CodecError;
use quorate_engine::store::{Batch, Family, Store, StoreError};
use quorate_placement::topology::ReplicaId;

use super::{AppliedState, Born};
use crate::raft;
use crate::range_format::{
    decode_replica_id, decode_tombstone, descriptor_key, encode_replica_id, replica_key, tombstone_key,
};
use crate::safeguard::{self, Safeguard};
use crate::store::erase_keys;

/// Adds the right side, as replica `replica_id` of this node, to the batch. False where it must not be here: then its
/// keys are removed.
pub(super) fn write(
    store: &dyn Store,
    replica_id: ReplicaId,
    Born { state: right, leader }: &Born,
    batch: &mut Batch,
) -> Result<bool, StoreError> {
    let range_id = right.descriptor.range_id;
    if is_elsewhere(store, replica_id, right)? && safeguard::holds(Safeguard::Tombstones) {
        erase_keys(batch, &right.descriptor);
        return Ok(false);
    }
    raft::seed_granted(batch, &right.descriptor, *leader);
    batch.put(Family::Range, replica_key(range_id), encode_replica_id(replica_id));
    right.save(batch);
    Ok(true)
}

/// Whether the split brings this node no replica of the right side: a tombstone says that it was removed before it came
/// into being, a newer one is here, its descriptor gives this node none, or it is here already, empty.
fn is_elsewhere(store: &dyn Store, replica_id: ReplicaId, right: &AppliedState) -> Result<bool, StoreError> {
    let damaged = |error: CodecError| StoreError::Corruption(error.to_string());
    let range_id = right.descriptor.range_id;
    let tombstone = store.get(Family::Range, &tombstone_key(range_id))?;
    let next = tombstone.map(|bytes| decode_tombstone(&bytes)).transpose().map_err(damaged)?;
    let here = store.get(Family::Range, &replica_key(range_id))?;
    let is_whole = store.get(Family::Range, &descriptor_key(range_id))?.is_some();
    match here.map(|bytes| decode_replica_id(&bytes)).transpose().map_err(damaged)? {
        Some(here) if here > replica_id || (here == replica_id && !is_whole) => return Ok(true),
        Some(_) => {
            let detail =
                format!("{range_id} is here already, though the split that it comes from was not applied");
            return Err(StoreError::Corruption(detail));
        }
        None => {}
    }
    let is_named = right.descriptor.node_of(replica_id).is_some();
    Ok(!is_named || next.is_some_and(|next| replica_id < next))
}
