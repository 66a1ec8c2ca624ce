//! EndLease: the one way in which a leader gives its lease away before it ends (design.md section 6).
//!
//! ```text
//!   leader     stops serving ── marks ── EndLease applied ── transfer ──▶ deposed
//!   target             EndLease is its last entry: promise void ── votes for itself ── blank entry ── serves
//!   others             EndLease is their last entry: promise void, for one vote
//! ```
//!
//! Nothing is enqueued behind the entry, and its read high-water mark is kept by whoever applies it: a later leader
//! writes above it, whatever its clock says (section 14, stories 12 and 17).

use std::time::Duration;

use quorate_engine::hlc::Timestamp;
use quorate_placement::topology::{NodeId, ReplicaId};

use super::Serving;
use crate::command_format::{Command, CommandKind, is_end_lease};
use crate::lease::{Event, HandOver, Quorum};
use crate::local_ranges::LocalRangeError;
use crate::raft::{EntryPayload, RaftGroup};
use crate::raft_message::{AppendRequest, MessageBody, RaftMessage};

/// How long the parts of a hand-over may take: without success the others elect by themselves, when their promises end.
const HAND_OVER_MAX: Duration = Duration::from_secs(2);
/// How long a target waits for the EndLease that it shall follow upon: entries travel by another lane.
const END_LEASE_WAIT_MAX: Duration = Duration::from_millis(300);
/// How often it looks.
const END_LEASE_POLL: Duration = Duration::from_millis(2);

impl Serving {
    /// Hands the lease over to the replica on another node; returns when that one leads.
    pub(crate) async fn hand_over_to(&self, to: NodeId) -> Result<(), LocalRangeError> {
        let range_id = self.range_id;
        let group = self.machine.group().ok_or(LocalRangeError::NotLeader { range_id })?;
        let target = self.check_target(&group, to)?;
        if target == self.replica_id {
            return Ok(());
        }
        let timeout =
            |what: &str| LocalRangeError::Timeout { range_id, detail: format!("{what} took too long") };
        tokio::time::timeout(HAND_OVER_MAX, self.end_lease(&group))
            .await
            .unwrap_or_else(|_| Err(timeout("writing the end of its lease")))?;
        group.transfer_leader(target).await;
        tokio::time::timeout(HAND_OVER_MAX, self.until_led_by(&group, target))
            .await
            .map_err(|_| timeout("the election of its next leader"))
    }

    /// The replica on `to`, if it is a voter that answers.
    fn check_target(&self, group: &RaftGroup, to: NodeId) -> Result<ReplicaId, LocalRangeError> {
        let range_id = self.range_id;
        let misplaced = |detail: String| LocalRangeError::Misplaced { range_id, detail };
        if !self.has_lease() {
            return Err(LocalRangeError::NotLeader { range_id });
        }
        let descriptor = self.machine.descriptor();
        let target = descriptor
            .replica_on(to)
            .map(|replica| replica.replica_id)
            .ok_or_else(|| misplaced(format!("node {to} has no replica")))?;
        let members = self.members(group);
        if !members.group.voters.iter().all(|voters| voters.contains(&target)) || members.is_single_voter() {
            return Err(misplaced(format!("replica {target} on node {to} does not vote")));
        }
        let heard = self.lease.lock().acknowledged_at(target).unwrap_or(0);
        let is_recent = heard.saturating_add(self.shared.timing.lease_duration) >= self.shared.now();
        if target != self.replica_id && !is_recent {
            return Err(misplaced(format!("replica {target} on node {to} does not answer")));
        }
        Ok(target)
    }

    /// Stops serving for good in this term, and then says so in the log.
    async fn end_lease(&self, group: &RaftGroup) -> Result<(), LocalRangeError> {
        let range_id = self.range_id;
        let proposal = {
            let _enqueued = self.enqueue_lock.write().await;
            let term = self.lease.lock().leads().ok_or(LocalRangeError::NotLeader { range_id })?;
            self.note(Event::HandingOver);
            // What is read from here on is not answered: its lease check comes last, and fails.
            assert!(!self.has_lease(), "who hands over serves no more");
            let read_high_water = self.cache.lock().high_water();
            let kind = CommandKind::EndLease { read_high_water, closed: Timestamp::MIN };
            let command = Command {
                term,
                generation: self.machine.descriptor().generation,
                closed: Timestamp::MIN,
                high_water: Timestamp::MIN,
                size_delta: 0,
                kind,
            };
            let bytes = command
                .encode(&self.shared.cluster_version)
                .map_err(|error| LocalRangeError::Storage(error.to_string()))?;
            group.enqueue(term, bytes).await
        };
        let applied = match proposal {
            Ok(proposal) => proposal.applied().await,
            Err(error) => Err(error),
        };
        let applied =
            applied.map_err(|error| LocalRangeError::Timeout { range_id, detail: error.to_string() })?;
        *self.end_lease.lock() = Some(applied.position);
        Ok(())
    }

    async fn until_led_by(&self, group: &RaftGroup, target: ReplicaId) {
        loop {
            let changed = self.changed.notified();
            if group.status().leader == Some(target) {
                return;
            }
            let _ = tokio::time::timeout(END_LEASE_POLL, changed).await;
        }
    }

    /// Remembers where an EndLease stands that comes in with entries of the leader.
    pub(super) fn note_end_lease(&self, request: &AppendRequest) {
        let Some(last) = request.entries.last() else { return };
        match &last.payload {
            EntryPayload::Command(command) if is_end_lease(command.bytes()) => {
                *self.end_lease.lock() = Some(last.position)
            }
            EntryPayload::Command(_) | EntryPayload::Blank | EntryPayload::Membership(_) => {}
        }
    }

    /// See [`HandOver`]: the last entry of the log is an EndLease, and the vote is still that of its leader.
    pub(super) fn hand_over(&self, group: &RaftGroup) -> Option<HandOver> {
        let end_lease = (*self.end_lease.lock())?;
        let vote = group.stored_vote()?;
        let is_void = group.last_log() == Some(end_lease) && vote.is_committed && vote.term == end_lease.term;
        is_void.then_some(HandOver { term: end_lease.term })
    }

    /// A transfer to this replica may arrive before the EndLease that it follows upon.
    pub(super) async fn await_end_lease(&self, group: &RaftGroup, message: &RaftMessage) {
        match &message.body {
            MessageBody::Transfer(request) if request.to == self.replica_id => {}
            MessageBody::Transfer(_)
            | MessageBody::Append(_)
            | MessageBody::Vote(_)
            | MessageBody::PreVote(_) => {
                return;
            }
        }
        let seen = async {
            while self.hand_over(group).is_none() {
                tokio::time::sleep(END_LEASE_POLL).await;
            }
        };
        // Without it the promise stands, and the transfer is refused.
        let _ = tokio::time::timeout(END_LEASE_WAIT_MAX, seen).await;
    }
}
