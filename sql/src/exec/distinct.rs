//! `SELECT DISTINCT`.

use std::collections::HashSet;

use async_trait::async_trait;

use super::context::{ExecContext, ExecError};
use super::memory::Budget;
use super::operator::Operator;
use crate::types::Row;
use crate::types::compare::GroupKey;

/// Each row once, in the order in which it first came.
pub struct Distinct {
    input: Box<dyn Operator>,
    seen: HashSet<GroupKey>,
    budget: Budget,
}

impl Distinct {
    /// The different rows of `input`.
    pub fn new(input: Box<dyn Operator>) -> Self {
        Self { input, seen: HashSet::new(), budget: Budget::new("DISTINCT") }
    }
}

#[async_trait]
impl Operator for Distinct {
    async fn next(&mut self, context: &mut ExecContext<'_>) -> Result<Option<Vec<Row>>, ExecError> {
        while let Some(rows) = self.input.next(context).await? {
            let mut fresh = Vec::new();
            for row in rows {
                let key = GroupKey::of(&row);
                let bytes = key.size_bytes() + size_of::<GroupKey>();
                if self.seen.insert(key) {
                    self.budget.add(bytes)?;
                    fresh.push(row);
                }
            }
            if !fresh.is_empty() {
                return Ok(Some(fresh));
            }
        }
        Ok(None)
    }
}
