//! `ORDER BY`, in memory.

use std::cmp::Ordering;

use async_trait::async_trait;

use super::context::{ExecContext, ExecError};
use super::memory::{Budget, row_bytes};
use super::operator::{Operator, take_batch};
use crate::expr::SortKey;
use crate::expr::eval::eval;
use crate::limits::BATCH_ROWS;
use crate::types::compare::compare;
use crate::types::{Datum, Row};

/// Rows with a limit are cut down to it whenever there are this many times as many.
const SLACK: usize = 2;

/// Sorts its whole input; equal rows keep their order.
pub struct Sort {
    input: Box<dyn Operator>,
    keys: Vec<SortKey>,
    limit: Option<usize>,
    sorted: Option<std::vec::IntoIter<Row>>,
}

impl Sort {
    /// Rows of `input` by `keys`; only the first `limit` where it is given.
    pub fn new(input: Box<dyn Operator>, keys: Vec<SortKey>, limit: Option<u64>) -> Self {
        let limit = limit.map(|limit| usize::try_from(limit).unwrap_or(usize::MAX));
        Self { input, keys, limit, sorted: None }
    }

    async fn sort(&mut self, context: &mut ExecContext<'_>) -> Result<Vec<Row>, ExecError> {
        let mut kept: Vec<(Row, Row)> = Vec::new();
        let mut budget = Budget::new("ORDER BY");
        while let Some(rows) = self.input.next(context).await? {
            for row in rows {
                let keys = &self.keys;
                let keys = context.computing().compute(|eval_context| {
                    keys.iter().map(|key| eval(&key.expr, &row, eval_context)).collect::<Result<Row, _>>()
                });
                let keys = keys.await?;
                budget.add(row_bytes(&row) + row_bytes(&keys))?;
                kept.push((keys, row));
            }
            if let Some(limit) = self.limit
                && kept.len() > limit.saturating_mul(SLACK).saturating_add(BATCH_ROWS)
            {
                self.cut(&mut kept);
                budget.reset(kept.iter().map(|(keys, row)| row_bytes(row) + row_bytes(keys)).sum());
            }
        }
        self.cut(&mut kept);
        Ok(kept.into_iter().map(|(_, row)| row).collect())
    }

    fn cut(&self, rows: &mut Vec<(Row, Row)>) {
        rows.sort_by(|(a, _), (b, _)| compare_keys(&self.keys, a, b));
        if let Some(limit) = self.limit {
            rows.truncate(limit);
        }
    }
}

/// Order of two rows by the values of their sort keys.
pub fn compare_keys(keys: &[SortKey], a: &[Datum], b: &[Datum]) -> Ordering {
    keys.iter()
        .zip(a.iter().zip(b))
        .map(|(key, (a, b))| match (a.is_null(), b.is_null()) {
            (true, true) => Ordering::Equal,
            (true, false) if key.nulls_first => Ordering::Less,
            (false, true) if !key.nulls_first => Ordering::Less,
            (true, false) | (false, true) => Ordering::Greater,
            (false, false) if key.descending => compare(b, a),
            (false, false) => compare(a, b),
        })
        .find(|ordering| ordering.is_ne())
        .unwrap_or(Ordering::Equal)
}

#[async_trait]
impl Operator for Sort {
    async fn next(&mut self, context: &mut ExecContext<'_>) -> Result<Option<Vec<Row>>, ExecError> {
        if self.sorted.is_none() {
            self.sorted = Some(self.sort(context).await?.into_iter());
        }
        Ok(self.sorted.as_mut().and_then(take_batch))
    }
}
