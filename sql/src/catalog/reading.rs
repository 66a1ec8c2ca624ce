//! Reads what has changed in the catalog since a moment.

use quorate_engine::hlc::Timestamp;
use quorate_engine::kv::{Change, ChangesRequest, Transaction};

use super::descriptor_format;
use super::keys;
use super::keys::Described;
use super::sequence_format;
use super::snapshot::{SequenceChange, TableChange};
use crate::error::SqlError;
use crate::kv_error::sql_error;

/// Most descriptors that one page looks at.
const PAGE_KEYS: u64 = 1_000;
/// Bytes at which a page of descriptors ends.
const PAGE_BYTES: u64 = 1 << 20;

/// What has changed.
#[derive(Debug, Default)]
pub struct CatalogChanges {
    /// When the newest of the changes was committed; `None` where there is none.
    pub newest: Option<Timestamp>,
    /// Tables that are new, different or gone.
    pub tables: Vec<TableChange>,
    /// The same for sequences.
    pub sequences: Vec<SequenceChange>,
}

/// The changes of all tables and sequences since `after`, as of the transaction's timestamp.
///
/// # Errors
/// Range 1 cannot be read, or holds bytes that cannot.
pub async fn read_changes(
    transaction: &mut dyn Transaction,
    after: Timestamp,
) -> Result<CatalogChanges, SqlError> {
    let mut found = CatalogChanges::default();
    let mut rest = Some(keys::descriptors_span());
    while let Some(span) = rest {
        let request = ChangesRequest { span, after, keys_max: PAGE_KEYS, bytes_max: PAGE_BYTES };
        let page = transaction.changes(request).await.map_err(|error| sql_error(error, None))?;
        for change in page.changes {
            found.newest = found.newest.max(Some(change.timestamp));
            found.add(&change)?;
        }
        rest = page.resume;
    }
    Ok(found)
}

impl CatalogChanges {
    fn add(&mut self, change: &Change) -> Result<(), SqlError> {
        let bytes = change.value.as_deref();
        match keys::described_by(&change.key)? {
            None => {}
            Some(Described::Table(id)) => {
                self.tables.push((id, bytes.map(descriptor_format::decode).transpose()?));
            }
            Some(Described::Sequence(id)) => {
                self.sequences.push((id, bytes.map(sequence_format::decode).transpose()?));
            }
        }
        Ok(())
    }
}
