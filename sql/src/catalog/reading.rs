//! Reads the whole catalog at one timestamp.

use quorate_engine::kv::{Direction, ScanRequest, ScanRows, Transaction};

use super::descriptor_format;
use super::keys;
use super::snapshot::CatalogSnapshot;
use crate::error::SqlError;
use crate::kv_error::sql_error;

/// Most descriptors of one page.
const PAGE_ROWS: u64 = 1_000;
/// Bytes at which a page of descriptors ends.
const PAGE_BYTES: u64 = 1 << 20;

/// All tables, and the version that they are of.
///
/// # Errors
/// Range 1 cannot be read, or holds bytes that cannot.
pub async fn read_catalog(transaction: &mut dyn Transaction) -> Result<CatalogSnapshot, SqlError> {
    let version =
        transaction.get_many(vec![keys::version_key()]).await.map_err(|error| sql_error(error, None))?;
    let version = keys::number_of(version.first().and_then(Option::as_ref), 0)?;
    let mut tables = Vec::new();
    let mut rest = Some(keys::descriptors_span());
    while let Some(span) = rest {
        let request = ScanRequest {
            span,
            direction: Direction::Forward,
            program: None,
            rows_max: PAGE_ROWS,
            bytes_max: PAGE_BYTES,
        };
        let page = transaction.scan(request).await.map_err(|error| sql_error(error, None))?;
        if let ScanRows::Pairs(pairs) = page.rows {
            for (_, value) in pairs {
                tables.push(descriptor_format::decode(&value)?);
            }
        }
        rest = page.resume;
    }
    Ok(CatalogSnapshot::new(version, tables))
}
