//! What a node's store remembers of its cluster, so that a start needs nobody's help.
//!
//! One value in the family `range`, under range id 0 and kind 24: the store's own number, and from `init` or join on the
//! [`Membership`]: the cluster, this node's id, range 1's descriptor, and the last known rows of the registry.
//!
//! Version 2: store id, then a flag and the membership; version 1 said nothing of versions. Writing the membership, synced, is the moment at which a node
//! belongs to a cluster; the store's identity follows it, and is created again where a crash came between.

use std::sync::Arc;

use bytes::Bytes;
use parking_lot::Mutex;
use quorate_engine::codec::CodecError;
use quorate_engine::codec::check::{Broken, holds, must_hold};
use quorate_engine::codec::value::{Reader, Writer};
use quorate_engine::store::{Batch, Durability, Family, Store, StoreError};
use quorate_placement::topology::{NodeId, StoreId};
use uuid::Uuid;

use super::node_format::{NodeRecord, put_node, take_node};
use super::version::FIRST;
use crate::blocking::Blocking;
use crate::decode::{put_list, take_list};
use crate::descriptor::RangeDescriptor;
use crate::range_format::{get_descriptor, put_descriptor};

/// Newest version of these bytes.
const LOCAL_STATE_VERSION: u8 = 2;
/// The version from which on it has the cluster's version, and its rows say what their releases can.
const VERSIONS_SINCE: u8 = 2;
/// Range id 0 (what belongs to the store as a whole) and a kind of its own.
const LOCAL_STATE_KEY: [u8; 9] = [0, 0, 0, 0, 0, 0, 0, 0, 24];

/// A node's place in its cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Membership {
    /// The cluster.
    pub cluster_id: Uuid,
    /// This node.
    pub node_id: NodeId,
    /// Nodes that the cluster was created with; their ids are 1 to this number.
    pub founders: u64,
    /// The cluster's version, as known last.
    pub cluster_version: u32,
    /// Range 1, as known last.
    pub system: RangeDescriptor,
    /// The registry, as known last.
    pub nodes: Vec<NodeRecord>,
}

impl Membership {
    /// What must hold of a membership.
    ///
    /// # Errors
    /// The rule that does not.
    pub fn validate(&self) -> Result<(), Broken> {
        holds(!self.cluster_id.is_nil(), "a member knows its cluster")?;
        holds(self.node_id != NodeId(0), "a member has an id")?;
        holds(self.system.range_id == crate::client::router::SYSTEM_RANGE, "a member knows range 1")?;
        holds(self.system.is_known(), "a member knows where range 1 is")
    }
}

/// The stored value and its copy in memory.
pub struct LocalState {
    store: Arc<dyn Store>,
    store_id: StoreId,
    /// Never held while the disk is waited for: readers are many.
    membership: Mutex<Option<Membership>>,
    /// One is saved at a time.
    saving: tokio::sync::Mutex<()>,
}

impl LocalState {
    /// Reads the state; a fresh store gets the number `fresh`, durably.
    ///
    /// # Errors
    /// The store failed, or holds damaged bytes.
    pub fn open(store: Arc<dyn Store>, fresh: StoreId) -> Result<Self, StoreError> {
        let found = store.get(Family::Range, &LOCAL_STATE_KEY)?;
        let (store_id, membership) = match &found {
            Some(bytes) => decode(bytes).map_err(|error| StoreError::Corruption(error.to_string()))?,
            None => (fresh, None),
        };
        if found.is_none() {
            write(store.as_ref(), store_id, None)?;
        }
        let (membership, saving) = (Mutex::new(membership), tokio::sync::Mutex::new(()));
        Ok(Self { store, store_id, membership, saving })
    }

    /// The store's number.
    pub fn store_id(&self) -> StoreId {
        self.store_id
    }

    /// The node's place in its cluster; `None` before it has one.
    pub fn membership(&self) -> Option<Membership> {
        self.membership.lock().clone()
    }

    /// Remembers, durably.
    ///
    /// # Errors
    /// The store failed.
    pub async fn save(&self, membership: Membership, blocking: &Blocking) -> Result<(), StoreError> {
        let _one_at_a_time = self.saving.lock().await;
        if self.membership.lock().as_ref() == Some(&membership) {
            return Ok(());
        }
        let (store, store_id, saved) = (Arc::clone(&self.store), self.store_id, membership.clone());
        let written = blocking.run(move || write(store.as_ref(), store_id, Some(&saved))).await;
        written.map_err(|lost| StoreError::Device { operation: "write", detail: lost.to_string() })??;
        *self.membership.lock() = Some(membership);
        Ok(())
    }
}

fn write(store: &dyn Store, store_id: StoreId, membership: Option<&Membership>) -> Result<(), StoreError> {
    let mut batch = Batch::new();
    batch.put(Family::Range, Bytes::from_static(&LOCAL_STATE_KEY), encode(store_id, membership));
    store.write(batch, Durability::Synced)
}

fn encode(store_id: StoreId, membership: Option<&Membership>) -> Vec<u8> {
    let mut writer = Writer::versioned(LOCAL_STATE_VERSION);
    writer.u64(store_id.0).bool(membership.is_some());
    if let Some(membership) = membership {
        put_membership(&mut writer, membership);
    }
    writer.finish()
}

fn decode(bytes: &[u8]) -> Result<(StoreId, Option<Membership>), CodecError> {
    let (mut reader, version) = Reader::versioned(bytes, LOCAL_STATE_VERSION, "cluster state of the store")?;
    let store_id = StoreId(reader.u64()?);
    let has_versions = version >= VERSIONS_SINCE;
    let membership = if reader.bool()? { Some(take_membership(&mut reader, has_versions)?) } else { None };
    reader.finish()?;
    Ok((store_id, membership))
}

fn put_membership(writer: &mut Writer, membership: &Membership) {
    must_hold("a membership", membership.validate());
    writer.uuid(membership.cluster_id).varint(membership.node_id.0).varint(membership.founders);
    writer.u32(membership.cluster_version);
    put_descriptor(writer, &membership.system);
    put_list(writer, &membership.nodes, put_node);
}

fn take_membership(reader: &mut Reader<'_>, has_versions: bool) -> Result<Membership, CodecError> {
    let membership = Membership {
        cluster_id: reader.uuid()?,
        node_id: NodeId(reader.varint()?),
        founders: reader.varint()?,
        cluster_version: if has_versions { reader.u32()? } else { FIRST },
        system: get_descriptor(reader)?,
        nodes: take_list(reader, |reader| take_node(reader, has_versions))?,
    };
    reader.sound(membership.validate())?;
    Ok(membership)
}

#[cfg(test)]
mod tests {
    use quorate_engine::hlc::Timestamp;
    use quorate_engine::kv::keyspace;
    use quorate_engine::memory::MemoryStore;
    use quorate_engine::testing::fixture;
    use quorate_placement::topology::{Locality, RangeId};

    use super::*;
    use crate::versions::Versions;

    fn membership() -> Membership {
        let system = RangeDescriptor::new(RangeId(1), keyspace::system_span(), &[NodeId(1), NodeId(2)]);
        let one = crate::versions::VersionRange { oldest: 1, newest: 1 };
        let node = NodeRecord {
            node_id: NodeId(2),
            store_id: StoreId(77),
            address: "b:1".to_owned(),
            sql_address: "b:2".to_owned(),
            http_address: "b:3".to_owned(),
            locality: Locality::default(),
            incarnation: 1,
            started: Timestamp::from_micros(9),
            versions: Versions { protocols: one, cluster: one },
        };
        Membership {
            cluster_id: Uuid::from_u128(5),
            node_id: NodeId(2),
            founders: 2,
            cluster_version: 7,
            system,
            nodes: vec![node],
        }
    }

    #[test]
    fn local_state_bytes_are_as_in_the_fixture() {
        let bytes = encode(StoreId(77), Some(&membership()));
        let stored = fixture::check(env!("CARGO_MANIFEST_DIR"), "local_state_2", &bytes);
        assert_eq!(decode(&stored), Ok((StoreId(77), Some(membership()))));
        assert!(decode(&stored[..40]).is_err());
    }

    #[test]
    fn membership_is_sound_or_not_written() {
        let sound = membership();
        assert_eq!(sound.validate(), Ok(()));
        let other = RangeDescriptor { range_id: RangeId(2), ..sound.system.clone() };
        let broken = [
            Membership { cluster_id: Uuid::nil(), ..sound.clone() },
            Membership { node_id: NodeId(0), ..sound.clone() },
            Membership { system: other, ..sound.clone() },
            Membership { system: RangeDescriptor::unknown(RangeId(1)), ..sound },
        ];
        for membership in broken {
            assert!(membership.validate().is_err(), "{membership:?}");
        }
    }

    #[test]
    fn local_state_bytes_of_before_versions_are_read() {
        // Version 1 is the same but for the cluster's version, and those of its one node at the end.
        let mut old = encode(StoreId(77), Some(&membership()));
        old.truncate(old.len() - 4);
        let version_at = 1 + 8 + 1 + 16 + 2;
        assert_eq!(old.drain(version_at..version_at + 4).collect::<Vec<_>>(), [0, 0, 0, 7]);
        old[0] = 1;
        let stored = fixture::check(env!("CARGO_MANIFEST_DIR"), "local_state", &old);
        let mut expected = membership();
        expected.nodes[0].versions = Versions::UNTOLD;
        expected.cluster_version = FIRST;
        assert_eq!(decode(&stored), Ok((StoreId(77), Some(expected))));
    }

    #[tokio::test]
    async fn local_state_keeps_its_store_number_and_survives_a_start() {
        let store = Arc::new(MemoryStore::new());
        let state = LocalState::open(store.clone(), StoreId(77)).unwrap();
        assert_eq!(state.membership(), None);
        let state = LocalState::open(store.clone(), StoreId(88)).unwrap();
        assert_eq!(state.store_id(), StoreId(77));
        let syncs = store.syncs();
        state.save(membership(), &Blocking::threads()).await.unwrap();
        assert!(store.syncs() > syncs, "a membership is durable when it is saved");
        let state = LocalState::open(store, StoreId(99)).unwrap();
        assert_eq!((state.store_id(), state.membership()), (StoreId(77), Some(membership())));
    }
}
