//! Snapshots find their replica, and their keys are kept free of others'.

use std::collections::BTreeMap;
use std::sync::{Arc, Weak};

use async_trait::async_trait;
use bytes::Bytes;
use futures::future::BoxFuture;
use parking_lot::Mutex;
use quorate_engine::kv::Span;
use quorate_placement::topology::{NodeId, RangeId, ReplicaId};

use super::RangeStore;
use crate::descriptor::RangeDescriptor;
use crate::holdings::holdings;
use crate::raft::{Admission, SnapshotHost, SnapshotOffer, SnapshotRefusal};
use crate::range_format::{decode_descriptor, descriptor_key};
use crate::replica::Replica;
use crate::rpc::{Handler, Service};

/// Keys of snapshots that come in, by range.
type ReservedSpans = Arc<Mutex<BTreeMap<RangeId, Span>>>;

pub(super) fn register(store: &Arc<RangeStore>) {
    let handler = SnapshotHandler { store: Arc::downgrade(store) };
    store.shared.rpc.register(Service::Snapshot, Arc::new(handler));
}

/// Hands a snapshot's messages to the inbox.
struct SnapshotHandler {
    store: Weak<RangeStore>,
}

impl Handler for SnapshotHandler {
    fn handle(&self, _: NodeId, payload: Bytes) -> BoxFuture<'static, Bytes> {
        let store = self.store.upgrade();
        Box::pin(async move {
            match store {
                Some(store) => store.inbox.handle(store.as_ref(), payload).await,
                None => crate::raft::refuse_snapshot(SnapshotRefusal::Stopped),
            }
        })
    }
}

/// Keeps a snapshot's keys until it is installed or given up.
struct Reservation {
    reserved: ReservedSpans,
    range_id: RangeId,
}

impl Drop for Reservation {
    fn drop(&mut self) {
        self.reserved.lock().remove(&self.range_id);
    }
}

/// The descriptor within a snapshot, if the snapshot carries what it says.
fn descriptor_in(range: RangeId, offer: &SnapshotOffer) -> Option<RangeDescriptor> {
    let key = descriptor_key(range);
    let (_, bytes) = offer.head.shared.iter().find(|(candidate, _)| *candidate == key)?;
    let descriptor = decode_descriptor(bytes).ok()?;
    let own = holdings(&descriptor);
    // What is replaced besides users' data is named by the head, too: nothing but the range's own.
    let is_own = offer.head.is_of(&own.shared).is_ok();
    let is_whole = descriptor.range_id == range && own.spans == offer.head.spans && is_own;
    is_whole.then_some(descriptor)
}

impl RangeStore {
    /// A replica that its range's descriptor has here, and that never came into being: the left side of its split has got
    /// a snapshot of after it. No local range holds its keys, so that no split can bring it any more. Under `changing`.
    async fn create_named(
        &self,
        descriptor: &RangeDescriptor,
        replica_id: ReplicaId,
    ) -> Result<Arc<Replica>, SnapshotRefusal> {
        let own = descriptor.replica_on(self.shared.node_id);
        if own.is_none_or(|own| own.replica_id != replica_id) {
            return Err(SnapshotRefusal::UnknownReplica);
        }
        let range_id = descriptor.range_id;
        match self.create_empty_locked(range_id, replica_id).await {
            Ok(()) => self.replica(range_id).ok_or(SnapshotRefusal::Stopped),
            Err(error) => {
                tracing::info!(%range_id, %error, "no replica is made for a snapshot");
                Err(SnapshotRefusal::UnknownReplica)
            }
        }
    }
}

#[async_trait]
impl SnapshotHost for RangeStore {
    async fn admit(&self, range: RangeId, offer: &SnapshotOffer) -> Result<Admission, SnapshotRefusal> {
        // No replica comes or goes between the look and the reservation.
        let _changing = self.changing.lock().await;
        let descriptor = descriptor_in(range, offer).ok_or(SnapshotRefusal::Unreadable)?;
        if let Some(other) = self.in_the_way(&descriptor) {
            tracing::info!(%range, %other, "a snapshot waits: another range holds some of its keys here");
            return Err(SnapshotRefusal::Overlap);
        }
        let replica = match self.replica(range) {
            Some(replica) if replica.replica_id() == offer.to_replica => replica,
            Some(_) => return Err(SnapshotRefusal::UnknownReplica),
            None => self.create_named(&descriptor, offer.to_replica).await?,
        };
        let group = replica.running().ok_or(SnapshotRefusal::Stopped)?;
        self.reserved.lock().insert(range, descriptor.span);
        let reservation = Reservation { reserved: Arc::clone(&self.reserved), range_id: range };
        Ok(Admission { group, reservation: Box::new(reservation) })
    }
}
