//! What a running statement has at hand: its transaction, its cancelling, its time.

use std::future::Future;
use std::time::Duration;

use quorate_engine::kv::{Key, KvError, ScanPage, ScanRequest, Sequence, Transaction, Value, Write};

use super::profile::Profile;
use crate::cancel::{CancelReason, CancelToken};
use crate::catalog::snapshot::CatalogSnapshot;
use crate::copy::parts::Parts;
use crate::error::SqlError;
use crate::expr::eval::{EvalContext, SessionAccess};
use crate::kv_error::sql_error;
use crate::limits::OWN_TABLES_BUFFERED_MAX_BYTES;
use crate::node::SqlNode;
use crate::sequences::drawing::Drawing;
use crate::system::state::SystemState;

/// Why an attempt at a statement ended early.
#[derive(Debug)]
pub enum ExecError {
    /// The statement's own error.
    Sql(SqlError),
    /// The store's: some of these call for another attempt.
    Kv(KvError),
}

impl From<SqlError> for ExecError {
    fn from(error: SqlError) -> Self {
        Self::Sql(error)
    }
}

impl From<KvError> for ExecError {
    fn from(error: KvError) -> Self {
        Self::Kv(error)
    }
}

impl From<quorate_engine::codec::CodecError> for ExecError {
    fn from(error: quorate_engine::codec::CodecError) -> Self {
        Self::Sql(error.into())
    }
}

impl ExecError {
    /// The client's error.
    pub fn into_sql(self, catalog: &CatalogSnapshot) -> SqlError {
        match self {
            Self::Sql(error) => error,
            Self::Kv(error) => sql_error(error, Some(catalog)),
        }
    }
}

/// When a statement has to be over.
#[derive(Clone)]
pub struct Limits {
    /// Set by the client or the node.
    pub cancel: CancelToken,
    /// `statement_timeout`: the clock's microseconds at which it ends.
    pub deadline_micros: Option<u64>,
}

impl Limits {
    /// Awaits something that may be dropped half-way: a read.
    ///
    /// # Errors
    /// 57014 when the statement was cancelled or its time is over.
    pub async fn guard<T>(&self, node: &SqlNode, work: impl Future<Output = T>) -> Result<T, SqlError> {
        self.cancel.check()?;
        tokio::select! {
            biased;
            done = work => Ok(done),
            reason = self.cancel.cancelled() => Err(reason.error()),
            reason = self.timeout(node) => Err(reason.error()),
        }
    }

    async fn timeout(&self, node: &SqlNode) -> CancelReason {
        match self.deadline_micros {
            None => std::future::pending().await,
            Some(deadline) => {
                let left = deadline.saturating_sub(node.clock.now_micros());
                node.clock.sleep(Duration::from_micros(left)).await;
                CancelReason::Timeout
            }
        }
    }
}

/// What rows are computed with.
#[derive(Clone, Copy)]
pub struct Computing<'a> {
    /// Parameters, `now()`, and the sequences.
    pub eval: EvalContext<'a>,
    /// The same sequences, to fetch what they want.
    pub drawing: &'a Drawing<'a>,
    /// When to stop.
    pub limits: &'a Limits,
}

impl<'a> Computing<'a> {
    /// Computes what one row is; `None` where its sequences have to fetch something first, for which there is
    /// [`Computing::compute`].
    pub fn at_once<T>(
        self,
        work: impl Fn(&EvalContext<'a>) -> Result<T, SqlError>,
    ) -> Option<Result<T, SqlError>> {
        let computed = work(&self.eval);
        if computed.is_ok() {
            self.drawing.row_done();
        } else if self.drawing.take_wanted().is_some() {
            return None;
        }
        Some(computed)
    }

    /// Computes what one row is, again each time that its sequences have fetched something: `work` has no effects but theirs.
    ///
    /// # Errors
    /// Those of `work` and of the sequences; 57014.
    pub async fn compute<T>(
        self,
        work: impl Fn(&EvalContext<'a>) -> Result<T, SqlError>,
    ) -> Result<T, SqlError> {
        loop {
            match work(&self.eval) {
                Ok(computed) => {
                    self.drawing.row_done();
                    return Ok(computed);
                }
                Err(error) => {
                    let Some(wanted) = self.drawing.take_wanted() else { return Err(error) };
                    self.limits.cancel.check()?;
                    // Seldom: kept out of the futures of all rows.
                    Box::pin(self.drawing.fetch(wanted, self.limits)).await?;
                }
            }
        }
    }
}

/// A running statement.
pub struct ExecContext<'a> {
    /// The node.
    pub node: &'a SqlNode,
    /// Reads and buffered writes.
    pub transaction: &'a mut dyn Transaction,
    /// The statement's start: it does not see what it writes itself.
    pub as_of: Sequence,
    /// When to stop.
    pub limits: &'a Limits,
    /// Parameters, `now()`, and the sequences.
    pub eval: EvalContext<'a>,
    /// The same sequences, to fetch what they want.
    pub drawing: &'a Drawing<'a>,
    /// What the system catalogs are computed from.
    pub system: &'a SystemState<'a>,
    /// Whether the statement commits alone: its keys are then checked by the commit itself.
    pub is_autocommit: bool,
    /// What the operators did.
    pub profile: Profile,
    /// Takes rows of a table of the transaction's own, of which nothing else is buffered, before they are too many.
    pub own_rows: Option<Parts>,
}

impl<'a> ExecContext<'a> {
    /// What rows are computed with.
    pub fn computing(&self) -> Computing<'a> {
        Computing { eval: self.eval, drawing: self.drawing, limits: self.limits }
    }

    /// Values of these keys as of the statement's start.
    ///
    /// # Errors
    /// The store's, or 57014.
    pub async fn get_many(&mut self, keys: Vec<Key>) -> Result<Vec<Option<Value>>, ExecError> {
        let read = self.transaction.get_many_as_of(keys, self.as_of);
        Ok(self.limits.guard(self.node, read).await??)
    }

    /// Values of these keys, those that the statement itself has written included: is a key taken?
    ///
    /// # Errors
    /// As [`ExecContext::get_many`].
    pub async fn get_newest(&mut self, keys: Vec<Key>) -> Result<Vec<Option<Value>>, ExecError> {
        let read = self.transaction.get_many_as_of(keys, Sequence::NEWEST);
        Ok(self.limits.guard(self.node, read).await??)
    }

    /// One page of a scan as of the statement's start.
    ///
    /// # Errors
    /// The store's, or 57014.
    pub async fn scan(&mut self, request: ScanRequest) -> Result<ScanPage, ExecError> {
        let read = self.transaction.scan_as_of(request, self.as_of);
        Ok(self.limits.guard(self.node, read).await??)
    }

    /// Sleeps for as long as functions have asked for.
    ///
    /// # Errors
    /// 57014
    pub async fn sleep(&mut self) -> Result<(), ExecError> {
        if let Some(asleep) = self.eval.session.and_then(SessionAccess::take_sleep) {
            // Seldom: kept out of the futures of all operators.
            Box::pin(self.limits.guard(self.node, self.node.clock.sleep(asleep))).await?;
        }
        Ok(())
    }

    /// Buffers a write.
    ///
    /// # Errors
    /// The store's: beyond a limit, or read-only.
    pub fn write(&mut self, write: Write) -> Result<(), ExecError> {
        Ok(self.transaction.write(write)?)
    }

    /// Stores what is buffered for a table of the transaction's own, where that is much.
    ///
    /// # Errors
    /// The store's.
    pub async fn store_own(&mut self) -> Result<(), ExecError> {
        let Some(parts) = &mut self.own_rows else { return Ok(()) };
        if self.transaction.buffered_bytes() > OWN_TABLES_BUFFERED_MAX_BYTES {
            // Seldom: kept out of the futures of all statements.
            Box::pin(parts.add_own(self.transaction)).await?;
        }
        Ok(())
    }
}
