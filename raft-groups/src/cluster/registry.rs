//! The nodes of the cluster as this node knows them: a copy of `system/nodes`, kept in memory and in the store.
//!
//! Here the transport finds addresses, and the handshake what it may believe of a peer.

use std::collections::BTreeMap;

use parking_lot::Mutex;
use quorate_placement::topology::NodeId;
use tokio::sync::Notify;

use super::hello::{Hello, HelloError};
use super::node_format::NodeRecord;

/// The copy.
#[derive(Debug, Default)]
pub struct Registry {
    nodes: Mutex<BTreeMap<NodeId, NodeRecord>>,
    /// Told when a node connects that has no row here: it cannot be answered before its address is known.
    pub(super) stranger: Notify,
}

impl Registry {
    /// Takes rows over. A row of an earlier start of a node never replaces that of a later one.
    pub(super) fn learn(&self, records: impl IntoIterator<Item = NodeRecord>) {
        let mut nodes = self.nodes.lock();
        for record in records {
            let known = nodes.get(&record.node_id);
            if known.is_none_or(|known| known.incarnation <= record.incarnation) {
                nodes.insert(record.node_id, record);
            }
        }
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

    /// Checks what a peer says of itself against its row, and remembers its start.
    pub(super) fn check(&self, hello: &Hello) -> Result<(), HelloError> {
        let mut nodes = self.nodes.lock();
        // A node that joined a moment ago may not be in this copy yet; the cluster id was checked before.
        let Some(known) = nodes.get_mut(&hello.node_id) else {
            self.stranger.notify_one();
            return Ok(());
        };
        if known.store_id != hello.store_id {
            return Err(HelloError::OtherStore { node_id: hello.node_id, address: known.address.clone() });
        }
        if hello.incarnation < known.incarnation {
            let (said, known) = (hello.incarnation, known.incarnation);
            return Err(HelloError::OldCopy { node_id: hello.node_id, said, known });
        }
        known.incarnation = hello.incarnation;
        Ok(())
    }
}
