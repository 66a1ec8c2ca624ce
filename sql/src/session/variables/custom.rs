//! Variables of the application's own, as `app.tenant`: any text under two or more names with dots between.

use super::values::TEXT_MAX_BYTES;
use crate::error::{SqlError, SqlState};
use crate::limits::NAME_MAX_BYTES;

/// Fails for what is no name of such a variable.
///
/// # Errors
/// 42602.
pub fn check_name(name: &str) -> Result<(), SqlError> {
    if name.contains('.') && name.len() <= 2 * NAME_MAX_BYTES && name.split('.').all(is_identifier) {
        return Ok(());
    }
    let message = format!("invalid configuration parameter name \"{name}\"");
    Err(SqlError::new(SqlState::InvalidName, message)
        .with_detail("Custom parameter names must be two or more simple identifiers separated by dots."))
}

fn is_identifier(part: &str) -> bool {
    let mut characters = part.chars();
    let begins = |c: char| c.is_ascii_alphabetic() || c == '_' || !c.is_ascii();
    let goes_on = |c: char| begins(c) || c.is_ascii_digit() || c == '$';
    characters.next().is_some_and(begins) && characters.all(goes_on)
}

/// The value as it is kept.
///
/// # Errors
/// 22023 for one that is too long.
pub fn check_value(value: &str) -> Result<String, SqlError> {
    if value.len() <= TEXT_MAX_BYTES {
        return Ok(value.to_owned());
    }
    let message = format!("a parameter's value has at most {TEXT_MAX_BYTES} bytes");
    Err(SqlError::new(SqlState::InvalidParameterValue, message))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_identifiers_with_dots_between() {
        for name in ["app.tenant", "a.b.c", "_x.y$1", "ä.ö"] {
            assert!(check_name(name).is_ok(), "{name}");
        }
        for name in ["app", "app.", ".x", "a..b", "a.2x", "a.b c", "a.b-c"] {
            assert_eq!(check_name(name).unwrap_err().state, SqlState::InvalidName, "{name}");
        }
    }
}
