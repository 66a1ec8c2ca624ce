//! [`Drawing`]: the sequences, as one statement sees them.
//!
//! ```text
//! row computed ──▶ nextval: drawn before for this row? ── yes ──▶ the same value
//!                     │ no
//!                     ▼
//!                  the node's block ── has one ──▶ noted, given
//!                     │ has none
//!                     ▼
//!                  wanted; the row fails ──▶ fetched ──▶ row computed again from its beginning
//! ```
//!
//! Invariant: calls of one row come in the same order each time that it is computed, as nothing else changes meanwhile; so the
//! first of them get what they got before.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::Mutex;

use super::memory::SequenceMemory;
use super::name::{find_sequence, relation_name, undefined};
use crate::catalog::sequence::SequenceDescriptor;
use crate::catalog::snapshot::CatalogSnapshot;
use crate::catalog::view::CatalogView;
use crate::ddl::staged_sequences::StagedSequences;
use crate::error::{SqlError, SqlState};
use crate::expr::ScalarFunction;
use crate::expr::eval::mistyped;
use crate::expr::sequences::Sequences;
use crate::functions::quoting::ident;
use crate::node::SqlNode;
use crate::types::Datum;

/// What has to be fetched before the row can be computed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// The lease on the catalog.
    Lease,
    /// The next block of a sequence.
    Block {
        /// The sequence.
        sequence_id: u64,
    },
    /// A sequence is to be set.
    Set {
        /// The sequence.
        sequence_id: u64,
        /// To this value.
        value: i64,
        /// Which counts as given out.
        is_called: bool,
    },
}

/// The calls of the row that is being computed.
#[derive(Debug, Default)]
struct RowCalls {
    /// What they have given, in their order.
    results: Vec<i64>,
    /// How many of them this computation has come to.
    reached: usize,
    wanted: Option<Wanted>,
}

/// The sequences of a statement.
pub struct Drawing<'a> {
    pub(super) node: &'a SqlNode,
    pub(super) memory: &'a SequenceMemory,
    /// The transaction's own catalog, where it has changed that.
    catalog: Option<Arc<CatalogSnapshot>>,
    /// What it has changed of sequences.
    pub(super) staged: Option<Arc<StagedSequences>>,
    is_read_only: bool,
    row: Mutex<RowCalls>,
    /// Whether the row has called for anything.
    has_called: AtomicBool,
}

impl std::fmt::Debug for Drawing<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Drawing").field("row", &self.row).finish_non_exhaustive()
    }
}

impl<'a> Drawing<'a> {
    /// Of a statement that commits alone.
    pub fn new(node: &'a SqlNode, memory: &'a SequenceMemory, is_read_only: bool) -> Self {
        let (row, has_called) = (Mutex::default(), AtomicBool::new(false));
        Self { node, memory, catalog: None, staged: None, is_read_only, row, has_called }
    }

    /// The same within a transaction that has changed the catalog so.
    #[must_use]
    pub fn within(self, catalog: Arc<CatalogSnapshot>, staged: Option<Arc<StagedSequences>>) -> Self {
        Self { catalog: Some(catalog), staged, ..self }
    }

    /// The row was computed: the next one begins.
    pub fn row_done(&self) {
        if self.has_called.swap(false, Ordering::Relaxed) {
            let mut row = self.row.lock();
            row.results.clear();
            row.reached = 0;
        }
    }

    /// Takes what the row waits for; it is computed again from its beginning.
    pub fn take_wanted(&self) -> Option<Wanted> {
        if !self.has_called.load(Ordering::Relaxed) {
            return None;
        }
        let mut row = self.row.lock();
        row.reached = 0;
        row.wanted.take()
    }

    /// The result of the call that the row stopped at.
    pub(super) fn put_result(&self, result: i64) {
        self.row.lock().results.push(result);
    }

    /// A sequence as this statement knows it.
    ///
    /// # Errors
    /// 42P01 where it was dropped.
    pub(super) fn sequence(&self, id: u64) -> Result<Arc<SequenceDescriptor>, SqlError> {
        // What others have changed meanwhile counts, what the transaction itself has done comes first.
        let own = self.staged.as_ref().and_then(|staged| staged.find_counting(id));
        let found = match own {
            Some(own) => own.clone(),
            None => self.node.catalog.snapshot().sequence_by_id(id).cloned(),
        };
        found.ok_or_else(|| {
            let message = format!("a sequence was dropped (id {id})");
            SqlError::new(SqlState::UndefinedTable, message)
        })
    }

    fn catalog(&self) -> Arc<CatalogSnapshot> {
        self.catalog.clone().unwrap_or_else(|| self.node.catalog.snapshot())
    }

    /// The id that an argument says, or is the name of.
    fn id_of(&self, argument: Option<&Datum>) -> Result<u64, SqlError> {
        match argument {
            Some(Datum::Int(id)) => u64::try_from(*id).map_err(|_| mistyped("nextval")),
            Some(Datum::Text(text)) => find_sequence(self.catalog().as_ref(), text).map(|found| found.id),
            _ => Err(mistyped("nextval")),
        }
    }

    fn next_value(&self, id: u64) -> Result<i64, SqlError> {
        self.check_writable("nextval()")?;
        self.has_called.store(true, Ordering::Relaxed);
        let mut row = self.row.lock();
        if let Some(result) = row.again() {
            return Ok(result);
        }
        if self.node.cluster.catalog_lease().is_err() {
            return Err(row.want(Wanted::Lease));
        }
        let sequence = self.sequence(id)?;
        let Some(value) = self.node.sequence_blocks.place(id).draw(sequence.version) else {
            return Err(row.want(Wanted::Block { sequence_id: id }));
        };
        row.note(value);
        self.memory.drew(id, value);
        Ok(value)
    }

    fn set_value(&self, id: u64, arguments: &[Datum]) -> Result<i64, SqlError> {
        self.check_writable("setval()")?;
        let (value, is_called) = match arguments {
            [_, Datum::Int(value)] => (*value, true),
            [_, Datum::Int(value), Datum::Bool(is_called)] => (*value, *is_called),
            _ => return Err(mistyped("setval")),
        };
        self.has_called.store(true, Ordering::Relaxed);
        let mut row = self.row.lock();
        match row.again() {
            Some(result) => Ok(result),
            None => Err(row.want(Wanted::Set { sequence_id: id, value, is_called })),
        }
    }

    fn check_writable(&self, what: &str) -> Result<(), SqlError> {
        if !self.is_read_only {
            return Ok(());
        }
        let message = format!("cannot execute {what} in a read-only transaction");
        Err(SqlError::new(SqlState::ReadOnlySqlTransaction, message))
    }

    fn current_value(&self, id: u64) -> Result<i64, SqlError> {
        self.memory.current(id).ok_or_else(|| {
            let name = self.sequence(id).map(|sequence| sequence.name.clone()).unwrap_or_default();
            let message = format!("currval of sequence \"{name}\" is not yet defined in this session");
            SqlError::new(SqlState::ObjectNotInPrerequisiteState, message)
        })
    }

    fn last_value(&self) -> Result<i64, SqlError> {
        let last = self.memory.last().filter(|(id, _)| self.sequence(*id).is_ok());
        last.map(|(_, value)| value).ok_or_else(|| {
            let message = "lastval is not yet defined in this session";
            SqlError::new(SqlState::ObjectNotInPrerequisiteState, message)
        })
    }

    /// `pg_get_serial_sequence(table, column)`.
    fn serial_sequence(&self, arguments: &[Datum]) -> Result<Datum, SqlError> {
        let [Datum::Text(table), Datum::Text(column)] = arguments else {
            return Err(mistyped("pg_get_serial_sequence"));
        };
        let catalog = self.catalog();
        let table = catalog.table(&relation_name(table)?).ok_or_else(|| undefined(table))?;
        let mut visible = table.columns.iter().filter(|known| !known.hidden);
        let Some(column) = visible.find(|known| known.name == *column) else {
            let message = format!("column \"{column}\" of relation \"{}\" does not exist", table.name);
            return Err(SqlError::new(SqlState::UndefinedColumn, message));
        };
        let all = catalog.sequences_of(table.id);
        let of_column =
            all.iter().find(|sequence| sequence.owner.is_some_and(|owner| owner.column_id == column.id));
        Ok(of_column.map_or(Datum::Null, |found| Datum::Text(format!("public.{}", ident(&found.name)))))
    }
}

impl Sequences for Drawing<'_> {
    #[expect(clippy::wildcard_enum_match_arm, reason = "of all functions only those of sequences come here")]
    fn call(&self, function: ScalarFunction, arguments: &[Datum]) -> Result<Datum, SqlError> {
        match function {
            ScalarFunction::SerialSequence => self.serial_sequence(arguments),
            ScalarFunction::LastVal => self.last_value().map(Datum::Int),
            ScalarFunction::NextVal => self.next_value(self.id_of(arguments.first())?).map(Datum::Int),
            ScalarFunction::CurrVal => self.current_value(self.id_of(arguments.first())?).map(Datum::Int),
            ScalarFunction::SetVal => {
                self.set_value(self.id_of(arguments.first())?, arguments).map(Datum::Int)
            }
            other => Err(mistyped(other.name())),
        }
    }
}

impl RowCalls {
    /// What this call has given before, where the row is computed again.
    fn again(&mut self) -> Option<i64> {
        let result = *self.results.get(self.reached)?;
        self.reached += 1;
        Some(result)
    }

    fn note(&mut self, result: i64) {
        self.results.push(result);
        self.reached += 1;
    }

    /// Remembers what is wanted. Its error is seen by nobody but whoever fetches that.
    fn want(&mut self, wanted: Wanted) -> SqlError {
        self.wanted = Some(wanted);
        SqlError::new(SqlState::InternalError, "a value of a sequence was not fetched")
    }
}
