//! How a replica is, for status reports, SQL's SHOW and metrics.

use std::sync::Arc;
use std::time::Duration;

use quorate_placement::topology::NodeId;

use super::Replica;
use crate::local_ranges::{GroupRole, ReplicaStatus, SilentPeer, Transfer};
use crate::raft::{Role, TransferProgress};

fn transfer(progress: TransferProgress) -> Transfer {
    let TransferProgress { peer, bytes, bytes_expected } = progress;
    Transfer { peer, bytes, bytes_expected }
}

impl Replica {
    /// The state as of now.
    pub fn status(&self) -> ReplicaStatus {
        let descriptor = self.descriptor();
        let group = self.task.group().map(|group| group.status());
        let stopped = self.task.stopped();
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
            size_bytes: self.applied.lock().size_bytes,
            silent_peers: self.silent_peers(),
            published: self.published(),
            is_whole: descriptor.is_known(),
            receiving: self.shared.snapshots.receiving(self.range_id).map(transfer),
            sending: self.shared.snapshots.sending(self.range_id).map(transfer),
            breaker: stopped.or_else(|| self.trip().map(|trip| self.explain(trip))),
            damage: self.damage.detail().map(|detail| detail.to_string()),
        }
    }

    /// Who leads the range, as far as this replica knows.
    pub fn leader_node(&self) -> Option<NodeId> {
        let leader = self.task.group()?.leader()?;
        self.descriptor().node_of(leader)
    }

    /// Requests that hold or wait for latches.
    pub fn latched(&self) -> usize {
        self.latches.len()
    }

    /// On the leader: peers that have acknowledged nothing for longer than a lease.
    fn silent_peers(&self) -> Vec<SilentPeer> {
        if !self.leads() {
            return Vec::new();
        }
        let peers = self.missing().into_iter();
        peers
            .map(|missing| SilentPeer {
                node_id: missing.node_id,
                silent: missing.silent.unwrap_or(Duration::MAX),
            })
            .collect()
    }
}
