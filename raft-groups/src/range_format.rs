//! What a replica keeps of itself, in the family `range`: descriptor, size, marks, tombstone.
//!
//! ```text
//! key    range id u64 · 8    id of the replica here   (kinds below 16 are of one replica alone, those below 8 Raft's:
//!                            see `raft`; the others are equal on all replicas, and a snapshot carries them)
//!        range id u64 · 9    generation of the newest descriptor that is known to stand in the directory
//!        range id u64 · 16   descriptor
//!        range id u64 · 17   size in bytes, as estimated, and the newest timestamp written (version 2)
//!        range id u64 · 18   largest read high-water mark of an applied EndLease
//!        range id u64 · 19   closed timestamp, as applied
//!        range id u64 · 255  tombstone: replicas below this id must not come back
//!        0 u64 · 16          store identity (`identity`)
//!        0 u64 · 17          bound of the hybrid clock
//! value  version 1, where nothing else is said · fields
//! ```
//!
//! Range id 0 is no range: under it lies what belongs to the store as a whole.

use bytes::Bytes;
use quorate_engine::codec::CodecError;
use quorate_engine::codec::check::{Broken, holds, must_hold};
use quorate_engine::codec::value::{Reader, Writer, owned};
use quorate_engine::hlc::Timestamp;
use quorate_engine::kv::{Key, Span};
use quorate_placement::topology::{NodeId, RangeId, ReplicaId};

use crate::descriptor::{RangeDescriptor, ReplicaDescriptor, ReplicaRole};

const VERSION: u8 = 1;
/// Of the size: version 1 had no newest timestamp.
const SIZE_VERSION: u8 = 2;
const REPLICA: u8 = 8;
const PUBLISHED: u8 = 9;
const DESCRIPTOR: u8 = 16;
const SIZE: u8 = 17;
const END_LEASE: u8 = 18;
const CLOSED: u8 = 19;
/// The last one: all others of a range are one span, which goes when its replica goes.
const TOMBSTONE: u8 = 255;
/// Under range id 0.
const IDENTITY: u8 = 16;
/// Under range id 0.
const CLOCK_BOUND: u8 = 17;
/// Length of every key here: range id and kind.
const KEY_BYTES: usize = 9;

const _: () =
    assert!(IDENTITY < TOMBSTONE && CLOCK_BOUND < TOMBSTONE, "what is the store's own is no tombstone");
const _: () = assert!(
    REPLICA < PUBLISHED && PUBLISHED < DESCRIPTOR,
    "what is of one replica lies before what all share"
);
const _: () = assert!(
    DESCRIPTOR < SIZE && CLOSED < TOMBSTONE,
    "what all replicas share is one span, which starts with the descriptor"
);

fn kind_key(range_id: u64, kind: u8) -> Bytes {
    let mut key = Vec::with_capacity(KEY_BYTES);
    key.extend_from_slice(&range_id.to_be_bytes());
    key.push(kind);
    key.into()
}

/// Where a range's descriptor lies.
pub fn descriptor_key(range_id: RangeId) -> Bytes {
    kind_key(range_id.0, DESCRIPTOR)
}

/// Where the id of the replica here lies: it is known before the descriptor is, and stays when the descriptor does not
/// name the replica any more.
pub fn replica_key(range_id: RangeId) -> Bytes {
    kind_key(range_id.0, REPLICA)
}

/// Where a range's size lies.
pub fn size_key(range_id: RangeId) -> Bytes {
    kind_key(range_id.0, SIZE)
}

/// Where the mark of hand-overs lies.
pub fn end_lease_key(range_id: RangeId) -> Bytes {
    kind_key(range_id.0, END_LEASE)
}

/// Where the closed timestamp lies.
pub fn closed_key(range_id: RangeId) -> Bytes {
    kind_key(range_id.0, CLOSED)
}

/// Where the published generation lies.
pub fn published_key(range_id: RangeId) -> Bytes {
    kind_key(range_id.0, PUBLISHED)
}

/// Where a removed replica's tombstone lies.
pub fn tombstone_key(range_id: RangeId) -> Bytes {
    kind_key(range_id.0, TOMBSTONE)
}

/// Where the store's identity lies.
pub fn identity_key() -> Bytes {
    kind_key(0, IDENTITY)
}

/// Where the hybrid clock's bound lies.
pub fn clock_bound_key() -> Bytes {
    kind_key(0, CLOCK_BOUND)
}

/// The range whose descriptor lies under this key; `None` for any other key.
pub fn range_of_descriptor_key(key: &[u8]) -> Option<RangeId> {
    let (&kind, id) = key.split_last()?;
    let id = u64::from_be_bytes(id.try_into().ok()?);
    (kind == DESCRIPTOR && id != 0).then_some(RangeId(id))
}

/// The range of which the id of the replica here lies under this key; `None` for any other key.
pub fn range_of_replica_key(key: &[u8]) -> Option<RangeId> {
    let (&kind, id) = key.split_last()?;
    let id = u64::from_be_bytes(id.try_into().ok()?);
    (kind == REPLICA && id != 0).then_some(RangeId(id))
}

/// Keys of the family `range` whose values are equal on all replicas of a range: from the first to before the second.
pub fn shared_bounds(range_id: RangeId) -> (Bytes, Bytes) {
    (descriptor_key(range_id), tombstone_key(range_id))
}

/// Keys of the family `range` that belong to a range, its tombstone left out: from the first to before the second.
pub fn replica_bounds(range_id: RangeId) -> (Bytes, Bytes) {
    (kind_key(range_id.0, 0), tombstone_key(range_id))
}

/// The bytes of a descriptor.
pub fn encode_descriptor(descriptor: &RangeDescriptor) -> Vec<u8> {
    let mut writer = Writer::versioned(VERSION);
    put_descriptor(&mut writer, descriptor);
    writer.finish()
}

/// Reads a descriptor.
///
/// # Errors
/// Damaged bytes, or a newer version.
pub fn decode_descriptor(bytes: &[u8]) -> Result<RangeDescriptor, CodecError> {
    let (mut reader, _) = Reader::versioned(bytes, VERSION, "range descriptor")?;
    let descriptor = get_descriptor(&mut reader)?;
    reader.finish()?;
    Ok(descriptor)
}

/// The bytes of the id of the replica here.
pub fn encode_replica_id(replica_id: ReplicaId) -> Vec<u8> {
    must_hold("the id of a replica", is_replica(replica_id));
    Writer::versioned(VERSION).u64(replica_id.0).finish()
}

fn is_replica(replica_id: ReplicaId) -> Result<(), Broken> {
    holds(replica_id != ReplicaId(0), "replica 0 is no replica")
}

/// What must hold of a timestamp that a replica keeps: a later one can be given out.
fn is_passed(kept: Timestamp) -> Result<(), Broken> {
    holds(kept < Timestamp::MAX, "no timestamp that is kept is the last one")
}

/// Reads the id of the replica here.
///
/// # Errors
/// Damaged bytes, or a newer version.
pub fn decode_replica_id(bytes: &[u8]) -> Result<ReplicaId, CodecError> {
    let (mut reader, _) = Reader::versioned(bytes, VERSION, "replica id")?;
    let replica_id = ReplicaId(reader.u64()?);
    reader.sound(is_replica(replica_id))?;
    reader.finish()?;
    Ok(replica_id)
}

/// Appends a descriptor to another format.
///
/// # Panics
/// Where the descriptor breaks a rule of its own.
pub fn put_descriptor(writer: &mut Writer, descriptor: &RangeDescriptor) {
    must_hold("a range descriptor", descriptor.validate());
    writer.varint(descriptor.range_id.0);
    writer.bytes(descriptor.span.start.as_ref()).bytes(descriptor.span.end.as_ref());
    writer.count(descriptor.replicas.len());
    for replica in &descriptor.replicas {
        let role = match replica.role {
            ReplicaRole::Voter => 1,
            ReplicaRole::Learner => 2,
        };
        writer.varint(replica.replica_id.0).varint(replica.node_id.0).u8(role);
    }
    writer.varint(descriptor.next_replica_id.0).varint(descriptor.generation);
}

/// Reads a descriptor within another format.
///
/// # Errors
/// Damaged bytes.
pub fn get_descriptor(reader: &mut Reader<'_>) -> Result<RangeDescriptor, CodecError> {
    let range_id = RangeId(reader.varint()?);
    let start = Key::new(owned(reader.bytes()?));
    let end = Key::new(owned(reader.bytes()?));
    let count = reader.items()?;
    let mut replicas = Vec::with_capacity(count);
    for _ in 0..count {
        let replica_id = ReplicaId(reader.varint()?);
        let node_id = NodeId(reader.varint()?);
        let role = match reader.u8()? {
            1 => ReplicaRole::Voter,
            2 => ReplicaRole::Learner,
            other => return Err(reader.invalid(u64::from(other))),
        };
        replicas.push(ReplicaDescriptor { replica_id, node_id, role });
    }
    let next_replica_id = ReplicaId(reader.varint()?);
    let generation = reader.varint()?;
    let descriptor =
        RangeDescriptor { range_id, span: Span::new(start, end), replicas, next_replica_id, generation };
    reader.sound(descriptor.validate())?;
    Ok(descriptor)
}

/// The bytes of a size, and of the newest timestamp written; `None` where nobody knows that.
pub fn encode_size(bytes: u64, newest: Option<Timestamp>) -> Vec<u8> {
    must_hold("the newest timestamp of a range", is_passed(newest.unwrap_or_default()));
    match newest {
        Some(newest) => Writer::versioned(SIZE_VERSION).u64(bytes).timestamp(newest).finish(),
        None => Writer::versioned(VERSION).u64(bytes).finish(),
    }
}

/// Reads a size, and the newest timestamp written.
///
/// # Errors
/// Damaged bytes, or a newer version.
pub fn decode_size(bytes: &[u8]) -> Result<(u64, Option<Timestamp>), CodecError> {
    let (mut reader, version) = Reader::versioned(bytes, SIZE_VERSION, "range size")?;
    let size = reader.u64()?;
    let newest = (version >= SIZE_VERSION).then(|| reader.timestamp()).transpose()?;
    reader.sound(is_passed(newest.unwrap_or_default()))?;
    reader.finish()?;
    Ok((size, newest))
}

/// The bytes of the mark of hand-overs.
pub fn encode_end_lease(mark: Timestamp) -> Vec<u8> {
    must_hold("a mark of hand-overs", is_passed(mark));
    Writer::versioned(VERSION).timestamp(mark).finish()
}

/// Reads the mark of hand-overs.
///
/// # Errors
/// Damaged bytes, or a newer version.
pub fn decode_end_lease(bytes: &[u8]) -> Result<Timestamp, CodecError> {
    let (mut reader, _) = Reader::versioned(bytes, VERSION, "mark of hand-overs")?;
    let mark = reader.timestamp()?;
    reader.sound(is_passed(mark))?;
    reader.finish()?;
    Ok(mark)
}

/// The bytes of a closed timestamp.
pub fn encode_closed(closed: Timestamp) -> Vec<u8> {
    must_hold("a closed timestamp", is_passed(closed));
    Writer::versioned(VERSION).timestamp(closed).finish()
}

/// Reads a closed timestamp.
///
/// # Errors
/// Damaged bytes, or a newer version.
pub fn decode_closed(bytes: &[u8]) -> Result<Timestamp, CodecError> {
    let (mut reader, _) = Reader::versioned(bytes, VERSION, "closed timestamp")?;
    let closed = reader.timestamp()?;
    reader.sound(is_passed(closed))?;
    reader.finish()?;
    Ok(closed)
}

/// The bytes of a published generation.
pub fn encode_published(generation: u64) -> Vec<u8> {
    Writer::versioned(VERSION).u64(generation).finish()
}

/// Reads a published generation.
///
/// # Errors
/// Damaged bytes, or a newer version.
pub fn decode_published(bytes: &[u8]) -> Result<u64, CodecError> {
    let (mut reader, _) = Reader::versioned(bytes, VERSION, "published generation")?;
    let generation = reader.u64()?;
    reader.finish()?;
    Ok(generation)
}

/// The bytes of a tombstone: replicas below this id must not come back.
pub fn encode_tombstone(next_replica_id: ReplicaId) -> Vec<u8> {
    Writer::versioned(VERSION).u64(next_replica_id.0).finish()
}

/// Reads a tombstone.
///
/// # Errors
/// Damaged bytes, or a newer version.
pub fn decode_tombstone(bytes: &[u8]) -> Result<ReplicaId, CodecError> {
    let (mut reader, _) = Reader::versioned(bytes, VERSION, "tombstone")?;
    let next = ReplicaId(reader.u64()?);
    reader.finish()?;
    Ok(next)
}

#[cfg(test)]
mod tests {
    use quorate_engine::testing::fixture;

    use super::*;

    const CRATE: &str = env!("CARGO_MANIFEST_DIR");

    fn descriptor() -> RangeDescriptor {
        let span = Span::new(Key::from(&b"\x02a"[..]), Key::default());
        let mut descriptor = RangeDescriptor::new(RangeId(300), span, &[NodeId(1), NodeId(2), NodeId(7)]);
        descriptor.replicas[2].role = ReplicaRole::Learner;
        descriptor.generation = 5;
        descriptor
    }

    #[test]
    fn fixture_descriptor_is_still_read() {
        let bytes = fixture::check(CRATE, "range_descriptor", &encode_descriptor(&descriptor()));
        assert_eq!(decode_descriptor(&bytes).unwrap(), descriptor());
    }

    #[test]
    fn fixture_replica_state_is_still_read() {
        let mark = Timestamp::from_micros(1_700_000_000_000_000);
        let bytes = fixture::check(CRATE, "range_size", &encode_size(123_456, None));
        assert_eq!(decode_size(&bytes).unwrap(), (123_456, None));
        let bytes = fixture::check(CRATE, "range_size_2", &encode_size(123_456, Some(mark)));
        assert_eq!(decode_size(&bytes).unwrap(), (123_456, Some(mark)));
        let bytes = fixture::check(CRATE, "range_end_lease", &encode_end_lease(mark));
        assert_eq!(decode_end_lease(&bytes).unwrap(), mark);
        let bytes = fixture::check(CRATE, "range_replica", &encode_replica_id(ReplicaId(5)));
        assert_eq!(decode_replica_id(&bytes).unwrap(), ReplicaId(5));
        let bytes = fixture::check(CRATE, "range_tombstone", &encode_tombstone(ReplicaId(4)));
        assert_eq!(decode_tombstone(&bytes).unwrap(), ReplicaId(4));
        let bytes = fixture::check(CRATE, "range_closed", &encode_closed(mark));
        assert_eq!(decode_closed(&bytes).unwrap(), mark);
        let bytes = fixture::check(CRATE, "range_published", &encode_published(6));
        assert_eq!(decode_published(&bytes).unwrap(), 6);
    }

    #[test]
    fn damaged_descriptors_are_refused() {
        let whole = encode_descriptor(&descriptor());
        for length in 0..whole.len() {
            assert!(decode_descriptor(&whole[..length]).is_err(), "the first {length} bytes");
        }
        let mut newer = whole.clone();
        newer[0] = VERSION + 1;
        assert!(decode_descriptor(&newer).is_err());
        let mut longer = whole;
        longer.push(0);
        assert!(decode_descriptor(&longer).is_err());
    }

    #[test]
    fn keys_of_a_range_are_its_bounds() {
        let range = RangeId(7);
        let (start, end) = replica_bounds(range);
        let shared = [descriptor_key, size_key, end_lease_key, closed_key].map(|key| key(range));
        for key in shared.iter().chain(&[replica_key(range), published_key(range)]) {
            assert!(start <= *key && *key < end);
        }
        let (start, end) = shared_bounds(range);
        for key in shared {
            assert!(start <= key && key < end);
        }
        assert!(published_key(range) < start && tombstone_key(range) >= end);
        assert_eq!(range_of_replica_key(&replica_key(range)), Some(range));
        assert_eq!(range_of_replica_key(&descriptor_key(range)), None);
        assert!(descriptor_key(RangeId(6)) < start);
        assert_eq!(range_of_descriptor_key(&descriptor_key(range)), Some(range));
        assert_eq!(range_of_descriptor_key(&size_key(range)), None);
        assert_eq!(range_of_descriptor_key(&identity_key()), None);
        assert_eq!(range_of_descriptor_key(b"short"), None);
    }
}
