//! The right side of a split on this node's disk.
//!
//! Everything goes into the batch of the split's own apply, so that a crash leaves either the whole range or both sides.
//! A node from which the right side's replica was removed already, while its left side was still behind, keeps nothing
//! of it: the keys leave with the same batch. So does one where that replica was created empty meanwhile, by somebody who
//! read the directory before the left side was whole here: it waits for a snapshot already, and that brings them.

use quorate_engine::codec::CodecError;
use quorate_engine::codec::check::must_hold;
use quorate_engine::store::{Batch, Family, Store, StoreError};
use quorate_placement::topology::ReplicaId;

use super::Born;
use crate::applied_state::AppliedState;
use crate::holdings::erase_keys;
use crate::raft;
use crate::range_format::{
    decode_replica_id, decode_tombstone, descriptor_key, encode_replica_id, replica_key, tombstone_key,
};
use crate::safeguard::{self, Safeguard};

/// Adds the right side, as replica `replica_id` of this node, to the batch. False where it must not be here: then its
/// keys are removed.
pub(super) fn write(
    store: &dyn Store,
    replica_id: ReplicaId,
    Born { state: right, leader }: &Born,
    batch: &mut Batch,
) -> Result<bool, StoreError> {
    let range_id = right.descriptor.range_id;
    must_hold("the right side of a split", right.validate());
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
        // The snapshot that it waits for brings all keys.
        Some(here) if here >= replica_id && !is_whole => return Ok(true),
        // One that is whole, were it newer or the same, has these keys from a snapshot, which no node takes while the left
        // side still holds them. Whatever is wrong: nothing of a whole replica is erased.
        Some(here) => {
            let detail = format!(
                "replica {here} of {range_id} is here already, though the split that it comes from was not applied"
            );
            return Err(StoreError::Corruption(detail));
        }
        None => {}
    }
    let is_named = right.descriptor.node_of(replica_id).is_some();
    Ok(!is_named || next.is_some_and(|next| replica_id < next))
}

#[cfg(test)]
mod tests {
    use quorate_engine::kv::{Key, Span};
    use quorate_engine::memory::MemoryStore;
    use quorate_engine::store::{Change, Durability};
    use quorate_placement::topology::{NodeId, RangeId};

    use super::*;
    use crate::descriptor::RangeDescriptor;
    use crate::range_format::{encode_descriptor, encode_tombstone};

    const RIGHT: RangeId = RangeId(9);
    /// The replica of both sides on this node, before the left side's split is applied here.
    const HERE: ReplicaId = ReplicaId(2);

    fn born() -> Born {
        let span = Span::new(Key::from(&b"m"[..]), Key::from(&b"z"[..]));
        let mut descriptor = RangeDescriptor::new(RIGHT, span, &[1, 2, 3].map(NodeId));
        descriptor.generation = 5;
        Born { state: AppliedState::fresh(descriptor), leader: ReplicaId(1) }
    }

    /// A store with a replica of the right side, whole or empty.
    fn store_with(replica: Option<ReplicaId>, is_whole: bool) -> MemoryStore {
        let (store, mut batch) = (MemoryStore::new(), Batch::new());
        if let Some(replica) = replica {
            batch.put(Family::Range, replica_key(RIGHT), encode_replica_id(replica));
        }
        if is_whole {
            let descriptor = encode_descriptor(&born().state.descriptor);
            batch.put(Family::Range, descriptor_key(RIGHT), descriptor);
        }
        store.write(batch, Durability::Buffered).unwrap();
        store
    }

    fn born_into(store: &MemoryStore) -> (Result<bool, StoreError>, Batch) {
        let mut batch = Batch::new();
        (write(store, HERE, &born(), &mut batch), batch)
    }

    fn erases(batch: &Batch) -> bool {
        batch.changes().iter().any(|change| matches!(change, Change::DeleteRange(Family::Data, ..)))
    }

    #[test]
    fn birth_into_an_empty_place_brings_the_right_side() {
        let (is_here, batch) = born_into(&store_with(None, false));
        assert!(is_here.unwrap() && !erases(&batch));
    }

    #[test]
    fn birth_leaves_the_keys_to_an_empty_replica_that_waits_for_a_snapshot() {
        for replica in [HERE, ReplicaId(4)] {
            let (is_here, batch) = born_into(&store_with(Some(replica), false));
            assert!(!is_here.unwrap() && erases(&batch), "{replica}");
        }
    }

    #[test]
    fn birth_erases_no_whole_replica_however_new() {
        for replica in [ReplicaId(1), HERE, ReplicaId(4)] {
            let (refused, batch) = born_into(&store_with(Some(replica), true));
            assert!(matches!(refused, Err(StoreError::Corruption(_))), "{replica}");
            assert!(batch.is_empty(), "{replica}");
        }
    }

    #[test]
    fn birth_brings_no_removed_replica_back() {
        let (store, mut removed) = (store_with(None, false), Batch::new());
        removed.put(Family::Range, tombstone_key(RIGHT), encode_tombstone(ReplicaId(3)));
        store.write(removed, Durability::Buffered).unwrap();
        let (is_here, batch) = born_into(&store);
        assert!(!is_here.unwrap() && erases(&batch));
    }
}
