//! Names of several parts.

use super::ast::{Name, Qualifier};
use crate::error::{SqlError, SqlState};

/// Parts of a relation's name: database, schema and its own.
const PARTS_MAX: usize = 3;

/// A name, and what stands before it.
pub type Qualified = (Option<Box<Qualifier>>, Name);

/// The last part of a name, and what stands before it.
///
/// # Errors
/// 42601 beyond three parts, and for none.
pub fn qualified(mut parts: Vec<Name>) -> Result<Qualified, SqlError> {
    if parts.len() > PARTS_MAX {
        return Err(too_many_parts(&parts));
    }
    let Some(name) = parts.pop() else { return Err(too_many_parts(&[])) };
    let Some(schema) = parts.pop() else { return Ok((None, name)) };
    Ok((Some(Box::new(Qualifier { database: parts.pop(), schema })), name))
}

/// The error of a name with more parts than one can have.
pub fn too_many_parts(parts: &[Name]) -> SqlError {
    let names: Vec<&str> = parts.iter().map(|part| part.value.as_str()).collect();
    let message = format!("improper qualified name (too many dotted names): {}", names.join("."));
    SqlError::new(SqlState::SyntaxError, message).at(parts.first().map_or(0, |part| part.position))
}
