//! Functions that ask or change something of the session.

use crate::error::{SqlError, SqlState};
use crate::expr::ScalarFunction;
use crate::expr::eval::{Arguments, EvalContext, SessionAccess, mistyped};
use crate::types::Datum;

/// Longest sleep that a number of seconds says, in microseconds: longer than any statement lasts.
const SLEEP_MAX_MICROS: f64 = 1e17;

/// Computes a function of values that are not NULL.
pub fn call(
    function: ScalarFunction,
    values: &[Datum],
    context: &EvalContext<'_>,
) -> Result<Datum, SqlError> {
    match (function, values) {
        (ScalarFunction::CurrentSetting, [Datum::Text(name)]) => {
            session(context)?.setting(name).map(Datum::Text)
        }
        (ScalarFunction::CurrentSetting, [Datum::Text(name), Datum::Bool(missing_ok)]) => {
            match session(context)?.setting(name) {
                Err(error) if *missing_ok && error.state == SqlState::UndefinedObject => Ok(Datum::Null),
                result => result.map(Datum::Text),
            }
        }
        (ScalarFunction::Sleep, [Datum::Float(seconds)]) => {
            session(context)?.sleep(micros(*seconds));
            Ok(Datum::Text(String::new()))
        }
        _ => Err(mistyped(function.name())),
    }
}

/// Whole microseconds; none for less than no time, and for what is no number.
fn micros(seconds: f64) -> u64 {
    let micros = (seconds * 1e6).clamp(0.0, SLEEP_MAX_MICROS);
    if micros.is_nan() { 0 } else { format!("{micros:.0}").parse().unwrap_or(0) }
}

/// `set_config(name, value, is_local)`: NULL sets the default, and is false.
pub fn set_config(arguments: &Arguments<'_>) -> Result<Datum, SqlError> {
    let (name, value, local) = (arguments.get(0)?, arguments.get(1)?, arguments.get(2)?);
    let Datum::Text(name) = name.as_ref() else {
        return Err(SqlError::new(SqlState::NullValueNotAllowed, "SET requires parameter name"));
    };
    let value = if let Datum::Text(value) = value.as_ref() { Some(value.as_str()) } else { None };
    let local = matches!(local.as_ref(), Datum::Bool(true));
    session(&arguments.context)?.set(name, value, local).map(Datum::Text)
}

fn session<'a>(context: &EvalContext<'a>) -> Result<&'a dyn SessionAccess, SqlError> {
    context.session.ok_or_else(|| {
        SqlError::unsupported("a function of the session where there is none, as in DEFAULT and COPY,")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_are_microseconds_within_bounds() {
        let cases = [(0.25, 250_000), (-1.0, 0), (f64::NAN, 0), (1e-7, 0), (1e300, 100_000_000_000_000_000)];
        for (seconds, whole) in cases {
            assert_eq!(micros(seconds), whole, "{seconds}");
        }
    }
}
