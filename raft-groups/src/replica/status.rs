//! How a replica is, for status reports, SQL's SHOW and metrics, and how far it is, for whoever moves replicas: what both parts
//! say of themselves.

use std::sync::Arc;

use quorate_placement::topology::NodeId;

use super::Replica;
use crate::local_ranges::{GroupRole, LedRange, LocalRangeError, ReplicaProgress, ReplicaStatus, Transfer};
use crate::raft::{Role, TransferProgress};
use crate::safeguard::{self, Safeguard};

fn transfer(progress: TransferProgress) -> Transfer {
    let TransferProgress { peer, bytes, bytes_expected } = progress;
    Transfer { peer, bytes, bytes_expected }
}

impl Replica {
    /// The state as of now.
    pub fn status(&self) -> ReplicaStatus {
        let descriptor = self.descriptor();
        let group = self.machine.group().map(|group| group.status());
        let stopped = self.machine.stopped();
        let (receiving, sending) = self.machine.transfers();
        let role = match (&stopped, &group) {
            (Some(_), _) | (None, None) => GroupRole::Stopped,
            (None, Some(status)) => match status.role {
                Role::Leader => GroupRole::Leader,
                Role::Follower => GroupRole::Follower,
                Role::Candidate => GroupRole::Candidate,
                Role::Learner => GroupRole::Learner,
            },
        };
        let leader = group.as_ref().and_then(|status| status.leader);
        ReplicaStatus {
            descriptor: Arc::clone(&descriptor),
            replica_id: self.replica_id,
            role,
            term: group.as_ref().map_or(0, crate::raft::GroupStatus::term),
            leader_node: leader.and_then(|leader| descriptor.node_of(leader)),
            has_lease: self.has_lease(),
            applied: group.and_then(|status| status.applied).map_or(0, |position| position.index),
            size_bytes: self.machine.size_bytes(),
            silent_peers: self.serving.silent_peers(),
            published: self.published(),
            is_whole: descriptor.is_known(),
            receiving: receiving.map(transfer),
            sending: sending.map(transfer),
            breaker: stopped.or_else(|| self.serving.trip_told()),
            damage: self.serving.damage_met(),
        }
    }

    /// Who leads the range, as far as this replica knows.
    pub fn leader_node(&self) -> Option<NodeId> {
        let leader = self.machine.group()?.leader()?;
        self.descriptor().node_of(leader)
    }

    /// The range as this replica sees it, if it leads.
    pub(crate) fn led(&self) -> Option<LedRange> {
        let members = self.machine.group()?.led_members()?;
        let descriptor = self.machine.descriptor();
        Some(LedRange { descriptor: (*descriptor).clone(), replica_id: self.replica_id, members })
    }

    /// How far this replica is. What it says is on its disk: whoever hears it may give up other copies.
    pub(crate) async fn progress(&self) -> Result<ReplicaProgress, LocalRangeError> {
        let status = self.status();
        if safeguard::holds(Safeguard::SyncedBeforeReported) {
            self.machine.sync().await?;
        }
        let receiving = status.receiving;
        Ok(ReplicaProgress {
            applied: if status.is_whole { status.applied } else { 0 },
            bytes: receiving.map_or(0, |transfer| transfer.bytes),
            bytes_expected: receiving.map_or(0, |transfer| transfer.bytes_expected),
        })
    }
}
