//! What other nodes ask of the replicas here.

use quorate_engine::kv::Key;
use quorate_placement::topology::{NodeId, RangeId, ReplicaId};

use super::Agent;
use crate::cluster::message::ClusterAnswer;
use crate::descriptor::RangeDescriptor;
use crate::local_ranges::LocalRangeError;

impl Agent {
    /// Creates the replica that a new range's descriptor gives this node.
    pub async fn answer_create(&self, descriptor: RangeDescriptor, campaign: bool) -> ClusterAnswer {
        self.calls.router.learn(descriptor.clone());
        done(self.calls.ranges.create_replica(&descriptor, campaign).await)
    }

    /// Removes the replica of a range that is gone; ids below the next one never come back.
    pub async fn answer_destroy(&self, range_id: RangeId, next_replica_id: ReplicaId) -> ClusterAnswer {
        self.calls.forget_range(range_id);
        done(self.calls.ranges.destroy_replica(range_id, next_replica_id).await)
    }

    /// How far a replica is that gets its state from its leader.
    pub async fn answer_progress(&self, range_id: RangeId, replica_id: ReplicaId) -> ClusterAnswer {
        match self.calls.ranges.progress(range_id, replica_id).await {
            Ok(progress) => ClusterAnswer::Progress(progress),
            Err(error) => ClusterAnswer::Unavailable(error.to_string()),
        }
    }

    /// What the replica here knows of its range.
    pub fn answer_describe(&self, range_id: RangeId) -> ClusterAnswer {
        let known = self.calls.ranges.status(range_id).filter(|status| status.is_whole);
        ClusterAnswer::Described(known.map(|status| RangeDescriptor::clone(&status.descriptor)))
    }

    /// Hands a range that is led here over to another node.
    pub async fn answer_transfer(&self, range_id: RangeId, to: NodeId) -> ClusterAnswer {
        done(self.calls.ranges.end_lease_and_transfer(range_id, to).await)
    }

    /// Splits a range that is led here, for another node.
    pub async fn answer_split(&self, range_id: RangeId, at: Option<Key>) -> ClusterAnswer {
        match self.calls.ranges.split(range_id, at).await {
            Ok(right) => ClusterAnswer::Range(Box::new(right)),
            Err(error) => refusal(error),
        }
    }
}

fn done(result: Result<(), LocalRangeError>) -> ClusterAnswer {
    result.map_or_else(refusal, |()| ClusterAnswer::Done)
}

/// What a node says that could not do with a range what it was asked to.
fn refusal(error: LocalRangeError) -> ClusterAnswer {
    match &error {
        LocalRangeError::Tombstone { .. }
        | LocalRangeError::Misplaced { .. }
        | LocalRangeError::Refused { .. } => ClusterAnswer::Refused(error.to_string()),
        LocalRangeError::NotLeader { .. } | LocalRangeError::Timeout { .. } | LocalRangeError::Storage(_) => {
            ClusterAnswer::Unavailable(error.to_string())
        }
    }
}
