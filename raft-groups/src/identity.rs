//! Who a store belongs to: cluster, node and store, and how often it was started.
//!
//! Checked when a data directory is opened and in each handshake between nodes (design.md section 5). The incarnation
//! is raised at each start, before anything is sent: peers that have met a higher one know a directory restored from an
//! old copy, which must not vote.

use std::fmt;

use quorate_engine::codec::CodecError;
use quorate_engine::codec::check::{Broken, holds, must_hold};
use quorate_engine::codec::value::{Reader, Writer};
use quorate_engine::store::{Batch, Durability, Family, Store, StoreError};
use quorate_placement::topology::{NodeId, StoreId};
use uuid::Uuid;

use crate::range_format::identity_key;

/// Format of data directories that this release writes, and the newest that it reads.
pub const FORMAT_VERSION: u8 = 1;

/// Whose store this is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StoreIdentity {
    /// The cluster, chosen at `init`.
    pub cluster_id: Uuid,
    /// The node in it.
    pub node_id: NodeId,
    /// The store; a node has one so far.
    pub store_id: StoreId,
    /// Starts of this data directory, the first one is 1.
    pub incarnation: u64,
}

impl StoreIdentity {
    /// What must hold of an identity.
    ///
    /// # Errors
    /// The rule that does not.
    pub fn validate(&self) -> Result<(), Broken> {
        holds(!self.cluster_id.is_nil(), "a store belongs to a cluster")?;
        holds(self.node_id != NodeId(0), "a store belongs to a node")?;
        holds(self.incarnation > 0, "the first start of a store is number 1")
    }
}

impl fmt::Display for StoreIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "cluster {}, node {}, store {}, start {}",
            self.cluster_id, self.node_id, self.store_id, self.incarnation
        )
    }
}

/// What the caller knows already; what is `None` is taken as found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Expected {
    /// The cluster that this node should belong to.
    pub cluster_id: Option<Uuid>,
    /// The node that it should be.
    pub node_id: Option<NodeId>,
}

/// Why a data directory cannot be used.
#[derive(Clone, Debug, thiserror::Error)]
pub enum IdentityError {
    /// Of another cluster.
    #[error(
        "this data directory belongs to cluster {found}, not to {expected}; nothing was changed. Start with the data \
         directory of this cluster, or with an empty one to join it anew"
    )]
    OtherCluster {
        /// The directory's cluster.
        found: Uuid,
        /// The cluster asked for.
        expected: Uuid,
    },
    /// Of another node.
    #[error(
        "this data directory belongs to node {found}, not to {expected}; nothing was changed. Start with the data \
         directory of node {expected}"
    )]
    OtherNode {
        /// The directory's node.
        found: NodeId,
        /// The node asked for.
        expected: NodeId,
    },
    /// Written by a newer release.
    #[error(
        "this data directory has format {found}, and this release reads formats up to {FORMAT_VERSION}; nothing was \
         changed. Start it with the release that wrote it, or a newer one"
    )]
    NewerFormat {
        /// The directory's format.
        found: u8,
    },
    /// The identity cannot be read.
    #[error(
        "the data directory's identity is damaged ({0}); nothing was changed. Restore the directory from a backup, or start with an empty one to join anew"
    )]
    Damaged(CodecError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// The bytes of an identity.
pub fn encode(identity: &StoreIdentity) -> Vec<u8> {
    must_hold("a store's identity", identity.validate());
    let mut writer = Writer::versioned(FORMAT_VERSION);
    writer
        .uuid(identity.cluster_id)
        .u64(identity.node_id.0)
        .u64(identity.store_id.0)
        .u64(identity.incarnation);
    writer.finish()
}

/// Reads an identity.
///
/// # Errors
/// [`IdentityError::NewerFormat`] and [`IdentityError::Damaged`].
pub fn decode(bytes: &[u8]) -> Result<StoreIdentity, IdentityError> {
    if let Some(&found) = bytes.first()
        && found > FORMAT_VERSION
    {
        return Err(IdentityError::NewerFormat { found });
    }
    read(bytes).map_err(IdentityError::Damaged)
}

fn read(bytes: &[u8]) -> Result<StoreIdentity, CodecError> {
    let (mut reader, _) = Reader::versioned(bytes, FORMAT_VERSION, "store identity")?;
    let identity = StoreIdentity {
        cluster_id: reader.uuid()?,
        node_id: NodeId(reader.u64()?),
        store_id: StoreId(reader.u64()?),
        incarnation: reader.u64()?,
    };
    reader.sound(identity.validate())?;
    reader.finish()?;
    Ok(identity)
}

/// The identity that a store has; `None` before its node has joined a cluster.
///
/// # Errors
/// [`IdentityError`], but no comparison is made.
pub fn load(store: &dyn Store) -> Result<Option<StoreIdentity>, IdentityError> {
    store.get(Family::Range, &identity_key())?.map(|bytes| decode(&bytes)).transpose()
}

/// Gives an empty store its identity, durably. Its first start counts as incarnation 1.
///
/// # Errors
/// Where the store has another identity already, or failed.
pub fn create(
    store: &dyn Store,
    cluster_id: Uuid,
    node_id: NodeId,
    store_id: StoreId,
) -> Result<StoreIdentity, IdentityError> {
    if let Some(found) = load(store)? {
        compare(&found, Expected { cluster_id: Some(cluster_id), node_id: Some(node_id) })?;
        return Ok(found);
    }
    let identity = StoreIdentity { cluster_id, node_id, store_id, incarnation: 1 };
    save(store, &identity)?;
    Ok(identity)
}

/// Checks the identity that a store has, and raises its incarnation, durably. `None` before its node has joined.
///
/// # Errors
/// [`IdentityError`]; nothing was changed then.
pub fn start(store: &dyn Store, expected: Expected) -> Result<Option<StoreIdentity>, IdentityError> {
    let Some(found) = load(store)? else { return Ok(None) };
    compare(&found, expected)?;
    let started = StoreIdentity { incarnation: found.incarnation + 1, ..found };
    assert!(started.incarnation > found.incarnation, "each start of a store has a number of its own");
    save(store, &started)?;
    Ok(Some(started))
}

fn compare(found: &StoreIdentity, expected: Expected) -> Result<(), IdentityError> {
    match expected.cluster_id {
        Some(expected) if expected != found.cluster_id => {
            return Err(IdentityError::OtherCluster { found: found.cluster_id, expected });
        }
        Some(_) | None => {}
    }
    match expected.node_id {
        Some(expected) if expected != found.node_id => {
            Err(IdentityError::OtherNode { found: found.node_id, expected })
        }
        Some(_) | None => Ok(()),
    }
}

fn save(store: &dyn Store, identity: &StoreIdentity) -> Result<(), StoreError> {
    let mut batch = Batch::new();
    batch.put(Family::Range, identity_key(), encode(identity));
    store.write(batch, Durability::Synced)
}

#[cfg(test)]
mod tests {
    use quorate_engine::memory::MemoryStore;
    use quorate_engine::testing::fixture;

    use super::*;

    const CLUSTER: Uuid = Uuid::from_u128(0x1234_5678);

    #[test]
    fn fixture_is_still_read() {
        let identity =
            StoreIdentity { cluster_id: CLUSTER, node_id: NodeId(3), store_id: StoreId(3), incarnation: 9 };
        let bytes = fixture::check(env!("CARGO_MANIFEST_DIR"), "store_identity", &encode(&identity));
        assert_eq!(decode(&bytes).unwrap(), identity);
    }

    #[test]
    fn identity_is_sound_or_not_read() {
        let sound =
            StoreIdentity { cluster_id: CLUSTER, node_id: NodeId(3), store_id: StoreId(3), incarnation: 1 };
        assert_eq!(sound.validate(), Ok(()));
        let broken = [
            StoreIdentity { cluster_id: Uuid::nil(), ..sound },
            StoreIdentity { node_id: NodeId(0), ..sound },
            StoreIdentity { incarnation: 0, ..sound },
        ];
        for identity in broken {
            assert!(identity.validate().is_err(), "{identity}");
        }
        let mut bytes = encode(&sound);
        bytes.last_mut().map(|last| *last = 0).unwrap();
        let read = decode(&bytes);
        assert!(matches!(read, Err(IdentityError::Damaged(CodecError::Broken { .. }))), "{read:?}");
    }

    #[test]
    fn each_start_raises_the_incarnation() {
        let store = MemoryStore::new();
        assert!(start(&store, Expected::default()).unwrap().is_none());
        create(&store, CLUSTER, NodeId(1), StoreId(1)).unwrap();
        let mut last = load(&store).unwrap().unwrap().incarnation;
        for _ in 0..3 {
            let started = start(&store, Expected::default()).unwrap().unwrap();
            assert_eq!(started.incarnation, last + 1);
            assert_eq!(load(&store).unwrap(), Some(started));
            last = started.incarnation;
        }
    }

    #[test]
    fn foreign_directories_are_refused_and_left_alone() {
        let store = MemoryStore::new();
        let created = create(&store, CLUSTER, NodeId(1), StoreId(1)).unwrap();
        let other = Uuid::from_u128(7);
        let error = start(&store, Expected { cluster_id: Some(other), node_id: None }).unwrap_err();
        assert!(matches!(error, IdentityError::OtherCluster { found: CLUSTER, .. }), "{error}");
        let error =
            start(&store, Expected { cluster_id: Some(CLUSTER), node_id: Some(NodeId(2)) }).unwrap_err();
        assert!(
            matches!(error, IdentityError::OtherNode { found: NodeId(1), expected: NodeId(2) }),
            "{error}"
        );
        assert!(create(&store, other, NodeId(1), StoreId(1)).is_err());
        assert_eq!(create(&store, CLUSTER, NodeId(1), StoreId(1)).unwrap(), created);
        assert_eq!(load(&store).unwrap(), Some(created));
    }

    #[test]
    fn newer_and_damaged_directories_are_told_apart() {
        let mut bytes = encode(&StoreIdentity {
            cluster_id: CLUSTER,
            node_id: NodeId(1),
            store_id: StoreId(1),
            incarnation: 1,
        });
        assert!(matches!(decode(&bytes[..bytes.len() - 1]), Err(IdentityError::Damaged(_))));
        assert!(matches!(decode(&[]), Err(IdentityError::Damaged(_))));
        bytes[0] = FORMAT_VERSION + 1;
        assert!(matches!(decode(&bytes), Err(IdentityError::NewerFormat { found: 2 })));
    }
}
