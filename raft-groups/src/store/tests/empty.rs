//! Empty replicas: created, kept over a restart, never in the way of others, and refused below a tombstone.

use quorate_engine::hlc::Timestamp;
use quorate_placement::topology::{NodeId, RangeId, ReplicaId};

use super::cluster::{Cluster, RANGE, key};
use crate::api::{RangeError, RangeRequest, ReadAt, Request};
use crate::local_ranges::{GroupRole, LocalRangeError, LocalRanges};

const OTHER: RangeId = RangeId(70);
const NEW: ReplicaId = ReplicaId(4);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn empty_replica_outlives_a_restart_and_serves_nothing() {
    let mut cluster = Cluster::start(1).await;
    let node = NodeId(1);
    cluster.node(node).store.create_learner(OTHER, NEW).await.unwrap();
    cluster.node(node).store.create_learner(OTHER, NEW).await.unwrap();
    for _ in 0..2 {
        let store = &cluster.node(node).store;
        let status = store.status(OTHER).unwrap();
        assert_eq!((status.replica_id, status.role, status.is_whole), (NEW, GroupRole::Learner, false));
        assert_eq!((status.applied, status.has_lease), (0, false));
        let timestamp = Timestamp::from_micros(1);
        let read = ReadAt { timestamp, uncertainty_limit: timestamp };
        for keys in [vec![key("k")], Vec::new()] {
            let request =
                RangeRequest { range_id: OTHER, generation: 1, request: Request::Get { keys, read } };
            let refused = store.execute(request).await.unwrap_err();
            let RangeError::Mismatch { range_id: OTHER, known } = refused else { panic!("{refused:?}") };
            assert!(known.iter().all(|known| known.range_id != OTHER), "{known:?}");
        }
        cluster.put("k", "v").await;
        cluster.kill(node).await;
        cluster.restart(node).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn empty_replica_is_refused_beside_another_and_below_a_tombstone() {
    let cluster = Cluster::start(1).await;
    let store = &cluster.node(NodeId(1)).store;
    let misplaced = store.create_learner(RANGE, NEW).await.unwrap_err();
    assert!(matches!(misplaced, LocalRangeError::Misplaced { range_id: RANGE, .. }), "{misplaced}");
    store.create_learner(OTHER, NEW).await.unwrap();
    store.destroy_replica(OTHER, ReplicaId(NEW.0 + 1)).await.unwrap();
    assert_eq!(store.status(OTHER), None);
    let dead = store.create_learner(OTHER, NEW).await.unwrap_err();
    assert_eq!(dead, LocalRangeError::Tombstone { range_id: OTHER });
    store.create_learner(OTHER, ReplicaId(NEW.0 + 1)).await.unwrap();
    // What the other range holds was not touched.
    cluster.put("k", "v").await;
    assert_eq!(cluster.get("k").await.as_deref(), Some(b"v".as_slice()));
}
