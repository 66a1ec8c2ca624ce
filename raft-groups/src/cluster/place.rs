//! Whether a data directory belongs where its node was started: the address may be another node's, and the addresses of
//! `--join` may be another cluster's. Checked before anything is opened, so that nothing is changed where it does not.

use std::time::Duration;

use futures::future::join_all;
use quorate_placement::topology::NodeId;
use uuid::Uuid;

use super::ClusterNode;
use super::bootstrap::ask;
use super::bootstrap_message::{BootstrapAnswer, BootstrapRequest};
use super::error::ClusterError;
use super::local_state::Membership;
use crate::identity::IdentityError;

/// Longest wait for the peers: a start needs nobody's help, so that whoever does not answer is not waited for.
const PROBE_TIMEOUT: Duration = Duration::from_secs(1);

impl ClusterNode {
    /// Checks the membership that the data directory holds against the address and the peers given.
    ///
    /// # Errors
    /// The directory is another node's, or the peers belong to another cluster.
    pub(super) async fn check_place(&self, membership: &Membership) -> Result<(), ClusterError> {
        if let Some(expected) = other_at(membership, &self.config.addresses.address) {
            return Err(IdentityError::OtherNode { found: membership.node_id, expected }.into());
        }
        let probe = BootstrapRequest::Probe { asker: self.local.store_id() };
        let peers = self.config.join.iter().filter(|address| **address != self.config.addresses.address);
        let answers = join_all(peers.map(|address| self.cluster_at(address, &probe))).await;
        let other = answers.into_iter().flatten().find(|cluster| *cluster != membership.cluster_id);
        match other {
            Some(expected) => {
                Err(IdentityError::OtherCluster { found: membership.cluster_id, expected }.into())
            }
            None => Ok(()),
        }
    }

    /// The cluster of whoever answers at an address.
    async fn cluster_at(&self, address: &str, probe: &BootstrapRequest) -> Option<Uuid> {
        match ask(self.config.bootstrap.as_ref(), address, probe, PROBE_TIMEOUT).await {
            Ok(BootstrapAnswer::Exists { cluster_id }) => Some(cluster_id),
            Ok(_) | Err(_) => None,
        }
    }
}

/// The node whose address this is by what the directory knows, where that is another one than the directory's own.
fn other_at(membership: &Membership, address: &str) -> Option<NodeId> {
    let own = membership.node_id;
    // A node that came with an empty disk stands at the address of the one that it replaces: the last one counts.
    let here = membership.nodes.iter().filter(|record| record.address == address);
    let last = here.map(|record| record.node_id).max()?;
    // One that joined a moment ago may not have heard of itself yet, but of those before it.
    let knows_itself = membership.nodes.iter().any(|record| record.node_id == own);
    let is_other = if knows_itself { last != own } else { last > own };
    is_other.then_some(last)
}

#[cfg(test)]
mod tests {
    use quorate_engine::hlc::Timestamp;
    use quorate_placement::topology::{Locality, RangeId, StoreId};

    use super::*;
    use crate::cluster::node_format::NodeRecord;
    use crate::descriptor::RangeDescriptor;

    fn record(id: u64, address: &str) -> NodeRecord {
        NodeRecord {
            node_id: NodeId(id),
            store_id: StoreId(id),
            address: address.to_owned(),
            sql_address: String::new(),
            http_address: String::new(),
            locality: Locality::default(),
            incarnation: 1,
            started: Timestamp::MIN,
            versions: crate::versions::Versions::OWN,
        }
    }

    #[test]
    fn address_is_that_of_the_last_node_that_came_there() {
        let membership = |own: u64, nodes: &[(u64, &str)]| Membership {
            cluster_id: Uuid::nil(),
            node_id: NodeId(own),
            founders: 3,
            cluster_version: 1,
            system: RangeDescriptor::unknown(RangeId(1)),
            nodes: nodes.iter().map(|(id, address)| record(*id, address)).collect(),
        };
        let three = [(1, "a:1"), (2, "b:1"), (3, "c:1")];
        let cases = [
            ("its own", 1, &three[..], "a:1", None),
            ("nobody's yet: it has moved", 1, &three, "d:1", None),
            ("another node's", 1, &three, "b:1", Some(2)),
            ("that of the one before it", 4, &[(1, "a:1"), (4, "a:1")], "a:1", None),
            ("that of the one that came after it", 1, &[(1, "a:1"), (4, "a:1")], "a:1", Some(4)),
            ("that of the one before it, and it has not heard of itself yet", 4, &three, "a:1", None),
            ("that of the one after it, and it knows only that one", 1, &[(2, "b:1")], "b:1", Some(2)),
        ];
        for (what, own, nodes, address, other) in cases {
            assert_eq!(other_at(&membership(own, nodes), address), other.map(NodeId), "{what}");
        }
    }
}
