//! A scan program as bytes.
//!
//! ```text
//! version (the newest generation of its types and expressions) | table id | columns: id, type | key positions |
//! optional filter | limit plus one, 0 for none |
//!   0 all columns  ·  1 expressions  ·  2 group keys, aggregates
//! ```

use std::sync::Arc;

use bytes::Bytes;
use quorate_engine::codec::CodecError;
use quorate_engine::codec::value::{Reader, Writer};
use quorate_engine::kv::ScanProgram;

use super::expr_format::{
    generation, is_too_deep, put_aggregate, put_exprs, put_optional_expr, read_aggregate, read_exprs,
    read_optional_expr,
};
use crate::error::{SqlError, SqlState};
use crate::expr::{Aggregate, Expr};
use crate::storage::layout::TableLayout;
use crate::storage::type_format::{self, put_type, read_type};

/// Newest version of the format that is read. A program is written in the oldest one that has its types and expressions.
pub const PROGRAM_FORMAT_VERSION: u8 = 3;

/// What a program puts out for the rows that pass its filter.
#[derive(Clone, Debug, PartialEq)]
pub enum ProgramOutput {
    /// Each row with all columns of the table.
    AllColumns,
    /// These expressions over each row.
    Project(Vec<Expr>),
    /// Groups with partial aggregates.
    Aggregate {
        /// Group keys.
        group_by: Vec<Expr>,
        /// Aggregates, none of them distinct.
        aggregates: Vec<Aggregate>,
    },
}

/// A program, read or about to be written.
#[derive(Clone, Debug, PartialEq)]
pub struct Program {
    /// Where the columns lie.
    pub layout: Arc<TableLayout>,
    /// Only rows for which this is true.
    pub filter: Option<Expr>,
    /// Stop after this many rows that passed; not for groups.
    pub limit: Option<u64>,
    /// What is put out.
    pub output: ProgramOutput,
}

impl Program {
    /// The program's bytes.
    ///
    /// # Errors
    /// 54000 for an expression that nests too deeply to be sent.
    pub fn encode(&self) -> Result<ScanProgram, SqlError> {
        self.check_depth()?;
        let mut out = Writer::versioned(self.version());
        out.u64(self.layout.table_id).count(self.layout.columns.len());
        for (id, data_type) in &self.layout.columns {
            put_type(out.varint(u64::from(*id)), *data_type);
        }
        let key = self.layout.primary().positions();
        out.count(key.len());
        key.for_each(|position| {
            out.count(position);
        });
        put_optional_expr(&mut out, self.filter.as_ref());
        out.varint(self.limit.map_or(0, |limit| limit.saturating_add(1)));
        match &self.output {
            ProgramOutput::AllColumns => {
                out.u8(0);
            }
            ProgramOutput::Project(exprs) => put_exprs(out.u8(1), exprs),
            ProgramOutput::Aggregate { group_by, aggregates } => {
                put_exprs(out.u8(2), group_by);
                out.count(aggregates.len());
                aggregates.iter().for_each(|aggregate| put_aggregate(&mut out, aggregate));
            }
        }
        Ok(ScanProgram(Bytes::from(out.finish())))
    }

    /// The oldest version that can say it.
    fn version(&self) -> u8 {
        let columns = self.layout.columns.iter().map(|(_, data_type)| type_format::generation(*data_type));
        columns.chain(self.exprs().map(generation)).max().unwrap_or(1)
    }

    /// What [`Program::encode`] fails for, without the bytes.
    ///
    /// # Errors
    /// 54000 for an expression that nests too deeply to be sent.
    pub fn check_depth(&self) -> Result<(), SqlError> {
        if !self.exprs().any(is_too_deep) {
            return Ok(());
        }
        let message = "an expression of this statement nests too deeply";
        let error = SqlError::new(SqlState::ProgramLimitExceeded, message);
        Err(error.with_hint("Write long chains of OR as IN (…)."))
    }

    /// Reads a program.
    ///
    /// # Errors
    /// Bytes that do not follow the format, or a newer version.
    pub fn decode(program: &ScanProgram) -> Result<Self, CodecError> {
        let (mut reader, _) = Reader::versioned(&program.0, PROGRAM_FORMAT_VERSION, "scan program")?;
        let layout = read_layout(&mut reader)?;
        let filter = read_optional_expr(&mut reader)?;
        let limit = reader.varint()?.checked_sub(1);
        let output = match reader.u8()? {
            0 => ProgramOutput::AllColumns,
            1 => ProgramOutput::Project(read_exprs(&mut reader)?),
            2 => {
                let group_by = read_exprs(&mut reader)?;
                let count = reader.items()?;
                let mut aggregates = Vec::new();
                for _ in 0..count {
                    aggregates.push(read_aggregate(&mut reader)?);
                }
                ProgramOutput::Aggregate { group_by, aggregates }
            }
            other => return Err(reader.invalid(u64::from(other))),
        };
        reader.finish()?;
        let program = Self { layout: Arc::new(layout), filter, limit, output };
        program.check()?;
        Ok(program)
    }

    /// Which columns the filter reads, and which the output does; by position. Without a filter the first is empty.
    pub fn columns_read(&self) -> (Vec<bool>, Vec<bool>) {
        let width = self.layout.columns.len();
        let by_filter_width = if self.filter.is_some() { width } else { 0 };
        let (mut by_filter, mut by_output) = (vec![false; by_filter_width], vec![false; width]);
        self.filter.iter().for_each(|expr| mark_columns(expr, &mut by_filter));
        match &self.output {
            ProgramOutput::AllColumns => by_output.fill(true),
            ProgramOutput::Project(exprs) => exprs.iter().for_each(|expr| mark_columns(expr, &mut by_output)),
            ProgramOutput::Aggregate { group_by, aggregates } => group_by
                .iter()
                .chain(aggregates.iter().filter_map(|aggregate| aggregate.argument.as_ref()))
                .for_each(|expr| mark_columns(expr, &mut by_output)),
        }
        (by_filter, by_output)
    }

    fn exprs(&self) -> impl Iterator<Item = &Expr> {
        let (exprs, aggregates): (&[Expr], &[Aggregate]) = match &self.output {
            ProgramOutput::AllColumns => (&[], &[]),
            ProgramOutput::Project(exprs) => (exprs, &[]),
            ProgramOutput::Aggregate { group_by, aggregates } => (group_by, aggregates),
        };
        let arguments = aggregates.iter().filter_map(|aggregate| aggregate.argument.as_ref());
        self.filter.iter().chain(exprs).chain(arguments)
    }

    /// A program that could be read must also be one that can run: columns exist, nothing is left to be filled in.
    fn check(&self) -> Result<(), CodecError> {
        let invalid = |found: usize| CodecError::Invalid { what: "scan program", found: found as u64 };
        let width = self.layout.columns.len();
        for expr in self.exprs() {
            if let Some(index) = bad_reference(expr, width) {
                return Err(invalid(index));
            }
        }
        match &self.output {
            ProgramOutput::Aggregate { aggregates, .. }
                if aggregates.iter().any(|aggregate| aggregate.distinct) =>
            {
                Err(invalid(0))
            }
            ProgramOutput::AllColumns | ProgramOutput::Project(_) | ProgramOutput::Aggregate { .. } => Ok(()),
        }
    }
}

/// Whether nodes of cluster version 1 cannot read a program.
pub fn is_new(program: &ScanProgram) -> bool {
    program.0.first().is_some_and(|version| *version > 2)
}

fn read_layout(reader: &mut Reader<'_>) -> Result<TableLayout, CodecError> {
    let table_id = reader.u64()?;
    let count = reader.items()?;
    let mut columns = Vec::new();
    for _ in 0..count {
        let id = reader.varint()?;
        let id = u32::try_from(id).map_err(|_| reader.invalid(id))?;
        columns.push((id, read_type(reader)?));
    }
    let count = reader.items()?;
    let key = (0..count).map(|_| reader.count()).collect::<Result<Vec<_>, _>>()?;
    TableLayout::new(table_id, columns, key)
}

fn mark_columns(expr: &Expr, columns: &mut [bool]) {
    expr.walk(&mut |part| {
        if let Expr::Column { index, .. } = part
            && let Some(column) = columns.get_mut(*index)
        {
            *column = true;
        }
    });
}

/// Position of a column that the table does not have, or of a parameter, which no program may hold.
fn bad_reference(expr: &Expr, width: usize) -> Option<usize> {
    let mut found = None;
    expr.walk(&mut |part| match part {
        Expr::Column { index, .. } if *index >= width => found = Some(*index),
        Expr::Parameter { index, .. } => found = Some(*index),
        Expr::Literal(..)
        | Expr::Column { .. }
        | Expr::Unary(..)
        | Expr::Binary { .. }
        | Expr::IsNull { .. }
        | Expr::InList { .. }
        | Expr::Quantified { .. }
        | Expr::Like { .. }
        | Expr::Case { .. }
        | Expr::Cast { .. }
        | Expr::Call { .. } => {}
    });
    found
}
