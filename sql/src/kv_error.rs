//! What an error of keys and values means to a client.

use std::sync::Arc;

use quorate_engine::kv::{Key, KvError, keyspace};

use crate::catalog::snapshot::CatalogSnapshot;
use crate::error::{SqlError, SqlState};
use crate::storage::{index_format, key_text};
use crate::types::{Datum, text};

/// The client's error; tables and keys are named where the catalog is at hand.
pub fn sql_error(error: KvError, catalog: Option<&CatalogSnapshot>) -> SqlError {
    match error {
        KvError::Retry { key, reason } => {
            let place =
                table_name(&key, catalog).map_or_else(String::new, |name| format!(" in table \"{name}\""));
            SqlError::new(SqlState::SerializationFailure, format!("restart transaction: {reason}{place}"))
                .with_detail(format!("The conflict is at key {}. Nothing was changed.", shown(&key, catalog)))
                .with_hint("Run the whole transaction again.")
        }
        KvError::ConditionFailed { key } => duplicate_key(&key, catalog),
        KvError::Ambiguous { transaction, detail } => SqlError::new(
            SqlState::StatementCompletionUnknown,
            format!("it is not known whether transaction {transaction} was committed"),
        )
        .with_detail(detail)
        .with_hint("Read the rows to find out, and repeat the transaction only where they are not there."),
        KvError::Unavailable { range_id, detail } => SqlError::new(
            SqlState::SystemError,
            format!("range r{range_id} is unavailable; nothing was changed"),
        )
        .with_detail(detail)
        .with_hint("Start the missing nodes again; `quorate status` shows them."),
        KvError::Clock { detail, is_over: true } => {
            SqlError::new(SqlState::SerializationFailure, format!("restart transaction: {detail}"))
                .with_detail("Nothing was changed.")
                .with_hint("Run the whole transaction again.")
        }
        KvError::Clock { detail, is_over: false } => SqlError::new(SqlState::CannotConnectNow, detail)
            .with_detail("Nothing was changed.")
            .with_hint("Connect to another node; `quorate status` shows the offsets of the clocks."),
        KvError::Unsupported(message) => SqlError::new(SqlState::FeatureNotSupported, message),
        KvError::TooLarge { what, size, limit } => SqlError::new(
            SqlState::ProgramLimitExceeded,
            format!("{what} of {size} bytes is beyond the limit of {limit} bytes; nothing was changed"),
        )
        .with_hint(if what == "history kept for savepoints" {
            "Release savepoints that are not needed any more."
        } else {
            "Write fewer or smaller rows in one transaction."
        }),
        KvError::NoRange { key } => {
            let name = table_name(&key, catalog).unwrap_or_else(|| shown(&key, catalog));
            let message =
                format!("restart transaction: table \"{name}\" was dropped, or another took its place");
            SqlError::new(SqlState::SerializationFailure, message)
                .with_hint("Run the whole transaction again.")
        }
        KvError::Program(error) => {
            let state = SqlState::from_code(&error.sqlstate).unwrap_or(SqlState::InternalError);
            SqlError::new(state, error.message)
        }
        KvError::Storage(message) => SqlError::new(SqlState::IoError, format!("the store failed: {message}"))
            .with_hint("The node's log says more."),
    }
}

/// 23505, as PostgreSQL words it.
pub fn duplicate_key(key: &Key, catalog: Option<&CatalogSnapshot>) -> SqlError {
    let table = table_id(key).and_then(|id| catalog?.table_by_id(id).cloned());
    let Some(table) = table else {
        return SqlError::new(
            SqlState::UniqueViolation,
            format!("key {} already exists", shown(key, catalog)),
        );
    };
    let layout = table.layout();
    let constraint = table.primary().name.clone();
    let message = format!("duplicate key value violates unique constraint \"{constraint}\"");
    let error = SqlError::new(SqlState::UniqueViolation, message).about_constraint(&table.name, constraint);
    let mut row = vec![Datum::Null; layout.columns.len()];
    if index_format::decode_whole_key(layout, key.as_ref(), &mut row).is_err() {
        return error;
    }
    let names =
        layout.primary().positions().filter_map(|position| Some(table.columns.get(position)?.name.as_str()));
    let values = layout.primary().positions().filter_map(|position| {
        let datum = row.get(position)?;
        Some(text::to_text(datum, &layout.data_type(position)).unwrap_or_else(|| "null".to_owned()))
    });
    let (names, values) = (names.collect::<Vec<_>>().join(", "), values.collect::<Vec<_>>().join(", "));
    error.with_detail(format!("Key ({names})=({values}) already exists."))
}

/// The key for people.
fn shown(key: &Key, catalog: Option<&CatalogSnapshot>) -> String {
    key_text::start_key(key, |id| Some(Arc::clone(catalog?.table_by_id(id)?.layout())))
}

fn table_name(key: &Key, catalog: Option<&CatalogSnapshot>) -> Option<String> {
    Some(catalog?.table_by_id(table_id(key)?)?.name.clone())
}

/// Id of the table that a key belongs to.
pub fn table_id(key: &Key) -> Option<u64> {
    let (&keyspace::TABLES, rest) = key.as_ref().split_first()? else { return None };
    Some(u64::from_be_bytes(*rest.first_chunk::<8>()?))
}
