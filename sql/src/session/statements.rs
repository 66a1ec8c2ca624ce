//! Prepared statements of a session by name: those of the protocol's Parse and of PREPARE are the same ones.
//!
//! Invariant: there are no more than [`PREPARED_MAX`] with a name, and the texts of PREPARE take no more than
//! [`PREPARED_MAX_BYTES`]; what a text of Parse takes is what came with it.

use std::any::Any;
use std::collections::HashMap;
use std::fmt;

use super::Prepared;
use crate::error::{SqlError, SqlState};
use crate::limits::{PREPARED_MAX, PREPARED_MAX_BYTES};

/// A prepared statement.
pub struct NamedStatement {
    /// The bound statement; `None` for an empty text.
    pub prepared: Option<Prepared>,
    /// Numbers that the client gave its parameters' types; 0, or none, where it left one open.
    pub given_types: Vec<u32>,
    /// Bytes of its text that count against the limit.
    pub text_bytes: usize,
    /// Held as long as the statement, and given back with it: memory that its text has reserved.
    pub held: Option<Box<dyn Any + Send + Sync>>,
}

impl fmt::Debug for NamedStatement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NamedStatement").field("prepared", &self.prepared).finish_non_exhaustive()
    }
}

/// What a session has prepared; the empty name is the unnamed one.
#[derive(Debug, Default)]
pub struct Statements {
    by_name: HashMap<String, NamedStatement>,
    text_bytes: usize,
}

impl Statements {
    /// Keeps a statement; the unnamed one is replaced.
    ///
    /// # Errors
    /// 42P05 for a name that is taken, 54000 beyond a limit.
    pub fn add(&mut self, name: &str, statement: NamedStatement) -> Result<(), SqlError> {
        if !name.is_empty() && self.by_name.contains_key(name) {
            let message = format!("prepared statement \"{name}\" already exists");
            return Err(SqlError::new(SqlState::DuplicatePreparedStatement, message));
        }
        let text_bytes = self.text_bytes.saturating_add(statement.text_bytes);
        let limit = if self.by_name.len() >= PREPARED_MAX && !name.is_empty() {
            Some(format!("a session has at most {PREPARED_MAX} prepared statements"))
        } else {
            (statement.text_bytes > 0 && text_bytes > PREPARED_MAX_BYTES)
                .then(|| format!("texts of PREPARE take at most {PREPARED_MAX_BYTES} bytes in a session"))
        };
        if let Some(message) = limit {
            return Err(SqlError::new(SqlState::ProgramLimitExceeded, message)
                .with_hint("Close some with DEALLOCATE."));
        }
        self.text_bytes = text_bytes;
        self.by_name.insert(name.to_owned(), statement);
        Ok(())
    }

    /// The statement of this name.
    ///
    /// # Errors
    /// 26000.
    pub fn get(&self, name: &str) -> Result<&NamedStatement, SqlError> {
        self.by_name.get(name).ok_or_else(|| missing(name))
    }

    /// Forgets a statement; tells whether there was one.
    pub fn close(&mut self, name: &str) -> bool {
        let closed = self.by_name.remove(name);
        self.text_bytes -= closed.as_ref().map_or(0, |closed| closed.text_bytes);
        closed.is_some()
    }

    /// Forgets all statements.
    pub fn clear(&mut self) {
        *self = Self::default();
    }
}

/// The error of a name that no statement has.
pub(super) fn missing(name: &str) -> SqlError {
    let message = match name {
        "" => "unnamed prepared statement does not exist".to_owned(),
        name => format!("prepared statement \"{name}\" does not exist"),
    };
    SqlError::new(SqlState::InvalidSqlStatementName, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of_bytes(text_bytes: usize) -> NamedStatement {
        NamedStatement { prepared: None, given_types: Vec::new(), text_bytes, held: None }
    }

    #[test]
    fn statements_have_limits_that_closing_gives_back() {
        let mut statements = Statements::default();
        for number in 0..PREPARED_MAX {
            statements.add(&format!("s{number}"), of_bytes(0)).unwrap();
        }
        let state = |result: Result<(), SqlError>| result.map_err(|error| error.state);
        assert_eq!(state(statements.add("more", of_bytes(0))), Err(SqlState::ProgramLimitExceeded));
        assert_eq!(state(statements.add("s1", of_bytes(0))), Err(SqlState::DuplicatePreparedStatement));
        statements.add("", of_bytes(0)).unwrap();
        statements.clear();
        statements.add("large", of_bytes(PREPARED_MAX_BYTES)).unwrap();
        assert_eq!(state(statements.add("s", of_bytes(1))), Err(SqlState::ProgramLimitExceeded));
        statements.add("of Parse", of_bytes(0)).unwrap();
        assert!(statements.close("large") && !statements.close("large"));
        statements.add("s", of_bytes(1)).unwrap();
    }
}
