//! COPY: lines of CSV or text to rows, and rows to lines.

use crate::error::SqlError;
use crate::plan::node::OutputColumn;
use crate::session::Session;

/// A `COPY … FROM STDIN` that runs. Feed it data as it comes, in pieces of any size, then finish or abort it.
#[derive(Debug)]
pub struct CopyIn {
    /// The columns that each line has, in order.
    pub columns: Vec<OutputColumn>,
}

impl CopyIn {
    /// Takes the next piece of data.
    ///
    /// # Errors
    /// A line that cannot be read or stored. The copy is over then; the wire discards what the client still sends.
    pub async fn feed(&mut self, session: &mut Session, data: &[u8]) -> Result<(), SqlError> {
        let _ = (session, data);
        Err(SqlError::unsupported("COPY"))
    }

    /// Ends the data; returns the command tag, `COPY 336776`.
    ///
    /// # Errors
    /// As [`CopyIn::feed`].
    pub async fn finish(self, session: &mut Session) -> Result<String, SqlError> {
        let _ = session;
        Err(SqlError::unsupported("COPY"))
    }

    /// Ends the copy without the rest: the client has failed. Returns the error for the client.
    pub async fn abort(self, session: &mut Session, reason: &str) -> SqlError {
        let _ = session;
        SqlError::new(crate::error::SqlState::QueryCanceled, format!("COPY from stdin failed: {reason}"))
    }
}
