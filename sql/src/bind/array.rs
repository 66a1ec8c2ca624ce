//! Arrays: `ARRAY[…]`, subscripts, ANY and ALL, `||`, and the functions whose arguments share an element's type.
//!
//! Source: PostgreSQL's manual, 38.2.5 "Polymorphic Types", as `make_scalar_array_op` and `enforce_generic_type_consistency`
//! do it.

use super::Binder;
use super::call::undefined_function;
use super::common_type::{common_type, compared};
use super::expr::Place;
use super::operator::undefined;
use crate::error::{SqlError, SqlState};
use crate::expr::{BinaryOp, CastKind, Expr, ScalarFunction};
use crate::parser::ast;
use crate::types::DataType;
use crate::types::builtin::array::multidimensional;
use crate::types::cast::{CastRule, cast_rule};

/// What an argument of a function over arrays is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Slot {
    /// An array of the common type.
    Array,
    /// A value of it.
    Element,
    /// An integer.
    Integer,
}

impl Binder<'_> {
    /// `ARRAY[…]` of elements that are cast to a type, or have one in common.
    ///
    /// # Errors
    /// 42P18 for an empty array of no type, 42804 without a common type, 0A000 for arrays of arrays.
    pub(super) fn array(
        &self,
        elements: &[ast::Expr],
        element: Option<DataType>,
        (position, place): (u32, &Place<'_>),
    ) -> Result<Expr, SqlError> {
        let mut bound = Vec::with_capacity(elements.len());
        for element in elements {
            let expr = self.expr(element, place)?;
            if expr.data_type().element().is_some() {
                return Err(multidimensional().at(element.position));
            }
            bound.push((expr, element.position));
        }
        let (arguments, element) = match element {
            Some(element) => {
                let cast = bound.into_iter().map(|(expr, at)| self.cast(expr, element, at));
                (cast.collect::<Result<Vec<_>, _>>()?, element)
            }
            None if bound.is_empty() => {
                return Err(SqlError::new(
                    SqlState::IndeterminateDatatype,
                    "cannot determine type of empty array",
                )
                .with_hint("Explicitly cast to the desired type, for example ARRAY[]::integer[].")
                .at(position));
            }
            None => self.to_common(bound, "ARRAY")?,
        };
        let data_type = element.array().ok_or_else(multidimensional)?;
        Ok(Expr::Call { function: ScalarFunction::ArrayOf, arguments, data_type })
    }

    /// `x[1]`.
    ///
    /// # Errors
    /// 42804 for what is no array, and for what is no integer.
    pub(super) fn subscript(
        &self,
        operand: &ast::Expr,
        index: &ast::Expr,
        place: &Place<'_>,
    ) -> Result<Expr, SqlError> {
        let array = self.expr(operand, place)?;
        let mismatch = |message: String, at| SqlError::new(SqlState::DatatypeMismatch, message).at(at);
        let data_type = array.data_type().element().ok_or_else(|| {
            let found = array.data_type().base();
            let message = format!("cannot subscript type {found} because it does not support subscripting");
            mismatch(message, operand.position)
        })?;
        let at = index.position;
        let mut index = self.expr(index, place)?;
        if index.data_type() != DataType::Int4 {
            index = match (index.data_type(), cast_rule(index.data_type(), DataType::Int4)) {
                (DataType::Unknown, _) => self.coerce(index, DataType::Int4, at)?,
                (_, Some(CastRule::Implicit | CastRule::Assignment)) => Some(Expr::Cast {
                    operand: Box::new(index),
                    to: DataType::Int4,
                    kind: CastKind::Assignment,
                }),
                (_, Some(CastRule::Explicit) | None) => None,
            }
            .ok_or_else(|| mismatch("array subscript must have type integer".to_owned(), at))?;
        }
        Ok(Expr::Call { function: ScalarFunction::Subscript, arguments: vec![array, index], data_type })
    }

    /// `x op ANY (array)`: compared as with one element.
    ///
    /// # Errors
    /// 42809 for what is no array or no comparison, 42883 where the operator does not exist for the types.
    pub(super) fn quantified(
        &self,
        (op, all): (BinaryOp, bool),
        sides: (Expr, Expr),
        (position, array_position): (u32, u32),
    ) -> Result<Expr, SqlError> {
        let (operand, array) = (self.parameters.retyped(sides.0), self.parameters.retyped(sides.1));
        let wrong = |what: &str| {
            let message = format!("op ANY/ALL (array) requires {what}");
            SqlError::new(SqlState::WrongObjectType, message).at(position)
        };
        if op.holds(std::cmp::Ordering::Equal).is_none() {
            return Err(wrong("operator to yield boolean"));
        }
        let (left, right) = (operand.data_type(), array.data_type());
        let right = match right.element() {
            Some(element) => element,
            None if right == DataType::Unknown => right,
            None => return Err(wrong("array on right side")),
        };
        let undefined = || undefined(op.symbol(), left, right, position);
        let (operand_to, element_to) = compared(left, right).ok_or_else(undefined)?;
        let array_to = element_to.array().ok_or_else(multidimensional)?;
        let operand = self.coerce(operand, operand_to, position)?.ok_or_else(undefined)?;
        let array = self.coerce(array, array_to, array_position)?.ok_or_else(undefined)?;
        Ok(Expr::Quantified { op, operand: Box::new(operand), array: Box::new(array), all })
    }

    /// `||` with an array on one side: two arrays, or an array and an element. A literal is read as an array.
    ///
    /// # Errors
    /// 42883 for types that have nothing in common.
    pub(super) fn concat_arrays(&self, left: Expr, right: Expr, position: u32) -> Result<Expr, SqlError> {
        let (left_type, right_type) = (left.data_type(), right.data_type());
        let slot = |data_type: DataType| {
            let is_array = data_type.element().is_some() || data_type == DataType::Unknown;
            if is_array { Slot::Array } else { Slot::Element }
        };
        let slots = [slot(left_type), slot(right_type)];
        let function = match slots {
            [Slot::Array, Slot::Array] => ScalarFunction::ArrayCat,
            [Slot::Element, _] => ScalarFunction::ArrayPrepend,
            [..] => ScalarFunction::ArrayAppend,
        };
        let arguments = vec![(left, position), (right, position)];
        let call = self.polymorphic(function, &slots, arguments)?;
        call.ok_or_else(|| undefined("||", left_type, right_type, position))
    }

    /// A call of a function over arrays; `None` for other functions.
    ///
    /// # Errors
    /// 42883 for arguments that it does not take, 42804 where nothing tells the type of the elements.
    pub(super) fn array_function(
        &self,
        name: &str,
        arguments: &[(Expr, u32)],
        position: u32,
    ) -> Result<Option<Expr>, SqlError> {
        let slots: &[Slot] = match name {
            "array_append" | "array_remove" => &[Slot::Array, Slot::Element],
            "array_prepend" => &[Slot::Element, Slot::Array],
            "array_cat" => &[Slot::Array, Slot::Array],
            "array_position" if arguments.len() == 2 => &[Slot::Array, Slot::Element],
            "array_position" => &[Slot::Array, Slot::Element, Slot::Integer],
            _ => return Ok(None),
        };
        let Some(function) = ScalarFunction::from_name(name) else { return Ok(None) };
        let types: Vec<DataType> = arguments.iter().map(|(argument, _)| argument.data_type()).collect();
        let undefined = || undefined_function(name, &types, position);
        if slots.len() != arguments.len() {
            return Err(undefined());
        }
        self.polymorphic(function, slots, arguments.to_vec())?.map(Some).ok_or_else(undefined)
    }

    /// A call whose arguments have an element's type in common; `None` where they have not.
    fn polymorphic(
        &self,
        function: ScalarFunction,
        slots: &[Slot],
        arguments: Vec<(Expr, u32)>,
    ) -> Result<Option<Expr>, SqlError> {
        let mut types = Vec::with_capacity(slots.len());
        for (slot, (argument, _)) in slots.iter().zip(&arguments) {
            let data_type = argument.data_type();
            types.push(match (slot, data_type.element()) {
                (Slot::Integer, _) => continue,
                (_, None) if data_type == DataType::Unknown => data_type,
                (Slot::Array, Some(element)) => element,
                (Slot::Element, None) => data_type,
                (Slot::Array, None) | (Slot::Element, Some(_)) => return Ok(None),
            });
        }
        if types.iter().all(|data_type| *data_type == DataType::Unknown) {
            return Err(undetermined());
        }
        let Ok(common) = common_type(&types) else { return Ok(None) };
        let element = common.base();
        let Some(array) = element.array() else { return Ok(None) };
        let mut cast = Vec::with_capacity(arguments.len());
        for (slot, (argument, at)) in slots.iter().zip(arguments) {
            let to = match slot {
                Slot::Array => array,
                Slot::Element => element,
                Slot::Integer => DataType::Int4,
            };
            let Some(argument) = self.coerce(argument, to, at)? else { return Ok(None) };
            cast.push(argument);
        }
        let data_type = if function == ScalarFunction::ArrayPosition { DataType::Int4 } else { array };
        Ok(Some(Expr::Call { function, arguments: cast, data_type }))
    }
}

/// Whether a function takes an array of any type first, so that a literal there is of no type.
pub fn takes_any_array(function: ScalarFunction) -> bool {
    use ScalarFunction as F;
    matches!(
        function,
        F::ArrayLength | F::ArrayNdims | F::ArrayUpper | F::ArrayLower | F::Cardinality | F::ArrayToString
    )
}

/// The error of an array whose type nothing tells.
pub fn undetermined() -> SqlError {
    let message = "could not determine polymorphic type because input has type unknown";
    SqlError::new(SqlState::DatatypeMismatch, message)
}
