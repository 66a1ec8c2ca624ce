//! Variables as `pg_settings` lists them: values in their units, and where they come from.

use super::Variables;
use super::definitions::{DEFINITIONS, Definition};
use super::values::{Kind, base_quantity};

/// A variable as `pg_settings` shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Setting {
    /// Its name.
    pub name: &'static str,
    /// Its value, of a quantity the number alone.
    pub value: String,
    /// What the number counts.
    pub unit: Option<&'static str>,
    /// What it is.
    pub description: &'static str,
    /// `user` for what may be set, else `internal`.
    pub context: &'static str,
    /// `bool`, `enum`, `integer` or `string`.
    pub form: &'static str,
    /// `default`, `client` for what was asked for at connect, or `session`.
    pub source: &'static str,
    /// Least and greatest number.
    pub bounds: Option<(i64, i64)>,
    /// What it may be set to, where these are names.
    pub choices: Option<&'static [&'static str]>,
    /// The value that it has by itself.
    pub default: String,
    /// The value that RESET sets.
    pub reset: String,
}

impl Variables {
    /// All of them.
    pub fn settings(&self) -> Vec<Setting> {
        DEFINITIONS.iter().map(|definition| self.setting(definition)).collect()
    }

    fn setting(&self, definition: &Definition) -> Setting {
        let (form, bounds, choices) = match definition.kind {
            Kind::Bool | Kind::On => ("bool", None, None),
            Kind::OneOf(names) | Kind::Only(names) => ("enum", None, Some(names)),
            Kind::Integer(least, greatest) => ("integer", Some((least, greatest)), None),
            Kind::Quantity(_) => ("integer", Some((0, i64::from(i32::MAX))), None),
            Kind::Fixed if matches!(definition.default, "on" | "off") => ("bool", None, None),
            Kind::Fixed if definition.default.parse::<i64>().is_ok() => ("integer", None, None),
            Kind::Text | Kind::ClientName | Kind::Encoding | Kind::DateStyle | Kind::Zone | Kind::Fixed => {
                ("string", None, None)
            }
        };
        let asked = self.session_defaults.get(definition.name).map(String::as_str);
        let source = if self.values.contains_key(definition.name) {
            "session"
        } else if asked.is_some() {
            "client"
        } else {
            "default"
        };
        let number = |value: &str| match definition.kind.unit() {
            Some(_) => base_quantity(value, definition.kind).unwrap_or_else(|| value.to_owned()),
            None => value.to_owned(),
        };
        Setting {
            name: definition.name,
            value: number(self.value_of(definition)),
            unit: definition.kind.unit(),
            description: definition.description,
            context: if definition.kind == Kind::Fixed { "internal" } else { "user" },
            form,
            source,
            bounds,
            choices,
            default: number(definition.default),
            reset: number(asked.unwrap_or(definition.default)),
        }
    }
}
