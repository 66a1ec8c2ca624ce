//! What a replica has seen of its peers: who was ever there, and who has been unknown to its node for a while.
//!
//! A member's replica may never have come into being: its node got a snapshot of the left side that was taken after the
//! split. Nobody acknowledges anything there, so that openraft would try to append for ever. A peer that was never there,
//! and has been unknown for [`UNKNOWN_MIN`], is treated as one whose log has nothing in common with the leader's: it gets
//! a snapshot, which its node may make a replica for. That it had one and forgot it cannot be: a node keeps its replicas
//! or their tombstones, and one that lost its disk comes back as another node.
//!
//! Invariant: a peer that has ever accepted anything is not treated so: openraft must not see its progress go back.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use quorate_placement::topology::ReplicaId;
use tokio::time::Instant;

/// How long a peer has to be unknown: longer than its node may take to apply a split, or to create a new range.
const UNKNOWN_MIN: Duration = Duration::from_secs(3);

#[derive(Default)]
struct Seen {
    was_there: bool,
    unknown_since: Option<Instant>,
}

/// One peer.
#[derive(Clone, Default)]
pub(crate) struct Peer(Arc<Mutex<Seen>>);

impl Peer {
    /// It accepted something.
    pub(crate) fn accepted(&self) {
        *self.0.lock() = Seen { was_there: true, unknown_since: None };
    }

    /// Its node does not know it. Whether it is to be treated as empty.
    pub(crate) fn is_unknown(&self) -> bool {
        let mut seen = self.0.lock();
        let since = *seen.unknown_since.get_or_insert_with(Instant::now);
        !seen.was_there && since.elapsed() >= UNKNOWN_MIN
    }
}

/// All peers of a replica, for as long as its Raft task runs.
#[derive(Default)]
pub(crate) struct Peers {
    all: Mutex<BTreeMap<ReplicaId, Peer>>,
}

impl Peers {
    pub(crate) fn peer(&self, replica: ReplicaId) -> Peer {
        self.all.lock().entry(replica).or_default().clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn peer_is_empty_only_if_it_never_was_there() {
        let peers = Peers::default();
        let peer = peers.peer(ReplicaId(2));
        assert!(!peer.is_unknown());
        tokio::time::advance(UNKNOWN_MIN).await;
        assert!(peers.peer(ReplicaId(2)).is_unknown(), "every connection sees the same");
        assert!(!peers.peer(ReplicaId(3)).is_unknown());
        peer.accepted();
        assert!(!peer.is_unknown());
        tokio::time::advance(UNKNOWN_MIN * 2).await;
        assert!(!peer.is_unknown());
    }
}
