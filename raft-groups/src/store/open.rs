//! Opening a store: every replica that has a descriptor on the disk.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use futures::future::BoxFuture;
use quorate_engine::codec::CodecError;
use quorate_engine::store::{Batch, Family, Store, StoreError};
use quorate_placement::topology::{NodeId, RangeId, ReplicaId};
use tokio::sync::{Notify, Semaphore, watch};

use super::create::erase_replica;

use super::splits::SPLITS_MAX;
use super::{RangeStore, StoreConfig};
use crate::applied_state::AppliedState;
use crate::cluster::version::ClusterVersion;
use crate::descriptor::RangeDescriptor;
use crate::limits::{STORE_WRITE_BYTES_MAX, WAITING_MESSAGES_MAX};
use crate::raft::{LogWriter, RaftError, SNAPSHOT_RATE_DEFAULT, SnapshotInbox, Snapshots, finish_installs};
use crate::range_format::{
    decode_descriptor, decode_published, decode_replica_id, published_key, range_of_descriptor_key,
    range_of_replica_key,
};
use crate::replica::{Origin, Past, Replica, StoreShared, describe_metrics};
use crate::rpc::{Handler, Service};
use crate::splits::ids::RangeIds;
use crate::splits::nursery::Nursery;
use crate::splits::trigger::RANGE_MAX_BYTES_DEFAULT;
use crate::wire::beats::write_taken;

/// Why a store does not open.
#[derive(Debug, thiserror::Error)]
pub enum StoreOpenError {
    /// The store failed, or holds damaged bytes.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A replica's descriptor names no replica on this node: the data directory is another node's.
    #[error("{range_id} has no replica on {node_id}, whose data directory this should be")]
    Foreign {
        /// The range.
        range_id: RangeId,
        /// This node.
        node_id: NodeId,
    },
    /// A replica's Raft state cannot be read.
    #[error(transparent)]
    Raft(#[from] RaftError),
    /// The log writer's thread did not start.
    #[error("the log writer did not start: {0}")]
    Writer(std::io::Error),
}

pub(super) async fn open(config: StoreConfig) -> Result<Arc<RangeStore>, StoreOpenError> {
    // Before anything of a replica is read: an installation that a power cut interrupted left half of two states.
    let installing = Arc::clone(&config.engine);
    let installed = config.blocking.run(move || finish_installs(installing.as_ref())).await;
    installed.map_err(|lost| StoreError::Device { operation: "write", detail: lost.to_string() })??;
    let replicas = read_replicas(config.engine.as_ref())?;
    describe_metrics();
    let on_failure = Arc::clone(&config.on_failure);
    let writer =
        LogWriter::start(Arc::clone(&config.engine), &config.blocking, move |error| on_failure(error))
            .map_err(StoreOpenError::Writer)?;
    let opened_at = u64::try_from(config.physical.boottime().as_micros()).unwrap_or(u64::MAX);
    let shared = Arc::new(StoreShared {
        opened_at,
        node_id: config.node_id,
        engine: config.engine,
        clock: config.clock,
        physical: config.physical,
        blocking: config.blocking,
        rpc: config.rpc,
        evaluator: config.evaluator,
        writer,
        snapshots: Snapshots::new(SNAPSHOT_RATE_DEFAULT),
        timing: config.timing,
        nursery: Nursery::default(),
        outgrown: Notify::new(),
        cluster_version: ClusterVersion::default(),
        range_max_bytes: AtomicU64::new(RANGE_MAX_BYTES_DEFAULT),
        write_bytes: Arc::new(Semaphore::new(STORE_WRITE_BYTES_MAX)),
    });
    let (engine, snapshots) = (Arc::clone(&shared.engine), Arc::clone(&shared.snapshots));
    let inbox = SnapshotInbox::new(engine, shared.blocking.clone(), snapshots);
    let (stopping, stop) = watch::channel(false);
    let store = Arc::new(RangeStore {
        shared,
        replicas: parking_lot::RwLock::default(),
        changing: tokio::sync::Mutex::new(()),
        reserved: Arc::default(),
        inbox,
        ids: RangeIds::default(),
        splitting: Semaphore::new(SPLITS_MAX),
        arrived: Notify::new(),
        waiting: Semaphore::new(WAITING_MESSAGES_MAX),
        seed: config.seed,
        stopping,
    });
    for (range_id, stored) in replicas {
        store.open_replica(range_id, stored).await?;
    }
    store.shared.rpc.register(Service::Raft, Arc::new(RaftHandler { store: Arc::downgrade(&store) }));
    let handler = HeartbeatHandler { store: Arc::downgrade(&store) };
    store.shared.rpc.register(Service::Heartbeat, Arc::new(handler));
    super::snapshots::register(&store);
    let tasks = store.shared.blocking.tasks();
    tasks.ordinary(super::upkeep::run(Arc::downgrade(&store), stop.clone()));
    tasks.urgent(super::ticker::run(Arc::downgrade(&store), stop.clone()));
    tasks.ordinary(super::splits::watch_sizes(Arc::downgrade(&store), stop.clone()));
    tasks.ordinary(super::splits::start_newborns(Arc::downgrade(&store), stop));
    Ok(store)
}

/// What the store says of one replica: at least one of both.
#[derive(Default)]
struct Stored {
    replica_id: Option<ReplicaId>,
    descriptor: Option<RangeDescriptor>,
}

fn read_replicas(store: &dyn Store) -> Result<BTreeMap<RangeId, Stored>, StoreError> {
    let damaged = |error: CodecError| StoreError::Corruption(error.to_string());
    let snapshot = store.snapshot();
    let mut cursor = snapshot.cursor(Family::Range, b"", b"");
    let mut replicas: BTreeMap<RangeId, Stored> = BTreeMap::new();
    cursor.next()?;
    while let (Some(key), Some(value)) = (cursor.key(), cursor.value()) {
        if let Some(range_id) = range_of_replica_key(key) {
            let replica_id = decode_replica_id(value).map_err(damaged)?;
            replicas.entry(range_id).or_default().replica_id = Some(replica_id);
        } else if let Some(range_id) = range_of_descriptor_key(key) {
            let descriptor = decode_descriptor(value).map_err(damaged)?;
            replicas.entry(range_id).or_default().descriptor = Some(descriptor);
        }
        cursor.next()?;
    }
    Ok(replicas)
}

/// Whether a node is the only voter of every range that its store has a replica of: nobody else relies on what it
/// acknowledged.
///
/// # Errors
/// The store failed, or holds damaged bytes.
pub fn is_sole_voter(store: &dyn Store, node_id: NodeId) -> Result<bool, StoreError> {
    let replicas = read_replicas(store)?;
    // A replica without a descriptor is one of a range that others had before.
    let is_alone = |stored: &Stored| {
        let voters =
            stored.descriptor.as_ref().map(|descriptor| descriptor.voters().map(|voter| voter.node_id));
        voters.is_some_and(|voters| voters.collect::<Vec<_>>() == [node_id])
    };
    Ok(replicas.values().all(is_alone))
}

impl RangeStore {
    async fn open_replica(&self, range_id: RangeId, stored: Stored) -> Result<(), StoreOpenError> {
        let node_id = self.shared.node_id;
        let descriptor = stored.descriptor.unwrap_or_else(|| RangeDescriptor::unknown(range_id));
        // A descriptor need not name an empty replica yet, nor a removed one any more.
        let named = || descriptor.replica_on(node_id).map(|own| own.replica_id);
        let replica_id =
            stored.replica_id.or_else(named).ok_or(StoreOpenError::Foreign { range_id, node_id })?;
        if self.check_tombstone(range_id, replica_id).is_err() {
            return self.bury(&descriptor).await;
        }
        let published = self.shared.engine.get(Family::Range, &published_key(range_id))?;
        let published = published.map_or(Ok(0), |bytes| decode_published(&bytes));
        let origin = Origin {
            replica_id,
            published: published.map_err(|error| StoreError::Corruption(error.to_string()))?,
            applied: AppliedState::load(self.shared.engine.as_ref(), descriptor)?,
            past: Past::Unknown,
            seed: self.seed_of(range_id),
        };
        let replica = Replica::new(Arc::clone(&self.shared), origin);
        replica.mark_unreadable(&self.shared.engine.unreadable());
        match replica.start(false).await {
            // Its log cannot be read: it votes no more, and is replaced.
            Err(error) if replica.is_damaged() => replica.stop_damaged(&error.to_string()),
            started => started?,
        }
        self.replicas.write().insert(range_id, replica);
        Ok(())
    }

    /// A crash came between a tombstone and the apply of a split that brought its replica.
    async fn bury(&self, descriptor: &RangeDescriptor) -> Result<(), StoreOpenError> {
        let mut batch = Batch::new();
        erase_replica(&mut batch, descriptor);
        let written = self.write_synced(batch).await;
        written.map_err(|error| StoreError::Corruption(error.to_string()).into())
    }

    /// Another seed for every range and node, so that elections do not coincide.
    pub(super) fn seed_of(&self, range_id: RangeId) -> u64 {
        let mixed = self.seed ^ self.shared.node_id.0.rotate_left(32) ^ range_id.0;
        mixed.wrapping_mul(0x9e37_79b9_7f4a_7c15)
    }
}

/// Hands Raft messages to replicas.
struct RaftHandler {
    store: std::sync::Weak<RangeStore>,
}

impl Handler for RaftHandler {
    fn handle(&self, _: NodeId, payload: bytes::Bytes) -> BoxFuture<'static, bytes::Bytes> {
        match self.store.upgrade() {
            Some(store) => store.handle_raft(payload),
            None => super::serve::refused(crate::raft_message::Refusal::Stopped),
        }
    }
}

/// Takes heartbeats for replicas.
struct HeartbeatHandler {
    store: std::sync::Weak<RangeStore>,
}

impl Handler for HeartbeatHandler {
    fn handle(&self, _: NodeId, payload: bytes::Bytes) -> BoxFuture<'static, bytes::Bytes> {
        let taken = self.store.upgrade().map(|store| store.take_beats(payload)).unwrap_or_default();
        Box::pin(std::future::ready(write_taken(&taken)))
    }
}
