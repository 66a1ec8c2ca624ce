//! The leader's half: a pinned view goes out in chunks, each acknowledged before the next.
//!
//! The rate is kept by waiting with each chunk for as long as its bytes may take. Whatever goes wrong, the view is let
//! go, and openraft comes again with a newer one after a pause.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use metrics::counter;
use quorate_engine::staging::Pair;
use quorate_engine::store::StoreError;
use quorate_placement::topology::{NodeId, RangeId, ReplicaId};
use tokio::time::Instant;

use super::message::{SnapshotBody, SnapshotMessage, SnapshotOffer, SnapshotRefusal, SnapshotReply};
use super::{KeySpan, Pinned, Reported, SENT, SENT_BYTES, Snapshots, TransferProgress};
use crate::blocking::Blocking;
use crate::limits::SNAPSHOT_CHUNK_BYTES_MAX;
use crate::log_position::VoteState;
use crate::rpc::{Rpc, RpcError, Service};
use crate::transport::Lane;

/// How long an answer to a chunk may take: a part may have to be written and synced.
const CHUNK_WAIT_MAX: Duration = Duration::from_secs(10);
/// How long an installation may take.
const INSTALL_WAIT_MAX: Duration = Duration::from_secs(120);
/// After this long without an answer the receiver is asked again whether it has installed: message or answer may be lost.
const END_WAIT_MAX: Duration = Duration::from_secs(3);
/// Pause before that, where it is still at it.
const END_PAUSE: Duration = Duration::from_millis(500);
/// How long a view is pinned for one snapshot.
const SEND_MAX: Duration = Duration::from_secs(600);
/// Whoever was not heard for so long is not asked: waiting for it would keep others from their snapshots.
const SILENCE_MAX: Duration = Duration::from_secs(3);
/// How long telling somebody to forget a transfer may take.
const ABORT_WAIT_MAX: Duration = Duration::from_secs(1);

/// Why a snapshot was not sent.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum SendFailure {
    /// The view could not be read.
    #[error("the view could not be read: {0}")]
    Storage(String),
    /// Damage on the disk: the view can never be read.
    #[error("the view could not be read: {0}")]
    Damaged(String),
    /// The other side did not answer.
    #[error(transparent)]
    Rpc(#[from] RpcError),
    /// The other side does not take it.
    #[error("it was refused: {0:?}")]
    Refused(SnapshotRefusal),
    /// An answer makes no sense.
    #[error("its answer makes no sense")]
    Unreadable,
    /// It has not been heard of lately.
    #[error("its node has not been heard of lately")]
    Silent,
    /// The group does not want it any more.
    #[error("it is not wanted any more")]
    Cancelled,
    /// It took too long.
    #[error("not sent within {SEND_MAX:?}")]
    TooSlow,
}

/// Who sends to whom.
#[derive(Clone)]
pub(crate) struct Route {
    pub(crate) range_id: RangeId,
    pub(crate) from: ReplicaId,
    pub(crate) to: ReplicaId,
    pub(crate) node: NodeId,
    pub(crate) rpc: Arc<Rpc>,
    pub(crate) blocking: Blocking,
    pub(crate) snapshots: Arc<Snapshots>,
}

/// Sends a snapshot; gives back the receiver's vote when it has installed it.
pub(crate) async fn send(
    route: Route,
    vote: VoteState,
    pinned: Pinned,
    cancelled: impl Future<Output = ()>,
) -> Result<VoteState, SendFailure> {
    if route.rpc.last_heard(route.node).is_none_or(|silent| silent > SILENCE_MAX) {
        return Err(SendFailure::Silent);
    }
    let transfer = route.rpc.unique();
    let sender = Sender { transfer, sequence: 0, route };
    let (route, started) = (sender.route.clone(), tokio::time::timeout(SEND_MAX, sender.run(vote, pinned)));
    let sent = tokio::select! {
        biased;
        () = cancelled => Err(SendFailure::Cancelled),
        sent = started => sent.unwrap_or(Err(SendFailure::TooSlow)),
    };
    if sent.is_ok() {
        counter!(SENT).increment(1);
    } else {
        // It would find out by itself, but later, and nobody else may send to it meanwhile.
        tokio::spawn(async move {
            let message = SnapshotMessage { range_id: route.range_id, transfer, body: SnapshotBody::Abort };
            let to = Service::Snapshot.at(route.node, Lane::Data);
            let _ = route.rpc.call(to, message.encode(), ABORT_WAIT_MAX).await;
        });
    }
    sent
}

struct Sender {
    route: Route,
    transfer: u64,
    sequence: u32,
}

impl Sender {
    async fn run(mut self, vote: VoteState, pinned: Pinned) -> Result<VoteState, SendFailure> {
        let progress =
            TransferProgress { peer: self.route.to, bytes: 0, bytes_expected: pinned.bytes_expected };
        let offer = SnapshotOffer {
            from_replica: self.route.from,
            to_replica: self.route.to,
            vote,
            bytes_expected: pinned.bytes_expected,
            head: pinned.head.clone(),
        };
        if let Some(vote) = self.ask(SnapshotBody::Begin(Box::new(offer)), CHUNK_WAIT_MAX).await? {
            return Ok(vote);
        }
        let reported = Reported::new(&self.route.snapshots, self.route.range_id, true, progress);
        for (number, span) in (0_u32..).zip(&pinned.head.spans) {
            self.send_span(&pinned, number, span, &reported).await?;
        }
        self.end().await
    }

    /// Says that this was all, until the answer is that it is installed.
    async fn end(&self) -> Result<VoteState, SendFailure> {
        let until = Instant::now() + INSTALL_WAIT_MAX;
        loop {
            let failure = match self.ask(SnapshotBody::End { chunks: self.sequence }, END_WAIT_MAX).await {
                Ok(installed) => return installed.ok_or(SendFailure::Unreadable),
                Err(failure) => failure,
            };
            let may_be_at_it = matches!(
                failure,
                SendFailure::Rpc(RpcError::TimedOut(_)) | SendFailure::Refused(SnapshotRefusal::Busy)
            );
            if !may_be_at_it || Instant::now() >= until {
                return Err(failure);
            }
            tokio::time::sleep(END_PAUSE).await;
        }
    }

    async fn send_span(
        &mut self,
        pinned: &Pinned,
        number: u32,
        span: &KeySpan,
        reported: &Reported,
    ) -> Result<(), SendFailure> {
        let mut start = span.start.clone();
        loop {
            let (view, next, end) = (Arc::clone(&pinned.view), start.clone(), span.end.clone());
            let family = span.family;
            let page = self
                .route
                .blocking
                .run(move || view.page(family, &next, &end, SNAPSHOT_CHUNK_BYTES_MAX))
                .await;
            let pairs = match page {
                Ok(Ok(pairs)) => pairs,
                Ok(Err(error @ StoreError::Damaged { .. })) => {
                    return Err(SendFailure::Damaged(error.to_string()));
                }
                Ok(Err(error)) => return Err(SendFailure::Storage(error.to_string())),
                Err(error) => return Err(SendFailure::Storage(error.to_string())),
            };
            let Some((last, _)) = pairs.last() else { return Ok(()) };
            assert!(
                *last >= start && *last < span.end,
                "a chunk holds keys of its span, behind those sent before"
            );
            start = [last.as_ref(), &[0]].concat().into();
            self.send_chunk(number, pairs, reported).await?;
        }
    }

    async fn send_chunk(
        &mut self,
        span: u32,
        pairs: Vec<Pair>,
        reported: &Reported,
    ) -> Result<(), SendFailure> {
        let bytes = pairs.iter().map(|(key, value)| (key.len() + value.len()) as u64).sum();
        let chunk = SnapshotBody::Chunk { sequence: self.sequence, span, pairs };
        let pause = tokio::time::sleep(self.route.snapshots.pace(bytes));
        let (answer, ()) = tokio::join!(self.ask(chunk, CHUNK_WAIT_MAX), pause);
        self.sequence += 1;
        reported.add(bytes);
        counter!(SENT_BYTES).increment(bytes);
        match answer? {
            None => Ok(()),
            Some(_) => Err(SendFailure::Unreadable),
        }
    }

    /// Sends one message; the vote where the answer is that it is installed.
    async fn ask(&self, body: SnapshotBody, wait: Duration) -> Result<Option<VoteState>, SendFailure> {
        let message = SnapshotMessage { range_id: self.route.range_id, transfer: self.transfer, body };
        let to = Service::Snapshot.at(self.route.node, Lane::Data);
        let answer: Bytes = self.route.rpc.call(to, message.encode(), wait).await?;
        match SnapshotReply::decode(answer) {
            Ok(SnapshotReply::Ready) => Ok(None),
            Ok(SnapshotReply::Installed(vote)) => Ok(Some(vote)),
            Ok(SnapshotReply::Refused(reason)) => Err(SendFailure::Refused(reason)),
            Err(_) => Err(SendFailure::Unreadable),
        }
    }
}
