//! Runs scan programs over the pairs of a page: decodes only the columns that are needed, filters, and puts out rows or
//! groups with partial aggregates.
//!
//! Invariants: columns that only the output needs are decoded after the filter has passed; a page holds at most
//! [`GROUPS_MAX`] groups at once, and puts them out when there would be more, to be merged by whoever asked.

use std::borrow::{Borrow, Cow};
use std::collections::HashMap;
use std::sync::Arc;

use bytes::Bytes;
use quorate_engine::codec::CodecError;
use quorate_engine::kv::{Flow, Key, ProgramError, ScanEvaluator, ScanFilter, ScanProgram, ScanRun, Value};

use super::output_format;
use super::program_format::{Program, ProgramOutput};
use crate::error::SqlError;
use crate::expr::aggregate::AggregateState;
use crate::expr::eval::{EvalContext, eval, is_true};
use crate::expr::{Aggregate, Expr};
use crate::limits::GROUPS_MAX;
use crate::storage::{index_format, row_format};
use crate::types::compare::GroupKey;
use crate::types::{Datum, Row};

/// The evaluator that `server` injects into the ranges and the coordinator.
pub fn scan_evaluator() -> Arc<dyn ScanEvaluator> {
    Arc::new(Evaluator)
}

struct Evaluator;

impl ScanEvaluator for Evaluator {
    fn start(&self, program: &ScanProgram) -> Result<Box<dyn ScanRun>, ProgramError> {
        let program = Program::decode(program).map_err(|error| program_error(error.into()))?;
        Ok(Box::new(Run::new(program)))
    }

    fn filter(&self, program: &ScanProgram) -> Result<Box<dyn ScanFilter>, ProgramError> {
        let program = Program::decode(program).map_err(|error| program_error(error.into()))?;
        Ok(Box::new(Run::new(program)))
    }
}

/// A program's run as far as its filter: what the output would hold is not looked at.
impl ScanFilter for Run<Program> {
    fn passes(&mut self, key: &[u8], value: &Value) -> bool {
        self.filter(key, value).unwrap_or(true)
    }
}

/// A statement's error in the terms of the seam.
fn program_error(error: SqlError) -> ProgramError {
    ProgramError { sqlstate: error.state.code().to_owned(), message: error.message }
}

/// One group: its keys and its aggregates so far.
struct Group {
    keys: Row,
    states: Vec<AggregateState>,
}

/// A program on its way through a page.
struct Run<P> {
    program: P,
    /// Columns that the filter reads; empty without one.
    by_filter: Vec<bool>,
    /// Columns that only the output reads.
    by_output: Vec<bool>,
    reads_output: bool,
    /// The current row; places of columns that are not needed stay NULL.
    row: Row,
    /// Rows that may still be put out.
    rest: Option<u64>,
    groups: HashMap<GroupKey, Group>,
}

impl<P: Borrow<Program>> Run<P> {
    fn new(program: P) -> Self {
        let plan = program.borrow();
        let (by_filter, mut by_output) = plan.columns_read();
        for (output, filter) in by_output.iter_mut().zip(&by_filter) {
            *output &= !filter;
        }
        Self {
            row: vec![Datum::Null; plan.layout.columns.len()],
            rest: plan.limit,
            reads_output: by_output.contains(&true),
            groups: HashMap::new(),
            by_filter,
            by_output,
            program,
        }
    }

    /// Takes a pair: what it puts out goes to `out`, the rest of what is known of it stays here.
    fn take(&mut self, key: &[u8], value: &Value, out: &mut impl Output) -> Result<Flow, SqlError> {
        if self.rest == Some(0) {
            return Ok(Flow::Stop);
        }
        if !self.filter(key, value)? {
            return Ok(Flow::Continue);
        }
        let program = self.program.borrow();
        if self.reads_output {
            decode(program, &self.by_output, (key, value), &mut self.row)?;
        }
        match &program.output {
            ProgramOutput::AllColumns => out.row(self.row.iter().map(|datum| Ok(Cow::Borrowed(datum))))?,
            ProgramOutput::Project(exprs) => out.row(exprs.iter().map(|expr| value_of(expr, &self.row)))?,
            ProgramOutput::Aggregate { group_by, aggregates } => {
                add_to_group(&mut self.groups, (group_by, aggregates), &self.row)?;
                if self.groups.len() >= GROUPS_MAX {
                    put_groups_out(&mut self.groups, out)?;
                }
                return Ok(Flow::Continue);
            }
        }
        Ok(self.count_row())
    }

    /// Whether a pair passes the filter, whose columns are decoded then.
    fn filter(&mut self, key: &[u8], value: &Value) -> Result<bool, SqlError> {
        let program = self.program.borrow();
        let Some(filter) = &program.filter else { return Ok(true) };
        decode(program, &self.by_filter, (key, value), &mut self.row)?;
        is_true(filter, &self.row, &EvalContext::default())
    }

    /// One row less to put out.
    fn count_row(&mut self) -> Flow {
        let Some(rest) = &mut self.rest else { return Flow::Continue };
        *rest -= 1;
        if *rest == 0 { Flow::Stop } else { Flow::Continue }
    }
}

impl ScanRun for Run<Program> {
    fn pair(&mut self, key: &[u8], value: &Value, out: &mut Vec<Bytes>) -> Result<Flow, ProgramError> {
        self.take(key, value, out).map_err(program_error)
    }

    fn finish(&mut self, out: &mut Vec<Bytes>) -> Result<(), ProgramError> {
        put_groups_out(&mut self.groups, out).map_err(program_error)
    }
}

/// Runs a program over pairs that are here; gives the rows that its bytes would be read as.
///
/// # Errors
/// As a range's run of it.
pub fn run_on_pairs(program: &Program, pairs: &[(Key, Value)]) -> Result<Vec<Row>, ProgramError> {
    let mut run = Run::new(program);
    let mut rows: Vec<Row> = Vec::new();
    for (key, value) in pairs {
        if run.take(key.as_ref(), value, &mut rows).map_err(program_error)? == Flow::Stop {
            break;
        }
    }
    put_groups_out(&mut run.groups, &mut rows).map_err(program_error)?;
    Ok(rows)
}

/// Takes what a program puts out.
trait Output {
    fn row<'a>(
        &mut self,
        values: impl Iterator<Item = Result<Cow<'a, Datum>, SqlError>>,
    ) -> Result<(), SqlError>;
}

/// To be sent.
impl Output for Vec<Bytes> {
    fn row<'a>(
        &mut self,
        values: impl Iterator<Item = Result<Cow<'a, Datum>, SqlError>>,
    ) -> Result<(), SqlError> {
        let values = values.collect::<Result<Vec<_>, _>>()?;
        self.push(output_format::encode(values.iter().map(Cow::as_ref)));
        Ok(())
    }
}

/// To be used here.
impl Output for Vec<Row> {
    fn row<'a>(
        &mut self,
        values: impl Iterator<Item = Result<Cow<'a, Datum>, SqlError>>,
    ) -> Result<(), SqlError> {
        self.push(values.map(|value| value.map(Cow::into_owned)).collect::<Result<Row, _>>()?);
        Ok(())
    }
}

fn decode(
    program: &Program,
    wanted: &[bool],
    pair: (&[u8], &Value),
    row: &mut Row,
) -> Result<(), CodecError> {
    index_format::decode_key(&program.layout, wanted, pair.0, row)?;
    row_format::decode(&program.layout, wanted, pair.1, row)
}

/// The value of an expression, without a copy where it is a column.
fn value_of<'a>(expr: &Expr, row: &'a [Datum]) -> Result<Cow<'a, Datum>, SqlError> {
    if let Expr::Column { index, .. } = expr
        && let Some(datum) = row.get(*index)
    {
        return Ok(Cow::Borrowed(datum));
    }
    eval(expr, row, &EvalContext::default()).map(Cow::Owned)
}

fn add_to_group(
    groups: &mut HashMap<GroupKey, Group>,
    (group_by, aggregates): (&[Expr], &[Aggregate]),
    row: &[Datum],
) -> Result<(), SqlError> {
    let keys =
        group_by.iter().map(|expr| eval(expr, row, &EvalContext::default())).collect::<Result<Row, _>>()?;
    let group = groups
        .entry(GroupKey::of(&keys))
        .or_insert_with(|| Group { keys, states: aggregates.iter().map(AggregateState::new).collect() });
    for (state, aggregate) in group.states.iter_mut().zip(aggregates) {
        match &aggregate.argument {
            None => state.count_row(),
            Some(argument) => state.update(value_of(argument, row)?.as_ref())?,
        }
    }
    Ok(())
}

fn put_groups_out(groups: &mut HashMap<GroupKey, Group>, out: &mut impl Output) -> Result<(), SqlError> {
    // In the order of their keys, so that the same page gives the same bytes each time.
    let mut sorted: Vec<_> = groups.drain().collect();
    sorted.sort_unstable_by(|(a, _), (b, _)| a.cmp(b));
    for (_, group) in sorted {
        let partials: Vec<Datum> = group.states.iter().flat_map(AggregateState::to_partial).collect();
        out.row(group.keys.iter().chain(&partials).map(|datum| Ok(Cow::Borrowed(datum))))?;
    }
    Ok(())
}
