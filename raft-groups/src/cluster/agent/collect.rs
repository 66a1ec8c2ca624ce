//! Replicas that their ranges have removed go, with their data: a removed replica usually never hears of it from its
//! group, whose leader stops talking to it at once.
//!
//! Invariant: a replica that has its range's state is destroyed only on proof: a descriptor that its range has committed, not
//! older than its own, in which its id is absent and the next id is larger. Ids are never given twice, so that no later
//! descriptor can name it again, and an older answer proves nothing.

use std::time::Duration;

use futures::future::join_all;
use quorate_placement::topology::RangeId;

use super::Agent;
use crate::cluster::identify::found_at;
use crate::cluster::message::{ClusterAnswer, ClusterRequest};
use crate::cluster::node_format::NodeRecord;
use crate::descriptor::RangeDescriptor;
use crate::local_ranges::{LocalRangeError, ReplicaStatus};

/// Longest wait for a peer that is asked what it knows of a range.
const PEER_TIMEOUT: Duration = Duration::from_secs(1);
/// Ranges asked about in one pass: the next pass is near.
pub(super) const RANGES_ASKED_MAX: usize = 16;

/// Whether `newer` proves that the range has removed this replica for good.
pub fn is_gone(replica: &ReplicaStatus, newer: &RangeDescriptor) -> bool {
    newer.range_id == replica.descriptor.range_id
        && newer.is_known()
        && newer.generation >= replica.descriptor.generation
        && newer.next_replica_id > replica.replica_id
        && newer.node_of(replica.replica_id).is_none()
}

impl Agent {
    /// Removes the local replica of the descriptor's range, if that proves it gone.
    pub async fn collect(&self, newer: &RangeDescriptor) -> Result<bool, LocalRangeError> {
        let range_id = newer.range_id;
        let Some(status) = self.calls.ranges.status(range_id).filter(|status| is_gone(status, newer)) else {
            return Ok(false);
        };
        tracing::info!(range = %range_id, replica = %status.replica_id, "a replica is collected: its range has removed it");
        self.calls.router.forget(&status.descriptor);
        self.calls.ranges.destroy_replica(range_id, newer.next_replica_id).await?;
        self.calls.router.learn(newer.clone());
        Ok(true)
    }

    /// Answers a leader that says that the replica here is gone.
    pub async fn answer_collect(&self, newer: &RangeDescriptor) -> ClusterAnswer {
        match self.collect(newer).await {
            Err(error) => ClusterAnswer::Unavailable(error.to_string()),
            Ok(_) => match self.calls.ranges.status(newer.range_id) {
                Some(status) if newer.node_of(status.replica_id).is_none() => {
                    ClusterAnswer::Refused(format!("{} is here and not proved gone", status.replica_id))
                }
                Some(_) | None => ClusterAnswer::Done,
            },
        }
    }

    /// Creates the empty replica that the descriptor gives this node; an older one that it proves gone makes place.
    pub async fn answer_create_learner(&self, descriptor: &RangeDescriptor) -> ClusterAnswer {
        let range_id = descriptor.range_id;
        let Some(own) = descriptor.replica_on(self.calls.node_id()) else {
            return ClusterAnswer::Refused(format!("{range_id} gives {} no replica", self.calls.node_id()));
        };
        if let Err(error) = self.collect(descriptor).await {
            return ClusterAnswer::Unavailable(error.to_string());
        }
        match self.calls.ranges.create_learner(range_id, own.replica_id).await {
            Ok(()) => ClusterAnswer::Done,
            Err(error @ LocalRangeError::Tombstone { .. }) => ClusterAnswer::Refused(error.to_string()),
            Err(error) => ClusterAnswer::Unavailable(error.to_string()),
        }
    }

    /// What other nodes know of ranges whose replicas here hear of no leader: they may have been removed.
    async fn asked_of_peers(&self) -> Vec<RangeDescriptor> {
        let lost = |status: &ReplicaStatus| match status.leader_node {
            Some(_) => false,
            None => status.is_whole,
        };
        let mut found = Vec::new();
        for status in self.calls.ranges.statuses().into_iter().filter(lost).take(RANGES_ASKED_MAX) {
            let nodes = status.descriptor.nodes().into_iter().filter(|node| *node != self.calls.node_id());
            let request = ClusterRequest::Describe { range_id: status.descriptor.range_id };
            let asking = nodes.map(|node| self.calls.ask_node(node, &request, PEER_TIMEOUT));
            let answers = join_all(asking.collect::<Vec<_>>()).await;
            found.extend(answers.into_iter().filter_map(|answer| match answer {
                Ok(ClusterAnswer::Described(known)) => known,
                Ok(_) | Err(_) => None,
            }));
        }
        found
    }

    /// Whether each other node says that no replica there knows a range, or will not come back as it was.
    pub(super) async fn is_unknown_everywhere(&self, range_id: RangeId) -> bool {
        let own = self.calls.node_id();
        let others = self.directory.registry.all().into_iter().filter(|record| record.node_id != own);
        let asking: Vec<_> = others.map(|record| self.is_unknown_to(record, range_id)).collect();
        join_all(asking).await.into_iter().all(|is_unknown| is_unknown)
    }

    async fn is_unknown_to(&self, record: NodeRecord, range_id: RangeId) -> bool {
        let request = ClusterRequest::Describe { range_id };
        match self.calls.ask_node(record.node_id, &request, PEER_TIMEOUT).await {
            Ok(answer) => matches!(answer, ClusterAnswer::Described(None)),
            Err(_) => found_at(self.bootstrap.as_ref(), &record).await.absence().is_some(),
        }
    }

    /// Collects all local replicas that the newest descriptors known here prove gone.
    pub async fn collect_gone(&self, directory: &[RangeDescriptor], system: &RangeDescriptor) {
        let asked = self.asked_of_peers().await;
        for status in self.calls.ranges.statuses() {
            let range_id: RangeId = status.descriptor.range_id;
            // The replica's own descriptor may be the proof: it applied its own removal.
            let known = directory.iter().chain([system]).chain(&asked);
            let of_range = known.filter(|newer| newer.range_id == range_id);
            let proof = of_range.chain([&*status.descriptor]).find(|newer| is_gone(&status, newer));
            if let Some(proof) = proof
                && let Err(error) = self.collect(proof).await
            {
                tracing::warn!(range = %range_id, %error, "a removed replica could not be collected");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use quorate_engine::kv::{Key, Span};
    use quorate_placement::topology::{NodeId, ReplicaId};

    use super::*;
    use crate::local_ranges::GroupRole;

    fn descriptor(generation: u64) -> RangeDescriptor {
        let span = Span::new(Key::from(&b"a"[..]), Key::from(&b"z"[..]));
        let nodes = [NodeId(1), NodeId(2), NodeId(3)];
        RangeDescriptor { generation, ..RangeDescriptor::new(RangeId(7), span, &nodes) }
    }

    fn replica(replica_id: u64, descriptor: RangeDescriptor) -> ReplicaStatus {
        ReplicaStatus {
            descriptor: Arc::new(descriptor),
            replica_id: ReplicaId(replica_id),
            role: GroupRole::Follower,
            term: 1,
            leader_node: None,
            has_lease: false,
            applied: 11,
            size_bytes: 0,
            silent_peers: Vec::new(),
            published: 0,
            is_whole: true,
            receiving: None,
            sending: None,
            breaker: None,
            damage: None,
        }
    }

    #[test]
    fn only_a_newer_descriptor_without_the_id_and_beyond_it_is_proof() {
        let local = replica(2, descriptor(5));
        let mut without = descriptor(6);
        without.replicas.retain(|replica| replica.replica_id != ReplicaId(2));
        assert!(is_gone(&local, &without));
        assert!(!is_gone(&local, &descriptor(6)), "it is still named");
        assert!(!is_gone(&local, &RangeDescriptor { generation: 4, ..without.clone() }), "older");
        let other = RangeDescriptor { range_id: RangeId(8), ..without.clone() };
        assert!(!is_gone(&local, &other), "another range");
        // A learner whose addition the teller has not heard of: its id is not yet used up there.
        let learner = replica(4, RangeDescriptor::unknown(RangeId(7)));
        assert!(!is_gone(&learner, &without));
        assert!(is_gone(&learner, &RangeDescriptor { next_replica_id: ReplicaId(5), ..without.clone() }));
        // Its own descriptor, once it has applied its own removal.
        let removed = replica(2, without.clone());
        assert!(is_gone(&removed, &without));
        assert!(!is_gone(&removed, &RangeDescriptor::unknown(RangeId(7))));
    }
}
