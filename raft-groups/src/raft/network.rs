//! openraft's network over `Rpc`: messages of `raft_message`, with a deadline each, in two lanes.
//!
//! Heartbeats and votes go by the control lane, entries by the data lane. A follower's stream keeps several appends in
//! flight and yields their answers in order. What a lease needs is stamped here: the time before each send, given to
//! the [`LeaseObserver`] with the answer that accepts it.
//!
//! Invariant: an acknowledgement is reported only for an answer that accepts this leader's vote.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use futures::{FutureExt, Stream, StreamExt};
use openraft::alias::{SnapshotOf, VoteOf};
use openraft::base::{BoxFuture, BoxStream};
use openraft::errors::{NetworkError, RPCError, ReplicationClosed, StreamingError, Unreachable};
use openraft::network::{Backoff, RPCOption};
use openraft::raft::{
    AppendEntriesRequest, AppendEntriesResponse, SnapshotResponse, StreamAppendError, StreamAppendResult,
    TransferLeaderRequest, TransferLeaderResponse, VoteRequest, VoteResponse,
};
use openraft::{OptionalSend, RaftNetworkFactory, RaftNetworkV2};
use quorate_placement::topology::{NodeId, RangeId, ReplicaId};

use super::LeaseObserver;
use super::convert::{RaftNode, TypeConfig, entry_of, log_id_of, position_of, raft_vote_of, vote_of};
use super::peers::{Peer, Peers};
use super::snapshot::send::{Route, SendFailure, send};
use super::snapshot::{RangeSnapshot, Snapshots};
use crate::blocking::Blocking;
use crate::limits::APPENDS_IN_FLIGHT_MAX;
use crate::raft_message::{
    AppendReply, AppendRequest, MessageBody, RaftMessage, RaftReply, Refusal, TransferRequest,
    VoteRequest as VoteQuestion,
};
use crate::rpc::{Rpc, RpcError, Service};
use crate::transport::Lane;

/// Pause after the first attempt to send a snapshot; it doubles with each.
const SNAPSHOT_PAUSE_MIN: Duration = Duration::from_millis(50);
/// Longest such pause: with many ranges, of which one sends at a time, somebody comes often enough.
const SNAPSHOT_PAUSE_MAX: Duration = Duration::from_secs(5);

type Answer<T> = Result<T, RPCError<TypeConfig>>;

/// What all connections of one replica share.
pub(crate) struct Link {
    pub(crate) range_id: RangeId,
    pub(crate) replica_id: ReplicaId,
    pub(crate) rpc: Arc<Rpc>,
    pub(crate) observer: Arc<dyn LeaseObserver>,
    pub(crate) blocking: Blocking,
    pub(crate) snapshots: Arc<Snapshots>,
    pub(crate) peers: Peers,
    /// How long an answer to entries may take: with a sync of the follower's disk.
    pub(crate) append_timeout: Duration,
}

/// Makes connections to the group's other replicas.
pub(crate) struct NetworkFactory {
    pub(crate) link: Arc<Link>,
}

impl NetworkFactory {
    fn connect(&self, target: u64, node: &RaftNode, lane: Lane) -> Network {
        let target = ReplicaId(target);
        let peer = self.link.peers.peer(target);
        let (link, node) = (Arc::clone(&self.link), NodeId(node.0));
        Network { link, target, node, lane, peer, sends_snapshots: false }
    }
}

impl RaftNetworkFactory<TypeConfig> for NetworkFactory {
    type Network = Network;

    async fn new_client(&mut self, target: u64, node: &RaftNode) -> Network {
        self.connect(target, node, Lane::Data)
    }

    async fn new_snapshot_client(&mut self, target: u64, node: &RaftNode) -> Network {
        Network { sends_snapshots: true, ..self.connect(target, node, Lane::Data) }
    }

    async fn new_heartbeat_client(&mut self, target: u64, node: &RaftNode) -> Network {
        self.connect(target, node, Lane::Control)
    }
}

/// One replica's way to another one.
#[derive(Clone)]
pub(crate) struct Network {
    link: Arc<Link>,
    target: ReplicaId,
    node: NodeId,
    lane: Lane,
    peer: Peer,
    /// Whether this way is for snapshots alone.
    sends_snapshots: bool,
}

fn unreachable_because(detail: impl ToString) -> RPCError<TypeConfig> {
    RPCError::Unreachable(Unreachable::from_string(detail))
}

impl Network {
    async fn call(&self, lane: Lane, body: MessageBody, timeout: Duration) -> Answer<RaftReply> {
        let link = &self.link;
        let (range_id, from_replica, to_replica) = (link.range_id, link.replica_id, self.target);
        let message = RaftMessage { range_id, from_replica, to_replica, body };
        let answer = link.rpc.call(Service::Raft.at(self.node, lane), message.encode(), timeout).await;
        match answer {
            Ok(bytes) => RaftReply::decode(bytes).map_err(unreachable_because),
            Err(error @ (RpcError::NotSent(_) | RpcError::Refused | RpcError::Disconnected)) => {
                Err(unreachable_because(error))
            }
            // Worth an immediate repeat: the wait was long enough.
            Err(error @ RpcError::TimedOut(_)) => Err(RPCError::Network(NetworkError::from_string(error))),
        }
    }

    fn unexpected(&self, reply: &RaftReply) -> RPCError<TypeConfig> {
        match reply {
            RaftReply::Refused(reason) => unreachable_because(format!("{} refused: {reason:?}", self.target)),
            RaftReply::Append(_) | RaftReply::Vote(_) | RaftReply::Transfer => {
                unreachable_because(format!("{} answered another question: {reply:?}", self.target))
            }
        }
    }

    async fn append(
        self,
        request: AppendEntriesRequest<TypeConfig>,
        timeout: Duration,
    ) -> Answer<AppendEntriesResponse<TypeConfig>> {
        let term = request.vote.leader_id().term;
        let body = MessageBody::Append(AppendRequest {
            vote: vote_of(&request.vote),
            previous: request.prev_log_id.as_ref().map(position_of),
            commit: request.leader_commit.as_ref().map(position_of),
            entries: request.entries.iter().map(entry_of).collect(),
        });
        if !self.link.observer.may_send() {
            return Err(unreachable_because("this leader has lost its quorum and pauses"));
        }
        let sent_at = self.link.observer.sent_now();
        let reply = self.call(self.lane, body, timeout).await?;
        if reply.is_success() {
            self.link.observer.acknowledged(self.target, term, sent_at);
            self.peer.accepted();
        }
        match reply {
            // No acknowledgement: nobody there has promised anything. See `peers`.
            RaftReply::Refused(Refusal::UnknownReplica)
                if self.lane == Lane::Data && self.peer.is_unknown() =>
            {
                Ok(AppendEntriesResponse::Conflict)
            }
            RaftReply::Append(AppendReply::Accepted) => Ok(AppendEntriesResponse::Success),
            RaftReply::Append(AppendReply::AcceptedUpTo(position)) => {
                Ok(AppendEntriesResponse::PartialSuccess(position.map(log_id_of)))
            }
            RaftReply::Append(AppendReply::Conflict) => Ok(AppendEntriesResponse::Conflict),
            RaftReply::Append(AppendReply::HigherVote(vote)) => {
                Ok(AppendEntriesResponse::HigherVote(raft_vote_of(vote)))
            }
            RaftReply::Vote(_) | RaftReply::Transfer | RaftReply::Refused(_) => Err(self.unexpected(&reply)),
        }
    }

    /// One append of a stream, with its answer as the stream yields it.
    async fn append_in_stream(
        self,
        request: AppendEntriesRequest<TypeConfig>,
        timeout: Duration,
    ) -> Answer<StreamAppendResult<TypeConfig>> {
        let previous = request.prev_log_id;
        let last = request.entries.last().map(|entry| entry.log_id).or(previous);
        match self.append(request, timeout).await? {
            AppendEntriesResponse::Success => Ok(Ok(last)),
            AppendEntriesResponse::PartialSuccess(upto) => Ok(Ok(upto)),
            AppendEntriesResponse::Conflict => match previous {
                Some(previous) => Ok(Err(StreamAppendError::Conflict(previous))),
                None => Err(unreachable_because("a conflict before the first entry")),
            },
            AppendEntriesResponse::HigherVote(vote) => Ok(Err(StreamAppendError::HigherVote(vote))),
        }
    }

    async fn ask_vote(&self, body: MessageBody, timeout: Duration) -> Answer<VoteResponse<TypeConfig>> {
        let reply = self.call(Lane::Control, body, timeout).await?;
        let RaftReply::Vote(reply) = reply else { return Err(self.unexpected(&reply)) };
        let last_log_id = reply.last_log.map(log_id_of);
        Ok(VoteResponse { vote: raft_vote_of(reply.vote), vote_granted: reply.is_granted, last_log_id })
    }

    fn append_timeout(&self, option: &RPCOption) -> Duration {
        match self.lane {
            Lane::Data => self.link.append_timeout,
            Lane::Control | Lane::Leases => option.hard_ttl(),
        }
    }
}

fn question(request: &VoteRequest<TypeConfig>) -> VoteQuestion {
    VoteQuestion {
        vote: vote_of(&request.vote),
        last_log: request.last_log_id.as_ref().map(position_of),
        is_leadership_transfer: request.leadership_transfer,
    }
}

impl RaftNetworkV2<TypeConfig> for Network {
    type SnapshotData = RangeSnapshot;

    async fn append_entries(
        &mut self,
        rpc: AppendEntriesRequest<TypeConfig>,
        option: RPCOption,
    ) -> Answer<AppendEntriesResponse<TypeConfig>> {
        let timeout = self.append_timeout(&option);
        self.clone().append(rpc, timeout).await
    }

    fn stream_append<'s, S>(
        &'s mut self,
        input: S,
        option: RPCOption,
    ) -> BoxFuture<'s, Answer<BoxStream<'s, Answer<StreamAppendResult<TypeConfig>>>>>
    where
        S: Stream<Item = AppendEntriesRequest<TypeConfig>> + OptionalSend + Unpin + 'static,
    {
        let timeout = self.append_timeout(&option);
        let network = self.clone();
        // Futures are polled first in the order of their making, so that messages leave in order.
        let answers = input
            .map(move |request| network.clone().append_in_stream(request, timeout))
            .buffered(APPENDS_IN_FLIGHT_MAX);
        let answers: BoxStream<'s, _> = Box::pin(answers);
        Box::pin(async move { Ok(answers) })
    }

    async fn vote(
        &mut self,
        rpc: VoteRequest<TypeConfig>,
        option: RPCOption,
    ) -> Answer<VoteResponse<TypeConfig>> {
        self.ask_vote(MessageBody::Vote(question(&rpc)), option.hard_ttl()).await
    }

    async fn pre_vote(
        &mut self,
        rpc: VoteRequest<TypeConfig>,
        option: RPCOption,
    ) -> Answer<VoteResponse<TypeConfig>> {
        self.ask_vote(MessageBody::PreVote(question(&rpc)), option.hard_ttl()).await
    }

    async fn full_snapshot(
        &mut self,
        vote: VoteOf<TypeConfig>,
        snapshot: SnapshotOf<TypeConfig, RangeSnapshot>,
        cancel: impl Future<Output = ReplicationClosed> + OptionalSend + 'static,
        _option: RPCOption,
    ) -> Result<SnapshotResponse<TypeConfig>, StreamingError<TypeConfig>> {
        // openraft comes again after a pause, with a view of then.
        let later = |why: String| StreamingError::Unreachable(Unreachable::from_string(why));
        let RangeSnapshot::Pinned(pinned) = snapshot.snapshot else {
            return Err(later("this node is sending another snapshot".to_owned()));
        };
        let route = Route {
            range_id: self.link.range_id,
            from: self.link.replica_id,
            to: self.target,
            node: self.node,
            rpc: Arc::clone(&self.link.rpc),
            blocking: self.link.blocking.clone(),
            snapshots: Arc::clone(&self.link.snapshots),
        };
        let position = pinned.head.position;
        match send(route, vote_of(&vote), *pinned, cancel.map(drop)).await {
            Ok(vote) => {
                self.peer.accepted();
                tracing::info!(range = %self.link.range_id, to = %self.target, %position, "a snapshot was sent");
                Ok(SnapshotResponse::new(raft_vote_of(vote)))
            }
            Err(SendFailure::Cancelled) => {
                Err(StreamingError::Closed(ReplicationClosed::new("the group does not want it any more")))
            }
            Err(failure) => {
                if let SendFailure::Damaged(detail) = &failure {
                    self.link.observer.met_damage(detail);
                }
                tracing::info!(range = %self.link.range_id, to = %self.target, %failure, "a snapshot was not sent");
                Err(later(failure.to_string()))
            }
        }
    }

    /// Pauses between attempts that fail: those of snapshots grow longer, because each takes a view of the store.
    fn backoff(&self) -> Option<Backoff> {
        let pauses = (0..).map(|attempt| SNAPSHOT_PAUSE_MIN.saturating_mul(1 << attempt.min(10)));
        let pauses = pauses.map(|pause| pause.min(SNAPSHOT_PAUSE_MAX));
        self.sends_snapshots.then(|| Backoff::new(pauses))
    }

    async fn transfer_leader(
        &mut self,
        request: TransferLeaderRequest<TypeConfig>,
        option: RPCOption,
    ) -> Answer<TransferLeaderResponse<TypeConfig>> {
        let body = MessageBody::Transfer(TransferRequest {
            leader: vote_of(request.from_leader()),
            to: ReplicaId(*request.to_node_id()),
            last_log: request.last_log_id().map(position_of),
        });
        let reply = self.call(Lane::Control, body, option.hard_ttl()).await?;
        let RaftReply::Transfer = reply else { return Err(self.unexpected(&reply)) };
        Ok(Ok(()))
    }
}
