//! Cursors of a transaction: DECLARE, FETCH, MOVE, CLOSE.
//!
//! ```text
//! DECLARE ─▶ Cursor { reader: operators that go on where they stopped, rows: those read and not given back }
//! FETCH ───▶ rows of the cursor, more from its reader where they do not reach
//! write to a table that a cursor reads ─▶ the cursor first reads what is left of it
//! ```
//!
//! Invariants: a cursor yields what it would have yielded at DECLARE, whatever its transaction writes later; a cursor ends
//! with its transaction, or with the part of it that began before DECLARE and is rolled back ([`Cursors::go_back_to`]);
//! what it keeps is bounded ([`rows`]).

pub mod position;
pub mod rows;

use std::sync::Arc;

use quorate_engine::kv::Transaction;

use super::held_rows::HeldRows;
use super::surroundings::Surroundings;
use crate::bind::BoundDml;
use crate::error::{SqlError, SqlState};
use crate::exec::Operator;
use crate::exec::context::{ExecError, Limits};
use crate::exec::memory::Share;
use crate::limits::{CURSORS_MAX, SINK_ROWS_MAX};
use crate::parser::ast::session::Direction;
use crate::plan::node::OutputColumn;
use crate::types::{Datum, Row};
use position::Step;
use rows::CursorRows;

/// The open cursors of a transaction, in the order of their DECLAREs.
#[derive(Default)]
pub struct Cursors {
    open: Vec<Cursor>,
    next_number: u64,
    /// What the rows of all of them share.
    kept: Share,
}

/// A moment in a transaction: cursors that are declared after it go with what is rolled back to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CursorMark(u64);

/// A cursor.
pub struct Cursor {
    /// Its name.
    pub name: String,
    /// Columns of its rows.
    pub columns: Arc<[OutputColumn]>,
    /// Rows are told in the binary format.
    pub is_binary: bool,
    number: u64,
    reader: Reader,
    rows: CursorRows,
}

/// What a new cursor is made of.
pub struct NewCursor {
    /// Its name.
    pub name: String,
    /// `BINARY`
    pub binary: bool,
    /// `SCROLL`
    pub scroll: bool,
    /// The operators of its query.
    pub operator: Box<dyn Operator>,
    /// Ids of the tables that it reads.
    pub tables: Vec<u64>,
    /// Columns of its rows.
    pub columns: Vec<OutputColumn>,
    /// Values of its parameters.
    pub parameters: Vec<Datum>,
    /// `now()`
    pub now_micros: i64,
}

/// Yields the rows of a cursor's query, once.
struct Reader {
    source: Source,
    tables: Vec<u64>,
    parameters: Arc<[Datum]>,
    now_micros: i64,
}

enum Source {
    /// It may have more rows.
    Open(Box<dyn Operator>),
    /// All were read.
    Drained,
    /// Reading them has failed, or was broken off.
    Failed,
}

/// What reading needs of the session and its transaction.
pub(crate) struct CursorRun<'a> {
    pub transaction: &'a mut dyn Transaction,
    pub limits: &'a Limits,
    pub around: &'a Surroundings<'a>,
}

impl Cursors {
    /// Whether none is open.
    pub fn is_empty(&self) -> bool {
        self.open.is_empty()
    }

    /// The point that [`Cursors::go_back_to`] goes back to.
    pub fn mark(&self) -> CursorMark {
        CursorMark(self.next_number)
    }

    /// Closes those that were declared since. Those that stood at that point and are open stay where they are.
    pub fn go_back_to(&mut self, mark: CursorMark) {
        self.open.retain(|cursor| cursor.number < mark.0);
    }

    /// The cursor of this name.
    pub fn get(&self, name: &str) -> Option<&Cursor> {
        self.open.iter().find(|cursor| cursor.name == name)
    }

    /// Opens a cursor.
    ///
    /// # Errors
    /// 42P03 for a name that is taken, 54000 beyond [`CURSORS_MAX`].
    pub fn declare(&mut self, new: NewCursor) -> Result<(), SqlError> {
        self.check_free(&new.name)?;
        let number = self.next_number;
        self.next_number += 1;
        self.open.push(Cursor {
            name: new.name,
            columns: new.columns.into(),
            is_binary: new.binary,
            number,
            reader: Reader {
                source: Source::Open(new.operator),
                tables: new.tables,
                parameters: new.parameters.into(),
                now_micros: new.now_micros,
            },
            rows: CursorRows::new(new.scroll, self.kept.another()),
        });
        Ok(())
    }

    /// Fails where no cursor of this name can be opened.
    ///
    /// # Errors
    /// As [`Cursors::declare`].
    pub fn check_free(&self, name: &str) -> Result<(), SqlError> {
        if self.get(name).is_some() {
            let message = format!("cursor \"{name}\" already exists");
            return Err(SqlError::new(SqlState::DuplicateCursor, message));
        }
        if self.open.len() < CURSORS_MAX {
            return Ok(());
        }
        let message = format!("a transaction has at most {CURSORS_MAX} cursors");
        Err(SqlError::new(SqlState::ProgramLimitExceeded, message)
            .with_hint("Close some, or end the transaction."))
    }

    /// Closes a cursor.
    ///
    /// # Errors
    /// 34000.
    pub fn close(&mut self, name: &str) -> Result<(), SqlError> {
        let before = self.open.len();
        self.open.retain(|cursor| cursor.name != name);
        if self.open.len() < before { Ok(()) } else { Err(missing(name)) }
    }

    /// Closes all.
    pub fn close_all(&mut self) {
        self.open.clear();
    }

    /// Moves a cursor and gives the rows that it passes to `out`; returns how many.
    ///
    /// # Errors
    /// 34000; 55000 for a way back that the cursor does not go; those of its query.
    pub(crate) async fn fetch(
        &mut self,
        (name, direction): (&str, Direction),
        run: &mut CursorRun<'_>,
        out: Option<&mut HeldRows<'_>>,
    ) -> Result<u64, ExecError> {
        let cursor = self.open.iter_mut().find(|cursor| cursor.name == name);
        let cursor = cursor.ok_or_else(|| missing(name))?;
        cursor.fetch(direction, run, out).await
    }

    /// Lets all cursors that read this table read what is left, before it is written to.
    ///
    /// # Errors
    /// Those of their queries; 53200 where that is too much to keep.
    pub(crate) async fn settle(&mut self, table: u64, run: &mut CursorRun<'_>) -> Result<(), ExecError> {
        for cursor in self.open.iter_mut().filter(|cursor| cursor.reader.tables.contains(&table)) {
            while matches!(cursor.reader.source, Source::Open(_)) {
                cursor.read_more(run).await?;
            }
        }
        Ok(())
    }

    /// Whether a cursor needs this table as it is.
    pub fn is_reading(&self, table: u64) -> bool {
        self.open.iter().any(|cursor| cursor.reader.tables.contains(&table))
    }
}

impl Cursor {
    async fn fetch(
        &mut self,
        direction: Direction,
        run: &mut CursorRun<'_>,
        mut out: Option<&mut HeldRows<'_>>,
    ) -> Result<u64, ExecError> {
        if matches!(self.reader.source, Source::Failed) {
            let message = format!("portal \"{}\" cannot be run", self.name);
            return Err(SqlError::new(SqlState::ObjectNotInPrerequisiteState, message).into());
        }
        if matches!(direction, Direction::By(0) | Direction::Relative(0)) {
            let Some(out) = out else { return Ok(u64::from(self.rows.is_on_row())) };
            let current: Vec<Row> = self.rows.current()?.into_iter().collect();
            let count = current.len() as u64;
            out.rows(current).await?;
            return Ok(count);
        }
        let steps = position::steps(direction, self.rows.position());
        let mut count = 0;
        for step in steps {
            let out = if step.is_shown { out.as_deref_mut() } else { None };
            count = self.step(step, run, out).await?;
        }
        Ok(count)
    }

    /// Goes one way; returns how many rows it passed.
    async fn step(
        &mut self,
        step: Step,
        run: &mut CursorRun<'_>,
        mut out: Option<&mut HeldRows<'_>>,
    ) -> Result<u64, ExecError> {
        let mut passed = 0;
        while step.count.is_none_or(|count| passed < count) {
            let left = step.count.map_or(u64::MAX, |count| count - passed);
            let rows = if step.is_backward {
                self.rows.backward(left.min(SINK_ROWS_MAX as u64))?
            } else {
                self.forward(left.min(SINK_ROWS_MAX as u64), run).await?
            };
            if rows.is_empty() {
                break;
            }
            passed += rows.len() as u64;
            if let Some(out) = &mut out {
                out.rows(rows).await?;
            }
        }
        Ok(passed)
    }

    /// The next rows, at most so many; none at the end.
    async fn forward(&mut self, count: u64, run: &mut CursorRun<'_>) -> Result<Vec<Row>, ExecError> {
        while self.rows.is_short() && matches!(self.reader.source, Source::Open(_)) {
            self.read_more(run).await?;
        }
        Ok(self.rows.forward(count))
    }

    async fn read_more(&mut self, run: &mut CursorRun<'_>) -> Result<(), ExecError> {
        let rows = self.reader.next(run).await?;
        self.rows.add(rows).map_err(|error| {
            // What cannot be kept is gone: it has no way on.
            self.reader.source = Source::Failed;
            error.into()
        })
    }
}

impl Reader {
    /// The next rows of the query. It has failed unless this ends well.
    async fn next(&mut self, run: &mut CursorRun<'_>) -> Result<Vec<Row>, ExecError> {
        let Source::Open(mut operator) = std::mem::replace(&mut self.source, Source::Failed) else {
            self.source = Source::Drained;
            return Ok(Vec::new());
        };
        let eval = run.around.eval(&self.parameters, self.now_micros);
        let mut context = run.around.begin(&mut *run.transaction, run.limits, eval, false);
        let rows = operator.next(&mut context).await?;
        self.source = if rows.is_some() { Source::Open(operator) } else { Source::Drained };
        Ok(rows.unwrap_or_default())
    }
}

/// The error of a name that no cursor has.
pub(super) fn missing(name: &str) -> SqlError {
    SqlError::new(SqlState::InvalidCursorName, format!("cursor \"{name}\" does not exist"))
}

/// The table that a statement writes to.
pub(crate) fn written_table(statement: &BoundDml) -> Option<u64> {
    match statement {
        BoundDml::Query(_) => None,
        BoundDml::Insert(insert) => Some(insert.table.id),
        BoundDml::Update(update) => Some(update.table.id),
        BoundDml::Delete(delete) => Some(delete.table.id),
    }
}
