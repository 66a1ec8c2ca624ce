//! Rows of range 1, as ordinary transactions read and write them: whole parts, counters, descriptors.

use std::ops::Range;

use bytes::Bytes;
use quorate_engine::codec::CodecError;
use quorate_engine::codec::value::{Reader, Writer};
use quorate_engine::kv::{
    Database, Direction, Key, KvError, ScanRequest, ScanRows, Span, Transaction, TransactionOptions, Write,
    keyspace,
};
use quorate_placement::topology::RangeId;

use super::attempts::DirectoryAttempts;
use crate::client::router::SYSTEM_RANGE;
use crate::client::txn::DistributedDatabase;
use crate::descriptor::RangeDescriptor;
use crate::range_format::decode_descriptor;

/// Rows of one page.
const PAGE_ROWS_MAX: u64 = 1_000;
/// Bytes of one page.
const PAGE_BYTES_MAX: u64 = 1 << 20;
/// Version of a counter's bytes.
const COUNTER_VERSION: u8 = 1;

/// Counter of range ids.
pub(super) const NEXT_RANGE_ID: &str = "next_range_id";
/// Counter of node ids.
pub(super) const NEXT_NODE_ID: &str = "next_node_id";
/// First id of a range that is not range 1.
pub(super) const FIRST_RANGE_ID: u64 = 2;

/// Whether a range is one that the directory lists: all but range 1.
pub(in crate::cluster) fn is_listed(range_id: RangeId) -> bool {
    range_id != SYSTEM_RANGE
}

/// The span that tables may use.
pub(in crate::cluster) fn table_keys() -> Span {
    Span::prefix(Key::from(vec![keyspace::TABLES]))
}

/// The part of the system keyspace that the directory's rows lie in.
pub(super) fn directory_rows() -> Span {
    Span::prefix(keyspace::system_prefix(keyspace::SYSTEM_RANGES))
}

/// All pairs of a span, as a transaction sees them.
pub(in crate::cluster) async fn scan_all(
    transaction: &mut dyn Transaction,
    span: Span,
) -> Result<Vec<(Key, Bytes)>, KvError> {
    let mut found = Vec::new();
    let mut rest = Some(span);
    while let Some(span) = rest.take() {
        let request = ScanRequest {
            span,
            direction: Direction::Forward,
            program: None,
            rows_max: PAGE_ROWS_MAX,
            bytes_max: PAGE_BYTES_MAX,
        };
        let page = transaction.scan(request).await?;
        if let ScanRows::Pairs(pairs) = page.rows {
            found.extend(pairs);
        }
        rest = page.resume;
    }
    Ok(found)
}

/// All pairs of a part of the system keyspace, as of now.
pub(in crate::cluster) async fn read_part(
    database: &DistributedDatabase,
    part: u8,
) -> Result<Vec<(Key, Bytes)>, KvError> {
    let span = Span::prefix(keyspace::system_prefix(part));
    let attempt = || async {
        let mut transaction = database.begin(TransactionOptions::reading()).await?;
        scan_all(transaction.as_mut(), span.clone()).await
    };
    DirectoryAttempts::default().run(attempt).await
}

/// The descriptors of the directory whose spans overlap `span`, by start key.
pub(super) async fn read_directory(
    transaction: &mut dyn Transaction,
    span: &Span,
) -> Result<Vec<RangeDescriptor>, KvError> {
    let mut found = Vec::new();
    for (key, value) in scan_all(transaction, directory_rows()).await? {
        let descriptor = decode_row(&key, &value)?;
        if descriptor.span.overlaps(span) {
            found.push(descriptor);
        }
    }
    Ok(found)
}

/// The descriptor in a row of the directory.
pub(super) fn decode_row(key: &Key, value: &[u8]) -> Result<RangeDescriptor, KvError> {
    decode_descriptor(value).map_err(|error| damaged(key, &error))
}

/// Takes the next number of a counter within a transaction; `first` is the first one ever.
pub(super) async fn take_id(
    transaction: &mut dyn Transaction,
    counter: &str,
    first: u64,
) -> Result<u64, KvError> {
    Ok(take_ids(transaction, (counter, first), 1).await?.start)
}

/// Takes the next `count` numbers of a counter; see [`take_id`].
pub(super) async fn take_ids(
    transaction: &mut dyn Transaction,
    (counter, first): (&str, u64),
    count: u64,
) -> Result<Range<u64>, KvError> {
    let key = counter_key(counter);
    let value = transaction.get_many(vec![key.clone()]).await?.pop().flatten();
    let next = match value {
        Some(bytes) => decode_counter(&bytes).map_err(|error| damaged(&key, &error))?,
        None => first,
    };
    let bytes = Writer::versioned(COUNTER_VERSION).u64(next + count).finish();
    transaction.write(Write::put(key, bytes.into()))?;
    Ok(next..next + count)
}

fn counter_key(name: &str) -> Key {
    let prefix = keyspace::system_prefix(keyspace::SYSTEM_COUNTERS);
    Key::from([prefix.as_ref(), name.as_bytes()].concat())
}

fn decode_counter(bytes: &[u8]) -> Result<u64, CodecError> {
    let (mut reader, _) = Reader::versioned(bytes, COUNTER_VERSION, "counter")?;
    let next = reader.u64()?;
    reader.finish()?;
    Ok(next)
}

/// The error for a row of range 1 that cannot be read.
pub(super) fn damaged(key: &Key, error: &CodecError) -> KvError {
    KvError::Storage(format!("row {key} of range 1: {error}"))
}
