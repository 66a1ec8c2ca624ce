//! Names of relations in text, as `nextval('public."S"')` has them.

use std::sync::Arc;

use crate::catalog::sequence::SequenceDescriptor;
use crate::catalog::view::CatalogView;
use crate::error::{SqlError, SqlState};

/// The relation's name, without its schema, and folded where it stands without quotes.
///
/// # Errors
/// 42602 for what is no name, 42P01 for another schema than `public`.
pub fn relation_name(text: &str) -> Result<String, SqlError> {
    let mut parts = parts_of(text)?;
    let name = parts.pop().ok_or_else(invalid)?;
    if parts.last().is_none_or(|schema| schema == "public") {
        return Ok(name);
    }
    Err(undefined(text))
}

fn invalid() -> SqlError {
    SqlError::new(SqlState::InvalidName, "invalid name syntax")
}

/// The parts of a dotted name.
fn parts_of(text: &str) -> Result<Vec<String>, SqlError> {
    let mut parts = Vec::new();
    let mut rest = text.trim();
    loop {
        let (part, after) = next_part(rest).ok_or_else(invalid)?;
        parts.push(part);
        let after = after.trim_start();
        if after.is_empty() {
            return Ok(parts);
        }
        rest = after.strip_prefix('.').ok_or_else(invalid)?.trim_start();
    }
}

/// The sequence that a text names.
///
/// # Errors
/// 42602 for what is no name, 42P01 where nothing has it, 42809 where a table does.
pub fn find_sequence(catalog: &dyn CatalogView, text: &str) -> Result<Arc<SequenceDescriptor>, SqlError> {
    let name = relation_name(text)?;
    if let Some(found) = catalog.sequence(&name) {
        return Ok(found);
    }
    Err(match catalog.table(&name) {
        Some(table) => {
            let message = format!("\"{}\" is not a sequence", table.name);
            SqlError::new(SqlState::WrongObjectType, message)
        }
        None => undefined(text),
    })
}

/// The error of a relation that does not exist, by the name as it was read.
pub fn undefined(text: &str) -> SqlError {
    let name = parts_of(text).map_or_else(|_| text.to_owned(), |parts| parts.join("."));
    SqlError::new(SqlState::UndefinedTable, format!("relation \"{name}\" does not exist"))
}

/// The next part of a dotted name, and what follows.
fn next_part(text: &str) -> Option<(String, &str)> {
    let Some(mut rest) = text.strip_prefix('"') else {
        let end = text.find(|c: char| c == '.' || c == '"' || c.is_whitespace()).unwrap_or(text.len());
        let (part, after) = text.split_at_checked(end)?;
        return (!part.is_empty()).then(|| (part.to_lowercase(), after));
    };
    let mut part = String::new();
    loop {
        let (before, after) = rest.split_once('"')?;
        part.push_str(before);
        match after.strip_prefix('"') {
            // Two are one within the name.
            Some(more) => {
                part.push('"');
                rest = more;
            }
            None => return (!part.is_empty()).then_some((part, after)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::relation_name;

    #[test]
    fn names_are_read_as_they_are_written() {
        for (text, name) in
            [("T_id_seq", "t_id_seq"), (" public . \"T.\"\"x\" ", "T.\"x"), ("\"quorate\".public.s", "s")]
        {
            assert_eq!(relation_name(text).unwrap(), name, "{text}");
        }
        for wrong in ["", "a.", ".a", "\"a", "a b", "\"a\"b", "\"\"", "other.s"] {
            assert!(relation_name(wrong).is_err(), "{wrong}");
        }
    }
}
