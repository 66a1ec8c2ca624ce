//! The parameter `options` of a startup message: words of a command line, as PostgreSQL's server takes them.
//!
//! Words stand between white space; a backslash takes the next character as it is. `-c name=value` and `--name=value` are
//! settings; PostgreSQL's other letters are for its own server, and are refused.

use quorate_sql::error::{SqlError, SqlState};

/// The settings, in their order.
///
/// # Errors
/// 42601 for words that are no setting.
pub fn parse(text: &str) -> Result<Vec<(String, String)>, SqlError> {
    let mut words = split(text).into_iter();
    let mut settings = Vec::new();
    while let Some(word) = words.next() {
        let (flag, assignment) = if let Some(rest) = word.strip_prefix("--") {
            ("--", rest.to_owned())
        } else if word == "-c" {
            ("-c ", words.next().unwrap_or_default())
        } else if let Some(rest) = word.strip_prefix("-c") {
            ("-c ", rest.to_owned())
        } else {
            return Err(invalid(&word));
        };
        if assignment.is_empty() {
            return Err(invalid(&word));
        }
        let Some((name, value)) = assignment.split_once('=') else {
            let message = format!("{flag}{assignment} requires a value");
            return Err(SqlError::new(SqlState::SyntaxError, message));
        };
        settings.push((name.replace('-', "_"), value.to_owned()));
    }
    Ok(settings)
}

fn split(text: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        match character {
            // White space of C.
            ' ' | '\t' | '\n' | '\r' | '\x0b' | '\x0c' => words.extend(word.take()),
            // One at the very end escapes nothing.
            '\\' => word.get_or_insert_default().extend(characters.next()),
            character => word.get_or_insert_default().push(character),
        }
    }
    words.extend(word);
    words
}

fn invalid(word: &str) -> SqlError {
    let message = format!("invalid command-line argument for server process: {word}");
    SqlError::new(SqlState::SyntaxError, message).with_hint("Write settings as \"-c name=value\".")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Vec<(String, String)> {
        parse(text).unwrap()
    }

    fn pair(name: &str, value: &str) -> (String, String) {
        (name.to_owned(), value.to_owned())
    }

    #[test]
    fn options_are_words_of_a_command_line() {
        assert_eq!(parsed(""), []);
        assert_eq!(parsed("  \t\n"), []);
        assert_eq!(parsed("-c statement_timeout=1234"), [pair("statement_timeout", "1234")]);
        assert_eq!(
            parsed(" -cgeqo=off  --statement-timeout=5s -c search_path=a,b "),
            [pair("geqo", "off"), pair("statement_timeout", "5s"), pair("search_path", "a,b")]
        );
        assert_eq!(parsed("-c a=b=c -c d="), [pair("a", "b=c"), pair("d", "")]);
    }

    #[test]
    fn options_escape_with_backslashes() {
        assert_eq!(parsed(r"-c application_name=a\ b\\c"), [pair("application_name", r"a b\c")]);
        assert_eq!(parsed(r"-c\ a=b"), [pair(" a", "b")]);
        assert_eq!(parsed(r"-c a=b\"), [pair("a", "b")]);
    }

    #[test]
    fn options_that_are_no_settings_are_refused() {
        for (text, reason) in [
            ("-c", "invalid command-line argument for server process: -c"),
            ("--", "invalid command-line argument for server process: --"),
            ("-x", "invalid command-line argument for server process: -x"),
            ("statement_timeout=1", "invalid command-line argument for server process: statement_timeout=1"),
            ("-c geqo", "-c geqo requires a value"),
            ("--geqo", "--geqo requires a value"),
        ] {
            let error = parse(text).unwrap_err();
            assert_eq!((error.state, error.message.as_str()), (SqlState::SyntaxError, reason), "{text}");
        }
    }
}
