//! The nodes of the cluster as this node knows them: a copy of `system/nodes`, kept in memory and in the store.
//!
//! Here the transport finds addresses, and the handshake what it may believe of a peer.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use parking_lot::Mutex;
use quorate_placement::topology::NodeId;
use tokio::sync::Notify;

use super::hello::{Hello, HelloError};
use super::node_format::NodeRecord;
use crate::versions::Protocols;

/// The copy.
#[derive(Debug, Default)]
pub struct Registry {
    /// What is spoken with them.
    pub(super) protocols: Arc<Protocols>,
    nodes: Mutex<BTreeMap<NodeId, NodeRecord>>,
    /// Nodes that were removed: they stay so.
    removed: Mutex<BTreeSet<NodeId>>,
    /// Told when a node connects that has no row here: it cannot be answered before its address is known.
    pub(super) stranger: Notify,
}

impl Registry {
    /// An empty copy, of a node that speaks these.
    pub fn new(protocols: Protocols) -> Self {
        Self { protocols: Arc::new(protocols), ..Self::default() }
    }

    /// Takes rows over. A row of an earlier start of a node never replaces that of a later one.
    pub(super) fn learn(&self, records: impl IntoIterator<Item = NodeRecord>) {
        let mut nodes = self.nodes.lock();
        for record in records {
            let known = nodes.get(&record.node_id);
            if self.is_removed(record.node_id) {
                continue;
            }
            if known.is_none_or(|known| known.incarnation <= record.incarnation) {
                let spoken = record.versions.protocols;
                self.protocols.learn(record.node_id, record.incarnation, spoken);
                nodes.insert(record.node_id, record);
            }
        }
    }

    /// Nodes that were removed; an older row of one that is learnt later does not bring it back.
    pub(super) fn forget(&self, removed: impl IntoIterator<Item = NodeId>) {
        let (mut nodes, mut gone) = (self.nodes.lock(), self.removed.lock());
        for node in removed {
            nodes.remove(&node);
            gone.insert(node);
        }
    }

    /// Whether a node was removed.
    pub fn is_removed(&self, node: NodeId) -> bool {
        self.removed.lock().contains(&node)
    }

    /// All rows, by node id.
    pub fn all(&self) -> Vec<NodeRecord> {
        self.nodes.lock().values().cloned().collect()
    }

    /// Ids of all nodes, ascending.
    pub fn ids(&self) -> Vec<NodeId> {
        self.nodes.lock().keys().copied().collect()
    }

    /// The row of a node.
    pub fn get(&self, node: NodeId) -> Option<NodeRecord> {
        self.nodes.lock().get(&node).cloned()
    }

    /// Where nodes reach a node.
    pub fn address_of(&self, node: NodeId) -> Option<String> {
        self.nodes.lock().get(&node).map(|record| record.address.clone())
    }

    /// The zone of a node.
    pub fn zone_of(&self, node: NodeId) -> Option<String> {
        self.nodes.lock().get(&node)?.locality.value("zone").map(str::to_owned)
    }

    /// Checks a peer's store against its row, and gives the start in that; zero where this copy has no row yet.
    pub(super) fn check(&self, hello: &Hello) -> Result<u64, HelloError> {
        let nodes = self.nodes.lock();
        if self.is_removed(hello.node_id) {
            return Err(HelloError::Removed { node_id: hello.node_id });
        }
        // A node that joined a moment ago may not be in this copy yet; the cluster id was checked before.
        let Some(known) = nodes.get(&hello.node_id) else {
            self.stranger.notify_one();
            return Ok(0);
        };
        if known.store_id != hello.store_id {
            return Err(HelloError::OtherStore { node_id: hello.node_id, address: known.address.clone() });
        }
        Ok(known.incarnation)
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;
    use quorate_engine::hlc::Timestamp;
    use quorate_placement::topology::{Locality, StoreId};
    use uuid::Uuid;

    use super::*;
    use crate::versions::{PROTOCOLS, Versions};

    #[tokio::test]
    async fn registry_tells_another_store_and_strangers() {
        let registry = Registry::default();
        registry.learn([NodeRecord {
            node_id: NodeId(2),
            store_id: StoreId(7),
            address: "b:1".to_owned(),
            sql_address: String::new(),
            http_address: String::new(),
            locality: Locality::default(),
            incarnation: 4,
            started: Timestamp::MIN,
            versions: Versions::OWN,
        }]);
        let hello = Hello {
            cluster_id: Uuid::from_u128(1),
            node_id: NodeId(2),
            store_id: StoreId(7),
            incarnation: 5,
            mark: 1,
            opened: 0,
            address: "b:1".to_owned(),
            protocols: PROTOCOLS,
        };
        assert_eq!(registry.check(&hello), Ok(4));
        let other = Hello { store_id: StoreId(8), ..hello.clone() };
        assert!(matches!(registry.check(&other), Err(HelloError::OtherStore { .. })));
        let removed = Registry::default();
        removed.forget([NodeId(2)]);
        assert!(matches!(removed.check(&hello), Err(HelloError::Removed { node_id: NodeId(2) })));
        let told = |registry: &Registry| registry.stranger.notified().now_or_never().is_some();
        assert!(!told(&registry), "whoever is known here needs no look at range 1");
        let stranger = Hello { node_id: NodeId(9), ..hello };
        assert_eq!(registry.check(&stranger), Ok(0), "it may have joined a moment ago");
        assert!(told(&registry), "its address has to be read before it can be answered");
    }
}
