//! [`RaftGroup`]: one replica's handle of its group.
//!
//! The handle drives nothing by itself: heartbeats and elections come from the store's ticker, promises and leases are
//! the replica's. openraft's own lease is `0.9 × vote_promise`, so that it never refuses what the promise allows.

use std::fmt;
use std::future::Future;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures::future::BoxFuture;
use openraft::async_runtime::watch::WatchReceiver;
use openraft::errors::{ClientWriteError, Fatal, ForwardReason, ForwardToLeader};
use openraft::impls::ProgressResponder;
use openraft::raft::{
    AppendEntriesRequest, AppendEntriesResponse, ClientWriteResult, TransferLeaderRequest,
    VoteRequest as RaftVoteRequest, VoteResponse,
};
use openraft::{Config, ConfigError, Raft, ServerState, SnapshotPolicy, StepDownPolicy};
use parking_lot::Mutex;
use quorate_engine::store::{Durability, Store};
use quorate_placement::topology::{RangeId, ReplicaId};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};

use super::convert::{
    RaftStoredMembership, TypeConfig, log_id_of, membership_of, position_of, raft_entry_of, raft_vote_of,
    vote_of,
};
use super::entry_command::EntryCommand;
use super::log_store::{GroupLog, LogStore, superseded, tell};
use super::log_writer::LogWriter;
use super::network::{Link, NetworkFactory};
use super::peers::Peers;
use super::rest::Quiet;
use super::seed::GRANTED_TERM;
use super::snapshot::{LogHolds, Snapshots};
use super::state_machine::{ApplyGate, Machinery, StateMachine};
use super::types::{Applied, GroupStatus, Role};
use super::{Applier, LeaseObserver};
use crate::blocking::Blocking;
use crate::limits::{
    API_QUEUE_MAX, COMMAND_ENCODED_MAX_BYTES, LOG_BYTES_MAX, PROPOSAL_BYTES_MAX, PROPOSALS_MAX,
};

use crate::log_position::{LogPosition, VoteState};
use crate::membership::GroupMembership;
use crate::raft_message::{
    AppendReply, AppendRequest, MessageBody, RaftMessage, RaftReply, Refusal, VoteReply, VoteRequest,
};
use crate::rpc::Rpc;

/// How long a nudge of the ticker waits for the Raft task's queue: the ticker comes again.
const NUDGE_TIMEOUT: Duration = Duration::from_millis(200);
/// How often a shutdown says that it waits: an apply under way ends when the store answers, and nothing may go on before.
const GONE_WAIT: Duration = Duration::from_secs(10);

/// Times of a group, in proportion to the promise not to vote.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GroupTiming {
    /// How long a follower votes for nobody after it accepted a leader's message (design.md section 12).
    pub vote_promise: Duration,
    /// How long an answer to entries may take: with a sync of the follower's disk.
    pub append_timeout: Duration,
}

impl Default for GroupTiming {
    fn default() -> Self {
        Self { vote_promise: Duration::from_millis(1_000), append_timeout: Duration::from_millis(1_500) }
    }
}

/// What a group's replica is made of.
#[derive(Clone)]
pub struct GroupConfig {
    /// The range.
    pub range_id: RangeId,
    /// This replica.
    pub replica_id: ReplicaId,
    /// Where it is stored.
    pub store: Arc<dyn Store>,
    /// The store's log writer.
    pub writer: Arc<LogWriter>,
    /// Applies what is committed.
    pub applier: Arc<dyn Applier>,
    /// Hears of what a lease is made of.
    pub observer: Arc<dyn LeaseObserver>,
    /// The way to other nodes.
    pub rpc: Arc<Rpc>,
    /// Times.
    pub timing: GroupTiming,
    /// Where work that may wait for the disk runs.
    pub blocking: Blocking,
    /// What all snapshots of the store share.
    pub snapshots: Arc<Snapshots>,
    /// Begin as the leader of the granted term, if it is granted to this replica and its log is still empty. The caller
    /// asks for that at most once in the life of a group.
    pub takes_grant: bool,
}

/// Why a group did not start.
#[derive(Debug, thiserror::Error)]
pub enum RaftError {
    /// Its times contradict each other: a defect of the caller.
    #[error("the times of a group are impossible: {0}")]
    Timing(#[from] ConfigError),
    /// Its state could not be read.
    #[error("{range_id} cannot be read: {source}")]
    Storage {
        /// The range.
        range_id: RangeId,
        /// Why.
        source: io::Error,
    },
    /// Its state contradicts itself.
    #[error("{range_id} cannot start: {detail}")]
    Start {
        /// The range.
        range_id: RangeId,
        /// Why.
        detail: String,
    },
}

/// What became of a proposal that was not applied; cut by what the proposer may do next.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProposeError {
    /// Surely not in the log: this replica does not lead the term.
    #[error("this replica does not lead")]
    NotLeader {
        /// Who does, as far as it knows.
        leader: Option<ReplicaId>,
    },
    /// Surely not in the log: the leader has not heard from a quorum lately. Evaluate again.
    #[error("the leader has not heard from a quorum lately")]
    Rejected,
    /// Surely not in the log: the command is too large.
    #[error("a command of {bytes} bytes; at most {COMMAND_ENCODED_MAX_BYTES} are possible")]
    TooLarge {
        /// Its bytes.
        bytes: usize,
    },
    /// Surely not in the log: the store's logs are full.
    #[error(
        "the Raft logs of this store have {bytes} bytes of at most {LOG_BYTES_MAX}; nothing was written; logs are cut \
         off once their entries are applied: look for replicas that have stopped (quorate status)"
    )]
    LogFull {
        /// Bytes of all logs of the store.
        bytes: u64,
    },
    /// It may be in the log, and may still be committed.
    #[error("the leader changed while the command was on its way")]
    Ambiguous,
    /// The Raft task has ended; the command may be in the log.
    #[error("the replica has stopped: {0}")]
    Fatal(String),
}

impl ProposeError {
    /// Whether the command may still be committed.
    pub fn is_ambiguous(&self) -> bool {
        match self {
            Self::Ambiguous | Self::Fatal(_) => true,
            Self::NotLeader { .. } | Self::Rejected | Self::TooLarge { .. } | Self::LogFull { .. } => false,
        }
    }
}

type OutcomeReceiver = openraft::alias::OneshotReceiverOf<TypeConfig, ClientWriteResult<TypeConfig>>;

/// A command on its way. Must be driven to its end by whoever holds its latches: dropping it cancels nothing.
#[must_use]
pub struct Proposal {
    outcome: OutcomeReceiver,
    _room: (OwnedSemaphorePermit, OwnedSemaphorePermit),
}

impl fmt::Debug for Proposal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Proposal").finish_non_exhaustive()
    }
}

impl Proposal {
    /// Waits until the command is applied here, or can never be.
    ///
    /// # Errors
    /// See [`ProposeError::is_ambiguous`].
    pub async fn applied(self) -> Result<Applied, ProposeError> {
        match self.outcome.await {
            Ok(Ok(response)) => {
                Ok(Applied { position: response.data.position, outcome: response.data.outcome })
            }
            Ok(Err(error)) => Err(refused(error)),
            // The Raft task ended with the command in its hands.
            Err(_) => Err(ProposeError::Fatal("its Raft task has ended".to_owned())),
        }
    }
}

fn refused(error: ClientWriteError<TypeConfig>) -> ProposeError {
    match error {
        ClientWriteError::ForwardToLeader(ForwardToLeader { leader_id, leader_node: _, reason }) => {
            match reason {
                ForwardReason::LeaseExpired => ProposeError::Rejected,
                ForwardReason::NotLeader | ForwardReason::LeadershipTransfer => {
                    ProposeError::NotLeader { leader: leader_id.map(ReplicaId) }
                }
            }
        }
        ClientWriteError::LogEntryDiscarded(_) => ProposeError::Ambiguous,
        // Answers to changes of membership, which are not proposed this way; nothing was appended.
        ClientWriteError::ChangeMembershipError(_) | ClientWriteError::PreconditionFailed(_) => {
            ProposeError::Rejected
        }
    }
}

/// What openraft tells of itself. A borrow of it holds openraft up: it must be short.
type Metrics = openraft::alias::WatchReceiverOf<TypeConfig, openraft::RaftMetrics<TypeConfig>>;

/// One replica of one group.
pub struct RaftGroup {
    range_id: RangeId,
    replica_id: ReplicaId,
    raft: Raft<TypeConfig, StateMachine>,
    metrics: Metrics,
    log: Arc<GroupLog>,
    writer: Arc<LogWriter>,
    gate: Arc<ApplyGate>,
    applied: watch::Receiver<Option<LogPosition>>,
    proposals: Arc<Semaphore>,
    proposal_bytes: Arc<Semaphore>,
    membership: Mutex<(Arc<RaftStoredMembership>, Arc<GroupMembership>)>,
    quiet: Mutex<Quiet>,
    /// A command was proposed since it was last asked.
    busy: AtomicBool,
    /// openraft takes no command for longer than this after a quorum has answered.
    leader_lease: Duration,
    pub(super) holds: LogHolds,
    /// Closed when the state machine is gone.
    alive: watch::Receiver<()>,
}

impl fmt::Debug for RaftGroup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RaftGroup")
            .field("range_id", &self.range_id)
            .field("replica_id", &self.replica_id)
            .finish()
    }
}

/// openraft's settings, whose reasons are in docs/design/openraft.md.
fn raft_config(range_id: RangeId, timing: &GroupTiming, takes_grant: bool) -> Result<Config, ConfigError> {
    let share = |percent: u64| {
        let promise = u64::try_from(timing.vote_promise.as_millis()).unwrap_or(u64::MAX);
        (promise.saturating_mul(percent) / 100).max(1)
    };
    Config {
        cluster_name: range_id.to_string(),
        // Its lease: after it pre-votes are granted, which our promise forbids for a while longer.
        election_timeout_max: share(90),
        // How long an answer to a vote may take.
        election_timeout_min: share(70),
        // How long an answer to a heartbeat may take; the heartbeats themselves come from the ticker.
        heartbeat_interval: share(40),
        // An append that was acknowledged within this time stands for a heartbeat.
        heartbeat_min_interval: Some(share(10)),
        enable_tick: false,
        enable_pre_vote: Some(true),
        // A leader of before may have lost entries with its disk's power: nobody goes on leading after a start. Whoever
        // takes a grant has led nothing yet.
        enable_leader_restore: Some(takes_grant),
        removed_leader_step_down: StepDownPolicy::Never,
        quorum_loss_probe_interval: None,
        snapshot_policy: SnapshotPolicy::Never,
        max_in_snapshot_log_to_keep: u64::MAX,
        max_payload_entries: 512,
        api_channel_size: Some(API_QUEUE_MAX),
        api_batch_capacity: 1_024,
        notification_channel_size: Some(4_096),
        state_machine_channel_size: Some(256),
        backoff: "10ms 20ms 40ms ...500ms".to_owned(),
        ..Config::default()
    }
    .validate()
}

/// Nothing of a log that is no more true is read, and no task waits for the disk for that.
async fn remove_superseded(range_id: RangeId, store: &Arc<dyn Store>, blocking: &Blocking) -> io::Result<()> {
    let Some(removal) = superseded(store.as_ref(), range_id)? else { return Ok(()) };
    let store = Arc::clone(store);
    let written = blocking.run(move || store.write(removal, Durability::Synced)).await;
    written.map_err(io::Error::other)?.map_err(io::Error::other)
}

/// The log as it is true.
async fn open_log(config: &GroupConfig) -> io::Result<Arc<GroupLog>> {
    let GroupConfig { range_id, store, writer, observer, blocking, .. } = config;
    let removed = remove_superseded(*range_id, store, blocking).await;
    removed.inspect_err(|error| tell(observer.as_ref(), error))?;
    GroupLog::open(*range_id, Arc::clone(store), Arc::clone(writer), Arc::clone(observer))
}

impl RaftGroup {
    /// Starts a replica from what is stored. Messages for it may be handled as soon as this returns.
    ///
    /// # Errors
    /// Where its state cannot be read, or contradicts itself.
    pub async fn start(config: GroupConfig) -> Result<Arc<Self>, RaftError> {
        let (range_id, replica_id) = (config.range_id, config.replica_id);
        let storage = |source| RaftError::Storage { range_id, source };
        let observer = Arc::clone(&config.observer);
        let log = open_log(&config).await.map_err(storage)?;
        let takes_grant = config.takes_grant && log.is_granted_to(replica_id);
        let raft_config = Arc::new(raft_config(range_id, &config.timing, takes_grant)?);
        let leader_lease = Duration::from_millis(raft_config.election_timeout_max);
        let (applied_sender, applied) = watch::channel(None);
        let (machine_alive, alive) = watch::channel(());
        let (gate, holds) = (Arc::new(ApplyGate::default()), LogHolds::default());
        let machine = StateMachine::open(Machinery {
            range_id,
            store: config.store,
            writer: Arc::clone(&config.writer),
            applier: config.applier,
            gate: Arc::clone(&gate),
            applied: applied_sender,
            snapshots: Arc::clone(&config.snapshots),
            holds: holds.clone(),
            blocking: config.blocking.clone(),
            _alive: machine_alive,
        })
        .map_err(storage)?;
        let link = Link {
            range_id,
            replica_id,
            rpc: config.rpc,
            observer: config.observer,
            blocking: config.blocking.clone(),
            snapshots: config.snapshots,
            peers: Peers::default(),
            append_timeout: config.timing.append_timeout,
        };
        let network = NetworkFactory { link: Arc::new(link) };
        let starting =
            Raft::new(replica_id.0, raft_config, network, LogStore::new(Arc::clone(&log)), machine);
        if takes_grant {
            // No vote is stored for it, so nobody else would say so; and no acknowledgement must come before.
            observer.leadership(GRANTED_TERM, Some(replica_id));
        }
        let raft = Box::pin(starting).await.map_err(|error| {
            if takes_grant {
                observer.leadership(GRANTED_TERM, None);
            }
            RaftError::Start { range_id, detail: error.to_string() }
        })?;
        let metrics = raft.metrics();
        let stored = Arc::clone(&metrics.borrow_watched().membership_config);
        let membership = Arc::new(membership_of(stored.membership()));
        gate.allow_pins();
        Ok(Arc::new(Self {
            range_id,
            replica_id,
            raft,
            metrics,
            log,
            writer: config.writer,
            gate,
            applied,
            proposals: Arc::new(Semaphore::new(PROPOSALS_MAX)),
            proposal_bytes: Arc::new(Semaphore::new(PROPOSAL_BYTES_MAX as usize)),
            membership: Mutex::new((stored, membership)),
            quiet: Mutex::default(),
            busy: AtomicBool::new(false),
            leader_lease,
            holds,
            alive,
        }))
    }

    /// The range.
    pub fn range_id(&self) -> RangeId {
        self.range_id
    }

    /// This replica.
    pub fn replica_id(&self) -> ReplicaId {
        self.replica_id
    }

    pub(super) fn log(&self) -> &GroupLog {
        &self.log
    }

    pub(super) fn writer(&self) -> &LogWriter {
        &self.writer
    }

    pub(super) fn quiet(&self) -> &Mutex<Quiet> {
        &self.quiet
    }

    /// Whether a command was proposed since this was last asked: then it does not rest.
    pub fn take_busy(&self) -> bool {
        let is_busy = self.busy.swap(false, Ordering::Relaxed);
        if is_busy {
            self.quiet.lock().stir();
        }
        is_busy
    }

    pub(super) fn leader_lease(&self) -> Duration {
        self.leader_lease
    }

    pub(super) fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    pub(super) fn raft(&self) -> &Raft<TypeConfig, StateMachine> {
        &self.raft
    }

    /// Queues a command that was evaluated in `term`: it is appended in that term, or not at all. Returns once it has
    /// its place, so that commands enqueued one after the other stand in the log in that order.
    ///
    /// # Errors
    /// Surely not in the log.
    pub async fn enqueue(&self, term: u64, command: EntryCommand) -> Result<Proposal, ProposeError> {
        let bytes = command.size_bytes();
        if bytes > COMMAND_ENCODED_MAX_BYTES {
            return Err(ProposeError::TooLarge { bytes });
        }
        let log_bytes = self.writer.counts().log_bytes;
        if log_bytes >= LOG_BYTES_MAX {
            return Err(ProposeError::LogFull { bytes: log_bytes });
        }
        let fatal = |error: &dyn fmt::Display| ProposeError::Fatal(error.to_string());
        let slot = Arc::clone(&self.proposals).acquire_owned().await.map_err(|error| fatal(&error))?;
        let permits = u32::try_from(bytes).unwrap_or(PROPOSAL_BYTES_MAX);
        let room = Arc::clone(&self.proposal_bytes)
            .acquire_many_owned(permits)
            .await
            .map_err(|error| fatal(&error))?;
        self.wake().await;
        self.busy.store(true, Ordering::Relaxed);
        let (responder, outcome) = ProgressResponder::complete_only();
        self.raft
            .write(command)
            .with_leader(term)
            .responder(responder)
            .await
            .map_err(|error| fatal(&error))?;
        Ok(Proposal { outcome, _room: (slot, room) })
    }

    /// [`RaftGroup::enqueue`] and [`Proposal::applied`] in one.
    ///
    /// # Errors
    /// See [`ProposeError::is_ambiguous`].
    pub async fn propose(&self, term: u64, command: EntryCommand) -> Result<Applied, ProposeError> {
        self.enqueue(term, command).await?.applied().await
    }

    /// Sends a heartbeat to all other replicas, if this one leads.
    pub async fn heartbeat(&self) {
        self.nudge("heartbeat", self.raft.trigger().heartbeat()).await;
    }

    /// Asks the others whether they would vote for this replica, and if so stands for election. Not if it leads, and
    /// not while openraft's own lease lasts, which is shorter than the promise.
    pub async fn elect(&self) {
        self.nudge("election", self.raft.trigger().elect(true)).await;
    }

    /// Hands over to a follower, which must have all of the log: proposals end at once. Where it does not come about,
    /// another must be elected; this replica will not lead this term again.
    pub async fn transfer_leader(&self, to: ReplicaId) {
        self.nudge("transfer", self.raft.trigger().transfer_leader(to.0)).await;
    }

    async fn nudge(&self, what: &str, nudge: impl Future<Output = Result<(), Fatal<TypeConfig>>>) {
        match tokio::time::timeout(NUDGE_TIMEOUT, nudge).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::debug!(range = %self.range_id, %error, "{what} not asked for"),
            Err(_) => {
                tracing::warn!(range = %self.range_id, "{what} not asked for: the Raft task is too busy")
            }
        }
    }

    /// Handles a message of another replica. The caller has checked that it is for this replica, and has kept its
    /// promises; the first poll of the future gives the message its place among others.
    pub fn handle(&self, message: RaftMessage) -> BoxFuture<'static, RaftReply> {
        let raft = self.raft.clone();
        // Without tokio's budget the first poll cannot stop before the message is queued.
        Box::pin(tokio::task::unconstrained(async move {
            let answer = match message.body {
                MessageBody::Append(request) => handle_append(&raft, request).await,
                MessageBody::PreVote(request) => {
                    raft.pre_vote(raft_question(&request)).await.map(|reply| vote_reply(&reply)).map_err(text)
                }
                MessageBody::Vote(request) => {
                    raft.vote(raft_question(&request)).await.map(|reply| vote_reply(&reply)).map_err(text)
                }
                MessageBody::Transfer(request) => {
                    let (leader, last) = (raft_vote_of(request.leader), request.last_log.map(log_id_of));
                    let request = TransferLeaderRequest::new(leader, request.to.0, last);
                    let handled = raft.handle_transfer_leader(request).await;
                    // That it came too early or too late is the successor's loss, and no error.
                    handled.map(|_| RaftReply::Transfer).map_err(text)
                }
            };
            answer.unwrap_or_else(|error| {
                tracing::warn!(range = %message.range_id, %error, "Raft message not handled");
                RaftReply::Refused(Refusal::Stopped)
            })
        }))
    }

    /// What this replica knows of itself.
    pub fn status(&self) -> GroupStatus {
        let metrics = self.metrics.borrow_watched();
        GroupStatus {
            role: role_of(metrics.state),
            vote: vote_of(&metrics.vote),
            leader: metrics.current_leader.map(ReplicaId),
            last_log: self.log.last(),
            committed: metrics.local_committed.as_ref().map(position_of),
            applied: *self.applied.borrow(),
            fatal: metrics.running_state.as_ref().err().map(ToString::to_string),
        }
    }

    /// Who leads its term, as far as it knows.
    pub fn leader(&self) -> Option<ReplicaId> {
        self.metrics.borrow_watched().current_leader.map(ReplicaId)
    }

    /// The term that this replica leads, by its vote on the disk and its Raft task. No authority to serve.
    pub fn leading_term(&self) -> Option<u64> {
        let metrics = self.metrics.borrow_watched();
        let vote: VoteState = vote_of(&metrics.vote);
        let leads =
            role_of(metrics.state) == Role::Leader && vote.is_committed && vote.candidate == self.replica_id;
        leads.then_some(vote.term)
    }

    /// The vote on the disk.
    pub fn stored_vote(&self) -> Option<VoteState> {
        self.log.vote()
    }

    /// The last entry of the log, on the disk or on the way there.
    pub fn last_log(&self) -> Option<LogPosition> {
        self.log.last()
    }

    /// The newest applied entry.
    pub fn applied(&self) -> Option<LogPosition> {
        *self.applied.borrow()
    }

    /// Waits until an index is applied; the caller sets the deadline. False where the replica ended before.
    pub async fn wait_applied(&self, index: u64) -> bool {
        let mut applied = self.applied.clone();
        applied.wait_for(|position| position.is_some_and(|position| position.index >= index)).await.is_ok()
    }

    /// Who belongs to the group, also as of entries not committed yet.
    pub fn membership(&self) -> Arc<GroupMembership> {
        let newest = Arc::clone(&self.metrics.borrow_watched().membership_config);
        let mut cached = self.membership.lock();
        if !Arc::ptr_eq(&cached.0, &newest) {
            let membership = Arc::new(membership_of(newest.membership()));
            *cached = (newest, membership);
        }
        Arc::clone(&cached.1)
    }

    /// [`RaftGroup::membership`], as it was when it was last asked for.
    pub fn membership_seen(&self) -> Arc<GroupMembership> {
        Arc::clone(&self.membership.lock().1)
    }

    /// The newest stamp that a quorum of the effective membership, also a joint one, has reached.
    pub fn quorum_newest(&self, stamps: &dyn Fn(ReplicaId) -> Option<u64>) -> Option<u64> {
        self.membership().quorum_newest(stamps)
    }

    /// Why the Raft task has ended, if it has.
    pub fn fatal(&self) -> Option<String> {
        self.metrics.borrow_watched().running_state.as_ref().err().map(ToString::to_string)
    }

    /// Waits until the Raft task ends, and says why.
    pub async fn wait_fatal(&self) -> String {
        let mut metrics = self.metrics.clone();
        loop {
            if let Err(error) = &metrics.borrow_watched().running_state {
                return error.to_string();
            }
            if metrics.changed().await.is_err() {
                return "its Raft task has ended".to_owned();
            }
        }
    }

    /// Ends the replica. When this returns nothing of it is written any more, neither to the log nor by applying, and
    /// no apply is under way.
    pub async fn shutdown(&self) {
        if let Err(error) = self.raft.shutdown().await {
            tracing::warn!(range = %self.range_id, %error, "the Raft task ended badly");
        }
        // The Raft task is gone, and with it all appends; applies may still come, and find the gate closed.
        self.gate.close().await;
        let mut alive = self.alive.clone();
        while tokio::time::timeout(GONE_WAIT, alive.changed()).await.is_err() {
            tracing::warn!(range = %self.range_id, "still waiting for the end of an apply");
        }
        // A snapshot that is being sent is cancelled with the Raft task; its view keeps the store open.
        if tokio::time::timeout(GONE_WAIT, self.holds.all_released()).await.is_err() {
            tracing::warn!(range = %self.range_id, "a snapshot that is being sent does not end");
        }
        if let Err(error) = self.log.close().await {
            tracing::debug!(range = %self.range_id, %error, "closed after the log writer");
        }
    }
}

fn text(error: impl fmt::Display) -> String {
    error.to_string()
}

pub(super) fn role_of(state: ServerState) -> Role {
    match state {
        ServerState::Learner | ServerState::Shutdown => Role::Learner,
        ServerState::Follower => Role::Follower,
        ServerState::Candidate => Role::Candidate,
        ServerState::Leader => Role::Leader,
    }
}

fn raft_question(request: &VoteRequest) -> RaftVoteRequest<TypeConfig> {
    let vote = raft_vote_of(request.vote);
    let last_log_id = request.last_log.map(log_id_of);
    RaftVoteRequest { vote, last_log_id, leadership_transfer: request.is_leadership_transfer }
}

fn vote_reply(reply: &VoteResponse<TypeConfig>) -> RaftReply {
    let last_log = reply.last_log_id.as_ref().map(position_of);
    RaftReply::Vote(VoteReply { vote: vote_of(&reply.vote), is_granted: reply.vote_granted, last_log })
}

async fn handle_append(
    raft: &Raft<TypeConfig, StateMachine>,
    request: AppendRequest,
) -> Result<RaftReply, String> {
    let entries = request.entries.into_iter().map(raft_entry_of).collect::<Result<Vec<_>, _>>()?;
    let request = AppendEntriesRequest {
        vote: raft_vote_of(request.vote),
        prev_log_id: request.previous.map(log_id_of),
        entries,
        leader_commit: request.commit.map(log_id_of),
    };
    Ok(RaftReply::Append(match raft.append_entries(request).await.map_err(text)? {
        AppendEntriesResponse::Success => AppendReply::Accepted,
        AppendEntriesResponse::PartialSuccess(upto) => {
            AppendReply::AcceptedUpTo(upto.as_ref().map(position_of))
        }
        AppendEntriesResponse::Conflict => AppendReply::Conflict,
        AppendEntriesResponse::HigherVote(vote) => AppendReply::HigherVote(vote_of(&vote)),
    }))
}
