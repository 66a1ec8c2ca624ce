//! Running aggregates: fed with values, merged with partial states of other ranges, finished into one value.
//!
//! A partial state travels as plain values ([`AggregateState::to_partial`]), so that the scan program's format needs
//! no knowledge of aggregates. `DISTINCT` is the executor's: it feeds each distinct value once.

use bigdecimal::BigDecimal;
use bigdecimal::num_bigint::BigInt;

use crate::error::{SqlError, SqlState};
use crate::expr::eval::mistyped;
use crate::expr::{Aggregate, AggregateFunction};
use crate::types::builtin::array::Elements;
use crate::types::cast::integer_out_of_range;
use crate::types::compare::compare;
use crate::types::{DataType, Datum, float, numeric};

/// What one aggregate has seen of one group.
#[derive(Clone, Debug, PartialEq)]
pub enum AggregateState {
    /// `count`.
    Count(i64),
    /// `sum` of int2 and int4, a bigint; `None` before the first value.
    SumInt(Option<i64>),
    /// `sum` of int8, a numeric.
    SumBig(Option<i128>),
    /// `sum` of numerics.
    SumNumeric(Option<BigDecimal>),
    /// `sum` of doubles.
    SumFloat(Option<f64>),
    /// `sum` of REALs, rounded to one after each.
    SumReal(Option<f64>),
    /// `min`; NULL before the first value.
    Min(Datum),
    /// `max`; NULL before the first value.
    Max(Datum),
    /// `avg` of integers: sum and count.
    AvgInt(i128, i64),
    /// `avg` of numerics: sum and count.
    AvgNumeric(BigDecimal, i64),
    /// `avg` of floats of either width: sum and count.
    AvgFloat(f64, i64),
    /// `array_agg`: the values, NULLs too; sorted in the end where each was fed once.
    ArrayAgg(Vec<Datum>, bool),
}

impl AggregateState {
    /// The state of an empty group.
    pub fn new(aggregate: &Aggregate) -> Self {
        let argument = aggregate.argument.as_ref().map_or(DataType::Unknown, |argument| argument.data_type());
        match (aggregate.function, argument) {
            (AggregateFunction::CountAll | AggregateFunction::Count, _) => Self::Count(0),
            (AggregateFunction::Min, _) => Self::Min(Datum::Null),
            (AggregateFunction::Max, _) => Self::Max(Datum::Null),
            (AggregateFunction::Sum, DataType::Float4) => Self::SumReal(None),
            (AggregateFunction::Sum, DataType::Float8) => Self::SumFloat(None),
            (AggregateFunction::Sum, DataType::Int8) => Self::SumBig(None),
            (AggregateFunction::Sum, DataType::Int2 | DataType::Int4) => Self::SumInt(None),
            (AggregateFunction::Sum, _) => Self::SumNumeric(None),
            (AggregateFunction::Avg, DataType::Float4 | DataType::Float8) => Self::AvgFloat(0.0, 0),
            (AggregateFunction::Avg, DataType::Int2 | DataType::Int4 | DataType::Int8) => Self::AvgInt(0, 0),
            (AggregateFunction::ArrayAgg, _) => Self::ArrayAgg(Vec::new(), aggregate.distinct),
            (AggregateFunction::Avg, _) => Self::AvgNumeric(BigDecimal::new(BigInt::from(0), 0), 0),
        }
    }

    /// Takes one row into a `count(*)`.
    pub fn count_row(&mut self) {
        if let Self::Count(count) = self {
            *count += 1;
        }
    }

    /// Takes the argument's value of one more row; NULL counts for nothing, but in an array.
    ///
    /// # Errors
    /// 22003 where a sum leaves its type.
    pub fn update(&mut self, value: &Datum) -> Result<(), SqlError> {
        match (self, value) {
            (Self::ArrayAgg(elements, _), value) => elements.push(value.clone()),
            (_, Datum::Null) => {}
            (Self::Count(count), _) => *count += 1,
            (Self::SumInt(sum), Datum::Int(value)) => *sum = Some(add_int(sum.unwrap_or(0), *value)?),
            (Self::SumBig(sum), Datum::Int(value)) => {
                *sum = Some(add_big(sum.unwrap_or(0), i128::from(*value))?)
            }
            (Self::SumNumeric(sum), Datum::Numeric(value)) => add_numeric(sum, value)?,
            (Self::SumFloat(sum), Datum::Float(value)) => {
                // The first value stands for itself, so that a sum of -0 alone stays -0.
                *sum = Some(sum.map_or(Ok(*value), |sum| add_float(sum, *value))?);
            }
            (Self::SumReal(sum), Datum::Float(value)) => {
                *sum = Some(sum.map_or(Ok(*value), |sum| add_real(sum, *value))?);
            }
            (Self::Min(least), value) => replace_if(least, value, std::cmp::Ordering::Less),
            (Self::Max(greatest), value) => replace_if(greatest, value, std::cmp::Ordering::Greater),
            (Self::AvgInt(sum, count), Datum::Int(value)) => {
                (*sum, *count) = (add_big(*sum, i128::from(*value))?, *count + 1);
            }
            (Self::AvgNumeric(sum, count), Datum::Numeric(value)) => {
                (*sum, *count) = (numeric::add(sum, value)?, *count + 1);
            }
            (Self::AvgFloat(sum, count), Datum::Float(value)) => {
                (*sum, *count) = (add_float(*sum, *value)?, *count + 1);
            }
            _ => return Err(mistyped("an aggregate")),
        }
        Ok(())
    }

    /// Takes in what another state of the same aggregate has seen.
    ///
    /// # Errors
    /// 22003 where a sum leaves its type; XX000 for a state of another aggregate.
    pub fn merge(&mut self, other: &Self) -> Result<(), SqlError> {
        match (self, other) {
            (Self::Count(count), Self::Count(more)) => *count = add_int(*count, *more)?,
            (Self::SumInt(sum), Self::SumInt(Some(more))) => *sum = Some(add_int(sum.unwrap_or(0), *more)?),
            (Self::SumBig(sum), Self::SumBig(Some(more))) => *sum = Some(add_big(sum.unwrap_or(0), *more)?),
            (Self::SumNumeric(sum), Self::SumNumeric(Some(more))) => add_numeric(sum, more)?,
            (Self::SumFloat(sum), Self::SumFloat(Some(more))) => {
                *sum = Some(sum.map_or(Ok(*more), |sum| add_float(sum, *more))?);
            }
            (Self::SumReal(sum), Self::SumReal(Some(more))) => {
                *sum = Some(sum.map_or(Ok(*more), |sum| add_real(sum, *more))?);
            }
            (Self::SumInt(_), Self::SumInt(None))
            | (Self::SumBig(_), Self::SumBig(None))
            | (Self::SumNumeric(_), Self::SumNumeric(None))
            | (Self::SumFloat(_), Self::SumFloat(None))
            | (Self::SumReal(_), Self::SumReal(None)) => {}
            (state @ Self::Min(_), Self::Min(value)) | (state @ Self::Max(_), Self::Max(value)) => {
                state.update(value)?;
            }
            (Self::AvgInt(sum, count), Self::AvgInt(more, rows)) => {
                (*sum, *count) = (add_big(*sum, *more)?, add_int(*count, *rows)?);
            }
            (Self::AvgNumeric(sum, count), Self::AvgNumeric(more, rows)) => {
                (*sum, *count) = (numeric::add(sum, more)?, add_int(*count, *rows)?);
            }
            (Self::AvgFloat(sum, count), Self::AvgFloat(more, rows)) => {
                (*sum, *count) = (add_float(*sum, *more)?, add_int(*count, *rows)?);
            }
            (Self::ArrayAgg(elements, _), Self::ArrayAgg(more, _)) => elements.extend_from_slice(more),
            _ => return Err(unlike()),
        }
        Ok(())
    }

    /// The aggregate's value.
    ///
    /// # Errors
    /// 54000 for an array beyond the limits.
    pub fn finish(&self) -> Result<Datum, SqlError> {
        Ok(match self {
            Self::Count(count) => Datum::Int(*count),
            Self::SumInt(sum) => sum.map_or(Datum::Null, Datum::Int),
            Self::SumBig(sum) => sum.map_or(Datum::Null, |sum| Datum::Numeric(whole(sum))),
            Self::SumNumeric(sum) => sum.clone().map_or(Datum::Null, Datum::Numeric),
            Self::SumFloat(sum) | Self::SumReal(sum) => sum.map_or(Datum::Null, Datum::Float),
            Self::Min(value) | Self::Max(value) => value.clone(),
            Self::AvgInt(_, 0) | Self::AvgNumeric(_, 0) | Self::AvgFloat(_, 0) => Datum::Null,
            Self::AvgInt(sum, count) => {
                Datum::Numeric(numeric::divide(&whole(*sum), &BigDecimal::from(*count))?)
            }
            Self::AvgNumeric(sum, count) => Datum::Numeric(numeric::divide(sum, &BigDecimal::from(*count))?),
            Self::ArrayAgg(elements, _) if elements.is_empty() => Datum::Null,
            Self::ArrayAgg(elements, is_sorted) => {
                let mut elements = elements.clone();
                if *is_sorted {
                    elements.sort_by(compare);
                }
                Datum::Array(Elements::new(elements)?)
            }
            #[expect(clippy::cast_precision_loss, reason = "PostgreSQL divides by the count as a double")]
            Self::AvgFloat(sum, count) => Datum::Float(*sum / *count as f64),
        })
    }

    /// The state as plain values: two for `avg` (sum, count), one for all others.
    pub fn to_partial(&self) -> Vec<Datum> {
        match self {
            Self::Count(_)
            | Self::SumInt(_)
            | Self::SumNumeric(_)
            | Self::SumFloat(_)
            | Self::SumReal(_)
            | Self::Min(_)
            | Self::Max(_)
            | Self::ArrayAgg(..) => vec![self.finish().unwrap_or(Datum::Null)],
            Self::SumBig(sum) => vec![sum.map_or(Datum::Null, |sum| Datum::Numeric(whole(sum)))],
            Self::AvgInt(sum, count) => vec![Datum::Numeric(whole(*sum)), Datum::Int(*count)],
            Self::AvgNumeric(sum, count) => vec![Datum::Numeric(sum.clone()), Datum::Int(*count)],
            Self::AvgFloat(sum, count) => vec![Datum::Float(*sum), Datum::Int(*count)],
        }
    }

    /// How many values [`AggregateState::to_partial`] gives for this aggregate.
    pub fn partial_width(aggregate: &Aggregate) -> usize {
        if aggregate.function == AggregateFunction::Avg { 2 } else { 1 }
    }

    /// The state that [`AggregateState::to_partial`] made these values of.
    ///
    /// # Errors
    /// XX000 where they are not of this aggregate.
    pub fn from_partial(aggregate: &Aggregate, values: &[Datum]) -> Result<Self, SqlError> {
        let state = match (Self::new(aggregate), values) {
            (Self::Count(_), [Datum::Int(count)]) => Self::Count(*count),
            (Self::SumInt(_), [Datum::Int(sum)]) => Self::SumInt(Some(*sum)),
            (Self::SumBig(_), [Datum::Numeric(sum)]) => Self::SumBig(Some(to_i128(sum)?)),
            (Self::SumNumeric(_), [Datum::Numeric(sum)]) => Self::SumNumeric(Some(sum.clone())),
            (Self::SumFloat(_), [Datum::Float(sum)]) => Self::SumFloat(Some(*sum)),
            (Self::SumReal(_), [Datum::Float(sum)]) => Self::SumReal(Some(*sum)),
            (
                empty @ (Self::SumInt(_)
                | Self::SumBig(_)
                | Self::SumNumeric(_)
                | Self::SumFloat(_)
                | Self::SumReal(_)
                | Self::ArrayAgg(..)),
                [Datum::Null],
            ) => empty,
            (Self::ArrayAgg(_, is_sorted), [Datum::Array(elements)]) => {
                Self::ArrayAgg(elements.to_vec(), is_sorted)
            }
            (Self::Min(_), [value]) => Self::Min(value.clone()),
            (Self::Max(_), [value]) => Self::Max(value.clone()),
            (Self::AvgInt(..), [Datum::Numeric(sum), Datum::Int(count)]) => {
                Self::AvgInt(to_i128(sum)?, *count)
            }
            (Self::AvgNumeric(..), [Datum::Numeric(sum), Datum::Int(count)]) => {
                Self::AvgNumeric(sum.clone(), *count)
            }
            (Self::AvgFloat(..), [Datum::Float(sum), Datum::Int(count)]) => Self::AvgFloat(*sum, *count),
            _ => return Err(unlike()),
        };
        Ok(state)
    }
}

fn unlike() -> SqlError {
    SqlError::new(
        SqlState::InternalError,
        "a partial aggregate is not of the aggregate that it is merged into",
    )
}

fn whole(sum: i128) -> BigDecimal {
    BigDecimal::new(BigInt::from(sum), 0)
}

fn to_i128(sum: &BigDecimal) -> Result<i128, SqlError> {
    let (unscaled, scale) = sum.as_bigint_and_scale();
    if scale != 0 {
        return Err(unlike());
    }
    i128::try_from(unscaled.into_owned()).map_err(|_| unlike())
}

fn add_int(sum: i64, value: i64) -> Result<i64, SqlError> {
    sum.checked_add(value).ok_or_else(|| integer_out_of_range(DataType::Int8))
}

fn add_big(sum: i128, value: i128) -> Result<i128, SqlError> {
    sum.checked_add(value)
        .ok_or_else(|| SqlError::new(SqlState::NumericValueOutOfRange, "numeric out of range"))
}

fn add_float(sum: f64, value: f64) -> Result<f64, SqlError> {
    checked_total(sum + value, sum, value)
}

fn add_real(sum: f64, value: f64) -> Result<f64, SqlError> {
    checked_total(f64::from(float::single(sum + value)), sum, value)
}

fn checked_total(total: f64, sum: f64, value: f64) -> Result<f64, SqlError> {
    if total.is_infinite() && sum.is_finite() && value.is_finite() {
        Err(float::overflow())
    } else {
        Ok(total)
    }
}

fn add_numeric(sum: &mut Option<BigDecimal>, value: &BigDecimal) -> Result<(), SqlError> {
    *sum = Some(match sum {
        Some(sum) => numeric::add(sum, value)?,
        None => value.clone(),
    });
    Ok(())
}

fn replace_if(kept: &mut Datum, value: &Datum, wanted: std::cmp::Ordering) {
    if kept.is_null() || compare(value, kept) == wanted {
        *kept = value.clone();
    }
}
