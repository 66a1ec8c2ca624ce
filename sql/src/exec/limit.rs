//! `OFFSET` and `LIMIT`.

use async_trait::async_trait;

use super::context::{ExecContext, ExecError};
use super::operator::Operator;
use crate::types::Row;

/// Skips rows, then keeps some; asks for nothing more after the last.
pub struct Limit {
    input: Box<dyn Operator>,
    skip: u64,
    rest: Option<u64>,
}

impl Limit {
    /// Rows of `input` after `offset`, at most `limit`.
    pub fn new(input: Box<dyn Operator>, offset: u64, limit: Option<u64>) -> Self {
        Self { input, skip: offset, rest: limit }
    }
}

#[async_trait]
impl Operator for Limit {
    async fn next(&mut self, context: &mut ExecContext<'_>) -> Result<Option<Vec<Row>>, ExecError> {
        while self.rest != Some(0) {
            let Some(mut rows) = self.input.next(context).await? else { return Ok(None) };
            let skipped = usize::try_from(self.skip).unwrap_or(usize::MAX).min(rows.len());
            self.skip -= skipped as u64;
            rows.drain(..skipped);
            if let Some(rest) = &mut self.rest {
                rows.truncate(usize::try_from(*rest).unwrap_or(usize::MAX));
                *rest -= rows.len() as u64;
            }
            if !rows.is_empty() {
                return Ok(Some(rows));
            }
        }
        Ok(None)
    }
}
