//! Bytes of a node's row in the registry (`system/nodes`), and of its copies in each store (`local_state`).
//!
//! Version 2: node id, store id, incarnation, start, the addresses and the locality as texts, then what its release can:
//! oldest and newest protocol, oldest and newest cluster version. Version 1 ended with the locality.

use quorate_engine::codec::CodecError;
use quorate_engine::codec::check::{Broken, holds, must_hold};
use quorate_engine::codec::value::{Reader, Writer};
use quorate_engine::hlc::Timestamp;
use quorate_engine::kv::{Key, keyspace};
use quorate_placement::topology::{Locality, NodeId, StoreId};

use crate::versions::{VersionRange, Versions};

/// Newest version of these bytes.
const NODE_VERSION: u8 = 2;
/// The version from which on rows say what their releases can.
const VERSIONS_SINCE: u8 = 2;

/// What is registered of a node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeRecord {
    /// Its id; 0 before the cluster has given it one.
    pub node_id: NodeId,
    /// Its store, a random number chosen when its data directory was created.
    pub store_id: StoreId,
    /// Where nodes reach it.
    pub address: String,
    /// Where its SQL listener is; empty where it has none.
    pub sql_address: String,
    /// Where its HTTP listener is; empty where it has none.
    pub http_address: String,
    /// Where it stands.
    pub locality: Locality,
    /// How often its data directory was started.
    pub incarnation: u64,
    /// When it was started last.
    pub started: Timestamp,
    /// What its release can, as of that start.
    pub versions: Versions,
}

impl NodeRecord {
    /// What must hold of a row of the registry. On its way to the registry a row may have no id yet.
    ///
    /// # Errors
    /// The rule that does not.
    pub fn validate(&self) -> Result<(), Broken> {
        holds(self.node_id != NodeId(0), "a row of the registry is that of a node")
    }
}

/// Key of a node's row.
pub fn node_key(node_id: NodeId) -> Key {
    let prefix = keyspace::system_prefix(keyspace::SYSTEM_NODES);
    Key::from([prefix.as_ref(), &node_id.0.to_be_bytes()].concat())
}

/// The bytes of a row.
pub fn encode_node(record: &NodeRecord) -> Vec<u8> {
    must_hold("a node's row", record.validate());
    let mut writer = Writer::versioned(NODE_VERSION);
    put_node(&mut writer, record);
    writer.finish()
}

/// Reads a row.
///
/// # Errors
/// Damaged bytes, or a newer version.
pub fn decode_node(bytes: &[u8]) -> Result<NodeRecord, CodecError> {
    let (mut reader, version) = Reader::versioned(bytes, NODE_VERSION, "node record")?;
    let record = take_node(&mut reader, version >= VERSIONS_SINCE)?;
    reader.sound(record.validate())?;
    reader.finish()?;
    Ok(record)
}

/// Appends a row to a larger format.
pub(crate) fn put_node(writer: &mut Writer, record: &NodeRecord) {
    writer.varint(record.node_id.0).u64(record.store_id.0);
    writer.varint(record.incarnation).timestamp(record.started);
    writer.text(&record.address).text(&record.sql_address).text(&record.http_address);
    writer.text(&record.locality.to_string());
    for range in [record.versions.protocols, record.versions.cluster] {
        writer.varint(range.oldest.into()).varint(range.newest.into());
    }
}

/// Reads a row within a larger format; one of before versions says nothing of them.
pub(crate) fn take_node(reader: &mut Reader<'_>, has_versions: bool) -> Result<NodeRecord, CodecError> {
    let node_id = NodeId(reader.varint()?);
    let store_id = StoreId(reader.u64()?);
    let incarnation = reader.varint()?;
    let started = reader.timestamp()?;
    let mut text = || reader.text().map(str::to_owned);
    let (address, sql_address, http_address, locality) = (text()?, text()?, text()?, text()?);
    let locality = locality.parse().map_err(|_| reader.invalid(locality.len() as u64))?;
    let versions = if has_versions {
        Versions { protocols: take_range(reader)?, cluster: take_range(reader)? }
    } else {
        Versions::UNTOLD
    };
    Ok(NodeRecord {
        node_id,
        store_id,
        address,
        sql_address,
        http_address,
        locality,
        incarnation,
        started,
        versions,
    })
}

fn take_range(reader: &mut Reader<'_>) -> Result<VersionRange, CodecError> {
    let mut version = || {
        let number = reader.varint()?;
        u32::try_from(number).map_err(|_| reader.invalid(number))
    };
    Ok(VersionRange { oldest: version()?, newest: version()? })
}

#[cfg(test)]
mod tests {
    use quorate_engine::testing::fixture;

    use super::*;

    fn record() -> NodeRecord {
        let range = |oldest, newest| VersionRange { oldest, newest };
        NodeRecord {
            node_id: NodeId(3),
            store_id: StoreId(0x0123_4567_89ab_cdef),
            address: "127.0.0.1:7003".to_owned(),
            sql_address: "127.0.0.1:5403".to_owned(),
            http_address: String::new(),
            locality: "region=eu,zone=c".parse().unwrap(),
            incarnation: 2,
            started: Timestamp::from_micros(5),
            versions: Versions { protocols: range(1, 2), cluster: range(3, 300) },
        }
    }

    #[test]
    fn node_bytes_are_as_in_the_fixture() {
        let stored = fixture::check(env!("CARGO_MANIFEST_DIR"), "node_record_2", &encode_node(&record()));
        assert_eq!(decode_node(&stored), Ok(record()));
        assert!(decode_node(&stored[..stored.len() - 1]).is_err());
    }

    #[test]
    fn node_has_an_id_or_is_not_in_the_registry() {
        let record = NodeRecord {
            node_id: NodeId(0),
            store_id: StoreId(1),
            address: "a:1".to_owned(),
            sql_address: String::new(),
            http_address: String::new(),
            locality: Locality::default(),
            incarnation: 0,
            started: Timestamp::MIN,
            versions: Versions::OWN,
        };
        assert!(record.validate().is_err());
        let mut writer = Writer::versioned(NODE_VERSION);
        put_node(&mut writer, &record);
        assert!(matches!(decode_node(&writer.finish()), Err(CodecError::Broken { .. })));
        assert_eq!(NodeRecord { node_id: NodeId(1), ..record }.validate(), Ok(()));
    }

    #[test]
    fn node_bytes_of_before_versions_are_read() {
        // Version 1 is the same up to the locality.
        let mut old = encode_node(&record());
        old.truncate(old.len() - 5);
        old[0] = 1;
        let stored = fixture::check(env!("CARGO_MANIFEST_DIR"), "node_record", &old);
        assert_eq!(decode_node(&stored), Ok(NodeRecord { versions: Versions::UNTOLD, ..record() }));
    }
}
