//! Where tokens stand: sqlparser counts lines and columns, PostgreSQL's clients want characters from the text's start.

use sqlparser::tokenizer::{Location, Span};

/// Start of each line of a text.
pub struct Positions {
    /// Of each line: the characters and the bytes before it.
    lines: Vec<(usize, usize)>,
    /// Characters of the whole text.
    characters: usize,
}

impl Positions {
    /// Of this text.
    pub fn new(text: &str) -> Self {
        let mut lines = vec![(0, 0)];
        let mut characters = 0;
        for (byte, character) in text.char_indices() {
            characters += 1;
            if character == '\n' {
                lines.push((characters, byte + 1));
            }
        }
        Self { lines, characters }
    }

    /// The position in characters from 1; 0 for a location that is not known.
    pub fn of(&self, location: Location) -> u32 {
        self.character(location).map_or(0, |character| u32::try_from(character + 1).unwrap_or(u32::MAX))
    }

    /// Just behind the text.
    pub fn end(&self) -> u32 {
        u32::try_from(self.characters + 1).unwrap_or(u32::MAX)
    }

    /// Characters before a location.
    fn character(&self, location: Location) -> Option<usize> {
        let line = usize::try_from(location.line.checked_sub(1)?).ok()?;
        let column = usize::try_from(location.column.checked_sub(1)?).ok()?;
        Some(self.lines.get(line)?.0 + column)
    }

    /// The text of a span, cut at the end of its first line.
    pub fn slice(&self, text: &str, span: Span) -> String {
        let found = || {
            let line = usize::try_from(span.start.line.checked_sub(1)?).ok()?;
            let column = usize::try_from(span.start.column.checked_sub(1)?).ok()?;
            let rest = text.get(self.lines.get(line)?.1..)?.lines().next()?;
            let length = if span.end.line == span.start.line {
                usize::try_from(span.end.column.saturating_sub(span.start.column)).ok()?
            } else {
                usize::MAX
            };
            Some(rest.chars().skip(column).take(length).collect::<String>())
        };
        found().unwrap_or_default()
    }
}

/// The location that the grammar's messages end with.
pub fn location_in(message: &str) -> Option<Location> {
    let (_, tail) = message.rsplit_once(" at Line: ")?;
    let (line, column) = tail.split_once(", Column: ")?;
    Some(Location { line: line.trim().parse().ok()?, column: column.trim().parse().ok()? })
}

/// A message of the grammar without the location that it ends with.
pub fn without_location(message: &str) -> &str {
    message.rsplit_once(" at Line: ").map_or(message, |(head, _)| head)
}
