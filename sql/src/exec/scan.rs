//! Reads a table: sends the scan program with each page, and takes in rows or partial groups.
//!
//! Point lookups fetch their keys, a thousand at a time, and run the same program here, without its bytes; so does a scan
//! whose program is too long to be sent with each page. Invariant: a limit counts over all pages and spans, so each page's
//! program has what is left of it.

use std::collections::VecDeque;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use quorate_engine::kv::{Direction, Key, KvError, ScanProgram, ScanRequest, ScanRows, Span, Value};

use super::context::{ExecContext, ExecError};
use super::groups::Groups;
use super::operator::{Operator, take_batch};
use crate::catalog::descriptor::TableDescriptor;
use crate::error::SqlError;
use crate::limits::{POINTS_AT_ONCE, PROGRAM_MAX_BYTES, SCAN_PAGE_BYTES, SCAN_PAGE_ROWS};
use crate::plan::node::{Access, PushDown};
use crate::program::evaluator::run_on_pairs;
use crate::program::output_format;
use crate::program::program_format::{Program, ProgramOutput, is_new};
use crate::storage::layout::TableLayout;
use crate::storage::{decode_row, index_format};
use crate::types::Row;

/// What is left to read.
enum Rest {
    Spans(VecDeque<Span>),
    Points(VecDeque<Key>),
}

/// A table's scan.
pub struct Scan {
    number: usize,
    direction: Direction,
    rest: Rest,
    program: Program,
    /// The program would change nothing.
    is_plain: bool,
    /// The program's bytes, for ranges to run; `None` where it is plain, or runs here over the pairs.
    encoded: Option<ScanProgram>,
    /// Nodes of the release before cannot read them: with one of these it runs here too.
    is_new: bool,
    /// Values of a row that the program puts out.
    width: usize,
    groups: Option<Groups>,
    /// Complete groups on their way out.
    finished: Option<std::vec::IntoIter<Row>>,
}

impl Scan {
    /// Reads `access` of a table, backwards where the first of `pushed` is true.
    ///
    /// # Errors
    /// 54000 for expressions that are too deep to be sent; XX001 for keys that cannot be made.
    pub fn new(
        number: usize,
        table: &TableDescriptor,
        access: Access,
        (reverse, pushed): (bool, PushDown),
    ) -> Result<Self, SqlError> {
        let layout = Arc::clone(table.layout());
        let rest = Rest::new(&layout, access, reverse)?;
        let groups = pushed
            .aggregate
            .as_ref()
            .map(|aggregate| Groups::new(aggregate.group_by.len(), aggregate.aggregates.clone()));
        let is_plain = pushed == PushDown::default();
        let output = match (pushed.aggregate, pushed.project) {
            (Some(aggregate), _) => {
                ProgramOutput::Aggregate { group_by: aggregate.group_by, aggregates: aggregate.aggregates }
            }
            (None, Some(exprs)) => ProgramOutput::Project(exprs),
            (None, None) => ProgramOutput::AllColumns,
        };
        let width = match (&output, &groups) {
            (_, Some(groups)) => groups.partial_width(),
            (ProgramOutput::Project(exprs), _) => exprs.len(),
            (ProgramOutput::AllColumns | ProgramOutput::Aggregate { .. }, _) => layout.columns.len(),
        };
        let program = Program { layout, filter: pushed.filter, limit: pushed.limit, output };
        let encoded = match &rest {
            Rest::Spans(_) if !is_plain => {
                Some(program.encode()?).filter(|encoded| encoded.0.len() <= PROGRAM_MAX_BYTES)
            }
            Rest::Spans(_) => None,
            Rest::Points(_) => {
                program.check_depth()?;
                None
            }
        };
        let direction = if reverse { Direction::Reverse } else { Direction::Forward };
        let is_new = encoded.as_ref().is_some_and(is_new);
        Ok(Self {
            number,
            direction,
            rest,
            program,
            is_plain,
            encoded,
            is_new,
            width,
            groups,
            finished: None,
        })
    }

    /// The next rows of the store; `None` at the end. May be empty in between.
    async fn page(&mut self, context: &mut ExecContext<'_>) -> Result<Option<Vec<Row>>, ExecError> {
        if self.program.limit == Some(0) {
            return Ok(None);
        }
        let rows = match &mut self.rest {
            Rest::Spans(spans) => {
                let next = match self.direction {
                    Direction::Forward => spans.pop_front(),
                    Direction::Reverse => spans.pop_back(),
                };
                let Some(span) = next else { return Ok(None) };
                self.scan_page(span, context).await?
            }
            Rest::Points(points) => {
                let keys: Vec<Key> = points.drain(..points.len().min(POINTS_AT_ONCE)).collect();
                if keys.is_empty() {
                    return Ok(None);
                }
                self.get_points(keys, context).await?
            }
        };
        if let Some(limit) = self.program.limit {
            self.program.limit = Some(limit.saturating_sub(rows.len() as u64));
            if self.encoded.is_some() {
                self.encoded = Some(self.program.encode()?);
            }
        }
        Ok(Some(rows))
    }

    async fn scan_page(&mut self, span: Span, context: &mut ExecContext<'_>) -> Result<Vec<Row>, ExecError> {
        let request = ScanRequest {
            span,
            direction: self.direction,
            program: self.encoded.clone().filter(|_| !self.is_new || context.node.cluster.generation() >= 3),
            rows_max: SCAN_PAGE_ROWS,
            bytes_max: SCAN_PAGE_BYTES,
        };
        let page = context.scan(request).await?;
        context.profile.add_page(self.number, page.served);
        if let (Some(resume), Rest::Spans(spans)) = (page.resume, &mut self.rest) {
            match self.direction {
                Direction::Forward => spans.push_front(resume),
                Direction::Reverse => spans.push_back(resume),
            }
        }
        match page.rows {
            ScanRows::Pairs(pairs) => self.take_pairs(&pairs),
            ScanRows::Outputs(outputs) => Ok(self.decode_outputs(&outputs)?),
        }
    }

    async fn get_points(
        &mut self,
        keys: Vec<Key>,
        context: &mut ExecContext<'_>,
    ) -> Result<Vec<Row>, ExecError> {
        let values = context.get_many(keys.clone()).await?;
        let found = keys.into_iter().zip(values).filter_map(|(key, value)| Some((key, value?)));
        let pairs: Vec<(Key, Value)> = found.collect();
        let read = pairs.len() as u64;
        let rows = self.take_pairs(&pairs)?;
        context.profile.add_points(self.number, read, rows.len() as u64);
        Ok(rows)
    }

    /// What the program makes of pairs, here.
    fn take_pairs(&self, pairs: &[(Key, Value)]) -> Result<Vec<Row>, ExecError> {
        if !self.is_plain {
            return Ok(run_on_pairs(&self.program, pairs).map_err(KvError::Program)?);
        }
        let rows = pairs.iter().map(|(key, value)| decode_row(&self.program.layout, key.as_ref(), value));
        Ok(rows.collect::<Result<_, SqlError>>()?)
    }

    fn decode_outputs(&self, outputs: &[Bytes]) -> Result<Vec<Row>, SqlError> {
        outputs.iter().map(|bytes| Ok(output_format::decode(bytes, self.width)?)).collect()
    }

    async fn all_groups(
        &mut self,
        mut groups: Groups,
        context: &mut ExecContext<'_>,
    ) -> Result<Vec<Row>, ExecError> {
        while let Some(rows) = self.page(context).await? {
            for row in rows {
                groups.merge(row)?;
            }
        }
        Ok(groups.finish()?)
    }
}

impl Rest {
    fn new(layout: &TableLayout, access: Access, reverse: bool) -> Result<Self, SqlError> {
        Ok(match access {
            Access::Spans(spans) => Self::Spans(spans.into()),
            Access::Points(points) => {
                // The planner gives each point once, in the order in which the rows are wanted.
                let keys = points.iter().map(|values| index_format::encode_key_values(layout, values));
                let mut keys = keys.collect::<Result<Vec<_>, _>>()?;
                if reverse {
                    keys.reverse();
                }
                Self::Points(keys.into())
            }
        })
    }
}

#[async_trait]
impl Operator for Scan {
    async fn next(&mut self, context: &mut ExecContext<'_>) -> Result<Option<Vec<Row>>, ExecError> {
        if let Some(groups) = self.groups.take() {
            self.finished = Some(self.all_groups(groups, context).await?.into_iter());
        }
        if let Some(finished) = &mut self.finished {
            return Ok(take_batch(finished));
        }
        while let Some(rows) = self.page(context).await? {
            if !rows.is_empty() {
                return Ok(Some(rows));
            }
        }
        Ok(None)
    }
}
