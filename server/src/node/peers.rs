//! What the transport asks of the cluster: who this node is, where others are, whom to believe.

use std::sync::Weak;

use async_trait::async_trait;
use bytes::Bytes;
use quorate_placement::topology::NodeId;
use quorate_raft_groups::cluster::ClusterNode;
use quorate_raft_groups::cluster::hello::Hello;

use crate::rpc::Peers;

/// The cluster, as the transport sees it.
pub struct ClusterPeers {
    node_id: NodeId,
    cluster: Weak<ClusterNode>,
}

impl ClusterPeers {
    /// For the node with this id.
    pub fn new(node_id: NodeId, cluster: Weak<ClusterNode>) -> Self {
        Self { node_id, cluster }
    }
}

#[async_trait]
impl Peers for ClusterPeers {
    fn node_id(&self) -> NodeId {
        self.node_id
    }

    fn hello(&self) -> Bytes {
        let hello = self.cluster.upgrade().and_then(|cluster| cluster.hello());
        hello.map(|hello| hello.encode()).unwrap_or_default()
    }

    fn address(&self, node: NodeId) -> Option<String> {
        self.cluster.upgrade()?.address_of(node)
    }

    async fn admit(&self, hello: Bytes) -> Result<NodeId, String> {
        let hello = Hello::decode(hello).map_err(|error| error.to_string())?;
        let cluster = self.cluster.upgrade().ok_or_else(|| "this node is stopping".to_owned())?;
        cluster.admit(&hello).await.map_err(|error| error.to_string())?;
        Ok(hello.node_id)
    }

    async fn denied(&self, by: NodeId) {
        if let Some(cluster) = self.cluster.upgrade() {
            cluster.denied_by(by).await;
        }
    }
}
