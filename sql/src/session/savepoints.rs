//! SAVEPOINT, RELEASE and ROLLBACK TO of a session.
//!
//! Going back undoes buffered writes, SET and what was changed in the catalog, and makes a failed transaction go on. What was
//! read since counts on at COMMIT: the client has seen it.

use std::sync::Arc;

use super::Session;
use super::dispatch::tag;
use super::sink::Completion;
use super::transaction::{Kind, OpenTransaction, TransactionState};
use crate::error::{SqlError, SqlState};
use crate::parser::ast::Savepoint;

impl Session {
    /// Does with a savepoint what a statement says.
    ///
    /// # Errors
    /// 25P01 outside BEGIN, 3B001 for one that there is not, 54000 for too many; 40001 and 40003 where the transaction ended
    /// with that.
    pub(super) fn savepoint(&mut self, savepoint: &Savepoint) -> Result<Completion, SqlError> {
        match savepoint {
            Savepoint::Set(name) => {
                let (variables, number) = (self.variables.mark(), self.savepoints_set + 1);
                self.in_block("SAVEPOINT")?.set_savepoint((&name.value, number), variables)?;
                self.savepoints_set = number;
                Ok(tag("SAVEPOINT"))
            }
            Savepoint::Release(name) => {
                self.in_block("RELEASE SAVEPOINT")?.release_savepoint(&name.value)?;
                Ok(tag("RELEASE"))
            }
            Savepoint::RollbackTo(name) => {
                self.roll_back_to(&name.value)?;
                Ok(tag("ROLLBACK"))
            }
        }
    }

    /// How many savepoints were set so far: what is opened now lies behind that many.
    pub fn savepoints_set(&self) -> u64 {
        self.savepoints_set
    }

    /// The number of the savepoint to which the transaction has gone back since the last call, the lowest of several: the wire
    /// closes the portals that were opened behind it.
    pub fn take_gone_back_to(&mut self) -> Option<u64> {
        self.gone_back_to.take()
    }

    fn roll_back_to(&mut self, name: &str) -> Result<(), SqlError> {
        if let TransactionState::Failed(failed) = &mut self.transaction {
            // With the wrong name it goes on as failed.
            let kept = failed.take_kept_for(name)?;
            self.transaction = TransactionState::Open(kept);
        }
        let node = Arc::clone(&self.node);
        let (number, variables) = self.in_block("ROLLBACK TO SAVEPOINT")?.go_back_to(&node, name)?;
        self.gone_back_to = Some(self.gone_back_to.map_or(number, |before| before.min(number)));
        self.variables.go_back_to(&variables);
        // The catalog as the transaction sees it may be another now.
        self.staged_count += 1;
        Ok(())
    }

    /// The transaction that the user has begun.
    fn in_block(&mut self, what: &str) -> Result<&mut OpenTransaction, SqlError> {
        match &mut self.transaction {
            TransactionState::Open(open) if open.kind == Kind::Explicit => Ok(open),
            TransactionState::Idle | TransactionState::Open(_) | TransactionState::Failed(_) => {
                let message = format!("{what} can only be used in transaction blocks");
                Err(SqlError::new(SqlState::NoActiveSqlTransaction, message))
            }
        }
    }
}
