//! Functions in FROM: rows as they are asked for, none of them kept.

use async_trait::async_trait;
use bigdecimal::BigDecimal;
use bigdecimal::num_bigint::Sign;

use super::context::{ExecContext, ExecError};
use super::operator::Operator;
use crate::error::{SqlError, SqlState};
use crate::expr::Expr;
use crate::expr::eval::{eval, mistyped};
use crate::limits::BATCH_ROWS;
use crate::plan::node::TableFunction;
use crate::types::builtin::array::Elements;
use crate::types::{Datum, Row, numeric};

/// A call in FROM.
pub struct CallRows {
    function: TableFunction,
    arguments: Vec<Expr>,
    /// Whether each row ends in its number.
    ordinality: bool,
    /// What yields the rows, once the arguments are computed.
    source: Option<Source>,
    /// Rows so far.
    count: i64,
}

enum Source {
    /// Elements side by side, from this place on; NULL where an array has ended.
    Arrays { arrays: Vec<Elements>, at: usize, length: usize },
    /// Integers; `None` behind the last.
    Integers { next: Option<i64>, last: i64, step: i64 },
    /// Numbers; `None` behind the last.
    Numerics { next: Option<BigDecimal>, last: BigDecimal, step: BigDecimal },
}

impl CallRows {
    /// The rows of a function for these arguments, which have no columns.
    pub fn new(function: TableFunction, arguments: Vec<Expr>, ordinality: bool) -> Self {
        Self { function, arguments, ordinality, source: None, count: 0 }
    }
}

#[async_trait]
impl Operator for CallRows {
    async fn next(&mut self, context: &mut ExecContext<'_>) -> Result<Option<Vec<Row>>, ExecError> {
        if self.source.is_some() {
            // Others have their turn, and the statement's time may be over: a series is as long as it likes.
            context.limits.guard(context.node, tokio::task::yield_now()).await?;
        } else {
            let arguments = &self.arguments;
            let values = context.computing().compute(|context| {
                arguments.iter().map(|argument| eval(argument, &[], context)).collect::<Result<Vec<_>, _>>()
            });
            let values = values.await?;
            self.source = Some(match self.function {
                TableFunction::Unnest => unnest(values)?,
                TableFunction::GenerateSeries => series(values)?,
            });
        }
        let Some(source) = &mut self.source else { return Ok(None) };
        let mut rows = Vec::new();
        while rows.len() < BATCH_ROWS {
            let Some(mut row) = source.row()? else { break };
            if self.ordinality {
                self.count += 1;
                row.push(Datum::Int(self.count));
            }
            rows.push(row);
        }
        Ok((!rows.is_empty()).then_some(rows))
    }
}

fn unnest(values: Vec<Datum>) -> Result<Source, SqlError> {
    let mut arrays = Vec::with_capacity(values.len());
    for value in values {
        let is_null = value.is_null();
        arrays.push(if let Datum::Array(elements) = value {
            elements
        } else if is_null {
            Elements::empty()
        } else {
            return Err(mistyped("unnest"));
        });
    }
    let length = arrays.iter().map(|array| array.len()).max().unwrap_or(0);
    Ok(Source::Arrays { arrays, at: 0, length })
}

fn series(values: Vec<Datum>) -> Result<Source, SqlError> {
    let mut values = values.into_iter();
    let source = match (values.next(), values.next(), values.next()) {
        (Some(Datum::Int(from)), Some(Datum::Int(last)), step) => {
            let step = match step {
                None => 1,
                Some(Datum::Int(step)) => step,
                Some(_) => return Ok(NOTHING),
            };
            Source::Integers { next: Some(from), last, step }
        }
        (Some(Datum::Numeric(from)), Some(Datum::Numeric(last)), step) => {
            let step = match step {
                None => BigDecimal::from(1),
                Some(Datum::Numeric(step)) => step,
                Some(_) => return Ok(NOTHING),
            };
            Source::Numerics { next: Some(from), last, step }
        }
        // NULL on one side.
        _ => return Ok(NOTHING),
    };
    if source.stands_still() {
        return Err(SqlError::new(SqlState::InvalidParameterValue, "step size cannot equal zero"));
    }
    Ok(source)
}

const NOTHING: Source = Source::Arrays { arrays: Vec::new(), at: 0, length: 0 };

impl Source {
    fn stands_still(&self) -> bool {
        match self {
            Self::Arrays { .. } => false,
            Self::Integers { step, .. } => *step == 0,
            Self::Numerics { step, .. } => step.sign() == Sign::NoSign,
        }
    }

    /// The next row; `None` at the end.
    fn row(&mut self) -> Result<Option<Row>, SqlError> {
        match self {
            Self::Arrays { at, length, .. } if at == length => Ok(None),
            Self::Arrays { arrays, at, .. } => {
                let row = arrays.iter().map(|array| array.get(*at).cloned().unwrap_or(Datum::Null)).collect();
                *at += 1;
                Ok(Some(row))
            }
            Self::Integers { next, last, step } => {
                let within = |value: &i64| if *step > 0 { value <= last } else { value >= last };
                let value = next.take().filter(within);
                *next = value.and_then(|value| value.checked_add(*step));
                Ok(value.map(|value| vec![Datum::Int(value)]))
            }
            Self::Numerics { next, last, step } => {
                let rises = step.sign() == Sign::Plus;
                let within = |value: &BigDecimal| if rises { *value <= *last } else { *value >= *last };
                let Some(value) = next.take().filter(within) else { return Ok(None) };
                *next = Some(numeric::add(&value, step)?);
                Ok(Some(vec![Datum::Numeric(value)]))
            }
        }
    }
}
