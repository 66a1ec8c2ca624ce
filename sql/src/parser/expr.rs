//! Expressions of the grammar to ours.

use sqlparser::ast::{
    BinaryOperator, CaseWhen, CastKind, CeilFloorKind, DuplicateTreatment, Expr as SqlExpr, Function,
    FunctionArg, FunctionArgExpr, FunctionArguments, Ident, ObjectName, ObjectNamePart, TrimWhereField,
    UnaryOperator, Value, ValueWithSpan,
};
use sqlparser::tokenizer::Location;

use super::ast::{Expr, ExprKind, Name};
use super::operator::{is_comparison, named_operator, operator, pattern_operator, sorts_by_bytes};
use super::{Source, ast, data_type, is_reserved, place, sequence};
use crate::error::{SqlError, SqlState};
use crate::expr::BinaryOp;
use crate::limits::{LIST_MAX, PARAMETERS_MAX};

/// Turns the grammar's expressions into ours.
pub struct Convert<'a> {
    source: &'a Source<'a>,
}

/// An expression of ours, or why there is none.
pub(super) type Converted = Result<Expr, SqlError>;

/// Parts of a column's name: database, schema, table and its own.
const COLUMN_PARTS_MAX: usize = 4;

impl<'a> Convert<'a> {
    /// For expressions of this text.
    pub fn new(source: &'a Source<'a>) -> Self {
        Self { source }
    }

    /// One expression.
    ///
    /// # Errors
    /// 0A000 for what Quorate lacks, with its position.
    pub fn expr(&self, expr: SqlExpr) -> Converted {
        match expr {
            SqlExpr::Nested(inner) => self.expr(*inner),
            SqlExpr::Identifier(name) => self.column(vec![name]),
            SqlExpr::CompoundIdentifier(names) => self.column(names),
            SqlExpr::Value(value) => self.literal(value),
            SqlExpr::UnaryOp { op, expr } => self.unary(op, *expr),
            SqlExpr::BinaryOp { left, op, right } => self.binary(*left, &op, *right),
            SqlExpr::Cast { kind: CastKind::Cast | CastKind::DoubleColon, expr, data_type, format: None } => {
                let operand = self.boxed(expr)?;
                self.cast(operand, &data_type)
            }
            SqlExpr::TypedString(typed) => {
                let operand = self.literal(typed.value)?;
                self.cast(Box::new(operand), &typed.data_type)
            }
            SqlExpr::Function(function) => self.call(function),
            SqlExpr::Case { case_token, operand, conditions, else_result, .. } => {
                let position = self.source.positions.of(case_token.0.span.start);
                self.case(position, operand, conditions, else_result)
            }
            other => self.predicate(other),
        }
    }

    /// Tests, and functions with a grammar of their own.
    fn predicate(&self, expr: SqlExpr) -> Converted {
        match expr {
            SqlExpr::IsNull(operand) => self.is_null(operand, false),
            SqlExpr::IsNotNull(operand) => self.is_null(operand, true),
            SqlExpr::IsTrue(operand) => self.is_truth(operand, Some(true), false),
            SqlExpr::IsNotTrue(operand) => self.is_truth(operand, Some(true), true),
            SqlExpr::IsFalse(operand) => self.is_truth(operand, Some(false), false),
            SqlExpr::IsNotFalse(operand) => self.is_truth(operand, Some(false), true),
            SqlExpr::IsUnknown(operand) => self.is_truth(operand, None, false),
            SqlExpr::IsNotUnknown(operand) => self.is_truth(operand, None, true),
            SqlExpr::IsDistinctFrom(left, right) => self.is_distinct(left, right, false),
            SqlExpr::IsNotDistinctFrom(left, right) => self.is_distinct(left, right, true),
            SqlExpr::InList { expr, list, negated } => {
                let operand = self.boxed(expr)?;
                if list.len() > LIST_MAX {
                    let message =
                        format!("a list of {} values is beyond the limit of {LIST_MAX}", list.len());
                    return Err(SqlError::new(SqlState::ProgramLimitExceeded, message)
                        .with_hint("Ask for parts of it, one statement each.")
                        .at(operand.position));
                }
                let list = self.list(list)?;
                Ok(self.at(operand.position, ExprKind::InList { operand, list, negated }))
            }
            SqlExpr::Between { expr, negated, low, high } => {
                let operand = self.boxed(expr)?;
                let (low, high) = (self.boxed(low)?, self.boxed(high)?);
                Ok(self.at(operand.position, ExprKind::Between { operand, low, high, negated }))
            }
            SqlExpr::Like { negated, any: false, expr, pattern, escape_char } => {
                self.like((expr, pattern), escape_char, negated, false)
            }
            SqlExpr::Collate { expr, collation } if sorts_by_bytes(&collation) => self.expr(*expr),
            SqlExpr::ILike { negated, any: false, expr, pattern, escape_char } => {
                self.like((expr, pattern), escape_char, negated, true)
            }
            other => self.special(other),
        }
    }

    /// Where a location is, in characters.
    pub(super) fn position(&self, location: Location) -> u32 {
        self.source.positions.of(location)
    }

    /// Arrays, and functions that SQL gave a grammar of their own, which become ordinary calls.
    fn special(&self, expr: SqlExpr) -> Converted {
        let position = self.position(place::of_expr(&expr));
        match expr {
            SqlExpr::Array(array) => self.array(array, position),
            SqlExpr::CompoundFieldAccess { root, access_chain } => self.subscript(*root, access_chain),
            SqlExpr::AnyOp { left, compare_op, right, .. } => {
                self.quantified((*left, &compare_op, *right), false)
            }
            SqlExpr::AllOp { left, compare_op, right } => self.quantified((*left, &compare_op, *right), true),
            other => self.special_call(other, position),
        }
    }

    fn special_call(&self, expr: SqlExpr, position: u32) -> Converted {
        let (name, arguments) = match expr {
            SqlExpr::Extract { field, expr, .. } => {
                let unit = self.at(position, ExprKind::String(field.to_string().to_lowercase()));
                ("extract", vec![unit, self.expr(*expr)?])
            }
            SqlExpr::Ceil { expr, field } => ("ceil", self.scaled(*expr, &field, position)?),
            SqlExpr::Floor { expr, field } => ("floor", self.scaled(*expr, &field, position)?),
            SqlExpr::Position { expr, r#in } => ("position", vec![self.expr(*r#in)?, self.expr(*expr)?]),
            SqlExpr::Substring { expr, substring_from, substring_for, shorthand, .. } => {
                let one = self.at(position, ExprKind::Number("1".to_owned()));
                let mut arguments = vec![self.expr(*expr)?];
                arguments.push(substring_from.map_or(Ok(one), |from| self.expr(*from))?);
                if let Some(count) = substring_for {
                    arguments.push(self.expr(*count)?);
                }
                // Both spellings with commas are this expression too, and name the column as they are written.
                (if shorthand { "substr" } else { "substring" }, arguments)
            }
            SqlExpr::Trim { trim_where, trim_what, expr, trim_characters } => {
                let name = match trim_where {
                    None | Some(TrimWhereField::Both) => "btrim",
                    Some(TrimWhereField::Leading) => "ltrim",
                    Some(TrimWhereField::Trailing) => "rtrim",
                };
                let mut arguments = vec![self.expr(*expr)?];
                let what =
                    trim_what.map(|what| *what).into_iter().chain(trim_characters.into_iter().flatten());
                arguments.extend(self.list(what.collect())?);
                (name, arguments)
            }
            other => return Err(unsupported(&other).at(position)),
        };
        let name = Name { value: name.to_owned(), position };
        Ok(self.at(position, ExprKind::Call { name, arguments, star: false, distinct: false }))
    }

    /// `ceil(x)`; the grammar also reads `ceil(x TO day)`, which PostgreSQL lacks.
    fn scaled(&self, expr: SqlExpr, field: &CeilFloorKind, position: u32) -> Result<Vec<Expr>, SqlError> {
        match field {
            CeilFloorKind::DateTimeField(sqlparser::ast::DateTimeField::NoDateTime) => {
                Ok(vec![self.expr(expr)?])
            }
            _ => Err(SqlError::unsupported("ceil or floor to a unit").at(position)),
        }
    }

    fn at(&self, position: u32, kind: ExprKind) -> Expr {
        Expr { kind, position }
    }

    fn boxed(&self, expr: Box<SqlExpr>) -> Result<Box<Expr>, SqlError> {
        self.expr(*expr).map(Box::new)
    }

    /// All expressions of a list.
    ///
    /// # Errors
    /// As [`Convert::expr`].
    pub fn list(&self, list: Vec<SqlExpr>) -> Result<Vec<Expr>, SqlError> {
        list.into_iter().map(|expr| self.expr(expr)).collect()
    }

    /// A name, folded.
    ///
    /// # Errors
    /// 42601 for a word that is reserved.
    pub fn name(&self, ident: Ident) -> Result<Name, SqlError> {
        let position = self.source.positions.of(ident.span.start);
        refuse_literal(&ident, position)?;
        if ident.quote_style.is_some() {
            return Ok(Name { value: ident.value, position });
        }
        if is_reserved(&ident.value) {
            let message = format!("syntax error at or near \"{}\"", ident.value);
            return Err(SqlError::new(SqlState::SyntaxError, message).at(position));
        }
        Ok(Name { value: ident.value.to_lowercase(), position })
    }

    /// The parts of a dotted name.
    ///
    /// # Errors
    /// As [`Convert::name`].
    pub fn names(&self, name: ObjectName) -> Result<Vec<Name>, SqlError> {
        let part = |part: ObjectNamePart| match part {
            ObjectNamePart::Identifier(ident) => self.name(ident),
            ObjectNamePart::Function(_) => Err(SqlError::unsupported("a computed name")),
        };
        name.0.into_iter().map(part).collect()
    }

    /// A column by the parts of its name.
    pub(super) fn column(&self, names: Vec<Ident>) -> Converted {
        let position = names.first().map_or(0, |name| self.source.positions.of(name.span.start));
        if names.len() == 1
            && names
                .first()
                .is_some_and(|name| name.quote_style.is_none() && name.value.eq_ignore_ascii_case("default"))
        {
            return Ok(self.at(position, ExprKind::Default));
        }
        if let [name] = names.as_slice()
            && name.quote_style.is_none()
            && name.value.eq_ignore_ascii_case("current_schema")
        {
            // A function without parentheses, which the grammar takes for a name.
            let name = Name { value: "current_schema".to_owned(), position };
            let call = ExprKind::Call { name, arguments: Vec::new(), star: false, distinct: false };
            return Ok(self.at(position, call));
        }
        let mut parts = names.into_iter().map(|name| self.name(name)).collect::<Result<Vec<_>, _>>()?;
        if parts.len() > COLUMN_PARTS_MAX {
            return Err(super::names::too_many_parts(&parts));
        }
        let Some(column) = parts.pop() else {
            return Err(SqlError::unsupported("a column without a name").at(position));
        };
        if parts.is_empty() {
            return Ok(self.at(position, ExprKind::Column { qualifier: None, table: None, column }));
        }
        let (qualifier, table) = super::names::qualified(parts)?;
        Ok(self.at(position, ExprKind::Column { qualifier, table: Some(table), column }))
    }

    fn literal(&self, value: ValueWithSpan) -> Converted {
        let position = self.source.positions.of(value.span.start);
        let kind = match value.value {
            Value::Null => ExprKind::Null,
            Value::Boolean(value) => ExprKind::Bool(value),
            Value::Number(digits, _) => ExprKind::Number(digits),
            Value::SingleQuotedString(text)
            | Value::EscapedStringLiteral(text)
            | Value::UnicodeStringLiteral(text)
            | Value::NationalStringLiteral(text) => ExprKind::String(text),
            Value::DollarQuotedString(text) => ExprKind::String(text.value),
            Value::Placeholder(name) => {
                ExprKind::Parameter(parameter(&name).map_err(|error| error.at(position))?)
            }
            other => return Err(SqlError::unsupported(format!("literal {other}")).at(position)),
        };
        Ok(self.at(position, kind))
    }

    fn unary(&self, op: UnaryOperator, operand: SqlExpr) -> Converted {
        let operator = match op {
            UnaryOperator::Plus => ast::UnaryOperator::Plus,
            UnaryOperator::Minus => ast::UnaryOperator::Minus,
            UnaryOperator::Not => ast::UnaryOperator::Not,
            other => return Err(SqlError::unsupported(format!("operator {other}"))),
        };
        let operand = self.expr(operand)?;
        let position = operand.position;
        Ok(self.at(
            position,
            match (operator, operand.kind) {
                // A sign belongs to its literal, so that the smallest integers are of their own type.
                (ast::UnaryOperator::Minus, ExprKind::Number(digits)) => {
                    ExprKind::Number(match digits.strip_prefix('-') {
                        Some(unsigned) => unsigned.to_owned(),
                        None => format!("-{digits}"),
                    })
                }
                (operator, kind) => ExprKind::Unary(operator, Box::new(Expr { kind, position })),
            },
        ))
    }

    fn binary(&self, left: SqlExpr, op: &BinaryOperator, right: SqlExpr) -> Converted {
        let here = |error: SqlError| error.at(self.source.positions.of(place::of_expr(&left)));
        if let BinaryOperator::PGCustomBinaryOperator(parts) = op {
            let op = named_operator(parts).map_err(here)?;
            return self.binary(left, &op, right);
        }
        if let Some((is_like, negated, case_insensitive)) = pattern_operator(op) {
            let (operand, pattern) = (self.boxed(Box::new(left))?, self.boxed(Box::new(right))?);
            let position = operand.position;
            let kind = if is_like {
                ExprKind::Like { operand, pattern, negated, case_insensitive }
            } else {
                ExprKind::Regex { operand, pattern, negated, case_insensitive }
            };
            return Ok(self.at(position, kind));
        }
        let op = operator(op).map_err(here)?;
        // Comparisons do not follow each other in PostgreSQL's grammar.
        if let SqlExpr::BinaryOp { op: before, .. } = &left
            && is_comparison(op)
            && operator(before).is_ok_and(is_comparison)
        {
            let symbol = op.symbol();
            let message = format!("syntax error at or near \"{symbol}\"");
            return Err(SqlError::new(SqlState::SyntaxError, message));
        }
        if matches!(op, BinaryOp::And | BinaryOp::Or) {
            return self.chain(left, op, right);
        }
        let left = self.expr(left)?;
        let right = self.expr(right)?;
        Ok(self.at(left.position, ExprKind::Binary(op, Box::new(left), Box::new(right))))
    }

    /// A chain of the same AND or OR, as a balanced tree: its conditions keep their order, and the depth is the
    /// logarithm of their number.
    fn chain(&self, left: SqlExpr, op: BinaryOp, right: SqlExpr) -> Converted {
        let mut reversed = vec![self.expr(right)?];
        let mut rest = left;
        loop {
            match rest {
                SqlExpr::BinaryOp { left, op: inner, right }
                    if operator(&inner).is_ok_and(|inner| inner == op) =>
                {
                    reversed.push(self.expr(*right)?);
                    rest = *left;
                }
                first => {
                    reversed.push(self.expr(first)?);
                    break;
                }
            }
        }
        reversed.reverse();
        Ok(balanced(reversed, op))
    }

    fn cast(&self, operand: Box<Expr>, to: &sqlparser::ast::DataType) -> Converted {
        let data_type = data_type::convert(to).map_err(|error| error.at(operand.position))?;
        Ok(self.at(operand.position, ExprKind::Cast { operand, data_type }))
    }

    fn case(
        &self,
        position: u32,
        operand: Option<Box<SqlExpr>>,
        conditions: Vec<CaseWhen>,
        otherwise: Option<Box<SqlExpr>>,
    ) -> Converted {
        let operand = operand.map(|operand| self.boxed(operand)).transpose()?;
        let branch = |when: CaseWhen| Ok((self.expr(when.condition)?, self.expr(when.result)?));
        let branches = conditions.into_iter().map(branch).collect::<Result<_, SqlError>>()?;
        let otherwise = otherwise.map(|otherwise| self.boxed(otherwise)).transpose()?;
        Ok(self.at(position, ExprKind::Case { operand, branches, otherwise }))
    }

    fn is_null(&self, operand: Box<SqlExpr>, negated: bool) -> Converted {
        let operand = self.boxed(operand)?;
        Ok(self.at(operand.position, ExprKind::IsNull { operand, negated }))
    }

    fn is_truth(&self, operand: Box<SqlExpr>, value: Option<bool>, negated: bool) -> Converted {
        let operand = self.boxed(operand)?;
        Ok(self.at(operand.position, ExprKind::IsTruth { operand, value, negated }))
    }

    fn is_distinct(&self, left: Box<SqlExpr>, right: Box<SqlExpr>, negated: bool) -> Converted {
        let (left, right) = (self.boxed(left)?, self.boxed(right)?);
        Ok(self.at(left.position, ExprKind::IsDistinct { left, right, negated }))
    }

    fn like(
        &self,
        sides: (Box<SqlExpr>, Box<SqlExpr>),
        escape: Option<Box<SqlExpr>>,
        negated: bool,
        case_insensitive: bool,
    ) -> Converted {
        let (operand, pattern) = (self.boxed(sides.0)?, self.boxed(sides.1)?);
        if let Some(escape) = escape
            && self.expr(*escape)?.kind != ExprKind::String("\\".to_owned())
        {
            return Err(SqlError::unsupported("LIKE with another ESCAPE than \\").at(operand.position));
        }
        Ok(self.at(operand.position, ExprKind::Like { operand, pattern, negated, case_insensitive }))
    }

    fn call(&self, function: Function) -> Converted {
        let name = self.function_name(function.name)?;
        let position = name.position;
        let lacking = |what: &str| Err(SqlError::unsupported(what).at(position));
        if name.value == "row" {
            return lacking("a row value");
        }
        if function.over.is_some() {
            return lacking("a window function");
        }
        if function.filter.is_some() || !function.within_group.is_empty() || function.null_treatment.is_some()
        {
            return lacking("FILTER or WITHIN GROUP of an aggregate");
        }
        let list = match function.args {
            FunctionArguments::None => None,
            FunctionArguments::Subquery(_) => return lacking("a subquery"),
            FunctionArguments::List(list) if !list.clauses.is_empty() => {
                return lacking("ORDER BY in an aggregate");
            }
            FunctionArguments::List(list) => Some(list),
        };
        let (arguments, distinct) = match list {
            None => (Vec::new(), false),
            Some(list) => (list.args, list.duplicate_treatment == Some(DuplicateTreatment::Distinct)),
        };
        let star = matches!(arguments.as_slice(), [FunctionArg::Unnamed(FunctionArgExpr::Wildcard)]);
        let mut arguments = arguments;
        if matches!(name.value.as_str(), "nextval" | "currval" | "setval")
            && let Some(first) = arguments.first_mut()
        {
            sequence::without_regclass(first);
        }
        let arguments = if star { Vec::new() } else { self.arguments(arguments, position)? };
        Ok(self.at(position, ExprKind::Call { name, arguments, star, distinct }))
    }

    /// A function's name; the schema `pg_catalog` may stand before it.
    ///
    /// # Errors
    /// 0A000 for other schemas.
    pub(super) fn function_name(&self, name: ObjectName) -> Result<Name, SqlError> {
        let mut parts = self.function_names(name)?;
        match (parts.pop(), parts.pop(), parts.is_empty()) {
            (Some(name), None, true) => Ok(name),
            (Some(name), Some(schema), true) if schema.value == "pg_catalog" => Ok(name),
            (Some(name), ..) => {
                Err(SqlError::unsupported(format!("function {} of a schema", name.value)).at(name.position))
            }
            (None, ..) => Err(SqlError::unsupported("a function without a name")),
        }
    }

    /// The parts of a function's name; reserved words such as `current_date` are names here.
    fn function_names(&self, name: ObjectName) -> Result<Vec<Name>, SqlError> {
        let part = |part: ObjectNamePart| match part {
            ObjectNamePart::Identifier(ident) => {
                let position = self.source.positions.of(ident.span.start);
                let quoted = ident.quote_style.is_some();
                Ok(Name { value: if quoted { ident.value } else { ident.value.to_lowercase() }, position })
            }
            ObjectNamePart::Function(_) => Err(SqlError::unsupported("a computed name")),
        };
        name.0.into_iter().map(part).collect()
    }

    /// The arguments of a call.
    pub(super) fn arguments(
        &self,
        arguments: Vec<FunctionArg>,
        position: u32,
    ) -> Result<Vec<Expr>, SqlError> {
        let one = |argument| match argument {
            FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) => self.expr(expr),
            _ => Err(SqlError::unsupported("a named argument").at(position)),
        };
        arguments.into_iter().map(one).collect()
    }
}

/// The grammar takes a string literal for a name in some places; PostgreSQL in none.
///
/// # Errors
/// 42601.
pub fn refuse_literal(ident: &Ident, position: u32) -> Result<(), SqlError> {
    if ident.quote_style != Some('\'') {
        return Ok(());
    }
    let shown = ident.value.replace('\'', "''");
    Err(SqlError::new(SqlState::SyntaxError, format!("syntax error at or near \"'{shown}'\"")).at(position))
}

/// A tree over conditions with halves of about the same size.
fn balanced(mut conditions: Vec<Expr>, op: BinaryOp) -> Expr {
    let half = conditions.len() / 2;
    if half == 0 {
        // The caller has two conditions at least, so that a half is never empty.
        return conditions.pop().unwrap_or(Expr { kind: ExprKind::Null, position: 0 });
    }
    let right = balanced(conditions.split_off(half), op);
    let left = balanced(conditions, op);
    Expr { position: left.position, kind: ExprKind::Binary(op, Box::new(left), Box::new(right)) }
}

/// `$1` is 0.
fn parameter(name: &str) -> Result<usize, SqlError> {
    let number = name.strip_prefix('$').and_then(|digits| digits.parse::<usize>().ok());
    match number {
        Some(number @ 1..=PARAMETERS_MAX) => Ok(number - 1),
        Some(_) => Err(SqlError::new(SqlState::UndefinedParameter, format!("there is no parameter {name}"))),
        None => Err(SqlError::new(SqlState::SyntaxError, format!("syntax error at or near \"{name}\""))),
    }
}

/// The error of an expression that Quorate lacks, by a name that a user knows.
fn unsupported(expr: &SqlExpr) -> SqlError {
    SqlError::unsupported(match expr {
        SqlExpr::InSubquery { .. } | SqlExpr::Subquery(_) | SqlExpr::Exists { .. } => "a subquery",
        SqlExpr::Interval(_) => "INTERVAL",
        SqlExpr::Like { any: true, .. } | SqlExpr::ILike { any: true, .. } => "LIKE ANY",
        SqlExpr::Tuple(_) => "a row value",
        SqlExpr::SimilarTo { .. } => "SIMILAR TO",
        SqlExpr::AtTimeZone { .. } => "AT TIME ZONE",
        SqlExpr::Collate { .. } => "COLLATE",
        SqlExpr::GroupingSets(_) | SqlExpr::Cube(_) | SqlExpr::Rollup(_) => "GROUPING SETS",
        SqlExpr::Overlay { .. } => "overlay",
        _ => "this expression",
    })
}
