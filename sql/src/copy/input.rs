//! `COPY … FROM STDIN`: fed by the wire, piece by piece.

use std::collections::HashSet;
use std::fmt;
use std::sync::Arc;

use super::decode::{Decoded, Decoder, Record};
use super::parts::Parts;
use super::row::{RowMaker, with_context};
use crate::bind::BoundCopyFrom;
use crate::catalog::descriptor::TableDescriptor;
use crate::error::{SqlError, SqlState};
use crate::exec::context::{Computing, Limits};
use crate::exec::rows::duplicate;
use crate::expr::eval::EvalContext;
use crate::kv_error::sql_error;
use crate::plan::node::OutputColumn;
use crate::session::dispatch::Run;
use crate::session::{Completion, Session};
use crate::storage::row_writes::{Check, EntryWrite, row_writes};

/// Keys checked and taken at once within a transaction.
const KEYS_AT_ONCE: usize = 1_000;

/// Where the rows go.
enum Target {
    /// Outside BEGIN.
    Parts(Box<Parts>),
    /// The transaction that is open; the keys that wait to be taken once they were checked, with their lines.
    Transaction(Vec<(EntryWrite, u64)>),
}

/// A `COPY … FROM STDIN` that runs. Feed it data as it comes, in pieces of any size, then finish or abort it.
pub struct CopyIn {
    /// The columns that each line has, in order.
    pub columns: Vec<OutputColumn>,
    table: Arc<TableDescriptor>,
    decoder: Decoder,
    record: Record,
    rows: RowMaker,
    target: Target,
    limits: Limits,
    /// The next line is the header.
    skips_header: bool,
    count: u64,
    /// The end's marker was read, or the copy has failed: what still comes is of no interest.
    is_over: bool,
    /// The implicit transaction ends with it.
    is_last: bool,
}

impl fmt::Debug for CopyIn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CopyIn")
            .field("table", &self.table.name)
            .field("count", &self.count)
            .finish_non_exhaustive()
    }
}

/// Starts a COPY; its completion asks the wire for data.
pub(crate) async fn start_copy_in(
    session: &mut Session,
    from: &BoundCopyFrom,
    run: &Run<'_>,
) -> Result<Completion, SqlError> {
    session.check_writable("COPY FROM")?;
    let columns = from.columns.iter().filter_map(|position| from.table.columns.get(*position));
    let columns = columns.map(|column| OutputColumn::new(&*column.name, column.data_type));
    let target = target(session, (from, &run.limits)).await?;
    Ok(Completion::CopyIn(Box::new(CopyIn {
        columns: columns.collect(),
        decoder: Decoder::new(&from.options),
        record: Record::default(),
        rows: RowMaker::new(from, session.now_micros()),
        target,
        limits: run.limits.clone(),
        skips_header: from.options.header,
        count: 0,
        is_over: false,
        is_last: run.turn.is_last(),
        table: Arc::clone(&from.table),
    })))
}

async fn target(
    session: &mut Session,
    (from, limits): (&BoundCopyFrom, &Limits),
) -> Result<Target, SqlError> {
    let (node, table) = (Arc::clone(&session.node), Arc::clone(&from.table));
    let is_own = session.open_mut().is_some_and(|open| open.staged.has_created(table.id));
    if from.freeze && !is_own {
        let message = "cannot perform COPY FREEZE because the table was not created or truncated in the current \
                       subtransaction";
        return Err(SqlError::new(SqlState::ObjectNotInPrerequisiteState, message));
    }
    if session.has_cursors() {
        // Seldom: kept out of the futures of all copies.
        Box::pin(session.settle_cursors(table.id, limits)).await?;
    }
    let Some(open) = session.open_mut() else {
        return Ok(Target::Parts(Box::new(Parts::new(node, table))));
    };
    if !open.fills_at_once(table.id) {
        return Ok(Target::Transaction(Vec::new()));
    }
    open.store_own(&node, &table).await?;
    Ok(Target::Parts(Box::new(Parts::of_own_table(node, table))))
}

impl CopyIn {
    /// Takes the next piece of data.
    ///
    /// # Errors
    /// A line that cannot be read or stored. The copy is over then; the wire discards what the client still sends.
    pub async fn feed(&mut self, session: &mut Session, data: &[u8]) -> Result<(), SqlError> {
        let result = self.take(session, data).await;
        self.settle(session, result).await
    }

    /// Ends the data; returns the command tag, `COPY 336776`.
    ///
    /// # Errors
    /// As [`CopyIn::feed`].
    pub async fn finish(mut self, session: &mut Session) -> Result<String, SqlError> {
        let mut result = self.take_last(session).await;
        if result.is_ok() && self.is_last {
            result = session.sync().await;
        }
        self.settle(session, result).await?;
        Ok(format!("COPY {}", self.count))
    }

    /// Ends the copy without the rest: the client has failed. Returns the error for the client.
    pub async fn abort(mut self, session: &mut Session, reason: &str) -> SqlError {
        let error = SqlError::new(SqlState::QueryCanceled, format!("COPY from stdin failed: {reason}"));
        let result: Result<(), SqlError> = Err(error.clone());
        self.settle(session, result).await.err().unwrap_or(error)
    }

    async fn take(&mut self, session: &mut Session, data: &[u8]) -> Result<(), SqlError> {
        self.limits.cancel.check()?;
        let mut rest = data;
        while !self.is_over && !rest.is_empty() {
            match self
                .decoder
                .step(rest, &mut self.record)
                .map_err(|error| self.rows.at_line(error, &self.record))?
            {
                Decoded::More => break,
                Decoded::End => self.is_over = true,
                Decoded::Line(used) => {
                    rest = rest.get(used..).unwrap_or_default();
                    self.take_line(session).await?;
                }
            }
        }
        match &mut self.target {
            Target::Parts(parts) => parts.poll().await,
            Target::Transaction(_) => Ok(()),
        }
    }

    async fn take_last(&mut self, session: &mut Session) -> Result<(), SqlError> {
        self.limits.cancel.check()?;
        if !self.is_over
            && self
                .decoder
                .finish(&mut self.record)
                .map_err(|error| self.rows.at_line(error, &self.record))?
        {
            self.take_line(session).await?;
        }
        self.is_over = true;
        match &mut self.target {
            Target::Parts(parts) => {
                parts.finish().await?;
                if let Some(open) = session.open_mut().filter(|_| parts.is_own()) {
                    open.filled(parts.committed_at());
                }
                Ok(())
            }
            Target::Transaction(_) => self.write_waiting(session).await,
        }
    }

    /// Stores the line that was read.
    async fn take_line(&mut self, session: &mut Session) -> Result<(), SqlError> {
        if std::mem::take(&mut self.skips_header) {
            self.record.clear();
            return Ok(());
        }
        let line = self.record.line;
        let row = if self.rows.is_volatile {
            let drawing = session.drawing();
            let computing =
                Computing { eval: EvalContext::default(), drawing: &drawing, limits: &self.limits };
            let (rows, record, node) = (&self.rows, &self.record, &session.node);
            computing.compute(|_| rows.row(record, node, Some(&drawing))).await?
        } else {
            self.rows.row(&self.record, &session.node, None)?
        };
        let writes = row_writes(self.table.layout(), None, Some(&row));
        let writes = writes.map_err(|error| self.rows.at_line(error, &self.record))?;
        self.record.clear();
        self.count += 1;
        match &mut self.target {
            Target::Parts(parts) => {
                let writes = writes.into_iter().map(|write| write.into_write(Check::AtCommit)).collect();
                parts.add(writes, line).await
            }
            Target::Transaction(waiting) => {
                waiting.extend(writes.into_iter().map(|write| (write, line)));
                if waiting.len() >= KEYS_AT_ONCE { self.write_waiting(session).await } else { Ok(()) }
            }
        }
    }

    /// Within a transaction: rows whose keys are free become writes of it.
    async fn write_waiting(&mut self, session: &mut Session) -> Result<(), SqlError> {
        let Target::Transaction(waiting) = &mut self.target else { return Ok(()) };
        let waiting = std::mem::take(waiting);
        let table = &self.table;
        let at = |error, line| with_context(error, &format!("COPY {}, line {line}.", table.name));
        let node = Arc::clone(&session.node);
        let (first, keys) = (
            waiting.first().map_or(0, |(_, line)| *line),
            waiting.iter().map(|(write, _)| write.key().clone()),
        );
        let transaction = session.copy_transaction(table).await?;
        let stored = self.limits.guard(&node, transaction.get_many(keys.collect())).await?;
        let catalog = node.catalog.snapshot();
        let stored = stored.map_err(|error| at(sql_error(error, Some(&catalog)), first))?;
        let mut seen = HashSet::new();
        for ((write, line), stored) in waiting.into_iter().zip(stored) {
            if stored.is_some() || !seen.insert(write.key().clone()) {
                return Err(at(duplicate(table, write.key()), line));
            }
            let write = write.into_write(Check::Done);
            transaction.write(write).map_err(|error| at(sql_error(error, Some(&catalog)), line))?;
        }
        Ok(())
    }

    /// After an error: fails the transaction, and says what is stored for good.
    async fn settle<T>(&mut self, session: &mut Session, result: Result<T, SqlError>) -> Result<T, SqlError> {
        let Err(mut error) = result else { return result };
        self.is_over = true;
        if let Target::Parts(parts) = &mut self.target {
            let line = parts.settle().await;
            if parts.is_own() {
                return session.after(Err(error)).await;
            }
            let stored = if line == 0 {
                "No line was stored.".to_owned()
            } else if error.state == SqlState::UndefinedTable {
                format!(
                    "Lines up to {line} were stored, and are gone if it was dropped; load all of them again."
                )
            } else {
                format!("Lines up to {line} were stored and stay; load the rest from line {} on.", line + 1)
            };
            error.hint = Some(error.hint.map_or(stored.clone(), |hint| format!("{hint} {stored}")));
        }
        session.after(Err(error)).await
    }
}
