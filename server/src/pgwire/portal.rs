//! Prepared statements and portals of a connection, by name.

use std::collections::HashMap;

use quorate_sql::error::{SqlError, SqlState};
use quorate_sql::session::Prepared;
use quorate_sql::types::Datum;

use super::memory::Reservation;
use super::sink::HeldRows;
use super::types::Formats;
use crate::limits::{PORTALS_MAX, PREPARED_MAX};

/// A statement that Parse has made.
#[derive(Debug)]
pub struct WireStatement {
    /// The bound statement; `None` for an empty text.
    pub prepared: Option<Prepared>,
    /// Numbers of the parameters' types, as Describe tells them: the client's where it gave one.
    pub parameter_oids: Vec<u32>,
    /// What a large text takes of the node's memory for messages.
    #[expect(dead_code, reason = "held as long as the statement, and given back with it")]
    pub memory: Option<Reservation>,
}

/// A statement with its parameters, as Bind has made it.
#[derive(Debug)]
pub struct Portal {
    /// The bound statement; `None` for an empty text.
    pub prepared: Option<Prepared>,
    /// Values of its parameters.
    pub parameters: Vec<Datum>,
    /// How its rows are written.
    pub formats: Formats,
    /// How far it has run.
    pub state: PortalState,
    /// What it was told to have done, once it has run.
    pub tag: Option<String>,
    /// How many savepoints were set when it was opened.
    pub behind: u64,
    /// What large parameters take of the node's memory for messages.
    pub memory: Option<Reservation>,
}

/// How far a portal has run.
#[derive(Debug)]
pub enum PortalState {
    /// Not yet.
    Ready,
    /// It has run to its end; these rows were not fetched yet.
    Suspended(HeldRows),
    /// Everything was fetched.
    Done,
}

/// What a connection has named; the empty name is the unnamed one.
#[derive(Debug, Default)]
pub struct Named {
    statements: HashMap<String, WireStatement>,
    portals: HashMap<String, Portal>,
}

impl Named {
    /// Keeps a statement; the unnamed one is replaced.
    ///
    /// # Errors
    /// 42P05 for a name that is taken, 54000 beyond [`PREPARED_MAX`].
    pub fn add_statement(&mut self, name: &str, statement: WireStatement) -> Result<(), SqlError> {
        if !name.is_empty() && self.statements.contains_key(name) {
            let message = format!("prepared statement \"{name}\" already exists");
            return Err(SqlError::new(SqlState::DuplicatePreparedStatement, message));
        }
        if self.statements.len() >= PREPARED_MAX && !name.is_empty() {
            return Err(too_many("prepared statements", PREPARED_MAX, "Close some with DEALLOCATE."));
        }
        self.statements.insert(name.to_owned(), statement);
        Ok(())
    }

    /// The statement of this name.
    ///
    /// # Errors
    /// 26000.
    pub fn statement(&self, name: &str) -> Result<&WireStatement, SqlError> {
        self.statements.get(name).ok_or_else(|| {
            let message = match name {
                "" => "unnamed prepared statement does not exist".to_owned(),
                name => format!("prepared statement \"{name}\" does not exist"),
            };
            SqlError::new(SqlState::InvalidSqlStatementName, message)
        })
    }

    /// Keeps a portal; the unnamed one is replaced.
    ///
    /// # Errors
    /// 42P03 for a name that is taken, 54000 beyond [`PORTALS_MAX`].
    pub fn add_portal(&mut self, name: &str, portal: Portal) -> Result<(), SqlError> {
        if !name.is_empty() && self.portals.contains_key(name) {
            let message = format!("cursor \"{name}\" already exists");
            return Err(SqlError::new(SqlState::DuplicateCursor, message));
        }
        if self.portals.len() >= PORTALS_MAX && !name.is_empty() {
            return Err(too_many("portals", PORTALS_MAX, "Close some, or end the transaction."));
        }
        self.portals.insert(name.to_owned(), portal);
        Ok(())
    }

    /// The portal of this name.
    ///
    /// # Errors
    /// 34000.
    pub fn portal(&mut self, name: &str) -> Result<&mut Portal, SqlError> {
        self.portals.get_mut(name).ok_or_else(|| {
            SqlError::new(SqlState::InvalidCursorName, format!("portal \"{name}\" does not exist"))
        })
    }

    /// Forgets a statement; no error where there is none.
    pub fn close_statement(&mut self, name: &str) {
        self.statements.remove(name);
    }

    /// Forgets all statements.
    pub fn close_statements(&mut self) {
        self.statements.clear();
    }

    /// Forgets a portal; no error where there is none.
    pub fn close_portal(&mut self, name: &str) {
        self.portals.remove(name);
    }

    /// Forgets portals that were opened behind a savepoint.
    pub fn close_portals_behind(&mut self, savepoint: u64) {
        self.portals.retain(|_, portal| portal.behind < savepoint);
    }

    /// Forgets all portals: they live as long as their transaction.
    pub fn close_portals(&mut self) {
        self.portals.clear();
    }

    /// A simple query replaces the unnamed statement and portal.
    pub fn close_unnamed(&mut self) {
        self.close_statement("");
        self.close_portal("");
    }
}

fn too_many(what: &str, limit: usize, hint: &str) -> SqlError {
    SqlError::new(SqlState::ProgramLimitExceeded, format!("a connection has at most {limit} {what}"))
        .with_hint(hint)
}
