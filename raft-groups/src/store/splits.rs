//! Splits on this node: ranges that became too large, splits that somebody asks for, and the start of right sides.

use std::sync::{Arc, Weak};
use std::time::Duration;

use quorate_engine::kv::Key;
use quorate_engine::store::{Batch, Durability, Family};
use quorate_placement::topology::RangeId;
use tokio::sync::watch;

use super::RangeStore;
use super::create::{erase_replica, storage};
use crate::api::RangeError;
use crate::blocking::pause;
use crate::descriptor::RangeDescriptor;
use crate::local_ranges::LocalRangeError;
use crate::range_format::{encode_published, published_key};
use crate::replica::{Origin, Past, Replica, plan};
use crate::splits::ids::IDS_LOW;
use crate::splits::nursery::{FirstLeader, Newborn};
use crate::splits::trigger::Ended;

/// Splits of a node at a time: each reads its whole range.
pub(super) const SPLITS_MAX: usize = 2;
/// How often sizes are looked at, where no replica says that it has outgrown its limit.
const WATCH_INTERVAL: Duration = Duration::from_secs(1);
/// Least time between two looks.
const WATCH_PAUSE: Duration = Duration::from_millis(50);
/// Longest wait for an id of the right side.
const ID_WAIT_MAX: Duration = Duration::from_secs(2);
/// Pause before the start of a right side is tried again.
const BIRTH_RETRY: Duration = Duration::from_millis(200);

/// Splits ranges that have outgrown their limit, until the store is gone or stops.
pub(super) async fn watch_sizes(store: Weak<RangeStore>, mut stop: watch::Receiver<bool>) {
    loop {
        let Some(strong) = store.upgrade() else { return };
        for replica in strong.all() {
            if replica.begin_attempt() {
                tokio::spawn(Arc::clone(&strong).split_by_size(replica));
            }
        }
        let shared = Arc::clone(&strong.shared);
        drop(strong);
        tokio::select! {
            _ = stop.wait_for(|stopping| *stopping) => return,
            () = pause(WATCH_PAUSE) => {}
        }
        tokio::select! {
            _ = stop.wait_for(|stopping| *stopping) => return,
            () = shared.outgrown.notified() => {}
            () = pause(WATCH_INTERVAL) => {}
        }
    }
}

/// Starts right sides as they come, until the store is gone or stops.
pub(super) async fn start_newborns(store: Weak<RangeStore>, mut stop: watch::Receiver<bool>) {
    loop {
        let Some(strong) = store.upgrade() else { return };
        let mut failed = false;
        while let Some(newborn) = strong.shared.nursery.first() {
            if let Err(error) = strong.start_newborn(&newborn).await {
                tracing::error!(range = %newborn.state.descriptor.range_id, %error, "a right side does not start");
                failed = true;
                break;
            }
        }
        let shared = Arc::clone(&strong.shared);
        drop(strong);
        tokio::select! {
            _ = stop.wait_for(|stopping| *stopping) => return,
            () = shared.nursery.came.notified() => {}
            () = pause(BIRTH_RETRY), if failed => {}
        }
    }
}

impl RangeStore {
    /// Splits a range that is led here; see [`crate::local_ranges::LocalRanges`].
    pub(super) async fn split_range(
        &self,
        range_id: RangeId,
        at: Option<Key>,
    ) -> Result<RangeDescriptor, LocalRangeError> {
        let replica = self.replica(range_id).ok_or(LocalRangeError::NotLeader { range_id })?;
        let refused = |detail: String| LocalRangeError::Refused { range_id, detail };
        let span = &replica.descriptor().span;
        if let Some(at) = at.as_ref().filter(|at| !span.contains(at) || **at == span.start) {
            return Err(refused(format!("key {at} is not inside of it")));
        }
        if range_id == crate::client::router::SYSTEM_RANGE {
            return Err(refused("it holds the cluster's metadata, and is never split".to_owned()));
        }
        self.split_at(&replica, at, 0).await.map_err(|error| match error {
            NotSplit::OneKey | NotSplit::Smaller => {
                refused("all of its bytes are those of one key".to_owned())
            }
            NotSplit::Failed(RangeError::NotLeaseholder { .. }) => LocalRangeError::NotLeader { range_id },
            NotSplit::Failed(error) => LocalRangeError::Timeout { range_id, detail: error.to_string() },
        })
    }

    async fn split_by_size(self: Arc<Self>, replica: Arc<Replica>) {
        let Ok(_slot) = self.splitting.acquire().await else { return };
        let range_id = replica.range_id();
        let size_bytes = replica.status().size_bytes;
        let least = self.shared.range_max_bytes();
        let how = match self.split_at(&replica, None, least).await {
            Ok(right) => {
                tracing::info!(range = %range_id, right = %right.range_id, at = %right.span.start, size_bytes, "split");
                Ended::Split
            }
            Err(NotSplit::OneKey) => Ended::OneKey,
            Err(NotSplit::Smaller) => Ended::Smaller,
            Err(NotSplit::Failed(error)) => {
                tracing::info!(range = %range_id, %error, size_bytes, "not split yet");
                Ended::Failed
            }
        };
        if replica.end_attempt(how) {
            tracing::warn!(range = %range_id, size_bytes, "larger than range_max_bytes, but one key has all its bytes");
        }
    }

    /// Counts, chooses and splits a range of more than `least` bytes; gives the right side.
    async fn split_at(
        &self,
        replica: &Arc<Replica>,
        at: Option<Key>,
        least: u64,
    ) -> Result<RangeDescriptor, NotSplit> {
        let counted = replica.count_size().await?;
        if counted.1.total() < least {
            return Err(NotSplit::Smaller);
        }
        let right_id = self.next_range_id().await.ok_or_else(|| {
            let detail = "no id for its right side: range 1 gave none yet".to_owned();
            RangeError::Unavailable { range_id: replica.range_id(), detail }
        })?;
        let plan = plan(counted, at, right_id).map_err(|_| NotSplit::OneKey)?;
        let (whole, at) = (replica.descriptor(), plan.point.at.clone());
        replica.split(plan).await?;
        let mut right = RangeDescriptor::clone(&whole);
        right.range_id = right_id;
        right.span.start = at;
        right.generation += 1;
        Ok(right)
    }

    /// Whether a block of ids should be taken: before a range has grown to its limit, so that its split waits for none.
    pub(super) fn needs_ids(&self) -> bool {
        let grows = || self.all().iter().any(|replica| replica.may_split_soon());
        self.ids.is_wanted() || (self.ids.left() < IDS_LOW && grows())
    }

    async fn next_range_id(&self) -> Option<RangeId> {
        let came = self.ids.came.notified();
        if let Some(id) = self.ids.take() {
            return Some(id);
        }
        let _ = tokio::time::timeout(ID_WAIT_MAX, came).await;
        self.ids.take()
    }

    /// Remembers what stands in the directory.
    pub(super) async fn note_published_generation(
        &self,
        range_id: RangeId,
        generation: u64,
    ) -> Result<(), LocalRangeError> {
        let Some(replica) = self.replica(range_id) else { return Ok(()) };
        if !replica.note_published(generation) {
            return Ok(());
        }
        let _changing = self.changing.lock().await;
        if self.replica(range_id).is_none() {
            return Ok(());
        }
        let mut batch = Batch::new();
        batch.put(Family::Range, published_key(range_id), encode_published(replica.published()));
        let engine = Arc::clone(&self.shared.engine);
        // Losing it costs one publication that says nothing new.
        let written = self.shared.blocking.run(move || engine.write(batch, Durability::Buffered)).await;
        written.map_err(storage)?.map_err(|error| {
            self.shared.writer.poison(error.clone());
            storage(error)
        })
    }

    /// Starts the replica of a right side, unless it was removed meanwhile.
    async fn start_newborn(&self, newborn: &Newborn) -> Result<(), LocalRangeError> {
        let _changing = self.changing.lock().await;
        let descriptor = &newborn.state.descriptor;
        let range_id = descriptor.range_id;
        if *self.stopping.borrow() {
            self.shared.nursery.remove(range_id);
            return Ok(());
        }
        if self.check_tombstone(range_id, newborn.replica_id).is_err() {
            let mut batch = Batch::new();
            erase_replica(&mut batch, descriptor);
            self.write_synced(batch).await?;
        } else if self.replica(range_id).is_none()
            && self.stored_replica(range_id)? == Some(newborn.replica_id)
        {
            let origin = Origin {
                replica_id: newborn.replica_id,
                applied: newborn.state.clone(),
                published: 0,
                past: Past::Split,
                seed: self.seed_of(range_id),
            };
            let replica = Replica::new(Arc::clone(&self.shared), origin);
            // Taken before it is used: should this start fail, the next one is an ordinary one.
            let takes_grant = self.shared.nursery.take_grant(range_id);
            replica.start(takes_grant).await.map_err(storage)?;
            self.replicas.write().insert(range_id, Arc::clone(&replica));
            match newborn.first_leader {
                FirstLeader::Granted | FirstLeader::Campaigns => replica.campaign(),
                FirstLeader::Another => {}
            }
        }
        self.shared.nursery.remove(range_id);
        self.arrived.notify_waiters();
        Ok(())
    }
}

/// Why a range was not split.
enum NotSplit {
    /// One key has all its bytes.
    OneKey,
    /// It is smaller than was estimated.
    Smaller,
    /// Something was in the way.
    Failed(RangeError),
}

impl From<RangeError> for NotSplit {
    fn from(error: RangeError) -> Self {
        Self::Failed(error)
    }
}
