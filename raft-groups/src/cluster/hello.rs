//! What nodes tell each other when they connect, and what is believed: the cluster, the node, its store, its start.
//!
//! A data directory restored from an old copy says an earlier start than its peers have met, or one that another process
//! has taken; a store that has lost what it had synced was opened below the position that it has told them. It must not
//! vote, since it has forgotten what it acknowledged. Nobody listens to it (`starts`).
//!
//! A greeting also says which protocols its sender speaks (`versions`). Its bytes are those of `wire::member`.

use bytes::Bytes;
use quorate_placement::topology::{NodeId, StoreId};
use uuid::Uuid;

use crate::versions::VersionRange;
use crate::wire::{self, WireError};

/// Who somebody says to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hello {
    /// The cluster.
    pub cluster_id: Uuid,
    /// The node.
    pub node_id: NodeId,
    /// Its store.
    pub store_id: StoreId,
    /// How often its data directory was started.
    pub incarnation: u64,
    /// Random number of this start: two processes of copies of one directory say different ones.
    pub mark: u64,
    /// Position of its store when this start opened it.
    pub opened: u64,
    /// Where it can be asked whether it is that.
    pub address: String,
    /// Protocols that it speaks.
    pub protocols: VersionRange,
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
    /// Another process has taken this start.
    #[error(
        "{node_id} runs twice: another process has taken start {incarnation} of its data directory; one of the two runs \
         on a copy of it"
    )]
    Twin {
        /// The node.
        node_id: NodeId,
        /// The start that both say.
        incarnation: u64,
    },
    /// Its start is nobody's.
    #[error(
        "the other end says to be {node_id} at start {said}, and start {known} was the last one; nobody listens to it"
    )]
    FarAhead {
        /// Who it says to be.
        node_id: NodeId,
        /// The start it says.
        said: u64,
        /// The latest start seen.
        known: u64,
    },
    /// Its store has forgotten what it had synced.
    #[error(
        "the store of {node_id} has forgotten what it had synced: it opened at position {opened}, and had told this node \
         that all up to {synced} was on its disk"
    )]
    Forgot {
        /// The node.
        node_id: NodeId,
        /// Where its store was opened.
        opened: u64,
        /// What it had told.
        synced: u64,
    },
    /// Who is at the address that it names did not greet.
    #[error(
        "{node_id} says to be at {address}, and who is there does not say that it greets with start {incarnation}: {answer}"
    )]
    NotThere {
        /// Who it says to be.
        node_id: NodeId,
        /// Where it says to be.
        address: String,
        /// The start it says.
        incarnation: u64,
        /// What was answered there.
        answer: String,
    },
    /// This node is not a member that may believe anybody, or could not write down that it does.
    #[error("the greeting of {node_id} cannot be taken here: {reason}")]
    NotTaken {
        /// Who greets.
        node_id: NodeId,
        /// Why not.
        reason: String,
    },
    /// It was removed from the cluster.
    #[error("{node_id} was removed from the cluster with quorate node remove, and nobody listens to it")]
    Removed {
        /// The node.
        node_id: NodeId,
    },
    /// It speaks no protocol that this node speaks.
    #[error(
        "{node_id} (at {address}) speaks protocol {theirs}, and {own} protocol {ours}: {}",
        upgrade(*.node_id, *.theirs, *.own, *.ours)
    )]
    NoCommonProtocol {
        /// The node.
        node_id: NodeId,
        /// Where it says to be.
        address: String,
        /// What it speaks.
        theirs: VersionRange,
        /// This node.
        own: NodeId,
        /// What this node speaks.
        ours: VersionRange,
    },
    /// Its bytes cannot be read.
    #[error(
        "its greeting cannot be read: {0}. Releases of before protocol 1 greet otherwise: if it runs one, upgrade it"
    )]
    Damaged(WireError),
}

/// Which of two nodes is to be upgraded, where their protocols do not meet.
fn upgrade(node_id: NodeId, theirs: VersionRange, own: NodeId, ours: VersionRange) -> String {
    let (older, least) =
        if theirs.newest < ours.oldest { (node_id, ours.oldest) } else { (own, theirs.oldest) };
    format!(
        "{older} runs the older release; upgrade it to one that speaks protocol {least}, and start it again"
    )
}

impl HelloError {
    /// Whether whoever greets must not go on: its store is an old copy, or has forgotten what it had synced, or it was
    /// removed.
    pub fn is_final(&self) -> bool {
        match self {
            Self::OldCopy { .. } | Self::Twin { .. } | Self::Forgot { .. } | Self::Removed { .. } => true,
            Self::OtherCluster { .. }
            | Self::Myself { .. }
            | Self::OtherStore { .. }
            | Self::FarAhead { .. }
            | Self::NotThere { .. }
            | Self::NotTaken { .. }
            | Self::NoCommonProtocol { .. }
            | Self::Damaged(_) => false,
        }
    }
}

impl Hello {
    /// The bytes.
    pub fn encode(&self) -> Bytes {
        wire::member::write_hello(self)
    }

    /// Reads the bytes.
    ///
    /// # Errors
    /// [`HelloError::Damaged`].
    pub fn decode(bytes: Bytes) -> Result<Self, HelloError> {
        wire::member::read_hello(bytes).map_err(HelloError::Damaged)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hello(store: u64, incarnation: u64) -> Hello {
        Hello {
            cluster_id: Uuid::from_u128(1),
            node_id: NodeId(2),
            store_id: StoreId(store),
            incarnation,
            mark: 0x1122_3344_5566_7788,
            opened: 70_000,
            address: "b:7001".to_owned(),
            protocols: VersionRange { oldest: 1, newest: 2 },
        }
    }

    #[test]
    fn hello_bytes_are_as_in_the_fixture() {
        let bytes = hello(0x0123_4567_89ab_cdef, 300).encode();
        let stored = quorate_engine::testing::fixture::check(env!("CARGO_MANIFEST_DIR"), "hello", &bytes);
        assert_eq!(Hello::decode(stored.into()), Ok(hello(0x0123_4567_89ab_cdef, 300)));
        assert!(matches!(Hello::decode(bytes.slice(1..)), Err(HelloError::Damaged(_))));
    }

    #[test]
    fn hello_of_before_protocols_is_not_read() {
        // Version 2 of the format that was spoken before, with a cluster's id.
        let old = [&[2][..], &[7; 16], &[2]].concat();
        let error = Hello::decode(old.into()).unwrap_err();
        assert!(error.to_string().contains("upgrade it"), "{error}");
    }

    #[test]
    fn hello_without_a_common_protocol_names_the_older_node() {
        let told = |theirs: (u32, u32), ours: (u32, u32)| {
            let range = |(oldest, newest)| VersionRange { oldest, newest };
            let (theirs, ours) = (range(theirs), range(ours));
            let (node_id, address, own) = (NodeId(2), "b:1".to_owned(), NodeId(1));
            HelloError::NoCommonProtocol { node_id, address, theirs, own, ours }.to_string()
        };
        assert_eq!(
            told((1, 2), (3, 4)),
            "n2 (at b:1) speaks protocol 1 to 2, and n1 protocol 3 to 4: n2 runs the older release; upgrade it to one \
             that speaks protocol 3, and start it again"
        );
        let text = told((3, 4), (1, 2));
        assert!(
            text.contains("n1 runs the older release; upgrade it to one that speaks protocol 3"),
            "{text}"
        );
    }
}
