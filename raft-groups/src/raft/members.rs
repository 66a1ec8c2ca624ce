//! Changes of a group's members: one entry at a time, each decided on the members that were seen.
//!
//! ```text
//!   {1,2,3} ── learner 4 ──▶ {1,2,3} 4 ── joint ──▶ {1,2,3}{1,3,4} ── final ──▶ {1,3,4}
//! ```
//!
//! Every arrow is one [`RaftGroup::change_members`]: where its answer is lost, or its leader, whoever leads next sees from
//! the members alone what is left to do. openraft checks that the term and the members are still those of the
//! [`MembersStamp`], that the members before are committed, and that the leader has committed an entry of its own term.
//!
//! Invariants: a replica's node never changes; whoever leads is never removed by itself (it hands over first).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use openraft::async_runtime::watch::WatchReceiver;
use openraft::entry::RaftPayload;
use openraft::errors::{ChangeMembershipError, ClientWriteError, ForwardReason, RaftError};
use openraft::raft::Precondition;
use quorate_placement::topology::{NodeId, ReplicaId};

use super::convert::{TypeConfig, log_id_of, membership_of, position_of, raft_membership_of};
use super::group::RaftGroup;
use super::types::Role;
use crate::log_position::{LogPosition, VoteState};
use crate::membership::GroupMembership;

/// What a change is decided on: it is made in this term and on these members, or not at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MembersStamp {
    /// The term that is led here.
    pub term: u64,
    /// The entry that brought the members; none for those of a seed.
    pub position: Option<LogPosition>,
}

/// The members of a group that is led here, as of its newest entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LedMembers {
    /// For a change of them.
    pub stamp: MembersStamp,
    /// Who they are.
    pub membership: Arc<GroupMembership>,
    /// Whether a quorum has the entry that brought them; until then nothing is changed again.
    pub is_committed: bool,
    /// Index of the newest entry that a quorum has.
    pub committed: u64,
}

/// One entry's change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MemberChange {
    /// A replica that follows without a vote; its id was never given before.
    AddLearner {
        /// Its id.
        replica: ReplicaId,
        /// Its node.
        node: NodeId,
    },
    /// A learner leaves.
    RemoveLearner(ReplicaId),
    /// Begins to give these learners a vote and to take it from these voters: quorums of both sets are needed now.
    Join {
        /// Learners that are to vote.
        promote: BTreeSet<ReplicaId>,
        /// Voters that are to leave.
        remove: BTreeSet<ReplicaId>,
    },
    /// Ends what `Join` began: the second set of voters alone remains, and whoever is only in the first one leaves.
    Finish,
}

/// Why a change was not made; cut by what to do next.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ChangeError {
    /// Nothing was done: another leads, or another term, or the members are others by now. Look again.
    #[error("the leader or the members have changed meanwhile: {0}")]
    Stale(String),
    /// Nothing was done: an earlier change is not committed, or the leader has no quorum at the moment. Try again.
    #[error("not now: {0}")]
    NotNow(String),
    /// Nothing was done, and never will be: the change makes no sense on these members.
    #[error("{0}")]
    Refused(String),
    /// It may have been done, or may yet be. Look again.
    #[error("its outcome is not known: {0}")]
    Undecided(String),
    /// The Raft task has ended; it may have been done.
    #[error("the replica has stopped: {0}")]
    Fatal(String),
}

impl MemberChange {
    /// The members after the change.
    ///
    /// # Errors
    /// Why it makes no sense.
    pub fn apply(&self, before: &GroupMembership) -> Result<GroupMembership, String> {
        let mut after = before.clone();
        if let Self::Finish = self {
            return finish(before);
        }
        let [voters] = before.voters.as_slice() else {
            return Err("a change is under way already".to_owned());
        };
        match self {
            Self::AddLearner { replica, node } => {
                if after.nodes.contains_key(replica) {
                    return Err(format!("{replica} is a member already"));
                }
                after.nodes.insert(*replica, *node);
            }
            Self::RemoveLearner(replica) => {
                if voters.contains(replica) || after.nodes.remove(replica).is_none() {
                    return Err(format!("{replica} is no learner"));
                }
            }
            Self::Join { promote, remove } => {
                after.voters.push(joined(before, voters, promote, remove)?);
            }
            Self::Finish => {}
        }
        Ok(after)
    }
}

fn joined(
    before: &GroupMembership,
    voters: &BTreeSet<ReplicaId>,
    promote: &BTreeSet<ReplicaId>,
    remove: &BTreeSet<ReplicaId>,
) -> Result<BTreeSet<ReplicaId>, String> {
    if let Some(stranger) = promote.iter().find(|id| voters.contains(id) || !before.nodes.contains_key(id)) {
        return Err(format!("{stranger} is no learner"));
    }
    if let Some(stranger) = remove.iter().find(|id| !voters.contains(id)) {
        return Err(format!("{stranger} is no voter"));
    }
    let next: BTreeSet<ReplicaId> = voters.difference(remove).chain(promote).copied().collect();
    if next.is_empty() {
        return Err("nobody would vote".to_owned());
    }
    Ok(next)
}

fn finish(before: &GroupMembership) -> Result<GroupMembership, String> {
    let [old, new] = before.voters.as_slice() else {
        return Err("no change is under way".to_owned());
    };
    let leaves = |id: &ReplicaId| old.contains(id) && !new.contains(id);
    let nodes: BTreeMap<_, _> =
        before.nodes.iter().filter(|(id, _)| !leaves(id)).map(|(id, node)| (*id, *node)).collect();
    Ok(GroupMembership { voters: vec![new.clone()], nodes })
}

impl RaftGroup {
    /// The members, where this replica leads.
    pub fn led_members(&self) -> Option<LedMembers> {
        let metrics = self.metrics().borrow_watched();
        let vote: VoteState = super::convert::vote_of(&metrics.vote);
        let leads = super::group::role_of(metrics.state) == Role::Leader
            && vote.is_committed
            && vote.candidate == self.replica_id();
        if !leads {
            return None;
        }
        let position = metrics.membership_config.log_id().as_ref().map(position_of);
        let committed = metrics.local_committed.as_ref().map(position_of);
        Some(LedMembers {
            stamp: MembersStamp { term: vote.term, position },
            membership: Arc::new(membership_of(metrics.membership_config.membership())),
            is_committed: position <= committed,
            committed: committed.map_or(0, |committed| committed.index),
        })
    }

    /// Changes the members by one entry, and waits until that is applied here. Up to the group's own queue everything
    /// happens within the first poll.
    ///
    /// # Errors
    /// See [`ChangeError`].
    pub async fn change_members(
        &self,
        on: MembersStamp,
        change: MemberChange,
        timeout: Duration,
    ) -> Result<(), ChangeError> {
        let led = self.led_members().filter(|led| led.stamp == on);
        let led = led.ok_or_else(|| ChangeError::Stale("seen before it was asked for".to_owned()))?;
        let after = change.apply(&led.membership).map_err(ChangeError::Refused)?;
        if !after.voters.last().is_some_and(|voters| voters.contains(&self.replica_id())) {
            return Err(ChangeError::Refused("the leader must hand over before it leaves".to_owned()));
        }
        let after = raft_membership_of(&after).map_err(ChangeError::Refused)?;
        let preconditions = [
            Precondition::CommittedLeaderId { committed_leader_id: on.term.into() },
            Precondition::LastMembershipLogId { last_membership_log_id: on.position.map(log_id_of) },
        ];
        let blank = <TypeConfig as openraft::RaftTypeConfig>::Payload::blank();
        let raft = self.raft().clone();
        // Without tokio's budget the first poll cannot stop before the change is queued.
        let changing = tokio::task::unconstrained(
            async move { raft.append_membership(after, blank, preconditions).await }.boxed(),
        );
        match tokio::time::timeout(timeout, changing).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(RaftError::Fatal(error))) => Err(ChangeError::Fatal(error.to_string())),
            Ok(Err(RaftError::APIError(error))) => Err(refused(error)),
            Err(_) => Err(ChangeError::Undecided(format!("no quorum has it after {timeout:?}"))),
        }
    }
}

fn refused(error: ClientWriteError<TypeConfig>) -> ChangeError {
    let text = error.to_string();
    match error {
        ClientWriteError::ForwardToLeader(forward) => match forward.reason {
            ForwardReason::LeaseExpired => ChangeError::NotNow(text),
            ForwardReason::NotLeader | ForwardReason::LeadershipTransfer => ChangeError::Stale(text),
        },
        ClientWriteError::PreconditionFailed(_) => ChangeError::Stale(text),
        ClientWriteError::LogEntryDiscarded(_) => ChangeError::Undecided(text),
        ClientWriteError::ChangeMembershipError(error) => match error {
            ChangeMembershipError::InProgress(_) | ChangeMembershipError::UncommittedLeaderLog(_) => {
                ChangeError::NotNow(text)
            }
            ChangeMembershipError::EmptyMembership(_)
            | ChangeMembershipError::LearnerNotFound(_)
            | ChangeMembershipError::NodeMetadataChanged(_)
            | ChangeMembershipError::UnsupportedMembershipTransition(_) => ChangeError::Refused(text),
        },
    }
}
