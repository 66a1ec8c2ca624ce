//! Portals of a connection, by name. Prepared statements are the session's, and cursors are its transaction's.

use std::collections::HashMap;

use quorate_sql::error::{SqlError, SqlState};
use quorate_sql::session::Prepared;
use quorate_sql::types::Datum;

use super::memory::Reservation;
use super::sink::HeldRows;
use super::types::Formats;
use crate::limits::PORTALS_MAX;

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
    /// It is a cursor of the session's, which reads rows as they are fetched.
    Cursor,
    /// Everything was fetched.
    Done,
}

/// The portals of a connection; the empty name is the unnamed one.
#[derive(Debug, Default)]
pub struct Named {
    portals: HashMap<String, Portal>,
}

impl Named {
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
            let message = format!("a connection has at most {PORTALS_MAX} portals");
            return Err(SqlError::new(SqlState::ProgramLimitExceeded, message)
                .with_hint("Close some, or end the transaction."));
        }
        self.portals.insert(name.to_owned(), portal);
        Ok(())
    }

    /// Whether there is a portal of this name.
    pub fn has_portal(&self, name: &str) -> bool {
        self.portals.contains_key(name)
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
}
