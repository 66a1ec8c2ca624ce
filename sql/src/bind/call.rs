//! Function calls: aggregates, values of the session, and scalar functions.

use super::Binder;
use super::aggregate::aggregate_named;
use super::array::{takes_any_array, undetermined};
use super::coerce::explicit_cast;
use super::expr::Place;
use crate::error::{SqlError, SqlState};
use crate::expr::{Expr, ScalarFunction};
use crate::functions::{is_lacking, resolve};
use crate::parser::ast;
use crate::parser::ast::ExprKind;
use crate::sequences::name::find_sequence;
use crate::types::{DataType, Datum, RegValue};

/// What `version()` says: clients read the number of PostgreSQL whose behaviour they may expect.
const VERSION: &str = concat!("PostgreSQL 15.0 (Quorate ", env!("CARGO_PKG_VERSION"), ")");

impl Binder<'_> {
    /// Binds a call.
    pub(super) fn call(&self, expr: &ast::Expr, place: &Place<'_>) -> Result<Expr, SqlError> {
        let ExprKind::Call { name, arguments, star, distinct } = &expr.kind else {
            return Err(SqlError::new(SqlState::InternalError, "a call was bound that is none"));
        };
        let position = expr.position;
        if let Some(function) = aggregate_named(&name.value, *star) {
            return self.aggregate(function, expr, place);
        }
        if *star || *distinct {
            let what = if *star { "(*)" } else { "DISTINCT" };
            let message = format!("{what} specified, but {} is not an aggregate function", name.value);
            return Err(SqlError::new(SqlState::UndefinedFunction, message).at(position));
        }
        if arguments.is_empty()
            && let Some(value) = self.session_value(&name.value)
        {
            return Ok(value);
        }
        let mut bound = Vec::with_capacity(arguments.len());
        for argument in arguments {
            bound.push((self.expr(argument, place)?, argument.position));
        }
        if matches!(name.value.as_str(), "nextval" | "currval" | "setval") {
            self.name_sequence(&mut bound)?;
        }
        self.scalar(&name.value, bound, position)
    }

    /// Puts the id of a sequence in place of its name, where that is a literal: what is stored of a default then does not
    /// depend on names.
    fn name_sequence(&self, arguments: &mut [(Expr, u32)]) -> Result<(), SqlError> {
        let Some((argument, position)) = arguments.first_mut() else { return Ok(()) };
        if let Expr::Literal(Datum::Text(text), DataType::Unknown) = argument {
            let found = find_sequence(self.catalog, text).map_err(|error| {
                let is_found = error.state == SqlState::WrongObjectType;
                if is_found { error } else { error.at(*position) }
            })?;
            let id = i64::try_from(found.id).unwrap_or(i64::MAX);
            *argument = Expr::Literal(Datum::Int(id), DataType::Int8);
        }
        Ok(())
    }

    /// Functions without arguments that the session or the clock answers.
    fn session_value(&self, name: &str) -> Option<Expr> {
        let text = |value: &str| Some(Expr::Literal(Datum::Text(value.to_owned()), DataType::TEXT));
        let now = Expr::Call {
            function: ScalarFunction::Now,
            arguments: Vec::new(),
            data_type: DataType::TimestampTz,
        };
        match name {
            "version" => text(VERSION),
            "pg_backend_pid" => {
                Some(Expr::Literal(Datum::Int(self.context.backend_pid.into()), DataType::Int4))
            }
            // All nodes take writes, and no session has an advisory lock: to take one is not offered.
            "pg_is_in_recovery" => Some(Expr::Literal(Datum::Bool(false), DataType::Bool)),
            "pg_advisory_unlock_all" => Some(Expr::Literal(Datum::Text(String::new()), DataType::Void)),
            "current_database" | "current_catalog" => text(self.context.database),
            "current_schema" => text("public"),
            "current_user" | "session_user" | "user" | "current_role" => text(self.context.user),
            "current_timestamp" => Some(now),
            "current_date" => Some(explicit_cast(now, DataType::Date)),
            "localtimestamp" => Some(explicit_cast(now, DataType::Timestamp)),
            _ => None,
        }
    }

    fn scalar(&self, name: &str, arguments: Vec<(Expr, u32)>, position: u32) -> Result<Expr, SqlError> {
        let types: Vec<DataType> = arguments.iter().map(|(argument, _)| argument.data_type()).collect();
        let undefined = || undefined_function(name, &types, position);
        if let Some(call) = self.array_function(name, &arguments, position)? {
            return Ok(call);
        }
        if let ("pg_typeof", [data_type]) = (name, types.as_slice()) {
            let data_type = data_type.base();
            let value = RegValue { oid: data_type.info().wire.oid, name: data_type.to_string() };
            return Ok(Expr::Literal(Datum::Reg(value), DataType::Regtype));
        }
        let arguments = match name {
            "nullif" if arguments.len() == 2 => {
                let mut sides = arguments.into_iter().map(|(argument, _)| argument);
                let (Some(value), Some(other)) = (sides.next(), sides.next()) else {
                    return Err(undefined());
                };
                return self.null_if((value, other), position);
            }
            "coalesce" | "greatest" | "least" if !arguments.is_empty() => {
                let function = ScalarFunction::from_name(name).ok_or_else(undefined)?;
                let (arguments, data_type) = self.to_common(arguments, &name.to_uppercase())?;
                return Ok(Expr::Call { function, arguments, data_type });
            }
            "concat" => {
                let settled =
                    arguments.into_iter().map(|(argument, at)| Ok((self.settle(argument, at)?, at)));
                settled.collect::<Result<_, SqlError>>()?
            }
            // Of any type: its text is quoted.
            "quote_literal" | "quote_nullable" => {
                arguments.into_iter().map(|(argument, at)| (to_text(argument), at)).collect()
            }
            _ => arguments,
        };
        let pattern = arguments.get(1).map(|(argument, _)| argument.data_type());
        if name == "substring" && pattern.is_some_and(|other| other.is_text() || other == DataType::Unknown) {
            return Err(SqlError::unsupported("substring by a pattern").at(position));
        }
        if is_lacking(name) {
            return Err(SqlError::unsupported(format!("function {name}")).at(position));
        }
        if types.first() == Some(&DataType::Unknown)
            && ScalarFunction::from_name(name).is_some_and(takes_any_array)
        {
            return Err(undetermined());
        }
        let known: Vec<DataType> = arguments.iter().map(|(argument, _)| argument.data_type()).collect();
        let signature = resolve(name, &known).ok_or_else(undefined)?;
        self.changes_session
            .set(self.changes_session.get() || signature.function == ScalarFunction::SetConfig);
        let mut cast = Vec::with_capacity(arguments.len());
        for ((argument, at), to) in arguments.into_iter().zip(signature.arguments) {
            cast.push(self.coerce(argument, to, at)?.ok_or_else(undefined)?);
        }
        Ok(Expr::Call { function: signature.function, arguments: cast, data_type: signature.result })
    }
}

/// A value of any type as text; what has no type yet becomes one.
fn to_text(argument: Expr) -> Expr {
    let data_type = argument.data_type();
    if data_type == DataType::Unknown || data_type.is_text() {
        return argument;
    }
    explicit_cast(argument, DataType::TEXT)
}

/// The error of a function that does not exist for these types.
pub fn undefined_function(name: &str, types: &[DataType], position: u32) -> SqlError {
    let types: Vec<String> = types.iter().map(|data_type| data_type.base().to_string()).collect();
    let message = format!("function {name}({}) does not exist", types.join(", "));
    SqlError::new(SqlState::UndefinedFunction, message)
        .with_hint(
            "No function matches the given name and argument types. You might need to add explicit type casts.",
        )
        .at(position)
}
