//! What expressions ask of the catalog: names and numbers of its objects. Planning and the executor have it at hand; ranges
//! have not, and get no expression that asks.

use std::fmt::Debug;

use super::eval::EvalContext;
use crate::error::{SqlError, SqlState};
use crate::functions::quoting::ident;
use crate::types::info::TypeInfo;
use crate::types::{DataType, Datum, RegValue};

/// A relation's name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RelationName {
    /// Its schema.
    pub schema: &'static str,
    /// Its own name.
    pub name: String,
    /// Whether the name alone finds it.
    pub is_visible: bool,
}

/// Objects of the catalog by their numbers and names.
pub trait Objects: Debug + Sync {
    /// The relation of this name, perhaps in a schema.
    fn relation(&self, schema: Option<&str>, name: &str) -> Option<u32>;

    /// Name of the relation with this number.
    fn relation_name(&self, oid: u32) -> Option<RelationName>;

    /// The function of this name, of those that types have.
    fn function(&self, name: &str) -> Option<u32>;

    /// Name of the function with this number.
    fn function_name(&self, oid: u32) -> Option<String>;

    /// The schema of this name.
    fn schema(&self, name: &str) -> Option<u32>;

    /// Name of the schema with this number.
    fn schema_name(&self, oid: u32) -> Option<&'static str>;

    /// Name of the role with this number.
    fn role_name(&self, oid: u32) -> Option<String>;

    /// The statement that would make the index with this number.
    fn index_definition(&self, oid: u32) -> Option<String>;

    /// The column of this number, from 1, of the index with this number.
    fn index_column(&self, oid: u32, number: usize) -> Option<String>;

    /// The clause that would make the constraint with this number.
    fn constraint_definition(&self, oid: u32) -> Option<String>;
}

/// The catalog of a context.
///
/// # Errors
/// XX000 where there is none at hand: what is computed so early stays as it is.
pub fn objects<'a>(context: &EvalContext<'a>) -> Result<&'a dyn Objects, SqlError> {
    context.objects.ok_or_else(|| SqlError::new(SqlState::InternalError, "the catalog is not at hand here"))
}

/// Casts a number, a name or another such value to a type of numbers with names.
///
/// # Errors
/// 42P01, 42704 and the like for a name that there is not, 42602 for one that is none.
pub fn cast_to_reg(value: Datum, to: DataType, context: &EvalContext<'_>) -> Result<Datum, SqlError> {
    let objects = objects(context)?;
    let oid = if let Datum::Text(text) | Datum::Char(text) = &value {
        oid_of_text(text, to, objects)?
    } else if let Datum::Reg(value) = &value {
        value.oid
    } else if let Datum::Int(oid) = value {
        u32::try_from(oid.rem_euclid(1 << 32)).unwrap_or_default()
    } else if value.is_null() {
        return Ok(Datum::Null);
    } else {
        return Err(SqlError::new(SqlState::CannotCoerce, format!("cannot cast this value to {to}")));
    };
    let name = if oid == 0 { None } else { name_of(oid, to, objects) };
    Ok(Datum::Reg(match name {
        Some(name) => RegValue { oid, name },
        None => RegValue::nameless(oid),
    }))
}

fn oid_of_text(text: &str, to: DataType, objects: &dyn Objects) -> Result<u32, SqlError> {
    if text == "-" {
        return Ok(0);
    }
    if let Ok(oid) = text.parse() {
        return Ok(oid);
    }
    let missing = |state, what: &str| SqlError::new(state, format!("{what} \"{text}\" does not exist"));
    if to == DataType::Regtype {
        return type_named(text).ok_or_else(|| missing(SqlState::UndefinedObject, "type"));
    }
    let parts = name_parts(text)?;
    let (name, schema) = match parts.as_slice() {
        [name] => (name, None),
        [schema, name] | [_, schema, name] => (name, Some(schema.as_str())),
        _ => {
            let message = format!("improper relation name (too many dotted names): {}", parts.join("."));
            return Err(SqlError::new(SqlState::SyntaxError, message));
        }
    };
    if to == DataType::Regclass {
        objects.relation(schema, name).ok_or_else(|| missing(SqlState::UndefinedTable, "relation"))
    } else if to == DataType::Regnamespace {
        objects.schema(name).ok_or_else(|| missing(SqlState::InvalidSchemaName, "schema"))
    } else {
        objects.function(name).ok_or_else(|| missing(SqlState::UndefinedFunction, "function"))
    }
}

/// The number of a type by any of its names.
pub fn type_named(text: &str) -> Option<u32> {
    let text = text.trim();
    let name = text.strip_prefix("pg_catalog.").unwrap_or(text).trim_matches('"');
    // TypeORM writes the schema in quotes.
    let name = name.strip_prefix("pg_catalog\".\"").unwrap_or(name);
    let by_name = TypeInfo::by_catalog_name(name).or_else(|| TypeInfo::by_sql_name(name));
    by_name.or_else(|| TypeInfo::by_name(name)).map(|info| info.wire.oid)
}

fn name_of(oid: u32, to: DataType, objects: &dyn Objects) -> Option<String> {
    if to == DataType::Regclass {
        let relation = objects.relation_name(oid)?;
        let name = ident(&relation.name);
        return Some(if relation.is_visible { name } else { format!("{}.{name}", relation.schema) });
    }
    if to == DataType::Regtype {
        return TypeInfo::by_oid(oid).map(|info| info.name.to_owned());
    }
    if to == DataType::Regnamespace {
        return objects.schema_name(oid).map(ident);
    }
    objects.function_name(oid)
}

/// The parts of a dotted name as it is written: folded where they stand without quotes.
///
/// # Errors
/// 42602 for what is no name.
fn name_parts(text: &str) -> Result<Vec<String>, SqlError> {
    let invalid = || SqlError::new(SqlState::InvalidName, "invalid name syntax");
    let mut parts = Vec::new();
    let mut rest = text.trim();
    loop {
        let after = if let Some(quoted) = rest.strip_prefix('"') {
            let (part, after) = quoted_part(quoted).ok_or_else(invalid)?;
            parts.push(part);
            after
        } else {
            let end = rest.find(['.', '"']).unwrap_or(rest.len());
            let (part, after) = rest.split_at_checked(end).ok_or_else(invalid)?;
            parts.push(part.trim().to_lowercase());
            after
        };
        if parts.last().is_none_or(String::is_empty) {
            return Err(invalid());
        }
        match after.trim_start().strip_prefix('.') {
            Some(next) => rest = next.trim_start(),
            None if after.trim().is_empty() => return Ok(parts),
            None => return Err(invalid()),
        }
    }
}

/// A part up to its closing quote, and what follows; two quotes are one.
fn quoted_part(text: &str) -> Option<(String, &str)> {
    let mut part = String::new();
    let mut rest = text;
    loop {
        let (before, after) = rest.split_once('"')?;
        part.push_str(before);
        match after.strip_prefix('"') {
            Some(more) => {
                part.push('"');
                rest = more;
            }
            None => return Some((part, after)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_as_they_are_written() {
        let parts = |text: &str| name_parts(text).map_err(|error| error.state.code().to_owned());
        assert_eq!(parts("T"), Ok(vec!["t".to_owned()]));
        assert_eq!(parts(" public . \"T.\"\"x\" "), Ok(vec!["public".to_owned(), "T.\"x".to_owned()]));
        for wrong in ["", "a.", ".a", "\"a", "a b\"", "\"a\"b"] {
            assert_eq!(parts(wrong), Err("42602".to_owned()), "{wrong}");
        }
    }

    #[test]
    fn quoted_names_are_read_again() {
        for name in ["t", "T", "a b", "select", "x\"y", "1a", "_a1", "é"] {
            assert_eq!(name_parts(&ident(name)).unwrap(), [name], "{name}");
        }
    }
}
