//! Cuts text into statements at semicolons that stand outside of quotes, comments and dollar quotes.
//!
//! Text arrives in pieces, usually lines; each byte is looked at once. A statement keeps its semicolon and the comments
//! before it, so that positions in errors fit the text as it was typed.

use quorate_sql::limits::STATEMENT_MAX_BYTES;

/// Where the scan stands.
#[derive(Clone, Debug, PartialEq, Eq)]
enum SplitterState {
    Plain,
    /// Inside `'…'`; after `E`, a backslash escapes the next character.
    Quoted {
        escapes: bool,
    },
    /// Inside `"…"`.
    Identifier,
    LineComment,
    /// Inside `/*…*/`, which nests.
    BlockComment {
        depth: u32,
    },
    /// Inside `$tag$…$tag$`; holds both dollars.
    Dollar(Vec<u8>),
}

/// Text that has arrived, and how far it was looked at.
#[derive(Debug)]
pub struct Splitter {
    text: String,
    scanned: usize,
    state: SplitterState,
    has_content: bool,
}

impl Default for Splitter {
    fn default() -> Self {
        Self { text: String::new(), scanned: 0, state: SplitterState::Plain, has_content: false }
    }
}

impl Splitter {
    /// Adds text.
    pub fn push(&mut self, text: &str) {
        self.text.push_str(text);
    }

    /// The next whole statement, with its semicolon; `None` until more text comes.
    pub fn next_statement(&mut self) -> Option<String> {
        while let Some(byte) = self.byte(0) {
            let ends = self.state == SplitterState::Plain && byte == b';';
            if !ends {
                if !self.step(byte) {
                    return None;
                }
                continue;
            }
            let rest = self.text.split_off(self.scanned + 1);
            let statement = std::mem::replace(&mut self.text, rest);
            self.scanned = 0;
            if std::mem::take(&mut self.has_content) {
                // Positions in errors count from the statement's own first line.
                return Some(statement.trim_start().to_owned());
            }
        }
        None
    }

    /// What is left without a semicolon, when no more text comes; `None` where there are only blanks and comments.
    pub fn finish(&mut self) -> Option<String> {
        // A token of two characters waits for its second one; a line's end settles it.
        self.push("\n");
        if let Some(statement) = self.next_statement() {
            return Some(statement);
        }
        let left = std::mem::take(self);
        left.has_content.then(|| left.text.trim().to_owned())
    }

    /// Whether a statement has begun.
    pub fn is_open(&self) -> bool {
        self.has_content || self.state != SplitterState::Plain
    }

    /// Whether the open statement is longer than any node takes.
    pub fn is_too_long(&self) -> bool {
        self.text.len() > STATEMENT_MAX_BYTES
    }

    fn byte(&self, ahead: usize) -> Option<u8> {
        self.text.as_bytes().get(self.scanned + ahead).copied()
    }

    /// Looks at one token; false where its second byte has not arrived.
    fn step(&mut self, byte: u8) -> bool {
        let needs_next = match &self.state {
            SplitterState::Plain => matches!(byte, b'-' | b'/'),
            SplitterState::Quoted { escapes } => byte == b'\'' || (*escapes && byte == b'\\'),
            SplitterState::BlockComment { .. } => matches!(byte, b'*' | b'/'),
            SplitterState::Identifier | SplitterState::LineComment | SplitterState::Dollar(_) => false,
        };
        let next = self.byte(1);
        if needs_next && next.is_none() {
            return false;
        }
        let used = match self.state.clone() {
            SplitterState::Plain => return self.step_plain(byte, next),
            SplitterState::Quoted { escapes } => self.step_quoted(byte, next, escapes),
            SplitterState::Identifier => self.leave_if(byte == b'"'),
            SplitterState::LineComment => self.leave_if(byte == b'\n'),
            SplitterState::BlockComment { depth } => self.step_block_comment(byte, next, depth),
            SplitterState::Dollar(tag) => match self.step_dollar(&tag) {
                Some(used) => used,
                None => return false,
            },
        };
        self.scanned += used;
        true
    }

    fn step_plain(&mut self, byte: u8, next: Option<u8>) -> bool {
        let (state, used) = match (byte, next) {
            (b'-', Some(b'-')) => (SplitterState::LineComment, 2),
            (b'/', Some(b'*')) => (SplitterState::BlockComment { depth: 1 }, 2),
            (b'\'', _) => (SplitterState::Quoted { escapes: self.follows_escape_prefix() }, 1),
            (b'"', _) => (SplitterState::Identifier, 1),
            (b'$', _) => match self.dollar_tag() {
                DollarTag::Opens(tag) => {
                    let used = tag.len();
                    (SplitterState::Dollar(tag), used)
                }
                DollarTag::None => (SplitterState::Plain, 1),
                DollarTag::Unknown => return false,
            },
            _ => (SplitterState::Plain, 1),
        };
        let comment = matches!(state, SplitterState::LineComment | SplitterState::BlockComment { .. });
        self.has_content |= !comment && !byte.is_ascii_whitespace();
        self.state = state;
        self.scanned += used;
        true
    }

    fn step_quoted(&mut self, byte: u8, next: Option<u8>, escapes: bool) -> usize {
        match (byte, next) {
            (b'\\', _) if escapes => 2,
            (b'\'', Some(b'\'')) => 2,
            (b'\'', _) => self.leave_if(true),
            _ => 1,
        }
    }

    fn step_block_comment(&mut self, byte: u8, next: Option<u8>, depth: u32) -> usize {
        match (byte, next) {
            (b'/', Some(b'*')) => {
                self.state = SplitterState::BlockComment { depth: depth.saturating_add(1) };
                2
            }
            (b'*', Some(b'/')) => {
                let left = depth.saturating_sub(1);
                self.state = if left == 0 {
                    SplitterState::Plain
                } else {
                    SplitterState::BlockComment { depth: left }
                };
                2
            }
            _ => 1,
        }
    }

    /// Bytes used; nothing where what has arrived may be the beginning of the closing tag.
    fn step_dollar(&mut self, tag: &[u8]) -> Option<usize> {
        let here = self.text.as_bytes().get(self.scanned..).unwrap_or_default();
        if here.starts_with(tag) {
            self.state = SplitterState::Plain;
            return Some(tag.len());
        }
        (!tag.starts_with(here)).then_some(1)
    }

    fn leave_if(&mut self, ends: bool) -> usize {
        if ends {
            self.state = SplitterState::Plain;
        }
        1
    }

    /// Whether the quote at the scan stands right after a lone `E`.
    fn follows_escape_prefix(&self) -> bool {
        let before = self.text.as_bytes().get(..self.scanned).unwrap_or_default();
        match before {
            [.., earlier, b'e' | b'E'] => !is_word(*earlier),
            [b'e' | b'E'] => true,
            _ => false,
        }
    }

    /// Reads `$tag$` at the scan.
    fn dollar_tag(&self) -> DollarTag {
        let before = self.scanned.checked_sub(1).and_then(|at| self.text.as_bytes().get(at));
        if before.is_some_and(|byte| is_word(*byte)) {
            return DollarTag::None;
        }
        let here = self.text.as_bytes().get(self.scanned..).unwrap_or_default();
        let inner = here.iter().skip(1).take_while(|byte| is_word(**byte)).count();
        let starts_with_digit = here.get(1).is_some_and(u8::is_ascii_digit);
        match here.get(inner + 1) {
            None => DollarTag::Unknown,
            Some(b'$') if !starts_with_digit => {
                DollarTag::Opens(here.get(..inner + 2).unwrap_or_default().to_vec())
            }
            Some(_) => DollarTag::None,
        }
    }
}

/// What a dollar sign begins.
enum DollarTag {
    /// A dollar quote.
    Opens(Vec<u8>),
    /// A parameter, or part of a name.
    None,
    /// That depends on text which has not arrived.
    Unknown,
}

/// Whether the byte can be part of a name.
fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte >= 0x80
}

/// The first words of a statement in capitals, comments left out.
pub fn leading_words(statement: &str, count: usize) -> Vec<String> {
    let mut rest = statement;
    let mut words = Vec::new();
    while words.len() < count {
        rest = skip_blanks(rest);
        let length = rest.bytes().take_while(|byte| is_word(*byte)).count();
        let Some((word, after)) = rest.split_at_checked(length).filter(|(word, _)| !word.is_empty()) else {
            break;
        };
        words.push(word.to_ascii_uppercase());
        rest = after;
    }
    words
}

/// The text after blanks and comments.
fn skip_blanks(text: &str) -> &str {
    let mut rest = text.trim_start();
    loop {
        let after = if let Some(comment) = rest.strip_prefix("--") {
            comment.split_once('\n').map_or("", |(_, after)| after)
        } else if let Some(comment) = rest.strip_prefix("/*") {
            comment.split_once("*/").map_or("", |(_, after)| after)
        } else {
            return rest;
        };
        rest = after.trim_start();
    }
}

#[cfg(test)]
mod tests;
