//! The follower's half: [`SnapshotInbox`], where the one snapshot that may come in is gathered, staged, and installed.
//!
//! What is less than [`SMALL_MAX_BYTES`] stays in memory. A transfer that is not heard of for [`IDLE_MAX`] is forgotten
//! when another one begins, or when the inbox is swept.

use std::any::Any;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use quorate_engine::staging::StagedPart;
use quorate_engine::store::Store;
use quorate_placement::topology::RangeId;
use tokio::sync::Mutex;
use tokio::time::Instant;

use super::message::{SnapshotBody, SnapshotMessage, SnapshotOffer, SnapshotRefusal, SnapshotReply};
use super::parts::PartBuilder;
use super::{Content, Received, Reported, Snapshots, StagedArea, TransferProgress};
use crate::blocking::Blocking;
use crate::log_position::VoteState;
use crate::raft::RaftGroup;

/// Bytes of pairs that are installed by one batch; more are staged.
const SMALL_MAX_BYTES: u64 = 1 << 20;
/// How long a sender may be silent between its messages.
const IDLE_MAX: Duration = Duration::from_secs(20);

/// Says which snapshots may come in.
#[async_trait]
pub trait SnapshotHost: Send + Sync + 'static {
    /// Finds the replica meant, and keeps the snapshot's keys free of other ranges' replicas for as long as the
    /// admission lives.
    ///
    /// # Errors
    /// Why not.
    async fn admit(&self, range: RangeId, offer: &SnapshotOffer) -> Result<Admission, SnapshotRefusal>;
}

/// A snapshot that may come in.
pub struct Admission {
    /// The replica.
    pub group: Arc<RaftGroup>,
    /// What is kept for it.
    pub reservation: Box<dyn Any + Send + Sync>,
}

/// See the module.
pub struct SnapshotInbox {
    store: Arc<dyn Store>,
    blocking: Blocking,
    snapshots: Arc<Snapshots>,
    incoming: Mutex<Option<Incoming>>,
    /// The transfer that was installed last, for a sender that has missed the answer.
    installed: parking_lot::Mutex<Option<(RangeId, u64, VoteState)>>,
    /// Number of the next area: a start removes those of earlier processes.
    next_area: AtomicU64,
}

/// The snapshot that comes in.
struct Incoming {
    range: RangeId,
    transfer: u64,
    offer: SnapshotOffer,
    admission: Admission,
    builder: PartBuilder,
    /// Parts in memory, until there are too many bytes of them.
    held: Vec<StagedPart>,
    area: Option<StagedArea>,
    chunks: u32,
    bytes: u64,
    heard: Instant,
    reported: Reported,
}

impl SnapshotInbox {
    /// The inbox of a store.
    pub fn new(store: Arc<dyn Store>, blocking: Blocking, snapshots: Arc<Snapshots>) -> Self {
        let (incoming, installed) = (Mutex::new(None), parking_lot::Mutex::new(None));
        Self { store, blocking, snapshots, incoming, installed, next_area: AtomicU64::new(1) }
    }

    /// Takes a message and gives back the answer.
    pub async fn handle(&self, host: &dyn SnapshotHost, payload: Bytes) -> Bytes {
        let reply = match SnapshotMessage::decode(payload) {
            Ok(message) => self.take(host, message).await,
            Err(error) => {
                tracing::warn!(%error, "a snapshot's message was not read");
                Err(SnapshotRefusal::Unreadable)
            }
        };
        reply.unwrap_or_else(SnapshotReply::Refused).encode()
    }

    /// Forgets a transfer whose sender is silent.
    pub async fn sweep(&self) {
        // Who holds it is at work on it.
        let Ok(mut incoming) = self.incoming.try_lock() else { return };
        if incoming.as_ref().is_some_and(Incoming::is_idle) {
            *incoming = None;
        }
    }

    async fn take(
        &self,
        host: &dyn SnapshotHost,
        message: SnapshotMessage,
    ) -> Result<SnapshotReply, SnapshotRefusal> {
        // Whoever holds it writes or installs: the sender of that waits, and others come again.
        let mut slot = self.incoming.try_lock().map_err(|_| SnapshotRefusal::Busy)?;
        let SnapshotMessage { range_id, transfer, body } = message;
        if let SnapshotBody::Begin(offer) = body {
            return self.begin(host, &mut slot, (range_id, transfer), *offer).await;
        }
        if let (SnapshotBody::End { .. }, Some((range, known, vote))) = (&body, *self.installed.lock())
            && (range, known) == (range_id, transfer)
        {
            return Ok(SnapshotReply::Installed(vote));
        }
        let is_this = |incoming: &&mut Incoming| (incoming.range, incoming.transfer) == (range_id, transfer);
        let incoming = slot.as_mut().filter(is_this).ok_or(SnapshotRefusal::Lost)?;
        incoming.heard = Instant::now();
        let taken = match body {
            SnapshotBody::Begin(_) => unreachable!("dealt with above"),
            SnapshotBody::Abort => Err(SnapshotRefusal::Lost),
            SnapshotBody::Chunk { sequence, .. } if sequence != incoming.chunks => Err(SnapshotRefusal::Lost),
            SnapshotBody::Chunk { span, pairs, .. } => {
                incoming.chunks += 1;
                let bytes = pairs.iter().map(|(key, value)| (key.len() + value.len()) as u64).sum();
                incoming.bytes += bytes;
                incoming.reported.add(bytes);
                let span = usize::try_from(span).unwrap_or(usize::MAX);
                let parts = incoming.builder.push(span, pairs).map_err(|_| SnapshotRefusal::Unreadable);
                match parts {
                    Ok(parts) => self.keep(incoming, parts).await.map(|()| SnapshotReply::Ready),
                    Err(refusal) => Err(refusal),
                }
            }
            SnapshotBody::End { chunks } if chunks != incoming.chunks => Err(SnapshotRefusal::Lost),
            SnapshotBody::End { .. } => {
                let parts = incoming.builder.finish();
                match self.keep(incoming, parts).await {
                    Ok(()) => self.install(&mut slot).await,
                    Err(refusal) => Err(refusal),
                }
            }
        };
        if taken != Ok(SnapshotReply::Ready) {
            *slot = None;
        }
        taken
    }

    async fn begin(
        &self,
        host: &dyn SnapshotHost,
        slot: &mut Option<Incoming>,
        (range, transfer): (RangeId, u64),
        offer: SnapshotOffer,
    ) -> Result<SnapshotReply, SnapshotRefusal> {
        // A leader that comes again for the same replica has given up the transfer before.
        if slot.as_ref().is_some_and(|current| current.range != range && !current.is_idle()) {
            return Err(SnapshotRefusal::Busy);
        }
        *slot = None;
        let admission = host.admit(range, &offer).await?;
        if let Some(vote) = admission.group.has_applied(offer.head.position) {
            return Ok(SnapshotReply::Installed(vote));
        }
        tracing::info!(%range, position = %offer.head.position, "a snapshot comes in");
        let progress =
            TransferProgress { peer: offer.from_replica, bytes: 0, bytes_expected: offer.bytes_expected };
        *slot = Some(Incoming {
            range,
            transfer,
            builder: PartBuilder::new(offer.head.spans.clone()),
            offer,
            admission,
            held: Vec::new(),
            area: None,
            chunks: 0,
            bytes: 0,
            heard: Instant::now(),
            reported: Reported::new(&self.snapshots, range, false, progress),
        });
        Ok(SnapshotReply::Ready)
    }

    /// Keeps parts in memory, or stages them.
    async fn keep(&self, incoming: &mut Incoming, parts: Vec<StagedPart>) -> Result<(), SnapshotRefusal> {
        incoming.held.extend(parts);
        if incoming.bytes <= SMALL_MAX_BYTES || incoming.held.is_empty() {
            return Ok(());
        }
        let area = incoming.area.get_or_insert_with(|| {
            let number = self.next_area.fetch_add(1, Ordering::Relaxed);
            StagedArea::new(Arc::clone(&self.store), self.blocking.clone(), number)
        });
        let (parts, store, area) =
            (std::mem::take(&mut incoming.held), Arc::clone(&self.store), area.number());
        let stage = move || parts.iter().try_for_each(|part| store.staging().stage(area, part));
        let staged = self.blocking.run(stage).await;
        let failed = match staged {
            Ok(Ok(())) => return Ok(()),
            Ok(Err(error)) => error.to_string(),
            Err(error) => error.to_string(),
        };
        tracing::warn!(range = %incoming.range, failed, "a snapshot could not be staged");
        Err(SnapshotRefusal::Failed)
    }

    async fn install(&self, slot: &mut Option<Incoming>) -> Result<SnapshotReply, SnapshotRefusal> {
        let Some(incoming) = slot.as_mut() else { return Err(SnapshotRefusal::Lost) };
        let held = std::mem::take(&mut incoming.held);
        let content = incoming.area.take().map_or(Content::Small(held), Content::Staged);
        let received = Received { head: incoming.offer.head.clone(), content };
        let (range, transfer, vote) = (incoming.range, incoming.transfer, incoming.offer.vote);
        match incoming.admission.group.install(vote, received).await {
            Ok(vote) => {
                *self.installed.lock() = Some((range, transfer, vote));
                Ok(SnapshotReply::Installed(vote))
            }
            Err(error) => {
                tracing::warn!(%range, error, "a snapshot was not installed");
                Err(SnapshotRefusal::Stopped)
            }
        }
    }
}

impl Incoming {
    fn is_idle(&self) -> bool {
        self.heard.elapsed() > IDLE_MAX
    }
}
