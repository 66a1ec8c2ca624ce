//! Keys of the catalog within range 1, and the counters of its ids.

use quorate_engine::codec::CodecError;
use quorate_engine::kv::{Key, Span, Value, keyspace};

const NAMES: u8 = 0x01;
const DESCRIPTORS: u8 = 0x02;
const SEQUENCES: u8 = 0x03;
const JOBS: u8 = 0x04;
const JOB_TURNS: u8 = 0x05;
const JOB_DRIVERS: u8 = 0x06;
const POSITIONS: u8 = 0x07;
const TABLE_ID_COUNTER: &[u8] = b"table_id";
const JOB_ID_COUNTER: &[u8] = b"job_id";

fn catalog_key(kind: u8, rest: &[u8]) -> Key {
    let mut bytes = keyspace::system_prefix(keyspace::SYSTEM_CATALOG).as_ref().to_vec();
    bytes.push(kind);
    bytes.extend_from_slice(rest);
    Key::from(bytes)
}

/// Where a name leads to a table's id.
pub fn name_key(name: &str) -> Key {
    catalog_key(NAMES, name.as_bytes())
}

/// Where a table's descriptor is.
pub fn descriptor_key(table_id: u64) -> Key {
    catalog_key(DESCRIPTORS, &table_id.to_be_bytes())
}

/// Where a sequence's descriptor is.
pub fn sequence_key(sequence_id: u64) -> Key {
    catalog_key(SEQUENCES, &sequence_id.to_be_bytes())
}

/// Where it stands how far a sequence is.
pub fn position_key(sequence_id: u64) -> Key {
    catalog_key(POSITIONS, &sequence_id.to_be_bytes())
}

/// All descriptors: of tables, then of sequences.
pub fn descriptors_span() -> Span {
    Span::new(catalog_key(DESCRIPTORS, &[]), catalog_key(JOBS, &[]))
}

/// What a descriptor's key says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Described {
    /// A table of this id.
    Table(u64),
    /// A sequence of this id.
    Sequence(u64),
}

/// What the descriptor is of that is there; `None` for the counter that was there once.
///
/// # Errors
/// No key of a descriptor.
pub fn described_by(key: &Key) -> Result<Option<Described>, CodecError> {
    let invalid = CodecError::Truncated { what: "key of a descriptor" };
    let prefix = keyspace::system_prefix(keyspace::SYSTEM_CATALOG);
    let rest = key.as_ref().strip_prefix(prefix.as_ref()).and_then(<[u8]>::split_first);
    let (kind, id) = rest.ok_or(invalid.clone())?;
    if *kind == SEQUENCES && id.is_empty() {
        return Ok(None);
    }
    let id = u64::from_be_bytes(id.try_into().map_err(|_| invalid.clone())?);
    match *kind {
        DESCRIPTORS => Ok(Some(Described::Table(id))),
        SEQUENCES => Ok(Some(Described::Sequence(id))),
        _ => Err(invalid),
    }
}

/// Where a job is.
pub fn job_key(job_id: u64) -> Key {
    catalog_key(JOBS, &job_id.to_be_bytes())
}

/// All jobs.
pub fn jobs_span() -> Span {
    Span::prefix(catalog_key(JOBS, &[]))
}

/// What is touched by whoever takes a job from its driver. Nothing stands there: a transaction that began before the job did,
/// and could not see its row, reads this key, and cannot commit once it was touched.
pub fn job_turn_key(job_id: u64) -> Key {
    catalog_key(JOB_TURNS, &job_id.to_be_bytes())
}

/// Where a node that drives jobs gives its signs of life.
pub fn job_driver_key(node_id: u64) -> Key {
    catalog_key(JOB_DRIVERS, &node_id.to_be_bytes())
}

/// Where the last table id given out is.
pub fn table_id_counter_key() -> Key {
    counter_key(TABLE_ID_COUNTER)
}

/// Where the last job id given out is.
pub fn job_id_counter_key() -> Key {
    counter_key(JOB_ID_COUNTER)
}

fn counter_key(name: &[u8]) -> Key {
    let prefix = keyspace::system_prefix(keyspace::SYSTEM_COUNTERS);
    Key::from([prefix.as_ref(), name].concat())
}

/// A stored number: eight bytes, most significant first.
pub fn number_value(number: u64) -> Value {
    Value::copy_from_slice(&number.to_be_bytes())
}

/// Reads a stored number; a missing one is `default`.
///
/// # Errors
/// Bytes of another length.
pub fn number_of(value: Option<&Value>, default: u64) -> Result<u64, CodecError> {
    let Some(value) = value else { return Ok(default) };
    let bytes =
        value.as_ref().try_into().map_err(|_| CodecError::Truncated { what: "number of the catalog" })?;
    Ok(u64::from_be_bytes(bytes))
}
