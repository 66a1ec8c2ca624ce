//! What nodes tell each other when they connect, and what is believed: the cluster, the node, its store, its start.
//!
//! A data directory restored from an old copy says an earlier start than its peers have met: it must not vote, since
//! it has forgotten what it acknowledged. Nobody listens to it.
//!
//! Bytes, version 1: version, cluster id, node id, store id, incarnation.

use quorate_engine::codec::CodecError;
use quorate_engine::codec::value::{Reader, Writer};
use quorate_placement::topology::{NodeId, StoreId};
use uuid::Uuid;

/// Newest version of these bytes.
const HELLO_VERSION: u8 = 1;

/// Who somebody says to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hello {
    /// The cluster.
    pub cluster_id: Uuid,
    /// The node.
    pub node_id: NodeId,
    /// Its store.
    pub store_id: StoreId,
    /// How often its data directory was started.
    pub incarnation: u64,
}

/// Why a peer is not believed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HelloError {
    /// It belongs to another cluster.
    #[error(
        "{node_id} at the other end belongs to cluster {theirs}, this node to {ours}; check --join on both"
    )]
    OtherCluster {
        /// The peer.
        node_id: NodeId,
        /// Its cluster.
        theirs: Uuid,
        /// This node's cluster.
        ours: Uuid,
    },
    /// It says to be this node itself.
    #[error(
        "the other end says to be {node_id}, which is this node; two processes run on copies of one data directory"
    )]
    Myself {
        /// This node.
        node_id: NodeId,
    },
    /// Its store is not the one that the node has.
    #[error(
        "the other end says to be {node_id} (at {address}), with another store than it has; nobody listens to it"
    )]
    OtherStore {
        /// Who it says to be.
        node_id: NodeId,
        /// Where the node is registered.
        address: String,
    },
    /// Its data directory is an old copy.
    #[error(
        "{node_id} runs on an old copy of its data directory: it says that this is start {said}, but start {known} \
         was seen; restore nothing over a node's directory, start with an empty one to join anew"
    )]
    OldCopy {
        /// The node.
        node_id: NodeId,
        /// The start it says.
        said: u64,
        /// The latest start seen.
        known: u64,
    },
    /// Its bytes cannot be read.
    #[error("its greeting cannot be read: {0}")]
    Damaged(CodecError),
}

impl Hello {
    /// The bytes.
    pub fn encode(&self) -> Vec<u8> {
        let mut writer = Writer::versioned(HELLO_VERSION);
        writer.uuid(self.cluster_id).varint(self.node_id.0).u64(self.store_id.0).varint(self.incarnation);
        writer.finish()
    }

    /// Reads the bytes.
    ///
    /// # Errors
    /// [`HelloError::Damaged`].
    pub fn decode(bytes: &[u8]) -> Result<Self, HelloError> {
        read(bytes).map_err(HelloError::Damaged)
    }
}

fn read(bytes: &[u8]) -> Result<Hello, CodecError> {
    let (mut reader, _) = Reader::versioned(bytes, HELLO_VERSION, "greeting")?;
    let hello = Hello {
        cluster_id: reader.uuid()?,
        node_id: NodeId(reader.varint()?),
        store_id: StoreId(reader.u64()?),
        incarnation: reader.varint()?,
    };
    reader.finish()?;
    Ok(hello)
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;
    use quorate_engine::hlc::Timestamp;
    use quorate_placement::topology::Locality;

    use super::*;
    use crate::cluster::node_format::NodeRecord;
    use crate::cluster::registry::Registry;

    fn hello(store: u64, incarnation: u64) -> Hello {
        Hello { cluster_id: Uuid::from_u128(1), node_id: NodeId(2), store_id: StoreId(store), incarnation }
    }

    #[test]
    fn hello_bytes_are_as_in_the_fixture() {
        let bytes = hello(0x0123_4567_89ab_cdef, 300).encode();
        let stored = quorate_engine::testing::fixture::check(env!("CARGO_MANIFEST_DIR"), "hello", &bytes);
        assert_eq!(Hello::decode(&stored), Ok(hello(0x0123_4567_89ab_cdef, 300)));
        assert!(matches!(Hello::decode(&stored[1..]), Err(HelloError::Damaged(_))));
    }

    #[tokio::test]
    async fn hello_of_an_old_copy_or_another_store_is_not_believed() {
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
        }]);
        assert_eq!(registry.check(&hello(7, 4)), Ok(()));
        assert_eq!(registry.check(&hello(7, 6)), Ok(()));
        let old = registry.check(&hello(7, 5)).unwrap_err();
        assert_eq!(old, HelloError::OldCopy { node_id: NodeId(2), said: 5, known: 6 });
        assert!(matches!(registry.check(&hello(8, 9)), Err(HelloError::OtherStore { .. })));
        let told = |registry: &Registry| registry.stranger.notified().now_or_never().is_some();
        assert!(!told(&registry), "whoever is known here needs no look at range 1");
        let stranger = Hello { node_id: NodeId(9), ..hello(1, 1) };
        assert_eq!(registry.check(&stranger), Ok(()), "it may have joined a moment ago");
        assert!(told(&registry), "its address has to be read before it can be answered");
    }
}
