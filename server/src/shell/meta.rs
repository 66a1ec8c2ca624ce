//! Commands that begin with a backslash, as text and as what they ask for.

/// What a command asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Meta {
    /// `\q`.
    Quit,
    /// `\?`.
    Help,
    /// `\d NAME`: the columns and keys of a relation.
    Describe(String),
    /// `\d`, `\dt`, …: relations of some kinds, perhaps those of a pattern.
    List(Listed, Option<String>),
    /// `\copy`, with what follows it.
    Copy(String),
    /// `\echo TEXT`.
    Echo(String),
    /// `\i FILE`.
    Include(String),
    /// `\set`, with the variable and its value.
    Set(Option<(String, String)>),
    /// `\timing`; `None` turns it over.
    Timing(Option<bool>),
    /// `\x`; `None` turns it over.
    Expanded(Option<bool>),
    /// What the shell does not know.
    Unknown(String),
    /// A known command with something that it does not take.
    Misused(&'static str),
}

/// What a list is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Listed {
    /// Tables, views and sequences.
    Relations,
    /// Tables.
    Tables,
    /// Views.
    Views,
    /// Indexes.
    Indexes,
    /// Sequences.
    Sequences,
    /// Databases.
    Databases,
    /// Schemas.
    Schemas,
    /// Roles.
    Roles,
}

/// Reads a command, without its backslash.
pub fn parse(command: &str) -> Meta {
    let command = command.trim();
    let (word, rest) = command.split_once(char::is_whitespace).unwrap_or((command, ""));
    let (word, rest) = (word.trim_end_matches(';'), rest.trim());
    let argument = rest.trim_end_matches(';').trim_end();
    let pattern = || (!argument.is_empty()).then(|| argument.to_owned());
    match word.trim_end_matches('+') {
        "q" | "quit" => Meta::Quit,
        "?" | "h" | "help" => Meta::Help,
        "d" if !argument.is_empty() && !is_pattern(argument) => Meta::Describe(argument.to_owned()),
        "d" => Meta::List(Listed::Relations, pattern()),
        "dt" => Meta::List(Listed::Tables, pattern()),
        "dv" => Meta::List(Listed::Views, pattern()),
        "di" => Meta::List(Listed::Indexes, pattern()),
        "ds" => Meta::List(Listed::Sequences, pattern()),
        "dn" => Meta::List(Listed::Schemas, pattern()),
        "du" | "dg" => Meta::List(Listed::Roles, pattern()),
        "l" | "list" => Meta::List(Listed::Databases, pattern()),
        "copy" => Meta::Copy(rest.to_owned()),
        "echo" => Meta::Echo(unquoted(rest)),
        "i" | "include" if !argument.is_empty() => Meta::Include(unquoted(argument)),
        "i" | "include" => Meta::Misused("\\i FILE"),
        "set" => set(argument),
        "timing" => switch(argument).map_or(Meta::Misused("\\timing [on|off]"), Meta::Timing),
        "x" => switch(argument).map_or(Meta::Misused("\\x [on|off]"), Meta::Expanded),
        _ => Meta::Unknown(word.to_owned()),
    }
}

/// Whether a name stands for several.
pub fn is_pattern(name: &str) -> bool {
    !name.contains('"') && name.contains(['*', '?'])
}

/// `NAME VALUE`; a variable alone is turned on, as in psql.
fn set(argument: &str) -> Meta {
    let (name, value) = argument.split_once([' ', '=', '\t']).unwrap_or((argument, "on"));
    Meta::Set((!name.is_empty()).then(|| (name.to_owned(), unquoted(value.trim()))))
}

/// On or off; nothing turns over; `None` for other words.
pub fn switch(word: &str) -> Option<Option<bool>> {
    match word.to_ascii_lowercase().as_str() {
        "" => Some(None),
        "on" | "true" | "yes" | "1" => Some(Some(true)),
        "off" | "false" | "no" | "0" => Some(Some(false)),
        _ => None,
    }
}

/// Text without the quotes around it.
fn unquoted(text: &str) -> String {
    match text.strip_prefix('\'').and_then(|text| text.strip_suffix('\'')) {
        Some(inner) => inner.replace("''", "'"),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_read_with_what_follows_them() {
        for (text, meta) in [
            ("q", Meta::Quit),
            ("d", Meta::List(Listed::Relations, None)),
            ("d t;", Meta::Describe("t".to_owned())),
            ("d+ \"A b\"", Meta::Describe("\"A b\"".to_owned())),
            ("d t*", Meta::List(Listed::Relations, Some("t*".to_owned()))),
            ("dt", Meta::List(Listed::Tables, None)),
            ("l", Meta::List(Listed::Databases, None)),
            ("echo 'it''s' ", Meta::Echo("it's".to_owned())),
            ("i a.sql", Meta::Include("a.sql".to_owned())),
            ("i", Meta::Misused("\\i FILE")),
            ("set ON_ERROR_STOP", Meta::Set(Some(("ON_ERROR_STOP".to_owned(), "on".to_owned())))),
            ("set ON_ERROR_STOP off", Meta::Set(Some(("ON_ERROR_STOP".to_owned(), "off".to_owned())))),
            ("timing", Meta::Timing(None)),
            ("x on", Meta::Expanded(Some(true))),
            ("x perhaps", Meta::Misused("\\x [on|off]")),
            ("gx", Meta::Unknown("gx".to_owned())),
        ] {
            assert_eq!(parse(text), meta, "{text}");
        }
    }
}
