//! The replica's Raft task: started, told what comes in, driven by the ticker, rebuilt from disk when it died.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;
use metrics::{Unit, counter, describe_counter};
use parking_lot::Mutex;
use quorate_placement::topology::ReplicaId;

use super::Replica;
use super::beats::Beats;
use crate::lease::following::Mark;
use crate::lease::{Effect, Event, Quorum};
use crate::membership::GroupMembership;
use crate::raft::{GroupConfig, GroupTiming, LogCut, RaftError, RaftGroup, Rest};
use crate::raft_message::{MessageBody, RaftMessage, RaftReply, Refusal};

/// Shortest pause before a Raft task that died is rebuilt.
const REBUILD_PAUSE_MIN: Duration = Duration::from_millis(200);
/// Longest such pause: it doubles each time, until a task has run for longer than this.
const REBUILD_PAUSE_MAX: Duration = Duration::from_secs(60);
/// A follower that acknowledged nothing for so many microseconds is not waited for with the log.
const FOLLOWER_LIVE_MICROS: u64 = 3_000_000;
/// How often replicas of this node stood for election.
const ELECTIONS: &str = "quorate_raft_elections_total";

/// Says what the metrics of this file mean.
pub(crate) fn describe_metrics() {
    let help = "Elections in which replicas of this node stood by themselves: having heard of no leader (silence), behind the \
                end of their leader's lease (hand_over), or told to lead a new range (new_range)";
    describe_counter!(ELECTIONS, Unit::Count, help);
}

/// The task's place.
#[derive(Default)]
pub struct RaftTask {
    state: Mutex<TaskState>,
    /// Held while the task is taken down or built.
    changing: tokio::sync::Mutex<()>,
}

#[derive(Default)]
struct TaskState {
    group: Option<Arc<RaftGroup>>,
    /// Why it never runs again.
    stopped: Option<String>,
    is_shut_down: bool,
}

impl RaftTask {
    /// The running task.
    pub fn group(&self) -> Option<Arc<RaftGroup>> {
        self.state.lock().group.clone()
    }

    /// Why this replica never runs again, if so.
    pub fn stopped(&self) -> Option<String> {
        self.state.lock().stopped.clone()
    }

    /// An entry could not be applied here that others may have applied: this replica stops for good.
    pub fn diverged(&self, detail: &str) {
        tracing::error!(detail, "a replica stops for good: its data may differ from the others'");
        self.state.lock().stopped.get_or_insert_with(|| detail.to_owned());
    }

    /// Damage keeps the task from starting: it never runs.
    pub fn cannot_start(&self, detail: &str) {
        self.state.lock().stopped.get_or_insert_with(|| detail.to_owned());
    }

    fn set(&self, group: Arc<RaftGroup>) {
        self.state.lock().group = Some(group);
    }

    fn take(&self) -> Option<Arc<RaftGroup>> {
        self.state.lock().group.take()
    }

    fn may_run(&self) -> bool {
        let state = self.state.lock();
        state.stopped.is_none() && !state.is_shut_down
    }
}

/// What a message that may reach the group is there.
enum Admitted {
    /// An append, or a heartbeat; its mark says whether it will show whom this replica follows.
    Append(Option<Mark>),
    /// It may change this replica's vote.
    Vote,
    /// It changes nothing.
    Question,
}

/// The members of a group, as a quorum, seen by one of its replicas.
pub struct Members {
    /// Who they are.
    pub group: Arc<GroupMembership>,
    /// Who looks.
    pub me: ReplicaId,
}

impl Quorum for Members {
    fn newest(&self, stamps: &dyn Fn(ReplicaId) -> Option<u64>) -> Option<u64> {
        self.group.quorum_newest(stamps)
    }

    /// A group that knows its members not yet is none of a single voter: that would void a promise.
    fn is_single_voter(&self) -> bool {
        let mut sets = self.group.voters.iter().peekable();
        sets.peek().is_some() && sets.all(|voters| voters.len() == 1 && voters.contains(&self.me))
    }
}

impl Replica {
    /// Starts the Raft task, and whoever rebuilds it. With `takes_grant` it may begin as the leader of the granted term:
    /// see [`GroupConfig::takes_grant`].
    ///
    /// # Errors
    /// Its state cannot be read.
    pub async fn start(self: &Arc<Self>, takes_grant: bool) -> Result<(), RaftError> {
        let group = self.start_group(takes_grant).await?;
        self.task.set(group);
        tokio::spawn(Arc::clone(self).supervise());
        Ok(())
    }

    async fn start_group(self: &Arc<Self>, takes_grant: bool) -> Result<Arc<RaftGroup>, RaftError> {
        let shared = &self.shared;
        let timing = GroupTiming {
            vote_promise: Duration::from_micros(shared.timing.vote_promise),
            ..GroupTiming::default()
        };
        RaftGroup::start(GroupConfig {
            range_id: self.range_id,
            replica_id: self.replica_id,
            store: Arc::clone(&shared.engine),
            writer: Arc::clone(&shared.writer),
            applier: Arc::clone(self) as _,
            observer: Arc::clone(self) as _,
            rpc: Arc::clone(&shared.rpc),
            timing,
            blocking: shared.blocking.clone(),
            snapshots: Arc::clone(&shared.snapshots),
            takes_grant,
        })
        .await
    }

    /// Rebuilds the Raft task whenever it dies, ever more slowly. The promise not to vote outlives it in the lease.
    async fn supervise(self: Arc<Self>) {
        let mut pause = REBUILD_PAUSE_MIN;
        while let Some(group) = self.task.group() {
            let started = tokio::time::Instant::now();
            let reason = group.wait_fatal().await;
            if started.elapsed() > REBUILD_PAUSE_MAX {
                pause = REBUILD_PAUSE_MIN;
            }
            self.note(Event::Deposed);
            if !self.task.may_run() {
                return;
            }
            tracing::error!(range = %self.range_id, reason, "the Raft task died; it is rebuilt from disk");
            {
                let _changing = self.task.changing.lock().await;
                drop(self.task.take());
                group.shutdown().await;
                drop(group);
            }
            while self.task.group().is_none() {
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(REBUILD_PAUSE_MAX);
                if !self.rebuild().await {
                    return;
                }
            }
        }
    }

    /// Starts the Raft task anew from what is stored; false where it shall not run any more. Nothing of the one before is
    /// left: an apply of both would change the state in memory twice.
    async fn rebuild(self: &Arc<Self>) -> bool {
        let _changing = self.task.changing.lock().await;
        if !self.task.may_run() {
            return false;
        }
        let started = match self.reload() {
            Ok(()) => self.start_group(false).await.map_err(|error| error.to_string()),
            Err(error) => Err(error.to_string()),
        };
        match started {
            Ok(group) => {
                self.task.set(group);
                tracing::info!(range = %self.range_id, "the Raft task was rebuilt");
            }
            Err(error) => tracing::error!(range = %self.range_id, error, "the Raft task cannot be rebuilt"),
        }
        true
    }

    /// What nobody needs of the log, if that is worth a cut.
    pub fn next_cut(&self) -> Option<LogCut> {
        let now = self.shared.now();
        let is_live = |peer: ReplicaId| {
            let heard = self.lease.lock().acknowledged_at(peer);
            heard.is_some_and(|at| now.saturating_sub(at) < FOLLOWER_LIVE_MICROS)
        };
        self.task.group()?.next_cut(&is_live)
    }

    /// Cuts it off; the store was synced in between.
    pub async fn cut_log(&self, cut: LogCut) {
        let Some(group) = self.task.group() else { return };
        if let Err(error) = group.cut_log(cut).await {
            tracing::warn!(range = %self.range_id, error, "the log was not cut off");
        }
    }

    /// Ends the Raft task as a defect of its own would.
    #[cfg(any(test, feature = "known-bugs"))]
    pub async fn kill_raft_task(&self) {
        if let Some(group) = self.task.group() {
            group.kill().await;
        }
    }

    /// Ends the replica: when this returns it writes nothing any more.
    pub async fn shutdown(&self) {
        self.task.state.lock().is_shut_down = true;
        self.note(Event::Deposed);
        // A task that is being rebuilt right now is taken down too.
        let _changing = self.task.changing.lock().await;
        if let Some(group) = self.task.take() {
            group.shutdown().await;
        }
        self.changed.notify_waiters();
    }

    /// Its Raft task, if it runs.
    pub fn running(&self) -> Option<Arc<RaftGroup>> {
        self.task.group()
    }

    /// Who belongs to the group, for the lease's clockwork.
    pub(super) fn members(&self, group: &RaftGroup) -> Members {
        Members { group: group.membership(), me: self.replica_id }
    }

    /// Handles a message of another replica. Up to the group's own queue everything happens within the first poll, so
    /// that messages keep their order.
    pub async fn handle(&self, message: RaftMessage) -> RaftReply {
        if message.to_replica != self.replica_id {
            return RaftReply::Refused(Refusal::UnknownReplica);
        }
        let Some(group) = self.task.group() else { return RaftReply::Refused(Refusal::Stopped) };
        self.await_end_lease(&group, &message).await;
        let leader = message.vote();
        let Some(admitted) = self.admit(&group, &message) else {
            return RaftReply::Refused(Refusal::Promised);
        };
        let reply = group.handle(message).await;
        match admitted {
            Admitted::Append(mark) if reply.is_success() => {
                self.note(Event::AcknowledgementLeaves { leader, mark });
            }
            Admitted::Vote => self.note(Event::Asked),
            Admitted::Append(_) | Admitted::Question => {}
        }
        reply
    }

    /// Whether the message may reach the group, and as what. An append's promise is recorded here already: a vote that
    /// comes in while it is written to the disk must find it.
    fn admit(&self, group: &RaftGroup, message: &RaftMessage) -> Option<Admitted> {
        let admitted = match &message.body {
            MessageBody::Append(request) => {
                self.note_end_lease(request);
                let known = group.stored_vote().map_or(0, |vote| vote.term);
                let mark = (message.term() >= known).then(|| self.append_arrives(message.term()));
                return Some(Admitted::Append(mark.flatten()));
            }
            // Whoever shall lead votes for itself at once.
            MessageBody::Transfer(request) if request.to == self.replica_id => Admitted::Vote,
            MessageBody::Transfer(_) => return Some(Admitted::Question),
            MessageBody::PreVote(_) => Admitted::Question,
            MessageBody::Vote(_) => Admitted::Vote,
        };
        let pre = matches!(admitted, Admitted::Question);
        let event = Event::VoteArrived { pre, hand_over: self.hand_over(group) };
        let effect = self.step_lease(event, &self.members(group));
        (effect == Some(Effect::Admit)).then_some(admitted)
    }

    fn append_arrives(&self, term: u64) -> Option<Mark> {
        let mut lease = self.lease.lock();
        self.due_hint.store(0, Ordering::Relaxed);
        // It asks for nothing.
        let _ = lease.step(self.shared.now(), Event::AppendArrived { term }, &super::Nobody);
        lease.mark()
    }

    /// What the store's ticker calls all the time: two comparisons, unless somebody waits or something is due.
    /// A heartbeat that its Raft task need not send is added to `beats`.
    pub fn tick(self: &Arc<Self>, now: u64, beats: &mut Beats) {
        self.look_at_breaker(now);
        if now < self.due_hint.load(Ordering::Relaxed) || !self.is_due(now) {
            return;
        }
        let Some(group) = self.task.group() else { return };
        // Of a busy group what others look at all the time is left alone: whoever holds it may wait for its turn for long.
        let leads = self.leads();
        let is_busy = leads && group.take_busy();
        let known = if is_busy { group.membership_seen() } else { group.membership() };
        let members = Members { group: known, me: self.replica_id };
        let votes = members.group.voters.iter().any(|voters| voters.contains(&self.replica_id));
        let (can_stand, hand_over) =
            if leads { (votes, None) } else { (votes && self.may_stand(now), self.hand_over(&group)) };
        let reason = if hand_over.is_some() { "hand_over" } else { "silence" };
        match self.step_lease(Event::Tick { can_stand, hand_over }, &members) {
            Some(Effect::Heartbeat) => {
                let rest = if is_busy { None } else { group.rest(now) };
                self.beat(now, (group, rest), &members, beats);
            }
            Some(Effect::Elect) => self.stand(group, reason),
            Some(Effect::Admit | Effect::Refuse) | None => {}
        }
    }

    /// Sends this leader's heartbeats past its Raft task; what that has to tell of a busy group comes beside them.
    fn beat(
        self: &Arc<Self>,
        now: u64,
        (group, rest): (Arc<RaftGroup>, Option<Rest>),
        members: &Members,
        beats: &mut Beats,
    ) {
        if let Some(Rest { term, last, peers }) = rest {
            return self.add_beats((term, Some(last)), peers.into_iter(), &group, beats);
        }
        let term = {
            let lease = self.lease.lock();
            lease.leads().filter(|_| lease.may_beat_beside(now, members))
        };
        if let Some(term) = term {
            let others = members.group.nodes.iter().filter(|(replica, _)| **replica != self.replica_id);
            self.add_beats((term, None), others.map(|(replica, node)| (*replica, *node)), &group, beats);
        }
        self.shared.blocking.tasks().ordinary(async move { group.heartbeat().await });
    }

    fn is_due(&self, now: u64) -> bool {
        let lease = self.lease.lock();
        let due_at = lease.due_at();
        if now < due_at {
            self.due_hint.store(due_at, Ordering::Relaxed);
        }
        drop(lease);
        now >= due_at
    }

    /// Stands for election as soon as no promise forbids it, unless it leads: one replica of a fresh range is told to.
    pub fn campaign(self: &Arc<Self>) {
        if self.leads() {
            return;
        }
        let Some(group) = self.task.group() else { return };
        if self.step_lease(Event::Campaign, &self.members(&group)) == Some(Effect::Elect) {
            self.stand(group, "new_range");
        }
    }

    fn stand(self: &Arc<Self>, group: Arc<RaftGroup>, reason: &'static str) {
        counter!(ELECTIONS, "reason" => reason).increment(1);
        let this = Arc::clone(self);
        self.shared.blocking.tasks().ordinary(async move {
            group.elect().await;
            this.note(Event::Asked);
        });
    }

    /// The bytes of an answer to a Raft message.
    pub async fn handle_encoded(self: Arc<Self>, message: RaftMessage) -> Bytes {
        self.handle(message).await.encode()
    }
}
