//! Waits until no node relies on an older catalog, as range 1's leaseholder.

use std::sync::Arc;
use std::time::Duration;

use quorate_placement::topology::NodeId;

use super::Leader;
use crate::cluster::message::{ClusterAnswer, ClusterRequest};

/// How often waiting for catalogs looks again.
const CATALOG_CHECK: Duration = Duration::from_millis(50);
/// Longest wait for one node to say which catalog it has.
const CATALOG_PUSH_TIMEOUT: Duration = Duration::from_secs(6);

impl Leader {
    /// Waits until no node relies on an older catalog; see [`crate::cluster::member::Member::await_catalog`].
    pub async fn lead_await_catalog(self: &Arc<Self>, version: u64) -> ClusterAnswer {
        let mut told: Vec<NodeId> = Vec::new();
        loop {
            // New members may come in while this waits; a node that is not in the copy has no lease from this board.
            let nodes = self.directory.registry.ids();
            let offset_max = self.calls.clock.offset_max();
            let relying = self.with_board(|board, now| {
                board.require(version);
                board.relying_on_older(version, &nodes, now.wall, offset_max)
            });
            let Some(relying) = relying else { return self.calls.not_leader() };
            if relying.is_empty() {
                return ClusterAnswer::Done;
            }
            for node in relying {
                if !told.contains(&node) {
                    told.push(node);
                    tokio::spawn(Arc::clone(self).tell_catalog_changed(node, version));
                }
            }
            tokio::time::sleep(CATALOG_CHECK).await;
        }
    }

    async fn tell_catalog_changed(self: Arc<Self>, node: NodeId, version: u64) {
        let request = ClusterRequest::CatalogChanged { version };
        let answer = self.calls.ask_node(node, &request, CATALOG_PUSH_TIMEOUT).await;
        if let Ok(ClusterAnswer::Catalog { version: Some(confirmed) }) = answer {
            self.with_board(|board, _| board.confirm(node, confirmed));
        }
    }
}
