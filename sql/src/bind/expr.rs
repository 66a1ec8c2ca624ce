//! Expressions: from our tree to bound ones.

use super::Binder;
use super::aggregate::Aggregates;
use super::coerce::explicit_cast;
use super::common_type::{common_type, compared};
use super::scope::Scope;
use crate::error::{SqlError, SqlState};
use crate::expr::in_list::InList;
use crate::expr::{BinaryOp, Expr, ScalarFunction, UnaryOp};
use crate::parser::ast;
use crate::parser::ast::ExprKind;
use crate::types::cast::cast_rule;
use crate::types::{DataType, Datum, numeric};

/// Where an expression stands.
#[derive(Clone, Copy)]
pub struct Place<'a> {
    /// Columns that it may name.
    pub scope: &'a Scope,
    /// Takes its aggregates; `None` where aggregates are not allowed.
    pub aggregates: Option<&'a Aggregates>,
    /// The clause, for messages.
    pub clause: &'static str,
}

impl<'a> Place<'a> {
    /// A clause without aggregates.
    pub fn plain(scope: &'a Scope, clause: &'static str) -> Self {
        Self { scope, aggregates: None, clause }
    }
}

impl Binder<'_> {
    /// Binds an expression. Its type may be unknown: a string literal, NULL, or a parameter.
    pub(super) fn expr(&self, expr: &ast::Expr, place: &Place<'_>) -> Result<Expr, SqlError> {
        let position = expr.position;
        match &expr.kind {
            ExprKind::Null => Ok(Expr::Literal(Datum::Null, DataType::Unknown)),
            ExprKind::Bool(value) => Ok(Expr::Literal(Datum::Bool(*value), DataType::Bool)),
            ExprKind::Number(digits) => number(digits).map_err(|error| error.at(position)),
            ExprKind::String(text) => Ok(Expr::Literal(Datum::Text(text.clone()), DataType::Unknown)),
            ExprKind::Parameter(index) => Ok(self.parameters.expr(*index)),
            ExprKind::Column { qualifier, table, column } => {
                if let (Some(qualifier), Some(table)) = (qualifier, table) {
                    self.check_qualifier(qualifier, table, place)?;
                }
                self.column(table.as_ref(), column, place)
            }
            ExprKind::Default => {
                let message = format!("DEFAULT is not allowed in {}", place.clause);
                Err(SqlError::new(SqlState::SyntaxError, message).at(position))
            }
            ExprKind::Unary(op, operand) => {
                let operand = self.expr(operand, place)?;
                self.unary(*op, operand, position)
            }
            ExprKind::Binary(op, left, right) => {
                let sides = (self.expr(left, place)?, self.expr(right, place)?);
                self.binary(*op, sides, position)
            }
            ExprKind::Case { operand, branches, otherwise } => {
                self.case(operand.as_deref(), branches, otherwise.as_deref(), place)
            }
            ExprKind::Cast { operand, data_type } => {
                // The type of an array that is cast is that of its elements from the start: `ARRAY[]::int[]`.
                if let (ExprKind::Array(elements), Some(element)) = (&operand.kind, data_type.element()) {
                    return self.array(elements, Some(element), (position, place));
                }
                let operand = self.expr(operand, place)?;
                self.cast(operand, *data_type, position)
            }
            ExprKind::Call { .. } => self.call(expr, place),
            ExprKind::Array(elements) => self.array(elements, None, (position, place)),
            ExprKind::Subscript { operand, index } => self.subscript(operand, index, place),
            ExprKind::IsNull { .. }
            | ExprKind::IsTruth { .. }
            | ExprKind::IsDistinct { .. }
            | ExprKind::InList { .. }
            | ExprKind::Quantified { .. }
            | ExprKind::Between { .. }
            | ExprKind::Like { .. }
            | ExprKind::Regex { .. } => self.test(expr, place),
        }
    }

    fn column(
        &self,
        table: Option<&ast::Name>,
        column: &ast::Name,
        place: &Place<'_>,
    ) -> Result<Expr, SqlError> {
        let found = place.scope.find(table, column)?;
        if let Some(aggregates) = place.aggregates {
            aggregates.saw_column(found.index, table.map_or(column.position, |table| table.position));
        }
        Ok(found.expr())
    }

    /// Expressions that are true or false.
    fn test(&self, expr: &ast::Expr, place: &Place<'_>) -> Result<Expr, SqlError> {
        let position = expr.position;
        match &expr.kind {
            ExprKind::IsNull { operand, negated } => {
                let operand = self.settle(self.expr(operand, place)?, position)?;
                Ok(is_null(operand, *negated))
            }
            ExprKind::IsTruth { operand, value, negated } => {
                let operand = self.expr(operand, place)?;
                let operand = self.condition(operand, truth_name(*value, *negated), position)?;
                Ok(is_truth(operand, *value, *negated))
            }
            ExprKind::IsDistinct { left, right, negated } => {
                let sides = (self.expr(left, place)?, self.expr(right, place)?);
                self.is_distinct(sides, *negated, position)
            }
            ExprKind::InList { operand, list, negated } => self.in_list(operand, list, *negated, place),
            ExprKind::Quantified { op, operand, array, all } => {
                let sides = (self.expr(operand, place)?, self.expr(array, place)?);
                self.quantified((*op, *all), sides, (position, array.position))
            }
            ExprKind::Between { operand, low, high, negated } => {
                let operand = self.expr(operand, place)?;
                let low = self.expr(low, place)?;
                let high = self.expr(high, place)?;
                let above = self.binary(BinaryOp::GreaterOrEqual, (operand.clone(), low), position)?;
                let below = self.binary(BinaryOp::LessOrEqual, (operand, high), position)?;
                let between = self.binary(BinaryOp::And, (above, below), position)?;
                Ok(not_if(*negated, between))
            }
            ExprKind::Like { operand, pattern, negated, case_insensitive } => {
                let sides = (self.expr(operand, place)?, self.expr(pattern, place)?);
                self.like(sides, *negated, *case_insensitive, position)
            }
            ExprKind::Regex { operand, pattern, negated, case_insensitive } => {
                let sides = (self.expr(operand, place)?, self.expr(pattern, place)?);
                self.regex(sides, *negated, *case_insensitive, position)
            }
            ExprKind::Null
            | ExprKind::Bool(_)
            | ExprKind::Number(_)
            | ExprKind::String(_)
            | ExprKind::Parameter(_)
            | ExprKind::Column { .. }
            | ExprKind::Default
            | ExprKind::Unary(..)
            | ExprKind::Binary(..)
            | ExprKind::Case { .. }
            | ExprKind::Cast { .. }
            | ExprKind::Array(_)
            | ExprKind::Subscript { .. }
            | ExprKind::Call { .. } => {
                Err(SqlError::new(SqlState::InternalError, "an expression was bound as a test").at(position))
            }
        }
    }

    fn like(
        &self,
        sides: (Expr, Expr),
        negated: bool,
        case_insensitive: bool,
        position: u32,
    ) -> Result<Expr, SqlError> {
        let (left, right) = (sides.0.data_type(), sides.1.data_type());
        let op = match (case_insensitive, negated) {
            (false, false) => "~~",
            (false, true) => "!~~",
            (true, false) => "~~*",
            (true, true) => "!~~*",
        };
        let undefined = || super::operator::undefined(op, left, right, position);
        // The spaces at the end of CHAR(n) are matched.
        let operand = if matches!(left, DataType::Char { .. }) {
            sides.0
        } else {
            self.coerce(sides.0, DataType::TEXT, position)?.ok_or_else(undefined)?
        };
        let pattern = self.coerce(sides.1, DataType::TEXT, position)?.ok_or_else(undefined)?;
        Ok(Expr::Like { operand: Box::new(operand), pattern: Box::new(pattern), negated, case_insensitive })
    }

    /// `x ~ y`, a call of the function behind the operator.
    fn regex(
        &self,
        sides: (Expr, Expr),
        negated: bool,
        case_insensitive: bool,
        position: u32,
    ) -> Result<Expr, SqlError> {
        let (left, right) = (sides.0.data_type(), sides.1.data_type());
        let op = match (case_insensitive, negated) {
            (false, false) => "~",
            (false, true) => "!~",
            (true, false) => "~*",
            (true, true) => "!~*",
        };
        let undefined = || super::operator::undefined(op, left, right, position);
        let operand = self.coerce(sides.0, DataType::TEXT, position)?.ok_or_else(undefined)?;
        let pattern = self.coerce(sides.1, DataType::TEXT, position)?.ok_or_else(undefined)?;
        let function =
            if case_insensitive { ScalarFunction::RegexInsensitive } else { ScalarFunction::Regex };
        let arguments = vec![operand, pattern];
        Ok(not_if(negated, Expr::Call { function, arguments, data_type: DataType::Bool }))
    }

    /// `x IS DISTINCT FROM y` is `NOT coalesce(x = y, x IS NULL AND y IS NULL)`.
    fn is_distinct(&self, sides: (Expr, Expr), negated: bool, position: u32) -> Result<Expr, SqlError> {
        let equal = self.binary(BinaryOp::Equal, sides, position)?;
        let Expr::Binary { left, right, .. } = &equal else { return Ok(equal) };
        let nulls = Expr::Binary {
            op: BinaryOp::And,
            left: Box::new(is_null(left.as_ref().clone(), false)),
            right: Box::new(is_null(right.as_ref().clone(), false)),
            data_type: DataType::Bool,
        };
        Ok(not_if(!negated, coalesce(equal, nulls)))
    }

    /// Two or more items without columns become one type, with which the operand is compared; items with columns, and
    /// all where there is no such type, become comparisons of their own (`transformAExprIn` of PostgreSQL).
    fn in_list(
        &self,
        operand: &ast::Expr,
        list: &[ast::Expr],
        negated: bool,
        place: &Place<'_>,
    ) -> Result<Expr, SqlError> {
        let position = operand.position;
        let operand = self.expr(operand, place)?;
        let mut constants = Vec::new();
        let mut others = Vec::new();
        for item in list {
            let bound = self.expr(item, place)?;
            let items = if has_column(&bound) { &mut others } else { &mut constants };
            items.push((bound, item.position));
        }
        let mut types = vec![operand.data_type()];
        types.extend(constants.iter().map(|(item, _)| item.data_type()));
        let common = if constants.len() > 1 { common_type(&types).ok() } else { None };
        let mut tests = Vec::new();
        if let Some(common) = common.filter(|common| compared(operand.data_type(), *common).is_some()) {
            let constants = std::mem::take(&mut constants);
            let (operand, list) = self.in_constants(operand.clone(), constants, common, position)?;
            tests.push(Expr::InList { operand: Box::new(operand), list: InList::Each(list), negated });
        }
        let op = if negated { BinaryOp::NotEqual } else { BinaryOp::Equal };
        for (item, _) in constants.into_iter().chain(others) {
            tests.push(self.binary(op, (operand.clone(), item), position)?);
        }
        let joint = if negated { BinaryOp::And } else { BinaryOp::Or };
        Ok(balanced(tests, joint).unwrap_or(Expr::Literal(Datum::Bool(negated), DataType::Bool)))
    }

    /// An operand among constants of one type.
    fn in_constants(
        &self,
        operand: Expr,
        constants: Vec<(Expr, u32)>,
        common: DataType,
        position: u32,
    ) -> Result<(Expr, Vec<Expr>), SqlError> {
        let from = operand.data_type();
        let undefined = |from| move || super::operator::undefined("=", from, common, position);
        let (operand_to, items_to) = compared(from, common).ok_or_else(undefined(from))?;
        let operand = self.coerce(operand, operand_to, position)?.ok_or_else(undefined(from))?;
        let mut list = Vec::with_capacity(constants.len());
        for (item, at) in constants {
            let from = item.data_type();
            let item = self.coerce(item, common, at)?.ok_or_else(undefined(from))?;
            list.push(self.coerce(item, items_to, at)?.ok_or_else(undefined(from))?);
        }
        Ok((operand, list))
    }

    fn case(
        &self,
        operand: Option<&ast::Expr>,
        branches: &[(ast::Expr, ast::Expr)],
        otherwise: Option<&ast::Expr>,
        place: &Place<'_>,
    ) -> Result<Expr, SqlError> {
        let operand = match operand {
            Some(operand) => Some(self.settle(self.expr(operand, place)?, operand.position)?),
            None => None,
        };
        let mut conditions = Vec::with_capacity(branches.len());
        let mut results = Vec::with_capacity(branches.len() + 1);
        for (when, then) in branches {
            let condition = self.expr(when, place)?;
            conditions.push(match &operand {
                Some(operand) => self.binary(BinaryOp::Equal, (operand.clone(), condition), when.position)?,
                None => self.condition(condition, "CASE/WHEN", when.position)?,
            });
            results.push((self.expr(then, place)?, then.position));
        }
        // PostgreSQL begins with ELSE in its search for the common type.
        if let Some(otherwise) = otherwise {
            results.insert(0, (self.expr(otherwise, place)?, otherwise.position));
        }
        let (results, data_type) = self.to_common(results, "CASE")?;
        let mut results = results.into_iter();
        let otherwise = if otherwise.is_some() { results.next().map(Box::new) } else { None };
        Ok(Expr::Case { branches: conditions.into_iter().zip(results).collect(), otherwise, data_type })
    }

    /// Brings all expressions to their common type.
    ///
    /// # Errors
    /// 42804 where there is none, 42846 where one is not cast to it implicitly; `what` says whose.
    pub(super) fn to_common(
        &self,
        exprs: Vec<(Expr, u32)>,
        what: &str,
    ) -> Result<(Vec<Expr>, DataType), SqlError> {
        let types: Vec<DataType> = exprs.iter().map(|(expr, _)| expr.data_type()).collect();
        let common = common_type(&types).map_err(|wrong| {
            let message = format!("{what} types {} and {} cannot be matched", wrong.left, wrong.right);
            let position = exprs.get(wrong.position).map_or(0, |(_, position)| *position);
            SqlError::new(SqlState::DatatypeMismatch, message).at(position)
        })?;
        let mut bound = Vec::with_capacity(exprs.len());
        for (expr, position) in exprs {
            let from = expr.data_type().base();
            bound.push(self.coerce(expr, common, position)?.ok_or_else(|| {
                let message = format!("{what} could not convert type {from} to {}", common.base());
                SqlError::new(SqlState::CannotCoerce, message).at(position)
            })?);
        }
        Ok((bound, common))
    }

    /// A cast that the user wrote.
    pub(super) fn cast(&self, operand: Expr, to: DataType, position: u32) -> Result<Expr, SqlError> {
        let from = operand.data_type();
        if from == DataType::Unknown {
            let typed = self.coerce(operand, to, position)?;
            return Ok(match typed {
                Some(expr) if to == to.base() && expr.data_type() == to => expr,
                Some(expr) => explicit_cast(expr, to),
                None => Expr::Literal(Datum::Null, to),
            });
        }
        if cast_rule(from, to).is_none() {
            let message = format!("cannot cast type {} to {}", from.base(), to.base());
            return Err(SqlError::new(SqlState::CannotCoerce, message).at(position));
        }
        Ok(if from == to { operand } else { explicit_cast(operand, to) })
    }
}

fn has_column(expr: &Expr) -> bool {
    let mut found = false;
    expr.walk(&mut |part| found |= matches!(part, Expr::Column { .. }));
    found
}

/// All tests with AND or OR between them, as a tree of the least depth.
fn balanced(mut tests: Vec<Expr>, op: BinaryOp) -> Option<Expr> {
    if tests.len() < 2 {
        return tests.pop();
    }
    let right = balanced(tests.split_off(tests.len() / 2), op)?;
    let left = balanced(tests, op)?;
    Some(Expr::Binary { op, left: Box::new(left), right: Box::new(right), data_type: DataType::Bool })
}

/// A number as written: the first of int4, int8 and numeric that holds it.
fn number(digits: &str) -> Result<Expr, SqlError> {
    if digits.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-')
        && let Ok(value) = digits.parse::<i64>()
    {
        let data_type = if i32::try_from(value).is_ok() { DataType::Int4 } else { DataType::Int8 };
        return Ok(Expr::Literal(Datum::Int(value), data_type));
    }
    Ok(Expr::Literal(Datum::Numeric(numeric::parse(digits)?), DataType::NUMERIC))
}

fn is_null(operand: Expr, negated: bool) -> Expr {
    Expr::IsNull { operand: Box::new(operand), negated }
}

fn not_if(negated: bool, expr: Expr) -> Expr {
    if negated { Expr::Unary(UnaryOp::Not, Box::new(expr)) } else { expr }
}

fn coalesce(first: Expr, second: Expr) -> Expr {
    Expr::Call {
        function: ScalarFunction::Coalesce,
        arguments: vec![first, second],
        data_type: DataType::Bool,
    }
}

/// `x IS TRUE` is `coalesce(x, false)`, `x IS FALSE` is `coalesce(NOT x, false)`, `x IS UNKNOWN` is `x IS NULL`.
fn is_truth(operand: Expr, value: Option<bool>, negated: bool) -> Expr {
    let Some(value) = value else { return is_null(operand, negated) };
    let never = Expr::Literal(Datum::Bool(false), DataType::Bool);
    not_if(negated, coalesce(not_if(!value, operand), never))
}

fn truth_name(value: Option<bool>, negated: bool) -> &'static str {
    match (value, negated) {
        (Some(true), false) => "IS TRUE",
        (Some(true), true) => "IS NOT TRUE",
        (Some(false), false) => "IS FALSE",
        (Some(false), true) => "IS NOT FALSE",
        (None, false) => "IS UNKNOWN",
        (None, true) => "IS NOT UNKNOWN",
    }
}
