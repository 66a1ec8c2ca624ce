//! `x op ANY (array)` and `x op ALL (array)`.

use crate::error::SqlError;
use crate::expr::BinaryOp;
use crate::expr::eval::mistyped;
use crate::types::Datum;
use crate::types::compare::compare;

/// Whether a comparison holds with any or with all elements; `None` where nobody knows. Over no elements any is false and
/// all is true, whatever is compared.
///
/// # Errors
/// XX000 for what is no array and no comparison.
pub fn holds(op: BinaryOp, operand: &Datum, array: &Datum, all: bool) -> Result<Option<bool>, SqlError> {
    if array.is_null() {
        return Ok(None);
    }
    let Datum::Array(elements) = array else { return Err(mistyped("ANY or ALL")) };
    if elements.is_empty() {
        return Ok(Some(all));
    }
    if operand.is_null() {
        return Ok(None);
    }
    let mut is_unknown = false;
    for element in elements.iter() {
        if element.is_null() {
            is_unknown = true;
            continue;
        }
        let holds = op.holds(compare(operand, element)).ok_or_else(|| mistyped("ANY or ALL"))?;
        if holds != all {
            return Ok(Some(holds));
        }
    }
    Ok(if is_unknown { None } else { Some(all) })
}
