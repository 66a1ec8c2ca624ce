//! Bytes of what the registry keeps beside its nodes: the hash of the token for commands, and the nodes that were removed.
//!
//! Version 1 of each: a version byte; the 32 bytes of the hash; or the store id of the node and when it was removed.

use quorate_engine::codec::CodecError;
use quorate_engine::codec::check::{Broken, holds, must_hold};
use quorate_engine::codec::value::{Reader, Writer};
use quorate_engine::hlc::Timestamp;
use quorate_engine::kv::{Key, keyspace};
use quorate_placement::topology::{NodeId, StoreId};

/// Newest version of the hash's bytes.
const TOKEN_VERSION: u8 = 1;
/// Newest version of a removed node's bytes.
const REMOVED_VERSION: u8 = 1;
/// Length of a token's hash (SHA-256).
pub const TOKEN_HASH_BYTES: usize = 32;

/// A node that was removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RemovedNode {
    /// Its store.
    pub store_id: StoreId,
    /// When.
    pub at: Timestamp,
}

impl RemovedNode {
    /// What must hold of a removal.
    ///
    /// # Errors
    /// The rule that does not.
    pub fn validate(&self) -> Result<(), Broken> {
        holds(self.at > Timestamp::MIN, "a node was removed at some time")
    }
}

/// Key of the token's hash.
pub fn token_key() -> Key {
    keyspace::system_prefix(keyspace::SYSTEM_TOKEN)
}

/// Key of the row that says that a node was removed.
pub fn removed_key(node_id: NodeId) -> Key {
    let prefix = keyspace::system_prefix(keyspace::SYSTEM_REMOVED_NODES);
    Key::from([prefix.as_ref(), &node_id.0.to_be_bytes()].concat())
}

/// The node of such a key.
pub fn removed_of_key(key: &Key) -> Option<NodeId> {
    let prefix = keyspace::system_prefix(keyspace::SYSTEM_REMOVED_NODES);
    let number = key.as_ref().strip_prefix(prefix.as_ref())?;
    Some(NodeId(u64::from_be_bytes(number.try_into().ok()?)))
}

/// The bytes of a token's hash.
pub fn encode_token_hash(hash: [u8; TOKEN_HASH_BYTES]) -> Vec<u8> {
    let mut writer = Writer::versioned(TOKEN_VERSION);
    writer.bytes(&hash);
    writer.finish()
}

/// Reads a token's hash.
///
/// # Errors
/// Damaged bytes, or a newer version.
pub fn decode_token_hash(bytes: &[u8]) -> Result<[u8; TOKEN_HASH_BYTES], CodecError> {
    let (mut reader, _) = Reader::versioned(bytes, TOKEN_VERSION, "token's hash")?;
    let hash = reader.bytes()?;
    let hash = hash.try_into().map_err(|_| reader.invalid(hash.len() as u64))?;
    reader.finish()?;
    Ok(hash)
}

/// The bytes of a removed node's row.
pub fn encode_removed(removed: RemovedNode) -> Vec<u8> {
    must_hold("a node's removal", removed.validate());
    let mut writer = Writer::versioned(REMOVED_VERSION);
    writer.u64(removed.store_id.0).timestamp(removed.at);
    writer.finish()
}

/// Reads a removed node's row.
///
/// # Errors
/// Damaged bytes, or a newer version.
pub fn decode_removed(bytes: &[u8]) -> Result<RemovedNode, CodecError> {
    let (mut reader, _) = Reader::versioned(bytes, REMOVED_VERSION, "removed node")?;
    let removed = RemovedNode { store_id: StoreId(reader.u64()?), at: reader.timestamp()? };
    reader.sound(removed.validate())?;
    reader.finish()?;
    Ok(removed)
}

#[cfg(test)]
mod tests {
    use quorate_engine::testing::fixture;

    use super::*;

    #[test]
    fn token_hash_and_removed_node_bytes_are_as_in_the_fixtures() {
        let root = env!("CARGO_MANIFEST_DIR");
        let stored = fixture::check(root, "token_hash", &encode_token_hash([7; TOKEN_HASH_BYTES]));
        assert_eq!(decode_token_hash(&stored), Ok([7; TOKEN_HASH_BYTES]));
        assert!(decode_token_hash(&stored[..stored.len() - 1]).is_err());
        let removed = RemovedNode { store_id: StoreId(0x0123_4567_89ab_cdef), at: Timestamp::from_micros(5) };
        let stored = fixture::check(root, "removed_node", &encode_removed(removed));
        assert_eq!(decode_removed(&stored), Ok(removed));
        assert!(decode_removed(&stored[..stored.len() - 1]).is_err());
        assert_eq!(removed_of_key(&removed_key(NodeId(300))), Some(NodeId(300)));
        assert_eq!(removed_of_key(&token_key()), None);
    }

    #[test]
    fn removal_has_a_time() {
        let removed = RemovedNode { store_id: StoreId(1), at: Timestamp::from_raw(1) };
        assert_eq!(removed.validate(), Ok(()));
        assert!(RemovedNode { at: Timestamp::MIN, ..removed }.validate().is_err());
    }
}
