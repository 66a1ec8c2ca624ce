//! Session variables: `SET`, `SHOW`, and what a client is told when they change.

use std::collections::BTreeMap;

use crate::error::{SqlError, SqlState};

/// What a variable may be set to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// Any text.
    Text,
    /// One of these, in any case.
    OneOf(&'static [&'static str]),
    /// A whole number within these bounds.
    Integer(i64, i64),
    /// Milliseconds, or a number with a unit: `500ms`, `2s`, `1min`.
    Duration,
    /// Not to be set.
    Fixed,
}

/// A variable that exists.
struct Definition {
    name: &'static str,
    default: &'static str,
    kind: Kind,
    /// The client is told its value at the start and at each change.
    is_reported: bool,
    description: &'static str,
}

const fn define(
    name: &'static str,
    default: &'static str,
    kind: Kind,
    is_reported: bool,
    description: &'static str,
) -> Definition {
    Definition { name, default, kind, is_reported, description }
}

/// Version that clients are told: PostgreSQL's whose dialect is spoken, then ours.
const SERVER_VERSION: &str = concat!("15.0 (Quorate ", env!("CARGO_PKG_VERSION"), ")");
const UTF8: &[&str] = &["UTF8", "UTF-8", "unicode"];
const UTC: &[&str] = &["UTC", "Etc/UTC", "GMT", "Z", "+00:00", "0"];
const SERIALIZABLE: &[&str] = &["serializable", "repeatable read", "read committed", "read uncommitted"];
const ON: &[&str] = &["on", "true", "1", "yes"];

/// All variables, by name.
const DEFINITIONS: &[Definition] = &[
    define("application_name", "", Kind::Text, true, "Name of the client's program."),
    define("bytea_output", "hex", Kind::OneOf(&["hex"]), false, "How bytes are shown."),
    define("client_encoding", "UTF8", Kind::OneOf(UTF8), true, "Encoding of the client's text; only UTF8."),
    define(
        "client_min_messages",
        "notice",
        Kind::Text,
        false,
        "Least severity of messages; taken and ignored.",
    ),
    define(
        "DateStyle",
        "ISO, MDY",
        Kind::OneOf(&["ISO, MDY", "ISO", "ISO,MDY"]),
        true,
        "How dates are shown; only ISO.",
    ),
    define(
        "default_transaction_isolation",
        "serializable",
        Kind::OneOf(SERIALIZABLE),
        false,
        "Always serializable.",
    ),
    define(
        "extra_float_digits",
        "1",
        Kind::Integer(-15, 3),
        false,
        "Taken and ignored: doubles are shown exactly.",
    ),
    define("idle_in_transaction_session_timeout", "0", Kind::Duration, false, "Taken and ignored."),
    define("integer_datetimes", "on", Kind::Fixed, true, "Timestamps are whole microseconds."),
    define("IntervalStyle", "postgres", Kind::OneOf(&["postgres"]), true, "How intervals are shown."),
    define("is_superuser", "on", Kind::Fixed, true, "There are no roles yet."),
    define("lock_timeout", "0", Kind::Duration, false, "Taken and ignored: nothing waits for locks."),
    define("max_identifier_length", "63", Kind::Fixed, false, "Longest name in bytes."),
    define("search_path", "\"$user\", public", Kind::Text, false, "Taken and ignored: there is one schema."),
    define("server_encoding", "UTF8", Kind::Fixed, true, "Encoding of stored text."),
    define("server_version", SERVER_VERSION, Kind::Fixed, true, "The PostgreSQL whose dialect is spoken."),
    define("server_version_num", "150000", Kind::Fixed, false, "The same as a number."),
    define("session_authorization", "", Kind::Fixed, true, "The user."),
    define("standard_conforming_strings", "on", Kind::OneOf(ON), true, "Backslashes in strings are plain."),
    define(
        STATEMENT_TIMEOUT,
        "0",
        Kind::Duration,
        false,
        "Time after which a statement is cancelled; 0 for never.",
    ),
    define("TimeZone", "UTC", Kind::OneOf(UTC), true, "Zone in which timestamps are shown; only UTC."),
    define("transaction_isolation", "serializable", Kind::OneOf(SERIALIZABLE), false, "Always serializable."),
    define("transaction_read_only", "off", Kind::Fixed, false, "Whether the transaction may not write."),
];

/// Looked at for each statement; its default is none.
const STATEMENT_TIMEOUT: &str = "statement_timeout";

/// Values by the names of their definitions.
type Values = BTreeMap<&'static str, String>;

/// A session's variables.
#[derive(Clone, Debug, Default)]
pub struct Variables {
    /// Values that differ from the defaults.
    values: Values,
    /// Defaults of this session that came with its start.
    session_defaults: Values,
    /// Values before `SET LOCAL`, to come back at the transaction's end; `None` for the default.
    before_local: BTreeMap<&'static str, Option<String>>,
    /// All values as the transaction began, to come back when it is rolled back.
    before_transaction: Option<Values>,
    changed: Vec<(String, String)>,
}

impl Variables {
    /// Variables of a new session.
    pub fn new(user: &str, application_name: &str) -> Self {
        let defaults = [("session_authorization", user), ("application_name", application_name)];
        let session_defaults = defaults.map(|(name, value)| (name, value.to_owned())).into();
        Self { session_defaults, ..Self::default() }
    }

    /// A variable's value.
    ///
    /// # Errors
    /// 42704 where there is none of this name.
    pub fn get(&self, name: &str) -> Result<String, SqlError> {
        definition(name).map(|definition| self.value_of(definition).to_owned())
    }

    /// Sets a variable, until the session's or (`local`) the transaction's end; `None` sets its default.
    ///
    /// # Errors
    /// 42704 for an unknown name, 22023 for a value that it cannot have.
    pub fn set(&mut self, name: &str, value: Option<&str>, local: bool) -> Result<(), SqlError> {
        let definition = definition(name)?;
        let value = value.map(|value| definition.check(value)).transpose()?;
        let before = self.value_of(definition).to_owned();
        let old = match value {
            Some(value) => self.values.insert(definition.name, value),
            None => self.values.remove(definition.name),
        };
        if local {
            self.before_local.entry(definition.name).or_insert(old);
        }
        self.note_change(definition, &before);
        Ok(())
    }

    /// Sets all defaults.
    pub fn reset(&mut self) {
        self.replace(BTreeMap::new());
    }

    /// Notes that a transaction begins.
    pub fn begin(&mut self) {
        self.before_transaction = Some(self.values.clone());
    }

    /// Notes that the transaction has ended: `SET LOCAL` ends, and all of SET where it was rolled back.
    pub fn end(&mut self, is_committed: bool) {
        let before = self.before_transaction.take();
        let mut values = match before {
            Some(before) if !is_committed => before,
            Some(_) | None => self.values.clone(),
        };
        for (name, value) in std::mem::take(&mut self.before_local) {
            match value {
                Some(value) => values.insert(name, value),
                None => values.remove(name),
            };
        }
        self.replace(values);
    }

    /// Name, value and description of all.
    pub fn all(&self) -> Vec<(&'static str, String, &'static str)> {
        DEFINITIONS
            .iter()
            .map(|definition| (definition.name, self.value_of(definition).to_owned(), definition.description))
            .collect()
    }

    /// Those that a client is told of.
    pub fn reported(&self) -> Vec<(String, String)> {
        let reported = DEFINITIONS.iter().filter(|definition| definition.is_reported);
        reported
            .map(|definition| (definition.name.to_owned(), self.value_of(definition).to_owned()))
            .collect()
    }

    /// Those of [`Variables::reported`] that changed since the last call.
    pub fn take_changed(&mut self) -> Vec<(String, String)> {
        std::mem::take(&mut self.changed)
    }

    /// `statement_timeout` in microseconds, where there is one.
    pub fn statement_timeout_micros(&self) -> Option<u64> {
        let millis = self.values.get(STATEMENT_TIMEOUT).and_then(|value| millis_of(value))?;
        (millis > 0).then(|| millis.saturating_mul(1_000))
    }

    fn replace(&mut self, values: Values) {
        if values == self.values {
            return;
        }
        let before: Vec<String> =
            DEFINITIONS.iter().map(|definition| self.value_of(definition).to_owned()).collect();
        self.values = values;
        for (definition, before) in DEFINITIONS.iter().zip(before) {
            self.note_change(definition, &before);
        }
    }

    fn note_change(&mut self, definition: &Definition, before: &str) {
        let value = self.value_of(definition);
        if definition.is_reported && value != before {
            self.changed.push((definition.name.to_owned(), value.to_owned()));
        }
    }

    fn value_of(&self, definition: &Definition) -> &str {
        let value = self.values.get(definition.name).or_else(|| self.session_defaults.get(definition.name));
        value.map_or(definition.default, String::as_str)
    }
}

fn definition(name: &str) -> Result<&'static Definition, SqlError> {
    DEFINITIONS.iter().find(|definition| definition.name.eq_ignore_ascii_case(name)).ok_or_else(|| {
        SqlError::new(SqlState::UndefinedObject, format!("unrecognized configuration parameter \"{name}\""))
            .with_hint(
                "SHOW ALL lists the parameters of a session, SHOW CLUSTER SETTINGS those of the cluster.",
            )
    })
}

impl Definition {
    /// The value as it is kept.
    fn check(&self, value: &str) -> Result<String, SqlError> {
        let invalid = || {
            let message = format!("invalid value for parameter \"{}\": \"{value}\"", self.name);
            let error = SqlError::new(SqlState::InvalidParameterValue, message);
            match self.kind {
                Kind::OneOf(values) => error.with_hint(format!("Quorate offers {}.", values.join(", "))),
                Kind::Integer(least, greatest) => {
                    error.with_hint(format!("It is a number from {least} to {greatest}."))
                }
                Kind::Duration => error.with_hint("Write milliseconds, or a number with ms, s, min, h."),
                Kind::Text | Kind::Fixed => error,
            }
        };
        match self.kind {
            Kind::Text => Ok(value.to_owned()),
            // All spellings that are taken mean the same, the default.
            Kind::OneOf(values) if values.iter().any(|one| one.eq_ignore_ascii_case(value)) => {
                Ok(self.default.to_owned())
            }
            Kind::OneOf(_) => Err(invalid()),
            Kind::Integer(least, greatest) => match value.trim().parse::<i64>() {
                Ok(number) if (least..=greatest).contains(&number) => Ok(number.to_string()),
                Ok(_) | Err(_) => Err(invalid()),
            },
            Kind::Duration => millis_of(value).map(shown_duration).ok_or_else(invalid),
            Kind::Fixed => {
                let message = format!("parameter \"{}\" cannot be changed", self.name);
                Err(SqlError::new(SqlState::InvalidParameterValue, message))
            }
        }
    }
}

fn millis_of(value: &str) -> Option<u64> {
    let value = value.trim();
    let digits = value.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let factor = match value.get(digits.len()..)? {
        "" | "ms" => 1,
        "s" => 1_000,
        "min" => 60_000,
        "h" => 3_600_000,
        _ => return None,
    };
    digits.trim().parse::<u64>().ok()?.checked_mul(factor)
}

/// As PostgreSQL shows it: the largest unit that divides it.
fn shown_duration(millis: u64) -> String {
    match millis {
        0 => "0".to_owned(),
        millis if millis % 3_600_000 == 0 => format!("{}h", millis / 3_600_000),
        millis if millis % 60_000 == 0 => format!("{}min", millis / 60_000),
        millis if millis % 1_000 == 0 => format!("{}s", millis / 1_000),
        millis => format!("{millis}ms"),
    }
}
