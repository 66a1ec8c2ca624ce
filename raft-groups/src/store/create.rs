//! Replicas come and go: durable before they are heard of, and gone before their data is.

use std::sync::Arc;

use quorate_engine::kv::Span;
use quorate_engine::store::{Batch, Durability, Family, StoreError};
use quorate_placement::topology::{NodeId, RangeId, ReplicaId};

use super::RangeStore;
use crate::applied_state::AppliedState;
use crate::descriptor::{NEW_GENERATION, RangeDescriptor};
use crate::holdings::erase_keys;
use crate::local_ranges::LocalRangeError;
use crate::raft;
use crate::range_format::{
    decode_descriptor, decode_replica_id, decode_tombstone, descriptor_key, encode_descriptor,
    encode_published, encode_replica_id, encode_tombstone, published_key, replica_bounds, replica_key,
    tombstone_key,
};
use crate::replica::{Origin, Past, Replica};
use crate::safeguard::{self, Safeguard};

pub(super) fn storage(error: impl ToString) -> LocalRangeError {
    LocalRangeError::Storage(error.to_string())
}

impl RangeStore {
    /// Creates and starts the replica that the descriptor gives this node; see [`crate::local_ranges::LocalRanges`].
    pub(super) async fn create(
        &self,
        descriptor: &RangeDescriptor,
        campaign: bool,
    ) -> Result<(), LocalRangeError> {
        let _changing = self.changing.lock().await;
        let range_id = descriptor.range_id;
        let misplaced = |detail: String| LocalRangeError::Misplaced { range_id, detail };
        if *self.stopping.borrow() {
            return Err(storage("the store is shutting down"));
        }
        let node_id = self.shared.node_id;
        let own = descriptor
            .replica_on(node_id)
            .ok_or_else(|| misplaced(format!("its descriptor gives node {node_id} no replica")))?;
        if let Some(replica) = self.replica(range_id) {
            if replica.replica_id() != own.replica_id {
                return Err(misplaced(format!("replica {} of it is here", replica.replica_id())));
            }
            if campaign {
                replica.campaign();
            }
            return Ok(());
        }
        if descriptor.generation != NEW_GENERATION {
            // Its state is not that of a new range: it comes with a split, or with a snapshot.
            return Err(misplaced(format!(
                "it has changed since it was made (generation {})",
                descriptor.generation
            )));
        }
        self.check_unborn(range_id)?;
        self.check_free(descriptor)?;
        self.check_tombstone(range_id, own.replica_id)?;
        let mut batch = Batch::new();
        batch.put(Family::Range, replica_key(range_id), encode_replica_id(own.replica_id));
        batch.put(Family::Range, descriptor_key(range_id), encode_descriptor(descriptor));
        // Whoever asks for a new replica has entered its range into the directory.
        batch.put(Family::Range, published_key(range_id), encode_published(descriptor.generation));
        raft::seed(&mut batch, descriptor);
        self.write_synced(batch).await?;
        let replica = self.start_fresh(descriptor.clone(), own.replica_id).await?;
        if campaign {
            replica.campaign();
        }
        Ok(())
    }

    /// Creates a replica without log and data; see [`crate::local_ranges::LocalRanges`].
    pub(super) async fn create_empty(
        &self,
        range_id: RangeId,
        replica_id: ReplicaId,
    ) -> Result<(), LocalRangeError> {
        let _changing = self.changing.lock().await;
        self.create_empty_locked(range_id, replica_id).await
    }

    /// As [`RangeStore::create_empty`], under `changing`.
    pub(super) async fn create_empty_locked(
        &self,
        range_id: RangeId,
        replica_id: ReplicaId,
    ) -> Result<(), LocalRangeError> {
        if *self.stopping.borrow() {
            return Err(storage("the store is shutting down"));
        }
        if let Some(replica) = self.replica(range_id) {
            if replica.replica_id() == replica_id {
                return Ok(());
            }
            let detail = format!("replica {} of it is here", replica.replica_id());
            return Err(LocalRangeError::Misplaced { range_id, detail });
        }
        check_ids(range_id, replica_id)?;
        self.check_unborn(range_id)?;
        self.check_tombstone(range_id, replica_id)?;
        let mut batch = Batch::new();
        batch.put(Family::Range, replica_key(range_id), encode_replica_id(replica_id));
        self.write_synced(batch).await?;
        self.start_fresh(RangeDescriptor::unknown(range_id), replica_id).await.map(drop)
    }

    /// The right side of a split may be on the disk already, and be about to start.
    fn check_unborn(&self, range_id: RangeId) -> Result<(), LocalRangeError> {
        match self.stored_descriptor(range_id)? {
            None => Ok(()),
            Some(_) => {
                let detail = "its replica, from a split, is about to start".to_owned();
                Err(LocalRangeError::Misplaced { range_id, detail })
            }
        }
    }

    /// A removed replica does not come back.
    pub(super) fn check_tombstone(
        &self,
        range_id: RangeId,
        replica_id: ReplicaId,
    ) -> Result<(), LocalRangeError> {
        let is_below = self.tombstone(range_id)?.is_some_and(|next| replica_id < next);
        if is_below && safeguard::holds(Safeguard::Tombstones) {
            return Err(LocalRangeError::Tombstone { range_id });
        }
        Ok(())
    }

    /// Two replicas never hold the same key.
    fn check_free(&self, descriptor: &RangeDescriptor) -> Result<(), LocalRangeError> {
        match self.in_the_way(descriptor) {
            None => Ok(()),
            Some(other) => Err(LocalRangeError::Misplaced {
                range_id: descriptor.range_id,
                detail: format!("{other} holds some of its keys here"),
            }),
        }
    }

    /// Another range that holds keys of this one here, or is about to by a snapshot that comes in.
    pub(super) fn in_the_way(&self, descriptor: &RangeDescriptor) -> Option<RangeId> {
        let held = self.all().into_iter().map(|replica| replica.descriptor());
        let held = held.map(|other| (other.range_id, other.span.clone()));
        let coming = self.reserved.lock().clone();
        let born = self.shared.nursery.descriptors().into_iter();
        let born = born.map(|other| (other.range_id, other.span.clone()));
        let mut all = held.chain(coming).chain(born);
        let overlaps = |(range_id, span): &(RangeId, Span)| {
            *range_id != descriptor.range_id && span.overlaps(&descriptor.span)
        };
        all.find(overlaps).map(|(range_id, _)| range_id)
    }

    async fn start_fresh(
        &self,
        descriptor: RangeDescriptor,
        replica_id: ReplicaId,
    ) -> Result<Arc<Replica>, LocalRangeError> {
        let range_id = descriptor.range_id;
        let origin = Origin {
            replica_id,
            published: descriptor.generation,
            applied: AppliedState::fresh(descriptor),
            past: Past::None,
            seed: self.seed_of(range_id),
        };
        let replica = Replica::new(Arc::clone(&self.shared), origin);
        replica.start(false).await.map_err(storage)?;
        self.replicas.write().insert(range_id, Arc::clone(&replica));
        Ok(replica)
    }

    /// Removes a replica with its data, and leaves a tombstone; see [`crate::local_ranges::LocalRanges`].
    pub(super) async fn destroy(
        &self,
        range_id: RangeId,
        next_replica_id: ReplicaId,
    ) -> Result<(), LocalRangeError> {
        let _changing = self.changing.lock().await;
        let replica = self.replica(range_id);
        if replica.as_ref().is_some_and(|replica| replica.replica_id() >= next_replica_id) {
            let detail = format!("its replica here is not below {next_replica_id}");
            return Err(LocalRangeError::Misplaced { range_id, detail });
        }
        check_ids(range_id, next_replica_id)?;
        let before = self.tombstone(range_id)?;
        let next = before.unwrap_or(next_replica_id).max(next_replica_id);
        assert!(before.is_none_or(|before| before <= next), "no tombstone lets a removed replica come back");
        let mut batch = Batch::new();
        if let Some(replica) = replica {
            self.replicas.write().remove(&range_id);
            // Nothing of it is written after this: an apply that came later would bring keys back.
            replica.shutdown().await;
            erase_replica(&mut batch, &replica.descriptor());
        } else if let Some(descriptor) = self.stored_descriptor(range_id)? {
            // The right side of a split that has not started yet; whoever would start it looks at the tombstone.
            erase_replica(&mut batch, &descriptor);
        }
        batch.put(Family::Range, tombstone_key(range_id), encode_tombstone(next));
        self.write_synced(batch).await
    }

    /// Id of the replica of a range that is on the disk, whether or not it runs.
    pub(super) fn stored_replica(&self, range_id: RangeId) -> Result<Option<ReplicaId>, LocalRangeError> {
        let bytes = self.shared.engine.get(Family::Range, &replica_key(range_id)).map_err(storage)?;
        bytes.map(|bytes| decode_replica_id(&bytes)).transpose().map_err(storage)
    }

    fn stored_descriptor(&self, range_id: RangeId) -> Result<Option<RangeDescriptor>, LocalRangeError> {
        let bytes = self.shared.engine.get(Family::Range, &descriptor_key(range_id)).map_err(storage)?;
        bytes.map(|bytes| decode_descriptor(&bytes)).transpose().map_err(storage)
    }

    fn tombstone(&self, range_id: RangeId) -> Result<Option<ReplicaId>, LocalRangeError> {
        let bytes = self.shared.engine.get(Family::Range, &tombstone_key(range_id)).map_err(storage)?;
        bytes.map(|bytes| decode_tombstone(&bytes)).transpose().map_err(storage)
    }

    pub(super) async fn write_synced(&self, batch: Batch) -> Result<(), LocalRangeError> {
        let engine = Arc::clone(&self.shared.engine);
        let write = move || engine.write(batch, Durability::Synced);
        let written: Result<(), StoreError> = self.shared.blocking.run(write).await.map_err(storage)?;
        written.map_err(|error| {
            // A store that failed to write must not be used again.
            self.shared.writer.poison(error.clone());
            storage(error)
        })
    }

    /// Hands the lease over to another node.
    pub(super) async fn hand_over(&self, range_id: RangeId, to: NodeId) -> Result<(), LocalRangeError> {
        let replica = self.replica(range_id).ok_or(LocalRangeError::NotLeader { range_id })?;
        replica.hand_over_to(to).await
    }
}

/// Under range 0 lies what is the store's own, and replica 0 is nobody: whoever names them is refused.
fn check_ids(range_id: RangeId, replica_id: ReplicaId) -> Result<(), LocalRangeError> {
    if range_id != RangeId(0) && replica_id != ReplicaId(0) {
        return Ok(());
    }
    Err(LocalRangeError::Misplaced { range_id, detail: format!("no range has a replica {replica_id}") })
}

/// All that a replica keeps, but for its tombstone.
pub(super) fn erase_replica(batch: &mut Batch, descriptor: &RangeDescriptor) {
    let (start, end) = replica_bounds(descriptor.range_id);
    batch.delete_range(Family::Range, start, end);
    raft::erase(batch, descriptor.range_id);
    erase_keys(batch, descriptor);
}
