//! Names of new tables, columns and sequences.

use crate::error::{SqlError, SqlState};
use crate::limits::NAME_MAX_BYTES;
use crate::parser::ast::Name;

/// Fails for a name that no object can have.
///
/// # Errors
/// 54000 where it is empty or too long.
pub fn check_name(name: &Name) -> Result<(), SqlError> {
    if name.value.len() <= NAME_MAX_BYTES && !name.value.is_empty() {
        return Ok(());
    }
    let message = format!("name \"{}\" must have 1 to {NAME_MAX_BYTES} bytes", name.value);
    Err(SqlError::new(SqlState::ProgramLimitExceeded, message).at(name.position))
}

/// PostgreSQL's name for what belongs to a column: of table and column the longer one is cut until all fits
/// (`makeObjectName`).
pub fn object_name(table: &str, column: &str, label: &str) -> String {
    let room = NAME_MAX_BYTES.saturating_sub(label.len() + 2);
    let (mut first, mut second) = (table.len(), column.len());
    while first + second > room {
        if first > second { first -= 1 } else { second -= 1 }
    }
    let cut = |text: &str, mut length: usize| {
        while !text.is_char_boundary(length) {
            length -= 1;
        }
        text.get(..length).unwrap_or_default().to_owned()
    };
    format!("{}_{}_{label}", cut(table, first), cut(column, second))
}
