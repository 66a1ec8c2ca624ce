//! Expressions as text, near to how they would be written.

use crate::expr::in_list::InList;
use crate::expr::{Aggregate, AggregateFunction, BinaryOp, Expr, ScalarFunction, UnaryOp};
use crate::types::{DataType, Datum, text};

/// A constant: text and times in quotes.
pub fn literal_text(value: &Datum, data_type: DataType) -> String {
    if let Datum::Bool(value) = value {
        return value.to_string();
    }
    if let Datum::Array(elements) = value
        && let Some(shown) = elements.get(..CONSTANTS_SHOWN_MAX).and_then(<[Datum]>::first)
        && let Some(element) = data_type.element().filter(|_| elements.len() > CONSTANTS_SHOWN_MAX)
    {
        return format!("'{{{}, … {} elements}}'", literal_text(shown, element), elements.len());
    }
    let Some(shown) = text::to_text(value, &data_type) else { return "NULL".to_owned() };
    if matches!(value, Datum::Int(_) | Datum::Float(_) | Datum::Numeric(_)) {
        return shown;
    }
    format!("'{}'", shown.replace('\'', "''"))
}

/// An aggregate over a row with these column names.
pub fn aggregate_text(aggregate: &Aggregate, names: &[String]) -> String {
    let distinct = if aggregate.distinct { "DISTINCT " } else { "" };
    let argument = aggregate.argument.as_ref().map(|argument| expr_text(argument, names));
    let function = match aggregate.function {
        AggregateFunction::CountAll | AggregateFunction::Count => "count",
        AggregateFunction::Sum => "sum",
        AggregateFunction::Min => "min",
        AggregateFunction::Max => "max",
        AggregateFunction::Avg => "avg",
        AggregateFunction::ArrayAgg => "array_agg",
    };
    format!("{function}({distinct}{})", argument.as_deref().unwrap_or("*"))
}

/// An expression over a row with these column names.
pub fn expr_text(expr: &Expr, names: &[String]) -> String {
    let part = |expr: &Expr| nested(expr, names);
    match expr {
        Expr::Literal(value, data_type) => literal_text(value, *data_type),
        Expr::Column { index, .. } => names.get(*index).cloned().unwrap_or_else(|| format!("#{index}")),
        Expr::Parameter { index, .. } => format!("${}", index + 1),
        Expr::Unary(UnaryOp::Negate, operand) => format!("- {}", part(operand)),
        Expr::Unary(UnaryOp::Not, operand) => format!("NOT {}", part(operand)),
        // Chains of AND and OR are trees whose shape says nothing.
        Expr::Binary { op: op @ (BinaryOp::And | BinaryOp::Or), left, right, .. } => {
            format!("{} {} {}", chained(*op, left, names), op.symbol(), chained(*op, right, names))
        }
        Expr::Binary { op, left, right, .. } => format!("{} {} {}", part(left), op.symbol(), part(right)),
        Expr::IsNull { operand, negated } => {
            format!("{} IS {}NULL", part(operand), if *negated { "NOT " } else { "" })
        }
        Expr::InList { operand, list, negated } => {
            format!("{} {}IN ({})", part(operand), not(*negated), list_text(list, names))
        }
        Expr::Quantified { op, operand, array, all } => {
            let quantifier = if *all { "ALL" } else { "ANY" };
            format!("{} {} {quantifier} ({})", part(operand), op.symbol(), expr_text(array, names))
        }
        Expr::Like { operand, pattern, negated, case_insensitive } => {
            let like = if *case_insensitive { "ILIKE" } else { "LIKE" };
            format!("{} {}{like} {}", part(operand), not(*negated), part(pattern))
        }
        Expr::Case { branches, otherwise, .. } => case_text(branches, otherwise.as_deref(), names),
        Expr::Cast { operand, to, .. } => format!("{}::{to}", part(operand)),
        Expr::Call { function: ScalarFunction::ArrayOf, arguments, .. } => {
            format!("ARRAY[{}]", texts(arguments, names).join(", "))
        }
        Expr::Call { function: ScalarFunction::Subscript, arguments, .. } => {
            let mut parts = arguments.iter();
            let operand = parts.next().map(part).unwrap_or_default();
            format!("{operand}[{}]", parts.next().map(|index| expr_text(index, names)).unwrap_or_default())
        }
        Expr::Call { function, arguments, .. } => {
            format!("{}({})", function.name(), texts(arguments, names).join(", "))
        }
    }
}

fn chained(op: BinaryOp, expr: &Expr, names: &[String]) -> String {
    let same = matches!(expr, Expr::Binary { op: inner, .. } if *inner == op);
    if same || (op == BinaryOp::And && is_comparison(expr)) {
        expr_text(expr, names)
    } else {
        nested(expr, names)
    }
}

/// Whether AND binds weaker than all of the expression.
fn is_comparison(expr: &Expr) -> bool {
    !matches!(expr, Expr::Binary { op: BinaryOp::Or, .. } | Expr::Unary(UnaryOp::Not, _))
}

fn texts(exprs: &[Expr], names: &[String]) -> Vec<String> {
    exprs.iter().map(|expr| expr_text(expr, names)).collect()
}

/// Constants that are shown of a list: beyond it their number says enough.
const CONSTANTS_SHOWN_MAX: usize = 50;

fn list_text(list: &InList, names: &[String]) -> String {
    match list {
        InList::Each(list) => texts(list, names).join(", "),
        InList::Constants(constants) => {
            let all = constants.literals();
            let count = all.len();
            let mut shown: Vec<Expr> = all.take(CONSTANTS_SHOWN_MAX).collect();
            if count <= CONSTANTS_SHOWN_MAX {
                return texts(&shown, names).join(", ");
            }
            shown.truncate(1);
            format!("{}, … {count} values", texts(&shown, names).join(", "))
        }
    }
}

fn not(negated: bool) -> &'static str {
    if negated { "NOT " } else { "" }
}

/// A part of a larger expression, in parentheses where it has operators.
fn nested(expr: &Expr, names: &[String]) -> String {
    let text = expr_text(expr, names);
    match expr {
        Expr::Literal(..)
        | Expr::Column { .. }
        | Expr::Parameter { .. }
        | Expr::Call { .. }
        | Expr::Case { .. }
        | Expr::Cast { .. } => text,
        Expr::Unary(..)
        | Expr::Binary { .. }
        | Expr::IsNull { .. }
        | Expr::InList { .. }
        | Expr::Quantified { .. }
        | Expr::Like { .. } => format!("({text})"),
    }
}

fn case_text(branches: &[(Expr, Expr)], otherwise: Option<&Expr>, names: &[String]) -> String {
    let mut text = "CASE".to_owned();
    for (when, then) in branches {
        text.push_str(&format!(" WHEN {} THEN {}", expr_text(when, names), expr_text(then, names)));
    }
    if let Some(otherwise) = otherwise {
        text.push_str(&format!(" ELSE {}", expr_text(otherwise, names)));
    }
    text.push_str(" END");
    text
}
