//! Whether a data directory belongs where its node was started: the address may be another node's, and the addresses of
//! `--join` may be another cluster's. Checked before anything is opened, so that nothing is changed where it does not.

use std::time::Duration;

use futures::future::join_all;
use quorate_placement::topology::NodeId;
use uuid::Uuid;

use super::ClusterNode;
use super::bootstrap::ask;
use super::bootstrap_format::{BootstrapAnswer, BootstrapRequest};
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
        if let Some(expected) = registered_at(membership, &self.config.addresses.address)
            && expected != membership.node_id
        {
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

/// The node that is registered at an address.
fn registered_at(membership: &Membership, address: &str) -> Option<NodeId> {
    // A node that came with an empty disk stands at the address of the one that it replaces: the last one counts.
    let here = membership.nodes.iter().filter(|record| record.address == address);
    here.map(|record| record.node_id).max()
}
